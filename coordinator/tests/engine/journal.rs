//! Journals: what went into an engine makes the same engine again, and holds no secret.

use crate::bench::Bench;
use crate::host::root;
use firn_coordinator::api::{ChainAnswer, Command, Event, SubmissionOutcome, Timer};
use firn_coordinator::journal::{self, JournalError, Player, Recorder, Tail};
use firn_coordinator::{Config, Engine};
use firn_proto::time::{MonotonicTime, Time, WallTime};
use firn_proto::{Code, Digest, Incarnation, KeyId, NodeId, SubjectId};
use firn_vault::api::{Reply, VaultRefusal};

/// A key generation, a signature, a restart and a request that waits.
fn busy() -> Bench {
    let (mut bench, _) = Bench::ready(2, 3);
    let request = bench.request(1);
    bench.submit(1, &request);
    bench.deliver();
    bench.restart(2);
    bench.deliver();
    bench.facts = |facts| facts.slashable = false;
    let refused = bench.request(2);
    bench.submit(2, &refused);
    bench.deliver();
    bench.rounds(2);
    bench
}

#[test]
fn a_journal_makes_the_same_engine_again() {
    let bench = busy();
    for (id, host) in &bench.hosts {
        let replay = journal::replay(&host.journal).unwrap();
        assert!(replay.steps > 10, "n{id} has {} steps", replay.steps);
        assert_eq!(replay.tail, Tail::Ended);
        assert_eq!(replay.engine.keys(), host.engine.keys());
        assert_eq!(format!("{:?}", replay.engine), format!("{:?}", host.engine), "n{id} is the same in all it knows");
    }
}

#[test]
fn a_journal_cut_anywhere_is_played_to_the_cut() {
    let bench = busy();
    let whole = &bench.hosts[&2].journal;
    let header = 4 + usize::try_from(u32::from_be_bytes(whole[..4].try_into().unwrap())).unwrap();
    for cut in (header..whole.len()).step_by(997) {
        let replay = journal::replay(&whole[..cut]).unwrap();
        assert!(matches!(replay.tail, Tail::Cut(_) | Tail::Ended), "{:?} at {cut}", replay.tail);
    }
    assert_eq!(journal::replay(&whole[..header - 1]).unwrap_err(), JournalError::Header);
    assert_eq!(journal::replay(&[]).unwrap_err(), JournalError::Header);
}

/// The entries of a journal as a recorder writes them whose engine answered otherwise in step `odd`.
fn recorded(bench: &Bench, odd: Option<usize>) -> Vec<u8> {
    let config = Config {
        definition: bench.definition.clone(),
        me: NodeId(1),
        incarnation: Incarnation::new(1, 0),
        check_evidence: false,
        refresh_after: Some(0),
    };
    let mut engine = Engine::restore(config.clone(), &[]).unwrap();
    let (mut recorder, mut bytes) = Recorder::start(&config, Incarnation::new(1, 0), &[]);
    let mut player = Player::open(&bench.hosts[&1].journal).unwrap();
    while let Some(step) = player.step().unwrap() {
        bytes.extend(recorder.event(step.now, &step.event));
        let mut effects = engine.step(step.now, step.event);
        if odd == Some(usize::try_from(step.index).unwrap()) {
            effects.clear();
        }
        recorder.effects(&effects);
    }
    bytes.extend(recorder.end(Time::default()));
    bytes
}

#[test]
fn the_first_step_that_differs_is_named() {
    let bench = busy();
    assert_eq!(journal::replay(&recorded(&bench, None)).unwrap().tail, Tail::Stopped);
    for odd in [0, 5, 17] {
        let mut player = Player::open(&bench.hosts[&1].journal).unwrap();
        let steps: Vec<_> = std::iter::from_fn(|| player.step().unwrap()).collect();
        let odd = (odd..steps.len()).find(|index| !steps[*index].effects.is_empty()).unwrap();
        let error = journal::replay(&recorded(&bench, Some(odd))).unwrap_err();
        let JournalError::Differs { index, event, now, .. } = error else { panic!("{error}") };
        assert_eq!((index, event, now), (u64::try_from(odd).unwrap(), steps[odd].event.kind(), steps[odd].now));
    }
}

#[test]
fn a_changed_byte_is_never_played_in_silence() {
    let bench = busy();
    let whole = &bench.hosts[&2].journal;
    let header = 4 + usize::try_from(u32::from_be_bytes(whole[..4].try_into().unwrap())).unwrap();
    let mut noticed = 0;
    let last = whole.len() - 2_000;
    for at in (header..last).step_by(1_511) {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        // A digit of a timer or a time may change nothing that the engine does; everything else is found out.
        noticed += u32::from(!matches!(journal::replay(&changed), Ok(replay) if replay.tail == Tail::Ended));
    }
    let tried = u32::try_from((header..last).step_by(1_511).count()).unwrap();
    assert!(noticed * 10 >= tried * 9, "{noticed} of {tried} changes were noticed");
}

#[test]
fn every_kind_of_event_reads_back() {
    let bench = busy();
    let (id, package) = (Digest([7; 32]), Digest([8; 32]));
    let subject = SubjectId(id);
    let refused = |package, culprit| Event::VaultReplied {
        reply: Reply::Refused(VaultRefusal { code: Code::RivalLocked, session: subject.into(), package, culprit }),
    };
    let timers = [
        Timer::KeyPhase { key_id: KeyId(id), phase: 3 },
        Timer::KeyRepair { repair: KeyId(id), phase: 1 },
        Timer::Takeover { subject, round: 5 },
        Timer::Widen { subject },
        Timer::Pools,
        Timer::AntiEntropy,
        Timer::Solicit { subject, round: 4 },
        Timer::Stalled { subject, package },
        Timer::Recheck { subject },
        Timer::CatchUp { node: NodeId(2) },
        Timer::Relay { subject },
    ];
    let mut events = vec![
        Event::PeerDown { node: NodeId(3) },
        Event::ChainReplied { subject, answer: ChainAnswer::Unavailable(Code::ChainBehind) },
        Event::ChainReplied { subject, answer: ChainAnswer::NonceUsed { block: Default::default(), used: true } },
        Event::SubmissionSettled {
            subject,
            outcome: SubmissionOutcome::Included { transaction: id.0.into(), gas: 21_000 },
        },
        Event::SubmissionSettled { subject, outcome: SubmissionOutcome::Reverted { data: vec![1, 2].into() } },
        Event::SubmissionSettled { subject, outcome: SubmissionOutcome::Unknown },
        Event::SubmissionSettled { subject, outcome: SubmissionOutcome::NoRelayer },
        Event::VaultReplied { reply: Reply::Envelope(vec![1]) },
        refused(None, None),
        refused(Some(package), Some(firn_proto::Identifier(2))),
        Event::VaultReplied { reply: Reply::Repaired { repair: KeyId(id) } },
        Event::Operator(Command::AbandonKey(KeyId(id))),
        Event::Operator(Command::ConsentRepair(KeyId(id), Vec::new())),
    ];
    events.extend(timers.map(Event::TimerFired));
    let config = Config {
        definition: bench.definition.clone(),
        me: NodeId(1),
        incarnation: Incarnation::new(1, 0),
        check_evidence: false,
        refresh_after: Some(0),
    };
    let (recorder, mut bytes) = Recorder::start(&config, Incarnation::new(1, 0), &bench.hosts[&1].all_records());
    let now = Time { monotonic: MonotonicTime(5), wall: WallTime(6) };
    for event in &events {
        // One event a journal: nothing is said of effects here.
        let mut one = bytes.clone();
        one.extend(recorder.event(now, event));
        let step = Player::open(&one).unwrap().step().unwrap().unwrap();
        assert_eq!((format!("{:?}", step.event), step.now), (format!("{event:?}"), now));
    }
    bytes.extend([0, 0, 0, 1, 9]);
    assert_eq!(Player::open(&bytes).unwrap().step().unwrap_err(), JournalError::Entry { index: 0 });
}

#[test]
fn no_journal_holds_what_a_vault_drew() {
    let bench = busy();
    let holds = |bytes: &[u8], secret: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
    let mut found = false;
    for (id, host) in &bench.hosts {
        let secrets: Vec<_> = host.rng.drawn.iter().filter(|drawn| drawn.len() >= 16).collect();
        assert!(secrets.len() > 4, "n{id} drew nonces and a polynomial");
        found |= host.sealed.values().any(|record| secrets.iter().any(|secret| holds(record, secret)));
        for journal in bench.hosts.values().map(|host| &host.journal) {
            assert!(!secrets.iter().any(|secret| holds(journal, secret)), "a draw of n{id} is in a journal");
            assert!(!holds(journal, &**root(*id).as_bytes()), "the root secret of n{id} is in a journal");
        }
    }
    assert!(found, "the search finds what is there: the nonces of sealed records");
}
