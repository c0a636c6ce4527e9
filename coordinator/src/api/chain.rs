//! What the core asks of the chain, and what the chain says.

use alloy_primitives::{Address, B256, Bytes, U256};
use firn_proto::Code;
use firn_proto::account::Call;
use firn_proto::message::BlockReference;
use firn_proto::operation::Scheduled;
use firn_proto::policy::SlashHistory;
use firn_proto::time::WallTime;

/// Facts to read, all at one finalised block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChainQuery {
    /// Everything that decides over a slash.
    Slash {
        /// The AVS.
        avs: Address,
        /// The operator.
        operator: Address,
        /// The operator set.
        operator_set_id: u32,
        /// The strategies that the slash names.
        strategies: Vec<Address>,
        /// What it takes of the allocation to each, in 10^-18.
        wads: Vec<U256>,
        /// The account that shall call.
        account: Address,
        /// The account nonce of the request.
        nonce: U256,
        /// How far back the network's slashes are to be read, where rules ask for it.
        history_seconds: Option<u64>,
        /// Who shall be the slasher: the account or, in its stead, the gate.
        slasher: Address,
        /// How it goes through the AVS's gate, where there is one.
        gate: Option<Box<GateQuery>>,
    },
    /// Whether an account can make these calls: everything that decides over the other kinds of operation.
    Account {
        /// The account that shall call.
        account: Address,
        /// The account nonce of the request.
        nonce: U256,
        /// What it shall call.
        calls: Vec<Call>,
    },
    /// Whether an account has used a nonce.
    NonceUsed {
        /// The account.
        account: Address,
        /// The nonce.
        nonce: U256,
    },
}

/// A slash on its way through the gate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GateQuery {
    /// What is scheduled, and executed later.
    pub scheduled: Scheduled,
    /// What the account would call now.
    pub call: Call,
    /// Its evidence.
    pub evidence: B256,
}

/// What the chain says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChainAnswer {
    /// Facts for [`ChainQuery::Slash`].
    Slash(SlashFacts),
    /// Facts for [`ChainQuery::Account`].
    Account(AccountFacts),
    /// The answer to [`ChainQuery::NonceUsed`].
    NonceUsed {
        /// At which block.
        block: BlockReference,
        /// Used or invalidated.
        used: bool,
    },
    /// No answer, or none at a finalised block.
    Unavailable(Code),
}

/// Facts about a slash at one finalised block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlashFacts {
    /// The block.
    pub block: BlockReference,
    /// `getSlasher` of the set.
    pub slasher: Address,
    /// `isOperatorSlashable`.
    pub slashable: bool,
    /// `getStrategiesInOperatorSet`.
    pub strategies: Vec<Address>,
    /// `signer()` of the account: verifier || key; `None` where there is no contract.
    pub signer: Option<Bytes>,
    /// Whether the request's nonce is used or invalidated.
    pub nonce_used: bool,
    /// What was slashed up to the block, where it was asked for and could be read in full.
    pub history: Option<SlashHistory>,
    /// The last block at which it takes anything, as things stand: the operator may have left the set or freed its stake. Zero
    /// where there is nothing to take, and the greatest number where no end is in sight.
    pub last_block: u64,
    /// The shares that it would take at the block, a strategy each, as the core itself works it out; `None` where that cannot be
    /// tried yet.
    pub takes: Option<Vec<U256>>,
    /// The newest block that there is. It is not final: lateness alone is seen by it.
    pub head: u64,
    /// What gate and AccessManager say, where it goes through these.
    pub gate: Option<GateFacts>,
}

/// Facts about a slash through the gate at that block. Times are the chain's, in seconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GateFacts {
    /// The block's time.
    pub time: WallTime,
    /// How long the AccessManager has the account wait between scheduling and executing, in seconds (`canCall`).
    pub delay: u64,
    /// When what was scheduled can be executed (`getSchedule`); `None` where nothing is, or was, or it has expired.
    pub ready: Option<WallTime>,
    /// The request that used the evidence up (`requestOf`); zero for none.
    pub used_by: B256,
    /// Whether the call, made by the account in that block, goes through.
    pub call_succeeds: bool,
}

/// Facts about an account and its calls at one finalised block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountFacts {
    /// The block.
    pub block: BlockReference,
    /// `signer()` of the account: verifier || key; `None` where there is no contract.
    pub signer: Option<Bytes>,
    /// Whether the request's nonce is used or invalidated.
    pub nonce_used: bool,
    /// Whether each call, made by the account in that block, goes through.
    pub calls_succeed: bool,
}
