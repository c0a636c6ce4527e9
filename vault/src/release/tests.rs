//! Release by misuse: every way to ask for a share that must not leave.
//!
//! Not applicable here: two signers that swap their shares, which aggregate all the same. Credit and blame go by each share
//! under its signer's envelope, and those are the coordinator's to verify.

use super::*;
use crate::api::Request as Ask;
use crate::limits::OFFERS_MAX;
use crate::testing::{EPOCH, NOW, Net, digest, release};
use alloy_primitives::{Address, U256};
use firn_proto::account::account_address;
use firn_proto::author::AuthorSignature;
use firn_proto::certificate::KeyCertificate;
use firn_proto::opinion::Opinions;
use firn_proto::{Definition, Epoch, Incarnation, KeyId, NodeId, PublicScalar};
use proptest::prelude::*;

mod policy;

struct Case {
    net: Net,
    certificate: KeyCertificate,
    subject: Subject,
    package: SigningPackage,
    /// The signer that is asked. Node 11 coordinates.
    node: NodeId,
}

/// A (3, 5) network, and a package of nodes 11, 12 and 13 for a request.
fn case() -> Case {
    let (mut net, certificate) = Net::certified(3, 5);
    let subject = net.request(certificate.group_key(), 1, 5);
    let nodes = net.nodes();
    let package = net.package(certificate.key_id(), &subject, &nodes[..3]);
    Case { net, certificate, subject, package, node: nodes[1] }
}

impl Case {
    #[track_caller]
    fn refuses(&mut self, code: Code) {
        self.net.refuses(self.node, release(&self.subject, &self.package), code);
    }

    /// Asks for another subject, with the package made out for it.
    #[track_caller]
    fn refuses_subject(&mut self, subject: Subject, code: Code) {
        self.package.subject = subject.id(self.net.definition.network_id());
        self.subject = subject;
        self.refuses(code);
    }

    fn slash(&self, change: impl FnOnce(&mut firn_proto::operation::SlashOperator)) -> Subject {
        let account = account_address(self.certificate.group_key());
        self.net.request_with(|slash| {
            slash.account = account;
            change(slash);
        })
    }

    fn decide(&mut self) -> Decision {
        self.net.decide(self.node, release(&self.subject, &self.package))
    }

    /// The statement of one signer's commitments, changed, under a signature that nobody checks here.
    fn restate(&mut self, signer: NodeId, change: impl FnOnce(&mut CommitmentStatement)) {
        let mut statement = *self.package.commitments[&signer].statement();
        change(&mut statement);
        let forged = Commitments::seal(self.net.definition.network_id(), statement, |_| AuthorSignature([0; 64]));
        self.package.commitments.insert(signer, forged);
    }
}

#[test]
fn r37_the_share_its_locks_and_its_marker_are_one_decision() {
    let mut case = case();
    let decision = case.decide();
    let Reply::Released { package, next, .. } = &decision.reply else { panic!("{:?}", decision.reply) };
    assert_eq!(*package, case.package.hash());
    let next = next[0].statement();
    assert_eq!(next.coordinator, NodeId(11));
    assert_ne!(next.serial, case.package.commitments[&case.node].statement().serial);
    let kind = |write: &Write| match write {
        Write::Put { key, .. } => Kind::of(key).unwrap().0,
        Write::Delete { .. } => panic!("a release deletes nothing"),
    };
    let kinds: Vec<_> = decision.writes.iter().map(kind).collect();
    assert_eq!(kinds, [Kind::AccountLock, Kind::RequesterLock, Kind::Release]);
}

#[test]
fn r39_the_same_package_again_is_the_same_share() {
    let mut case = case();
    let first = case.decide();
    assert_eq!(case.decide(), first, "share, fresh commitments and writes");
}

#[test]
fn r39_another_package_for_a_used_commitment_is_a_rival() {
    let mut case = case();
    case.decide();
    let fresh = case.net.commit(NodeId(14), case.certificate.key_id(), NodeId(11));
    case.package.commitments.remove(&NodeId(13));
    case.package.commitments.insert(NodeId(14), fresh);
    case.refuses(Code::PackageRival);
    let mut again = self::case();
    again.decide();
    again.package.attempt = 1;
    again.refuses(Code::PackageRival);
    again.package.attempt = 0;
    let activation = Subject::Activation(Box::new(again.certificate.clone()));
    again.refuses_subject(activation, Code::PackageRival);
}

#[test]
fn r38_a_restarted_vault_knows_no_commitment_of_before() {
    let mut case = case();
    case.net.restart(case.node);
    case.refuses(Code::CommitmentUnknown);
    // Not even where the new boot offers the same serial.
    let (key_id, node) = (case.certificate.key_id(), case.node);
    case.net.commit(node, key_id, NodeId(11));
    case.refuses(Code::CommitmentUnknown);
    // Nor where it has used it: that is no rival of anything.
    case.net.restart(node);
    let old = case.package.clone();
    case.package = case.net.package(key_id, &case.subject, &[11, 12, 13].map(NodeId));
    let serial = |package: &SigningPackage| package.commitments[&node].statement().serial;
    assert_eq!(serial(&case.package), serial(&old));
    case.decide();
    case.package = old;
    case.refuses(Code::CommitmentUnknown);
}

#[test]
fn r39_altered_own_commitments_are_unknown() {
    let changes: [fn(&mut CommitmentStatement); 4] = [
        |statement| std::mem::swap(&mut statement.hiding, &mut statement.binding),
        |statement| statement.hiding = statement.binding,
        |statement| statement.serial += 1,
        |statement| statement.incarnation = Incarnation::new(2, 0),
    ];
    for change in changes {
        let mut case = case();
        case.restate(case.node, change);
        case.refuses(Code::CommitmentUnknown);
    }
}

#[test]
fn r36_pools_are_small_and_the_oldest_go_first() {
    let mut case = case();
    let (node, key_id) = (case.node, case.certificate.key_id());
    for _ in 0..OFFERS_MAX - 1 {
        case.net.commit(node, key_id, NodeId(11));
    }
    assert!(matches!(case.decide().reply, Reply::Released { .. }), "still there");
    let mut case = self::case();
    for _ in 0..OFFERS_MAX {
        case.net.commit(node, key_id, NodeId(11));
    }
    case.refuses(Code::CommitmentUnknown);
}

#[test]
fn r36_commitments_die_in_time() {
    let ask = |case: &Case, now: u64| {
        let (subject, package) = (case.subject.clone(), case.package.clone());
        Ask::Release(Box::new(ReleaseRequest {
            subject,
            opinions: Opinions::default(),
            package,
            now: WallTime(now),
            next: 2,
        }))
    };
    let mut case = case();
    let expires = case.package.commitments[&case.node].statement().expires.0;
    assert_eq!(expires, NOW.0 + NONCE_LIFETIME_SECONDS);
    let late = ask(&case, expires);
    case.net.refuses(case.node, late, Code::CommitmentUnknown);
    assert!(
        matches!(case.decide(), Decision { reply: Reply::Refused(_), .. }),
        "forgotten, whatever the clock says next"
    );
    let mut case = self::case();
    let (early, late) = (ask(&case, expires - 1), ask(&case, expires));
    let reply = case.net.ask(case.node, early);
    assert!(matches!(&reply, Reply::Released { next, .. } if next.len() == 2), "{reply:?}");
    assert_eq!(case.net.ask(case.node, late), reply, "the same package again gives the recorded share");
    for next in [0, 3] {
        let (subject, package) = (case.subject.clone(), case.package.clone());
        let ask =
            Ask::Release(Box::new(ReleaseRequest { subject, opinions: Opinions::default(), package, now: NOW, next }));
        case.net.refuses(case.node, ask, Code::VaultRefused);
    }
}

#[test]
fn r22_signers_meet_the_keys_diversity() {
    let mut case = case();
    let mut content = (*case.net.definition).clone();
    content.keys[1].organisations_min = 2;
    case.net.host(case.node).vault.definition = Definition::new(content.clone());
    case.refuses(Code::DiversityUnmet);
    content.nodes.get_mut(&NodeId(13)).unwrap().organisation = "another".into();
    case.net.host(case.node).vault.definition = Definition::new(content);
    let Reply::Refused(refusal) = case.decide().reply else { panic!("its request is another network's") };
    assert_eq!(refusal.code, Code::RequesterUnknown);
}

#[test]
fn one_coordinator_cannot_empty_the_pool_of_another() {
    let mut case = case();
    let (node, key_id) = (case.node, case.certificate.key_id());
    for _ in 0..3 * OFFERS_MAX {
        case.net.commit(node, key_id, NodeId(12));
    }
    assert!(matches!(case.decide().reply, Reply::Released { .. }));
}

#[test]
fn commitments_are_for_one_coordinator() {
    let mut case = case();
    // Node 12 coordinates with commitments that were offered to 11, whatever they are said to be.
    case.package.coordinator = NodeId(12);
    case.refuses(Code::PackageInvalid);
    for signer in [11, 12, 13].map(NodeId) {
        case.restate(signer, |statement| statement.coordinator = NodeId(12));
    }
    case.refuses(Code::CommitmentUnknown);
}

#[test]
fn nobody_but_a_member_is_offered_commitments() {
    let mut case = case();
    let key_id = case.certificate.key_id();
    let commit = |key_id, epoch, coordinator| Ask::Commit {
        key_id,
        epoch,
        coordinator: NodeId(coordinator),
        count: 1,
        now: NOW,
    };
    case.net.refuses(case.node, commit(key_id, EPOCH, 9), Code::VaultRefused);
    case.net.refuses(case.node, commit(key_id, Epoch(1), 11), Code::EpochMismatch);
    for count in [0, 17] {
        let ask = Ask::Commit { key_id, epoch: EPOCH, coordinator: NodeId(11), count, now: NOW };
        case.net.refuses(case.node, ask, Code::VaultRefused);
    }
    case.net.refuses(case.node, commit(KeyId(digest(1)), EPOCH, 11), Code::ShareMissing);
}

#[test]
fn r02_the_subject_must_be_what_the_package_names() {
    let mut case = case();
    case.package.subject = firn_proto::SubjectId(digest(1));
    case.refuses(Code::VaultRefused);
}

#[test]
fn r43_exactly_t_members_sign() {
    let mut few = case();
    few.package.commitments.remove(&NodeId(13));
    few.refuses(Code::PackageInvalid);
    let mut none = case();
    none.package.commitments.clear();
    none.refuses(Code::PackageInvalid);
    let mut many = case();
    let key_id = many.certificate.key_id();
    let one_more = many.net.commit(NodeId(14), key_id, NodeId(11));
    many.package.commitments.insert(NodeId(14), one_more);
    many.refuses(Code::PackageInvalid);
    let mut without_us = case();
    let one_more = without_us.net.commit(NodeId(14), key_id, NodeId(11));
    without_us.package.commitments.remove(&without_us.node);
    without_us.package.commitments.insert(NodeId(14), one_more);
    without_us.refuses(Code::PackageInvalid);
    let mut stranger = case();
    let forged = stranger.package.commitments.remove(&NodeId(13)).unwrap();
    stranger.package.commitments.insert(NodeId(9), forged);
    stranger.refuses(Code::PackageInvalid);
    let mut twice = case();
    let copied = twice.package.commitments[&NodeId(11)];
    twice.package.commitments.insert(NodeId(13), copied);
    twice.refuses(Code::PackageInvalid);
    let mut other_key = case();
    other_key.restate(NodeId(13), |statement| statement.key_id = KeyId(digest(1)));
    other_key.refuses(Code::PackageInvalid);
}

#[test]
fn r07_trap_mixed_epochs_are_refused_before_anybody_signs() {
    let mut mixed = case();
    mixed.restate(NodeId(13), |statement| statement.epoch = Epoch(1));
    mixed.refuses(Code::EpochMismatch);
    let mut whole = case();
    whole.package.epoch = Epoch(1);
    whole.refuses(Code::EpochMismatch);
    let mut unknown = case();
    unknown.package.key_id = KeyId(digest(1));
    unknown.refuses(Code::ShareMissing);
}

#[test]
fn r07_a_request_for_another_key_account_or_network_is_refused() {
    let mut other_key = case();
    let subject = other_key.slash(|slash| slash.operatorSetId = 1);
    other_key.refuses_subject(subject, Code::PackageInvalid);
    let mut other_account = case();
    let subject = other_account.slash(|slash| slash.account = Address::repeat_byte(1));
    other_account.refuses_subject(subject, Code::AccountMismatch);
    let mut other_network = case();
    let mut content = (*other_network.net.definition).clone();
    content.chain.id = 1;
    let definition = Definition::new(content);
    let account = account_address(other_network.certificate.group_key());
    let subject = other_network.net.request_in(&definition, |slash| slash.account = account);
    other_network.refuses_subject(subject, Code::RequesterUnknown);
}

#[test]
fn r08_r16_a_requester_that_our_definition_does_not_list_is_refused() {
    let mut case = case();
    let mut content = (*case.net.definition).clone();
    content.requesters.clear();
    case.net.host(NodeId(12)).vault.definition = Definition::new(content);
    case.refuses(Code::RequesterUnknown);
}

#[test]
fn r11_time_is_checked_when_the_share_leaves() {
    let deadlines = [(0, None), (-1, Some(Code::RequestExpired)), (14 * 86_400, None)];
    for (offset, code) in deadlines.into_iter().chain([(14 * 86_400 + 1, Some(Code::RequestLifetimeTooLong))]) {
        let mut case = case();
        let subject = case.slash(|slash| slash.deadline = NOW.0.saturating_add_signed(offset));
        match code {
            Some(code) => case.refuses_subject(subject, code),
            None => {
                case.package.subject = subject.id(case.net.definition.network_id());
                case.subject = subject;
                assert!(matches!(case.decide().reply, Reply::Released { .. }));
            }
        }
    }
}

#[test]
fn r12_a_rival_of_a_locked_payload_is_refused_also_after_a_restart() {
    let mut case = case();
    case.decide();
    let (node, key_id) = (case.node, case.certificate.key_id());
    // Another slash under the requester's same nonce.
    let rival = case.slash(|slash| {
        slash.nonce = U256::from(1);
        slash.wadsToSlash = vec![U256::from(6)];
    });
    let signers = [11, 12, 13].map(NodeId);
    for _ in 0..2 {
        case.package = case.net.package(key_id, &rival, &signers);
        case.refuses_subject(rival.clone(), Code::RivalLocked);
        case.net.restart(node);
    }
    // The same payload goes on with fresh nonces, and takes no new locks.
    let same = case.net.request(case.certificate.group_key(), 1, 5);
    case.package = case.net.package(key_id, &same, &signers);
    case.subject = same;
    assert_eq!(case.decide().writes.len(), 1, "the marker alone");
    // And so does another nonce of the requester's.
    let next = case.net.request(case.certificate.group_key(), 2, 6);
    case.package = case.net.package(key_id, &next, &signers);
    case.subject = next;
    assert_eq!(case.decide().writes.len(), 3);
}

#[test]
fn a_refusal_keeps_the_nonces() {
    let mut case = case();
    let good = case.package.clone();
    case.restate(NodeId(13), |statement| statement.epoch = Epoch(1));
    case.refuses(Code::EpochMismatch);
    case.package = good;
    assert!(matches!(case.decide().reply, Reply::Released { .. }));
}

#[test]
fn an_activation_of_another_key_is_refused() {
    let mut case = case();
    let ceremony = case.net.shared(2);
    let other = case.net.certify(&ceremony);
    case.refuses_subject(Subject::Activation(Box::new(other)), Code::VaultRefused);
}

#[test]
fn released_shares_are_remembered_within_a_bound() {
    let mut case = case();
    let first = case.decide();
    let Reply::Released { .. } = first.reply else { panic!("released") };
    let host = case.net.host(NodeId(12));
    let some = host.vault.released.values().next().unwrap();
    let (package, decision) = (some.package, some.decision.clone());
    for serial in 1_000..1_000 + RELEASED_MAX as u64 {
        host.vault.released.insert(serial, Released { package, decision: decision.clone() });
    }
    let (key_id, signers) = (case.certificate.key_id(), [11, 12, 13].map(NodeId));
    let old = case.package.clone();
    case.package = case.net.package(key_id, &case.subject.clone(), &signers);
    case.decide();
    assert_eq!(case.net.host(NodeId(12)).vault.released.len(), RELEASED_MAX);
    case.package = old;
    case.refuses(Code::CommitmentUnknown);
}

/// One step of misuse.
#[derive(Clone, Debug)]
enum Step {
    Commit { coordinator: u16 },
    Release { offer: usize, payload: u64, nonce: u64, attempt: u32, partner: u16 },
    Activate { offer: usize, attempt: u32 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (11u16..14).prop_map(|coordinator| Step::Commit { coordinator }),
        12 => (0usize..12, 1u64..3, 1u64..3, 0u32..2, 12u16..14)
            .prop_map(|(offer, payload, nonce, attempt, partner)| Step::Release { offer, payload, nonce, attempt, partner }),
        2 => (0usize..12, 0u32..2).prop_map(|(offer, attempt)| Step::Activate { offer, attempt }),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is asked in whatever order: one commitment pair releases one share, and one nonce one payload.
    #[test]
    fn r37_no_commitment_pair_ever_releases_two_shares(steps in prop::collection::vec(step(), 1..40)) {
        let (mut net, certificate) = Net::certified(2, 3);
        let (node, key_id) = (NodeId(11), certificate.key_id());
        let mut offers = vec![net.commit(node, key_id, NodeId(12))];
        let partners: BTreeMap<_, _> = [12, 13].map(NodeId).into_iter().flat_map(|partner| {
            [11, 12, 13].map(|coordinator| (partner, NodeId(coordinator)))
        }).map(|pair| (pair, net.commit(pair.0, key_id, pair.1))).collect();
        let mut shares: BTreeMap<(Point, Point), PublicScalar> = BTreeMap::new();
        let mut payloads: BTreeMap<u64, Digest> = BTreeMap::new();
        for step in steps {
            let (subject, offer, attempt, partner) = match step {
                Step::Commit { coordinator } => {
                    offers.push(net.commit(node, key_id, NodeId(coordinator)));
                    continue;
                }
                Step::Restart => {
                    net.restart(node);
                    continue;
                }
                Step::Release { offer, payload, nonce, attempt, partner } => {
                    (net.request(certificate.group_key(), nonce, payload), offer, attempt, NodeId(partner))
                }
                Step::Activate { offer, attempt } => {
                    (Subject::Activation(Box::new(certificate.clone())), offer, attempt, NodeId(12))
                }
            };
            // Late offers come first, so that a bounded pool still has them.
            let own = offers[offers.len() - 1 - offer % offers.len()];
            let coordinator = own.statement().coordinator;
            let package = SigningPackage {
                subject: subject.id(net.definition.network_id()),
                key_id,
                epoch: EPOCH,
                attempt,
                coordinator,
                block: Default::default(),
                commitments: BTreeMap::from([(node, own), (partner, partners[&(partner, coordinator)])]),
            };
            if let Reply::Released { share, next, .. } = net.ask(node, release(&subject, &package)) {
                offers.extend(next);
                let pair = (own.statement().hiding, own.statement().binding);
                prop_assert_eq!(*shares.entry(pair).or_insert(share), share, "two shares for one pair");
                if let Subject::Request(request) = &subject {
                    let digest = subject.digest(&net.definition);
                    let nonce = request.nonce().to::<u64>();
                    prop_assert_eq!(*payloads.entry(nonce).or_insert(digest), digest, "two payloads for one nonce");
                }
            }
        }
    }
}
