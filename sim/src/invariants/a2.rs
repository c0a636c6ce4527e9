//! A2: who breaks the protocol in front of an honest node is found out.

use super::{Invariant, Sight};
use crate::history::{Entry, ProcessId, What};
use crate::scenario::Micros;
use crate::verdict::Violation;
use firn_coordinator::api::Observation;
use firn_proto::envelope;
use firn_proto::message::KeyRound1;
use firn_proto::{Digest, GroupSignature, Incarnation, Message, NodeId, SessionId, Verified};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// From the last message that a proof takes to the evidence: the same step of the engine, and a slow disk.
const BOUND: Micros = 10_000_000;

/// A package that a process opened, as it watches the shares come in.
#[derive(Debug, Default)]
struct Attempt {
    signers: BTreeSet<NodeId>,
    shares: BTreeSet<NodeId>,
    bad: BTreeSet<NodeId>,
}

/// Evidence that a process owes by a time, of one of these culprits, since what it was shown in a session.
#[derive(Debug)]
struct Due {
    by: Micros,
    process: ProcessId,
    /// How many inputs had come to the process by then.
    came: u64,
    session: SessionId,
    culprits: BTreeSet<NodeId>,
    what: &'static str,
}

/// What an honest process was shown, and by when it has to say so.
#[derive(Debug, Default)]
pub struct A2 {
    attempts: BTreeMap<(ProcessId, SessionId), BTreeMap<Digest, Attempt>>,
    round1: BTreeMap<(ProcessId, SessionId, NodeId, Incarnation), KeyRound1>,
    /// Whose dealing each member passed on last, for a complaint that follows.
    relayed: BTreeMap<(ProcessId, SessionId, NodeId), NodeId>,
    /// What was relayed, by its bytes.
    relays: BTreeMap<Vec<u8>, Option<Rc<Verified<Message>>>>,
    due: Vec<Due>,
    accused: BTreeSet<(ProcessId, NodeId)>,
    signed: BTreeSet<(ProcessId, SessionId)>,
    told: BTreeMap<(ProcessId, SessionId), Vec<Told>>,
}

/// A signature that came to a process, which may take it in later.
#[derive(Debug)]
struct Told {
    at: Micros,
    honest: bool,
    signature: GroupSignature,
}

impl A2 {
    fn expect(
        &mut self,
        at: Micros,
        sight: &Sight<'_>,
        (process, session): (ProcessId, SessionId),
        culprits: BTreeSet<NodeId>,
        what: &'static str,
    ) {
        if !culprits.iter().any(|culprit| self.accused.contains(&(process, *culprit))) {
            // What was just delivered, and how far its sender is, come next.
            let came = sight.world.process(process).map_or(0, |process| process.inputs().0 + 2);
            self.due.push(Due { by: at + BOUND, process, came, session, culprits, what });
        }
    }

    fn delivered(&mut self, entry: &Entry, sight: &Sight<'_>, process: ProcessId, from: NodeId) {
        let Some(verified) = sight.world.message() else { return };
        let (header, message) = (verified.header(), verified.content());
        let session = header.session;
        match message {
            // Of a quarantined peer no share is looked at.
            Message::SignatureShare(_) if sight.quarantines(process, from) => {}
            Message::SignatureShare(share) => {
                // Whether an honest share fits is for the aggregate to show.
                let fits = if sight.world.is_corrupted(from) {
                    sight.wire.share_fits(share.package, from, &share.share)
                } else {
                    None
                };
                self.share(entry.at, sight, (process, session), share.package, from, fits != Some(false));
            }
            Message::Signed(signature) => {
                let told = Told { at: entry.at, honest: !sight.world.is_corrupted(from), signature: *signature };
                self.told.entry((process, session)).or_default().push(told);
            }
            // An attempt that a signer refuses is over.
            Message::ShareRefused { package, .. } => {
                self.attempts.get_mut(&(process, session)).map(|open| open.remove(package));
            }
            Message::KeyRound1(package) => {
                self.round1(entry, sight, process, (session, from, header.incarnation), package);
            }
            Message::Relay(bytes) => {
                // Every member passes on what every other said: checked once.
                let check = || envelope::verify(bytes, sight.world.definition()).ok().map(Rc::new);
                let Some(relayed) = self.relays.entry(bytes.clone()).or_insert_with(check).clone() else { return };
                let header = relayed.header();
                match relayed.content() {
                    Message::KeyRound1(package) if header.session == session => {
                        let place = (session, header.sender, header.incarnation);
                        self.round1(entry, sight, process, place, package);
                    }
                    Message::KeyShares(_) if header.session == session => {
                        self.relayed.insert((process, session, from), header.sender);
                    }
                    _ => {}
                }
            }
            Message::KeyComplaint(complaint) => {
                let dealer = self.relayed.get(&(process, session, from)).copied();
                let keys = &sight.world.definition().keys;
                let named =
                    dealer.filter(|dealer| keys.iter().any(|key| key.identifier_of(*dealer) == Some(complaint.dealer)));
                let checking = matches!(phase(sight, process, session), Some("round-2" | "checking" | "certifying"));
                // Who restarted has let go of the round-1 package that the complaint is judged by.
                let has_round1 = |dealer: &NodeId| {
                    self.round1.keys().any(|(at, of, by, _)| (*at, *of, by) == (process, session, dealer))
                };
                if let Some(dealer) = named.filter(|dealer| checking && has_round1(dealer)) {
                    self.expect(entry.at, sight, (process, session), BTreeSet::from([dealer, from]), "a complaint");
                }
            }
            _ => {}
        }
    }

    /// A share came in, over the wire or from the process's own vault.
    fn share(
        &mut self,
        at: Micros,
        sight: &Sight<'_>,
        place: (ProcessId, SessionId),
        package: Digest,
        from: NodeId,
        fits: bool,
    ) {
        let attempt = self.attempts.get_mut(&place).and_then(|open| open.get_mut(&package));
        let Some(attempt) = attempt.filter(|attempt| attempt.signers.contains(&from)) else { return };
        // The first share counts.
        if attempt.shares.insert(from) && !fits {
            attempt.bad.insert(from);
        }
        let complete = attempt.shares.len() == attempt.signers.len() && !attempt.bad.is_empty();
        if complete && !self.signed.contains(&place) {
            let bad = std::mem::take(&mut attempt.bad);
            self.expect(at, sight, place, bad, "a share that does not fit");
        }
    }

    fn round1(
        &mut self,
        entry: &Entry,
        sight: &Sight<'_>,
        process: ProcessId,
        (session, sender, incarnation): (SessionId, NodeId, Incarnation),
        package: &KeyRound1,
    ) {
        // Before people have accepted there is no attempt to judge; a key that is certified has let go of what was said.
        if !matches!(phase(sight, process, session), Some("round-1" | "echo" | "round-2" | "checking" | "aborted")) {
            return;
        }
        let known = self.round1.entry((process, session, sender, incarnation)).or_insert_with(|| package.clone());
        if known != package {
            self.expect(entry.at, sight, (process, session), BTreeSet::from([sender]), "two round-1 packages");
        }
    }

    /// Another coordinator's signature ends the attempt: shares that come after it are nobody's. Errors of several that cancel
    /// out spoil nothing, and the aggregate is all that is looked at.
    fn signed(&mut self, now: Micros, place: (ProcessId, SessionId), known: Option<GroupSignature>) {
        self.signed.insert(place);
        self.attempts.remove(&place);
        let told = self.told.remove(&place).unwrap_or_default();
        let this = |told: &&Told| known.map_or(told.honest, |known| told.signature == known);
        let since = told.iter().find(this).map_or(now, |told| told.at);
        self.due.retain(|due| (due.process, due.session) != place || due.by < since + BOUND);
    }

    fn forget(&mut self, process: ProcessId) {
        self.told.retain(|(at, _), _| *at != process);
        self.attempts.retain(|(at, _), _| *at != process);
        self.round1.retain(|(at, ..), _| *at != process);
        self.relayed.retain(|(at, ..), _| *at != process);
        self.signed.retain(|(at, _)| *at != process);
        self.accused.retain(|(at, _)| *at != process);
        self.due.retain(|due| due.process != process);
    }

    fn overdue(&mut self, now: Micros, sight: &Sight<'_>) -> Option<Violation> {
        // What was delivered to a process that is held, or behind with its work, waits in front of it: its time begins when
        // the process comes to it.
        for due in self.due.iter_mut().filter(|due| due.by < now) {
            let Some(process) = sight.world.process(due.process) else { continue };
            let (came, waiting) = process.inputs();
            if process.paused || waiting > 0 && came - (waiting as u64) < due.came {
                due.by = now + BOUND;
            }
        }
        let index = self.due.iter().position(|due| due.by < now)?;
        let Due { by, process, culprits, what, .. } = self.due.swap_remove(index);
        let culprits: Vec<_> = culprits.iter().map(|node| node.0).collect();
        let detail = format!("{what} of one of {culprits:?} was seen in full, and no evidence came");
        Some(Violation { id: "A2", at: by, node: Some(process.node), detail })
    }
}

/// How far a process is with a key generation.
fn phase(sight: &Sight<'_>, process: ProcessId, session: SessionId) -> Option<&'static str> {
    let keys = sight.world.process(process)?.engine.keys();
    keys.into_iter().find(|key| SessionId::from(key.key_id) == session).map(|key| key.state)
}

impl Invariant for A2 {
    fn id(&self) -> &'static str {
        "A2"
    }

    fn statement(&self) -> &'static str {
        "An attributable fault that an honest node was shown in full (a share that spoils its attempt, two round-1 packages \
         of one boot, a complaint about a dealing) gives evidence there within ten seconds (SIMULATOR section 5.5)."
    }

    fn see(&mut self, entry: &Entry, sight: &Sight<'_>) -> Option<Violation> {
        if let Some((id, _)) = sight.honest(entry) {
            match &entry.what {
                What::Stopped { .. } => self.forget(id),
                What::Sent { kind: "signing-package", session, .. } => {
                    if let Some(Message::SigningPackage(package)) = sight.world.message().map(Verified::content) {
                        let signers = package.commitments.keys().copied().collect();
                        let attempt = Attempt { signers, ..Attempt::default() };
                        let open = self.attempts.entry((id, *session)).or_default();
                        open.entry(package.hash()).or_insert(attempt);
                    }
                }
                // Its own share never goes over the wire, and fits; where it keeps it back, the attempt is not looked at.
                What::Released { subject, package, .. } => {
                    self.share(entry.at, sight, (id, (*subject).into()), *package, id.node, true);
                }
                What::Delivered { from, .. } => self.delivered(entry, sight, id, *from),
                What::Observed(Observation::Subject { subject, state: "signed", .. }) => {
                    let known = sight.world.process(id).and_then(|process| process.engine.request(*subject)?.signature);
                    self.signed(entry.at, (id, (*subject).into()), known);
                }
                What::Observed(Observation::Evidence { culprit, .. }) => {
                    self.accused.insert((id, *culprit));
                    self.due.retain(|due| due.process != id || !due.culprits.contains(culprit));
                }
                What::Observed(Observation::Subject { subject, state: "refused" | "expired" | "executed", .. }) => {
                    self.attempts.remove(&(id, (*subject).into()));
                }
                _ => {}
            }
        }
        self.overdue(entry.at, sight)
    }

    fn end(&mut self, sight: &Sight<'_>) -> Option<Violation> {
        self.overdue(sight.world.now(), sight)
    }
}
