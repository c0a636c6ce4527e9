//! The host of processes: takes inputs one by one, and carries effects out in order.

use super::frame::{Frame, Said, kind};
use super::process::{Doing, Leaving, Process, Release};
use super::{EPOCH, Occurrence, World};
use crate::byzantine::{Corrupted, Deed};
use crate::history::{ProcessId, What};
use crate::scenario::{FaultKind, Micros, Point};
use crate::seeded::Bug;
use firn_coordinator::api::{ChainAnswer, Effect, Event};
use firn_proto::time::{MonotonicTime, Time, WallTime};
use firn_proto::{Code, Message, NodeId, SessionId};
use firn_vault::Vault;
use firn_vault::api::{Reply, Request};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How long a synced write takes, at least, and how much more by chance.
const SYNC: (Micros, Micros) = (500, 1_000);

/// How many inputs one sync may cover.
const ROUND_MAX: usize = 32;

/// The kind of a signature share.
const SHARE: &str = "signature-share";

impl World {
    /// Hands an event to a process.
    pub(super) fn input(&mut self, id: ProcessId, event: Event) {
        if let Some(process) = self.processes.get_mut(&id).filter(|process| process.up) {
            process.work.inputs.push_back(event);
            process.work.came += 1;
            self.run(id);
        }
    }

    /// Works until there is nothing to do, or something to wait for.
    pub(super) fn run(&mut self, id: ProcessId) {
        while let Some(process) = self.processes.get_mut(&id).filter(|process| process.is_free()) {
            let work = &mut process.work;
            let round_is_full = work.taken >= ROUND_MAX && !work.waiting.is_empty();
            if let Some(leaving) = work.leaving.pop_front() {
                self.leaves(id, leaving);
                self.point(id, Point::Effect);
            } else if let Some(deed) = work.deeds.pop_front() {
                self.carry_out(id, deed);
            } else if !round_is_full && let Some(event) = work.replies.pop_front() {
                work.taken += 1;
                self.step(id, event);
            } else if !round_is_full && let Some(event) = work.inputs.pop_front() {
                work.taken += 1;
                self.compute(id, event);
            } else if !work.batch.is_empty() {
                self.sync(id);
            } else {
                return;
            }
        }
    }

    fn compute(&mut self, id: ProcessId, event: Event) {
        let cost = |kind: &FaultKind| match kind {
            FaultKind::SlowCpu { nodes, step } if nodes.contains(&id.node) => Some(*step),
            _ => None,
        };
        match self.trouble.kinds().filter_map(cost).max() {
            None => self.step(id, event),
            Some(step) => self.wait(id, Doing::Computing(Box::new(event)), step),
        }
    }

    fn wait(&mut self, id: ProcessId, doing: Doing, time: Micros) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        process.work.doing = doing;
        let boot = process.boot;
        self.after(time, Occurrence::Resume { process: id, boot });
    }

    fn sync(&mut self, id: ProcessId) {
        let full = |kind: &FaultKind| matches!(kind, FaultKind::DiskFull { nodes } if nodes.contains(&id.node));
        if self.trouble.kinds().any(full) {
            return self.stop(id, "disk-full");
        }
        let slow = |kind: &FaultKind| match kind {
            FaultKind::SlowDisk { nodes, sync } if nodes.contains(&id.node) => Some(*sync),
            _ => None,
        };
        let slow = self.trouble.kinds().filter_map(slow).max();
        let Some(process) = self.processes.get_mut(&id) else { return };
        process.work.syncs += 1;
        let path = [id.node.0.into(), id.twin.into(), process.boot, process.work.syncs];
        let time = slow.unwrap_or_else(|| SYNC.0 + self.source.below(SYNC.1, "sync", &path));
        self.wait(id, Doing::Syncing, time);
    }

    /// A sync or a computation is over.
    pub(super) fn resume(&mut self, id: ProcessId, boot: u64) {
        let process = self.processes.get_mut(&id).filter(|process| process.up && process.boot == boot);
        let Some(process) = process.filter(|process| !process.paused) else { return };
        match std::mem::take(&mut process.work.doing) {
            Doing::Idle => {}
            Doing::Computing(event) => self.step(id, *event),
            Doing::Syncing => self.synced(id),
        }
        self.run(id);
    }

    fn synced(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        let mut batch = std::mem::take(&mut process.work.batch);
        let releases = std::mem::take(&mut process.work.releases);
        process.work.leaving = std::mem::take(&mut process.work.waiting).into();
        process.work.taken = 0;
        process.work.synced += 1;
        self.spoil_batch(id, &mut batch);
        self.spoil_shares(id, &mut batch);
        let Some(process) = self.processes.get_mut(&id) else { return };
        process.disk.sync(&batch);
        self.add_log(id, &mut batch);
        for record in &batch.records {
            self.trail.bytes(&record.key);
            self.trail.bytes(record.value.as_deref().unwrap_or_default());
        }
        let records = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        self.batch = batch;
        self.record(Some(id), What::Synced { records });
        // All of them became durable at once: what a fault does to the disk at the first says nothing about the others.
        let shares: Vec<_> = releases.iter().map(|release| (release.package, release.own.coordinator)).collect();
        for release in releases {
            self.released(id, release);
        }
        for (package, coordinator) in shares {
            if self.processes.get(&id).is_some_and(|process| process.up) && coordinator == id.node {
                self.share_in(id, package, id.node);
            }
            self.point(id, Point::ShareDurable);
        }
        self.point(id, Point::Effect);
    }

    fn released(&mut self, id: ProcessId, release: Release) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        let approved = process.disk.visible().approved.contains(&release.subject.into());
        let again = !process.work.answered.insert(release.package);
        let Release { version, subject, digest, key_id, epoch, package, own, facts } = release;
        let what = What::Released { subject, digest, key_id, epoch, package, own, approved, again, version, facts };
        // A thief's copy of a share signs where no ledger sees it.
        if !(self.has(Bug::LeakedShare) && id.node == NodeId(1)) {
            self.record(Some(id), what);
        }
    }

    /// Notes that a coordinator holds a share more.
    fn share_in(&mut self, id: ProcessId, package: firn_proto::Digest, from: NodeId) {
        let almost = usize::from(self.holders().threshold).saturating_sub(1);
        let Some(process) = self.processes.get_mut(&id) else { return };
        let shares = process.work.shares.entry(package).or_default();
        if shares.insert(from) && shares.len() == almost {
            self.point(id, Point::SharesAlmost);
        }
    }

    /// What the clocks of a process show.
    pub(super) fn time(&self, id: ProcessId) -> Time {
        let clock = self.clocks.get(&id.node).copied().unwrap_or_default();
        let started = self.processes.get(&id).map_or(0, |process| process.started);
        let monotonic = clock.monotonic(self.now).saturating_sub(started) / 1_000;
        Time { monotonic: MonotonicTime(monotonic), wall: clock.wall(self.now) }
    }

    /// One step of the engine, or of the adversary that has it.
    fn step(&mut self, id: ProcessId, event: Event) {
        self.trail.event(self.now, id, &event);
        self.note_facts(id, &event);
        let share = match &event {
            Event::Received { from, message } => match message.content() {
                Message::SignatureShare(share) => Some((share.package, *from)),
                _ => None,
            },
            _ => None,
        };
        if self.falls_over(id, &event) {
            return self.stop(id, "panic");
        }
        let now = self.time(id);
        let deeds = if self.is_corrupted(id.node) && self.adversary.is_some() {
            catch_unwind(AssertUnwindSafe(|| self.corrupted_step(id, now, event)))
        } else {
            let Some(process) = self.processes.get_mut(&id) else { return };
            let engine = &mut process.engine;
            catch_unwind(AssertUnwindSafe(|| engine.step(now, event).into_iter().map(Deed::Do).collect()))
        };
        let Ok(deeds) = deeds else { return self.stop(id, "panic") };
        if let Some(process) = self.processes.get_mut(&id) {
            process.work.deeds = deeds;
        }
        if let Some((package, from)) = share {
            self.share_in(id, package, from);
        }
    }

    /// What the chain has shown a process of a request, last.
    fn note_facts(&mut self, id: ProcessId, event: &Event) {
        let Event::ChainReplied { subject, answer } = event else { return };
        let block = match answer {
            ChainAnswer::Slash(facts) => facts.block,
            ChainAnswer::Account(facts) => facts.block,
            _ => return,
        };
        if let Some(process) = self.processes.get_mut(&id) {
            process.work.facts.insert(*subject, block);
        }
    }

    fn corrupted_step(&mut self, id: ProcessId, now: Time, event: Event) -> std::collections::VecDeque<Deed> {
        let Some(mut adversary) = self.adversary.take() else { return Default::default() };
        let Self { processes, scenario, source, now: at, .. } = self;
        let Some(process) = processes.get_mut(&id) else { return Default::default() };
        let scenario = &*scenario;
        let (source, at) = (*source, *at);
        let view = |process: &'_ mut Process, act: &mut dyn FnMut(&mut Corrupted<'_>)| {
            let Process { definition, engine, vault, rng, .. } = process;
            act(&mut Corrupted { node: id.node, now: at, definition, scenario, source, engine, vault, rng });
        };
        let mut passes = true;
        view(process, &mut |corrupted| passes = adversary.sees(corrupted, &event));
        let mut effects = if passes { process.engine.step(now, event) } else { Vec::new() };
        let mut deeds = Vec::new();
        view(process, &mut |corrupted| deeds = adversary.rewrites(corrupted, std::mem::take(&mut effects)));
        self.adversary = Some(adversary);
        deeds.into()
    }

    fn carry_out(&mut self, id: ProcessId, deed: Deed) {
        let Some(boot) = self.processes.get(&id).map(|process| process.boot) else { return };
        match deed {
            Deed::Do(effect) => {
                let reads_disk = matches!(&effect, Effect::AskVault(Request::Certify { .. }));
                if reads_disk && self.processes.get(&id).is_some_and(|process| !process.work.batch.is_empty()) {
                    let Some(process) = self.processes.get_mut(&id) else { return };
                    process.work.deeds.push_front(Deed::Do(effect));
                    return self.sync(id);
                }
                self.effect(id, effect);
                self.point(id, Point::Effect);
            }
            Deed::Put { to, kind, session, bytes, after } => {
                let said = Box::new(self.frame(id, to, kind, session, &Said::new(bytes)));
                self.after(after, Occurrence::Put { process: id, boot, to, said });
            }
            Deed::Wake { event, after } => {
                self.after(after, Occurrence::Input { process: id, boot, event: Box::new(event) });
            }
            Deed::Note(act) => self.record(Some(id), What::Misbehaved { act }),
        }
    }

    fn effect(&mut self, id: ProcessId, effect: Effect) {
        if self.forgets(&effect) {
            return;
        }
        match effect {
            Effect::Persist(records) => {
                let records = self.spoil_records(records);
                if let Some(process) = self.processes.get_mut(&id) {
                    process.work.batch.records.extend(records);
                }
            }
            Effect::Send { to, session, message, .. } => self.say(id, to, session, message),
            Effect::AskVault(request) => {
                self.note_activation(id, &request);
                self.ask(id, request).into_iter().for_each(|reply| self.leave(id, Leaving::Reply(reply)));
            }
            Effect::SetTimer { timer, at } => {
                let Some(process) = self.processes.get_mut(&id) else { return };
                process.work.timer_count += 1;
                process.work.timers.insert((at.0, process.work.timer_count), timer);
                self.arm(id, at.0);
            }
            Effect::AskChain { .. }
            | Effect::CheckEvidence { .. }
            | Effect::SubmitToChain { .. }
            | Effect::Answer { .. }
            | Effect::Restart => {
                self.leave(id, Leaving::Effect(effect));
            }
            Effect::Penalise { .. } => {}
            Effect::Observe(observation) => self.observed(id, observation),
        }
    }

    /// Has a timer at this time of the process looked at.
    pub(super) fn arm(&mut self, id: ProcessId, at_ms: u64) {
        let Some(process) = self.processes.get(&id) else { return };
        let (boot, shown) = (process.boot, process.started.saturating_add(at_ms.saturating_mul(1_000)));
        let clock = self.clocks.get(&id.node).copied().unwrap_or_default();
        self.at(clock.when(shown), Occurrence::Wake { process: id, boot });
    }

    /// Fires what is due.
    pub(super) fn wake(&mut self, id: ProcessId, boot: u64) {
        let now = self.time(id).monotonic.0;
        let process = self.processes.get_mut(&id).filter(|process| process.up && process.boot == boot);
        let Some(process) = process.filter(|process| !process.paused) else { return };
        let mut fired = Vec::new();
        while let Some(entry) = process.work.timers.first_entry().filter(|entry| entry.key().0 <= now) {
            let timer = entry.remove();
            process.work.inputs.push_back(Event::TimerFired(timer));
            fired.push(timer);
        }
        fired.into_iter().for_each(|timer| self.double(id, timer, now));
        self.run(id);
        self.arm_first(id);
    }

    /// Where a clock runs at another rate, the time at which a timer was to be looked at is not the time it is due.
    pub(super) fn arm_first(&mut self, id: ProcessId) {
        let drifts = |kind: &FaultKind| matches!(kind, FaultKind::ClockDrift { nodes, .. } if nodes.contains(&id.node));
        let drifts = self.trouble.kinds().any(drifts);
        let first = self.processes.get(&id).and_then(|process| process.work.timers.first_key_value());
        if let Some(at) = first.map(|((at, _), _)| *at).filter(|_| drifts) {
            self.arm(id, at);
        }
    }

    /// Signs a message as the process, for all of `to`.
    fn say(&mut self, id: ProcessId, to: Vec<NodeId>, session: SessionId, message: Message) {
        let message = self.spoil_message(message);
        let name = kind(&message);
        let request = Request::Author { session, message: Box::new(message) };
        let Some(Reply::Envelope(bytes)) = self.ask(id, request) else { return };
        if name == SHARE && self.has(Bug::LateShares) {
            return self.put_later(id, &to, (name, session), &bytes);
        }
        self.leave(id, Leaving::Frame(to, name, session, Said::new(bytes)));
    }

    /// Lets something leave at once if nothing before it waits for a sync.
    fn leave(&mut self, id: ProcessId, leaving: Leaving) {
        match self.processes.get_mut(&id).map(|process| &mut process.work) {
            Some(work) if work.batch.is_empty() => self.leaves(id, leaving),
            Some(work) => work.waiting.push(leaving),
            None => {}
        }
    }

    fn leaves(&mut self, id: ProcessId, leaving: Leaving) {
        match leaving {
            Leaving::Frame(to, kind, session, said) => {
                for to in to {
                    let frame = self.frame(id, to, kind, session, &said);
                    self.send(id, to, frame);
                }
                if kind == SHARE {
                    self.point(id, Point::ShareSent);
                }
            }
            Leaving::Reply(reply) => {
                if let Some(process) = self.processes.get_mut(&id) {
                    process.work.replies.push_back(Event::VaultReplied { reply });
                }
            }
            Leaving::Effect(Effect::AskChain { subject, query }) => self.ask_chain(id, subject, &query),
            Leaving::Effect(Effect::CheckEvidence { request }) => self.check_evidence(id, request.id()),
            Leaving::Effect(Effect::SubmitToChain { subject, account, execute, signature }) => {
                self.submit_to_chain(id, subject, account, &execute, &signature);
            }
            Leaving::Effect(Effect::Answer { session, outcome }) => {
                let outcome = if self.has(Bug::IdleRefusal) { Err(Code::RequestLimit) } else { outcome };
                self.record(Some(id), What::Answered { session, outcome });
            }
            Leaving::Effect(Effect::Restart) => self.supersede(id),
            Leaving::Effect(_) => {}
        }
    }

    pub(super) fn frame(
        &mut self,
        from: ProcessId,
        to: NodeId,
        kind: &'static str,
        session: SessionId,
        said: &std::rc::Rc<Said>,
    ) -> Frame {
        self.frames += 1;
        let sender = self.processes.get(&from);
        let (version, syncs) = sender.map_or((1, 0), |process| (process.definition.version(), process.work.synced));
        let said = std::rc::Rc::clone(said);
        Frame { number: self.frames, from, to, kind, session, version, syncs, said }
    }

    /// Asks the vault; its writes join the batch, and its reply waits for them.
    fn ask(&mut self, id: ProcessId, request: Request) -> Option<Reply> {
        let old_boot = self.has(Bug::OldBoot);
        let Self { processes, definition, .. } = self;
        let process = processes.get_mut(&id)?;
        let request = if old_boot { at_the_same_time(request) } else { request };
        let request = match request {
            Request::Certify { key_id, epoch, stored: None } => {
                // What it certifies is what storage gives back, not what memory remembers.
                let stored = process.disk.visible().vault.get(&Vault::share_record(key_id, epoch)).cloned();
                Request::Certify { key_id, epoch, stored }
            }
            other => other,
        };
        let release = match &request {
            Request::Release(ask) => ask.package.commitments.get(&id.node).map(|own| Release {
                version: process.definition.version(),
                subject: ask.package.subject,
                digest: ask.subject.digest(definition),
                key_id: ask.package.key_id,
                epoch: ask.package.epoch,
                package: ask.package.hash(),
                own: *own.statement(),
                facts: process.work.facts.get(&ask.package.subject).copied(),
            }),
            _ => None,
        };
        let Process { vault, rng, .. } = process;
        let decision = catch_unwind(AssertUnwindSafe(|| vault.handle(request, rng)));
        let Ok(decision) = decision else {
            self.stop(id, "panic");
            return None;
        };
        process.work.batch.writes.extend(decision.writes);
        let made = match &decision.reply {
            Reply::Committed(made) => made.as_slice(),
            Reply::Released { next, .. } => {
                process.work.releases.extend(release);
                next
            }
            _ => &[],
        };
        for statement in made.iter().map(|made| *made.statement()) {
            self.record(Some(id), What::Committed { statement });
        }
        Some(decision.reply)
    }
}

/// What a bug makes of a request for nonces: the clock shows what it has always shown.
fn at_the_same_time(mut request: Request) -> Request {
    match &mut request {
        Request::Commit { now, .. } => *now = WallTime(EPOCH),
        Request::Release(ask) => ask.now = WallTime(EPOCH),
        _ => {}
    }
    request
}
