//! The engine's views as JSON, with names in place of numbers.

use super::json::{
    AuditEntryView, Check, FindingView, Frames, HeadView, HeadsView, KeyView, MemberView, OpinionView, PeerView,
    RequestView, ScheduleView, TakesView, VerdictView,
};
use crate::chain::Health;
use crate::net::PeerStatus;
use crate::runtime::wall_time;
use crate::watch::board::{Delivery, Standing};
use firn_coordinator::audit::verify::Stored;
use firn_coordinator::audit::{Head, HeldHead};
use firn_coordinator::view::{self, PeerView as KnownPeer};
use firn_proto::policy::Moment;
use firn_proto::request::SignedRequest;
use firn_proto::{Code, Definition, Incarnation, NodeId, Opinion, wire};
use prost::Message;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub(super) fn request(view: &view::SubjectView, definition: &Definition) -> RequestView {
    let name = |node: NodeId| name(node, definition);
    let moment = Moment { now: wall_time(), waited: Some(view.waited), history: view.history.as_ref() };
    let findings = definition.policy.findings(definition, &view.request, &view.opinions, moment);
    RequestView {
        id: view.id.to_string(),
        state: view.state.to_owned(),
        schedule: view.schedule.as_ref().map(|schedule| ScheduleView {
            signature: schedule.signature.map(|signature| signature.to_string()),
            signers: schedule.signers.iter().map(|node| name(*node)).collect(),
            transaction: schedule.transaction.map(|hash| hash.to_string()),
            block: schedule.block,
            ready: schedule.ready,
        }),
        code: view.code.map(|code| code.as_str().to_owned()),
        operation: view.request.operation().to_json(),
        rendering: view.request.operation().render(definition).into(),
        requester: view.request.requester(),
        origin: name(view.origin),
        received: view.received,
        threshold: view.threshold,
        members: view
            .members
            .iter()
            .map(|member| MemberView {
                node: member.node.0,
                name: name(member.node),
                status: member.status.to_owned(),
                code: member.code.map(|code| code.as_str().to_owned()),
            })
            .collect(),
        missing: view.members.iter().filter(|member| member.status != "willing").map(|m| name(m.node)).collect(),
        signature: view.signature.map(|signature| signature.to_string()),
        signers: view.signers.iter().map(|node| name(*node)).collect(),
        transaction: view.transaction.map(|hash| hash.to_string()),
        window: view.window.map(|(first, last)| (first, Some(last).filter(|last| *last < u64::MAX))),
        takes: takes(view),
        life: Vec::new(),
        evidence: view.evidence.as_ref().map(|said| VerdictView {
            verdict: if said.accepts() { "accept" } else { "reject" }.to_owned(),
            reason: said.reason().to_owned(),
        }),
        opinions: view.opinions.iter().map(|(person, opinion)| self::opinion(person, opinion, definition)).collect(),
        policy: findings.iter().map(FindingView::from).collect(),
    }
}

fn opinion(person: &str, opinion: &Opinion, definition: &Definition) -> OpinionView {
    let organisation = definition.policy.people.get(person).map(|person| person.organisation.clone());
    OpinionView {
        person: person.to_owned(),
        organisation: organisation.unwrap_or_default(),
        decision: opinion.decision().as_str().to_owned(),
        number: opinion.signed().number,
    }
}

pub(super) fn key(view: &view::KeyView, definition: &Definition) -> KeyView {
    let names = |nodes: &[NodeId]| nodes.iter().map(|node| name(*node, definition)).collect();
    let purpose = definition.key(&view.name).map_or("", |key| key.purpose.as_str());
    KeyView {
        key_id: view.key_id.to_string(),
        name: view.name.clone(),
        purpose: purpose.to_owned(),
        state: view.state.to_owned(),
        proposer: name(view.proposer, definition),
        epoch: view.epoch.0,
        threshold: view.threshold,
        since: view.since,
        backed_up: None,
        members: view.members.values().map(|node| name(*node, definition)).collect(),
        group_key: view.group_key.map(|key| format!("0x{}", hex::encode(key.compressed()))),
        account: view.account,
        certified_by: names(&view.certified_by),
        waiting_for: names(&view.waiting_for),
        code: view.code.map(|code: Code| code.as_str().to_owned()),
        culprit: view.culprit.map(|node| name(node, definition)),
    }
}

pub(super) fn peers(statuses: &[PeerStatus], definition: &Definition, known: &[KnownPeer]) -> Vec<PeerView> {
    statuses
        .iter()
        .map(|status| {
            let node = definition.nodes.get(&NodeId(status.node));
            PeerView {
                node: status.node,
                name: status.name.clone(),
                organisation: node.map(|node| node.organisation.clone()).unwrap_or_default(),
                region: node.map(|node| node.region.clone()).unwrap_or_default(),
                connected: status.takes_part(),
                quarantined: known.iter().any(|peer| peer.node.0 == status.node && peer.quarantined),
                incarnation: status.up.as_ref().map(|up| Incarnation::from_wire(up.incarnation).count().into()),
                round_trip_us: status.round_trip.and_then(|measured| u64::try_from(measured.as_micros()).ok()),
                refused: status.refused.as_ref().map(|r| format!("{}: {}", r.code.name, r.detail)),
                last_fault: status.last_fault.clone(),
                peer_id: status.peer.to_string(),
                frames: Frames {
                    sent: status.sent,
                    confirmed: status.confirmed,
                    received: status.received,
                    waiting: status.waiting,
                    dropped: status.dropped.bulk + status.dropped.protocol + status.dropped.expired,
                    throttled: status.throttled,
                    offences: status.offences,
                },
            }
        })
        .collect()
}

/// What a slash would take, by strategies.
fn takes(view: &view::SubjectView) -> Vec<TakesView> {
    let Some((slash, takes)) = view.request.operation().slash().zip(view.takes.as_ref()) else { return Vec::new() };
    let each = slash.strategies.iter().zip(takes);
    each.map(|(strategy, shares)| TakesView { strategy: *strategy, shares: shares.to_string() }).collect()
}

/// What must hold before this node can do its work.
pub(super) fn checks(peers: &[PeerStatus], definition: &Definition, me: NodeId, health: &Health) -> Vec<Check> {
    let up: Vec<_> = peers.iter().filter(|peer| peer.takes_part()).map(|peer| NodeId(peer.node)).collect();
    let block = health.block.number;
    let detail = match health.problem {
        Some(code) => format!("{code}: {}; last finalised block {block}; {}", code.cause(), health.endpoints),
        None if block == 0 => "no finalised block yet".to_owned(),
        None => format!("finalised block {block}; {}", health.endpoints),
    };
    let ok = health.problem.is_none() && block > 0;
    let mut checks = vec![Check { name: "chain".to_owned(), ok, detail }];
    if let Some(purse) = health.purse {
        let low = if purse.low { "too little to relay for long; " } else { "" };
        // Whoever cannot pay for gas can still sign.
        let detail = format!("{low}{} has {:.4} ether for gas", purse.address, purse.ether());
        checks.push(Check { name: "relayer".to_owned(), ok: true, detail });
    }
    for key in definition.keys.iter().filter(|key| key.identifier_of(me).is_some()) {
        let connected = key.nodes().filter(|node| up.contains(node)).count() + 1;
        checks.push(Check {
            name: format!("members of {}", key.name),
            ok: connected >= usize::from(key.threshold),
            detail: format!("{connected} of {} members reachable, {} needed", key.members.len(), key.threshold),
        });
    }
    checks
}

/// Whether the watch over the chain reads, and whoever is to be told by the webhook hears of it.
pub(super) fn watch(standing: &Standing) -> Vec<Check> {
    let detail = match standing.problem {
        Some(code) => format!("{code}; events told up to block {}", standing.block),
        None => format!("events told up to block {}", standing.block),
    };
    let watch = Check { name: "watch".to_owned(), ok: standing.problem.is_none(), detail };
    let webhook = standing.webhook.as_ref().map(|delivery| {
        let Delivery { waiting, failures, problem } = delivery;
        let detail = match failures {
            0 => format!("{waiting} waiting"),
            _ => format!("{waiting} waiting, {failures} failures in a row, the last: {problem}"),
        };
        Check { name: "webhook".to_owned(), ok: *failures < FAILURES_BORNE, detail }
    });
    [watch].into_iter().chain(webhook).collect()
}

/// A receiver that starts anew may fail as often.
const FAILURES_BORNE: u32 = 3;

/// An entry of the audit log. One that does not read is shown by its bytes alone: `firn audit verify` judges it.
pub(super) fn entry(stored: &Stored, definition: &Definition) -> AuditEntryView {
    let entry = wire::AuditEntry::decode(stored.bytes.as_slice()).unwrap_or_default();
    let name = |node: u32| u16::try_from(node).map_or_else(|_| node.to_string(), |node| name(NodeId(node), definition));
    let hex = |bytes: &[u8]| format!("0x{}", hex::encode(bytes));
    let at = i64::try_from(entry.at).ok().and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    let signed = entry.intake.as_ref().and_then(|intake| SignedRequest::from_wire(intake.request.as_ref()?).ok());
    let requester = entry.intake.as_ref().and_then(|intake| intake.requester.as_slice().try_into().ok());
    AuditEntryView {
        number: stored.number,
        entry: hex::encode(&stored.bytes),
        time: at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default(),
        session: hex(&entry.session),
        event: entry.event,
        code: Code::from_wire(entry.code).map(|code| code.as_str().to_owned()),
        members: entry.members.into_iter().map(name).collect(),
        coordinator: (entry.coordinator != 0).then(|| name(entry.coordinator)),
        reference: hex(&entry.reference),
        reason: entry.reason,
        evidence: entry.evidence.len(),
        title: signed.map(|signed| signed.operation.render(definition).title),
        requester,
    }
}

pub(super) fn heads(me: NodeId, own: Head, held: &[HeldHead], definition: &Definition) -> HeadsView {
    let head = |held: &HeldHead| HeadView {
        from: name(held.from, definition),
        owner: name(held.note.checkpoint.owner, definition),
        size: held.note.checkpoint.head.size,
        signers: held.note.signatures.keys().map(|node| name(*node, definition)).collect(),
        note: held.note.to_text(definition),
    };
    HeadsView {
        schema: "firn.audit-heads.v1".to_owned(),
        node: name(me, definition),
        size: own.size,
        hash: own.hash.to_string(),
        heads: held.iter().map(head).collect(),
    }
}

pub(super) fn name(node: NodeId, definition: &Definition) -> String {
    definition.nodes.get(&node).map_or_else(|| node.to_string(), |entry| entry.name.clone())
}
