//! Firn's own contracts: their code, limits, payees, and what waits in them.

use super::abi::{IGate, IGuarded, IManager, ITimelock, ITreasury, Limits, Terms};
use super::{BOTH, Fact, NOTHING, PAYING, SLASHING, Standing, Survey, code};
use crate::chain::{Trouble, unavailable};
use alloy::eips::BlockId;
use alloy::primitives::{Address, B256};
use alloy::providers::Provider;
use alloy::sol_types::SolCall;
use firn_proto::definition::Purpose;
use std::collections::BTreeSet;
use std::fmt::Display;

impl Survey<'_> {
    pub(super) fn fact(
        &mut self,
        name: impl Into<String>,
        expected: impl Display,
        found: impl Display,
        stops: &'static [Purpose],
    ) {
        let (name, expected, found) = (name.into(), expected.to_string(), found.to_string());
        let standing = if expected == found { Standing::Ok } else { Standing::Differs };
        self.facts.push(Fact { name, standing, expected, found, eigenlayer: false, stops });
    }

    pub(super) fn pending(&mut self, name: impl Into<String>, found: String) {
        let (name, expected, stops) = (name.into(), String::new(), NOTHING);
        self.facts.push(Fact { name, standing: Standing::Pending, expected, found, eigenlayer: false, stops });
    }

    pub(super) async fn ask<C: SolCall>(&self, to: Address, call: C) -> Result<Option<C::Return>, Trouble> {
        self.chain.ask(to, call, self.block).await
    }

    /// An address with what it is, where it is known.
    pub(super) fn label(&self, address: Address) -> String {
        let at = self.contracts;
        let contracts = [
            (at.manager, "the AccessManager"),
            (at.timelock, "the timelock"),
            (at.timelock_veto, "TimelockVeto"),
            (at.gate, "the gate"),
            (at.treasury, "the treasury"),
            (at.avs, "the AVS"),
        ];
        if let Some((_, name)) = contracts.into_iter().find(|(contract, _)| *contract == address) {
            return format!("{address} ({name})");
        }
        let key = self.accounts.iter().find(|(_, account)| **account == address);
        key.map_or_else(|| address.to_string(), |(name, _)| format!("{address} (key {name})"))
    }

    /// The five contracts are what was compiled, and obey the one AccessManager.
    pub(super) async fn code(&mut self) -> Result<(), Trouble> {
        let (at, core) = (self.contracts, self.definition.chain.allocation_manager);
        let timelock = at.timelock;
        type Is = Box<dyn Fn(&[u8]) -> bool + Send>;
        let all: [(&str, Address, Is, &'static [Purpose]); 5] = [
            ("AccessManager", at.manager, Box::new(|found| code::is_plain(&code::MANAGER, found)), BOTH),
            ("TimelockController", at.timelock, Box::new(|found| code::is_plain(&code::TIMELOCK, found)), BOTH),
            ("TimelockVeto", at.timelock_veto, Box::new(move |found| code::is_timelock_veto(found, timelock)), BOTH),
            ("SlashGate", at.gate, Box::new(move |found| code::is_gate(found, core)), SLASHING),
            ("Treasury", at.treasury, Box::new(|found| code::is_plain(&code::TREASURY, found)), PAYING),
        ];
        for (name, address, is, stops) in all {
            let code = self.chain.provider.get_code_at(address).block_id(BlockId::hash(B256::from(self.block.hash.0)));
            let code = code.await.map_err(unavailable)?;
            let found = match code.len() {
                0 => "nothing".to_owned(),
                _ if is(&code) => name.to_owned(),
                bytes => format!("{bytes} bytes of another code"),
            };
            self.fact(format!("code at {address}"), name, found, stops);
        }
        for (name, address, stops) in
            [("gate", at.gate, SLASHING), ("treasury", at.treasury, PAYING), ("TimelockVeto", at.timelock_veto, BOTH)]
        {
            let found = self.ask(address, IGuarded::authorityCall {}).await?;
            let found = found.map_or_else(|| "none".to_owned(), |found| self.label(found));
            self.fact(format!("authority of {name}"), self.label(at.manager), found, stops);
        }
        Ok(())
    }

    /// The gate's limits for each set, sets that were pinned and are not declared, and its pause.
    pub(super) async fn limits(&mut self) -> Result<(), Trouble> {
        let gate = self.contracts.gate;
        let declared = self.declared.sets.iter().map(|set| ((self.contracts.avs, set.id), shown(&code::limits(set))));
        let declared: Vec<_> = declared.collect();
        let seen = self.logs.of::<IGate::LimitsSet>(gate).map(|log| (log.avs, log.operatorSetId));
        let sets: BTreeSet<_> = declared.iter().map(|(set, _)| *set).chain(seen).collect();
        for (avs, id) in sets {
            let expected = declared.iter().find(|(set, _)| *set == (avs, id)).map(|(_, limits)| limits.clone());
            let found = self.ask(gate, IGate::limitsOfCall { avs, operatorSetId: id }).await?;
            let found = found.filter(|limits| limits.maxWad != 0).map(|limits| shown(&limits));
            let none = || "not pinned".to_owned();
            self.fact(
                format!("limits of operator set {id} of {avs}"),
                expected.unwrap_or_else(none),
                found.unwrap_or_else(none),
                SLASHING,
            );
        }
        self.pause("gate", gate).await?;
        self.pause("treasury", self.contracts.treasury).await
    }

    /// A pause is the veto's to use, and no contradiction.
    async fn pause(&mut self, name: &str, address: Address) -> Result<(), Trouble> {
        let until = self.ask(address, IGuarded::pausedBetweenCall {}).await?.map_or(0, |pause| pause.until);
        if until > self.time.0 {
            self.pending(format!("pause of the {name}"), format!("until {until}"));
        } else {
            self.fact(format!("pause of the {name}"), "none", "none", NOTHING);
        }
        Ok(())
    }

    /// The treasury's payees, those that were listed and are not declared, and its successor.
    pub(super) async fn payees(&mut self) -> Result<(), Trouble> {
        let treasury = self.contracts.treasury;
        let declared: Vec<_> = self
            .declared
            .payees
            .iter()
            .map(|entry| ((entry.token, entry.payee), listed(&code::terms(entry))))
            .collect();
        let seen = self.logs.of::<ITreasury::PayeeSet>(treasury).map(|log| (log.token, log.payee));
        let payees: BTreeSet<_> = declared.iter().map(|(payee, _)| *payee).chain(seen).collect();
        for (token, payee) in payees {
            let expected = declared.iter().find(|(entry, _)| *entry == (token, payee)).map(|(_, terms)| terms.clone());
            let found = self.ask(treasury, ITreasury::payeeOfCall { token, payee }).await?;
            let found = found.map(|found| found.terms).filter(|terms| terms.window != 0).map(|terms| listed(&terms));
            let none = || "not listed".to_owned();
            self.fact(
                format!("payee {} of token {token}", self.label(payee)),
                expected.unwrap_or_else(none),
                found.unwrap_or_else(none),
                PAYING,
            );
        }
        let successor = self.ask(treasury, ITreasury::successorCall {}).await?.filter(|address| !address.is_zero());
        let found = successor.map_or_else(|| "none".to_owned(), |address| self.label(address));
        self.fact("successor of the treasury", "none", found, PAYING);
        Ok(())
    }

    /// What is scheduled and neither done, cancelled nor expired.
    pub(super) async fn scheduled(&mut self) -> Result<(), Trouble> {
        let (manager, timelock) = (self.contracts.manager, self.contracts.timelock);
        let (mut seen, mut calls) = (BTreeSet::new(), BTreeSet::new());
        for log in self.logs.of::<IManager::OperationScheduled>(manager).collect::<Vec<_>>() {
            let id = log.operationId;
            if !seen.insert(id) {
                continue;
            }
            let at = self.ask(manager, IManager::getScheduleCall { id }).await?.map_or(0, |at| at.to::<u64>());
            if at != 0 {
                let (caller, target) = (self.label(log.caller), self.label(log.target));
                let selector = hex::encode(log.data.get(..4).unwrap_or_default());
                self.pending(
                    format!("operation {id}"),
                    format!("{caller} calls 0x{selector} of {target}, from {at} on"),
                );
            }
        }
        for log in self.logs.of::<ITimelock::CallScheduled>(timelock).collect::<Vec<_>>() {
            let id = log.id;
            // Each call of a batch: what is harmless must not hide what comes after it.
            if !calls.insert((id, log.index)) {
                continue;
            }
            let at = self.ask(timelock, ITimelock::getTimestampCall { id }).await?.unwrap_or_default();
            // 0 was never scheduled or is cancelled, 1 is done.
            if at > alloy::primitives::U256::ONE {
                let selector = hex::encode(log.data.get(..4).unwrap_or_default());
                let target = self.label(log.target);
                self.pending(
                    format!("timelock operation {id}, call {}", log.index),
                    format!("calls 0x{selector} of {target}, from {at} on"),
                );
            }
        }
        Ok(())
    }
}

fn shown(limits: &Limits) -> String {
    format!(
        "wads {} to {}, budgets {} and {} in {} s, cool-down {} s",
        limits.minWad, limits.maxWad, limits.operatorBudget, limits.setBudget, limits.window, limits.coolDown
    )
}

fn listed(terms: &Terms) -> String {
    format!("{} and large {} in {} s", terms.budget, terms.largeBudget, terms.window)
}
