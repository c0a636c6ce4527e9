//! A new key in the slashing key's place, and a change that nobody declared.

use super::acts::redeclared;
use super::{CEILINGS, Core, Life, SLASH_DELAY, SURVEYS, TIMELOCK_DELAY, timelock_delay, write, wrong};
use crate::chain::authority::abi::{ICore, OperatorSet};
use crate::devnet::account::Account;
use crate::devnet::change::submit;
use crate::devnet::processes::{Cluster, Look};
use crate::failure::Failure;
use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, B256, U256};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use alloy::sol;
use alloy::sol_types::SolCall;
use firn_proto::Definition;
use firn_proto::operation::guard::roles;
use firn_proto::operation::{GrantRole, Operation, RevokeRole};
use serde_json::json;

sol! {
    function grantRole(uint64 roleId, address account, uint32 executionDelay);
    function hasRole(uint64 roleId, address account) view returns (bool isMember, uint32 executionDelay);
}

const THIEF: Address = Address::repeat_byte(0xee);
const NEW: &str = "slash-2";

impl Life {
    pub(super) async fn rotated(&mut self, cluster: &mut Cluster, account: &Account) -> Result<(), Failure> {
        let slasher = self.slasher(cluster).await?;
        self.key(cluster, account, NEW).await?;
        write(&self.file("declared.toml"), &self.declared(cluster, NEW, CEILINGS[1]))?;
        self.deploy(cluster, account, &["--accounts-only"]).await?;
        let (old, new) = (self.account_of("slash")?, self.account_of(NEW)?);
        let [(_, _, grant), (_, _, revoke)] = [self.terms(), self.terms()];
        for step in ["schedule", "execute"] {
            let changes = [self.grant(cluster, new, step, grant)?, self.revoke(cluster, old, step, revoke)?];
            self.done(cluster, account, "governance", changes).await?;
            if step == "schedule" {
                self.pass(account, TIMELOCK_DELAY, "the timelock's delay").await?;
            }
        }
        let manager = self.contracts()?.manager;
        for (who, holds) in [(old, false), (new, true)] {
            let has = self.read(manager, hasRoleCall { roleId: roles::SLASH, account: who }).await?;
            if has.isMember != holds {
                return Err(wrong(&format!("role SLASH of {who}: {}", has.isMember)));
            }
        }
        account.say(format!("role SLASH is {new}'s, and no longer {old}'s"));
        let declared = self.declared(cluster, NEW, CEILINGS[1]);
        submit(cluster, account, &self.dir, |text| {
            let mut content = (*redeclared(&text, &declared)?).clone();
            content.operator_sets.iter_mut().for_each(|set| NEW.clone_into(&mut set.key));
            Ok(Definition::new(content).to_toml())
        })
        .await?;
        self.taken_up(cluster, 4).await?;
        self.verified(cluster, account).await?;
        if self.slasher(cluster).await? != slasher {
            return Err(wrong("EigenLayer's slasher has changed"));
        }
        account.say(format!("EigenLayer's slasher is {slasher}, the gate, as before"));
        let old = self.slash(cluster, "slash", 4)?;
        match self.ask(cluster, NEW, old).await {
            Err(refusal) => account.say(format!("a slash by the old key: refused ({})", refusal.code)),
            Ok(_) => return Err(wrong("a slash by the old key was taken in")),
        }
        let slash = self.slash(cluster, NEW, 4)?;
        let asked = self.ask(cluster, NEW, slash).await?;
        asked.reaches(cluster, "scheduled").await?;
        self.pass(account, SLASH_DELAY, "the delay of slashes").await?;
        asked.reaches(cluster, "executed").await?;
        account.say(format!("{}: executed by the new key", asked.title));
        Ok(())
    }

    /// Who slashes the operator set: before v1.9 the core does not say, and the gate is its appointee.
    async fn slasher(&self, cluster: &Cluster) -> Result<Address, Failure> {
        let of = &cluster.manifest.contracts;
        if self.core == Core::Appointees {
            return Ok(self.contracts()?.gate);
        }
        let set = OperatorSet { avs: of.avs, id: of.operator_set_id };
        self.read(of.allocation_manager, ICore::getSlasherCall { operatorSet: set }).await
    }

    fn grant(&mut self, cluster: &Cluster, to: Address, step: &str, reference: B256) -> Result<Operation, Failure> {
        let (nonce, deadline, _) = self.terms();
        Ok(Operation::GrantRole(GrantRole {
            avs: cluster.manifest.contracts.avs,
            role: roles::SLASH,
            member: to,
            executionDelay: SLASH_DELAY,
            step: step.to_owned(),
            delay: timelock_delay(step),
            reference,
            account: self.account_of("governance")?,
            nonce,
            deadline,
        }))
    }

    fn revoke(&mut self, cluster: &Cluster, from: Address, step: &str, reference: B256) -> Result<Operation, Failure> {
        let (nonce, deadline, _) = self.terms();
        Ok(Operation::RevokeRole(RevokeRole {
            avs: cluster.manifest.contracts.avs,
            role: roles::SLASH,
            member: from,
            step: step.to_owned(),
            delay: timelock_delay(step),
            reference,
            account: self.account_of("governance")?,
            nonce,
            deadline,
        }))
    }

    /// Plays a thief to whom the timelock has granted the role: on a real chain nobody could.
    pub(super) async fn behind(&mut self, cluster: &mut Cluster, account: &Account) -> Result<(), Failure> {
        let (manager, timelock) = {
            let listed = self.contracts()?;
            (listed.manager, listed.timelock)
        };
        self.anvil("anvil_impersonateAccount", json!([timelock])).await?;
        self.anvil("anvil_setBalance", json!([timelock, U256::from(10).pow(U256::from(18))])).await?;
        let grant = grantRoleCall { roleId: roles::SLASH, account: THIEF, executionDelay: 0 }.abi_encode();
        let request = TransactionRequest::default().with_from(timelock).with_to(manager).with_input(grant);
        let sent = self.rpc.send_transaction(request).await;
        sent.map(drop).map_err(|error| wrong(&format!("the role is not granted: {error}")))?;
        account.say(format!("role SLASH is granted to {THIEF}; `firn chain verify` exits with 6 and says:"));
        account.quote(&self.differs(cluster).await?);
        let members = self.members(NEW);
        let seen = async |cluster: &Cluster| {
            for node in &members {
                let status = cluster.client(node)?.status().await?;
                if status.checks.iter().all(|check| check.ok || !check.name.starts_with("contracts of")) {
                    return Ok(Look::Waiting(format!("{node} has not looked since")));
                }
            }
            Ok(Look::Done(()))
        };
        cluster.wait("every member to see it", SURVEYS, seen).await?;
        let slash = self.slash(cluster, NEW, 3)?;
        let asked = self.ask(cluster, NEW, slash).await?;
        let stopped = async |cluster: &Cluster| {
            let view = cluster.client(&asked.node)?.request(&asked.id).await?;
            if view.schedule.is_some() || view.signature.is_some() {
                return Err(wrong("a slash was signed though the chain contradicts what is declared"));
            }
            let all = view.members.iter().all(|member| member.code.as_deref() == Some("AUTHORITY_DIFFERS"));
            let codes = view.members.iter().filter_map(|member| member.code.clone());
            Ok(if all { Look::Done(()) } else { Look::Waiting(codes.collect::<Vec<_>>().join(", ")) })
        };
        cluster.wait("every member to refuse a slash", SURVEYS, stopped).await?;
        account.say("every member of the key says of a slash: not while that is so (AUTHORITY_DIFFERS)");
        Ok(())
    }
}
