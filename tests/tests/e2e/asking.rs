//! Asking for slashes as an AVS does, and following what becomes of them.

use std::time::{SystemTime, UNIX_EPOCH};

use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::{Address, U256};
use firn_proto::account::nonce_of;
use firn_proto::operation::{Operation, SlashOperator};
use firn_proto::{Digest, SubjectId};
use serde_json::{Value, json};

use crate::chain::WAD;
use crate::http::{self, Answer};
use crate::net::{Net, parse, path};
use crate::process::until;

impl Net {
    /// A slash of so many percent that nothing is wrong with.
    pub(crate) fn slash(&self, percent: u64) -> SlashOperator {
        self.slash_by(self.account(), percent)
    }

    /// The same by this account.
    pub(crate) fn slash_by(&self, account: Address, percent: u64) -> SlashOperator {
        SlashOperator {
            avs: self.chain.avs,
            operator: self.chain.operator,
            operatorSetId: self.chain.set,
            strategies: vec![self.chain.strategy],
            wadsToSlash: vec![U256::from(WAD / 100 * percent)],
            description: "missed its duties".to_owned(),
            evidenceHash: Default::default(),
            evidenceLocation: String::new(),
            account,
            nonce: U256::from_be_bytes(PrivateKeySigner::random().to_bytes().0),
            deadline: now() + 3600,
        }
    }

    /// The requester that the definition lists.
    pub(crate) fn requester(&self) -> PrivateKeySigner {
        self.requester.get_or_init(|| self.open_requester()).clone()
    }

    fn open_requester(&self) -> PrivateKeySigner {
        let entry = &self.manifest["requester"];
        let passphrase = std::fs::read_to_string(path(&entry["passphrase_file"])).expect("a passphrase");
        let signer = PrivateKeySigner::decrypt_keystore(path(&entry["keystore"]), passphrase.trim());
        let signer = signer.expect("the passphrase opens the keystore");
        assert_eq!(signer.address(), parse::<Address>(&entry["address"]));
        signer
    }

    /// The request's id.
    pub(crate) fn id(&self, slash: &SlashOperator) -> SubjectId {
        Operation::SlashOperator(slash.clone()).id(&self.definition)
    }

    /// The body that an AVS posts.
    pub(crate) fn body(&self, slash: &SlashOperator, signer: &PrivateKeySigner) -> Value {
        let signature = signer.sign_hash_sync(&self.id(slash).0.0.into()).expect("a local key signs");
        json!({ "operation": { "slash_operator": fields(slash) }, "signature": format!("0x{}", hex::encode(signature.as_bytes())) })
    }

    pub(crate) fn post(&self, node: usize, body: &str) -> Answer {
        http::post(self.nodes[node].api, "/v1/requests", body).expect("the node answers")
    }

    /// Signs and posts a slash that must be accepted. Gives its id.
    pub(crate) fn ask(&self, node: usize, slash: &SlashOperator) -> String {
        let answer = self.post(node, &self.body(slash, &self.requester()).to_string());
        assert_eq!(answer.status, 202, "{answer:?}");
        let id = answer.json()["id"].as_str().expect("an id").to_owned();
        assert_eq!(id, self.id(slash).to_string());
        id
    }

    /// A request as a node sees it.
    pub(crate) fn request(&self, node: usize, id: &str) -> Result<Value, String> {
        self.get(node, &format!("/v1/requests/{id}"))
    }

    /// Waits until a node sees the request in this state, blocks coming faster than usual.
    pub(crate) fn in_state(&self, node: usize, id: &str, state: &str) -> Value {
        until(&format!("the request to be {state} at {}", self.name(node)), || {
            self.chain.mine(1);
            let view = self.request(node, id)?;
            if view["state"] == state { Ok(view) } else { Err(view.to_string()) }
        })
    }

    /// Posts a slash, waits until it is executed, and checks on the chain that it was executed once and exactly.
    pub(crate) fn slash_once(&self, node: usize, percent: u64) {
        let (before, count) = (self.chain.shares(), self.chain.slash_count());
        let id = self.ask(node, &self.slash(percent));
        self.executed_once(node, &id, percent, (before, count));
    }

    /// Waits until the request is executed, and holds the chain against how it was `before`: shares and slashes.
    pub(crate) fn executed_once(&self, node: usize, id: &str, percent: u64, (shares, count): (U256, u64)) {
        self.in_state(node, id, "executed");
        // The chain may say so before a member brings the signature.
        let view = until(&format!("the signature at {}", self.name(node)), || {
            let view = self.request(node, id)?;
            if view["signature"].is_null() { Err(view.to_string()) } else { Ok(view) }
        });
        assert_eq!(view["signature"].as_str().map(str::len), Some(2 + 192), "{view}");
        let taken = shares * U256::from(percent) / U256::from(100);
        assert_eq!(self.chain.shares(), shares - taken, "the shares fell by exactly the fraction");
        assert_eq!(self.chain.slash_count(), count + 1, "slashed once");
        let nonce = nonce_of(SubjectId(Digest::from_hex(id).expect("an id")));
        let executions = self.chain.executions(self.account());
        assert_eq!(executions.iter().filter(|used| **used == nonce).count(), 1, "executed once");
    }
}

/// The fields of a slash as JSON.
pub(crate) fn fields(slash: &SlashOperator) -> Value {
    json!({
        "avs": slash.avs,
        "operator": slash.operator,
        "operator_set_id": slash.operatorSetId,
        "strategies": slash.strategies,
        "wads_to_slash": slash.wadsToSlash.iter().map(U256::to_string).collect::<Vec<_>>(),
        "description": slash.description,
        "evidence_hash": slash.evidenceHash,
        "evidence_location": slash.evidenceLocation,
        "account": slash.account,
        "nonce": slash.nonce.to_string(),
        "deadline": slash.deadline,
    })
}

/// The names of missing members in a request's view.
pub(crate) fn missing(view: &Value) -> Vec<String> {
    let names = view["missing"].as_array().unwrap_or_else(|| panic!("no list of missing members: {view}"));
    let mut names: Vec<_> = names.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    names.sort();
    names
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs()
}
