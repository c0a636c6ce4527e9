//! Checkpoints: what a node's audit log is told by, signed by the node and by those who hold it against it (docs/spec/audit.md).
//!
//! As text it is a note (C2SP signed-note), whose lines are those of C2SP's tlog-checkpoint. Its hash is that of the last entry
//! of a hash chain, not of a tree.

use crate::author::AuthorSignature;
use crate::code::{Code, Refusal};
use crate::definition::Definition;
use crate::digest::CanonicalHasher;
use crate::ids::{Digest, NetworkId, NodeId};
use crate::wire;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// The algorithm of a signature line: 0xff and a name, as signed-note has it for what is in no registry.
const ALGORITHM: &[u8] = b"\xfffirn/bip340";

/// Longest note that is read: a line of text and one signature of each of 100 nodes is 30 kB.
const NOTE_BYTES_MAX: usize = 64 * 1024;

/// A log's length, and the hash of its last entry: what a log of this length is told by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Head {
    /// How many entries it has.
    pub size: u64,
    /// Hash of the last; zero where there is none.
    pub hash: Digest,
}

/// Whose log has which head, said in the how-manieth start of that node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// The log's node.
    pub owner: NodeId,
    /// The head.
    pub head: Head,
    /// How often the node has started.
    pub boot: u32,
}

/// A checkpoint on its way: signed by its owner, and by the peer that sends it back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignedCheckpoint {
    /// What is signed.
    pub checkpoint: Checkpoint,
    /// The owner's signature. `None` only before the owner's vault has authored the message.
    pub signature: Option<AuthorSignature>,
    /// The sender's, where it is not the owner. `None` only before its vault has authored the message.
    pub cosignature: Option<AuthorSignature>,
}

/// A checkpoint with everybody who signed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// What is signed.
    pub checkpoint: Checkpoint,
    /// By node, each verified.
    pub signatures: BTreeMap<NodeId, AuthorSignature>,
}

impl Checkpoint {
    /// The text that is signed: origin, size, hash in base64, and the start, a line each.
    #[must_use]
    pub fn text(&self, network: NetworkId) -> String {
        let hash = STANDARD.encode(self.head.hash.0);
        format!("{}\n{}\n{hash}\nboot {}\n", name(network, self.owner), self.head.size, self.boot)
    }

    /// What a node's author key signs.
    #[must_use]
    pub fn digest(&self, network: NetworkId) -> Digest {
        CanonicalHasher::new("firn/audit-checkpoint/v1").field(self.text(network)).finish()
    }

    fn verify(&self, signer: NodeId, signature: &AuthorSignature, definition: &Definition) -> Result<(), Refusal> {
        let node = definition.nodes.get(&signer).ok_or_else(|| invalid(format!("node {signer} is not known")))?;
        node.author_key.verify(self.digest(definition.network_id()), signature)
    }
}

impl SignedCheckpoint {
    /// One that is to be signed by whoever authors it.
    #[must_use]
    pub fn unsigned(checkpoint: Checkpoint) -> Self {
        Self { checkpoint, signature: None, cosignature: None }
    }

    /// Signs it as `author`.
    #[must_use]
    pub(crate) fn sign(
        mut self,
        author: NodeId,
        network: NetworkId,
        sign: impl FnOnce(Digest) -> AuthorSignature,
    ) -> Self {
        let own = author == self.checkpoint.owner;
        let place = if own { &mut self.signature } else { &mut self.cosignature };
        *place = Some(sign(self.checkpoint.digest(network)));
        self
    }

    /// The wire form, in messages and in records.
    #[must_use]
    pub fn to_wire(self) -> wire::Checkpoint {
        let bytes = |signature: Option<AuthorSignature>| signature.map(|made| made.0.to_vec()).unwrap_or_default();
        wire::Checkpoint {
            owner: self.checkpoint.owner.0.into(),
            size: self.checkpoint.head.size,
            hash: self.checkpoint.head.hash.0.to_vec(),
            boot: self.checkpoint.boot,
            signature: bytes(self.signature),
            cosignature: bytes(self.cosignature),
        }
    }

    /// Reads what `sender` says: its own checkpoint, or another's with its cosignature.
    ///
    /// # Errors
    /// `BODY_MALFORMED`, naming the field; `ENVELOPE_SIGNATURE_INVALID` where a signature does not fit.
    pub fn from_wire(wire: &wire::Checkpoint, sender: NodeId, definition: &Definition) -> Result<Self, Refusal> {
        let malformed = |field: &str| Refusal::new(Code::BodyMalformed, field);
        let signature = |bytes: &[u8], field| bytes.try_into().map(AuthorSignature).map_err(|_| malformed(field));
        let checkpoint = Checkpoint {
            owner: u16::try_from(wire.owner).map(NodeId).map_err(|_| malformed("owner"))?,
            head: Head { size: wire.size, hash: Digest::from_slice(&wire.hash).ok_or_else(|| malformed("hash"))? },
            boot: wire.boot,
        };
        let owners = signature(&wire.signature, "signature")?;
        checkpoint.verify(checkpoint.owner, &owners, definition)?;
        let cosignature = if sender == checkpoint.owner {
            wire.cosignature.is_empty().then_some(None).ok_or_else(|| malformed("cosignature"))?
        } else {
            let made = signature(&wire.cosignature, "cosignature")?;
            checkpoint.verify(sender, &made, definition)?;
            Some(made)
        };
        Ok(Self { checkpoint, signature: Some(owners), cosignature })
    }
}

impl Note {
    /// The note as text, the owner's signature first.
    #[must_use]
    pub fn to_text(&self, definition: &Definition) -> String {
        let network = definition.network_id();
        let line = |(signer, signature): (&NodeId, &AuthorSignature)| {
            let key = definition.nodes.get(signer)?.author_key.as_bytes();
            let name = name(network, *signer);
            let bytes = [&key_id(&name, key)[..], &signature.0].concat();
            Some(format!("\u{2014} {name} {}\n", STANDARD.encode(bytes)))
        };
        let owners = self.signatures.iter().filter(|(signer, _)| **signer == self.checkpoint.owner);
        let others = self.signatures.iter().filter(|(signer, _)| **signer != self.checkpoint.owner);
        let lines: String = owners.chain(others).filter_map(line).collect();
        format!("{}\n{lines}", self.checkpoint.text(network))
    }

    /// Reads a note and verifies it by the keys of `definition`, none of which is in the note. Lines of signers that are not in
    /// it are passed over, as signed-note asks.
    ///
    /// # Errors
    /// `AUDIT_CHECKPOINT_INVALID`, naming what is wrong.
    pub fn from_text(text: &str, definition: &Definition) -> Result<Self, Refusal> {
        if text.len() > NOTE_BYTES_MAX {
            return Err(invalid(format!("{} bytes, at most {NOTE_BYTES_MAX}", text.len())));
        }
        let (body, lines) = text.split_once("\n\n").ok_or_else(|| invalid("no empty line before the signatures"))?;
        let network = definition.network_id();
        let checkpoint = read(body, definition).filter(|read| read.text(network).trim_end() == body);
        let checkpoint = checkpoint.ok_or_else(|| invalid("its text is no checkpoint of this network"))?;
        let mut signatures = BTreeMap::new();
        for line in lines.lines().filter(|line| !line.is_empty()) {
            let Some((signer, signature)) = read_signature(line, definition)? else { continue };
            let fits = checkpoint.verify(signer, &signature, definition);
            fits.map_err(|_| invalid(format!("the signature of node {signer} does not fit")))?;
            signatures.insert(signer, signature);
        }
        if !signatures.contains_key(&checkpoint.owner) {
            return Err(invalid("its owner has not signed it"));
        }
        Ok(Self { checkpoint, signatures })
    }
}

fn read(body: &str, definition: &Definition) -> Option<Checkpoint> {
    let mut lines = body.lines();
    let (origin, size, hash, boot) = (lines.next()?, lines.next()?, lines.next()?, lines.next()?);
    let owner = definition.nodes.keys().find(|node| name(definition.network_id(), **node) == origin)?;
    let hash = Digest::from_slice(&STANDARD.decode(hash).ok()?)?;
    let boot = boot.strip_prefix("boot ")?.parse().ok()?;
    Some(Checkpoint { owner: *owner, head: Head { size: size.parse().ok()?, hash }, boot })
}

/// One signature line; `None` where its signer is nobody of the definition.
fn read_signature(line: &str, definition: &Definition) -> Result<Option<(NodeId, AuthorSignature)>, Refusal> {
    let malformed = || invalid("a signature line does not read");
    let (signer, encoded) =
        line.strip_prefix("\u{2014} ").and_then(|rest| rest.split_once(' ')).ok_or_else(malformed)?;
    let bytes = STANDARD.decode(encoded).map_err(|_| malformed())?;
    let (id, signature) = bytes.split_at_checked(4).ok_or_else(malformed)?;
    let network = definition.network_id();
    let known = definition.nodes.iter().find(|(node, entry)| {
        let name = name(network, **node);
        name == signer && key_id(&name, entry.author_key.as_bytes()) == id
    });
    let Some((node, _)) = known else { return Ok(None) };
    let signature = signature.try_into().map(AuthorSignature).map_err(|_| malformed())?;
    Ok(Some((*node, signature)))
}

/// A node's name in notes: the same for its log and its key.
fn name(network: NetworkId, node: NodeId) -> String {
    format!("firn/{}/{node}", hex::encode(network.0.0))
}

/// A key's id, as signed-note makes it.
fn key_id(name: &str, key: &[u8; 32]) -> [u8; 4] {
    let hash =
        Sha256::new().chain_update(name).chain_update(b"\n").chain_update(ALGORITHM).chain_update(key).finalize();
    let [a, b, c, d, ..]: [u8; 32] = hash.into();
    [a, b, c, d]
}

fn invalid(detail: impl Into<String>) -> Refusal {
    Refusal::new(Code::AuditCheckpointInvalid, detail)
}
