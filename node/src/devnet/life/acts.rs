//! Slashes, what becomes of what they took, and a limit.

use super::authority::PAYEE;
use super::{
    CEILINGS, Core, Life, PAY_DELAY, RESOLUTION_BLOCKS, SLASH_DELAY, SURVEYS, TIMELOCK_DELAY, timelock_delay, wrong,
};
use crate::devnet::account::{Account, amount};
use crate::devnet::change::submit;
use crate::devnet::contracts::{self, WAD};
use crate::devnet::processes::{Cluster, Look};
use crate::failure::Failure;
use alloy::primitives::{Address, B256, U256, keccak256};
use alloy::sol;
use firn_proto::Definition;
use firn_proto::definition::declared::Declared;
use firn_proto::operation::{CancelScheduled, ClearRedistribution, Operation, SetLimits, SlashOperator, TreasuryPay};
use serde_json::json;

sol! {
    function balanceOf(address account) view returns (uint256);
    struct OperatorSet {
        address avs;
        uint32 id;
    }
    function getSlashCount(OperatorSet operatorSet) view returns (uint256);
}

impl Life {
    /// A slash of so many hundredths by the key of this name.
    pub(super) fn slash(&mut self, cluster: &Cluster, key: &str, percent: u64) -> Result<Operation, Failure> {
        let (of, (nonce, deadline, _)) = (&cluster.manifest.contracts, self.terms());
        Ok(Operation::SlashOperator(SlashOperator {
            avs: of.avs,
            operator: of.operator,
            operatorSetId: of.operator_set_id,
            strategies: vec![of.strategy],
            wadsToSlash: vec![U256::from(WAD / 100 * percent)],
            description: format!("sample offence {nonce}"),
            evidenceHash: keccak256(format!("report {nonce}")),
            evidenceLocation: format!("https://evidence.example/{nonce}"),
            account: self.account_of(key)?,
            nonce,
            deadline,
        }))
    }

    pub(super) async fn slashes(&mut self, cluster: &mut Cluster, account: &Account) -> Result<(), Failure> {
        let before = contracts::shares(&self.rpc, &cluster.manifest.contracts).await?;
        let [stands, falls] = [self.slash(cluster, "slash", 5)?, self.slash(cluster, "slash", 7)?];
        let stands = self.ask(cluster, "slash", stands).await?;
        let cancelled = self.ask(cluster, "slash", falls.clone()).await?;
        for (asked, percent) in [(&stands, 5), (&cancelled, 7)] {
            let view = asked.reaches(cluster, "scheduled").await?;
            let ready = view.schedule.and_then(|schedule| schedule.ready).unwrap_or_default();
            account.say(format!("{percent} %, request {}: scheduled, to be executed from second {ready} on", asked.id));
        }
        let scheduled = falls.scheduled(&self.definition).ok_or_else(|| wrong("a slash that passes the gate by"))?;
        let (nonce, deadline, _) = self.terms();
        let cancel = CancelScheduled {
            avs: cluster.manifest.contracts.avs,
            caller: self.account_of("slash")?,
            target: scheduled.target,
            data: scheduled.data.into(),
            account: self.account_of("veto")?,
            nonce,
            deadline,
        };
        self.done(cluster, account, "veto", [Operation::CancelScheduled(cancel)]).await?;
        self.pass(account, SLASH_DELAY, "the delay of slashes").await?;
        let view = stands.reaches(cluster, "executed").await?;
        let after = contracts::shares(&self.rpc, &cluster.manifest.contracts).await?;
        if after != before - before * U256::from(5) / U256::from(100) {
            return Err(wrong(&format!("shares were {before} and are {after}: not 5 % less")));
        }
        account.say(format!(
            "5 %: executed, signed anew by {}; shares fell from {} to {}",
            if view.signers.is_empty() { "members".to_owned() } else { view.signers.join(", ") },
            amount(before),
            amount(after)
        ));
        let view = cancelled.reaches(cluster, "refused").await?;
        let code = view.code.unwrap_or_default();
        if code != "SCHEDULE_GONE" {
            return Err(wrong(&format!("the cancelled slash is refused with {code}")));
        }
        account.say(format!("7 %: refused ({code}), and no share of it was lent a second time"));
        self.slash = Some(stands);
        Ok(())
    }

    pub(super) async fn cleared(&mut self, cluster: &mut Cluster, account: &Account) -> Result<(), Failure> {
        let of = cluster.manifest.contracts.clone();
        let count = getSlashCountCall { operatorSet: OperatorSet { avs: of.avs, id: of.operator_set_id } };
        let slash = self.read(of.allocation_manager, count).await?;
        if self.core == Core::Resolution {
            self.anvil("anvil_mine", json!([RESOLUTION_BLOCKS + 2])).await?;
            account.say(format!("core v1.13 has what is slashed wait {RESOLUTION_BLOCKS} blocks: they are mined"));
        }
        let ((nonce, deadline, _), treasury) = (self.terms(), self.contracts()?.treasury);
        let clear = ClearRedistribution {
            avs: of.avs,
            operatorSetId: of.operator_set_id,
            slashId: slash,
            account: self.account_of("treasury")?,
            nonce,
            deadline,
        };
        self.done(cluster, account, "treasury", [Operation::ClearRedistribution(clear)]).await?;
        let balance = self.balance(treasury).await?;
        if balance.is_zero() {
            return Err(wrong("nothing has come to the treasury"));
        }
        account.say(format!("the treasury has {} of the stake's token", amount(balance)));
        self.told(cluster, account).await
    }

    /// What `firn request show` tells of the slash: its whole way, to the clearing where the core says which slash was cleared.
    async fn told(&self, cluster: &mut Cluster, account: &Account) -> Result<(), Failure> {
        let slash = self.slash.as_ref().ok_or_else(|| wrong("nothing was slashed"))?;
        let last = if self.core == Core::Resolution { "slash_cleared" } else { "slashed" };
        let look = async |cluster: &Cluster| {
            let view = cluster.client(&slash.node)?.request(&slash.id).await?;
            let kinds: Vec<_> = view.life.iter().map(|event| event.kind.as_str()).collect();
            Ok(if kinds.contains(&last) { Look::Done(view.life) } else { Look::Waiting(kinds.join(", ")) })
        };
        account.say("`firn request show` tells what became of the slash of 5 %:");
        for event in cluster.wait("the end of the slash to be told", SURVEYS, look).await? {
            account.quote(&format!("block {}: {}: {}", event.block, event.kind, event.text));
        }
        Ok(())
    }

    async fn balance(&self, of: Address) -> Result<U256, Failure> {
        self.read(self.token(), balanceOfCall { account: of }).await
    }

    pub(super) async fn paid(&mut self, cluster: &mut Cluster, account: &Account) -> Result<(), Failure> {
        let sum = U256::from(20) * U256::from(WAD);
        let (_, _, reference) = self.terms();
        let pay = |life: &mut Self, step: &str| {
            let (nonce, deadline, _) = life.terms();
            let (avs, token, to, large) = (cluster.manifest.contracts.avs, life.token(), PAYEE, false);
            let (amount, step, of) = (sum, step.to_owned(), life.account_of("treasury")?);
            Ok::<_, Failure>(Operation::TreasuryPay(TreasuryPay {
                avs,
                token,
                to,
                amount,
                large,
                step,
                reference,
                account: of,
                nonce,
                deadline,
            }))
        };
        let [schedule, execute] = [pay(self, "schedule")?, pay(self, "execute")?];
        self.done(cluster, account, "treasury", [schedule]).await?;
        self.pass(account, PAY_DELAY, "the delay of payments").await?;
        self.done(cluster, account, "treasury", [execute]).await?;
        if self.balance(PAYEE).await? != sum {
            return Err(wrong("the beneficiary has not got the payment"));
        }
        account.say(format!("{PAYEE} has {}", amount(sum)));
        Ok(())
    }

    pub(super) async fn limit(&mut self, cluster: &mut Cluster, account: &Account) -> Result<(), Failure> {
        let (_, _, reference) = self.terms();
        let [schedule, execute] =
            [self.raise(cluster, "schedule", reference)?, self.raise(cluster, "execute", reference)?];
        self.done(cluster, account, "governance", [schedule]).await?;
        self.pass(account, TIMELOCK_DELAY, "the timelock's delay").await?;
        self.done(cluster, account, "governance", [execute]).await?;
        let differs = self.differs(cluster).await?;
        account.say("until the definition says so as well, nodes do not slash; `firn chain verify` says:");
        account.quote(&differs);
        let declared = self.declared(cluster, "slash", CEILINGS[1]);
        // The next version also has the key that the next act rotates to.
        submit(cluster, account, &self.dir, |text| {
            let mut content = (*redeclared(&text, &declared)?).clone();
            let mut key =
                content.keys.iter().find(|key| key.name == "slash").cloned().ok_or_else(|| wrong("no key"))?;
            key.name = "slash-2".to_owned();
            content.keys.push(key);
            content.keys.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(Definition::new(content).to_toml())
        })
        .await?;
        self.taken_up(cluster, 3).await?;
        self.verified(cluster, account).await
    }

    fn raise(&mut self, cluster: &Cluster, step: &str, reference: B256) -> Result<Operation, Failure> {
        let ((nonce, deadline, _), of) = (self.terms(), &cluster.manifest.contracts);
        let (max, budget) = (U256::from(CEILINGS[1]), U256::from(CEILINGS[1] * 2));
        Ok(Operation::SetLimits(SetLimits {
            avs: of.avs,
            operatorSetId: of.operator_set_id,
            minWad: U256::from(WAD / 100),
            maxWad: max,
            operatorBudget: budget,
            setBudget: budget,
            window: 86_400,
            coolDown: 0,
            tighten: false,
            step: step.to_owned(),
            delay: timelock_delay(step),
            reference,
            account: self.account_of("governance")?,
            nonce,
            deadline,
        }))
    }
}

/// A definition whose only contracts are declared anew, with `since` as it was.
pub(super) fn redeclared(text: &str, declared: &str) -> Result<Definition, Failure> {
    let definition = Definition::parse(text)?;
    let mut content = (*definition).clone();
    let parsed = Declared::parse(declared, &definition)?;
    for listed in &mut content.contracts {
        let since = listed.declared.as_ref().map_or(0, |old| old.since);
        listed.declared = Some(Declared { since, ..parsed.clone() });
    }
    Ok(Definition::new(content))
}
