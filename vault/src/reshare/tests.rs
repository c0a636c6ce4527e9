//! Resharing between vaults: what comes of it, and every way in which a dealing or a question is wrong.

use super::*;
use crate::api::{KeyOutcome, Request, Subject};
use crate::complaint::{Verdict, judge};
use crate::testing::{EPOCH, Net, accept, definition, release, rng};
use firn_proto::certificate::KeySource;
use firn_proto::{Definition, Epoch, GroupSignature};

/// Vaults of a network whose key is t of n, and the proposal of its next epoch.
struct Case {
    net: Net,
    source: KeyCertificate,
    proposal: KeyProposal,
    redeals: BTreeMap<Identifier, KeyRedeal>,
}

impl Case {
    /// A refresh among all, with all dealings made.
    fn refresh(t: u16, n: u16) -> Self {
        let (mut net, source) = Net::certified(t, n);
        let proposal = KeyProposal { from: Some(source.source()), ..net.proposal(9) };
        let mut redeals = BTreeMap::new();
        for node in net.nodes() {
            let reply = net.ask(node, Request::Redeal { proposal: proposal.clone() });
            let Reply::Redealt { redeal, .. } = reply else { panic!("not dealt: {reply:?}") };
            redeals.insert(net.identifier(node), *redeal);
        }
        Self { net, source, proposal, redeals }
    }

    fn key_id(&self) -> KeyId {
        self.proposal.key_id(self.net.definition.network_id())
    }

    fn of(&self, dealers: impl IntoIterator<Item = u16>) -> Redeals {
        let chosen = dealers.into_iter().map(|dealer| (Identifier(dealer), self.redeals[&Identifier(dealer)].clone()));
        Redeals { proposal: self.proposal.clone(), source: Box::new(self.source.clone()), redeals: chosen.collect() }
    }

    fn finish(&mut self, node: NodeId, dealers: &[u16]) -> KeyOutcome {
        let ask = self.of(dealers.iter().copied());
        let reply = self.net.ask(node, Request::FinishRedeals(ask));
        let Reply::Finished { outcome, .. } = reply else { panic!("not finished: {reply:?}") };
        outcome
    }

    /// What member 2's vault finds of the dealings.
    fn check(&mut self) -> (BTreeSet<Identifier>, Vec<Identifier>, Vec<KeyComplaint>) {
        let ask = self.of(self.redeals.keys().map(|dealer| dealer.0).collect::<Vec<_>>());
        let reply = self.net.ask(NodeId(12), Request::CheckRedeals(ask));
        let Reply::Checked { good, faulty, complaints, .. } = reply else { panic!("not checked: {reply:?}") };
        (good, faulty, complaints)
    }

    /// Finishes everywhere, certifies and activates: the certificate of the new epoch and its activation.
    fn certified(&mut self, dealers: &[u16]) -> (KeyCertificate, GroupSignature) {
        let outcomes: Vec<_> = self.net.nodes().into_iter().map(|node| self.finish(node, dealers)).collect();
        assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]), "all members compute one outcome");
        let (key_id, epoch) = (self.key_id(), self.proposal.epoch());
        let mut signatures = BTreeMap::new();
        for node in self.net.nodes() {
            let stored = self.net.host(node).records.get(&Vault::share_record(key_id, epoch)).cloned();
            let reply = self.net.ask(node, Request::Certify { key_id, epoch, stored });
            let Reply::Certified { certified, .. } = reply else { panic!("not certified: {reply:?}") };
            signatures.insert(self.net.identifier(node), certified.signature);
        }
        let KeyOutcome { transcript, group_key, verifying_shares } = outcomes[0].clone();
        let definition = &self.net.definition;
        let certificate = KeyCertificate::assemble(
            definition,
            self.proposal.clone(),
            transcript,
            group_key,
            verifying_shares,
            signatures,
        )
        .unwrap();
        for node in self.net.nodes() {
            self.net.done(node, accept(&certificate));
        }
        let subject = Subject::Activation(Box::new(certificate.clone()));
        let signers: Vec<_> = self.net.nodes().into_iter().take(dealers.len()).collect();
        let activation = self.net.sign(&certificate, &subject, &signers);
        (certificate, activation)
    }

    fn retire(&self, certificate: &KeyCertificate, activation: GroupSignature) -> Request {
        Request::Retire { key_id: self.source.key_id(), successor: Box::new(certificate.clone()), activation }
    }
}

#[test]
fn r33_any_t_dealers_give_the_same_key_in_other_shares() {
    for dealers in [[1, 2, 3], [2, 4, 5], [1, 3, 5]] {
        let mut case = Case::refresh(3, 5);
        let (certificate, _) = case.certified(&dealers);
        assert_eq!((certificate.epoch(), certificate.group_key()), (Epoch(1), case.source.group_key()));
        for (member, point) in certificate.verifying_shares() {
            assert_ne!(
                case.source.verifying_shares().get(member),
                Some(point),
                "member {} has another share",
                member.0
            );
        }
    }
}

#[test]
fn r55_an_old_share_among_new_ones_is_worth_nothing() {
    let mut case = Case::refresh(2, 3);
    let (certificate, _) = case.certified(&[1, 2]);
    let share = |node: u16, key_id: KeyId, epoch: Epoch| {
        let held = &case.net.hosts[&NodeId(node)].vault.held[&(key_id, epoch)];
        *SecretScalar::parse(&held.package().signing_share().serialize()).unwrap().scalar()
    };
    let (old, new) = ((case.source.key_id(), EPOCH), (certificate.key_id(), Epoch(1)));
    let pair = [Identifier(1), Identifier(2)];
    let weight = |member| lagrange_at_zero(&pair, member).unwrap();
    let together = |first: (KeyId, Epoch), second: (KeyId, Epoch)| {
        let secret = weight(pair[0]) * share(11, first.0, first.1) + weight(pair[1]) * share(12, second.0, second.1);
        point(&(ProjectivePoint::GENERATOR * secret))
    };
    let group_key = Some(*certificate.group_key());
    assert_eq!(
        (together(old, old), together(new, new)),
        (group_key, group_key),
        "t of one epoch are the key: old ones too"
    );
    assert_ne!(together(old, new), group_key);
    assert_ne!(together(new, old), group_key);
}

#[test]
fn r33_wrong_constant_term_longer_shorter_or_other_recipients_are_seen_by_all() {
    let changes: [fn(&mut KeyRedeal); 5] = [
        |redeal| redeal.commitment[0] = redeal.commitment[1],
        |redeal| redeal.commitment.push(redeal.commitment[1]),
        |redeal| redeal.commitment.truncate(2),
        |redeal| drop(redeal.shares.sealed.pop_last()),
        |redeal| drop(redeal.shares.sealed.insert(Identifier(9), vec![0; 48])),
    ];
    for change in changes {
        let mut case = Case::refresh(3, 5);
        change(case.redeals.get_mut(&Identifier(1)).unwrap());
        let (good, faulty, complaints) = case.check();
        assert_eq!((faulty, complaints), (vec![Identifier(1)], Vec::new()));
        assert_eq!(good, [2, 3, 4, 5].map(Identifier).into());
        let refusal = case.net.refused(NodeId(12), Request::FinishRedeals(case.of([1, 2, 3])));
        assert_eq!((refusal.code, refusal.culprit), (Code::ReshareDealingInvalid, Some(Identifier(1))));
    }
}

#[test]
fn r29_a_wrong_share_is_complained_of_and_judged_right_by_anybody() {
    let mut case = Case::refresh(3, 5);
    // Dealer 1 sends member 2 what it dealt to member 3; and member 4 complains of dealer 2, who did no wrong.
    let redeal = case.redeals.get_mut(&Identifier(1)).unwrap();
    let other = redeal.shares.sealed[&Identifier(3)].clone();
    redeal.shares.sealed.insert(Identifier(2), other);
    let (_, faulty, complaints) = case.check();
    assert_eq!((faulty.len(), complaints.len(), complaints[0].dealer), (0, 1, Identifier(1)));
    let verdict = |complainer: u16, complaint: &KeyComplaint| {
        let redeal = &case.redeals[&complaint.dealer];
        let vault_key = &case.net.definition.nodes[&NodeId(10 + complainer)].vault_key;
        let network = case.net.definition.network_id();
        judge(network, case.key_id(), &redeal.commitment, &redeal.shares, Identifier(complainer), vault_key, complaint)
    };
    assert_eq!(verdict(2, &complaints[0]), Verdict::DealerAtFault);
    let vault = &case.net.hosts[&NodeId(14)].vault;
    let handover = Handover::new(vault, &case.proposal, &case.source).unwrap();
    let false_one = handover.complain(Identifier(4), (Identifier(2), &case.redeals[&Identifier(2)]), &mut rng(3));
    assert_eq!(verdict(4, &false_one), Verdict::ComplainerAtFault);
}

/// One that is rushing copies an honest dealer's ephemeral key, or a multiple of it, to have members open what that one sent them.
#[test]
fn r29_a_dealing_with_another_dealers_ephemeral_key_is_never_opened() {
    let mut case = Case::refresh(3, 5);
    let honest = case.redeals[&Identifier(2)].shares.clone();
    let multiple = point(&(projective(&honest.ephemeral) * Scalar::from(7u64))).unwrap();
    let copies: [fn(&mut KeyShares, &KeyShares, Point); 3] = [
        |own, honest, _| (own.ephemeral, own.possession) = (honest.ephemeral, honest.possession),
        |own, honest, _| own.ephemeral = honest.ephemeral,
        |own, _, multiple| own.ephemeral = multiple,
    ];
    let before = case.redeals[&Identifier(1)].clone();
    for copy in copies {
        let mut redeal = before.clone();
        copy(&mut redeal.shares, &honest, multiple);
        redeal.shares.sealed.values_mut().for_each(|sealed| *sealed = vec![0; 48]);
        case.redeals.insert(Identifier(1), redeal);
        let (good, faulty, complaints) = case.check();
        assert_eq!(
            (faulty, complaints.len()),
            (vec![Identifier(1)], 0),
            "no complaint: it would open dealer 2's share"
        );
        assert_eq!(good, [2, 3, 4, 5].map(Identifier).into());
    }
}

#[test]
fn r33_too_few_too_many_or_foreign_dealers_give_nothing() {
    let mut case = Case::refresh(3, 5);
    for dealers in [&[1, 2][..], &[1, 2, 3, 4][..]] {
        let ask = case.of(dealers.iter().copied());
        case.net.refuses(NodeId(12), Request::FinishRedeals(ask), Code::ReshareDealersTooFew);
    }
    let mut ask = case.of([1, 2, 3]);
    let stolen = ask.redeals.remove(&Identifier(3)).unwrap();
    ask.redeals.insert(Identifier(9), stolen);
    let refusal = case.net.refused(NodeId(12), Request::FinishRedeals(ask));
    assert_eq!((refusal.code, refusal.culprit), (Code::ReshareDealingInvalid, Some(Identifier(9))));
}

#[test]
fn r28_a_dealing_of_an_earlier_attempt_opens_nothing() {
    let mut case = Case::refresh(3, 5);
    let earlier = case.redeals.clone();
    case.proposal.salt = [77; 32];
    for node in case.net.nodes() {
        let reply = case.net.ask(node, Request::Redeal { proposal: case.proposal.clone() });
        let Reply::Redealt { redeal, .. } = reply else { panic!("not dealt: {reply:?}") };
        let identifier = case.net.identifier(node);
        case.redeals.insert(identifier, *redeal);
    }
    case.redeals.insert(Identifier(1), earlier[&Identifier(1)].clone());
    let (good, faulty, complaints) = case.check();
    assert_eq!((good, faulty, complaints.len()), ([2, 3, 4, 5].map(Identifier).into(), vec![Identifier(1)], 0));
}

#[test]
fn r32_a_share_is_dealt_once_and_one_epoch_gives_one_share() {
    let mut case = Case::refresh(2, 3);
    case.net.refuses(NodeId(11), Request::Redeal { proposal: case.proposal.clone() }, Code::DkgConflict);
    case.finish(NodeId(11), &[1, 2]);
    case.net.refuses(NodeId(11), Request::FinishRedeals(case.of([1, 3])), Code::DkgConflict);
    // The pending share survives a restart, and the old one with it.
    case.net.restart(NodeId(11));
    let vault = &case.net.hosts[&NodeId(11)].vault;
    assert_eq!(vault.held.keys().map(|(_, epoch)| epoch.0).collect::<BTreeSet<_>>(), [0, 1].into());
}

#[test]
fn r33_another_source_purpose_or_definition_is_no_resharing() {
    let mut case = Case::refresh(2, 3);
    let from = case.source.source();
    let wrong = [
        KeyProposal { from: Some(KeySource { epoch: Epoch(1), ..from }), ..case.proposal.clone() },
        KeyProposal {
            from: Some(KeySource { statement: firn_proto::Digest([9; 32]), ..from }),
            ..case.proposal.clone()
        },
        KeyProposal { definition: firn_proto::Digest([9; 32]), ..case.proposal.clone() },
        KeyProposal { key_name: "other".into(), ..case.proposal.clone() },
    ];
    for proposal in wrong {
        let refusal = case.net.refused(NodeId(11), Request::Redeal { proposal: proposal.clone() });
        assert!(matches!(refusal.code, Code::DkgProposalInvalid | Code::EpochMismatch), "{refusal:?}");
        let ask = Redeals { proposal, ..case.of([1, 2]) };
        case.net.refuses(NodeId(12), Request::FinishRedeals(ask), Code::DkgProposalInvalid);
    }
    // A first epoch is made by key generation alone, and a later one never by it.
    case.net.refuses(NodeId(11), Request::Deal { proposal: case.proposal.clone() }, Code::DkgProposalInvalid);
    let first = KeyProposal { from: None, ..case.proposal.clone() };
    case.net.refuses(NodeId(11), Request::Redeal { proposal: first }, Code::DkgProposalInvalid);
}

/// The network with a next version in which the key has other members or another threshold.
fn versioned(case: &Case, t: u16, members: &[(u16, u16)]) -> Definition {
    let mut content = (*case.net.definition).clone();
    let key = content.keys.iter_mut().find(|key| key.name == "slash").unwrap();
    key.threshold = t;
    key.members = members.iter().map(|(id, node)| (Identifier(*id), NodeId(*node))).collect();
    let known = definition(3, 7);
    for (_, node) in members {
        content.nodes.entry(NodeId(*node)).or_insert_with(|| known.nodes[&NodeId(*node)].clone());
    }
    Definition::new(content)
}

#[test]
fn r33_those_who_join_or_leave_are_never_a_threshold() {
    let key = |t: u16, members: &[(u16, u16)]| {
        let definition = versioned(&Case::refresh(3, 5), t, members);
        definition.keys.iter().find(|key| key.name == "slash").unwrap().clone()
    };
    let before = key(3, &[(1, 11), (2, 12), (3, 13), (4, 14), (5, 15)]);
    let may = |t, members: &[(u16, u16)]| key(t, members).may_follow(&before);
    assert_eq!(may(3, &[(1, 11), (2, 12), (3, 13), (4, 14), (6, 16)]), Ok(()));
    assert_eq!(may(3, &[(1, 11), (2, 12), (6, 16), (7, 17), (5, 15)]), Ok(()), "two of three");
    assert_eq!(may(3, &[(1, 11), (2, 12), (6, 16), (7, 17), (8, 9)]), Err(Code::ReshareTooMany), "three join");
    assert_eq!(may(2, &[(1, 11), (2, 12)]), Err(Code::ReshareTooMany), "three leave");
    assert_eq!(may(3, &[(1, 12), (2, 11), (3, 13), (4, 14), (5, 15)]), Err(Code::DkgProposalInvalid), "shifted");
    assert_eq!(may(3, &[(1, 11), (2, 12), (3, 13), (4, 14), (5, 16)]), Err(Code::DkgProposalInvalid), "reused");
    assert_eq!(may(3, &[(1, 11), (2, 12), (3, 13), (4, 14), (6, 15)]), Err(Code::DkgProposalInvalid), "renamed");
}

#[test]
fn e1_a_retired_share_is_gone_from_memory_and_disk_and_signs_nothing() {
    let mut case = Case::refresh(2, 3);
    let (certificate, activation) = case.certified(&[1, 2]);
    let (node, old) = (NodeId(11), case.source.key_id());
    let forged = GroupSignature::from_slice(&{
        let mut bytes = *activation.as_bytes();
        bytes[95] ^= 1;
        bytes
    });
    let wrong = [case.retire(&case.source, activation), case.retire(&certificate, forged.unwrap())];
    for request in wrong {
        case.net.refuses(node, request, Code::VaultRefused);
    }
    let offered = case.net.commit(node, old, node);
    let reply = case.net.ask(node, case.retire(&certificate, activation));
    assert_eq!(reply, Reply::Retired { key_id: old });
    assert!(!case.net.host(node).records.contains_key(&Vault::share_record(old, EPOCH)));
    assert_eq!(case.net.ask(node, case.retire(&certificate, activation)), Reply::Retired { key_id: old }, "again");
    let commit = Request::Commit { key_id: old, epoch: EPOCH, coordinator: node, count: 1, now: crate::testing::NOW };
    case.net.refuses(node, commit.clone(), Code::EpochRetired);
    let subject = case.net.request(certificate.group_key(), 1, 5);
    let mut package = case.net.package_in((old, EPOCH), &subject, &[NodeId(12), NodeId(13)]);
    package.commitments.remove(&NodeId(13));
    package.commitments.insert(node, offered);
    case.net.refuses(node, release(&subject, &package), Code::EpochRetired);
    case.net.restart(node);
    case.net.refuses(node, commit, Code::EpochRetired);
}

#[test]
fn d1_a_member_keeps_its_old_share_until_it_holds_the_new_one() {
    let mut case = Case::refresh(2, 3);
    let (certificate, activation) = case.certified(&[1, 2]);
    let (node, new) = (NodeId(13), Vault::share_record(case.key_id(), Epoch(1)));
    // As if its disk had lost what it certified.
    let state = [b"state/".as_slice(), new.strip_prefix(crate::SHARES).unwrap()].concat();
    let host = case.net.host(node);
    host.records.remove(&new);
    host.records.remove(&state);
    case.net.restart(node);
    case.net.refuses(node, case.retire(&certificate, activation), Code::KeyNotReady);
    assert!(case.net.hosts[&node].records.contains_key(&Vault::share_record(case.source.key_id(), EPOCH)));
}

#[test]
fn a_share_of_a_later_epoch_reads_back_with_the_epoch_that_it_comes_of() {
    let mut case = Case::refresh(2, 3);
    case.finish(NodeId(11), &[2, 3]);
    let key_id = case.key_id();
    let held = &case.net.hosts[&NodeId(11)].vault.held[&(key_id, Epoch(1))];
    let content = held.encode().unwrap();
    let read = HeldKey::decode(&case.net.definition, NodeId(11), key_id, &content).unwrap();
    assert_eq!(read.facts, held.facts);
    for cut in 1..68 {
        assert!(HeldKey::decode(&case.net.definition, NodeId(11), key_id, &content[..content.len() - cut]).is_none());
    }
}
