//! Events and effects in a few words, for transcripts.

use firn_coordinator::api::{Effect, Event, Family, Observation, Record, Timer};
use firn_proto::message::Status;
use firn_proto::{Message, NodeId, wire};
use firn_vault::api::{Reply, Request};
use prost::Message as _;

pub(crate) fn message_name(message: &Message) -> &'static str {
    match message {
        Message::KeyProposal(_) => "KeyProposal",
        Message::KeyAccept => "KeyAccept",
        Message::KeyRound1(_) => "KeyRound1",
        Message::KeyEcho(_) => "KeyEcho",
        Message::KeyShares(_) => "KeyShares",
        Message::KeyRedeal(_) => "KeyRedeal",
        Message::KeyComplaint(_) => "KeyComplaint",
        Message::KeyCertified(_) => "KeyCertified",
        Message::KeyCertificate(_) => "KeyCertificate",
        Message::KeyAbort(_) => "KeyAbort",
        Message::KeyAbandon(_) => "KeyAbandon",
        Message::RepairAsk(_) => "RepairAsk",
        Message::RepairConsent => "RepairConsent",
        Message::RepairDeltas(_) => "RepairDeltas",
        Message::RepairSigma(_) => "RepairSigma",
        Message::Relay(_) => "Relay",
        Message::RequestSpread { .. } => "RequestSpread",
        Message::Willingness(_) => "Willingness",
        Message::Solicit { .. } => "Solicit",
        Message::SigningPackage(_) => "SigningPackage",
        Message::SignatureShare(_) => "SignatureShare",
        Message::ShareRefused { .. } => "ShareRefused",
        Message::Signed(_) => "Signed",
        Message::Heads(_) => "Heads",
        Message::CommitmentsWanted { .. } => "CommitmentsWanted",
        Message::CommitmentsOffered(_) => "CommitmentsOffered",
        Message::Opinion(_) => "Opinion",
        Message::Checkpoint(_) => "Checkpoint",
        Message::DefinitionChange(_) => "DefinitionChange",
        Message::DefinitionHeld(_) => "DefinitionHeld",
        Message::Pause(_) => "Pause",
    }
}

fn message(message: &Message) -> String {
    let name = message_name(message);
    match message {
        Message::Willingness(w) => {
            let status = match w.status {
                Status::Willing => "willing".to_owned(),
                Status::Declined(code) => format!("declined {code}"),
                Status::NotYet(code) => format!("not-yet {code}"),
            };
            format!("{name}({status}{})", if w.commitments.is_some() { ", commitments" } else { "" })
        }
        Message::KeyAbort(abort) => format!("{name}({})", abort.code),
        Message::ShareRefused { code, .. } => format!("{name}({code})"),
        Message::SigningPackage(package) => {
            format!("{name}({})", nodes(&package.commitments.keys().copied().collect::<Vec<_>>()))
        }
        _ => name.to_owned(),
    }
}

fn nodes(nodes: &[NodeId]) -> String {
    nodes.iter().map(|node| format!("n{node}")).collect::<Vec<_>>().join(" ")
}

pub(crate) fn timer_name(timer: &Timer) -> &'static str {
    match timer {
        Timer::KeyPhase { phase, .. } if *phase >= 0x80 => "KeyGrace",
        Timer::KeyPhase { .. } => "KeyPhase",
        Timer::KeyRepair { .. } => "KeyRepair",
        Timer::Takeover { .. } => "Takeover",
        Timer::Solicit { .. } => "Solicit",
        Timer::Stalled { .. } => "Stalled",
        Timer::Recheck { .. } => "Recheck",
        Timer::Widen { .. } => "Widen",
        Timer::Pools => "Pools",
        Timer::AntiEntropy => "AntiEntropy",
        Timer::CatchUp { .. } => "CatchUp",
        Timer::Relay { .. } => "Relay",
    }
}

pub(crate) fn event(event: &Event) -> String {
    match event {
        Event::Received { from, message: verified } => format!("{} from n{from}", message(verified.content())),
        Event::PeerUp { node, incarnation } => format!("up n{node} boot {}", incarnation.count()),
        Event::PeerElsewhere { node, .. } => format!("elsewhere n{node}"),
        Event::Changed { .. } => "changed".to_owned(),
        Event::PeerDown { node } => format!("down n{node}"),
        Event::RoundTrip { node, milliseconds } => format!("round trip n{node} {milliseconds}"),
        Event::TimerFired(timer) => format!("timer {}", timer_name(timer)),
        Event::VaultReplied { reply } => format!("vault {}", reply_name(reply)),
        Event::ChainReplied { .. } => "chain".to_owned(),
        Event::EvidenceChecked { .. } | Event::EvidenceUnasked { .. } => "evidence".to_owned(),
        Event::AuthoritySurveyed { .. } => "authority".to_owned(),
        Event::ChainFinalised { block, .. } => format!("block {}", block.number),
        Event::Submitted { .. } => "submitted".to_owned(),
        Event::Opined { .. } => "opined".to_owned(),
        Event::Paused { .. } => "paused".to_owned(),
        Event::SubmissionSettled { .. } => "settled".to_owned(),
        Event::Operator(_) => "operator".to_owned(),
        Event::Started => "started".to_owned(),
    }
}

fn reply_name(reply: &Reply) -> String {
    let name = format!("{reply:?}");
    match reply {
        Reply::Refused(refusal) => format!("Refused {}", refusal.code),
        _ => name.split([' ', '(', '{']).next().unwrap().to_owned(),
    }
}

fn audit(records: &[Record]) -> String {
    let entries = records.iter().rev().find(|record| record.family == Family::Audit);
    let entry = entries.map(|record| wire::AuditEntry::decode(record.value.as_deref().unwrap()).unwrap());
    entry.map_or_else(|| "nothing decided".to_owned(), |entry| entry.event)
}

pub(crate) fn effect(effect: &Effect, now: u64) -> String {
    match effect {
        Effect::Persist(records) => format!("persist {} ({})", audit(records), records.len()),
        Effect::Send { to, message: sent, .. } => format!("send {} to {}", message(sent), nodes(to)),
        Effect::AskVault(request) => format!("ask vault {}", request_name(request)),
        Effect::SetTimer { timer, at } => format!("timer {} +{}", timer_name(timer), at.0 - now),
        Effect::AskChain { .. } => "ask chain".to_owned(),
        Effect::CheckEvidence { .. } => "check evidence".to_owned(),
        Effect::SubmitToChain { .. } => "submit".to_owned(),
        Effect::Answer { outcome, .. } => match outcome {
            Ok(()) => "answer ok".to_owned(),
            Err(code) => format!("answer {code}"),
        },
        Effect::Restart => "restart".to_owned(),
        Effect::Penalise { peer, reason } => format!("penalise n{peer} {reason}"),
        Effect::Observe(observation) => observed(observation),
    }
}

fn request_name(request: &Request) -> String {
    format!("{request:?}").split([' ', '(', '{']).next().unwrap().to_owned()
}

fn observed(observation: &Observation) -> String {
    match observation {
        Observation::KeyPhase { phase, .. } => format!("key {phase}"),
        Observation::KeyEnded { code, missing, culprit, .. } => {
            let missing: Vec<_> = missing.iter().map(|id| id.0).collect();
            format!("key ended {code} missing {missing:?} culprit {:?}", culprit.map(|id| id.0))
        }
        Observation::Subject { state, code, .. } => {
            format!("subject {state}{}", code.map(|code| format!(" {code}")).unwrap_or_default())
        }
        Observation::ShareReleased { coordinator, .. } => format!("share released to n{coordinator}"),
        Observation::AttemptOpened { attempt, signers, .. } => format!("attempt {attempt} of {}", nodes(signers)),
        Observation::Evidence { culprit, code, envelopes } => {
            format!("evidence n{culprit} {code} ({} envelopes)", envelopes.len())
        }
        Observation::Quarantine { peer, seen, met, over } => {
            let what = if *over { "trusted" } else { "quarantined" };
            format!("n{peer} {what}: {} after {}", met.count(), seen.count())
        }
        Observation::Version { state, .. } => format!("version {state}"),
        Observation::Elsewhere { peer, .. } => format!("n{peer} elsewhere"),
        Observation::Pause { network, paused } => format!("pause network {network} stands {paused}"),
        Observation::Ignored { from, code, .. } => format!("ignored n{from} {code}"),
    }
}
