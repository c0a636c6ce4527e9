//! The chain: facts at the finalised block, and relaying what a group has signed.
//!
//! There is no path that reads the latest block for a decision: a fact that can be reorganised away is no fact.

use alloy::eips::BlockId;
use alloy::network::{EthereumWallet, TransactionBuilder};
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::types::TransactionRequest;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolCall;
use firn_coordinator::api::{AccountFacts, ChainAnswer, ChainQuery, Event, SlashFacts, SubmissionOutcome};
use firn_proto::account::{Call, Execute, IFrostAccount};
use firn_proto::definition::Content;
use firn_proto::message::BlockReference;
use firn_proto::operation::eigenlayer::{IAllocationManager, OperatorSet};
use firn_proto::time::WallTime;
use firn_proto::{Code, Digest, GroupSignature, SubjectId};
use history::History;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};
use window::Memberships;

pub(crate) mod authority;
pub(crate) mod events;
mod gate;
mod history;
mod logs;
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
/// A transaction without receipt by then has an unknown outcome: ten slots.
const RECEIPT: Duration = Duration::from_secs(120);

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

/// What the endpoint last said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Health {
    /// The last finalised block; number zero before the first.
    pub(crate) block: BlockReference,
    /// Why there is no newer answer.
    pub(crate) problem: Option<Code>,
}

/// A client of one chain endpoint.
pub(crate) struct Chain {
    provider: DynProvider,
    relayer: Option<(DynProvider, Address)>,
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
    /// A client for `url`. Connects when it is first used.
    pub(crate) fn new(url: reqwest::Url, definition: &Content, relayer: Option<PrivateKeySigner>) -> Self {
        let relayer = relayer.map(|signer| {
            let address = signer.address();
            let provider = ProviderBuilder::default()
                .with_gas_estimation()
                .with_simple_nonce_management()
                .fetch_chain_id()
                .wallet(EthereumWallet::from(signer))
                .connect_http(url.clone());
            (provider.erased(), address)
        });
        let provider = ProviderBuilder::default().connect_http(url).erased();
        let sets: BTreeSet<_> = definition.operator_sets.iter().map(|set| (set.avs, set.id)).collect();
        Self {
            provider,
            relayer,
            chain_id: definition.chain.id,
            allocation_manager: definition.chain.allocation_manager,
            strategy_manager: definition.chain.strategy_manager,
            permission_controller: definition.chain.permission_controller,
            history: History::new(definition.chain.allocation_manager, sets.clone()),
            memberships: Memberships::new(sets),
        }
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
            let found = match tokio::time::timeout(ANSWER, self.checked_block()).await {
                Ok(Ok((block, at))) => {
                    time = at;
                    Health { block, problem: None }
                }
                Ok(Err(Trouble::Unavailable(code))) => Health { problem: Some(code), ..last },
                Ok(Err(Trouble::Reverted)) | Err(_) => Health { problem: Some(Code::ChainUnavailable), ..last },
            };
            if found.problem != last.problem {
                match found.problem {
                    Some(code) => tracing::warn!(code = code.as_str(), next = code.next_step(), "chain_lost"),
                    None => tracing::info!(block = found.block.number, "chain_found"),
                }
            }
            let news = found.problem.is_none() && found.block != last.block;
            last = found;
            health.send_replace(found);
            let event = Event::ChainFinalised { block: found.block, time };
            if news && events.send(event).await.is_err() {
                return;
            }
        }
    }

    /// The finalised block of the right chain, and its time.
    async fn checked_block(&self) -> Result<(BlockReference, WallTime), Trouble> {
        let id = self.provider.get_chain_id().await.map_err(unavailable)?;
        if id != self.chain_id {
            return Err(Trouble::Unavailable(Code::ChainIdMismatch));
        }
        self.finalised().await
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
                let outcome = self.submit(account, execute, &signature).await;
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
            account,
            nonce,
            history_seconds,
            slasher,
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
            self.slasher(set(), *slasher, block),
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
            gate: gate?,
        })
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
            // Some endpoints leave the data of a revert without any away.
            let answer = error.as_error_resp();
            if answer.is_some_and(|resp| resp.as_revert_data().is_some() || resp.message.contains("revert")) {
                Trouble::Reverted
            } else {
                unavailable(error)
            }
        })
    }

    async fn finalised(&self) -> Result<(BlockReference, WallTime), Trouble> {
        let block = self.provider.get_block(BlockId::finalized()).await.map_err(unavailable)?;
        let header = block.ok_or(Trouble::Unavailable(Code::ChainUnavailable))?.header;
        Ok((BlockReference { number: header.number, hash: Digest(header.hash.0) }, WallTime(header.timestamp)))
    }

    /// Simulates, sends, and waits for the receipt.
    async fn submit(&self, account: Address, execute: Execute, signature: &GroupSignature) -> SubmissionOutcome {
        let Some((provider, from)) = &self.relayer else { return SubmissionOutcome::NoRelayer };
        let call = IFrostAccount::executeCall {
            calls: execute.calls,
            nonce: execute.nonce,
            validAfter: execute.validAfter,
            validUntil: execute.validUntil,
            signature: Bytes::copy_from_slice(signature.as_bytes()),
        };
        let request = TransactionRequest::default().with_from(*from).with_to(account).with_input(call.abi_encode());
        let simulated = tokio::time::timeout(ANSWER, self.provider.call(request.clone())).await;
        let Ok(simulated) = simulated else { return SubmissionOutcome::Unknown };
        if let Err(error) = simulated {
            tracing::warn!(%account, %error, "relay_simulation_failed");
            let data = error.as_error_resp().and_then(|resp| resp.as_revert_data());
            return data.map_or(SubmissionOutcome::Unknown, |data| SubmissionOutcome::Reverted { data });
        }
        let pending = match tokio::time::timeout(ANSWER, provider.send_transaction(request)).await {
            Ok(Ok(pending)) => pending,
            Ok(Err(error)) => {
                tracing::warn!(relayer = %from, %error, "relay_failed");
                return SubmissionOutcome::Unknown;
            }
            Err(_) => return SubmissionOutcome::Unknown,
        };
        match tokio::time::timeout(RECEIPT, pending.get_receipt()).await {
            Ok(Ok(receipt)) if receipt.status() => {
                SubmissionOutcome::Included { transaction: receipt.transaction_hash, gas: receipt.gas_used }
            }
            Ok(Ok(_)) => SubmissionOutcome::Reverted { data: Bytes::new() },
            Ok(Err(_)) | Err(_) => SubmissionOutcome::Unknown,
        }
    }
}

fn unavailable(_: alloy::transports::TransportError) -> Trouble {
    Trouble::Unavailable(Code::ChainUnavailable)
}

/// A contract that is missing or reverts answers with what no request expects; an endpoint that fails is an error.
fn or_absent<T: Default>(answer: Result<T, Trouble>) -> Result<T, Trouble> {
    match answer {
        Err(Trouble::Reverted) => Ok(T::default()),
        other => other,
    }
}
