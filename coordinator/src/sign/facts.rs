//! What the finalised chain has to say to a request: asked for, and held against it.

use super::State;
use crate::api::{AccountFacts, ChainAnswer, ChainQuery, Effect, GateQuery, SlashFacts};
use crate::engine::Engine;
use alloy_primitives::{B256, Bytes, U256};
use firn_proto::account::{nonce_of, verifier_address};
use firn_proto::message::{BlockReference, Status};
use firn_proto::request::Request;
use firn_proto::{Code, SubjectId};

impl Engine {
    pub(super) fn ask_chain(&mut self, id: SubjectId) {
        let Some(request) = self.subjects.get(&id).and_then(State::request) else { return };
        let (account, nonce) = (request.account(), nonce_of(id));
        let gate = request.operation().scheduled(&self.definition).map(|scheduled| {
            let call = scheduled.call(request.is_second()).clone();
            let evidence = request.operation().slash().map_or(B256::ZERO, |slash| slash.evidenceHash);
            Box::new(GateQuery { scheduled, call, evidence })
        });
        let query = match request.operation().slash() {
            Some(slash) => ChainQuery::Slash {
                avs: slash.avs,
                operator: slash.operator,
                operator_set_id: slash.operatorSetId,
                strategies: slash.strategies.clone(),
                account,
                nonce,
                wads: slash.wadsToSlash.clone(),
                history_seconds: self.history_needed(request).map(|(seconds, _)| seconds),
                slasher: gate.as_ref().map_or(account, |gate| gate.scheduled.target),
                gate,
            },
            None => ChainQuery::Account { account, nonce, calls: request.operation().calls(&self.definition) },
        };
        let Some(state) = self.subjects.get_mut(&id) else { return };
        if !std::mem::replace(&mut state.asking, true) {
            self.effect(Effect::AskChain { subject: id, query });
        }
    }

    pub(crate) fn chain_replied(&mut self, id: SubjectId, answer: ChainAnswer) {
        if let ChainAnswer::NonceUsed { used: true, block } = answer {
            return self.executed(id, block);
        }
        if matches!(answer, ChainAnswer::NonceUsed { .. }) {
            return self.not_executed(id);
        }
        let Some(state) = self.subjects.get_mut(&id) else { return };
        state.asking = false;
        if !state.is_open() {
            return;
        }
        let (verdict, block, history) = match answer {
            ChainAnswer::Slash(facts) => {
                let seconds = self.seconds_left(id, &facts);
                let earliest = self.earliest(seconds, &facts);
                if let Some(state) = self.subjects.get_mut(&id) {
                    state.window = Some((earliest.1, facts.last_block));
                    state.takes.clone_from(&facts.takes);
                    state.ready = facts.gate.as_ref().and_then(|gate| gate.ready);
                }
                (self.judge_slash(id, &facts, earliest, seconds.1), facts.block, facts.history)
            }
            ChainAnswer::Account(facts) => (self.judge_calls(id, &facts).map_err(Status::NotYet), facts.block, None),
            ChainAnswer::Unavailable(code) => (Err(Status::NotYet(code)), BlockReference::default(), None),
            ChainAnswer::NonceUsed { .. } => return,
        };
        match verdict {
            Ok(block) => {
                if let Some(state) = self.subjects.get_mut(&id) {
                    (state.checked, state.history) = (Some(block), history);
                }
                // People may have spoken while the chain was asked.
                match self.permitted_by(id, true) {
                    Ok(()) => self.declare(id, Status::Willing),
                    Err(status) => self.not_permitted(id, status),
                }
            }
            Err(Status::NotYet(Code::NonceUsed)) => self.executed(id, block),
            Err(Status::Declined(code)) => self.close(id, code),
            Err(status) => {
                let status = self.permitted(id).err().unwrap_or(status);
                self.declare(id, status);
                // What waits on chain changes with the finalised block, which has it looked at.
                if status != Status::NotYet(Code::ScheduleWaits) {
                    self.recheck_later(id);
                }
            }
        }
    }

    /// Holds the chain's facts against a slash that can execute at these blocks (EIGENLAYER.md section 1).
    fn judge_slash(
        &self,
        id: SubjectId,
        facts: &SlashFacts,
        earliest: (u64, u64),
        seconds: u64,
    ) -> Result<BlockReference, Status> {
        let refuse = |code| Err(Status::NotYet(code));
        let request = self.judge_account(id, facts.signer.as_ref(), facts.nonce_used).map_err(Status::NotYet)?;
        let Some(slash) = request.operation().slash() else { return refuse(Code::ChainUnavailable) };
        let scheduled = request.operation().scheduled(&self.definition);
        if facts.slasher != scheduled.as_ref().map_or(slash.account, |scheduled| scheduled.target) {
            return refuse(Code::SlasherMismatch);
        }
        if !facts.slashable {
            return refuse(Code::OperatorNotSlashable);
        }
        if slash.strategies.iter().any(|strategy| !facts.strategies.contains(strategy)) {
            return refuse(Code::StrategyNotInSet);
        }
        if facts.last_block == 0 {
            return Err(Status::Declined(Code::SlashTakesNothing));
        }
        // Allocations may grow before it executes.
        if facts.takes.as_ref().is_some_and(|shares| shares.iter().all(U256::is_zero)) {
            return refuse(Code::SlashTakesNothing);
        }
        if earliest.0 > facts.last_block {
            return Err(Status::Declined(Code::SlashTooLate));
        }
        // By a block that is not final, nothing is refused for good.
        if earliest.1 > facts.last_block {
            return refuse(Code::SlashTooLate);
        }
        if scheduled.is_some() {
            self.judge_gate(request, facts, seconds)?;
        }
        match self.history_needed(request) {
            // What was executed later than this block, and freed its budget since, would be missing.
            Some((_, floor)) if facts.block.number < floor => refuse(Code::ChainBehind),
            Some(_) if facts.history.is_none() => refuse(Code::SlashHistoryUnavailable),
            _ => Ok(facts.block),
        }
    }

    /// Holds them against an operation of another kind, whose calls tell whether they may be made. A slash has its own facts.
    fn judge_calls(&self, id: SubjectId, facts: &AccountFacts) -> Result<BlockReference, Code> {
        let request = self.judge_account(id, facts.signer.as_ref(), facts.nonce_used)?;
        if request.operation().slash().is_some() {
            return Err(Code::ChainUnavailable);
        }
        if facts.calls_succeed { Ok(facts.block) } else { Err(Code::CallReverts) }
    }

    /// The request, if its account is our key's and has not executed it.
    fn judge_account(&self, id: SubjectId, signer: Option<&Bytes>, nonce_used: bool) -> Result<&Request, Code> {
        let request = self.subjects.get(&id).and_then(State::request).ok_or(Code::RequestUnknown)?;
        let (_, group_key) = self.usable_key(request.key_name()).ok_or(Code::KeyNotReady)?;
        if nonce_used {
            return Err(Code::NonceUsed);
        }
        let expected = [verifier_address().as_slice(), &group_key.x(), &group_key.y()].concat();
        if signer.map(AsRef::as_ref) != Some(expected.as_slice()) {
            return Err(Code::AccountNotDeployed);
        }
        Ok(request)
    }
}
