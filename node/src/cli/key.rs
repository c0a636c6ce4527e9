//! `firn key`: the next epoch of a key (docs/spec/reshare.md), when what is to be renewed, and how a new key takes an old one's place
//! (docs/how-to/schedule.md, docs/how-to/rotate-key.md).

use super::repair::{ApproveConsent, Consent, Repair, list_all};
use super::show::{ACCEPTED, keys_text};
use super::{NodeArgs, Output, document, print, until_ended};
use crate::api::json::{Accepted, KeyView, NextEpoch, ProposeBody};
use crate::client::Client;
use crate::config::BackupPolicy;
use crate::failure::{Exit, Failure};
use clap::{Args, Subcommand};
use std::time::Duration;

mod rotate;
mod schedule;
mod timeline;

/// Keep a key for years: the same group key and address, in other shares.
#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// Make all shares anew, among the same members. Old shares and old backups stay dangerous: t of them still sign.
    Refresh(Ceremony),
    /// Bring the key from the members that sign now to those of the definition in force.
    Reshare(Ceremony),
    /// Plan how a new key takes an old one's place: every step with its command and dates, before anything is done.
    Rotate(Box<rotate::RotateArgs>),
    /// Show what is to be renewed when: shares, keys, identities, certificates, people's and requesters' keys.
    Schedule(NodeArgs),
    /// Get back the share that this node lost, of the epoch that signs now, by as many others as the threshold.
    Repair(Repair),
    /// Help another member to the share that it lost.
    Consent(Consent),
    /// Agree, as a person of a helper's organisation, that it helps.
    ApproveConsent(ApproveConsent),
    /// Show the repairs of lost shares since this node started: whom they wait for, and why they ended.
    Repairs(NodeArgs),
    /// Show every epoch of every key, whom it waits for, and why it ended.
    Status(NodeArgs),
}

#[derive(Args)]
pub(crate) struct Ceremony {
    /// The key's name in network.toml.
    name: String,
    /// Seconds until all members must have accepted.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    within_seconds: u64,
    /// Do not wait for its end.
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    node: NodeArgs,
}

pub(super) async fn run(command: KeyCommand, output: Output) -> Result<(), Failure> {
    match command {
        KeyCommand::Refresh(ceremony) => ceremony.run(NextEpoch::Refresh, output).await,
        KeyCommand::Reshare(ceremony) => ceremony.run(NextEpoch::Reshare, output).await,
        KeyCommand::Rotate(args) => rotate::run(&args, output),
        KeyCommand::Schedule(node) => {
            let schedule = node.client()?.schedule().await?;
            print(output, &schedule, || schedule::text(&schedule))
        }
        KeyCommand::Repair(repair) => repair.run(output).await,
        KeyCommand::Consent(consent) => consent.run(output).await,
        KeyCommand::ApproveConsent(approve) => approve.run(output).await,
        KeyCommand::Repairs(node) => list_all(&node, output).await,
        KeyCommand::Status(node) => {
            let keys = node.client()?.keys().await?;
            print(output, &document("firn.keys.v1", &keys), || keys_text(&keys.keys, &node.options()))
        }
    }
}

impl Ceremony {
    async fn run(self, next: NextEpoch, output: Output) -> Result<(), Failure> {
        let Self { name, within_seconds, no_wait, node } = self;
        let client = node.client()?;
        let keeper = refuse_without_backups(&node)?;
        // Who leaves has nothing to back up.
        let backs_up = |view: &KeyView| keeper.as_ref().is_some_and(|name| view.members.contains(name));
        let accepted = client.propose_key(&ProposeBody { name, within_seconds, next: Some(next) }).await?;
        if no_wait {
            return print(output, &document(ACCEPTED, &accepted), || proposed(&accepted, &node));
        }
        // Its phases have bounds of their own after the last acceptance.
        let view =
            ended(&client, &accepted.id, Duration::from_secs(within_seconds.saturating_add(PHASES_SECONDS)), |view| {
                view.state != "active" || view.backed_up.is_some() || !backs_up(view)
            })
            .await?;
        print(output, &document("firn.key.v1", &view), || {
            let next = match view.backed_up {
                Some(_) => "This node's new share is backed up, and the backup is verified",
                None => "Next: back the new share up (`firn backup create`, `verify`): older backups are stale",
            };
            format!("{}{next}", keys_text(std::slice::from_ref(&view), &node.options()))
        })?;
        match view.state.as_str() {
            "active" if backs_up(&view) && view.backed_up.is_none() => {
                let cause = "the new epoch is active, and the backup that this node keeps does not hold it yet";
                let next = "see `backup_failed` in the node's log: it tries again by itself, if it was started with backup.directory";
                Err(Failure::new("BACKUP_FILE", cause, next, Exit::Conflict))
            }
            "active" => Ok(()),
            state => Err(Failure::new(
                view.code.as_deref().unwrap_or("KEY_UNDECIDED"),
                format!("the attempt is {state}; the epoch before is untouched and goes on signing{}", missing(&view)),
                advice(state),
                Exit::Conflict,
            )),
        }
    }
}

/// The new shares are in no backup: nobody begins that who does not mean to make one. The node's name, where it makes
/// one by itself.
fn refuse_without_backups(node: &NodeArgs) -> Result<Option<String>, Failure> {
    let Some(data_dir) = &node.data_dir else { return Ok(None) };
    let config = super::read_config(data_dir)?;
    let backup = config.backup;
    if backup.policy == BackupPolicy::Waived || !backup.recipients.is_empty() {
        return Ok(backup.directory.map(|_| config.node));
    }
    let cause = "new shares make every backup stale, and this node's configuration names nobody to encrypt one for";
    let next = "name backup.recipients and backup.directory, or set backup.policy to waived";
    Err(Failure::new("BACKUP_RECIPIENTS", cause, next, Exit::Conflict))
}

fn advice(state: &str) -> &'static str {
    match state {
        "undecided" | "certifying" => {
            "it may still become active when whom it waits for is back; else every member runs `firn dkg abandon` with its id"
        }
        "certified" => "it lacks its activation: see whether the network is paused, and wait",
        "given-up" => {
            "some members have abandoned it: every other one runs `firn dkg abandon` with its id, then ask again"
        }
        _ => "see `firn key status`; bring whom it names back, and ask again",
    }
}

/// How long an attempt may take after all have accepted: its phases, and the activation.
const PHASES_SECONDS: u64 = 90;

fn proposed(accepted: &Accepted, node: &NodeArgs) -> String {
    format!(
        "{id}\nproposed, and accepted here; where a member does not accept by itself, its operator runs, with its own data directory:\n  \
         firn dkg accept {id} --data-dir DIR\nfollow it with: firn key status{options}",
        id = accepted.id,
        options = node.options()
    )
}

fn missing(view: &KeyView) -> String {
    if view.waiting_for.is_empty() { String::new() } else { format!("; it waits for {}", view.waiting_for.join(", ")) }
}

/// The attempt when it has ended, and all is done that is to be done then; or as it stands when its time is over.
async fn ended(
    client: &Client,
    id: &str,
    within: Duration,
    done: impl Fn(&KeyView) -> bool,
) -> Result<KeyView, Failure> {
    let look = async || Ok(client.keys().await?.keys.into_iter().find(|key| key.key_id == id));
    let over =
        |view: &KeyView| matches!(view.state.as_str(), "active" | "retired" | "aborted" | "abandoned" | "undecided");
    let found = until_ended(within, look, |found| found.as_ref().is_some_and(|view| over(view) && done(view))).await?;
    found.ok_or_else(|| Failure::general("KEY_UNKNOWN", format!("the node no longer knows the attempt {id}")))
}
