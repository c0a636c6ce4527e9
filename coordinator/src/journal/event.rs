//! Events, timers and records in the journal's encoding. Decoding checks again what came from outside.

use super::{Player, reply};
use crate::api::{
    AccountFacts, ChainAnswer, Command, Event, EvidenceVerdict, Family, GateFacts, Record, SlashFacts,
    SubmissionOutcome, Timer,
};
use alloy_primitives::{Address, B256, Bytes, U256};
use firn_proto::certificate::KeyProposal;
use firn_proto::definition::{Definition, Purpose, SignedChange};
use firn_proto::message::BlockReference;
use firn_proto::opinion::SignedOpinion;
use firn_proto::pause::{Act, SignedAct, SignedPause};
use firn_proto::policy::{PastSlash, SlashHistory};
use firn_proto::request::SignedRequest;
use firn_proto::time::WallTime;
use firn_proto::{Code, Digest, Incarnation, KeyId, NodeId, Repair, SubjectId, envelope, wire};
use wire::journal_command::Command as WireCommand;
use wire::journal_event::Event as WireEvent;

/// In place of a verdict: the verifier was not asked.
const UNASKED: u32 = 3;

impl Event {
    /// The kind's name.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Received { .. } => "received",
            Self::PeerUp { .. } => "peer_up",
            Self::PeerElsewhere { .. } => "peer_elsewhere",
            Self::PeerDown { .. } => "peer_down",
            Self::RoundTrip { .. } => "round_trip",
            Self::TimerFired(_) => "timer_fired",
            Self::Submitted { .. } => "submitted",
            Self::Opined { .. } => "opined",
            Self::Changed { .. } => "changed",
            Self::Paused { .. } => "paused",
            Self::ChainFinalised { .. } => "chain_finalised",
            Self::ChainReplied { .. } => "chain_replied",
            Self::SubmissionSettled { .. } => "submission_settled",
            Self::EvidenceChecked { .. } => "evidence_checked",
            Self::EvidenceUnasked { .. } => "evidence_unasked",
            Self::AuthoritySurveyed { .. } => "authority_surveyed",
            Self::VaultReplied { .. } => "vault_replied",
            Self::Operator(_) => "operator",
        }
    }
}

pub(super) fn event_to(event: &Event) -> wire::JournalEvent {
    let peer = |node: NodeId, number| wire::JournalPeer { node: node.0.into(), number };
    let event = match event {
        Event::Started => WireEvent::Started(true),
        Event::Received { from, message } => {
            WireEvent::Received(wire::JournalReceived { from: from.0.into(), envelope: message.envelope().to_vec() })
        }
        Event::PeerUp { node, incarnation } => WireEvent::PeerUp(peer(*node, incarnation.to_wire())),
        Event::PeerElsewhere { node, definition } => {
            WireEvent::PeerElsewhere(wire::JournalElsewhere { node: node.0.into(), definition: definition.0.to_vec() })
        }
        Event::PeerDown { node } => WireEvent::PeerDown(peer(*node, 0)),
        Event::RoundTrip { node, milliseconds } => WireEvent::RoundTrip(peer(*node, *milliseconds)),
        Event::TimerFired(timer) => WireEvent::TimerFired(timer_to(*timer)),
        Event::Submitted { request } => WireEvent::Submitted(request.signed().to_wire()),
        Event::Opined { opinion } => WireEvent::Opined(wire::JournalOpinion {
            request: opinion.request().0.0.to_vec(),
            opinion: Some(opinion.signed().to_wire()),
        }),
        Event::Changed { change } => WireEvent::Changed(change.signed().to_wire()),
        Event::Paused { pause } => WireEvent::Paused(pause.signed().to_wire()),
        Event::ChainFinalised { block, time } => {
            WireEvent::ChainFinalised(wire::JournalFinalised { block: Some(block_to(*block)), time: time.0 })
        }
        Event::ChainReplied { subject, answer } => WireEvent::ChainReplied(chain_to(*subject, answer)),
        Event::SubmissionSettled { subject, outcome } => WireEvent::SubmissionSettled(submission_to(*subject, outcome)),
        Event::EvidenceChecked { request, verdict } => {
            let (verdict, reason) = EvidenceVerdict::to_wire(verdict.as_ref());
            WireEvent::EvidenceChecked(wire::JournalEvidence { request: request.0.0.to_vec(), verdict, reason })
        }
        Event::EvidenceUnasked { request } => WireEvent::EvidenceChecked(wire::JournalEvidence {
            request: request.0.0.to_vec(),
            verdict: UNASKED,
            reason: String::new(),
        }),
        Event::AuthoritySurveyed { avs, stopped } => WireEvent::AuthoritySurveyed(wire::JournalAuthority {
            avs: avs.to_vec(),
            stopped: stopped.iter().map(|purpose| purpose.as_str().to_owned()).collect(),
        }),
        Event::VaultReplied { reply } => WireEvent::VaultReplied(reply::reply_to(reply)),
        Event::Operator(command) => WireEvent::Operator(wire::JournalCommand {
            command: Some(match command {
                Command::ProposeKey(proposal) => WireCommand::ProposeKey(proposal.to_wire()),
                Command::AcceptKey(key_id) => WireCommand::AcceptKey(key_id.0.0.to_vec()),
                Command::AbandonKey(key_id) => WireCommand::AbandonKey(key_id.0.0.to_vec()),
                Command::RepairKey(repair) => WireCommand::RepairKey(repair.to_wire()),
                Command::ConsentRepair(repair, acts) => WireCommand::ConsentRepair(wire::JournalConsent {
                    repair: repair.0.0.to_vec(),
                    acts: acts.iter().map(|act| act.signed().to_wire()).collect(),
                }),
                Command::TrustPeer { node, incarnation } => WireCommand::TrustPeer(peer(*node, incarnation.to_wire())),
                Command::ShowHead => WireCommand::ShowHead(true),
                Command::Pause => WireCommand::Pause(true),
                Command::Resume(acts) => {
                    WireCommand::Resume(wire::Acts { acts: acts.iter().map(|act| act.signed().to_wire()).collect() })
                }
            }),
        }),
    };
    wire::JournalEvent { event: Some(event) }
}

pub(super) fn event_from(event: wire::JournalEvent, player: &Player<'_>) -> Option<Event> {
    let definition = &player.definition;
    Some(match event.event? {
        WireEvent::Started(_) => Event::Started,
        WireEvent::Received(received) => {
            let message = envelope::verify(&received.envelope, definition).ok()?;
            Event::Received { from: node(received.from)?, message: Box::new(message) }
        }
        WireEvent::PeerUp(peer) => {
            Event::PeerUp { node: node(peer.node)?, incarnation: Incarnation::from_wire(peer.number) }
        }
        WireEvent::PeerElsewhere(peer) => {
            Event::PeerElsewhere { node: node(peer.node)?, definition: Digest::from_slice(&peer.definition)? }
        }
        WireEvent::PeerDown(peer) => Event::PeerDown { node: node(peer.node)? },
        WireEvent::RoundTrip(peer) => Event::RoundTrip { node: node(peer.node)?, milliseconds: peer.number },
        WireEvent::TimerFired(timer) => Event::TimerFired(timer_from(&timer)?),
        WireEvent::Submitted(request) => {
            let request = SignedRequest::from_wire(&request).ok()?.verify(definition).ok()?;
            Event::Submitted { request: Box::new(request) }
        }
        WireEvent::Opined(opined) => {
            let signed = SignedOpinion::from_wire(opined.opinion.as_ref()?, subject(&opined.request)?).ok()?;
            Event::Opined { opinion: Box::new(signed.verify(definition).ok()?) }
        }
        WireEvent::Changed(change) => {
            let change = SignedChange::from_wire(change).ok()?.verify(definition).ok()?;
            Event::Changed { change: Box::new(change) }
        }
        WireEvent::Paused(pause) => {
            Event::Paused { pause: Box::new(SignedPause::from_wire(&pause).ok()?.verify(definition).ok()?) }
        }
        WireEvent::ChainFinalised(finalised) => {
            Event::ChainFinalised { block: block_from(finalised.block.as_ref()?)?, time: WallTime(finalised.time) }
        }
        WireEvent::ChainReplied(chain) => {
            Event::ChainReplied { subject: subject(&chain.subject)?, answer: chain_from(chain)? }
        }
        WireEvent::SubmissionSettled(settled) => {
            Event::SubmissionSettled { subject: subject(&settled.subject)?, outcome: submission_from(settled)? }
        }
        WireEvent::EvidenceChecked(said) if said.verdict == UNASKED => {
            Event::EvidenceUnasked { request: subject(&said.request)? }
        }
        WireEvent::EvidenceChecked(said) => Event::EvidenceChecked {
            request: subject(&said.request)?,
            verdict: EvidenceVerdict::from_wire(said.verdict, &said.reason)?,
        },
        WireEvent::AuthoritySurveyed(said) => Event::AuthoritySurveyed {
            avs: Address::try_from(said.avs.as_slice()).ok()?,
            stopped: said.stopped.iter().map(|name| Purpose::parse(name)).collect::<Option<_>>()?,
        },
        WireEvent::VaultReplied(reply) => Event::VaultReplied { reply: reply::reply_from(&reply, player)? },
        WireEvent::Operator(command) => Event::Operator(command_from(command.command?, definition)?),
    })
}

fn command_from(command: WireCommand, definition: &Definition) -> Option<Command> {
    Some(match command {
        WireCommand::ProposeKey(proposal) => Command::ProposeKey(KeyProposal::from_wire(&proposal).ok()?),
        WireCommand::AcceptKey(key_id) => Command::AcceptKey(KeyId(Digest::from_slice(&key_id)?)),
        WireCommand::AbandonKey(key_id) => Command::AbandonKey(KeyId(Digest::from_slice(&key_id)?)),
        WireCommand::RepairKey(repair) => Command::RepairKey(Repair::from_wire(&repair).ok()?),
        WireCommand::ConsentRepair(said) => {
            Command::ConsentRepair(KeyId(Digest::from_slice(&said.repair)?), acts(&said.acts, definition)?)
        }
        WireCommand::TrustPeer(peer) => {
            Command::TrustPeer { node: node(peer.node)?, incarnation: Incarnation::from_wire(peer.number) }
        }
        WireCommand::ShowHead(_) => Command::ShowHead,
        WireCommand::Pause(_) => Command::Pause,
        WireCommand::Resume(said) => Command::Resume(acts(&said.acts, definition)?),
    })
}

fn acts(said: &[wire::Act], definition: &Definition) -> Option<Vec<Act>> {
    said.iter().map(|act| SignedAct::from_wire(act).ok()?.verify(definition).ok()).collect()
}

pub(super) fn record_to(record: &Record) -> wire::JournalRecord {
    let family = match record.family {
        Family::Keys => 1,
        Family::Requests => 2,
        Family::Audit => 3,
        Family::Peers => 4,
        Family::Definitions => 5,
        Family::People => 25,
    };
    wire::JournalRecord { family, key: record.key.clone(), value: record.value.clone().unwrap_or_default() }
}

pub(super) fn record_from(record: wire::JournalRecord) -> Option<Record> {
    let family = match record.family {
        1 => Family::Keys,
        2 => Family::Requests,
        3 => Family::Audit,
        4 => Family::Peers,
        5 => Family::Definitions,
        25 => Family::People,
        _ => return None,
    };
    Some(Record { family, key: record.key, value: Some(record.value) })
}

fn timer_to(timer: Timer) -> wire::JournalTimer {
    let of = |kind, id: Digest, number| wire::JournalTimer { kind, id: id.0.to_vec(), package: Vec::new(), number };
    match timer {
        Timer::KeyPhase { key_id, phase } => of(1, key_id.0, phase.into()),
        Timer::Takeover { subject, round } => of(2, subject.0, round),
        Timer::Solicit { subject, round } => of(3, subject.0, round),
        Timer::Stalled { subject, package } => {
            wire::JournalTimer { package: package.0.to_vec(), ..of(4, subject.0, 0) }
        }
        Timer::Recheck { subject } => of(5, subject.0, 0),
        Timer::CatchUp { node } => of(6, Digest::default(), node.0.into()),
        Timer::Relay { subject } => of(7, subject.0, 0),
        Timer::Widen { subject } => of(8, subject.0, 0),
        Timer::Pools => of(9, Digest::default(), 0),
        Timer::AntiEntropy => of(10, Digest::default(), 0),
        Timer::KeyRepair { repair, phase } => of(11, repair.0, phase.into()),
    }
}

fn timer_from(timer: &wire::JournalTimer) -> Option<Timer> {
    let id = Digest::from_slice(&timer.id)?;
    let subject = SubjectId(id);
    Some(match timer.kind {
        1 => Timer::KeyPhase { key_id: KeyId(id), phase: timer.number.try_into().ok()? },
        2 => Timer::Takeover { subject, round: timer.number },
        3 => Timer::Solicit { subject, round: timer.number },
        4 => Timer::Stalled { subject, package: Digest::from_slice(&timer.package)? },
        5 => Timer::Recheck { subject },
        6 => Timer::CatchUp { node: node(timer.number)? },
        7 => Timer::Relay { subject },
        8 => Timer::Widen { subject },
        9 => Timer::Pools,
        10 => Timer::AntiEntropy,
        11 => Timer::KeyRepair { repair: KeyId(id), phase: timer.number.try_into().ok()? },
        _ => return None,
    })
}

fn chain_to(subject: SubjectId, answer: &ChainAnswer) -> wire::JournalChain {
    let bytes = |signer: &Option<Bytes>| signer.as_ref().map(|signer| signer.to_vec()).unwrap_or_default();
    let (block, nonce_used) = match answer {
        ChainAnswer::Unavailable(_) => (None, false),
        ChainAnswer::NonceUsed { block, used } => (Some(block), *used),
        ChainAnswer::Slash(facts) => (Some(&facts.block), facts.nonce_used),
        ChainAnswer::Account(facts) => (Some(&facts.block), facts.nonce_used),
    };
    let mut chain = wire::JournalChain {
        subject: subject.0.0.to_vec(),
        block: block.copied().map(block_to),
        nonce_used,
        ..wire::JournalChain::default()
    };
    match answer {
        ChainAnswer::Unavailable(code) => chain.code = code.to_wire(),
        ChainAnswer::NonceUsed { .. } => {}
        ChainAnswer::Slash(facts) => {
            chain.slash = Some(wire::JournalSlash {
                slasher: facts.slasher.to_vec(),
                slashable: facts.slashable,
                strategies: facts.strategies.iter().map(|strategy| strategy.to_vec()).collect(),
                signer: bytes(&facts.signer),
                deployed: facts.signer.is_some(),
                history: facts.history.as_ref().map(history_to),
                last_block: facts.last_block,
                head: facts.head,
                tried: facts.takes.is_some(),
                takes: facts.takes.iter().flatten().map(|shares| shares.to_be_bytes::<32>().to_vec()).collect(),
                gate: facts.gate.as_ref().map(gate_to),
            });
        }
        ChainAnswer::Account(facts) => {
            chain.account = Some(wire::JournalAccount {
                signer: bytes(&facts.signer),
                deployed: facts.signer.is_some(),
                calls_succeed: facts.calls_succeed,
            });
        }
    }
    chain
}

fn chain_from(chain: wire::JournalChain) -> Option<ChainAnswer> {
    let Some(block) = chain.block else { return Code::from_wire(chain.code).map(ChainAnswer::Unavailable) };
    let (block, nonce_used) = (block_from(&block)?, chain.nonce_used);
    let address = |bytes: &[u8]| Address::try_from(bytes).ok();
    Some(match (chain.slash, chain.account) {
        (None, None) => ChainAnswer::NonceUsed { block, used: nonce_used },
        (Some(slash), None) => ChainAnswer::Slash(SlashFacts {
            block,
            slasher: address(&slash.slasher)?,
            slashable: slash.slashable,
            strategies: slash.strategies.iter().map(|strategy| address(strategy)).collect::<Option<_>>()?,
            signer: slash.deployed.then(|| Bytes::from(slash.signer)),
            nonce_used,
            history: match slash.history {
                Some(history) => Some(history_from(history)?),
                None => None,
            },
            last_block: slash.last_block,
            head: slash.head,
            takes: match slash.tried {
                true => Some(slash.takes.iter().map(word).collect::<Option<_>>()?),
                false => None,
            },
            gate: match slash.gate {
                Some(gate) => Some(gate_from(&gate)?),
                None => None,
            },
        }),
        (None, Some(account)) => ChainAnswer::Account(AccountFacts {
            block,
            signer: account.deployed.then(|| Bytes::from(account.signer)),
            nonce_used,
            calls_succeed: account.calls_succeed,
        }),
        (Some(_), Some(_)) => return None,
    })
}

fn gate_to(gate: &GateFacts) -> wire::JournalGate {
    wire::JournalGate {
        time: gate.time.0,
        delay: gate.delay,
        ready: gate.ready.map(|ready| ready.0),
        used_by: gate.used_by.to_vec(),
        call_succeeds: gate.call_succeeds,
    }
}

fn gate_from(gate: &wire::JournalGate) -> Option<GateFacts> {
    Some(GateFacts {
        time: WallTime(gate.time),
        delay: gate.delay,
        ready: gate.ready.map(WallTime),
        used_by: B256::try_from(gate.used_by.as_slice()).ok()?,
        call_succeeds: gate.call_succeeds,
    })
}

fn history_to(history: &SlashHistory) -> wire::JournalHistory {
    let slash = |slash: &PastSlash| wire::JournalPastSlash {
        avs: slash.avs.to_vec(),
        operator_set_id: slash.operator_set_id,
        operator: slash.operator.to_vec(),
        strategies: slash.wads.iter().map(|(strategy, _)| strategy.to_vec()).collect(),
        wads: slash.wads.iter().map(|(_, wad)| wad.to_be_bytes::<32>().to_vec()).collect(),
        time: slash.time.0,
    };
    wire::JournalHistory { time: history.time.0, slashes: history.slashes.iter().map(slash).collect() }
}

fn word(bytes: &Vec<u8>) -> Option<U256> {
    Some(U256::from_be_bytes(<[u8; 32]>::try_from(bytes.as_slice()).ok()?))
}

fn history_from(history: wire::JournalHistory) -> Option<SlashHistory> {
    let address = |bytes: &[u8]| Address::try_from(bytes).ok();
    let slash = |slash: wire::JournalPastSlash| {
        let strategies = slash.strategies.iter().map(|strategy| address(strategy));
        let wads = strategies.zip(slash.wads.iter().map(word)).map(|(strategy, wad)| Some((strategy?, wad?)));
        Some(PastSlash {
            avs: address(&slash.avs)?,
            operator_set_id: slash.operator_set_id,
            operator: address(&slash.operator)?,
            wads: wads.collect::<Option<_>>()?,
            time: WallTime(slash.time),
        })
    };
    let slashes = history.slashes.into_iter().map(slash).collect::<Option<_>>()?;
    Some(SlashHistory { time: WallTime(history.time), slashes })
}

fn submission_to(subject: SubjectId, outcome: &SubmissionOutcome) -> wire::JournalSubmission {
    let (kind, data, gas) = match outcome {
        SubmissionOutcome::Included { transaction, gas } => (1, transaction.to_vec(), *gas),
        SubmissionOutcome::Reverted { data } => (2, data.to_vec(), 0),
        SubmissionOutcome::Unknown => (3, Vec::new(), 0),
        SubmissionOutcome::NoRelayer => (4, Vec::new(), 0),
    };
    wire::JournalSubmission { subject: subject.0.0.to_vec(), kind, data, gas }
}

fn submission_from(settled: wire::JournalSubmission) -> Option<SubmissionOutcome> {
    Some(match settled.kind {
        1 => {
            SubmissionOutcome::Included { transaction: B256::try_from(settled.data.as_slice()).ok()?, gas: settled.gas }
        }
        2 => SubmissionOutcome::Reverted { data: settled.data.into() },
        3 => SubmissionOutcome::Unknown,
        4 => SubmissionOutcome::NoRelayer,
        _ => return None,
    })
}

fn block_to(block: BlockReference) -> wire::JournalBlock {
    wire::JournalBlock { number: block.number, hash: block.hash.0.to_vec() }
}

fn block_from(block: &wire::JournalBlock) -> Option<BlockReference> {
    Some(BlockReference { number: block.number, hash: Digest::from_slice(&block.hash)? })
}

fn subject(bytes: &[u8]) -> Option<SubjectId> {
    Digest::from_slice(bytes).map(SubjectId)
}

fn node(number: u32) -> Option<NodeId> {
    u16::try_from(number).ok().map(NodeId)
}
