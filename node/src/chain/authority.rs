//! What the definition declares of an AVS's contracts, held against the chain (docs/adr/0019-declared-authority.md).
//!
//! `firn chain verify` prints all of it, and a running node stops signing by it: one survey serves both. It reads at one
//! finalised block. An endpoint that fails is no finding.

use super::{Chain, Trouble};
use alloy::primitives::Address;
use firn_proto::Code;
use firn_proto::definition::declared::Holder;
use firn_proto::definition::{Content, Contracts, Declared, Purpose};
use firn_proto::message::BlockReference;
use firn_proto::time::WallTime;
use logs::Logs;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) mod abi;
pub(crate) mod code;
mod core;
mod logs;
mod roles;
mod survey;
pub(crate) mod watch;

pub(crate) use roles::{CANCELLER, EXECUTOR, PROPOSER, holders, role_name};

/// A whole survey may take so long: about a hundred questions, and logs before that.
const SURVEY: Duration = Duration::from_secs(300);
/// What asking for everything that was ever scheduled may take of it.
const SCHEDULED: Duration = Duration::from_secs(60);

/// The accounts of keys, by the key's name.
pub(crate) type Accounts = BTreeMap<String, Address>;

/// The address of a holder; the name of a key whose account is not known is the error.
pub(crate) fn resolve(holder: &Holder, accounts: &Accounts) -> Result<Address, String> {
    match holder {
        Holder::Address(address) => Ok(*address),
        Holder::Key(name) => accounts.get(name).copied().ok_or_else(|| name.clone()),
    }
}

/// Which of EigenLayer's cores the chain has, found by asking it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Generation {
    /// Up to v1.8.1: appointees of the AVS slash.
    Appointees,
    /// From v1.9 on: each operator set has one slasher.
    Slashers,
    /// From v1.13 on: as before, and what was slashed is out of reach for a time.
    Resolution,
}

impl Generation {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Appointees => "up to v1.8.1: appointees slash",
            Self::Slashers => "v1.9 to v1.12: one slasher per set",
            Self::Resolution => "v1.13 or later: one slasher per set, and a resolution delay",
        }
    }
}

/// Whether the chain says what the definition does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Standing {
    Ok,
    Differs,
    /// Scheduled on chain, and neither done nor cancelled: to be looked at, and no contradiction.
    Pending,
}

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Fact {
    pub(crate) name: String,
    pub(crate) standing: Standing,
    pub(crate) expected: String,
    pub(crate) found: String,
    /// EigenLayer's to say, and not one of Firn's own contracts.
    pub(crate) eigenlayer: bool,
    /// Whose signing a contradiction stops.
    #[serde(skip)]
    pub(crate) stops: &'static [Purpose],
}

/// The purposes that a contradiction stops. What stops and what repairs things goes on, always.
const SLASHING: &[Purpose] = &[Purpose::Slash];
const PAYING: &[Purpose] = &[Purpose::Treasury];
const BOTH: &[Purpose] = &[Purpose::Slash, Purpose::Treasury];
const NOTHING: &[Purpose] = &[];

/// All that was found about one AVS's contracts at one block.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) avs: Address,
    pub(crate) block: u64,
    pub(crate) generation: Generation,
    pub(crate) facts: Vec<Fact>,
}

impl Report {
    pub(crate) fn differing(&self) -> impl Iterator<Item = &Fact> {
        self.facts.iter().filter(|fact| fact.standing == Standing::Differs)
    }
}

/// Surveys one AVS's contracts, and remembers the logs that it has read.
pub(crate) struct Surveyor {
    contracts: Contracts,
    declared: Declared,
    logs: Logs,
    newest: u64,
}

/// One survey under way.
struct Survey<'a> {
    chain: &'a Chain,
    definition: &'a Content,
    block: BlockReference,
    time: WallTime,
    contracts: &'a Contracts,
    declared: &'a Declared,
    accounts: &'a Accounts,
    logs: &'a Logs,
    generation: Generation,
    facts: Vec<Fact>,
}

impl Surveyor {
    /// For contracts with a declared part.
    pub(crate) fn new(contracts: &Contracts) -> Option<Self> {
        let declared = contracts.declared.clone()?;
        let logs = Logs::new(contracts, declared.since);
        Some(Self { contracts: contracts.clone(), declared, logs, newest: 0 })
    }

    pub(crate) fn avs(&self) -> Address {
        self.contracts.avs
    }

    /// Reads everything at the finalised block.
    ///
    /// # Errors
    /// Why the endpoint could not tell.
    pub(crate) async fn survey(
        &mut self,
        chain: &Chain,
        definition: &Content,
        accounts: &Accounts,
    ) -> Result<Report, Code> {
        let surveyed = tokio::time::timeout(SURVEY, self.surveyed(chain, definition, accounts)).await;
        match surveyed {
            Ok(Ok(report)) => Ok(report),
            Ok(Err(Trouble::Unavailable(code))) => Err(code),
            Ok(Err(Trouble::Reverted)) | Err(_) => Err(Code::ChainUnavailable),
        }
    }

    async fn surveyed(&mut self, chain: &Chain, definition: &Content, accounts: &Accounts) -> Result<Report, Trouble> {
        let (block, time) = chain.checked_block().await?;
        // An endpoint that is behind what another said shows a past, which contradicts nothing.
        if block.number < self.newest || block.number < self.declared.since {
            return Err(Trouble::Unavailable(Code::ChainBehind));
        }
        self.logs.read(chain, block.number).await?;
        let generation = chain.generation(block).await?;
        let Self { contracts, declared, logs, .. } = &*self;
        let mut survey = Survey {
            chain,
            definition,
            block,
            time,
            contracts,
            declared,
            accounts,
            logs,
            generation,
            facts: Vec::new(),
        };
        survey.code().await?;
        survey.roles().await?;
        survey.functions().await?;
        survey.timelock().await?;
        survey.limits().await?;
        survey.payees().await?;
        survey.core().await?;
        // However much was scheduled, by whoever may: it decides nothing, and must not keep the rest from being seen.
        if !matches!(tokio::time::timeout(SCHEDULED, survey.scheduled()).await, Ok(Ok(()))) {
            survey.pending("what is scheduled", "could not be read in time".to_owned());
        }
        let facts = survey.facts;
        self.newest = block.number;
        Ok(Report { avs: self.contracts.avs, block: block.number, generation, facts })
    }
}
