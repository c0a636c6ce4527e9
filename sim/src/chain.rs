//! A chain as nodes see it: facts at the last finalised block, and payloads that execute once.

use alloy_primitives::{Address, Bytes, U256};
use firn_coordinator::api::{ChainAnswer, ChainQuery, SlashFacts, SubmissionOutcome};
use firn_proto::account::{Execute, account_address, execute_digest, verifier_address};
use firn_proto::message::BlockReference;
use firn_proto::{Digest, GroupSignature, Point};
use std::collections::{BTreeMap, BTreeSet};

/// The simulated chain. Every block is final at once.
#[derive(Debug, Default)]
pub struct Chain {
    id: u64,
    number: u64,
    accounts: BTreeMap<Address, Point>,
    slasher: Address,
    strategies: Vec<Address>,
    used: BTreeSet<(Address, U256)>,
    executions: Vec<Execute>,
}

impl Chain {
    /// A chain with one operator set of these strategies.
    #[must_use]
    pub fn new(id: u64, strategies: Vec<Address>) -> Self {
        Self { id, strategies, ..Self::default() }
    }

    /// Deploys the account of a group key and makes it the slasher.
    pub fn deploy(&mut self, group_key: Point) -> Address {
        let account = account_address(&group_key);
        self.accounts.insert(account, group_key);
        self.slasher = account;
        account
    }

    /// What has executed, in order.
    #[must_use]
    pub fn executions(&self) -> &[Execute] {
        &self.executions
    }

    pub(crate) fn mine(&mut self) -> BlockReference {
        self.number += 1;
        self.block()
    }

    pub(crate) fn answer(&self, query: &ChainQuery) -> ChainAnswer {
        match query {
            ChainQuery::Slash { account, nonce, .. } => ChainAnswer::Slash(SlashFacts {
                block: self.block(),
                slasher: self.slasher,
                slashable: true,
                strategies: self.strategies.clone(),
                signer: self.accounts.get(account).map(signer),
                nonce_used: self.used.contains(&(*account, *nonce)),
            }),
            ChainQuery::NonceUsed { account, nonce } => {
                ChainAnswer::NonceUsed { block: self.block(), used: self.used.contains(&(*account, *nonce)) }
            }
        }
    }

    /// Executes a payload as `FrostAccount` would: signature by the account's key, each nonce once.
    pub(crate) fn submit(
        &mut self,
        account: Address,
        execute: &Execute,
        signature: &GroupSignature,
    ) -> SubmissionOutcome {
        let reverted = SubmissionOutcome::Reverted { data: Bytes::new() };
        let Some(key) = self.accounts.get(&account) else { return reverted };
        if !signature.verifies(key, execute_digest(self.id, account, execute)) {
            return reverted;
        }
        if !self.used.insert((account, execute.nonce)) {
            return reverted;
        }
        self.executions.push(execute.clone());
        SubmissionOutcome::Included { transaction: Digest::default().0.into(), gas: 0 }
    }

    fn block(&self) -> BlockReference {
        BlockReference { number: self.number, hash: Digest::default() }
    }
}

fn signer(key: &Point) -> Bytes {
    [verifier_address().as_slice(), &key.x(), &key.y()].concat().into()
}
