//! The signed envelope around every protocol message, and the only way to a [`Verified`] one.

use crate::author::AuthorSignature;
use crate::code::{Code, Refusal};
use crate::definition::Definition;
use crate::digest::CanonicalHasher;
use crate::ids::{Digest, Incarnation, NetworkId, NodeId, SessionId};
use crate::limits::FRAME_BYTES_MAX;
use crate::message::Message;
use crate::wire;
use prost::Message as _;

/// The protocol version that this release speaks.
pub const VERSION: u32 = 1;

/// Who says something, in which session, and as their how-manieth envelope.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The network.
    pub network: NetworkId,
    /// The session, or zero.
    pub session: SessionId,
    /// The author.
    pub sender: NodeId,
    /// The author's boot.
    pub incarnation: Incarnation,
    /// The author's envelope count within the incarnation.
    pub sequence: u64,
}

/// A message whose author's signature, and every signature nested in it, was checked against the definition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verified<T> {
    header: Header,
    content: T,
    envelope: Vec<u8>,
}

impl<T> Verified<T> {
    /// The signed header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The message.
    #[must_use]
    pub fn content(&self) -> &T {
        &self.content
    }

    /// The envelope as it was signed: transferable evidence of who said this.
    #[must_use]
    pub fn envelope(&self) -> &[u8] {
        &self.envelope
    }
}

/// Checks an envelope from a peer: size, canonical form, version, network, author's signature, then the message and
/// every signature in it.
///
/// # Errors
/// The first check that fails, as a refusal. Nothing here allocates more than the frame itself before the size is known.
pub fn verify(bytes: &[u8], definition: &Definition) -> Result<Verified<Message>, Refusal> {
    if bytes.len() > FRAME_BYTES_MAX {
        return Err(Refusal::new(Code::EnvelopeTooLarge, format!("{} bytes", bytes.len())));
    }
    let envelope: wire::Envelope = decode_strict(bytes).ok_or_else(|| Refusal::new(Code::EnvelopeMalformed, ""))?;
    if envelope.version != VERSION {
        return Err(Refusal::new(Code::EnvelopeVersion, format!("version {}", envelope.version)));
    }
    let malformed = |field: &str| Refusal::new(Code::EnvelopeMalformed, field);
    let network = NetworkId(Digest::from_slice(&envelope.network).ok_or_else(|| malformed("network"))?);
    if network != definition.network_id() {
        return Err(Refusal::new(Code::NetworkMismatch, format!("{} is not ours", network.0)));
    }
    let sender = u16::try_from(envelope.sender).map(NodeId).map_err(|_| malformed("sender"))?;
    let header = Header {
        network,
        session: SessionId(Digest::from_slice(&envelope.session).ok_or_else(|| malformed("session"))?),
        sender,
        incarnation: Incarnation::from_wire(envelope.incarnation),
        sequence: envelope.sequence,
    };
    let author = definition.nodes.get(&sender).ok_or_else(|| Refusal::new(Code::SenderUnknown, sender.to_string()))?;
    let signature =
        envelope.signature.as_slice().try_into().map(AuthorSignature).map_err(|_| malformed("signature"))?;
    author.author_key.verify(signing_digest(&header, envelope.kind, &envelope.body), &signature)?;
    let content = Message::decode(envelope.kind, &envelope.body, &header, definition)?;
    Ok(Verified { header, content, envelope: bytes.to_vec() })
}

/// Encodes and signs a message. Called by the vault, which alone has the author key.
#[must_use]
pub fn seal(header: &Header, message: &Message, mut sign: impl FnMut(Digest) -> AuthorSignature) -> Vec<u8> {
    let (kind, body) = match message {
        // It is shown to others without the envelope, so it is signed for itself.
        Message::Checkpoint(checkpoint) => {
            Message::Checkpoint(checkpoint.sign(header.sender, header.network, &mut sign)).encode()
        }
        message => message.encode(),
    };
    let signature = sign(signing_digest(header, kind, &body));
    wire::Envelope {
        version: VERSION,
        network: header.network.0.0.to_vec(),
        session: header.session.0.0.to_vec(),
        sender: header.sender.0.into(),
        incarnation: header.incarnation.to_wire(),
        sequence: header.sequence,
        kind,
        body,
        signature: signature.0.to_vec(),
    }
    .encode_to_vec()
}

/// Decodes one protobuf message and refuses every encoding but the canonical one.
#[must_use]
pub fn decode_strict<M: prost::Message + Default>(bytes: &[u8]) -> Option<M> {
    let message = M::decode(bytes).ok()?;
    (message.encode_to_vec() == bytes).then_some(message)
}

fn signing_digest(header: &Header, kind: u32, body: &[u8]) -> Digest {
    CanonicalHasher::new("firn/envelope/v1")
        .number(VERSION)
        .field(header.network.0.0)
        .field(header.session.0.0)
        .number(header.sender.0)
        .number(header.incarnation.to_wire())
        .number(header.sequence)
        .number(kind)
        .field(body)
        .finish()
}
