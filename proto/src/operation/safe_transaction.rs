//! `SafeTransaction`: approve a transaction of a Safe of which the account is an owner, by `approveHash` of its EIP-712 digest.
//!
//! The digest is computed from the fields that people are shown; nobody brings one. Anybody may then execute the transaction
//! once enough owners have approved, and there is no deadline for that: the Safe's own nonce ends it.

use super::contract_call::{check_purpose, named};
use super::form::{Field, Form};
use super::listed_call::{self, APPROVE_HASH};
use super::{Kind, Rendering, Terms, selector_of};
use crate::account::Call;
use crate::code::{Code, Refusal};
use crate::definition::{Definition, Purpose};
use crate::wire;
use alloy_primitives::{B256, FixedBytes, U256};
use alloy_sol_types::{Eip712Domain, SolCall, SolStruct, sol};
use serde::{Deserialize, Serialize};

sol! {
    /// Approve that `safe` calls `to`: the fields of a Safe transaction, and who approves it for which purpose.
    #[derive(Debug, PartialEq, Eq)]
    struct SafeTransaction {
        string purpose;
        address avs;
        address safe;
        address to;
        uint256 value;
        bytes data;
        uint32 operation;
        uint256 safeTxGas;
        uint256 baseGas;
        uint256 gasPrice;
        address gasToken;
        address refundReceiver;
        uint256 safeNonce;
        address account;
        uint256 nonce;
        uint64 deadline;
    }

    /// What a Safe's owners approve (Safe 1.3.0 to 1.5.0).
    struct SafeTx {
        address to;
        uint256 value;
        bytes data;
        uint8 operation;
        uint256 safeTxGas;
        uint256 baseGas;
        uint256 gasPrice;
        address gasToken;
        address refundReceiver;
        uint256 nonce;
    }

    function approveHash(bytes32 hashToApprove) external;
}

/// [`SafeTransaction`] in JSON. Unknown and duplicate keys are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SafeTransactionJson {
    pub(super) purpose: String,
    pub(super) avs: String,
    pub(super) safe: String,
    pub(super) to: String,
    pub(super) value: String,
    pub(super) data: String,
    pub(super) operation: u32,
    pub(super) safe_tx_gas: String,
    pub(super) base_gas: String,
    pub(super) gas_price: String,
    pub(super) gas_token: String,
    pub(super) refund_receiver: String,
    pub(super) safe_nonce: String,
    pub(super) account: String,
    pub(super) nonce: String,
    pub(super) deadline: u64,
}

impl Form for SafeTransaction {
    type Wire = wire::SafeTransaction;
    type Json = SafeTransactionJson;

    fn terms(&self) -> Terms {
        Terms { avs: self.avs, account: self.account, nonce: self.nonce, deadline: self.deadline }
    }

    fn from_wire(wire: &Self::Wire) -> Result<Self, Refusal> {
        Ok(Self {
            purpose: Field::from_wire(&wire.purpose, "purpose")?,
            avs: Field::from_wire(&wire.avs, "avs")?,
            safe: Field::from_wire(&wire.safe, "safe")?,
            to: Field::from_wire(&wire.to, "to")?,
            value: Field::from_wire(&wire.value, "value")?,
            data: Field::from_wire(&wire.data, "data")?,
            operation: Field::from_wire(&wire.operation, "operation")?,
            safeTxGas: Field::from_wire(&wire.safe_tx_gas, "safe_tx_gas")?,
            baseGas: Field::from_wire(&wire.base_gas, "base_gas")?,
            gasPrice: Field::from_wire(&wire.gas_price, "gas_price")?,
            gasToken: Field::from_wire(&wire.gas_token, "gas_token")?,
            refundReceiver: Field::from_wire(&wire.refund_receiver, "refund_receiver")?,
            safeNonce: Field::from_wire(&wire.safe_nonce, "safe_nonce")?,
            account: Field::from_wire(&wire.account, "account")?,
            nonce: Field::from_wire(&wire.nonce, "nonce")?,
            deadline: Field::from_wire(&wire.deadline, "deadline")?,
        })
    }

    fn to_wire(&self) -> Self::Wire {
        Self::Wire {
            purpose: self.purpose.to_wire(),
            avs: self.avs.to_wire(),
            safe: self.safe.to_wire(),
            to: self.to.to_wire(),
            value: self.value.to_wire(),
            data: self.data.to_wire(),
            operation: self.operation.to_wire(),
            safe_tx_gas: self.safeTxGas.to_wire(),
            base_gas: self.baseGas.to_wire(),
            gas_price: self.gasPrice.to_wire(),
            gas_token: self.gasToken.to_wire(),
            refund_receiver: self.refundReceiver.to_wire(),
            safe_nonce: self.safeNonce.to_wire(),
            account: self.account.to_wire(),
            nonce: self.nonce.to_wire(),
            deadline: self.deadline.to_wire(),
        }
    }

    fn from_json(json: &Self::Json) -> Result<Self, Refusal> {
        Ok(Self {
            purpose: Field::from_json(&json.purpose, "purpose")?,
            avs: Field::from_json(&json.avs, "avs")?,
            safe: Field::from_json(&json.safe, "safe")?,
            to: Field::from_json(&json.to, "to")?,
            value: Field::from_json(&json.value, "value")?,
            data: Field::from_json(&json.data, "data")?,
            operation: Field::from_json(&json.operation, "operation")?,
            safeTxGas: Field::from_json(&json.safe_tx_gas, "safe_tx_gas")?,
            baseGas: Field::from_json(&json.base_gas, "base_gas")?,
            gasPrice: Field::from_json(&json.gas_price, "gas_price")?,
            gasToken: Field::from_json(&json.gas_token, "gas_token")?,
            refundReceiver: Field::from_json(&json.refund_receiver, "refund_receiver")?,
            safeNonce: Field::from_json(&json.safe_nonce, "safe_nonce")?,
            account: Field::from_json(&json.account, "account")?,
            nonce: Field::from_json(&json.nonce, "nonce")?,
            deadline: Field::from_json(&json.deadline, "deadline")?,
        })
    }

    fn to_json(&self) -> Self::Json {
        Self::Json {
            purpose: self.purpose.to_json(),
            avs: self.avs.to_json(),
            safe: self.safe.to_json(),
            to: self.to.to_json(),
            value: self.value.to_json(),
            data: self.data.to_json(),
            operation: self.operation.to_json(),
            safe_tx_gas: self.safeTxGas.to_json(),
            base_gas: self.baseGas.to_json(),
            gas_price: self.gasPrice.to_json(),
            gas_token: self.gasToken.to_json(),
            refund_receiver: self.refundReceiver.to_json(),
            safe_nonce: self.safeNonce.to_json(),
            account: self.account.to_json(),
            nonce: self.nonce.to_json(),
            deadline: self.deadline.to_json(),
        }
    }
}

/// What changes who governs a Safe, or what may go around its owners.
const GOVERNING: [&str; 9] = [
    "addOwnerWithThreshold(address,uint256)",
    "removeOwner(address,address,uint256)",
    "swapOwner(address,address,address)",
    "changeThreshold(uint256)",
    "enableModule(address)",
    "disableModule(address,address)",
    "setGuard(address)",
    "setModuleGuard(address)",
    "setFallbackHandler(address)",
];

impl SafeTransaction {
    /// The digest that the Safe itself computes for these fields.
    #[must_use]
    pub fn safe_hash(&self, chain_id: u64) -> B256 {
        let domain = Eip712Domain {
            name: None,
            version: None,
            chain_id: Some(U256::from(chain_id)),
            verifying_contract: Some(self.safe),
            salt: None,
        };
        let transaction = SafeTx {
            to: self.to,
            value: self.value,
            data: self.data.clone(),
            operation: 0,
            safeTxGas: self.safeTxGas,
            baseGas: self.baseGas,
            gasPrice: self.gasPrice,
            gasToken: self.gasToken,
            refundReceiver: self.refundReceiver,
            nonce: self.safeNonce,
        };
        transaction.eip712_signing_hash(&domain)
    }

    /// Whether it changes who governs the Safe.
    fn governs(&self) -> bool {
        let selector = self.data.get(..4).map(FixedBytes::<4>::from_slice);
        self.to == self.safe && GOVERNING.into_iter().any(|signature| Some(selector_of(signature)) == selector)
    }
}

impl Kind for SafeTransaction {
    fn purpose(&self) -> Purpose {
        named(&self.purpose)
    }

    /// R5. Deny by default: the Safe must be listed, and so must be what it calls, unless it only sends ether.
    fn check(&self, definition: &Definition) -> Result<(), Refusal> {
        check_purpose(&self.purpose)?;
        let refuse = |why: &str| Err(Refusal::new(Code::SafeTransactionRefused, why));
        if self.operation != 0 {
            return refuse("operation: only calls; a delegatecall may do anything to the Safe");
        }
        if !(self.baseGas.is_zero() && self.gasPrice.is_zero()) {
            return refuse("base_gas and gas_price: refunds pay whoever executes");
        }
        if !(self.gasToken.is_zero() && self.refundReceiver.is_zero()) {
            return refuse("gas_token and refund_receiver: refunds pay whoever executes");
        }
        if self.governs() && self.purpose() != Purpose::Governance {
            return refuse("data: owners, threshold, modules, guards and fallback handler are for governance");
        }
        let approve = selector_of(APPROVE_HASH);
        if listed_call::find(definition, self.purpose(), self.safe, approve).is_none() {
            return Err(listed_call::not_listed(self.purpose(), self.safe, approve));
        }
        if self.data.is_empty() {
            return Ok(());
        }
        listed_call::read(definition, self.purpose(), self.to, &self.data).map(drop)
    }

    fn call(&self, definition: &Definition) -> Call {
        let approve = approveHashCall { hashToApprove: self.safe_hash(definition.chain.id) };
        Call { target: self.safe, value: U256::ZERO, data: approve.abi_encode().into() }
    }

    fn render(&self, definition: &Definition) -> Rendering {
        let mut details = vec![format!("transaction {} of the Safe: call {}", self.safeNonce, self.to)];
        if self.data.is_empty() {
            details.push(format!("send {} wei, without data", self.value));
        } else {
            let arguments = listed_call::read(definition, self.purpose(), self.to, &self.data);
            details.extend(arguments.map_or_else(|refusal| vec![format!("refused: {refusal}")], |read| read.render()));
        }
        details.push(format!("Safe transaction hash {}", self.safe_hash(definition.chain.id)));
        let governs = self.governs().then(|| "changes who governs the Safe".to_owned());
        let paid = (!self.value.is_zero()).then(|| format!("sends {} wei", self.value));
        let always = "the approval outlasts the deadline: it ends when the Safe uses this nonce".to_owned();
        Rendering {
            title: format!("approve a transaction of Safe {} for AVS {}, as {}", self.safe, self.avs, self.purpose),
            details,
            warnings: governs.into_iter().chain(paid).chain([always]).collect(),
        }
    }
}
