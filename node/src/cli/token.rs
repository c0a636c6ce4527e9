//! `firn token`: the header that lets one call of the API through, for programs that do not use this command line.

use super::{Output, document, print};
use crate::api::session::Call;
use crate::client::{new_token, token_file};
use crate::failure::{Exit, Failure};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Which call.
#[derive(Args)]
pub(crate) struct TokenArgs {
    /// Its method, such as POST.
    method: String,
    /// Its path with the query, such as /v1/pause.
    path: String,
    /// A file with its body, byte for byte; without it the call has none.
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// The running node's data directory.
    #[arg(long, env = "FIRN_DATA_DIR")]
    data_dir: PathBuf,
}

pub(super) fn run(args: &TokenArgs, output: Output) -> Result<(), Failure> {
    let read = |path: &PathBuf| {
        std::fs::read(path).map_err(|error| {
            let next = "start the node, and run this as its own user";
            Failure::new("TOKEN_UNREADABLE", format!("{}: {error}", path.display()), next, Exit::Failure)
        })
    };
    let secret = String::from_utf8(read(&token_file(&args.data_dir))?).unwrap_or_default();
    let body = args.body.as_ref().map(read).transpose()?.unwrap_or_default();
    let call = Call { method: &args.method, path: &args.path, body: &body };
    let header = format!("Authorization: {}", new_token(secret.trim(), call));
    print(output, &document("firn.token.v1", &json!({ "header": header })), || header.clone())
}
