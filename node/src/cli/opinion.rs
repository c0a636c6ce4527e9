//! `firn approve`, `reject`, `withdraw`, `veto`: what a person says to a request, signed here with a keystore or elsewhere
//! with any wallet that signs typed data.

use super::request::{definition_of, open_keystore};
use super::show::{ACCEPTED, request_text};
use super::{NodeArgs, Output, PassphraseArgs, document, print, talk};
use crate::api::json::OpinionBody;
use crate::failure::{Exit, Failure};
use crate::requester::{opine, typed_opinion};
use crate::runtime::wall_time;
use clap::Args;
use firn_proto::operation::Operation;
use firn_proto::opinion::Decision;
use firn_proto::{Digest, SubjectId};
use std::path::PathBuf;

/// Which request, and who says it.
#[derive(Args)]
pub(crate) struct OpinionArgs {
    /// The request's id.
    id: String,
    /// Your key, an encrypted Ethereum JSON keystore.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["typed_data", "signature"])]
    keystore: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    /// Print what a wallet signs (EIP-712, as JSON) and do nothing else.
    ///
    /// For example: cast wallet sign --ledger --data --from-file FILE
    #[arg(long, conflicts_with_all = ["keystore", "signature"])]
    typed_data: bool,
    /// The wallet's signature over that: 0x and 130 hexadecimal digits. Give the same --number.
    #[arg(long, value_name = "HEX", conflicts_with = "keystore", requires = "number")]
    signature: Option<String>,
    /// Orders what you say to this request: the greatest number counts. The time in seconds where it is not given.
    #[arg(long)]
    number: Option<u64>,
    /// The network definition; the node's own where a data directory is given.
    #[arg(long, value_name = "FILE")]
    network: Option<PathBuf>,
    #[command(flatten)]
    node: NodeArgs,
}

pub(super) async fn run(decision: Decision, args: &OpinionArgs, output: Output) -> Result<(), Failure> {
    let client = args.node.client()?;
    let definition = definition_of(args.network.as_deref(), &args.node)?;
    let view = client.request(&args.id).await?;
    let subject = Digest::from_hex(&args.id).map(SubjectId);
    // What the node shows is what is signed: its word is not enough.
    let rebuilt = Operation::from_json(&view.operation).map(|operation| operation.id(&definition)).ok();
    let Some(subject) = subject.filter(|subject| rebuilt == Some(*subject)) else {
        let cause = "what the node shows is not the request of this id in this network";
        return Err(Failure::new("REQUEST_MISMATCH", cause, "do not sign; ask another node", Exit::Verification));
    };
    let shown = request_text(&view, wall_time().0);
    let number = args.number.unwrap_or_else(|| wall_time().0);
    if args.typed_data {
        let typed = typed_opinion(&definition, subject, decision, number);
        talk(&format!("{shown}sign it, then run the same command with --number {number} --signature HEX"));
        return super::write_out(&serde_json::to_string_pretty(&typed).unwrap_or_default());
    }
    let body = match (&args.signature, &args.keystore) {
        (Some(signature), _) => {
            OpinionBody { decision: decision.as_str().to_owned(), number, signature: signature.clone() }
        }
        (None, Some(keystore)) => {
            talk(&shown);
            opine(&definition, subject, decision, number, &open_keystore(keystore, &args.passphrase)?)?
        }
        (None, None) => return Err(Failure::usage("nothing signs", "name a key with --keystore")),
    };
    let accepted = client.opine(&args.id, &body).await?;
    print(output, &document(ACCEPTED, &accepted), || {
        format!(
            "{}\n{}: accepted; see `firn request show {}{}`",
            accepted.id,
            decision.as_str(),
            accepted.id,
            args.node.options()
        )
    })
}
