//! Nonce commitments, each signed by its owner, so that no coordinator can pass on others.

use crate::author::AuthorSignature;
use crate::certificate::signature_from;
use crate::code::{Code, Refusal};
use crate::definition::Definition;
use crate::digest::CanonicalHasher;
use crate::ids::{Digest, Epoch, Incarnation, KeyId, NetworkId, NodeId};
use crate::point::Point;
use crate::time::WallTime;
use crate::wire;

/// What an owner says of a pair of nonce commitments (RFC 9591 section 5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommitmentStatement {
    /// The key.
    pub key_id: KeyId,
    /// The epoch of the share they belong to.
    pub epoch: Epoch,
    /// The one coordinator that they are offered to.
    pub coordinator: NodeId,
    /// Whose nonces they commit to.
    pub owner: NodeId,
    /// The owner's boot: the nonces die with it.
    pub incarnation: Incarnation,
    /// Counts the owner's commitments within the boot.
    pub serial: u64,
    /// When the owner forgets the nonces, if they are not used by then.
    pub expires: WallTime,
    /// Commitment to the hiding nonce.
    pub hiding: Point,
    /// Commitment to the binding nonce.
    pub binding: Point,
}

/// Commitments with their owner's signature. Values from peers were verified.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Commitments {
    statement: CommitmentStatement,
    signature: AuthorSignature,
}

impl Commitments {
    /// Signs a statement. Called by the vault, which alone has the author key.
    #[must_use]
    pub fn seal(
        network: NetworkId,
        statement: CommitmentStatement,
        sign: impl FnOnce(Digest) -> AuthorSignature,
    ) -> Self {
        Self { signature: sign(statement.digest(network)), statement }
    }

    /// What the owner says.
    #[must_use]
    pub fn statement(&self) -> &CommitmentStatement {
        &self.statement
    }

    /// Reads the wire form and checks the owner's signature.
    ///
    /// # Errors
    /// `BODY_MALFORMED`, `POINT_INVALID`, `SENDER_UNKNOWN`, `ENVELOPE_SIGNATURE_INVALID`.
    pub fn from_wire(wire: &wire::Commitments, definition: &Definition) -> Result<Self, Refusal> {
        let malformed = |field: &str| Refusal::new(Code::BodyMalformed, field);
        let node = |id: u32, field: &str| u16::try_from(id).map(NodeId).map_err(|_| malformed(field));
        let statement = CommitmentStatement {
            key_id: KeyId(Digest::from_slice(&wire.key_id).ok_or_else(|| malformed("key_id"))?),
            epoch: Epoch(wire.epoch),
            coordinator: node(wire.coordinator, "coordinator")?,
            owner: node(wire.owner, "owner")?,
            incarnation: Incarnation::from_wire(wire.incarnation),
            serial: wire.serial,
            expires: WallTime(wire.expires),
            hiding: Point::from_slice(&wire.hiding)?,
            binding: Point::from_slice(&wire.binding)?,
        };
        let signature = signature_from(&wire.signature)?;
        let owner = definition.nodes.get(&statement.owner);
        owner
            .ok_or_else(|| Refusal::new(Code::SenderUnknown, statement.owner.to_string()))?
            .author_key
            .verify(statement.digest(definition.network_id()), &signature)?;
        Ok(Self { statement, signature })
    }

    /// The wire form.
    #[must_use]
    pub fn to_wire(&self) -> wire::Commitments {
        let statement = &self.statement;
        wire::Commitments {
            key_id: statement.key_id.0.0.to_vec(),
            epoch: statement.epoch.0,
            coordinator: statement.coordinator.0.into(),
            owner: statement.owner.0.into(),
            incarnation: statement.incarnation.to_wire(),
            serial: statement.serial,
            expires: statement.expires.0,
            hiding: statement.hiding.as_bytes().to_vec(),
            binding: statement.binding.as_bytes().to_vec(),
            signature: self.signature.0.to_vec(),
        }
    }
}

impl CommitmentStatement {
    fn digest(&self, network: NetworkId) -> Digest {
        CanonicalHasher::new("firn/commitments/v1")
            .field(network.0.0)
            .field(self.key_id.0.0)
            .number(self.epoch.0)
            .number(self.coordinator.0)
            .number(self.owner.0)
            .number(self.incarnation.to_wire())
            .number(self.serial)
            .number(self.expires.0)
            .field(self.hiding.as_bytes())
            .field(self.binding.as_bytes())
            .finish()
    }
}
