//! V1: what honest nodes give out as a signature, the contract takes.

use super::{Invariant, Sight, violation, wire};
use crate::history::{Entry, What};
use crate::verdict::Violation;
use firn_proto::{Digest, GroupSignature, Message, SubjectId, Verified};
use std::collections::BTreeSet;

/// Signatures that were found good, by the digest under them.
#[derive(Debug, Default)]
pub struct V1(BTreeSet<(Digest, [u8; 96])>);

impl Invariant for V1 {
    fn id(&self) -> &'static str {
        "V1"
    }

    fn statement(&self) -> &'static str {
        "Every signature that an honest node emits, on the wire or to a client, verifies as FrostVerifier does: RFC 9591 \
         section 6.5, here by the stock implementation; tests/ run the contract itself."
    }

    fn see(&mut self, entry: &Entry, sight: &Sight<'_>) -> Option<Violation> {
        match &entry.what {
            What::Signed { digest, signature, subject } => self.check(entry, sight, *subject, Some(*digest), signature),
            What::Sent { kind: "signed", session, .. } => {
                let Some(Message::Signed(signature)) = sight.world.message().map(Verified::content) else {
                    return None;
                };
                let subject = SubjectId::from(*session);
                self.check(entry, sight, subject, sight.wire.digest(subject), signature)
            }
            _ => None,
        }
    }
}

impl V1 {
    fn check(
        &mut self,
        entry: &Entry,
        sight: &Sight<'_>,
        subject: SubjectId,
        digest: Option<Digest>,
        signature: &GroupSignature,
    ) -> Option<Violation> {
        let (id, _) = sight.honest(entry)?;
        let digest = digest?;
        let known = (digest, *signature.as_bytes());
        if self.0.contains(&known) {
            return None;
        }
        let held = sight.wire.held().filter(|(node, _)| *node == id.node);
        let mut keys = held.map(|(_, held)| held.group_key);
        if keys.any(|key| wire::verifies(&key, digest, signature)) {
            self.0.insert(known);
            return None;
        }
        violation("V1", entry, format!("signature {signature} of {subject} does not verify under any key of the node"))
    }
}
