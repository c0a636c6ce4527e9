//! What people see of a node: its status, keys and requests.

use super::{NodeArgs, Output, print};
use crate::api::json::{KeyView, OperationBody, RequestView, Status};
use crate::failure::Failure;
use alloy::primitives::utils::format_units;
use std::fmt::Write;

pub(super) async fn status(node: &NodeArgs, output: Output) -> Result<(), Failure> {
    let status = node.client()?.status().await?;
    print(output, &status, || status_text(&status))
}

/// Writing into a string cannot fail, so the results are dropped here and below.
pub(crate) fn status_text(status: &Status) -> String {
    let mut text = String::new();
    let ready = if status.ready { "ready" } else { "NOT READY" };
    let _ = writeln!(text, "{} ({}, {}): {ready}", status.name, status.organisation, status.region);
    let _ = writeln!(text, "  network {}  start {}  version {}", status.network, status.incarnation, status.version);
    for check in &status.checks {
        let _ = writeln!(text, "  {} {}: {}", if check.ok { "ok  " } else { "FAIL" }, check.name, check.detail);
    }
    let _ = writeln!(text, "\npeers");
    for peer in &status.peers {
        let state = if peer.connected { "connected".to_owned() } else { "MISSING".to_owned() };
        let refused = peer.refused.as_deref().filter(|_| !peer.connected).unwrap_or_default();
        let _ = writeln!(text, "  {:<14} {:<18} {:<10} {state} {refused}", peer.name, peer.organisation, peer.region);
    }
    let _ = writeln!(text, "\nkeys\n{}", keys_text(&status.keys).trim_end());
    if !status.open_requests.is_empty() {
        let _ = writeln!(text, "\nopen requests");
    }
    for request in &status.open_requests {
        let _ = writeln!(text, "{}", request_text(request).trim_end());
    }
    text
}

pub(crate) fn keys_text(keys: &[KeyView]) -> String {
    let mut text = String::new();
    if keys.is_empty() {
        text.push_str("  none yet; `firn dkg propose NAME` starts a key generation\n");
    }
    for key in keys {
        let _ = writeln!(
            text,
            "  {} ({}, {} of {}): {}",
            key.name,
            key.purpose,
            key.threshold,
            key.members.len(),
            key.state
        );
        let _ = writeln!(text, "    key id    {}", key.key_id);
        if let (Some(group_key), Some(account)) = (&key.group_key, &key.account) {
            let _ = writeln!(text, "    group key {group_key}\n    account   {account}");
            let _ = writeln!(text, "    certified by {}", key.certified_by.join(", "));
        }
        if !key.waiting_for.is_empty() {
            let _ = writeln!(text, "    waiting for {}", key.waiting_for.join(", "));
        }
        if let Some(code) = &key.code {
            let culprit = key.culprit.as_ref().map(|name| format!(", at fault: {name}")).unwrap_or_default();
            let _ = writeln!(text, "    ended: {code}{culprit}");
        }
    }
    text
}

pub(crate) fn request_text(request: &RequestView) -> String {
    let mut text = String::new();
    let OperationBody::SlashOperator(slash) = &request.operation;
    let code = request.code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
    let _ = writeln!(text, "  request {}\n    {}{code}", request.id, request.state);
    let _ = writeln!(text, "    slash operator {} of AVS {}, set {}", slash.operator, slash.avs, slash.operator_set_id);
    for (strategy, wad) in slash.strategies.iter().zip(&slash.wads_to_slash) {
        let _ = writeln!(text, "      {} in strategy {strategy}", percentage(wad));
    }
    let _ = writeln!(text, "    \"{}\"", slash.description);
    let _ = writeln!(text, "    asked by {}, through {}, until {}", request.requester, request.origin, slash.deadline);
    let willing = request.members.iter().filter(|member| member.status == "willing").count();
    let _ = writeln!(text, "    {willing} of {} members willing, {} needed", request.members.len(), request.threshold);
    for member in request.members.iter().filter(|member| member.status != "willing") {
        let code = member.code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
        let _ = writeln!(text, "      missing: {} is {}{code}", member.name, member.status);
    }
    if let Some(signature) = &request.signature {
        let by = if request.signers.is_empty() { String::new() } else { format!(" by {}", request.signers.join(", ")) };
        let _ = writeln!(text, "    signature {signature}{by}");
    }
    if let Some(transaction) = &request.transaction {
        let _ = writeln!(text, "    transaction {transaction}");
    }
    text
}

/// A wad as people read it: 80000000000000000 is 8%.
fn percentage(wad: &str) -> String {
    let percent = wad.parse::<alloy::primitives::U256>().ok().and_then(|wad| format_units(wad, 16_u8).ok());
    percent.map_or_else(|| wad.to_owned(), |text| format!("{}%", text.trim_end_matches('0').trim_end_matches('.')))
}
