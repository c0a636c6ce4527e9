//! Frames: envelopes on their way, and the names of what is in them.

use crate::history::ProcessId;
use crate::scenario::VERSIONS_MAX;
use firn_proto::{Definition, Message, NodeId, SessionId, Verified, envelope};
use std::cell::OnceCell;
use std::rc::Rc;

/// Bytes that were said once, to one or many.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) bytes: Vec<u8>,
    /// Authentication is a function of the bytes and of the version under which they are read: done once for each, not once
    /// per receiver.
    verified: [OnceCell<Option<Box<Verified<Message>>>>; VERSIONS_MAX + 1],
}

impl Said {
    pub(super) fn new(bytes: Vec<u8>) -> Rc<Self> {
        Rc::new(Self { bytes, verified: Default::default() })
    }

    pub(super) fn verified(&self, definition: &Definition) -> Option<&Verified<Message>> {
        let index = usize::try_from(definition.version()).ok()?.checked_sub(1)?;
        let cell = self.verified.get(index)?;
        cell.get_or_init(|| envelope::verify(&self.bytes, definition).ok().map(Box::new)).as_deref()
    }
}

/// One envelope to one receiver.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// Its number in the run.
    pub(super) number: u64,
    pub(super) from: ProcessId,
    pub(super) to: NodeId,
    pub(super) kind: &'static str,
    pub(super) session: SessionId,
    /// The version under which its sender runs.
    pub(super) version: u32,
    /// How many batches its sender had synced when it was said.
    pub(super) syncs: u64,
    pub(super) said: Rc<Said>,
}

/// The name of a message's kind, as in `firn.proto`, in kebab-case.
#[must_use]
pub fn kind(message: &Message) -> &'static str {
    match message {
        Message::KeyProposal(_) => "key-proposal",
        Message::KeyAccept => "key-accept",
        Message::KeyRound1(_) => "key-round1",
        Message::KeyEcho(_) => "key-echo",
        Message::KeyShares(_) => "key-shares",
        Message::KeyRedeal(_) => "key-redeal",
        Message::KeyComplaint(_) => "key-complaint",
        Message::KeyCertified(_) => "key-certified",
        Message::KeyCertificate(_) => "key-certificate",
        Message::KeyAbort(_) => "key-abort",
        Message::KeyAbandon(_) => "key-abandon",
        Message::RepairAsk(_) => "key-repair",
        Message::RepairConsent => "key-repair-consent",
        Message::RepairDeltas(_) => "key-repair-deltas",
        Message::RepairSigma(_) => "key-repair-sigma",
        Message::Relay(_) => "relay",
        Message::RequestSpread { .. } => "request-spread",
        Message::Willingness(_) => "willingness",
        Message::Solicit { .. } => "solicit",
        Message::SigningPackage(_) => "signing-package",
        Message::SignatureShare(_) => "signature-share",
        Message::ShareRefused { .. } => "share-refused",
        Message::Signed(_) => "signed",
        Message::Heads(_) => "heads",
        Message::CommitmentsWanted { .. } => "commitments-wanted",
        Message::CommitmentsOffered(_) => "commitments-offered",
        Message::Opinion(_) => "opinion",
        Message::Checkpoint(_) => "checkpoint",
        Message::DefinitionChange(_) => "definition-change",
        Message::DefinitionHeld(_) => "definition-held",
        Message::Pause(_) => "pause",
    }
}
