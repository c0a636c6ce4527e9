//! Repair between vaults: what comes of it, and every way in which a part or a question is wrong.

use super::*;
use crate::api::{Request, Subject};
use crate::suite::{self, frost};
use crate::testing::{EPOCH, Net, hex_at, rng};
use firn_proto::time::WallTime;
use firn_proto::{Epoch, GroupSignature, NodeId};
use frost::Secp256K1Sha256;
use frost::keys::repairable;
use serde_json::Value;
use std::collections::BTreeSet;

type Sealed = BTreeMap<Identifier, KeyShares>;

const TARGET: NodeId = NodeId(12);

/// Member 2 of a (3, 5) key has lost its share, and asks members 1, 4 and 5.
struct Case {
    net: Net,
    certificate: KeyCertificate,
    activation: GroupSignature,
    repair: Repair,
    lost: Vec<u8>,
}

impl Case {
    fn new() -> Self {
        Self::with(&[1, 4, 5])
    }

    fn with(helpers: &[u16]) -> Self {
        let (mut net, certificate) = Net::certified(3, 5);
        let subject = Subject::Activation(Box::new(certificate.clone()));
        let signers: Vec<_> = net.nodes().into_iter().take(3).collect();
        let activation = net.sign(&certificate, &subject, &signers);
        let lost = net.host(TARGET).vault.held[&(certificate.key_id(), EPOCH)].package().signing_share().serialize();
        net.host(TARGET).records.clear();
        net.restart(TARGET);
        let repair = Repair {
            key_id: certificate.key_id(),
            epoch: EPOCH,
            target: Identifier(2),
            helpers: helpers.iter().copied().map(Identifier).collect(),
            deadline: WallTime(7),
            salt: [1; 32],
        };
        Self { net, certificate, activation, repair, lost }
    }

    fn deltas(&mut self) -> Sealed {
        let mut made = Sealed::new();
        for helper in self.repair.helpers.clone() {
            let reply = self.net.ask(node(helper), Request::RepairDeal { repair: self.repair.clone() });
            let Reply::RepairDealt { deltas, .. } = reply else { panic!("not dealt: {reply:?}") };
            made.insert(helper, deltas);
        }
        made
    }

    fn summing(&self, deltas: &Sealed) -> Request {
        Request::RepairSum { repair: self.repair.clone(), deltas: deltas.clone() }
    }

    fn sigmas(&mut self, deltas: &Sealed) -> Sealed {
        let mut made = Sealed::new();
        for helper in self.repair.helpers.clone() {
            let ask = self.summing(deltas);
            let reply = self.net.ask(node(helper), ask);
            let Reply::RepairSummed { sigma, .. } = reply else { panic!("not summed: {reply:?}") };
            made.insert(helper, sigma);
        }
        made
    }

    fn finishing(&self, sigmas: &Sealed) -> Request {
        Request::RepairFinish(Box::new(RepairFinish {
            repair: self.repair.clone(),
            certificate: Box::new(self.certificate.clone()),
            activation: self.activation,
            sigmas: sigmas.clone(),
        }))
    }

    fn repaired(&mut self, sigmas: &Sealed) -> usize {
        let decision = self.net.decide(TARGET, self.finishing(sigmas));
        assert_eq!(decision.reply, Reply::Repaired { repair: self.repair.id(self.net.definition.network_id()) });
        decision.writes.len()
    }

    /// What the target's vault says against these sums; nothing of them stays.
    fn wrong(&mut self, sigmas: &Sealed) -> Option<Identifier> {
        let refusal = self.net.refused(TARGET, self.finishing(sigmas));
        assert_eq!(refusal.code, Code::RepairWrong);
        assert!(self.net.host(TARGET).records.is_empty() && self.net.host(TARGET).vault.held.is_empty());
        refusal.culprit
    }

    /// What a helper's vault would seal, had it other values.
    fn sealed(&self, helper: u16, values: Vec<(Identifier, SecretScalar)>) -> KeyShares {
        let vault = &self.net.hosts[&node(Identifier(helper))].vault;
        let (session, _) = Session::helper(vault, &self.repair).ok().unwrap();
        session.seal(values.into_iter(), &mut rng(77)).unwrap()
    }

    fn share(&self, member: u16) -> Scalar {
        let held = &self.net.hosts[&node(Identifier(member))].vault.held[&(self.certificate.key_id(), EPOCH)];
        *SecretScalar::parse(&held.package().signing_share().serialize()).unwrap().scalar()
    }
}

fn node(member: Identifier) -> NodeId {
    NodeId(10 + member.0)
}

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../tests/vectors/repair-share.json")).unwrap()
}

fn scalars<const N: usize>(values: &Value, names: [String; N]) -> [SecretScalar; N] {
    names.map(|name| SecretScalar::parse(&hex_at(&values[name])).unwrap())
}

#[test]
fn delta_sum_vector_passes() {
    let values = &vectors()["scalar_generation"];
    let deltas = scalars(values, [1, 2, 3].map(|i| format!("random_scalar_{i}")));
    assert_eq!(sum(&deltas).unwrap().to_bytes()[..], hex_at(&values["random_scalar_sum"])[..]);
}

#[test]
fn sigma_sum_vector_passes() {
    let values = &vectors()["sigma_generation"];
    let sigmas = scalars(values, [1, 2, 3, 4].map(|i| format!("sigma_{i}")));
    assert_eq!(sum(&sigmas).unwrap().to_bytes()[..], hex_at(&values["sigma_sum"])[..]);
}

#[test]
fn a_helper_owes_what_frost_says() {
    let case = Case::new();
    let helpers = [1, 4, 5].map(|id| suite::identifier(Identifier(id)).unwrap());
    let held = &case.net.hosts[&NodeId(14)].vault.held[&(case.certificate.key_id(), EPOCH)];
    let lost = suite::identifier(Identifier(2)).unwrap();
    let theirs =
        repairable::repair_share_part1::<Secp256K1Sha256, _>(&helpers, held.package(), &mut rng(1), lost).unwrap();
    let theirs: Vec<_> = theirs.values().map(|delta| SecretScalar::parse(&delta.serialize()).unwrap()).collect();
    let share = SecretScalar::from_scalar(case.share(4)).unwrap();
    let ours = owed(&case.repair, Identifier(4), &share).unwrap();
    assert_eq!(sum(&theirs).unwrap().scalar(), ours.scalar());
    let parts = split(&ours, 3, &mut rng(2)).unwrap();
    assert_eq!((parts.len(), sum(&parts).unwrap().scalar()), (3, ours.scalar()));
}

#[test]
fn r35_a_lost_share_is_repaired_by_any_t_helpers_and_signs() {
    for helpers in [[1, 4, 5], [1, 3, 4], [3, 4, 5]] {
        let mut case = Case::with(&helpers);
        let deltas = case.deltas();
        let sigmas = case.sigmas(&deltas);
        assert_eq!(case.repaired(&sigmas), 2, "share and state");
        let place = (case.certificate.key_id(), EPOCH);
        assert_eq!(case.net.host(TARGET).vault.held[&place].package().signing_share().serialize(), case.lost);
        case.net.restart(TARGET);
        let subject = case.net.request(case.certificate.group_key(), 1, 5);
        case.net.sign(&case.certificate.clone(), &subject, &[TARGET, NodeId(11), NodeId(13)]);
        assert_eq!(case.repaired(&sigmas), 0, "what is held stays as it is");
    }
}

#[test]
fn r35_trap_a_wrong_part_or_sum_gives_no_share_and_no_record() {
    let mut case = Case::new();
    let deltas = case.deltas();
    let sigmas = case.sigmas(&deltas);
    let mut wrong = sigmas.clone();
    wrong.insert(Identifier(4), case.sealed(4, vec![(Identifier(2), SecretScalar::random(&mut rng(5)))]));
    assert_eq!(case.wrong(&wrong), None, "whose sum was wrong does not show");
    let mut wrong = sigmas.clone();
    wrong.get_mut(&Identifier(4)).unwrap().sealed.get_mut(&Identifier(2)).unwrap()[9] ^= 1;
    assert_eq!(case.wrong(&wrong), Some(Identifier(4)), "what does not open is its sender's");
    let mut wrong = deltas.clone();
    let values = [1, 4, 5].map(|id| (Identifier(id), SecretScalar::random(&mut rng(id.into()))));
    wrong.insert(Identifier(5), case.sealed(5, values.into()));
    let wrong = case.sigmas(&wrong);
    assert_eq!(case.wrong(&wrong), None);
    assert_eq!(case.repaired(&sigmas), 2, "and the right ones still do");
}

#[test]
fn r35_parts_of_another_repair_count_for_nothing() {
    let mut case = Case::new();
    let deltas = case.deltas();
    let sigmas = case.sigmas(&deltas);
    case.repair.salt = [2; 32];
    assert_eq!(case.wrong(&sigmas), Some(Identifier(1)));
    let mut mixed = case.deltas();
    mixed.insert(Identifier(4), deltas[&Identifier(4)].clone());
    let refusal = case.net.refused(NodeId(15), case.summing(&mixed));
    assert_eq!((refusal.code, refusal.culprit), (Code::RepairWrong, Some(Identifier(4))));
}

#[test]
fn r35_trap_only_the_named_vault_can_have_made_a_part() {
    let mut case = Case::new();
    let mut deltas = case.deltas();
    // Helper 5's host feeds its vault a part of its own in helper 4's name.
    let network = case.net.definition.network_id();
    let route = Route { network, key_id: case.repair.id(network), dealer: Identifier(4), recipient: Identifier(5) };
    let (ephemeral, value) = (SecretScalar::random(&mut rng(8)), SecretScalar::random(&mut rng(9)));
    let shared = projective(&case.net.definition.nodes[&NodeId(15)].vault_key) * ephemeral.scalar();
    for points in [&[shared][..], &[shared, shared]] {
        let forged = deltas.get_mut(&Identifier(4)).unwrap();
        forged.ephemeral = point(&ephemeral.public()).unwrap();
        forged.sealed.insert(Identifier(5), route.encrypt_by(points, &value));
        let refusal = case.net.refused(NodeId(15), case.summing(&deltas));
        assert_eq!((refusal.code, refusal.culprit), (Code::RepairWrong, Some(Identifier(4))));
    }
}

#[test]
fn r35_trap_a_sum_takes_a_part_of_every_helper_and_of_nobody_else() {
    let mut case = Case::new();
    let deltas = case.deltas();
    let mut fewer = deltas.clone();
    fewer.remove(&Identifier(4));
    case.net.refuses(NodeId(11), case.summing(&fewer), Code::RepairInvalid);
    let mut more = deltas.clone();
    more.insert(Identifier(3), deltas[&Identifier(1)].clone());
    case.net.refuses(NodeId(11), case.summing(&more), Code::RepairInvalid);
    let mut sigmas = case.sigmas(&deltas);
    sigmas.remove(&Identifier(1));
    case.net.refuses(TARGET, case.finishing(&sigmas), Code::RepairInvalid);
}

#[test]
fn r35_trap_no_share_for_an_identifier_beside_the_members_and_only_with_t_other_members() {
    let changes: [fn(&mut Repair); 7] = [
        |repair| repair.target = Identifier(6),
        |repair| repair.target = Identifier(4),
        |repair| _ = repair.helpers.pop_last(),
        |repair| _ = repair.helpers.insert(Identifier(3)),
        |repair| {
            repair.helpers.pop_last();
            repair.helpers.insert(Identifier(2));
        },
        |repair| {
            repair.helpers.pop_last();
            repair.helpers.insert(Identifier(6));
        },
        |repair| repair.helpers = BTreeSet::new(),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut case = Case::new();
        let deltas = case.deltas();
        let sigmas = case.sigmas(&deltas);
        change(&mut case.repair);
        let repair = case.repair.clone();
        for ask in [Request::RepairDeal { repair }, case.summing(&deltas)] {
            assert_eq!(case.net.refused(NodeId(11), ask).code, Code::RepairInvalid, "change {number}");
        }
        assert_eq!(case.net.refused(TARGET, case.finishing(&sigmas)).code, Code::RepairInvalid, "change {number}");
    }
}

#[test]
fn r35_who_is_not_asked_or_holds_another_epoch_does_not_help() {
    let mut case = Case::new();
    let ask = |repair: &Repair| Request::RepairDeal { repair: repair.clone() };
    let repair = case.repair.clone();
    case.net.refuses(NodeId(13), ask(&repair), Code::RepairInvalid);
    case.net.refuses(TARGET, ask(&repair), Code::ShareMissing);
    case.deltas();
    case.net.refuses(NodeId(11), ask(&repair), Code::DkgConflict);
    let other = Repair { epoch: Epoch(1), ..repair.clone() };
    case.net.refuses(NodeId(11), ask(&other), Code::EpochMismatch);
    let key_id = repair.key_id;
    case.net.host(NodeId(11)).vault.bury(key_id, &mut rng(1)).ok().unwrap();
    let again = Repair { salt: [3; 32], ..repair };
    case.net.refuses(NodeId(11), ask(&again), Code::EpochRetired);
    case.net.refuses(NodeId(14), Request::RepairSum { repair: again, deltas: Sealed::new() }, Code::RepairInvalid);
}

#[test]
fn r35_the_share_is_stored_for_an_active_epoch_its_own_member_and_once() {
    let mut case = Case::new();
    let deltas = case.deltas();
    let sigmas = case.sigmas(&deltas);
    case.net.refuses(NodeId(13), case.finishing(&sigmas), Code::RepairInvalid);
    let activation = case.activation;
    let other = case.net.request(case.certificate.group_key(), 1, 5);
    case.activation = case.net.sign(&case.certificate.clone(), &other, &[NodeId(11), NodeId(13), NodeId(14)]);
    case.net.refuses(TARGET, case.finishing(&sigmas), Code::RepairInvalid);
    case.activation = activation;
    assert_eq!(case.repaired(&sigmas), 2);
    let key_id = case.repair.key_id;
    case.net.host(TARGET).vault.bury(key_id, &mut rng(1)).ok().unwrap();
    case.net.refuses(TARGET, case.finishing(&sigmas), Code::EpochRetired);
}

/// Whatever t-1 helpers hold, sent and got fits every value of the lost share: for each there is one value of the honest
/// helper's share, and one of the part that it kept, with which all is as they saw it.
#[test]
fn r35_helpers_learn_nothing_of_the_lost_share() {
    let case = Case::new();
    let (helpers, honest, lost) = ([1, 4, 5].map(Identifier), Identifier(4), Identifier(2));
    let coefficient = |member| lagrange_at(&helpers, member, lost).unwrap();
    for seed in 0..32 {
        let mut rng = rng(seed);
        let share = |member: Identifier| SecretScalar::from_scalar(case.share(member.0)).unwrap();
        let parts: BTreeMap<_, Vec<_>> = helpers
            .iter()
            .map(|helper| {
                (*helper, split(&owed(&case.repair, *helper, &share(*helper)).unwrap(), 3, &mut rng).unwrap())
            })
            .collect();
        // The honest helper's part for itself is the one that the others do not see.
        let kept = helpers.iter().position(|helper| *helper == honest).unwrap();
        let seen: Vec<_> = (0..3).filter(|index| *index != kept).map(|index| *parts[&honest][index].scalar()).collect();
        let other_lost = *SecretScalar::random(&mut rng).scalar();
        let known: Scalar = helpers
            .iter()
            .filter(|helper| **helper != honest)
            .map(|helper| coefficient(*helper) * case.share(helper.0))
            .sum();
        let other_owed = other_lost - known;
        let other_kept = other_owed - seen.iter().sum::<Scalar>();
        assert_ne!(other_kept, *parts[&honest][kept].scalar());
        // With that share and that part, the same view adds up to the other value.
        let column = |index: usize| helpers.iter().map(|helper| *parts[helper][index].scalar()).sum::<Scalar>();
        let sums: Scalar = (0..3).filter(|index| *index != kept).map(column).sum();
        let honest_sum = column(kept) - parts[&honest][kept].scalar() + other_kept;
        assert_eq!(sums + honest_sum, other_lost);
    }
}
