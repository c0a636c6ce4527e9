//! `firn request submit` and `typed-data`: operations of any kind, from a file.

use super::request::{definition_of, open_keystore};
use super::show::{ACCEPTED, rendering_text};
use super::{NodeArgs, Output, PassphraseArgs, document, print, talk};
use crate::api::json::{RequestBody, signature};
use crate::failure::{Exit, Failure};
use crate::requester::{sign, typed_data};
use clap::Args;
use firn_proto::operation::{Operation, OperationJson};
use firn_proto::request::SignedRequest;
use firn_proto::{Code, Definition, Refusal};
use std::path::{Path, PathBuf};

/// An operation, and who signs it.
#[derive(Args)]
pub(crate) struct SubmitArgs {
    #[command(flatten)]
    operation: OperationArgs,
    /// The requester's key, an encrypted Ethereum JSON keystore.
    #[arg(long, value_name = "FILE", required_unless_present = "signature")]
    keystore: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    /// A wallet's signature over what `firn request typed-data` prints: 0x and 130 hexadecimal digits.
    #[arg(long, value_name = "HEX", conflicts_with = "keystore")]
    signature: Option<String>,
}

/// Which operation, in which network.
#[derive(Args)]
pub(crate) struct OperationArgs {
    /// The operation in JSON, its fields under the name of its kind: {"update_slasher": {...}}.
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// The network definition; the node's own where a data directory is given.
    #[arg(long, value_name = "FILE")]
    network: Option<PathBuf>,
    #[command(flatten)]
    node: NodeArgs,
}

impl OperationArgs {
    fn read(&self) -> Result<(Definition, Operation), Failure> {
        let definition = definition_of(self.network.as_deref(), &self.node)?;
        Ok((definition, read_operation(&self.file)?))
    }
}

/// Prints what a wallet signs.
pub(super) fn print_typed_data(args: &OperationArgs) -> Result<(), Failure> {
    let (definition, operation) = args.read()?;
    talk(&rendering_text(&operation.render(&definition).into()));
    super::write_out(&serde_json::to_string_pretty(&typed_data(&definition, &operation)).unwrap_or_default())
}

/// Shows the operation, signs it where a key is given, checks all that needs no node, and posts it.
pub(super) async fn submit(args: &SubmitArgs, output: Output) -> Result<(), Failure> {
    let (definition, operation) = args.operation.read()?;
    talk(&rendering_text(&operation.render(&definition).into()));
    let signed = match (&args.signature, &args.keystore) {
        (Some(hex), _) => SignedRequest { operation, signature: signature(hex)? },
        (None, Some(keystore)) => sign(&definition, operation, &open_keystore(keystore, &args.passphrase)?)?,
        (None, None) => return Err(Failure::usage("nothing signs", "name a key with --keystore")),
    };
    signed.clone().verify(&definition)?;
    let node = &args.operation.node;
    let accepted = node.client()?.submit(&RequestBody::from_signed(&signed)).await?;
    print(output, &document(ACCEPTED, &accepted), || {
        format!("{id}\naccepted; follow it with: firn request watch {id}{}", node.options(), id = accepted.id)
    })
}

fn read_operation(file: &Path) -> Result<Operation, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::new("OPERATION_FILE", format!("{}: {error}", file.display()), "check --file", Exit::Failure)
    })?;
    let malformed = |error: serde_json::Error| Refusal::new(Code::RequestMalformed, error.to_string());
    let json: OperationJson = serde_json::from_str(&text).map_err(malformed)?;
    Ok(Operation::from_json(&json)?)
}
