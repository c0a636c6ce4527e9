//! Versions of the definition: a change comes in, is on disk before anybody hears of it, and is taken up at its block
//! (docs/spec/definition.md).
//!
//! A node that has a version on disk lends no share under an older one once the version's block is final, and a version
//! is taken up by a new start: no session, nonce or pool of the older one survives. Since t is more than half of n, the
//! t members that sign under a version hold it, so that fewer than t are left under the one before.

use crate::api::{Class, Effect, Family, Observation, Record};
use crate::audit::AuditNote;
use crate::engine::{Engine, Inbound};
use crate::limits::CHANGE_BLOCKS_MAX;
use crate::record::{self, SCHEMA};
use crate::view::VersionsView;
use firn_proto::definition::{Change, SignedChange};
use firn_proto::{Code, Definition, Digest, Message, NodeId, SessionId, wire};
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};

/// The event of the entry that a version came into force with: it holds the whole signed change.
pub const ADOPTED: &str = "definition-adopted";

/// Versions as this node knows them.
#[derive(Default, Debug)]
pub(crate) struct Versions {
    /// By the version that they bring: those in force before, and the next.
    changes: BTreeMap<u32, Change>,
    /// The newest version that each peer says it has on disk.
    held: BTreeMap<NodeId, Digest>,
    /// Peers that run another version, by their greeting.
    elsewhere: BTreeSet<NodeId>,
    /// The next version was taken up: this start is over.
    pub(crate) over: bool,
}

/// The version in force by a node's records, where `root` is the one that it was set up with.
///
/// # Errors
/// `RECORD_CORRUPT` with the record's key.
pub fn in_force(root: Definition, records: &[Record]) -> Result<Definition, (Code, Vec<u8>)> {
    let mut current = root;
    for record in records.iter().filter(|record| record.family == Family::Definitions) {
        let corrupt = || (Code::RecordCorrupt, record.key.clone());
        let (version, change, adopted) = read(record).ok_or_else(corrupt)?;
        if adopted && version > current.version() {
            current = change.verify(&current).map_err(|_| corrupt())?.definition().clone();
        }
    }
    Ok(current)
}

fn read(record: &Record) -> Option<(u32, SignedChange, bool)> {
    let stored: wire::StoredDefinition = record::decode(record.value.as_deref()?)?;
    let version = u32::from_be_bytes(record.key.as_slice().try_into().ok()?);
    let change = SignedChange::from_wire(stored.change?).ok()?;
    (stored.schema == SCHEMA).then_some((version, change, stored.adopted))
}

fn stored(change: &Change, adopted: bool) -> Record {
    let value = wire::StoredDefinition { schema: SCHEMA, change: Some(change.signed().to_wire()), adopted };
    let key = change.definition().version().to_be_bytes().to_vec();
    Record { family: Family::Definitions, key, value: Some(value.encode_to_vec()) }
}

impl Engine {
    /// Takes a change up from its record.
    pub(crate) fn restore_change(&mut self, record: &Record) -> Option<()> {
        let (version, change, adopted) = read(record)?;
        let before = self.definition.versions().find(|known| known.version().checked_add(1) == Some(version));
        // Of a version before the one that this node was set up with.
        let Some(before) = before else { return (version <= self.definition.version()).then_some(()) };
        if adopted != (version <= self.definition.version()) {
            return None;
        }
        let change = change.verify(before).ok()?;
        self.versions.changes.insert(version, change);
        Some(())
    }

    /// The change that waits for its block.
    fn next_version(&self) -> Option<&Change> {
        self.versions.changes.get(&self.definition.version().checked_add(1)?)
    }

    /// The newest version that we have on disk.
    fn newest(&self) -> Digest {
        self.next_version().map_or_else(|| self.definition.digest(), |change| change.definition().digest())
    }

    /// A change from this node's API.
    pub(crate) fn changed(&mut self, change: &Change) {
        let (session, outcome) = (change.session(), self.take_change(change));
        self.effect(Effect::Answer { session, outcome });
    }

    /// A change that a member brings. Those who signed it said it: who brings it says nothing.
    pub(crate) fn on_change(&mut self, inbound: &Inbound<'_>, change: &Change) {
        if let Err(code) = self.take_change(change) {
            self.ignored(inbound, code);
        }
    }

    fn take_change(&mut self, change: &Change) -> Result<(), Code> {
        match self.next_version() {
            Some(known) if known.definition() == change.definition() => return Ok(()),
            Some(_) => return Err(Code::ChangeConflict),
            None if change.definition().previous() != Some(self.definition.digest()) => {
                return Err(Code::DefinitionMismatch);
            }
            // What is held stays: a block that was mistyped must not keep the network from changing for ever.
            None if change.definition().effective_block() > self.finalised.number.saturating_add(CHANGE_BLOCKS_MAX) => {
                return Err(Code::ChangeTooFarAhead);
            }
            None => {}
        }
        let digest = change.definition().digest();
        self.versions.changes.insert(change.definition().version(), change.clone());
        let note = AuditNote { reference: &digest.0, ..AuditNote::new(change.session(), "definition-stored") };
        self.persist(vec![stored(change, false)], note);
        self.observe(Observation::Version { digest, state: "stored" });
        let others: Vec<_> = self.definition.nodes.keys().copied().filter(|node| *node != self.me).collect();
        let message = Message::DefinitionHeld(digest);
        self.effect(Effect::Send { to: others, session: SessionId::default(), message, class: Class::Protocol });
        self.take_up();
        Ok(())
    }

    /// Takes the next version up where its block is final.
    pub(crate) fn take_up(&mut self) {
        if !self.is_superseded_at(self.finalised.number) {
            return;
        }
        let Some(change) = self.next_version().cloned() else { return };
        let reference = change.signed().to_wire().encode_to_vec();
        let note = AuditNote { reference: &reference, ..AuditNote::new(change.session(), ADOPTED) };
        self.persist(vec![stored(&change, true)], note);
        self.observe(Observation::Version { digest: change.definition().digest(), state: "adopted" });
        self.effect(Effect::Restart);
        self.versions.over = true;
    }

    /// Whether the next version is in force at this block, which is final, though we have not taken it up yet.
    pub(crate) fn is_superseded_at(&self, block: u64) -> bool {
        self.next_version().is_some_and(|change| change.definition().effective_block() <= block)
    }

    // ---- what others hold ----

    /// Says to a peer which version we have.
    fn tell_version(&mut self, to: NodeId) {
        let message = Message::DefinitionHeld(self.newest());
        self.send(to, SessionId::default(), message, Class::Protocol);
    }

    /// A peer says which version it has: it gets the next one, or says what it has to whoever is behind.
    pub(crate) fn on_held(&mut self, inbound: &Inbound<'_>, digest: Digest) {
        let node = inbound.from;
        self.versions.held.insert(node, digest);
        if digest == self.newest() || !self.dues.entry(node).or_default().allow_version(self.now.monotonic) {
            return;
        }
        if self.definition.has_been(digest) { self.tell_change(node, digest) } else { self.tell_version(node) }
    }

    /// A peer's greeting names another version: it takes no part in any session here, and hears of what it lacks.
    pub(crate) fn peer_elsewhere(&mut self, node: NodeId, digest: Digest) {
        self.connected.remove(&node);
        self.versions.elsewhere.insert(node);
        self.versions.held.insert(node, digest);
        self.observe(Observation::Elsewhere { peer: node, ours: self.definition.digest(), theirs: digest });
        if self.definition.has_been(digest) && self.dues.entry(node).or_default().allow_version(self.now.monotonic) {
            self.tell_change(node, digest);
        }
    }

    /// The version of a peer, as its greeting says, is ours.
    pub(crate) fn peer_is_here(&mut self, node: NodeId) {
        self.versions.elsewhere.remove(&node);
        self.tell_next_version(node);
    }

    /// Says to a peer, while the next version waits for its block, that we have that.
    pub(crate) fn tell_next_version(&mut self, to: NodeId) {
        if self.next_version().is_some() {
            self.tell_version(to);
        }
    }

    /// A channel closed.
    pub(crate) fn versions_forget(&mut self, node: NodeId) {
        self.versions.elsewhere.remove(&node);
    }

    /// Whether a peer runs another version than we do.
    pub(crate) fn is_elsewhere(&self, node: NodeId) -> bool {
        self.versions.elsewhere.contains(&node)
    }

    fn tell_change(&mut self, to: NodeId, theirs: Digest) {
        let follows = |change: &&Change| change.definition().previous() == Some(theirs);
        let Some(change) = self.versions.changes.values().find(follows) else { return };
        let message = Message::DefinitionChange(Box::new(change.clone()));
        self.send(to, SessionId::default(), message, Class::Protocol);
    }

    /// The version in force, the next one, and who has it.
    #[must_use]
    pub fn versions(&self) -> VersionsView {
        let newest = self.newest();
        let others = self.versions.held.iter().filter(|(_, held)| **held == newest).map(|(node, _)| *node);
        VersionsView {
            current: self.definition.clone(),
            next: self.next_version().cloned(),
            finalised: self.finalised.number,
            holders: others.chain([self.me]).collect(),
        }
    }
}
