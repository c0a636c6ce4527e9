//! What this node knows by itself: the accounts of its keys, and what its requests would have those do. It is held against the chain.

use super::events::SchedulersCalls;
use crate::chain::authority::Accounts;
use alloy::primitives::{Address, B256, U256, keccak256};
use alloy::sol_types::{SolInterface, SolValue};
use firn_coordinator::Engine;
use firn_proto::account::Call;
use firn_proto::operation::SlashOperator;
use firn_proto::{Definition, Request, SubjectId};
use std::collections::BTreeMap;

/// What an event has to be explained by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Question {
    /// Something waits in a contract under this id.
    Operation(B256),
    /// An account executed a payload under this nonce.
    Execution(Address, U256),
    /// An operator was slashed, in a transaction in which accounts executed payloads under these nonces.
    Slash { avs: Address, set: u32, operator: Address, wads: Vec<(Address, U256)>, executed: Vec<(Address, U256)> },
}

/// An open request for a slash.
pub(super) struct Suspicion {
    pub(super) request: SubjectId,
    pub(super) slash: SlashOperator,
}

/// What a node knows at one moment.
#[derive(Default)]
pub(super) struct Known {
    /// Of the active keys that this node is a member of, by their names.
    pub(super) accounts: Accounts,
    pub(super) operations: BTreeMap<B256, SubjectId>,
    executions: BTreeMap<(Address, U256), (SubjectId, Option<SlashOperator>)>,
    /// Slashes that are asked for and have not come to an end.
    pub(super) open: Vec<Suspicion>,
}

impl Known {
    /// All that the engine can say.
    pub(super) fn of(engine: &Engine, definition: &Definition) -> Self {
        let mut known = Self { accounts: accounts(engine), ..Self::default() };
        for view in engine.requests() {
            let request = view.request.first();
            // That somebody asked for it explains nothing: the group has to have signed, and this node not to have refused.
            let scheduled = view.schedule.as_ref().is_some_and(|schedule| schedule.signature.is_some());
            if (scheduled || view.signature.is_some()) && view.state != "refused" {
                known.add(&request, definition);
            }
            let slash = request.operation().slash().cloned();
            let is_open = !matches!(view.state, "executed" | "refused" | "expired");
            known.open.extend(slash.filter(|_| is_open).map(|slash| Suspicion { request: view.id, slash }));
        }
        known
    }

    fn add(&mut self, request: &Request, definition: &Definition) {
        for payload in [Some(request.clone()), request.second(definition)].into_iter().flatten() {
            let execute = payload.execute(definition);
            let slash = request.operation().slash().cloned();
            self.executions.insert((request.account(), execute.nonce), (request.id(), slash));
            let scheduled = execute.calls.iter().filter_map(|call| scheduled(request.account(), call));
            self.operations.extend(scheduled.map(|operation| (operation, request.id())));
        }
    }

    /// Whether it is the account of a key that this node is a member of.
    pub(super) fn is_ours(&self, account: Address) -> bool {
        self.accounts.values().any(|ours| *ours == account)
    }

    /// The request that explains an event.
    pub(super) fn explains(&self, question: &Question) -> Option<SubjectId> {
        match question {
            Question::Operation(id) => self.operations.get(id).copied(),
            Question::Execution(account, nonce) => self.executions.get(&(*account, *nonce)).map(|(id, _)| *id),
            // By the account's own nonce in that transaction: the same slash a second time is another matter.
            Question::Slash { avs, set, operator, wads, executed } => executed.iter().find_map(|execution| {
                let (id, slash) = self.executions.get(execution)?;
                let slash = slash.as_ref()?;
                let same = (slash.avs, slash.operatorSetId, slash.operator) == (*avs, *set, *operator);
                (same && wads.iter().all(|wad| takes(slash, wad))).then_some(*id)
            }),
        }
    }
}

/// Whether a slash has so much of this strategy taken. EigenLayer says what was taken of all of the operator's magnitude, rounded up:
/// no more than what was to be taken of the part that is allocated.
fn takes(slash: &SlashOperator, (strategy, wad): &(Address, U256)) -> bool {
    let mut asked = slash.strategies.iter().zip(&slash.wadsToSlash);
    asked.any(|(named, most)| named == strategy && *wad <= most.saturating_add(U256::from(1)))
}

/// The accounts of the active keys.
pub(super) fn accounts(engine: &Engine) -> Accounts {
    let active = engine.keys().into_iter().filter(|key| key.state == "active");
    active.filter_map(|key| Some((key.name, key.account?))).collect()
}

/// How AccessManager or timelock name what this call of an account has them schedule (OpenZeppelin's `hashOperation`).
fn scheduled(caller: Address, call: &Call) -> Option<B256> {
    let encoded = match SchedulersCalls::abi_decode(&call.data).ok()? {
        SchedulersCalls::schedule_0(manager) => (caller, manager.target, manager.data).abi_encode_params(),
        SchedulersCalls::schedule_1(lock) => {
            (lock.target, lock.value, lock.data, lock.predecessor, lock.salt).abi_encode_params()
        }
        SchedulersCalls::scheduleBatch(lock) => {
            (lock.targets, lock.values, lock.payloads, lock.predecessor, lock.salt).abi_encode_params()
        }
    };
    Some(keccak256(encoded))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::watch::events::Schedulers;
    use alloy::primitives::Bytes;
    use alloy::primitives::aliases::U48;
    use alloy::sol_types::SolCall;
    use firn_proto::Digest;

    pub(in crate::watch) fn slash(operator: Address) -> SlashOperator {
        SlashOperator {
            avs: Address::repeat_byte(0x11),
            operator,
            operatorSetId: 7,
            strategies: vec![Address::repeat_byte(0x33)],
            wadsToSlash: vec![U256::from(5)],
            description: String::new(),
            evidenceHash: B256::ZERO,
            evidenceLocation: String::new(),
            account: Address::repeat_byte(0xac),
            nonce: U256::from(1),
            deadline: 0,
        }
    }

    pub(in crate::watch) fn request(byte: u8) -> SubjectId {
        SubjectId(Digest([byte; 32]))
    }

    /// One key, one executed slash under nonce 9, and one under investigation.
    pub(in crate::watch) fn known() -> Known {
        let account = Address::repeat_byte(0xac);
        let mut known = Known::default();
        known.accounts.insert("slash".to_owned(), account);
        let executed = slash(Address::repeat_byte(0x22));
        known.executions.insert((account, U256::from(9)), (request(1), Some(executed)));
        known.operations.insert(B256::repeat_byte(0x0a), request(1));
        known.open.push(Suspicion { request: request(2), slash: slash(Address::repeat_byte(0x22)) });
        known
    }

    #[test]
    fn a_slash_is_explained_by_the_payload_of_its_own_transaction_and_by_nothing_else() {
        let (known, account) = (known(), Address::repeat_byte(0xac));
        let taken = |strategy: u8, wad: u64| vec![(Address::repeat_byte(strategy), U256::from(wad))];
        let of = |wads: Vec<(Address, U256)>, set, operator: u8, executed: &[(Address, u64)]| {
            known.explains(&Question::Slash {
                avs: Address::repeat_byte(0x11),
                set,
                wads,
                operator: Address::repeat_byte(operator),
                executed: executed.iter().map(|(account, nonce)| (*account, U256::from(*nonce))).collect(),
            })
        };
        let ask = |set, operator: u8, executed: &[(Address, u64)]| of(taken(0x33, 5), set, operator, executed);
        assert_eq!(ask(7, 0x22, &[(account, 9)]), Some(request(1)));
        assert_eq!(of(taken(0x33, 7), 7, 0x22, &[(account, 9)]), None, "more than was asked for");
        assert_eq!(of(taken(0x34, 5), 7, 0x22, &[(account, 9)]), None, "of another strategy");
        assert_eq!(of([taken(0x33, 5), taken(0x34, 1)].concat(), 7, 0x22, &[(account, 9)]), None, "of one more");
        assert_eq!(ask(7, 0x22, &[(account, 3), (account, 9)]), Some(request(1)));
        assert_eq!(ask(7, 0x22, &[]), None, "no payload of ours in it: the same slash once more");
        assert_eq!(ask(7, 0x22, &[(account, 8)]), None, "another payload");
        assert_eq!(ask(7, 0x22, &[(Address::ZERO, 9)]), None, "another account");
        assert_eq!(ask(7, 0x23, &[(account, 9)]), None, "another operator");
        assert_eq!(ask(8, 0x22, &[(account, 9)]), None, "another set");
    }

    #[test]
    fn what_is_scheduled_is_named_as_openzeppelin_names_it() {
        let caller = Address::repeat_byte(0xac);
        let (target, data) = (Address::repeat_byte(0x44), Bytes::from(vec![1, 2, 3, 4, 5]));
        let call = |data: Vec<u8>| Call { target: Address::ZERO, value: U256::ZERO, data: data.into() };
        let manager = Schedulers::schedule_0Call { target, data: data.clone(), when: U48::ZERO };
        let id = scheduled(caller, &call(manager.abi_encode())).unwrap();
        assert_eq!(id, keccak256((caller, target, data.clone()).abi_encode_params()));
        assert_ne!(Some(id), scheduled(target, &call(manager.abi_encode())), "another's is another");
        let (value, predecessor, salt) = (U256::from(1), B256::ZERO, B256::repeat_byte(2));
        let delay = U256::from(9);
        let lock = Schedulers::schedule_1Call { target, value, data: data.clone(), predecessor, salt, delay };
        let expected = keccak256((target, value, data, predecessor, salt).abi_encode_params());
        assert_eq!(scheduled(caller, &call(lock.abi_encode())), Some(expected));
        assert_eq!(scheduled(caller, &call(vec![1, 2, 3])), None);
        assert_eq!(scheduled(caller, &call(Vec::new())), None);
    }
}
