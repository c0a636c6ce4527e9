//! What nodes said and what they wrote down: the test's own account, held against chain and audit logs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use firn_proto::digest::CanonicalHasher;
use firn_proto::operation::SlashOperator;
use firn_proto::{Digest, SubjectId, account::nonce_of, wire};
use prost::Message;
use rocksdb::{DB, IteratorMode, Options};
use serde_json::Value;

use crate::http;
use crate::lab::THRESHOLD;
use crate::net::Net;
use crate::process::until_at;

/// A value on disk begins with its schema and a checksum.
const HEADER_BYTES: usize = 9;
/// The release of a share is logged with the package's hash and the commitment to the hiding nonce.
const DIGEST_BYTES: usize = 32;
const POINT_BYTES: usize = 65;

/// Each look adds a block, and a chain of twenty thousand of them was once seen to leave a call unanswered.
const SETTLE_POLL: Duration = Duration::from_millis(200);

/// Requests that were posted, and what the nodes' answers were.
#[derive(Default)]
pub(crate) struct Ledger {
    requests: BTreeMap<String, SlashOperator>,
    /// Taken in by some node, by its answer.
    accepted: BTreeSet<String>,
    /// By node and request: the last view since the node's start.
    seen: BTreeMap<(usize, String), Value>,
    /// Answers looked at.
    pub(crate) answers: u64,
}

impl Ledger {
    /// Posts a new request. A node that is killed meanwhile may have taken it in or not.
    pub(crate) fn ask(&mut self, net: &Net, node: usize) {
        let slash = net.slash(1);
        self.requests.insert(net.id(&slash).to_string(), slash.clone());
        self.post(net, node, &slash);
    }

    /// Posts again what nobody has confirmed.
    pub(crate) fn ask_again(&mut self, net: &Net, node: usize) {
        let open: Vec<_> = self.requests.iter().filter(|(id, _)| !self.accepted.contains(*id)).collect();
        for slash in open.into_iter().map(|(_, slash)| slash.clone()).collect::<Vec<_>>() {
            self.post(net, node, &slash);
        }
        assert_eq!(self.accepted.len(), self.requests.len(), "a running node takes requests in");
    }

    fn post(&mut self, net: &Net, node: usize, slash: &SlashOperator) {
        let body = net.body(slash, &net.requester()).to_string();
        if let Ok(answer) = http::post(net.nodes[node].api, "/v1/requests", &body) {
            assert_eq!(answer.status, 202, "{answer:?}");
            self.accepted.insert(net.id(slash).to_string());
        }
    }

    /// What the node says about all requests: what it has said since its start is not taken back.
    pub(crate) fn look(&mut self, net: &Net, node: usize) {
        let Ok(page) = net.get(node, "/v1/requests") else { return };
        self.answers += 1;
        for view in page["requests"].as_array().expect("a list") {
            let id = view["id"].as_str().expect("an id").to_owned();
            assert!(self.requests.contains_key(&id), "nobody asked for {view}");
            assert!(!["refused", "expired"].contains(&state(view)), "{view}");
            let earlier = self.seen.insert((node, id), view.clone()).unwrap_or_default();
            let kept = earlier["signature"].is_null() || earlier["signature"] == view["signature"];
            let went_on = state(&earlier) != "executed" || state(view) == "executed";
            assert!(kept && went_on, "{} took back {earlier}: {view}", net.name(node));
        }
    }

    /// The node has been killed: what it had not written down it need not know.
    pub(crate) fn killed(&mut self, node: usize) {
        self.seen.retain(|(of, _), _| *of != node);
    }

    pub(crate) fn asked(&self) -> usize {
        self.requests.len()
    }

    /// Every request is executed at every node, and on the chain once.
    pub(crate) fn settle(&mut self, net: &Net) {
        until_at(SETTLE_POLL, "every request to be executed at every node", || {
            net.chain.mine(1);
            net.all().for_each(|node| self.look(net, node));
            let executed = |node: usize, id: &String| {
                self.seen.get(&(node, id.clone())).is_some_and(|view| state(view) == "executed")
            };
            let mut all = net.all().flat_map(|node| self.requests.keys().map(move |id| (node, id)));
            all.find(|(node, id)| !executed(*node, id))
                .map_or(Ok(()), |(node, id)| Err(format!("{id} at {}", net.name(node))))
        });
        let id = |id: &String| SubjectId(Digest::from_hex(id).expect("an id"));
        let mut expected: Vec<_> = self.requests.keys().map(|text| nonce_of(id(text))).collect();
        let mut executed = net.chain.executions(net.account());
        expected.sort_unstable();
        executed.sort_unstable();
        assert_eq!(executed, expected, "each request is executed once, and nothing else");
        assert_eq!(net.chain.slash_count(), self.requests.len() as u64);
    }

    /// The audit logs of stopped nodes: whole, no nonce twice, and for each request at least `t` that lent a share.
    /// Gives the number of shares.
    pub(crate) fn audit(&self, net: &Net) -> usize {
        let mut lenders: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        let mut shares = 0;
        for node in net.all() {
            let mut used = BTreeSet::new();
            for entry in audit_log(net, node).into_iter().filter(|entry| entry.event == "share-release") {
                let (_, hiding) = entry.reference.split_at(DIGEST_BYTES);
                assert!(
                    hiding.len() == POINT_BYTES && used.insert(hiding.to_vec()),
                    "{} used a nonce twice",
                    net.name(node)
                );
                lenders.entry(format!("0x{}", hex::encode(entry.session))).or_default().insert(node);
                shares += 1;
            }
        }
        for id in self.requests.keys() {
            let lent = lenders.get(id).map_or(0, BTreeSet::len);
            assert!(
                lent >= usize::from(THRESHOLD),
                "{id} was signed, but only {lent} wrote down that they lent a share"
            );
        }
        shares
    }
}

fn state(view: &Value) -> &str {
    view["state"].as_str().unwrap_or_default()
}

/// All entries of a stopped node's audit log, each chained to the one before.
fn audit_log(net: &Net, node: usize) -> Vec<wire::AuditEntry> {
    let store = net.nodes[node].data_dir.join("store");
    let db = DB::open_cf_for_read_only(&Options::default(), store, ["default", "audit"], false).expect("a database");
    let records = db.iterator_cf(db.cf_handle("audit").expect("a family"), IteratorMode::Start);
    let mut previous = Digest::default();
    let mut entries = Vec::new();
    for (number, record) in records.enumerate() {
        let (key, value) = record.expect("a readable record");
        assert_eq!(*key, number.to_be_bytes(), "an entry is missing");
        let entry = wire::AuditEntry::decode(&value[HEADER_BYTES..]).expect("an entry");
        assert_eq!(entry.previous, previous.0, "{}: entry {number} does not follow", net.name(node));
        previous = CanonicalHasher::new("firn/audit-entry/v1").field(entry.encode_to_vec()).finish();
        entries.push(entry);
    }
    entries
}
