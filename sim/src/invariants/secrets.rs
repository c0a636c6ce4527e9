//! What must stay secret, derived anew from a node's root: the test-only twin of the vault's own key hierarchy. With it, a
//! checker opens sealed records to see that they can be recovered, and knows which bytes may appear nowhere.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use firn_proto::digest::CanonicalHasher;
use firn_proto::{Epoch, Identifier, KeyId, NetworkId, NodeId, Point};
use hkdf::Hkdf;
use k256::elliptic_curve::PrimeField;
use k256::{ProjectivePoint, Scalar};
use sha2::Sha256;
use std::collections::BTreeMap;

/// Schema byte and nonce of a sealed record.
const HEAD: usize = 1 + 24;

/// The long-lived secrets of one node.
#[derive(Debug)]
pub struct Keys {
    network: NetworkId,
    node: NodeId,
    root: [u8; 32],
    author: [u8; 32],
    decryption: [u8; 32],
    sealing: [u8; 32],
}

impl Keys {
    /// Of the node with this root secret.
    #[must_use]
    pub fn new(network: NetworkId, node: NodeId, root: [u8; 32]) -> Self {
        let derive = |label: &str| {
            let mut key = [0; 32];
            let info = [label.as_bytes(), &[0]].concat();
            let derived = Hkdf::<Sha256>::new(None, &root).expand(&info, &mut key);
            assert!(derived.is_ok(), "32 bytes are below HKDF's bound");
            key
        };
        Self {
            network,
            node,
            root,
            author: derive("firn/vault/author/v1"),
            decryption: derive("firn/vault/share-decryption/v1"),
            sealing: derive("firn/vault/record/v1"),
        }
    }

    /// The secrets themselves, with names.
    #[must_use]
    pub fn all(&self) -> [(&'static str, [u8; 32]); 4] {
        [("root", self.root), ("author key", self.author), ("vault key", self.decryption), ("seal key", self.sealing)]
    }

    /// What a sealed share record under `record_key` holds, if it opens.
    #[must_use]
    pub fn held(&self, record_key: &[u8], sealed: &[u8]) -> Option<Held> {
        let (key_id, _) = record_key.strip_prefix(b"share/")?.split_first_chunk::<32>()?;
        let data = self.data(record_key, *sealed.first()?)?;
        let cipher = XChaCha20Poly1305::new((&self.sealing).into());
        let payload = Payload { msg: sealed.get(HEAD..)?, aad: &data.0 };
        let content = cipher.decrypt(XNonce::from_slice(sealed.get(1..HEAD)?), payload).ok()?;
        Held::read(KeyId(firn_proto::Digest(*key_id)), &content)
    }

    /// The same record with another share in it: for a bug.
    pub(crate) fn foreign(&self, record_key: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let data = self.data(record_key, *sealed.first()?)?;
        let cipher = XChaCha20Poly1305::new((&self.sealing).into());
        let (head, body) = sealed.split_at_checked(HEAD)?;
        let nonce = XNonce::from_slice(head.get(1..)?);
        let mut content = cipher.decrypt(nonce, Payload { msg: body, aad: &data.0 }).ok()?;
        content.get_mut(31).into_iter().for_each(|byte| *byte ^= 1);
        let body = cipher.encrypt(nonce, Payload { msg: &content, aad: &data.0 }).ok()?;
        Some([head, &body].concat())
    }

    /// What a share record is bound to.
    fn data(&self, record_key: &[u8], schema: u8) -> Option<firn_proto::Digest> {
        let suffix = record_key.strip_prefix(b"share/")?;
        let (key_id, epoch) = suffix.split_first_chunk::<32>()?;
        let epoch = Epoch(u32::from_be_bytes(epoch.try_into().ok()?));
        let data = CanonicalHasher::new("firn/vault-record/v1")
            .field("share/")
            .field(self.network.0.0)
            .number(self.node.0)
            .field(key_id)
            .number(epoch.0)
            .number(schema)
            .field(record_key)
            .finish();
        Some(data)
    }
}

/// The content of a share record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// The key.
    pub key_id: KeyId,
    /// Whose share it is.
    pub identifier: Identifier,
    /// How many shares sign.
    pub threshold: u16,
    /// The secret.
    pub share: [u8; 32],
    /// Digest of what was said in public.
    pub transcript: [u8; 32],
    /// The public key package.
    pub group_key: Point,
    /// Of all members.
    pub verifying_shares: BTreeMap<Identifier, Point>,
}

impl Held {
    fn read(key_id: KeyId, content: &[u8]) -> Option<Self> {
        let (share, rest) = content.split_first_chunk::<32>()?;
        let (identifier, rest) = rest.split_first_chunk::<2>()?;
        let (threshold, rest) = rest.split_first_chunk::<2>()?;
        let (transcript, rest) = rest.split_first_chunk::<32>()?;
        let (group_key, rest) = rest.split_first_chunk::<65>()?;
        let (name, rest) = rest.split_first_chunk::<8>()?;
        // The proposal: name, proposer, deadline, salt and definition.
        let rest = rest.get(usize::try_from(u64::from_be_bytes(*name)).ok()?.checked_add(2 + 8 + 64)?..)?;
        let (count, rest) = rest.split_first_chunk::<8>()?;
        let (members, _) = rest.as_chunks::<67>();
        let members = members.get(..usize::try_from(u64::from_be_bytes(*count)).ok()?)?;
        let member = |bytes: &[u8; 67]| {
            let (identifier, point) = bytes.split_first_chunk::<2>()?;
            Some((Identifier(u16::from_be_bytes(*identifier)), Point::from_slice(point).ok()?))
        };
        Some(Self {
            key_id,
            identifier: Identifier(u16::from_be_bytes(*identifier)),
            threshold: u16::from_be_bytes(*threshold),
            share: *share,
            transcript: *transcript,
            group_key: Point::from_slice(group_key).ok()?,
            verifying_shares: members.iter().map(member).collect::<Option<_>>()?,
        })
    }

    /// Whether the share belongs to its verifying share.
    #[must_use]
    pub fn fits(&self) -> bool {
        let public = public(&self.share);
        public.is_some() && self.verifying_shares.get(&self.identifier) == public.as_ref()
    }
}

/// The public point of a share; `None` for what is no share.
#[must_use]
pub fn public(share: &[u8; 32]) -> Option<Point> {
    Point::from_affine(&(ProjectivePoint::GENERATOR * scalar(share)?).to_affine())
}

/// The public point of the secret that these shares give (RFC 9591 appendix C, interpolation at zero).
#[must_use]
pub fn reconstruct(shares: &BTreeMap<Identifier, [u8; 32]>) -> Option<Point> {
    let number = |identifier: &Identifier| Scalar::from(u64::from(identifier.0));
    let mut secret = Scalar::ZERO;
    for (identifier, share) in shares {
        let (mut numerator, mut denominator) = (Scalar::ONE, Scalar::ONE);
        for other in shares.keys().filter(|other| *other != identifier) {
            numerator *= number(other);
            denominator *= number(other) - number(identifier);
        }
        secret += scalar(share)? * numerator * Option::<Scalar>::from(denominator.invert())?;
    }
    Point::from_affine(&(ProjectivePoint::GENERATOR * secret).to_affine())
}

fn scalar(bytes: &[u8; 32]) -> Option<Scalar> {
    Option::from(Scalar::from_repr((*bytes).into()))
}
