//! The greeting: who speaks which versions, for which network, under which definition. Pure.

use firn_proto::{envelope::decode_strict, wire};
use prost::Message;

use super::code::{DEFINITION_MISMATCH, HELLO_MALFORMED, NETWORK_MISMATCH, PROTOCOL_VERSION, Refusal};

/// What a node says about itself at the start of each substream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    /// Lowest protocol version spoken, at least 1.
    pub(crate) version_min: u32,
    /// Highest protocol version spoken.
    pub(crate) version_max: u32,
    /// Digest of the genesis definition: names the network for ever.
    pub(crate) network: [u8; 32],
    /// Digest of the definition in force.
    pub(crate) definition: [u8; 32],
    /// Counts this node's starts.
    pub(crate) incarnation: u64,
}

impl Hello {
    /// Encodes with a refusal code, zero for none.
    pub(super) fn encode(&self, refused: u32) -> Vec<u8> {
        wire::Hello {
            version_min: self.version_min,
            version_max: self.version_max,
            network: self.network.to_vec(),
            definition: self.definition.to_vec(),
            incarnation: self.incarnation,
            refused,
        }
        .encode_to_vec()
    }

    /// Decodes strictly; the second value is the refusal code.
    pub(super) fn decode(bytes: &[u8]) -> Result<(Self, u32), Refusal> {
        let wire: wire::Hello = decode_strict(bytes).ok_or_else(|| malformed("not the canonical encoding"))?;
        if wire.version_min == 0 || wire.version_min > wire.version_max {
            return Err(malformed("version range is empty"));
        }
        let digest = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).map_err(|_| malformed("digest is not 32 bytes"));
        let hello = Self {
            version_min: wire.version_min,
            version_max: wire.version_max,
            network: digest(&wire.network)?,
            definition: digest(&wire.definition)?,
            incarnation: wire.incarnation,
        };
        Ok((hello, wire.refused))
    }

    /// Whether we talk, and in which version. Both sides come to the same answer from the same two greetings.
    pub(super) fn judge(&self, theirs: &Self) -> Result<u32, Refusal> {
        if self.network != theirs.network {
            let detail = versus("network", &self.network, &theirs.network);
            return Err(Refusal { code: NETWORK_MISMATCH, detail });
        }
        let version = self.version_max.min(theirs.version_max);
        if version < self.version_min.max(theirs.version_min) {
            let detail = format!(
                "our versions {}..={}, theirs {}..={}",
                self.version_min, self.version_max, theirs.version_min, theirs.version_max
            );
            return Err(Refusal { code: PROTOCOL_VERSION, detail });
        }
        Ok(version)
    }

    /// Why the peer takes part in nothing but telling of versions: it runs another version of the definition.
    pub(super) fn elsewhere(&self, theirs: &Self) -> Option<Refusal> {
        let detail = || versus("definition", &self.definition, &theirs.definition);
        (self.definition != theirs.definition).then(|| Refusal { code: DEFINITION_MISMATCH, detail: detail() })
    }
}

fn malformed(detail: &str) -> Refusal {
    Refusal { code: HELLO_MALFORMED, detail: detail.to_owned() }
}

fn versus(what: &str, ours: &[u8; 32], theirs: &[u8; 32]) -> String {
    format!("our {what} {}, theirs {}", hex::encode(ours), hex::encode(theirs))
}
