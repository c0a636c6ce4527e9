//! What the end of a request frees, and what it never frees.

use super::*;
use crate::api::{Request as Ask, Subject};
use crate::testing::{GATED, NOW, Net, release};
use crate::tests::people::BUDGETED;
use alloy_primitives::{Address, B256, U256};
use firn_proto::account::account_address;
use firn_proto::certificate::KeyCertificate;
use firn_proto::time::WallTime;
use firn_proto::{Definition, NodeId};

const SIGNERS: [NodeId; 2] = [NodeId(11), NodeId(12)];

fn settle(subject: &Subject, settlement: Settlement) -> Ask {
    let Subject::Request(request) = subject else { panic!("a request") };
    Ask::Settle { request: request.clone(), settlement }
}

fn lapsed(seconds: u64) -> Settlement {
    Settlement::Lapsed { now: WallTime(NOW.0 + seconds) }
}

/// The deadline of the tests' requests, and the grace, in seconds from now.
const OVER: u64 = 3_600 + EXECUTION_GRACE_SECONDS;

/// A network, and two rival requests, of which node 11 has lent a share for the first.
fn rivals() -> (Net, KeyCertificate, Subject, Subject) {
    let (mut net, certificate) = Net::certified(2, 3);
    let [first, second] = [5, 6].map(|wad| net.request(certificate.group_key(), 1, wad));
    let package = net.package(certificate.key_id(), &first, &SIGNERS);
    net.released(NodeId(11), &first, &package);
    (net, certificate, first, second)
}

/// Whether node 11 lends a share for `subject`.
fn lends(net: &mut Net, certificate: &KeyCertificate, subject: &Subject) -> bool {
    let package = net.package(certificate.key_id(), subject, &SIGNERS);
    match net.ask(NodeId(11), release(subject, &package)) {
        Reply::Released { .. } => true,
        Reply::Refused(refusal) => {
            assert_eq!(refusal.code, Code::RivalLocked);
            false
        }
        other => panic!("{other:?}"),
    }
}

fn kinds(net: &mut Net) -> Vec<Kind> {
    let records = net.host(NodeId(11)).records.keys();
    let kinds = records.filter_map(|key| Some(Kind::of(key)?.0));
    kinds.filter(|kind| !matches!(kind, Kind::Share | Kind::State)).collect()
}

#[test]
fn r12_an_executed_request_keeps_its_intent_for_ever() {
    let (mut net, certificate, first, second) = rivals();
    assert_eq!(kinds(&mut net), [Kind::AccountLock, Kind::RequesterLock, Kind::Release]);
    let decision = net.decide(NodeId(11), settle(&first, Settlement::Executed));
    assert!(matches!(decision.reply, Reply::Settled { .. }));
    assert_eq!(kinds(&mut net), [Kind::RequesterLock], "the account nonce is used, the marker decides nothing");
    for _ in 0..2 {
        assert!(!lends(&mut net, &certificate, &second));
        net.restart(NodeId(11));
    }
    assert!(net.decide(NodeId(11), settle(&first, Settlement::Executed)).writes.is_empty(), "once is enough");
}

#[test]
fn r12_what_the_chain_executed_bars_a_rival_that_we_had_signed() {
    let (mut net, certificate, first, second) = rivals();
    net.ask(NodeId(11), settle(&second, Settlement::Executed));
    for _ in 0..2 {
        assert!(!lends(&mut net, &certificate, &first));
        net.restart(NodeId(11));
    }
    assert_eq!(kinds(&mut net).len(), 3, "the first one's own account nonce is still open");
}

#[test]
fn who_lent_nothing_learns_what_was_executed() {
    let (mut net, certificate) = Net::certified(2, 3);
    let [first, second] = [5, 6].map(|wad| net.request(certificate.group_key(), 1, wad));
    net.ask(NodeId(11), settle(&first, Settlement::Executed));
    net.restart(NodeId(11));
    assert!(!lends(&mut net, &certificate, &second));
}

#[test]
fn r12_a_lapsed_request_frees_both_locks_after_its_grace_and_not_before() {
    let (mut net, certificate, first, second) = rivals();
    for seconds in [0, 3_601, OVER] {
        net.refuses(NodeId(11), settle(&first, lapsed(seconds)), Code::VaultRefused);
    }
    assert!(!lends(&mut net, &certificate, &second));
    net.ask(NodeId(11), settle(&second, lapsed(OVER + 1)));
    assert!(!lends(&mut net, &certificate, &second), "the end of a rival frees nothing of ours");
    net.ask(NodeId(11), settle(&first, lapsed(OVER + 1)));
    assert_eq!(kinds(&mut net), []);
    net.restart(NodeId(11));
    assert!(lends(&mut net, &certificate, &second));
}

#[test]
fn only_a_requesters_own_signature_settles() {
    let (mut net, _, first, _) = rivals();
    let mut content = (*net.definition).clone();
    content.name.push('x');
    net.host(NodeId(11)).vault.definition = Definition::new(content);
    net.refuses(NodeId(11), settle(&first, Settlement::Executed), Code::RequesterUnknown);
    assert_eq!(kinds(&mut net).len(), 3);
}

/// A slash of `operator` under the requester's nonce.
fn slash(net: &Net, certificate: &KeyCertificate, operator: Address, nonce: u64) -> Subject {
    let account = account_address(certificate.group_key());
    net.request_with(|slash| {
        (slash.account, slash.operator, slash.nonce) = (account, operator, U256::from(nonce));
        slash.wadsToSlash = vec![U256::from(60)];
    })
}

/// What node 11 answers to a package for `subject`: `None` where it lends a share.
fn answer(net: &mut Net, certificate: &KeyCertificate, subject: &Subject) -> Option<Code> {
    let package = net.package(certificate.key_id(), subject, &SIGNERS);
    match net.ask(NodeId(11), release(subject, &package)) {
        Reply::Refused(refusal) => Some(refusal.code),
        _ => None,
    }
}

#[test]
fn r14_a_budget_is_lent_to_one_open_payload_at_a_time() {
    let (mut net, certificate) = Net::certified(2, 3);
    let [first, second, third] = [1, 2, 3].map(|nonce| slash(&net, &certificate, BUDGETED, nonce));
    let beside = slash(&net, &certificate, Address::repeat_byte(0x79), 4);
    assert_eq!(answer(&mut net, &certificate, &first), None);
    for _ in 0..2 {
        assert_eq!(answer(&mut net, &certificate, &second), Some(Code::BudgetLocked));
        assert_eq!(answer(&mut net, &certificate, &first), None, "its own lock is no obstacle");
        assert_eq!(answer(&mut net, &certificate, &beside), None, "another operator has no part in it");
        net.restart(NodeId(11));
    }
    let buckets = |net: &mut Net| kinds(net).into_iter().filter(|kind| *kind == Kind::BucketLock).count();
    assert_eq!(buckets(&mut net), 2, "the budget's and the pause's");
    net.ask(NodeId(11), settle(&second, Settlement::Executed));
    assert_eq!(answer(&mut net, &certificate, &third), Some(Code::BudgetLocked), "a rival's end frees nothing of ours");
    net.ask(NodeId(11), settle(&first, Settlement::Executed));
    assert_eq!(buckets(&mut net), 0);
    net.restart(NodeId(11));
    assert_eq!(answer(&mut net, &certificate, &third), None);
}

#[test]
fn r14_the_lock_of_a_budget_dies_with_its_payload() {
    let (mut net, certificate) = Net::certified(2, 3);
    let [first, second] = [1, 2].map(|nonce| slash(&net, &certificate, BUDGETED, nonce));
    assert_eq!(answer(&mut net, &certificate, &first), None);
    net.refuses(NodeId(11), settle(&first, lapsed(OVER)), Code::VaultRefused);
    assert_eq!(answer(&mut net, &certificate, &second), Some(Code::BudgetLocked));
    net.ask(NodeId(11), settle(&first, lapsed(OVER + 1)));
    assert_eq!(answer(&mut net, &certificate, &second), None);
}

/// A slash of an operator without a budget, for this evidence.
fn evidenced(net: &Net, certificate: &KeyCertificate, nonce: u64, hash: u8) -> Subject {
    evidenced_against(net, certificate, nonce, hash, 1)
}

fn evidenced_against(net: &Net, certificate: &KeyCertificate, nonce: u64, hash: u8, operator: u8) -> Subject {
    let account = account_address(certificate.group_key());
    net.request_with(|slash| {
        (slash.account, slash.nonce) = (account, U256::from(nonce));
        slash.operator = Address::with_last_byte(operator);
        slash.evidenceHash = B256::repeat_byte(hash);
    })
}

#[test]
fn r12_one_piece_of_evidence_is_lent_to_one_payload() {
    let (mut net, certificate) = Net::certified(2, 3);
    let [first, second, third] = [1, 2, 3].map(|nonce| evidenced(&net, &certificate, nonce, 7));
    let [other, none, nor] = [(4, 8), (5, 0), (6, 0)].map(|(nonce, hash)| evidenced(&net, &certificate, nonce, hash));
    assert_eq!(answer(&mut net, &certificate, &first), None);
    for _ in 0..2 {
        assert_eq!(answer(&mut net, &certificate, &second), Some(Code::EvidenceLocked));
        for free in [&first, &other, &none, &nor] {
            assert_eq!(answer(&mut net, &certificate, free), None, "its own lock, other evidence, and no evidence");
        }
        net.restart(NodeId(11));
    }
    net.ask(NodeId(11), settle(&second, lapsed(OVER + 1)));
    assert_eq!(
        answer(&mut net, &certificate, &third),
        Some(Code::EvidenceLocked),
        "a rival's end frees nothing of ours"
    );
    net.ask(NodeId(11), settle(&first, lapsed(OVER + 1)));
    net.restart(NodeId(11));
    assert_eq!(answer(&mut net, &certificate, &second), None, "the lock died with its payload");
    assert_eq!(answer(&mut net, &certificate, &first), Some(Code::EvidenceLocked));
}

#[test]
fn r14_evidence_against_one_operator_is_not_used_up_by_a_slash_of_another() {
    let (mut net, certificate) = Net::certified(2, 3);
    let [first, other] = [(1, 1), (2, 2)].map(|(nonce, of)| evidenced_against(&net, &certificate, nonce, 7, of));
    for slash in [&first, &other] {
        assert_eq!(answer(&mut net, &certificate, slash), None);
    }
}

#[test]
fn r12_evidence_of_an_executed_slash_is_used_for_ever() {
    let (mut net, certificate) = Net::certified(2, 3);
    let [first, second, third] = [1, 2, 3].map(|nonce| evidenced(&net, &certificate, nonce, 7));
    assert_eq!(answer(&mut net, &certificate, &first), None);
    net.ask(NodeId(11), settle(&second, Settlement::Executed));
    for _ in 0..2 {
        assert_eq!(answer(&mut net, &certificate, &first), Some(Code::EvidenceLocked), "the chain has the other");
        assert_eq!(answer(&mut net, &certificate, &third), Some(Code::EvidenceLocked));
        net.restart(NodeId(11));
        // As each start has it told once more.
        net.ask(NodeId(11), settle(&second, Settlement::Executed));
    }
    net.ask(NodeId(11), settle(&first, lapsed(OVER + 1)));
    assert_eq!(answer(&mut net, &certificate, &third), Some(Code::EvidenceLocked));
}

/// Both payloads of a slash through a gate.
fn scheduled(net: &Net, certificate: &KeyCertificate, nonce: u64, hash: u8) -> [Subject; 2] {
    let account = account_address(certificate.group_key());
    let first = net.request_with(|slash| {
        (slash.account, slash.nonce, slash.avs) = (account, U256::from(nonce), GATED);
        slash.evidenceHash = B256::repeat_byte(hash);
    });
    let Subject::Request(request) = &first else { panic!("a request") };
    let second = Subject::Request(Box::new(request.second(&net.definition).expect("a second payload")));
    [first, second]
}

#[test]
fn r12_both_payloads_of_a_request_have_its_evidence_until_the_second_ends() {
    let (mut net, certificate) = Net::certified(2, 3);
    let ([first, second], [rival, _]) = (scheduled(&net, &certificate, 1, 7), scheduled(&net, &certificate, 2, 7));
    assert_eq!(answer(&mut net, &certificate, &first), None);
    net.ask(NodeId(11), settle(&first, Settlement::Executed));
    for _ in 0..2 {
        assert_eq!(answer(&mut net, &certificate, &rival), Some(Code::EvidenceLocked), "what is scheduled has it");
        net.restart(NodeId(11));
    }
    assert_eq!(answer(&mut net, &certificate, &second), None, "its own");
    net.refuses(NodeId(11), settle(&second, lapsed(OVER)), Code::VaultRefused);
    net.ask(NodeId(11), settle(&second, lapsed(OVER + 1)));
    assert_eq!(kinds(&mut net), [], "cancelled on chain, it ends with its deadline");
    assert_eq!(answer(&mut net, &certificate, &rival), None);
}

#[test]
fn r12_what_the_chain_has_scheduled_holds_evidence_where_no_share_was_lent_and_once_executed_for_ever() {
    let (mut net, certificate) = Net::certified(2, 3);
    let ([first, second], [rival, _]) = (scheduled(&net, &certificate, 1, 7), scheduled(&net, &certificate, 2, 7));
    net.ask(NodeId(11), settle(&first, Settlement::Executed));
    assert_eq!(answer(&mut net, &certificate, &rival), Some(Code::EvidenceLocked));
    net.ask(NodeId(11), settle(&second, Settlement::Executed));
    net.restart(NodeId(11));
    assert_eq!(answer(&mut net, &certificate, &rival), Some(Code::EvidenceLocked));
    assert_eq!(
        kinds(&mut net),
        [Kind::EvidenceLock, Kind::RequesterLock],
        "and the nonce of its account is the chain's"
    );
}

#[test]
fn r12_a_second_payload_is_the_requests_own_and_of_no_request_that_has_one_only() {
    let (mut net, certificate) = Net::certified(2, 3);
    let [first, second] = scheduled(&net, &certificate, 1, 7);
    let [digests, nonces] = [[&first, &second].map(|subject| subject.digest(&net.definition).0), {
        let nonce = |subject: &Subject| {
            let Subject::Request(request) = subject else { panic!("a request") };
            request.execute(&net.definition).nonce.to_be_bytes::<32>()
        };
        [nonce(&first), nonce(&second)]
    }];
    assert!(digests[0] != digests[1] && nonces[0] != nonces[1]);
    let Subject::Request(plain) = net.request(certificate.group_key(), 2, 5) else { panic!("a request") };
    assert_eq!(plain.step(true, &net.definition).unwrap_err().code, Code::RequestMalformed);
    let Subject::Request(request) = &second else { panic!("a request") };
    assert_eq!(request.verify_anew(&net.definition).as_ref(), Ok(&**request));
    assert_eq!(answer(&mut net, &certificate, &second), None);
}
