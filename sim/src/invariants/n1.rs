//! N1: a nonce commitment pair appears in at most one released share.

use super::{Invariant, Sight, violation};
use crate::history::{Entry, What};
use crate::verdict::Violation;
use firn_proto::commitments::CommitmentStatement;
use firn_proto::{Digest, Message, Verified};
use std::collections::BTreeMap;

/// By point, the package that it went into, at the vaults' boundary; by pair, the share that left, on the wire.
#[derive(Debug, Default)]
pub struct N1 {
    released: BTreeMap<Vec<u8>, Digest>,
    sent: BTreeMap<Vec<u8>, (Digest, Vec<u8>)>,
}

impl Invariant for N1 {
    fn id(&self) -> &'static str {
        "N1"
    }

    fn statement(&self) -> &'static str {
        "A nonce commitment pair appears in at most one released share of an honest node, across crash, rollback, cold \
         twin and a repeating generator (SECURITY R36 to R38; RFC 9591 section 5)."
    }

    fn see(&mut self, entry: &Entry, sight: &Sight<'_>) -> Option<Violation> {
        let (_, process) = sight.honest(entry)?;
        match &entry.what {
            What::Released { own, package, .. } => {
                // Either of the two, in either place: one nonce in two shares is as bad as a pair.
                for point in [own.hiding, own.binding] {
                    let before = *self.released.entry(point.compressed().to_vec()).or_insert(*package);
                    if before != *package {
                        return violation("N1", entry, format!("nonces of package {before} used again for {package}"));
                    }
                }
            }
            What::Sent { kind: "signature-share", .. } => {
                let Some(Message::SignatureShare(share)) = sight.world.message().map(Verified::content) else {
                    return None;
                };
                let node = entry.process.map(|process| process.node)?;
                let own = sight.wire.package(share.package)?.commitments.get(&node)?.statement();
                let said = (share.package, share.share.as_bytes().to_vec());
                let before = self.sent.entry(pair(own)).or_insert_with(|| said.clone());
                if *before != said {
                    let boot = process.incarnation;
                    let detail = format!("two shares left for one pair, in boot {boot:?}: {} and {}", before.0, said.0);
                    return violation("N1", entry, detail);
                }
            }
            _ => {}
        }
        None
    }
}

fn pair(own: &CommitmentStatement) -> Vec<u8> {
    [own.hiding.compressed(), own.binding.compressed()].concat()
}
