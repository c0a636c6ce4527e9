//! What people see of a node: its status, keys and requests.

use super::{NodeArgs, Output, print};
use crate::api::json::pause::PausesView;
use crate::api::json::{KeyView, LifeView, RenderingView, RequestView, Status, TakesView};
use crate::failure::{Exit, Failure};
use crate::runtime::wall_time;
use firn_proto::Code;
use std::fmt::Write;

/// The schema of what is answered to whoever asks for something.
pub(super) const ACCEPTED: &str = "firn.accepted.v1";

/// Prints the status; a node that is not ready is a failure after that, for scripts that wait.
pub(super) async fn status(node: &NodeArgs, output: Output) -> Result<(), Failure> {
    let status = node.client()?.status().await?;
    print(output, &status, || status_text(&status, &node.options()))?;
    if status.ready {
        return Ok(());
    }
    let failing: Vec<_> = status.checks.iter().filter(|check| !check.ok).map(|check| check.name.as_str()).collect();
    let cause = format!("{} is not ready: {}", status.name, failing.join(", "));
    Err(Failure::new(
        "NODE_NOT_READY",
        cause,
        "see the checks that fail; the node tries again by itself",
        Exit::NotReady,
    ))
}

/// Writing into a string cannot fail, so the results are dropped here and below.
fn status_text(status: &Status, options: &str) -> String {
    let mut text = String::new();
    let ready = if status.ready { "ready" } else { "NOT READY" };
    let _ = writeln!(text, "{} ({}, {}): {ready}", status.name, status.organisation, status.region);
    let _ = writeln!(text, "  network {}  start {}  version {}", status.network, status.incarnation, status.version);
    for check in &status.checks {
        let _ = writeln!(text, "  {} {}: {}", if check.ok { "ok  " } else { "FAIL" }, check.name, check.detail);
    }
    text.push_str(&pauses_text(&status.pauses));
    let _ = writeln!(text, "\npeers");
    for peer in &status.peers {
        let state = match (peer.connected, peer.quarantined) {
            (_, true) => "QUARANTINED",
            (true, false) => "connected",
            (false, false) => "MISSING",
        };
        let refused = peer.refused.as_deref().filter(|_| !peer.connected).unwrap_or_default();
        let _ = writeln!(text, "  {:<14} {:<18} {:<10} {state} {refused}", peer.name, peer.organisation, peer.region);
    }
    let _ = writeln!(text, "\nkeys\n{}", keys_text(&status.keys, options).trim_end());
    if !status.open_requests.is_empty() {
        let _ = writeln!(text, "\nopen requests");
    }
    for request in &status.open_requests {
        let _ = writeln!(text, "{}", request_text(request, wall_time().0).trim_end());
    }
    text
}

/// What stands, and who has said what to the network.
fn pauses_text(pauses: &PausesView) -> String {
    let mut text = String::new();
    if let (Some(number), Some(restored)) = (pauses.node, &pauses.restored) {
        let _ = writeln!(text, "  RESTORED from a backup, and paused (pause {number}): no share leaves this node");
        let _ = writeln!(text, "    confirmed by {}", restored.confirmed_by.join(", "));
        let _ = writeln!(text, "    waiting for  {}", restored.waiting_for.join(", "));
        match &restored.code {
            Some(code) => explain(&mut text, "    ", code),
            None => text.push_str("    enough members: `firn approve-resume`, two people, then `firn resume`\n"),
        }
    } else if let Some(number) = pauses.node {
        let _ = writeln!(text, "  PAUSED by its operator (pause {number}): no share leaves this node");
    }
    if let Some(number) = pauses.network {
        let resume = pauses.resume.unwrap_or_default();
        let _ = writeln!(text, "  NETWORK PAUSED (from number {number} on): {resume} organisations resume it");
    }
    for said in &pauses.said {
        let word = if said.paused { "pause" } else { "resume" };
        let _ = writeln!(text, "    {} of {}: {word} {}", said.person, said.organisation, said.number);
    }
    text
}

/// `options` name the node again in a command to paste.
pub(super) fn keys_text(keys: &[KeyView], options: &str) -> String {
    let mut text = String::new();
    if keys.is_empty() {
        let _ = writeln!(text, "  none yet; `firn dkg propose NAME{options}` starts a key generation");
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
        if let Some(group_key) = &key.group_key {
            let withheld = || {
                "withheld until a backup of this node's share was verified (`firn backup create`, `verify`)".to_owned()
            };
            let account = key.account.map_or_else(withheld, |account| account.to_string());
            let _ = writeln!(text, "    group key {group_key}\n    account   {account}");
            let _ = writeln!(text, "    certified by {}", key.certified_by.join(", "));
        }
        if !key.waiting_for.is_empty() {
            let _ = writeln!(text, "    waiting for {}", key.waiting_for.join(", "));
        }
        if let Some(code) = &key.code {
            let culprit = key.culprit.as_ref().map(|name| format!(", at fault: {name}")).unwrap_or_default();
            let _ = writeln!(text, "    ended: {code}{culprit}");
            explain(&mut text, "      ", code);
        }
    }
    text
}

/// What an operation means.
pub(super) fn rendering_text(RenderingView { title, details, warnings }: &RenderingView) -> String {
    let details = details.iter().map(|line| format!("      {line}\n"));
    let warnings = warnings.iter().map(|warning| format!("      WARNING: {warning}\n"));
    [format!("    {title}\n")].into_iter().chain(details).chain(warnings).collect()
}

/// A request at `now`, in seconds since the Unix epoch.
pub(super) fn request_text(request: &RequestView, now: u64) -> String {
    let mut text = String::new();
    let deadline = request.operation.deadline();
    let code = request.code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
    let _ = writeln!(text, "  request {}\n    {}{code}", request.id, request.state);
    if let Some(code) = &request.code {
        explain(&mut text, "      ", code);
    }
    text.push_str(&rendering_text(&request.rendering));
    let _ = writeln!(text, "    asked by {}, through {}", request.requester, request.origin);
    let _ = writeln!(text, "    until {deadline} ({})", remaining(deadline, now));
    for finding in &request.policy {
        let mark = if finding.holds { "holds" } else { "does not hold" };
        let _ = writeln!(text, "    rule `{}` {mark}: {}", finding.rule, finding.detail);
    }
    if let Some((first, Some(last))) = request.window {
        let _ =
            writeln!(text, "    can execute at block {first} at the earliest, and takes something until block {last}");
    }
    for TakesView { strategy, shares } in request.takes.iter().filter(|_| request.state != "executed") {
        let _ = writeln!(text, "    would take {shares} shares of strategy {strategy} now");
    }
    if let Some(said) = &request.evidence {
        let _ = writeln!(text, "    this node's verifier: {} ({})", said.verdict, said.reason);
    }
    for opinion in &request.opinions {
        let _ = writeln!(text, "    {} of {}: {}", opinion.person, opinion.organisation, opinion.decision);
    }
    if let Some(schedule) = &request.schedule {
        let by = schedule.transaction.as_ref().map(|hash| format!(" by transaction {hash}")).unwrap_or_default();
        let _ = writeln!(text, "    scheduled on chain, seen at block {}{by}", schedule.block);
        if let Some(ready) = schedule.ready {
            let _ = writeln!(
                text,
                "    can be executed from {ready} on ({}), until then be cancelled",
                remaining(ready, now)
            );
        }
    }
    let willing = request.members.iter().filter(|member| member.status == "willing").count();
    let _ = writeln!(text, "    {willing} of {} members willing, {} needed", request.members.len(), request.threshold);
    // Nobody is missed any more once the signature is there.
    let open = !matches!(request.state.as_str(), "signed" | "executed");
    for member in request.members.iter().filter(|member| open && member.status != "willing") {
        let code = member.code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
        let _ = writeln!(text, "      missing: {} is {}{code}", member.name, member.status);
        if let Some(code) = &member.code {
            explain(&mut text, "        ", code);
        }
    }
    if let Some(signature) = &request.signature {
        let by = if request.signers.is_empty() { String::new() } else { format!(" by {}", request.signers.join(", ")) };
        let _ = writeln!(text, "    signature {signature}{by}");
    }
    if let Some(transaction) = &request.transaction {
        let _ = writeln!(text, "    transaction {transaction}");
    }
    for LifeView { block, kind, text: what } in &request.life {
        let _ = writeln!(text, "    block {block}: {kind}: {what}");
    }
    text
}

/// What happened and what to do, for the core's codes; the others are in docs/reference/codes.md.
pub(super) fn explain(text: &mut String, indent: &str, name: &str) {
    if let Some(code) = Code::all().find(|code| code.as_str() == name) {
        let _ = writeln!(text, "{indent}cause: {}\n{indent}next: {}", code.cause(), code.next_step());
    }
}

/// The time left, in its largest unit that is not zero.
fn remaining(deadline: u64, now: u64) -> String {
    let Some(left) = deadline.checked_sub(now).filter(|left| *left > 0) else { return "past".to_owned() };
    let units = [(86_400, "days"), (3_600, "h"), (60, "min"), (1, "s")];
    let (size, unit) = units.into_iter().find(|(size, _)| left >= 2 * size).unwrap_or((1, "s"));
    format!("in {} {unit}", left / size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(state: &str, code: Option<&str>) -> RequestView {
        let address = "0x0000000000000000000000000000000000000001";
        serde_json::from_value(json!({
            "id": "0x12", "state": state, "code": code,
            "operation": { "slash_operator": {
                "avs": address, "operator": address, "operator_set_id": 1, "strategies": [address],
                "wads_to_slash": ["80000000000000000"], "description": "missed its duties", "account": address,
                "nonce": "1", "deadline": 5000,
            }},
            "rendering": { "title": "slash", "details": ["8% in strategy"], "warnings": ["takes all"] },
            "requester": address, "origin": "nordlys", "received": 0, "threshold": 1,
            "members": [
                { "node": 1, "name": "nordlys", "status": "willing", "code": null },
                { "node": 2, "name": "halyard", "status": "not yet", "code": "CHAIN_BEHIND" },
            ],
            "missing": ["halyard"], "signature": null, "signers": [], "transaction": null,
            "policy": [{ "rule": "most", "holds": false, "detail": "takes 5% at most", "code": "POLICY_WAD_TOO_LARGE" }],
            "opinions": [{ "person": "ines", "organisation": "Nordlys", "decision": "approve", "number": 7 }],
        }))
        .unwrap()
    }

    #[test]
    fn every_code_is_explained_and_nobody_is_missed_after_the_signature() {
        let text = request_text(&request("refused", Some("OPERATOR_NOT_SLASHABLE")), 1520);
        for part in [
            "8% in strategy",
            "WARNING: takes all",
            "until 5000 (in 58 min)",
            "missing: halyard is not yet (CHAIN_BEHIND)",
            "rule `most` does not hold: takes 5% at most",
            "ines of Nordlys: approve",
        ] {
            assert!(text.contains(part), "{text}");
        }
        for code in [Code::OperatorNotSlashable, Code::ChainBehind] {
            assert!(text.contains(code.cause()) && text.contains(code.next_step()), "{text}");
        }
        for state in ["signed", "executed"] {
            let text = request_text(&request(state, None), 6000);
            assert!(!text.contains("missing") && text.contains("until 5000 (past)"), "{text}");
        }
    }

    #[test]
    fn the_time_left_is_shown_in_one_unit() {
        for (left, shown) in [
            (0, "past"),
            (1, "in 1 s"),
            (119, "in 119 s"),
            (120, "in 2 min"),
            (7199, "in 119 min"),
            (7200, "in 2 h"),
            (1_209_600, "in 14 days"),
        ] {
            assert_eq!(remaining(1000 + left, 1000), shown);
        }
    }
}
