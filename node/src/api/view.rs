//! The engine's views as JSON, with names in place of numbers.

use super::json::{Check, FindingView, Frames, KeyView, MemberView, OpinionView, PeerView, RequestView};
use crate::chain::Health;
use crate::net::PeerStatus;
use crate::runtime::wall_time;
use firn_coordinator::view::{self, PeerView as KnownPeer};
use firn_proto::{Code, Definition, Incarnation, NodeId, Opinion};

pub(super) fn request(view: &view::SubjectView, definition: &Definition) -> RequestView {
    let name = |node: NodeId| name(node, definition);
    let findings = definition.policy.findings(definition, &view.request, &view.opinions, wall_time());
    RequestView {
        id: view.id.to_string(),
        state: view.state.to_owned(),
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
                connected: status.up.is_some(),
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

/// What must hold before this node can do its work.
pub(super) fn checks(peers: &[PeerStatus], definition: &Definition, me: NodeId, health: Health) -> Vec<Check> {
    let up: Vec<_> = peers.iter().filter(|peer| peer.up.is_some()).map(|peer| NodeId(peer.node)).collect();
    let block = health.block.number;
    let detail = match health.problem {
        Some(code) => format!("{code}: {}; last finalised block {block}", code.cause()),
        None if block == 0 => "no finalised block yet".to_owned(),
        None => format!("finalised block {block}"),
    };
    let ok = health.problem.is_none() && block > 0;
    let mut checks = vec![Check { name: "chain".to_owned(), ok, detail }];
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

fn name(node: NodeId, definition: &Definition) -> String {
    definition.nodes.get(&node).map_or_else(|| node.to_string(), |entry| entry.name.clone())
}
