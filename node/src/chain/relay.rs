//! Relaying what a group has signed: a transaction for each payload, which is replaced by one with higher fees until it is mined.
//! What it did is the finalised chain's to say.

use super::endpoints::{Endpoints, reverts};
use alloy::consensus::BlockHeader;
use alloy::eips::eip2718::Encodable2718;
use alloy::eips::{BlockId, eip1559::Eip1559Estimation};
use alloy::network::{EthereumWallet, NetworkTransactionBuilder, TransactionBuilder};
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::{DynProvider, Provider};
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolCall;
use alloy::transports::TransportError;
use firn_coordinator::api::SubmissionOutcome;
use firn_proto::account::{Execute, IFrostAccount};
use firn_proto::{GroupSignature, SubjectId};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// A transaction that is not mined by then is replaced: three slots.
const REPLACE: Duration = Duration::from_secs(36);
/// One without receipt by then has an unknown outcome: ten slots. The engine has it tried again.
const RECEIPT: Duration = Duration::from_secs(120);
/// Between two looks for a receipt.
const LOOK: Duration = Duration::from_millis(300);
/// Transactions remembered: as many as the engine has relayed at a time, and more.
const REMEMBERED_MAX: usize = 1_024;
/// A balance for less gas than this, at today's fees, is low: ten of the largest executions.
const RESERVE_GAS: u128 = 5_000_000;
const GWEI: u128 = 1_000_000_000;

/// A key that pays for gas and has no other power.
pub(super) struct Relayer {
    provider: DynProvider,
    wallet: EthereumWallet,
    address: Address,
    chain_id: u64,
    /// The most that a unit of gas may cost, in wei.
    fee_max: u128,
    sent: Mutex<BTreeMap<SubjectId, Sent>>,
    replace: Duration,
    /// Who was not asked for that long is given up.
    patience: Duration,
}

/// A payload's transaction, with those that it replaced.
#[derive(Clone)]
struct Sent {
    nonce: u64,
    gas: u64,
    fees: Eip1559Estimation,
    /// As it was signed last.
    raw: Vec<u8>,
    hashes: Vec<B256>,
    /// When it was sent last, whether an endpoint took it, and how many of ours were mined then.
    at: Instant,
    taken: bool,
    mined: u64,
    /// When it was asked for last.
    asked: Instant,
}

/// What the relayer can pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Purse {
    pub(crate) address: Address,
    /// In wei.
    pub(crate) balance: U256,
    /// It will be empty soon.
    pub(crate) low: bool,
}

impl Purse {
    /// In ether, for people and metrics.
    pub(crate) fn ether(self) -> f64 {
        f64::from(self.balance) / 1e18
    }
}

/// Why nothing is sent.
pub(super) enum Held {
    /// Not now.
    Later(&'static str, String),
    /// The payload would fail.
    Reverts(Bytes),
}

impl Relayer {
    pub(super) fn new(endpoints: &Endpoints, signer: PrivateKeySigner, chain_id: u64, fee_max_gwei: u32) -> Self {
        let address = signer.address();
        let (provider, wallet) = (endpoints.provider(), EthereumWallet::from(signer));
        let (fee_max, sent) = (u128::from(fee_max_gwei) * GWEI, Mutex::default());
        Self { provider, wallet, address, chain_id, fee_max, sent, replace: REPLACE, patience: RECEIPT }
    }

    /// One that has other ideas of how long a transaction may wait, and how long a payload is remembered.
    #[cfg(test)]
    pub(super) fn replacing(self, replace: Duration, patience: Duration) -> Self {
        Self { replace, patience, ..self }
    }

    pub(super) async fn purse(&self) -> Result<Purse, TransportError> {
        let balance = self.provider.get_balance(self.address).await?;
        let fee = self.fees(None).await?.max_fee_per_gas;
        let low = balance < U256::from(RESERVE_GAS.saturating_mul(fee));
        Ok(Purse { address: self.address, balance, low })
    }

    /// Sends a payload, or goes on with what was sent of it, and waits until it is mined.
    pub(super) async fn submit(
        &self,
        subject: SubjectId,
        account: Address,
        execute: Execute,
        signature: &GroupSignature,
    ) -> SubmissionOutcome {
        let call = IFrostAccount::executeCall {
            calls: execute.calls,
            nonce: execute.nonce,
            validAfter: execute.validAfter,
            validUntil: execute.validUntil,
            signature: Bytes::copy_from_slice(signature.as_bytes()),
        };
        let request =
            TransactionRequest::default().with_from(self.address).with_to(account).with_input(call.abi_encode());
        let until = Instant::now() + RECEIPT;
        loop {
            let outcome = tokio::time::timeout_at(until, self.step(subject, &request)).await;
            match outcome {
                Ok(Ok(Some(receipt))) => return self.mined(subject, &receipt).await,
                Ok(Ok(None)) if Instant::now() < until => tokio::time::sleep(LOOK).await,
                Ok(Err(Held::Reverts(data))) => {
                    tracing::warn!(request = %subject, data = %data, "relay_would_revert");
                    return SubmissionOutcome::Reverted { data };
                }
                Ok(Err(Held::Later(what, why))) => {
                    tracing::warn!(request = %subject, relayer = %self.address, what, why, "relay_failed");
                    return SubmissionOutcome::Unknown;
                }
                Ok(Ok(None)) | Err(_) => return SubmissionOutcome::Unknown,
            }
        }
    }

    async fn mined(&self, subject: SubjectId, receipt: &TransactionReceipt) -> SubmissionOutcome {
        self.sent.lock().await.remove(&subject);
        if receipt.status() {
            SubmissionOutcome::Included { transaction: receipt.transaction_hash, gas: receipt.gas_used }
        } else {
            SubmissionOutcome::Reverted { data: Bytes::new() }
        }
    }

    /// Looks for the receipt, and sends what has to be sent next. One payload at a time: their nonces must not meet.
    pub(super) async fn step(
        &self,
        subject: SubjectId,
        request: &TransactionRequest,
    ) -> Result<Option<TransactionReceipt>, Held> {
        let known = {
            let mut all = self.sent.lock().await;
            all.get_mut(&subject).map(|sent| {
                sent.asked = Instant::now();
                sent.clone()
            })
        };
        let gas = match &known {
            Some(sent) => match self.receipt(sent).await {
                Some(receipt) => return Ok(Some(receipt)),
                None if sent.at.elapsed() < self.replace => return Ok(None),
                None => sent.gas,
            },
            None => self.gas(request).await?,
        };
        let mut all = self.sent.lock().await;
        let (mined, waiting) = self.counts().await?;
        all.retain(|_, sent| sent.nonce >= mined || sent.asked.elapsed() < self.patience);
        let known = all.get(&subject).cloned();
        if known.as_ref().is_some_and(|sent| sent.at.elapsed() < self.replace) {
            return Ok(None);
        }
        let next = match known {
            Some(sent) => self.again(sent, &all, (mined, waiting), request).await?,
            None => {
                let nonce = self.first_free(&all, waiting.max(mined));
                let fees = self.fees(None).await.map_err(|error| later("its fees are unknown", &error))?;
                self.signed(Sent::new(nonce, gas, fees), request).await?
            }
        };
        let next = Sent { at: Instant::now(), mined, ..next };
        // Remembered before it leaves: an answer may be lost.
        while all.len() >= REMEMBERED_MAX && !all.contains_key(&subject) {
            all.pop_first();
        }
        let raw = next.raw.clone();
        all.insert(subject, next);
        let taken = self.provider.send_raw_transaction(&raw).await;
        let taken = taken.map(drop).or_else(|error| if is_known(&error) { Ok(()) } else { Err(error) });
        if let Some(sent) = all.get_mut(&subject) {
            sent.taken = taken.as_ref().map_or_else(is_cheap, |()| true);
        }
        taken.map(|()| None).map_err(|error| later("it is not taken", &error))
    }

    /// What was sent of it, to be sent once more: dearer where it was taken and it is its turn, in the first place of the line where
    /// something that nobody here remembers has blocked that since, and else as it was.
    async fn again(
        &self,
        sent: Sent,
        all: &BTreeMap<SubjectId, Sent>,
        (mined, waiting): (u64, u64),
        request: &TransactionRequest,
    ) -> Result<Sent, Held> {
        // A place that was taken by something else is not ours: what had it is not coming.
        let lost = sent.nonce < mined;
        let blocked = sent.nonce > mined && sent.mined == mined && !self.is_taken(all, mined);
        let is_next = sent.taken && sent.nonce == mined;
        if !(lost || blocked || is_next) {
            return Ok(sent);
        }
        let replaced = (!lost).then_some(&sent);
        let fees = self.fees(replaced).await.map_err(|error| later("its fees are unknown", &error))?;
        let nonce = if lost { self.first_free(all, waiting.max(mined)) } else { mined };
        if nonce == sent.nonce && sent.fees.max_fee_per_gas >= fees.max_fee_per_gas {
            // As high as it may get: wait for cheaper blocks.
            return Ok(sent);
        }
        self.signed(Sent { nonce, fees, ..sent }, request).await
    }

    async fn signed(&self, mut sent: Sent, request: &TransactionRequest) -> Result<Sent, Held> {
        let request = request
            .clone()
            .with_from(self.address)
            .with_chain_id(self.chain_id)
            .with_nonce(sent.nonce)
            .with_gas_limit(sent.gas)
            .with_max_fee_per_gas(sent.fees.max_fee_per_gas)
            .with_max_priority_fee_per_gas(sent.fees.max_priority_fee_per_gas);
        let signed = request.build(&self.wallet).await;
        let signed = signed.map_err(|error| Held::Later("it cannot be signed", error.to_string()))?;
        sent.raw = signed.encoded_2718();
        sent.hashes.push(*signed.tx_hash());
        Ok(sent)
    }

    /// Whether a payload stands there that is still asked for: one that was given up must not block the others.
    fn is_taken(&self, all: &BTreeMap<SubjectId, Sent>, nonce: u64) -> bool {
        all.values().any(|sent| sent.nonce == nonce && sent.asked.elapsed() < self.patience)
    }

    fn first_free(&self, all: &BTreeMap<SubjectId, Sent>, from: u64) -> u64 {
        let mut nonce = from;
        while self.is_taken(all, nonce) {
            nonce = nonce.saturating_add(1);
        }
        nonce
    }

    async fn receipt(&self, sent: &Sent) -> Option<TransactionReceipt> {
        for hash in &sent.hashes {
            if let Ok(Some(receipt)) = self.provider.get_transaction_receipt(*hash).await {
                return Some(receipt);
            }
        }
        None
    }

    /// What the payload takes, with a fifth to spare: others' transactions may change what it meets.
    async fn gas(&self, request: &TransactionRequest) -> Result<u64, Held> {
        let estimate = self.provider.estimate_gas(request.clone()).await;
        estimate.map(|gas| gas.saturating_add(gas / 5)).map_err(|error| match error.as_error_resp() {
            Some(answer) if reverts(answer) => Held::Reverts(answer.as_revert_data().unwrap_or_default()),
            _ => later("its gas cannot be estimated", &error),
        })
    }

    /// How many transactions of ours are mined, and how many with those that wait.
    async fn counts(&self) -> Result<(u64, u64), Held> {
        let mined = self.provider.get_transaction_count(self.address).await;
        let waiting = self.provider.get_transaction_count(self.address).block_id(BlockId::pending()).await;
        let failed = |error| later("its nonce is unknown", &error);
        Ok((mined.map_err(failed)?, waiting.map_err(failed)?))
    }

    /// What to offer now: the chain's estimate, an eighth more than what it replaces (nodes ask for a tenth), and no more than
    /// the operator allows.
    async fn fees(&self, replaced: Option<&Sent>) -> Result<Eip1559Estimation, TransportError> {
        let mut fees = match self.provider.estimate_eip1559_fees().await {
            Ok(fees) => fees,
            Err(_) => self.fees_of_last_block().await?,
        };
        if let Some(Sent { fees: old, .. }) = replaced {
            let more = |fee: u128| fee.saturating_add(fee.div_ceil(8));
            fees.max_fee_per_gas = fees.max_fee_per_gas.max(more(old.max_fee_per_gas));
            fees.max_priority_fee_per_gas = fees.max_priority_fee_per_gas.max(more(old.max_priority_fee_per_gas));
        }
        fees.max_fee_per_gas = fees.max_fee_per_gas.min(self.fee_max);
        fees.max_priority_fee_per_gas = fees.max_priority_fee_per_gas.min(fees.max_fee_per_gas);
        Ok(fees)
    }

    /// Where there is no history of fees: twice the last block's base fee, and a gwei.
    async fn fees_of_last_block(&self) -> Result<Eip1559Estimation, TransportError> {
        let block = self.provider.get_block(BlockId::latest()).await?;
        let base = u128::from(block.and_then(|block| block.header.base_fee_per_gas()).unwrap_or_default());
        Ok(Eip1559Estimation {
            max_fee_per_gas: base.saturating_mul(2).saturating_add(GWEI),
            max_priority_fee_per_gas: GWEI,
        })
    }
}

impl Sent {
    fn new(nonce: u64, gas: u64, fees: Eip1559Estimation) -> Self {
        let now = Instant::now();
        Self { nonce, gas, fees, raw: Vec::new(), hashes: Vec::new(), at: now, taken: false, mined: 0, asked: now }
    }
}

/// A higher offer would be taken.
fn is_cheap(error: &TransportError) -> bool {
    error.as_error_resp().is_some_and(|answer| {
        let text = answer.message.to_lowercase();
        text.contains("underpriced") || text.contains("base fee")
    })
}

/// An endpoint has it already.
fn is_known(error: &TransportError) -> bool {
    error.as_error_resp().is_some_and(|answer| {
        let text = answer.message.to_lowercase();
        text.contains("already known") || text.contains("already imported")
    })
}

fn later(what: &'static str, error: &TransportError) -> Held {
    // No address: its path may be a secret.
    let why = error.as_error_resp().map_or_else(|| "no answer".to_owned(), |answer| answer.message.to_string());
    Held::Later(what, why)
}
