//! Requests: typed operations that a requester signs with an Ethereum key (EIP-712).

use crate::account::{Call, Execute, execute_digest, nonce_of};
use crate::code::{Code, Refusal};
use crate::definition::{Definition, KeyDefinition, Purpose};
use crate::ids::{Digest, SubjectId};
use crate::limits::{DESCRIPTION_BYTES_MAX, REQUEST_LIFETIME_SECONDS_MAX, STRATEGIES_MAX};
use crate::time::WallTime;
use crate::wire;
use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{Eip712Domain, SolCall, SolStruct, sol};
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Message, SECP256K1};
use std::borrow::Cow;

/// EigenLayer's AllocationManager as far as Firn calls it (core v1.5 and later have this selector).
pub mod eigenlayer {
    #![allow(missing_docs, reason = "names and meaning are EigenLayer's own")]
    alloy_sol_types::sol! {
        struct OperatorSet {
            address avs;
            uint32 id;
        }
        struct SlashingParams {
            address operator;
            uint32 operatorSetId;
            address[] strategies;
            uint256[] wadsToSlash;
            string description;
        }
        interface IAllocationManager {
            function slashOperator(address avs, SlashingParams calldata params)
                external returns (uint256 slashId, uint256[] memory shares);
            function getSlasher(OperatorSet memory operatorSet) external view returns (address);
            function isOperatorSlashable(address operator, OperatorSet memory operatorSet) external view returns (bool);
            function getStrategiesInOperatorSet(OperatorSet memory operatorSet) external view returns (address[] memory);
        }
    }
}

sol! {
    /// Slash `operator` in one operator set: the fields of EigenLayer's `slashOperator`, plus the account that shall
    /// call it, a nonce of the requester's choice and the last second at which it may execute.
    #[derive(Debug, PartialEq, Eq)]
    struct SlashOperator {
        address avs;
        address operator;
        uint32 operatorSetId;
        address[] strategies;
        uint256[] wadsToSlash;
        string description;
        address account;
        uint256 nonce;
        uint64 deadline;
    }
}

/// What a requester asks for. A closed set: unknown kinds do not decode.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Slash an operator.
    SlashOperator(SlashOperator),
}

/// An operation with its requester's signature, not checked yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedRequest {
    /// What is asked for.
    pub operation: Operation,
    /// EIP-712 signature r || s || v over the operation.
    pub signature: [u8; 65],
}

/// A request that was checked against a definition. Only [`SignedRequest::verify`] makes one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    id: SubjectId,
    signed: SignedRequest,
    requester: Address,
    key_name: String,
}

impl Operation {
    /// The stable name of the kind, as used in the definition.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SlashOperator(_) => "slash_operator",
        }
    }

    /// What a key must be for to sign it.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        match self {
            Self::SlashOperator(_) => Purpose::Slash,
        }
    }

    /// The EIP-712 digest in this network: what the requester signs, and the request's id.
    #[must_use]
    pub fn id(&self, definition: &Definition) -> SubjectId {
        let domain = request_domain(definition);
        match self {
            Self::SlashOperator(slash) => SubjectId(Digest(slash.eip712_signing_hash(&domain).0)),
        }
    }
}

/// The EIP-712 domain of requests: name, version, chain id, and the network id as salt.
#[must_use]
pub fn request_domain(definition: &Definition) -> Eip712Domain {
    Eip712Domain {
        name: Some(Cow::Borrowed("Firn")),
        version: Some(Cow::Borrowed("1")),
        chain_id: Some(U256::from(definition.chain.id)),
        verifying_contract: None,
        salt: Some(definition.network_id().0.0.into()),
    }
}

impl SignedRequest {
    /// Checks everything about the request that needs no clock, no key and no chain: structure, requester, role.
    ///
    /// # Errors
    /// A refusal that names the field (`SECURITY.md` R1, R4, R7, R8).
    pub fn verify(self, definition: &Definition) -> Result<Request, Refusal> {
        let Operation::SlashOperator(slash) = &self.operation;
        check_structure(slash)?;
        let key = definition.key_for(slash.avs, slash.operatorSetId).ok_or_else(|| {
            Refusal::new(Code::OperatorSetNotListed, format!("avs {}, set {}", slash.avs, slash.operatorSetId))
        })?;
        let id = self.operation.id(definition);
        let requester = recover(&self.signature, id)?;
        let listed = definition
            .requesters
            .iter()
            .find(|listed| listed.address == requester)
            .ok_or_else(|| Refusal::new(Code::RequesterUnknown, format!("signer {requester}")))?;
        if !listed.operations.iter().any(|kind| kind == self.operation.kind()) || !listed.avs.contains(&slash.avs) {
            return Err(Refusal::new(Code::RequesterNotAllowed, listed.name.clone()));
        }
        let key_name = key.name.clone();
        Ok(Request { id, signed: self, requester, key_name })
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// `REQUEST_MALFORMED`, naming the field.
    pub fn from_wire(request: &wire::SignedRequest) -> Result<Self, Refusal> {
        let malformed = |field: &str| Refusal::new(Code::RequestMalformed, field);
        let Some(wire::signed_request::Operation::SlashOperator(slash)) = &request.operation else {
            return Err(malformed("operation"));
        };
        let address = |bytes: &[u8], field: &str| Address::try_from(bytes).map_err(|_| malformed(field));
        let integer = |bytes: &[u8], field: &str| {
            <[u8; 32]>::try_from(bytes).map(U256::from_be_bytes).map_err(|_| malformed(field))
        };
        let operation = SlashOperator {
            avs: address(&slash.avs, "avs")?,
            operator: address(&slash.operator, "operator")?,
            operatorSetId: slash.operator_set_id,
            strategies: slash.strategies.iter().map(|s| address(s, "strategies")).collect::<Result<_, _>>()?,
            wadsToSlash: slash.wads_to_slash.iter().map(|w| integer(w, "wads_to_slash")).collect::<Result<_, _>>()?,
            description: slash.description.clone(),
            account: address(&slash.account, "account")?,
            nonce: integer(&slash.nonce, "nonce")?,
            deadline: slash.deadline,
        };
        let signature = request.signature.as_slice().try_into().map_err(|_| malformed("signature"))?;
        Ok(Self { operation: Operation::SlashOperator(operation), signature })
    }

    /// The wire form.
    #[must_use]
    pub fn to_wire(&self) -> wire::SignedRequest {
        let Operation::SlashOperator(slash) = &self.operation;
        wire::SignedRequest {
            operation: Some(wire::signed_request::Operation::SlashOperator(wire::SlashOperator {
                avs: slash.avs.to_vec(),
                operator: slash.operator.to_vec(),
                operator_set_id: slash.operatorSetId,
                strategies: slash.strategies.iter().map(|s| s.to_vec()).collect(),
                wads_to_slash: slash.wadsToSlash.iter().map(|w| w.to_be_bytes_vec()).collect(),
                description: slash.description.clone(),
                account: slash.account.to_vec(),
                nonce: slash.nonce.to_be_bytes_vec(),
                deadline: slash.deadline,
            })),
            signature: self.signature.to_vec(),
        }
    }
}

impl Request {
    /// The request's id: the digest that its requester signed.
    #[must_use]
    pub fn id(&self) -> SubjectId {
        self.id
    }

    /// The operation.
    #[must_use]
    pub fn operation(&self) -> &Operation {
        &self.signed.operation
    }

    /// The request as it was signed.
    #[must_use]
    pub fn signed(&self) -> &SignedRequest {
        &self.signed
    }

    /// Who signed it.
    #[must_use]
    pub fn requester(&self) -> Address {
        self.requester
    }

    /// The definition's name of the key that answers for the operator set.
    #[must_use]
    pub fn key_name(&self) -> &str {
        &self.key_name
    }

    /// The key in `definition`.
    #[must_use]
    pub fn key<'a>(&self, definition: &'a Definition) -> Option<&'a KeyDefinition> {
        definition.keys.iter().find(|key| key.name == self.key_name)
    }

    /// The account that shall execute it.
    #[must_use]
    pub fn account(&self) -> Address {
        let Operation::SlashOperator(slash) = self.operation();
        slash.account
    }

    /// The nonce of the requester's choice: what it means by one, it means once.
    #[must_use]
    pub fn nonce(&self) -> U256 {
        let Operation::SlashOperator(slash) = self.operation();
        slash.nonce
    }

    /// The last second at which it may execute.
    #[must_use]
    pub fn deadline(&self) -> WallTime {
        let Operation::SlashOperator(slash) = self.operation();
        WallTime(slash.deadline)
    }

    /// Checks the deadline at `now`. To be asked at intake and again at share release (R11).
    ///
    /// # Errors
    /// `REQUEST_EXPIRED`, `REQUEST_LIFETIME_TOO_LONG`.
    pub fn check_time(&self, now: WallTime) -> Result<(), Code> {
        if self.deadline() < now {
            return Err(Code::RequestExpired);
        }
        if self.deadline().0 > now.0.saturating_add(REQUEST_LIFETIME_SECONDS_MAX) {
            return Err(Code::RequestLifetimeTooLong);
        }
        Ok(())
    }

    /// What the account shall execute: one call of `slashOperator`, under the nonce derived from the request's id.
    #[must_use]
    pub fn execute(&self, definition: &Definition) -> Execute {
        let Operation::SlashOperator(slash) = self.operation();
        let params = eigenlayer::SlashingParams {
            operator: slash.operator,
            operatorSetId: slash.operatorSetId,
            strategies: slash.strategies.clone(),
            wadsToSlash: slash.wadsToSlash.clone(),
            description: slash.description.clone(),
        };
        let data = eigenlayer::IAllocationManager::slashOperatorCall { avs: slash.avs, params }.abi_encode();
        let call = Call { target: definition.chain.allocation_manager, value: U256::ZERO, data: Bytes::from(data) };
        Execute { calls: vec![call], nonce: nonce_of(self.id), validAfter: 0, validUntil: slash.deadline }
    }

    /// The digest that the group key signs: `FrostAccount`'s EIP-712 digest of [`Self::execute`].
    #[must_use]
    pub fn payload_digest(&self, definition: &Definition) -> Digest {
        execute_digest(definition.chain.id, self.account(), &self.execute(definition))
    }
}

/// EIGENLAYER.md section 1: what `slashOperator` itself would refuse, and what should not reach an event log.
fn check_structure(slash: &SlashOperator) -> Result<(), Refusal> {
    let refuse = |code, detail: String| Err(Refusal::new(code, detail));
    if slash.strategies.is_empty() || slash.strategies.len() > STRATEGIES_MAX {
        return refuse(Code::StrategiesEmpty, format!("{} strategies", slash.strategies.len()));
    }
    if slash.strategies.len() != slash.wadsToSlash.len() {
        return refuse(
            Code::WadsLengthMismatch,
            format!("{} strategies, {} wads", slash.strategies.len(), slash.wadsToSlash.len()),
        );
    }
    if !slash.strategies.is_sorted_by(|a, b| a < b) {
        return refuse(Code::StrategiesNotAscending, "strategies".to_owned());
    }
    let wad = U256::from(1_000_000_000_000_000_000_u64);
    if let Some(bad) = slash.wadsToSlash.iter().find(|w| w.is_zero() || **w > wad) {
        return refuse(Code::WadOutOfRange, format!("wad {bad}"));
    }
    if slash.description.len() > DESCRIPTION_BYTES_MAX || slash.description.chars().any(is_deceptive) {
        return refuse(Code::DescriptionInvalid, format!("{} bytes", slash.description.len()));
    }
    Ok(())
}

/// Control characters and Unicode's direction and invisible format characters, which could make a log line lie.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{61c}' | '\u{feff}')
}

/// The signer of `id`. Refuses the second encoding that ECDSA allows (high s) and recovery ids other than 27 and 28.
fn recover(signature: &[u8; 65], id: SubjectId) -> Result<Address, Refusal> {
    let invalid = |detail: &str| Refusal::new(Code::RequestSignatureInvalid, detail);
    let recovery = match signature[64] {
        27 => RecoveryId::Zero,
        28 => RecoveryId::One,
        _ => return Err(invalid("v must be 27 or 28")),
    };
    let parsed = RecoverableSignature::from_compact(&signature[..64], recovery).map_err(|_| invalid("r || s || v"))?;
    let standard = parsed.to_standard();
    let mut normalised = standard;
    normalised.normalize_s();
    if normalised != standard {
        return Err(invalid("s must be in the lower half"));
    }
    let signer = SECP256K1.recover_ecdsa(Message::from_digest(id.0.0), &parsed).map_err(|_| invalid("no signer"))?;
    Ok(Address::from_raw_public_key(&signer.serialize_uncompressed()[1..]))
}
