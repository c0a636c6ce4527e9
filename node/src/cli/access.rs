//! `firn access report`: who may do what, for whoever reviews it.

use super::request::definition_of;
use super::{NodeArgs, Output, write_out};
use crate::access::report::{COLUMNS, Holder, UNUSED_DAYS, Use, csv_line, report};
use crate::failure::{Exit, Failure};
use crate::host::versions::earlier_versions;
use crate::runtime::wall_time;
use clap::{Args, Subcommand, ValueEnum};
use firn_proto::NodeId;
use serde_json::json;
use std::path::PathBuf;

/// Review who may do what.
#[derive(Subcommand)]
pub(crate) enum AccessCommand {
    /// Show who may do what, since when, when they last did, and what was not used for 90 days.
    ///
    /// Rights come from network.toml, use from the node's audit log: each node knows what was said or done there.
    Report(ReportArgs),
}

/// Which node, and in which form.
#[derive(Args)]
pub(crate) struct ReportArgs {
    /// As a table, as CSV, or as JSON, which is also what `--output json` gives.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Only what was not used for 90 days.
    #[arg(long)]
    unused: bool,
    /// The network definition; the node's own where a data directory is given.
    #[arg(long, value_name = "FILE")]
    network: Option<PathBuf>,
    #[command(flatten)]
    node: NodeArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Csv,
    Json,
}

pub(super) async fn run(command: AccessCommand, output: Output) -> Result<(), Failure> {
    let AccessCommand::Report(args) = command;
    let client = args.node.client()?;
    let definition = definition_of(args.network.as_deref(), &args.node)?;
    let status = client.status().await?;
    if status.network != definition.network_id().0.to_string() {
        let cause = format!("{} is of network {}, network.toml names another", status.name, status.network);
        let next = "name the network.toml that the node runs with";
        return Err(Failure::new("NETWORK_MISMATCH", cause, next, Exit::Verification));
    }
    let (mut used, mut next) = (Use::default(), 0);
    loop {
        let page = client.audit(next).await?;
        let Some(last) = page.entries.last() else { break };
        next = last.number.saturating_add(1);
        for entry in &page.entries {
            let bytes = hex::decode(&entry.entry).unwrap_or_default();
            used.entry(&bytes, NodeId(status.node), &definition);
        }
    }
    let file = args.network.clone().or_else(|| args.node.data_dir.as_ref().map(|dir| dir.join("network.toml")));
    let earlier = file.map(|file| earlier_versions(&file, definition.version())).unwrap_or_default();
    let mut holders = report(&definition, &earlier, &used, wall_time().0);
    holders.retain(|holder| !args.unused || holder.unused == Some(true));
    let format = if output == Output::Json { Format::Json } else { args.format };
    write_out(&match format {
        Format::Table => table(&holders),
        Format::Csv => csv(&holders),
        Format::Json => {
            let (schema, node) = ("firn.access-report.v1", status.name);
            let document = json!({ "schema": schema, "node": node, "unused_days": UNUSED_DAYS, "holders": holders });
            serde_json::to_string_pretty(&document).unwrap_or_default()
        }
    })
}

fn csv(holders: &[Holder]) -> String {
    let line = |holder: &Holder| csv_line(holder.cells().iter().map(String::as_str));
    let lines: Vec<_> = [csv_line(COLUMNS)].into_iter().chain(holders.iter().map(line)).collect();
    lines.join("\n")
}

/// Each column as wide as its widest cell; the last is not padded.
fn table(holders: &[Holder]) -> String {
    let heads = COLUMNS.map(|column| column.replace('_', " "));
    let rows: Vec<_> = [heads].into_iter().chain(holders.iter().map(Holder::cells)).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..COLUMNS.len()).map(width).collect();
    let line = |row: &[String; 9]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
