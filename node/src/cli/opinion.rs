//! `firn approve`, `reject`, `withdraw`, `veto`: what a person says to a request, signed here with a keystore or elsewhere
//! with any wallet that signs typed data.

use super::pause::SignArgs;
use super::request::{definition_of, open_keystore};
use super::show::{ACCEPTED, request_text};
use super::{Output, document, print, talk};
use crate::api::json::OpinionBody;
use crate::failure::{Exit, Failure};
use crate::requester::{opine, typed_opinion};
use crate::runtime::wall_time;
use clap::Args;
use firn_proto::operation::Operation;
use firn_proto::opinion::Decision;
use firn_proto::{Digest, SubjectId};

/// Which request, and who says it.
#[derive(Args)]
pub(crate) struct OpinionArgs {
    /// The request's id.
    id: String,
    #[command(flatten)]
    said: SignArgs,
}

pub(super) async fn run(decision: Decision, opinion: &OpinionArgs, output: Output) -> Result<(), Failure> {
    let (id, args) = (&opinion.id, &opinion.said);
    let client = args.node.client()?;
    let definition = definition_of(args.network.as_deref(), &args.node)?;
    let view = client.request(id).await?;
    let subject = Digest::from_hex(id).map(SubjectId);
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
    let accepted = client.opine(id, &body).await?;
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
