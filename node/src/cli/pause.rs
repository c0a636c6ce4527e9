//! `firn pause`, `resume`, `approve-resume`, `network pause` and `network resume`: stopping a node or the network, and what it
//! takes to go on.

use super::request::{definition_of, open_keystore};
use super::show::ACCEPTED;
use super::{NodeArgs, Output, PassphraseArgs, document, print, talk};
use crate::api::json::Status;
use crate::api::json::pause::{ApprovalsBody, PauseBody};
use crate::failure::{Exit, Failure};
use crate::requester::{agree, say_pause, typed_act, typed_pause};
use crate::runtime::wall_time;
use clap::Args;
use firn_proto::NodeId;
use firn_proto::pause::RESUME;
use serde_json::json;
use std::path::PathBuf;

/// Which pause ends, and who has agreed.
#[derive(Args)]
pub(crate) struct ResumeArgs {
    /// What a person of the node's organisation got from `firn approve-resume`; two people where it has two.
    #[arg(long = "approval", value_name = "HEX")]
    approvals: Vec<String>,
    #[command(flatten)]
    node: NodeArgs,
}

/// Who signs, and how.
#[derive(Args)]
pub(crate) struct SignArgs {
    /// Your key, an encrypted Ethereum JSON keystore.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["typed_data", "signature"])]
    pub(super) keystore: Option<PathBuf>,
    #[command(flatten)]
    pub(super) passphrase: PassphraseArgs,
    /// Print what a wallet signs (EIP-712, as JSON) and do nothing else.
    ///
    /// For example: cast wallet sign --ledger --data --from-file FILE
    #[arg(long, conflicts_with_all = ["keystore", "signature"])]
    pub(super) typed_data: bool,
    /// The wallet's signature over that: 0x and 130 hexadecimal digits. Give the same --number.
    #[arg(long, value_name = "HEX", conflicts_with = "keystore", requires = "number")]
    pub(super) signature: Option<String>,
    /// Orders what you say: the greatest number counts. The time in seconds where it is not given.
    #[arg(long)]
    pub(super) number: Option<u64>,
    /// The network definition; the node's own where a data directory is given.
    #[arg(long, value_name = "FILE")]
    pub(super) network: Option<PathBuf>,
    #[command(flatten)]
    pub(super) node: NodeArgs,
}

/// Who agrees to an act of a node.
#[derive(Args)]
pub(crate) struct AgreeArgs {
    /// Your key, an encrypted Ethereum JSON keystore.
    #[arg(long, value_name = "FILE", required_unless_present = "typed_data")]
    keystore: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    /// Print what a wallet signs (EIP-712, as JSON) and do nothing else; the wallet's signature is the approval.
    #[arg(long, conflicts_with = "keystore")]
    typed_data: bool,
    /// The network definition; the node's own where a data directory is given.
    #[arg(long, value_name = "FILE")]
    network: Option<PathBuf>,
    #[command(flatten)]
    node: NodeArgs,
}

pub(super) async fn pause(node: &NodeArgs, output: Output) -> Result<(), Failure> {
    let accepted = node.client()?.pause().await?;
    print(output, &document(ACCEPTED, &accepted), || {
        let options = node.options();
        format!("paused: no share leaves this node\nresuming takes people: `firn approve-resume{options}`")
    })
}

pub(super) async fn resume(args: &ResumeArgs, output: Output) -> Result<(), Failure> {
    let accepted = args.node.client()?.resume(&ApprovalsBody { approvals: args.approvals.clone() }).await?;
    print(output, &document(ACCEPTED, &accepted), || "resumed: this node lends shares again".to_owned())
}

/// Signs that the node's pause may end; the operator brings that to the node.
pub(super) async fn approve_resume(args: &AgreeArgs, output: Output) -> Result<(), Failure> {
    let status = args.node.client()?.status().await?;
    let Some(number) = status.pauses.node else {
        let (cause, next) = (format!("{} is not paused", status.name), "nothing to agree to");
        return Err(Failure::new("NODE_NOT_PAUSED", cause, next, Exit::Conflict));
    };
    let said = format!("{} of {} ends its pause {number} and lends shares again", status.name, status.organisation);
    let act = Agreed { what: RESUME.to_owned(), number, said, schema: "firn.resume-approval.v1" };
    args.approve(&status, &act, output)
}

/// What a person agrees to.
pub(super) struct Agreed {
    pub(super) what: String,
    pub(super) number: u64,
    pub(super) said: String,
    pub(super) schema: &'static str,
}

impl AgreeArgs {
    pub(super) fn node(&self) -> &NodeArgs {
        &self.node
    }

    /// Shows what is signed, and signs it or has a wallet do so.
    pub(super) fn approve(&self, status: &Status, act: &Agreed, output: Output) -> Result<(), Failure> {
        let definition = definition_of(self.network.as_deref(), &self.node)?;
        let (node, Agreed { what, number, said, schema }) = (NodeId(status.node), act);
        if self.typed_data {
            talk(said);
            let typed = typed_act(&definition, what, node, *number);
            return super::write_out(&serde_json::to_string_pretty(&typed).unwrap_or_default());
        }
        let Some(keystore) = &self.keystore else {
            return Err(Failure::usage("nothing signs", "name a key with --keystore"));
        };
        talk(said);
        let approval = agree(&definition, what, node, *number, &open_keystore(keystore, &self.passphrase)?)?;
        let content = json!({ "node": status.name, "number": number, "approval": approval });
        print(output, &document(schema, &content), || approval.clone())
    }
}

/// Says it to the network, at this node.
pub(super) async fn say(paused: bool, args: &SignArgs, output: Output) -> Result<(), Failure> {
    let client = args.node.client()?;
    let definition = definition_of(args.network.as_deref(), &args.node)?;
    let pauses = client.status().await?.pauses;
    let word = if paused { "pause" } else { "resume" };
    let number = args.number.unwrap_or_else(|| wall_time().0.max(pauses.next_number));
    if args.typed_data {
        talk(&format!("sign it, then run the same command with --number {number} --signature HEX"));
        let typed = typed_pause(&definition, paused, number);
        return super::write_out(&serde_json::to_string_pretty(&typed).unwrap_or_default());
    }
    let body = match (&args.signature, &args.keystore) {
        (Some(signature), _) => PauseBody { paused, number, signature: signature.clone() },
        (None, Some(keystore)) => say_pause(&definition, paused, number, &open_keystore(keystore, &args.passphrase)?)?,
        (None, None) => return Err(Failure::usage("nothing signs", "name a key with --keystore")),
    };
    let accepted = client.say_pause(&body).await?;
    let quorum = if paused { pauses.stop } else { pauses.resume }.unwrap_or_default();
    print(output, &document(ACCEPTED, &accepted), || {
        let options = args.node.options();
        format!("{word}: said, with number {number}; it takes {quorum} organisations; see `firn status{options}`")
    })
}
