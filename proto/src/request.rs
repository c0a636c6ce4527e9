//! Requests: operations that a requester signs with an Ethereum key (EIP-712).

use crate::account::{Execute, execute_digest, nonce_of};
use crate::code::{Code, Refusal};
use crate::definition::{Definition, KeyDefinition};
use crate::digest::CanonicalHasher;
use crate::ids::{Digest, SubjectId};
use crate::limits::REQUEST_LIFETIME_SECONDS_MAX;
use crate::operation::Operation;
use crate::time::WallTime;
use crate::wire;
use alloy_primitives::{Address, U256};
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Message, SECP256K1};

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
    /// What its requester signed. Another than the id for the second of two payloads.
    asked: SubjectId,
    signed: SignedRequest,
    requester: Address,
    key_name: String,
}

impl SignedRequest {
    /// Checks everything about the request that needs no clock, no key and no chain: structure, requester, role.
    ///
    /// # Errors
    /// A refusal that names the field (`SECURITY.md` R1, R4, R7, R8).
    pub fn verify(self, definition: &Definition) -> Result<Request, Refusal> {
        self.operation.check(definition)?;
        let key = self.operation.key(definition)?;
        let id = self.operation.id(definition);
        let requester = recover(&self.signature, id.0, Code::RequestSignatureInvalid)?;
        self.operation.may_be_asked_by(requester, definition)?;
        let key_name = key.name.clone();
        Ok(Request { id, asked: id, signed: self, requester, key_name })
    }

    /// What was taken in under some version: the request, and why the version in force would refuse it, if it would.
    ///
    /// # Errors
    /// That of the version in force, where none before it would take it either.
    pub fn verify_known(self, definition: &Definition) -> Result<(Request, Option<Code>), Refusal> {
        let now = match self.clone().verify(definition) {
            Ok(request) => return Ok((request, None)),
            Err(refusal) => refusal,
        };
        let mut before = definition.versions().skip(1);
        let request = before.find_map(|version| self.clone().verify(version).ok());
        request.map(|request| (request, Some(now.code))).ok_or(now)
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// `REQUEST_MALFORMED`, naming the field.
    pub fn from_wire(request: &wire::SignedRequest) -> Result<Self, Refusal> {
        let operation = Operation::from_wire(request.operation.as_ref())?;
        let malformed = |_| Refusal::new(Code::RequestMalformed, "signature");
        let signature = request.signature.as_slice().try_into().map_err(malformed)?;
        Ok(Self { operation, signature })
    }

    /// The wire form.
    #[must_use]
    pub fn to_wire(&self) -> wire::SignedRequest {
        wire::SignedRequest { operation: Some(self.operation.to_wire()), signature: self.signature.to_vec() }
    }
}

impl Request {
    /// What its session is about: the request's id or, for the second of its payloads, [`second_of`] it.
    #[must_use]
    pub fn id(&self) -> SubjectId {
        self.id
    }

    /// The request's id: the digest that its requester signed.
    #[must_use]
    pub fn asked(&self) -> SubjectId {
        self.asked
    }

    /// Whether this is the second of its payloads, which executes what the first one scheduled.
    #[must_use]
    pub fn is_second(&self) -> bool {
        self.id != self.asked
    }

    /// The first or only one of its payloads.
    #[must_use]
    pub fn first(&self) -> Self {
        Self { id: self.asked, ..self.clone() }
    }

    /// The payload that comes after this one, if there is one.
    #[must_use]
    pub fn second(&self, definition: &Definition) -> Option<Self> {
        let waits = !self.is_second() && self.operation().scheduled(definition).is_some();
        waits.then(|| Self { id: second_of(self.asked), ..self.clone() })
    }

    /// The same payload of the same request as read anew: for whoever believes nobody.
    ///
    /// # Errors
    /// Those of [`SignedRequest::verify`]; `REQUEST_MALFORMED` for a second payload where there is one only.
    pub fn verify_anew(&self, definition: &Definition) -> Result<Self, Refusal> {
        self.signed.clone().verify(definition)?.step(self.is_second(), definition)
    }

    /// Its first or its second payload.
    ///
    /// # Errors
    /// `REQUEST_MALFORMED`: there is one only.
    pub fn step(self, second: bool, definition: &Definition) -> Result<Self, Refusal> {
        let only = || Refusal::new(Code::RequestMalformed, "it has one payload");
        if second { self.second(definition).ok_or_else(only) } else { Ok(self) }
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
        self.operation().account()
    }

    /// The nonce of the requester's choice: what it means by one, it means once.
    #[must_use]
    pub fn nonce(&self) -> U256 {
        self.operation().nonce()
    }

    /// What a slash with evidence has to itself: its hash against one operator in one operator set, as `SlashGate` has it. By the
    /// hash alone, a requester of another set could use it up.
    #[must_use]
    pub fn evidence(&self) -> Option<Digest> {
        let slash = self.operation().slash()?;
        let hash = slash.evidence()?;
        let hasher = CanonicalHasher::new("firn/evidence/v1").field(slash.avs).number(slash.operatorSetId);
        Some(hasher.field(slash.operator).field(hash).finish())
    }

    /// The last second at which it may execute.
    #[must_use]
    pub fn deadline(&self) -> WallTime {
        self.operation().deadline()
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

    /// What the account shall execute: the operation's calls, under the nonce derived from the request's id.
    #[must_use]
    pub fn execute(&self, definition: &Definition) -> Execute {
        Execute {
            calls: match self.operation().scheduled(definition) {
                Some(scheduled) => vec![scheduled.call(self.is_second()).clone()],
                None => self.operation().calls(definition),
            },
            nonce: nonce_of(self.id),
            validAfter: 0,
            validUntil: self.deadline().0,
        }
    }

    /// The digest that the group key signs: `FrostAccount`'s EIP-712 digest of [`Self::execute`].
    #[must_use]
    pub fn payload_digest(&self, definition: &Definition) -> Digest {
        execute_digest(definition.chain.id, self.account(), &self.execute(definition))
    }
}

/// What the session is about that signs a request's second payload.
#[must_use]
pub fn second_of(request: SubjectId) -> SubjectId {
    SubjectId(CanonicalHasher::new("firn/second-payload/v1").field(request.0.0).finish())
}

/// The signer of an EIP-712 digest; `code` is what a bad signature is refused with. Refuses the second encoding that ECDSA allows (high s) and recovery ids other than 27 and 28.
pub(crate) fn recover(signature: &[u8; 65], digest: Digest, code: Code) -> Result<Address, Refusal> {
    let invalid = |detail: &str| Refusal::new(code, detail);
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
    let signer = SECP256K1.recover_ecdsa(Message::from_digest(digest.0), &parsed).map_err(|_| invalid("no signer"))?;
    Ok(Address::from_raw_public_key(&signer.serialize_uncompressed()[1..]))
}
