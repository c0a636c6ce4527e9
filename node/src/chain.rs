//! The chain: facts at the finalised block, and relaying what a group has signed.
//!
//! There is no path that reads the latest block for a decision: a fact that can be reorganised away is no fact.

use crate::config;
use crate::runtime::wall_time;
use alloy::eips::BlockId;
use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::{DynProvider, Provider};
use alloy::rpc::types::TransactionRequest;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolCall;
use endpoints::{Endpoints, reverts, unavailable};
use firn_coordinator::api::{AccountFacts, ChainAnswer, ChainQuery, Event, SlashFacts, SubmissionOutcome};
use firn_proto::account::{Call, Execute, IFrostAccount};
use firn_proto::definition::Content;
use firn_proto::message::BlockReference;
use firn_proto::operation::eigenlayer::{IAllocationManager, OperatorSet, SlashingParams};
use firn_proto::time::WallTime;
use firn_proto::{Code, Digest, GroupSignature, SubjectId};
use history::History;
use relay::{Purse, Relayer};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};
use window::Memberships;

pub(crate) mod authority;
pub(crate) mod endpoints;
pub(crate) mod events;
mod gate;
mod history;
mod logs;
mod relay;
#[cfg(test)]
mod tests;
mod window;

/// Questions that wait: what the loop offers beyond is answered `CHAIN_UNAVAILABLE` and asked again.
pub(crate) const JOBS_MAX: usize = 1_024;
/// Questions asked at a time: a public endpoint's usual limit.
const CONCURRENT_MAX: usize = 16;
/// How often the finalised block is looked up. A slot is 12 s on mainnet, 1 s on a devnet.
const POLL: Duration = Duration::from_millis(500);
/// An endpoint that has not answered by then is unavailable.
const ANSWER: Duration = Duration::from_secs(10);

/// Something for the chain to do.
pub(crate) enum Job {
    /// Read facts.
    Ask { subject: SubjectId, query: ChainQuery },
    /// Relay a signed payload.
    Submit { subject: SubjectId, account: Address, execute: Execute, signature: GroupSignature },
}

impl Job {
    /// The event for a job that was not even tried.
    pub(crate) fn unavailable(self) -> Event {
        match self {
            Self::Ask { subject, .. } => {
                Event::ChainReplied { subject, answer: ChainAnswer::Unavailable(Code::ChainUnavailable) }
            }
            Self::Submit { subject, .. } => Event::SubmissionSettled { subject, outcome: SubmissionOutcome::Unknown },
        }
    }
}

/// What the endpoints last said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Health {
    /// The last finalised block; number zero before the first.
    pub(crate) block: BlockReference,
    /// Why there is no newer answer.
    pub(crate) problem: Option<Code>,
    /// Which endpoints answer.
    pub(crate) endpoints: String,
    /// What the relayer can pay, where there is one.
    pub(crate) purse: Option<Purse>,
}

/// A client of the chain.
pub(crate) struct Chain {
    endpoints: Endpoints,
    provider: DynProvider,
    relayer: Option<Relayer>,
    /// The last block that was final: what comes later comes after it.
    last: Mutex<Option<BlockReference>>,
    /// How old the finalised block may be, in seconds.
    stale_after: Option<u64>,
    chain_id: u64,
    allocation_manager: Address,
    strategy_manager: Option<Address>,
    permission_controller: Option<Address>,
    history: History,
    memberships: Memberships,
}

/// Why facts could not be read.
enum Trouble {
    /// The endpoint failed, or serves another chain.
    Unavailable(Code),
    /// There is no such contract, or it reverts.
    Reverted,
}

impl Chain {
    /// A client that reads. Connects when it is first used.
    pub(crate) fn new(endpoints: Endpoints, definition: &Content) -> Self {
        let sets: BTreeSet<_> = definition.operator_sets.iter().map(|set| (set.avs, set.id)).collect();
        Self {
            provider: endpoints.provider(),
            endpoints,
            relayer: None,
            last: Mutex::default(),
            stale_after: None,
            chain_id: definition.chain.id,
            allocation_manager: definition.chain.allocation_manager,
            strategy_manager: definition.chain.strategy_manager,
            permission_controller: definition.chain.permission_controller,
            history: History::new(definition.chain.allocation_manager, sets.clone()),
            memberships: Memberships::new(sets),
        }
    }

    /// The same for a node: it holds where the chain stands still, and relays by this key.
    pub(crate) fn of_node(self, config: &config::Chain, relayer: Option<PrivateKeySigner>) -> Self {
        let new = |signer| Relayer::new(&self.endpoints, signer, self.chain_id, config.fee_max);
        Self { stale_after: Some(config.stale_after), relayer: relayer.map(new), ..self }
    }

    /// Serves jobs and reports finalised blocks until the loop has ended.
    pub(crate) async fn run(
        self,
        mut jobs: mpsc::Receiver<Job>,
        events: mpsc::Sender<Event>,
        health: watch::Sender<Health>,
    ) {
        let chain = Arc::new(self);
        let places = Arc::new(Semaphore::new(CONCURRENT_MAX));
        let watching = Arc::clone(&chain).watch(events.clone(), health);
        // Side by side: an endpoint that hangs must not keep jobs waiting.
        tokio::select! {
            () = watching => {}
            () = async {
                while let Some(job) = jobs.recv().await {
                    let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                    let (chain, events) = (Arc::clone(&chain), events.clone());
                    tokio::spawn(async move {
                        let event = chain.serve(job, place).await;
                        let _ = events.send(event).await;
                    });
                }
            } => {}
        }
    }

    /// Looks up the finalised block again and again, and says when the endpoint fails or recovers.
    async fn watch(self: Arc<Self>, events: mpsc::Sender<Event>, health: watch::Sender<Health>) {
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut last, mut time) = (Health::default(), WallTime::default());
        loop {
            poll.tick().await;
            let (block, problem) = match tokio::time::timeout(ANSWER, self.checked_block()).await {
                Ok(Ok((block, at))) => {
                    time = at;
                    (block, None)
                }
                Ok(Err(Trouble::Unavailable(code))) => (last.block, Some(code)),
                Ok(Err(Trouble::Reverted)) | Err(_) => (last.block, Some(Code::ChainUnavailable)),
            };
            let endpoints = self.endpoints.standing();
            if problem != last.problem {
                match problem {
                    Some(code) => {
                        tracing::warn!(code = code.as_str(), endpoints, next = code.next_step(), "chain_lost")
                    }
                    None => tracing::info!(block = block.number, endpoints, "chain_found"),
                }
            }
            let news = problem.is_none() && block != last.block;
            last = Health { block, problem, endpoints, purse: last.purse };
            health.send_replace(last.clone());
            if news && events.send(Event::ChainFinalised { block, time }).await.is_err() {
                return;
            }
            // Last: nothing waits for it.
            if news {
                last.purse = self.purse(last.purse).await;
                health.send_replace(last.clone());
            }
        }
    }

    /// What the relayer can pay; said when it becomes too little.
    async fn purse(&self, last: Option<Purse>) -> Option<Purse> {
        let asked = tokio::time::timeout(ANSWER, self.relayer.as_ref()?.purse()).await;
        let Ok(Ok(purse)) = asked else { return last };
        if purse.low && !last.is_some_and(|last| last.low) {
            let next = "send it ether: it pays for the gas of what this node relays, and has no other power";
            tracing::error!(relayer = %purse.address, wei = %purse.balance, next, "relayer_balance_low");
        }
        Some(purse)
    }

    /// The finalised block of the right chain, and its time.
    async fn checked_block(&self) -> Result<(BlockReference, WallTime), Trouble> {
        let id = self.provider.get_chain_id().await.map_err(unavailable)?;
        if id != self.chain_id {
            return Err(Trouble::Unavailable(Code::ChainIdMismatch));
        }
        let before = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (block, time) = self.goes_on(before, self.finalised().await?).await?;
        if self.stale_after.is_some_and(|seconds| time.0.saturating_add(seconds) < wall_time().0) {
            return Err(Trouble::Unavailable(Code::ChainStale));
        }
        Ok((block, time))
    }

    /// What was final when we asked is part of what is final now: nothing is decided on an older state or another chain.
    /// Where endpoints are behind that know the block of before all the same, that one still counts.
    async fn goes_on(
        &self,
        before: Option<BlockReference>,
        (block, time): (BlockReference, WallTime),
    ) -> Result<(BlockReference, WallTime), Trouble> {
        let mut now = (block, time);
        if let Some(before) = before.filter(|before| *before != block) {
            let is_behind = block.number < before.number;
            let then = self.provider.get_block_by_number(before.number.into()).await.map_err(unavailable);
            let then = match then {
                Ok(Some(then)) => then,
                // They do not know it at all.
                Ok(None) | Err(Trouble::Unavailable(Code::ChainUnavailable)) if is_behind => {
                    return Err(Trouble::Unavailable(Code::ChainBehind));
                }
                Ok(None) => return Err(Trouble::Unavailable(Code::ChainUnavailable)),
                Err(trouble) => return Err(trouble),
            };
            if then.header.hash.0 != before.hash.0 {
                return Err(Trouble::Unavailable(Code::ChainReorganised));
            }
            if is_behind {
                now = (before, WallTime(then.header.timestamp));
            }
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = last.filter(|last| last.number > now.0.number).or(Some(now.0));
        Ok(now)
    }

    async fn serve(&self, job: Job, place: tokio::sync::OwnedSemaphorePermit) -> Event {
        match job {
            Job::Ask { subject, query } => {
                let asked = tokio::time::timeout(ANSWER, self.answer(&query)).await;
                let answer = match asked {
                    Ok(Ok(answer)) => answer,
                    Ok(Err(Trouble::Unavailable(code))) => ChainAnswer::Unavailable(code),
                    Ok(Err(Trouble::Reverted)) | Err(_) => ChainAnswer::Unavailable(Code::ChainUnavailable),
                };
                Event::ChainReplied { subject, answer }
            }
            Job::Submit { subject, account, execute, signature } => {
                // A receipt may take minutes; questions must not wait for it.
                drop(place);
                let outcome = match &self.relayer {
                    Some(relayer) => relayer.submit(subject, account, execute, &signature).await,
                    None => SubmissionOutcome::NoRelayer,
                };
                tracing::info!(request = %subject, outcome = ?outcome, "relayed");
                Event::SubmissionSettled { subject, outcome }
            }
        }
    }

    async fn answer(&self, query: &ChainQuery) -> Result<ChainAnswer, Trouble> {
        let (block, time) = self.checked_block().await?;
        match query {
            ChainQuery::NonceUsed { account, nonce } => {
                let used = self.read(*account, IFrostAccount::nonceUsedCall { nonce: *nonce }, block).await?;
                Ok(ChainAnswer::NonceUsed { block, used })
            }
            ChainQuery::Account { account, nonce, calls } => {
                self.account_facts(*account, *nonce, calls, block).await.map(ChainAnswer::Account)
            }
            ChainQuery::Slash { .. } => Box::pin(self.slash_facts(query, block, time)).await.map(ChainAnswer::Slash),
        }
    }

    /// Reads everything at one block. A contract that is not there leaves facts that no request can satisfy.
    async fn slash_facts(
        &self,
        query: &ChainQuery,
        block: BlockReference,
        time: WallTime,
    ) -> Result<SlashFacts, Trouble> {
        let ChainQuery::Slash {
            avs,
            operator,
            operator_set_id,
            strategies: named,
            wads,
            account,
            nonce,
            history_seconds,
            slasher: expected,
            gate,
        } = query
        else {
            return Err(Trouble::Reverted);
        };
        let set = || OperatorSet { avs: *avs, id: *operator_set_id };
        let manager = self.allocation_manager;
        let operator_set = set();
        let gate = async {
            match gate {
                Some(gate) => {
                    let facts = self.gate_facts(gate, *account, (*operator, &operator_set), (block, time));
                    facts.await.map(Some)
                }
                None => Ok(None),
            }
        };
        let (signer, nonce_used, slasher, slashable, strategies, head, gate) = futures::join!(
            self.read(*account, IFrostAccount::signerCall {}, block),
            self.read(*account, IFrostAccount::nonceUsedCall { nonce: *nonce }, block),
            self.slasher(set(), *expected, block),
            self.read(
                manager,
                IAllocationManager::isOperatorSlashableCall { operator: *operator, operatorSet: set() },
                block
            ),
            self.read(manager, IAllocationManager::getStrategiesInOperatorSetCall { operatorSet: set() }, block),
            self.provider.get_block_number(),
            gate,
        );
        let slashable = or_absent(slashable)?;
        let last_block = self.last_block(*operator, &set(), named, slashable, block).await?;
        let takes = self.takes((*avs, *operator, *operator_set_id), named, wads, *expected, block).await?;
        let history = match history_seconds {
            // What cannot be read is no empty history: the core takes it for a budget that is spent.
            Some(seconds) => self.history.up_to(&self.provider, block, time, *seconds).await.ok(),
            None => None,
        };
        Ok(SlashFacts {
            block,
            last_block,
            signer: or_absent(signer.map(Some))?,
            nonce_used: or_absent(nonce_used)?,
            slasher: slasher?,
            slashable,
            strategies: or_absent(strategies)?,
            history,
            head: head.map_err(unavailable)?,
            takes,
            gate: gate?,
        })
    }

    /// The shares that a slash by this slasher would take in that block, a strategy each; `None` where it would not go through.
    async fn takes(
        &self,
        (avs, operator, set): (Address, Address, u32),
        strategies: &[Address],
        wads: &[U256],
        slasher: Address,
        block: BlockReference,
    ) -> Result<Option<Vec<U256>>, Trouble> {
        let params = SlashingParams {
            operator,
            operatorSetId: set,
            strategies: strategies.to_vec(),
            wadsToSlash: wads.to_vec(),
            description: String::new(),
        };
        let call = IAllocationManager::slashOperatorCall { avs, params };
        let request = TransactionRequest::default().with_from(slasher).with_to(self.allocation_manager);
        let tried = self.call(request.with_input(call.abi_encode()), block).await.map(Some);
        // A core before v1.5 answers nothing.
        let read = |answer: Bytes| IAllocationManager::slashOperatorCall::abi_decode_returns_validate(&answer).ok();
        Ok(or_absent(tried)?.and_then(read).map(|answer| answer.shares))
    }

    /// Reads what decides over an operation of any kind but a slash, and tries each of its calls, at one block.
    async fn account_facts(
        &self,
        account: Address,
        nonce: U256,
        calls: &[Call],
        block: BlockReference,
    ) -> Result<AccountFacts, Trouble> {
        let tried = futures::future::join_all(calls.iter().map(|call| self.try_call(account, call, block)));
        let (signer, nonce_used, tried) = futures::join!(
            self.read(account, IFrostAccount::signerCall {}, block),
            self.read(account, IFrostAccount::nonceUsedCall { nonce }, block),
            tried,
        );
        let succeeded = tried.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(AccountFacts {
            block,
            signer: or_absent(signer.map(Some))?,
            nonce_used: or_absent(nonce_used)?,
            calls_succeed: succeeded.into_iter().all(|succeeded| succeeded),
        })
    }

    async fn read<C: SolCall>(&self, to: Address, call: C, block: BlockReference) -> Result<C::Return, Trouble> {
        let request = TransactionRequest::default().with_to(to).with_input(call.abi_encode());
        let answer = self.call(request, block).await?;
        C::abi_decode_returns_validate(&answer).map_err(|_| Trouble::Reverted)
    }

    async fn call(&self, request: TransactionRequest, block: BlockReference) -> Result<Bytes, Trouble> {
        let at = BlockId::hash(B256::from(block.hash.0));
        self.provider.call(request).block(at).await.map_err(|error| {
            if error.as_error_resp().is_some_and(reverts) { Trouble::Reverted } else { unavailable(error) }
        })
    }

    async fn finalised(&self) -> Result<(BlockReference, WallTime), Trouble> {
        let block = self.provider.get_block(BlockId::finalized()).await.map_err(unavailable)?;
        let header = block.ok_or(Trouble::Unavailable(Code::ChainUnavailable))?.header;
        Ok((BlockReference { number: header.number, hash: Digest(header.hash.0) }, WallTime(header.timestamp)))
    }
}

/// A contract that is missing or reverts answers with what no request expects; an endpoint that fails is an error.
fn or_absent<T: Default>(answer: Result<T, Trouble>) -> Result<T, Trouble> {
    match answer {
        Err(Trouble::Reverted) => Ok(T::default()),
        other => other,
    }
}
