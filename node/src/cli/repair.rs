//! `firn key repair` and `firn key consent`: a share that one member lost, by t others that hold theirs.

use super::pause::{AgreeArgs, Agreed};
use super::show::{ACCEPTED, explain};
use super::{NodeArgs, Output, document, print, until_ended};
use crate::api::json::Accepted;
use crate::api::json::pause::ApprovalsBody;
use crate::api::json::repair::{RepairBody, RepairView};
use crate::client::Client;
use crate::failure::{Exit, Failure};
use clap::Args;
use firn_proto::pause::consent;
use firn_proto::{Code, Digest, KeyId, Refusal};
use std::fmt::Write as _;
use std::time::Duration;

#[derive(Args)]
pub(crate) struct Repair {
    /// The key's name in network.toml.
    name: String,
    /// A node that helps, by its name: as many as the key's threshold. The first members that are connected, if none is named.
    #[arg(long = "helper")]
    helpers: Vec<String>,
    /// Seconds until all helpers must have consented.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    within_seconds: u64,
    /// Do not wait for its end.
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    node: NodeArgs,
}

#[derive(Args)]
pub(crate) struct Consent {
    /// The repair's id that `key repair` printed, or `key repairs` shows. Ask whoever runs the member that lost its share first.
    id: String,
    /// What a person of the node's organisation got from `firn key approve-consent`; two people where it has two.
    #[arg(long = "approval", value_name = "HEX")]
    approvals: Vec<String>,
    #[command(flatten)]
    node: NodeArgs,
}

#[derive(Args)]
pub(crate) struct ApproveConsent {
    /// The repair's id. Speak with whoever runs the member that lost its share, and not only read its message.
    id: String,
    #[command(flatten)]
    agree: AgreeArgs,
}

impl Repair {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        let Self { name, helpers, within_seconds, no_wait, node } = self;
        let client = node.client()?;
        let helpers = (!helpers.is_empty()).then_some(helpers);
        let accepted = client.repair_key(&RepairBody { name, helpers, within_seconds }).await?;
        if no_wait {
            return print(output, &document(ACCEPTED, &accepted), || asked(&accepted, &node));
        }
        // People are told whom to ask meanwhile; a program gets one document, at the end.
        if matches!(output, Output::Text) {
            print(output, &document(ACCEPTED, &accepted), || asked(&accepted, &node))?;
        }
        let within = Duration::from_secs(within_seconds.saturating_add(PHASES_SECONDS));
        let view = ended(&client, &accepted.id, within).await?;
        print(output, &document("firn.repair.v1", &view), || repairs_text(std::slice::from_ref(&view)))?;
        match view.state.as_str() {
            "done" => Ok(()),
            state => Err(Failure::new(
                view.code.as_deref().unwrap_or("REPAIR_UNDECIDED"),
                format!("the repair is {state}, and changed nothing; it waited for {}", list(&view.waiting_for)),
                "see `firn key repairs`; have whom it names consent, or ask again with other helpers".to_owned(),
                Exit::Conflict,
            )),
        }
    }
}

impl Consent {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        let accepted =
            self.node.client()?.consent_repair(&self.id, &ApprovalsBody { approvals: self.approvals }).await?;
        print(output, &document(ACCEPTED, &accepted), || {
            format!("{}\nconsented; follow it with: firn key repairs{}", accepted.id, self.node.options())
        })
    }
}

impl ApproveConsent {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        let client = self.agree.node().client()?;
        let (status, repairs) = (client.status().await?, client.repairs().await?.repairs);
        let found = repairs.into_iter().find(|repair| repair.id == self.id);
        let unknown = || Refusal::new(Code::KeyUnknown, format!("{} was asked for no repair {}", status.name, self.id));
        let repair = found.ok_or_else(unknown)?;
        let RepairView { name, epoch, target, deadline, .. } = repair;
        let said = format!("{} helps {target} to the share of key {name}, epoch {epoch}, that it lost", status.name);
        let id = Digest::from_hex(&self.id).map(KeyId).ok_or_else(unknown)?;
        let act = Agreed { what: consent(id), number: deadline, said, schema: "firn.consent-approval.v1" };
        self.agree.approve(&status, &act, output)
    }
}

/// `firn key repairs`.
pub(super) async fn list_all(node: &NodeArgs, output: Output) -> Result<(), Failure> {
    let repairs = node.client()?.repairs().await?;
    print(output, &document("firn.repairs.v1", &repairs), || repairs_text(&repairs.repairs))
}

/// How long a repair may take after all have consented: two phases.
const PHASES_SECONDS: u64 = 45;

fn asked(accepted: &Accepted, node: &NodeArgs) -> String {
    format!(
        "{id}\nasked; the operator of each helper now runs, with its own data directory:\n  firn key consent {id} --data-dir DIR\n\
         with what people of its organisation got from: firn key approve-consent {id} --data-dir DIR --keystore FILE\n\
         follow it with: firn key repairs{options}",
        id = accepted.id,
        options = node.options()
    )
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}

fn repairs_text(repairs: &[RepairView]) -> String {
    let mut text = String::new();
    if repairs.is_empty() {
        text.push_str("  none since this node started\n");
    }
    for repair in repairs {
        let _ = writeln!(
            text,
            "  share of {} in key {}, epoch {}: {}",
            repair.target, repair.name, repair.epoch, repair.state
        );
        let _ = writeln!(text, "    repair    {}", repair.id);
        let _ = writeln!(text, "    helpers   {}", list(&repair.helpers));
        let _ = writeln!(text, "    consented {}", list(&repair.consented));
        if !repair.waiting_for.is_empty() {
            let _ = writeln!(text, "    waiting for {}", list(&repair.waiting_for));
        }
        if let Some(code) = &repair.code {
            let _ = writeln!(text, "    ended: {code}");
            explain(&mut text, "      ", code);
        }
    }
    text
}

/// The repair when it has ended, or as it stands when its time is over.
async fn ended(client: &Client, id: &str, within: Duration) -> Result<RepairView, Failure> {
    let look = async || {
        let found = client.repairs().await?.repairs.into_iter().find(|repair| repair.id == id);
        found.ok_or_else(|| Failure::general("KEY_UNKNOWN", format!("the node no longer knows the repair {id}")))
    };
    until_ended(within, look, |view| matches!(view.state.as_str(), "done" | "ended")).await
}
