//! Reading the chain back, and making it go faster or stand still.

use std::net::SocketAddr;

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::{SolCall, SolEvent, sol};
use serde_json::{Value, json};

use crate::http;

sol! {
    struct OperatorSet {
        address avs;
        uint32 id;
    }
    function getOperatorShares(address operator, address[] strategies) view returns (uint256[]);
    function getSlashCount(OperatorSet operatorSet) view returns (uint256);
    function getBurnOrRedistributableShares(OperatorSet operatorSet, uint256 slashId, address strategy) view returns (uint256);
    function isOperatorSlashable(address operator, OperatorSet operatorSet) view returns (bool);
    event Executed(uint256 indexed nonce);
}

/// All of an operator's allocation, EigenLayer's unit of fractions.
pub(crate) const WAD: u64 = 1_000_000_000_000_000_000;

/// The chain of a test, and where its contracts are.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    pub(crate) rpc: SocketAddr,
    pub(crate) allocation_manager: Address,
    pub(crate) avs: Address,
    pub(crate) set: u32,
    pub(crate) operator: Address,
    pub(crate) strategy: Address,
}

impl Chain {
    pub(crate) fn call(&self, method: &str, parameters: &Value) -> Result<Value, String> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters });
        let mut answer = http::post(self.rpc, "/", &body.to_string())?.json();
        match answer.get("error") {
            Some(error) => Err(format!("{method}: {error}")),
            None => Ok(answer["result"].take()),
        }
    }

    /// Adds blocks at once; the one before the last but one is final then.
    pub(crate) fn mine(&self, blocks: u64) {
        self.call("anvil_mine", &json!([format!("{blocks:#x}")])).expect("anvil mines");
    }

    /// Sends a transaction of an account of the chain's own, or of any that stands in for somebody outside.
    pub(crate) fn send(&self, from: Address, to: Address, data: &[u8]) {
        self.call("anvil_impersonateAccount", &json!([from])).expect("anvil lends accounts");
        let transaction = json!([{ "from": from, "to": to, "data": format!("0x{}", hex::encode(data)) }]);
        self.call("eth_sendTransaction", &transaction).expect("it is taken");
    }

    /// The finalised block's number.
    pub(crate) fn finalised(&self) -> u64 {
        let block = self.call("eth_getBlockByNumber", &json!(["finalized", false])).expect("a finalised block");
        let number = block["number"].as_str().and_then(|text| text.strip_prefix("0x")).expect("a number");
        u64::from_str_radix(number, 16).expect("a hexadecimal number")
    }

    /// The operator's shares in the newest block.
    pub(crate) fn shares(&self) -> U256 {
        let call = getOperatorSharesCall { operator: self.operator, strategies: vec![self.strategy] };
        self.read(&call, "latest").expect("the simulation answers")[0]
    }

    /// How often the operator set was slashed, in the newest block.
    pub(crate) fn slash_count(&self) -> u64 {
        let count = self.read(&getSlashCountCall { operatorSet: self.operator_set() }, "latest");
        count.expect("the simulation answers").to()
    }

    /// What the last slash took and nobody has cleared.
    pub(crate) fn to_clear(&self) -> U256 {
        let call = getBurnOrRedistributableSharesCall {
            operatorSet: self.operator_set(),
            slashId: U256::from(self.slash_count()),
            strategy: self.strategy,
        };
        self.read(&call, "latest").expect("the simulation answers")
    }

    /// Whether the operator can be slashed in the finalised state, the one that nodes look at.
    pub(crate) fn is_slashable(&self) -> bool {
        let call = isOperatorSlashableCall { operator: self.operator, operatorSet: self.operator_set() };
        self.read(&call, "finalized").unwrap_or(false)
    }

    /// The nonces that the account has executed, once for each execution.
    pub(crate) fn executions(&self, account: Address) -> Vec<U256> {
        let filter = json!([{ "address": account, "fromBlock": "0x0", "topics": [Executed::SIGNATURE_HASH] }]);
        let logs = self.call("eth_getLogs", &filter).expect("anvil has logs");
        let nonce = |log: &Value| log["topics"][1].as_str()?.parse::<B256>().ok().map(|topic| topic.into());
        logs.as_array().expect("a list").iter().map(|log| nonce(log).expect("a nonce")).collect()
    }

    fn operator_set(&self) -> OperatorSet {
        OperatorSet { avs: self.avs, id: self.set }
    }

    pub(crate) fn read<C: SolCall>(&self, call: &C, at: &str) -> Result<C::Return, String> {
        let data = format!("0x{}", hex::encode(call.abi_encode()));
        let answer = self.call("eth_call", &json!([{ "to": self.allocation_manager, "data": data }, at]))?;
        let bytes = answer.as_str().and_then(|text| hex::decode(text.trim_start_matches("0x")).ok());
        C::abi_decode_returns(&bytes.ok_or("no bytes")?).map_err(|error| error.to_string())
    }
}
