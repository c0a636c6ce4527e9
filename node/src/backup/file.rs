//! What a backup file says once it is decrypted: a public manifest, then the secrets, which no derived type ever holds.

use crate::keystore::{RelayerKey, TransportIdentity, VaultRoot};
use firn_coordinator::api::Record;
use firn_proto::envelope::decode_strict;
use firn_proto::{Code, Refusal};
use firn_vault::backup::BackupKey;
use prost::Message as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use zeroize::Zeroizing;

/// The format that this release writes, and the newest it reads.
pub(crate) const SCHEMA: u32 = 1;

const MAGIC: &[u8] = b"firn backup\n";

/// Some hundred keys of a hundred members at 15 kB, and as many versions of the definition.
pub(crate) const FILE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The text of a backup; one that is too long is cut, and refused by whoever decrypts it.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

/// Everything that is public.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Manifest {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) network: Vec<u8>,
    /// The version in force: its digest and number.
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) definition: Vec<u8>,
    #[prost(uint32, tag = "3")]
    pub(crate) version: u32,
    #[prost(uint32, tag = "4")]
    pub(crate) node: u32,
    #[prost(string, tag = "5")]
    pub(crate) name: String,
    /// In seconds since the Unix epoch.
    #[prost(uint64, tag = "6")]
    pub(crate) created: u64,
    /// The definition that the node was set up with, as `network.toml` has it.
    #[prost(string, tag = "7")]
    pub(crate) root: String,
    /// The signed changes since.
    #[prost(message, repeated, tag = "8")]
    pub(crate) changes: Vec<Change>,
    #[prost(message, repeated, tag = "9")]
    pub(crate) keys: Vec<Kept>,
}

/// A change of the definition, as the store has it.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Change {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) change: Vec<u8>,
}

/// A key and the sealed share of it.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Kept {
    /// The certificate in its wire form: it names key, epoch, members and verifying shares.
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) certificate: Vec<u8>,
    /// The activation's signature, where it was known.
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) activation: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) share: Vec<u8>,
}

/// What nobody but the recipients may see.
pub(crate) struct Secrets {
    /// Opens the sealed shares.
    pub(crate) key: BackupKey,
    pub(crate) identity: Option<Identity>,
}

/// Who the node is, for a machine that has nothing of it.
pub(crate) struct Identity {
    pub(crate) root: VaultRoot,
    pub(crate) transport: TransportIdentity,
    pub(crate) relayer: Option<RelayerKey>,
    /// Its `config.toml`, in which endpoints have keys of their providers.
    pub(crate) config: String,
}

/// A decrypted backup.
pub(crate) struct Backup {
    pub(crate) manifest: Manifest,
    pub(crate) secrets: Secrets,
}

impl From<Record> for Change {
    fn from(record: Record) -> Self {
        let version = record.key.as_slice().try_into().map(u32::from_be_bytes).unwrap_or_default();
        Self { version, change: record.value.unwrap_or_default() }
    }
}

impl Backup {
    /// Magic, schema, then each field with its length in front. The buffer never grows, so no copy stays behind unwiped.
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let manifest = self.manifest.encode_to_vec();
        let identity = self.secrets.identity.as_ref();
        let root = identity.map(|identity| identity.root.copied());
        let relayer = identity.and_then(|identity| identity.relayer.as_ref());
        let fields: [&[u8]; 6] = [
            &manifest,
            self.secrets.key.as_bytes().as_slice(),
            root.as_ref().map_or(&[], |root| root.as_slice()),
            identity.map_or(&[], |identity| identity.transport.expose()),
            relayer.map_or(&[], |relayer| relayer.expose().as_slice()),
            identity.map_or(&[], |identity| identity.config.as_bytes()),
        ];
        let capacity = MAGIC.len() + 4 + fields.iter().map(|field| 8 + field.len()).sum::<usize>();
        let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&SCHEMA.to_be_bytes());
        for field in fields {
            bytes.extend_from_slice(&(field.len() as u64).to_be_bytes());
            bytes.extend_from_slice(field);
        }
        assert_eq!(bytes.len(), capacity, "the buffer was sized for exactly this content");
        bytes
    }

    /// Reads the one encoding; anything cut, extended or changed is refused.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        let malformed = |what: &str| Refusal::new(Code::BackupMalformed, what);
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| malformed("it does not begin as one"))?;
        let (schema, mut rest) = rest.split_first_chunk().ok_or_else(|| malformed("it is cut"))?;
        let schema = u32::from_be_bytes(*schema);
        if schema > SCHEMA {
            return Err(Refusal::new(Code::BackupNewer, format!("format {schema}, this release reads {SCHEMA}")));
        }
        if schema != SCHEMA {
            return Err(malformed("there is no such format"));
        }
        let mut field = || {
            let (length, after) = rest.split_first_chunk().ok_or_else(|| malformed("it is cut"))?;
            let length = usize::try_from(u64::from_be_bytes(*length)).unwrap_or(usize::MAX);
            let (field, after) = after.split_at_checked(length).ok_or_else(|| malformed("it is cut"))?;
            rest = after;
            Ok(field)
        };
        let (manifest, key, root) = (field()?, field()?, field()?);
        let (transport, relayer, config) = (field()?, field()?, field()?);
        if !rest.is_empty() {
            return Err(malformed("something follows its end"));
        }
        let manifest = decode_strict(manifest).ok_or_else(|| malformed("its manifest does not read"))?;
        let key = BackupKey::from_bytes(exact(key).ok_or_else(|| malformed("its key is not 32 bytes"))?);
        let identity = match (root.is_empty(), transport.is_empty() && relayer.is_empty() && config.is_empty()) {
            (true, true) => None,
            (true, false) => return Err(malformed("it has half an identity")),
            (false, _) => {
                let secret = |bytes| exact(bytes).ok_or_else(|| malformed("a secret in it is not 32 bytes"));
                let relayer = Some(relayer).filter(|bytes| !bytes.is_empty());
                let config = std::str::from_utf8(config).map_err(|_| malformed("its configuration is no text"))?;
                Some(Identity {
                    root: VaultRoot::new(secret(root)?),
                    transport: TransportIdentity::new(Zeroizing::new(transport.to_vec())),
                    relayer: relayer.map(|bytes| Ok(RelayerKey::new(secret(bytes)?))).transpose()?,
                    config: config.to_owned(),
                })
            }
        };
        Ok(Self { manifest, secrets: Secrets { key, identity } })
    }
}

fn exact(bytes: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let mut out = Zeroizing::new([0; 32]);
    (bytes.len() == out.len()).then(|| out.copy_from_slice(bytes))?;
    Some(out)
}
