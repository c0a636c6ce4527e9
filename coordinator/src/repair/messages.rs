//! What peers say in a repair, and who of them restarted.

use super::{Phase, Repairing};
use crate::api::Class;
use crate::engine::{Engine, Inbound};
use firn_proto::message::KeyAbort;
use firn_proto::{Code, Identifier, Incarnation, KeyId, Message, NodeId, Repair};

impl Engine {
    /// A member asks for our help.
    pub(crate) fn on_repair_ask(&mut self, inbound: &Inbound<'_>, repair: &Repair) {
        let id = KeyId::from(inbound.session);
        if self.repairs.contains_key(&id) {
            return;
        }
        match self.asked_for(inbound, repair) {
            Ok(repairing) => self.remember_repair(id, repairing),
            Err(code) => self.ignored(inbound, code),
        }
    }

    fn asked_for(&self, inbound: &Inbound<'_>, repair: &Repair) -> Result<Repairing, Code> {
        let key = self.repairable(repair)?;
        let me = self.my_identifier(&key).filter(|me| repair.helpers.contains(me)).ok_or(Code::RepairInvalid)?;
        // Nobody asks for another's share.
        if key.identifier_of(inbound.from) != Some(repair.target) {
            return Err(Code::RepairInvalid);
        }
        if !self.attempts.get(&repair.key_id).is_some_and(|attempt| attempt.holds) {
            return Err(Code::ShareMissing);
        }
        Ok(Repairing::new(repair.clone(), key, me, inbound.incarnation))
    }

    /// Whatever else is said in a repair.
    pub(crate) fn on_repair_message(&mut self, inbound: &Inbound<'_>, message: &Message) {
        let id = KeyId::from(inbound.session);
        let Some(repairing) = self.repairs.get(&id) else { return };
        let Some(from) = repairing.party(inbound.from).filter(|from| *from != repairing.me) else {
            return self.ignored(inbound, Code::SenderUnknown);
        };
        if self.restarted_repair(id, from, inbound.incarnation) {
            return;
        }
        let Some(repairing) = self.repairs.get_mut(&id).filter(|repairing| repairing.is_open()) else { return };
        let (from_helper, target) = (from != repairing.repair.target, repairing.is_target());
        match message {
            Message::KeyAbort(abort) => return self.on_repair_abort(id, from, abort),
            Message::RepairConsent if !from_helper => return self.bound_repair(id),
            Message::RepairDeltas(_) | Message::RepairSigma(_) if !from_helper => {
                return self.ignored(inbound, Code::RepairInvalid);
            }
            Message::RepairDeltas(deltas) if !target => {
                repairing.deltas.entry(from).or_insert_with(|| deltas.clone());
            }
            Message::RepairSigma(sigma) if target => {
                repairing.sigmas.entry(from).or_insert_with(|| sigma.clone());
            }
            Message::RepairConsent => {}
            _ => return self.ignored(inbound, Code::RepairInvalid),
        }
        // Who sends parts has consented.
        repairing.consents.insert(from, inbound.incarnation);
        self.repair_goes_on(id);
    }

    /// A helper ends it for the member that asked, and that for the helpers. Whom a helper names is only missing here.
    fn on_repair_abort(&mut self, id: KeyId, from: Identifier, abort: &KeyAbort) {
        let Some(repairing) = self.repairs.get(&id) else { return };
        let named = abort.missing.iter().filter(|member| repairing.repair.helpers.contains(member));
        let missing = named.copied().collect();
        if repairing.is_target() {
            self.end_repair(id, abort.code, missing);
        } else if from == repairing.repair.target {
            self.end_repair(id, Code::DkgStopped, missing);
        }
    }

    /// Whether the repair ended because a member that takes part has started anew: what it made or kept is gone.
    fn restarted_repair(&mut self, id: KeyId, member: Identifier, now: Incarnation) -> bool {
        let Some(repairing) = self.repairs.get(&id).filter(|repairing| repairing.is_open()) else { return false };
        let known = if member == repairing.repair.target {
            Some(repairing.asker)
        } else {
            repairing.consents.get(&member).copied()
        };
        let restarted = known.is_some_and(|known| known != now);
        if restarted {
            self.end_repair(id, Code::DkgRestarted, vec![member]);
        }
        restarted
    }

    pub(crate) fn repair_peer_up(&mut self, node: NodeId, incarnation: Incarnation) {
        let parties: Vec<_> = self.repairs.iter().filter_map(|(id, known)| Some((*id, known.party(node)?))).collect();
        for (id, member) in parties {
            self.restarted_repair(id, member, incarnation);
        }
    }

    /// What we have said in each repair, for a peer whose channel was lost.
    pub(crate) fn say_repairs_again(&mut self, node: NodeId) {
        let parties: Vec<_> = self.repairs.iter().filter_map(|(id, known)| Some((*id, known.party(node)?))).collect();
        for (id, member) in parties {
            let Some(repairing) = self.repairs.get_mut(&id) else { continue };
            repairing.told.remove(&member);
            let to_target = member == repairing.repair.target;
            let own_sigma = repairing.sigmas.get(&repairing.me).filter(|_| to_target).cloned();
            let said = match repairing.phase {
                Phase::Ended => continue,
                Phase::Done if repairing.is_target() => continue,
                // It has consented in this start, so it knows what it is about.
                _ if repairing.is_target() && repairing.consented() => Some(Message::RepairConsent),
                _ if repairing.is_target() => Some(Message::RepairAsk(repairing.repair.clone())),
                Phase::Asked => None,
                _ => Some(own_sigma.map_or(Message::RepairConsent, Message::RepairSigma)),
            };
            if let Some(message) = said {
                self.send(node, id.into(), message, Class::Protocol);
            }
            self.spread_deltas(id);
        }
    }

    /// Gives our parts to the helpers that are known to help and do not have them.
    pub(super) fn spread_deltas(&mut self, id: KeyId) {
        let Some(repairing) = self.repairs.get_mut(&id).filter(|repairing| repairing.phase != Phase::Ended) else {
            return;
        };
        let Some(own) = repairing.deltas.get(&repairing.me).cloned() else { return };
        let (me, told) = (repairing.me, repairing.told.clone());
        let due = repairing.consents.keys().filter(|helper| **helper != me && !told.contains(helper));
        let due: Vec<_> = due.copied().collect();
        repairing.told.extend(&due);
        let nodes: Vec<_> = due.into_iter().filter_map(|helper| repairing.node(helper)).collect();
        for node in nodes {
            self.send(node, id.into(), Message::RepairDeltas(own.clone()), Class::Protocol);
        }
    }
}
