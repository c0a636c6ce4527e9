//! The act about rules and people: one request over the ceiling, one that waits for approvals, one that is vetoed.

use super::{ABSENCE, Asked, Avs, name};
use crate::api::json::RequestView;
use crate::devnet::account::Account;
use crate::devnet::processes::{Cluster, Look};
use crate::failure::{Exit, Failure};
use crate::requester::opine;
use crate::runtime::wall_time;
use firn_proto::opinion::Decision;

/// Over the ceiling; and over what is signed without anybody's approval.
const TOO_MUCH: u64 = 60;
const LARGE: u64 = 20;

impl Avs {
    /// Shows what each of the definition's two rules does, and a veto.
    pub(super) async fn governed(
        &self,
        cluster: &mut Cluster,
        account: &Account,
        names: &[String],
    ) -> Result<(), Failure> {
        let (first, second, third) = (name(names, 0)?, name(names, 1)?, name(names, 2)?);
        match self.ask(cluster, account, &first, TOO_MUCH).await {
            Err(refusal) if refusal.code == "POLICY_WAD_TOO_LARGE" => {
                account.say(format!("a slash of {TOO_MUCH} % is refused at once by {first}: {}", refusal.cause));
            }
            Err(failure) => return Err(failure),
            Ok(_) => return Err(wrong("a slash over the ceiling was taken in")),
        }
        let asked = self.ask(cluster, account, &first, LARGE).await?;
        let view = self.all_wait(cluster, &asked, "POLICY_APPROVALS_MISSING").await?;
        for finding in view.policy.iter().filter(|finding| !finding.holds) {
            account.say(format!("everybody waits: rule `{}`: {}", finding.rule, finding.detail));
        }
        self.speak(cluster, account, &asked, 1, Decision::Approve, &second).await?;
        self.all_wait(cluster, &asked, "POLICY_APPROVALS_MISSING").await?;
        let clock = std::time::Instant::now();
        self.speak(cluster, account, &asked, 2, Decision::Approve, &third).await?;
        self.executed(cluster, account, &Asked { at: clock, since: "approved", ..asked }).await?;
        let vetoed = self.ask(cluster, account, &second, LARGE).await?;
        self.speak(cluster, account, &vetoed, 1, Decision::Approve, &second).await?;
        self.speak(cluster, account, &vetoed, 0, Decision::Veto, &third).await?;
        let refused = async |cluster: &Cluster| {
            for node in &cluster.running() {
                let view = cluster.client(node)?.request(&vetoed.id).await?;
                if view.signature.is_some() {
                    return Err(wrong("a vetoed request was signed"));
                }
                if view.code.as_deref() != Some("REQUEST_VETOED") {
                    return Ok(Look::Waiting(format!("{node} says: {}", view.state)));
                }
            }
            Ok(Look::Done(()))
        };
        cluster.wait("every node to hear of the veto", ABSENCE, refused).await?;
        account.say(format!("all {} nodes say: refused (REQUEST_VETOED)", names.len()));
        Ok(())
    }

    /// A person of the manifest speaks at a node.
    pub(super) async fn speak(
        &self,
        cluster: &Cluster,
        account: &Account,
        asked: &Asked,
        person: usize,
        decision: Decision,
        at: &str,
    ) -> Result<(), Failure> {
        let known = cluster.manifest.people.get(person).ok_or_else(|| wrong("too few people"))?;
        let request = super::subject(&asked.id)?;
        let body = opine(&self.definition, request, decision, wall_time().0, &known.open()?)?;
        cluster.client(at)?.opine(&asked.id, &body).await?;
        let organisation = self.definition.policy.people.get(&known.name).map(|person| person.organisation.as_str());
        let organisation = organisation.unwrap_or_default();
        account.say(format!("{} of {organisation} says `{}`, at {at}", known.name, decision.as_str()));
        Ok(())
    }

    /// Waits until every node says of itself that it waits for this.
    pub(super) async fn all_wait(
        &self,
        cluster: &mut Cluster,
        asked: &Asked,
        code: &str,
    ) -> Result<RequestView, Failure> {
        let look = async |cluster: &Cluster| {
            let mut last = None;
            for node in &cluster.running() {
                let view = cluster.client(node)?.request(&asked.id).await?;
                if view.signature.is_some() {
                    return Err(wrong("signed without the approvals that a rule asks for"));
                }
                let own = view.members.iter().find(|member| member.name == *node);
                if own.and_then(|own| own.code.as_deref()) != Some(code) {
                    return Ok(Look::Waiting(format!("{node} says: {}", view.state)));
                }
                last = Some(view);
            }
            last.map(Look::Done).ok_or_else(|| wrong("no node runs"))
        };
        cluster.wait("every node to wait for approvals", ABSENCE, look).await
    }
}

pub(super) fn wrong(cause: &str) -> Failure {
    Failure::new("DEVNET_REQUEST", cause, "this is a defect: report it with the logs", Exit::Failure)
}
