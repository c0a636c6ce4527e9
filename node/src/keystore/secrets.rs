//! The secrets the host handles. None of them can be printed, copied or serialised, and each is wiped when it
//! goes out of scope.

use zeroize::Zeroizing;

use super::KeystoreError;
use super::seal::random;

/// What the operator knows.
pub(crate) struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// Takes the bytes over; [`super::PassphraseSource`] is the normal way to one.
    pub(crate) fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// The libp2p identity in its protobuf form.
pub(crate) struct TransportIdentity(Zeroizing<Vec<u8>>);

impl TransportIdentity {
    /// Takes the encoded key pair over.
    pub(crate) fn new(protobuf: Zeroizing<Vec<u8>>) -> Self {
        Self(protobuf)
    }

    /// The encoded key pair, for the transport to decode.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// The Ethereum key that pays for submissions. It authorises nothing but its own gas.
pub(crate) struct RelayerKey(Zeroizing<[u8; 32]>);

impl RelayerKey {
    /// Takes the private scalar over.
    pub(crate) fn new(scalar: Zeroizing<[u8; 32]>) -> Self {
        Self(scalar)
    }

    /// The private scalar, for the chain adapter's signer.
    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

/// What the vault derives its author, decryption and record keys from.
pub(crate) struct VaultRoot(Zeroizing<[u8; 32]>);

impl VaultRoot {
    /// A new root from the operating system's generator.
    pub(crate) fn generate() -> Result<Self, KeystoreError> {
        Ok(Self(random()?))
    }

    pub(crate) fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// A copy for a vault. The root itself stays for the next start under another version of the definition.
    pub(crate) fn copied(&self) -> Zeroizing<[u8; 32]> {
        self.0.clone()
    }

    pub(super) fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Everything a new keystore is filled with.
pub(crate) struct Secrets {
    /// Who the node is on the network.
    pub(crate) transport: TransportIdentity,
    /// Absent on a node that never submits to the chain.
    pub(crate) relayer: Option<RelayerKey>,
    /// Where the vault's keys come from.
    pub(crate) vault_root: VaultRoot,
}

/// An opened keystore.
pub(crate) struct Unlocked {
    /// Who the node is on the network.
    pub(crate) transport: TransportIdentity,
    /// Absent on a node that never submits to the chain.
    pub(crate) relayer: Option<RelayerKey>,
    /// Where the vault's keys come from.
    pub(crate) vault_root: VaultRoot,
    /// Made with `insecure-fast-kdf`. `open` has warned already; `status` and `doctor` repeat it.
    pub(crate) insecure_kdf: bool,
}
