//! Backups of a key share: it leaves the vault sealed under a key made for one file, and comes back only as the share that
//! the key's certificate is about.
//!
//! The host puts that key into the same file, and encrypts the whole for people. So a share is never in the clear outside a
//! vault, and moved to another network, node, key or epoch, or under another certificate, it does not open.

use crate::Vault;
use crate::api::Write;
use crate::held::HeldKey;
use crate::record::{Kind, key_record};
use crate::seal::{Place, Sealer};
use firn_proto::certificate::KeyCertificate;
use firn_proto::{Code, Definition, Digest, Epoch, KeyId, NodeId};
use rand_core::{CryptoRng, RngCore};
use zeroize::Zeroizing;

/// The kind in the associated data of a sealed share: no record of a vault has it.
const KIND: &str = "backup/";

/// What the shares of one backup are sealed under: 32 uniform bytes, used for nothing else.
pub struct BackupKey(Zeroizing<[u8; 32]>);

impl BackupKey {
    /// A fresh one.
    pub fn generate<R: RngCore + CryptoRng>(rng: &mut R) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *bytes);
        Self(bytes)
    }

    /// The one that a backup holds.
    #[must_use]
    pub fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// The bytes, for the host to encrypt.
    #[must_use]
    pub fn as_bytes(&self) -> &Zeroizing<[u8; 32]> {
        &self.0
    }
}

impl Vault {
    /// The share of a certified key, sealed for a backup.
    ///
    /// # Errors
    /// `SHARE_MISSING`, `EPOCH_MISMATCH`, `KEY_NOT_READY`.
    pub fn export<R: RngCore + CryptoRng>(
        &self,
        key_id: KeyId,
        epoch: Epoch,
        key: &BackupKey,
        rng: &mut R,
    ) -> Result<Vec<u8>, Code> {
        let held = self.certified(key_id, epoch).map_err(|denial| denial.code)?;
        let certificate = held.certificate.as_ref().ok_or(Code::KeyNotReady)?;
        let content = held.encode().ok_or(Code::VaultRefused)?;
        Ok(sealed(&self.definition, self.node, certificate, key, |sealer, place| sealer.seal(place, &content, rng)))
    }

    /// Takes a share in from a backup, as certified: the writes make it durable, as those of a decision do. Whatever this
    /// vault knows of the key already stays as it is.
    ///
    /// # Errors
    /// `SHARE_EXISTS`, and as [`verify`].
    pub fn import<R: RngCore + CryptoRng>(
        &mut self,
        certificate: KeyCertificate,
        share: &[u8],
        key: &BackupKey,
        rng: &mut R,
    ) -> Result<Vec<Write>, Code> {
        let (key_id, epoch) = (certificate.key_id(), certificate.epoch());
        if self.holds(key_id) || self.buried.contains(&key_id) || self.attempts.contains_key(&key_id) {
            return Err(Code::ShareExists);
        }
        let mut held = open(&self.definition, self.node, &certificate, share, key)?;
        held.attested = true;
        held.certificate = Some(certificate);
        let content = held.encode().ok_or(Code::VaultRefused)?;
        let (share, state) = (key_record(Kind::Share, key_id, epoch), key_record(Kind::State, key_id, epoch));
        let writes = vec![
            self.put(Kind::Share, share, &content, rng),
            self.put(Kind::State, state, &held.state().encode(), rng),
        ];
        self.held.insert((key_id, epoch), held);
        Ok(writes)
    }
}

/// Proves that a sealed share opens, and that share times generator is the verifying share of `node` in the certificate.
///
/// # Errors
/// `BACKUP_SHARE_INVALID`.
pub fn verify(
    definition: &Definition,
    node: NodeId,
    certificate: &KeyCertificate,
    share: &[u8],
    key: &BackupKey,
) -> Result<(), Code> {
    open(definition, node, certificate, share, key).map(drop)
}

/// The share, if it is the one that `certificate` is about. That share and verifying share fit is a condition of a held key.
fn open(
    definition: &Definition,
    node: NodeId,
    certificate: &KeyCertificate,
    share: &[u8],
    key: &BackupKey,
) -> Result<HeldKey, Code> {
    let content = sealed(definition, node, certificate, key, |sealer, place| sealer.open(place, share));
    let held = content.and_then(|content| HeldKey::decode(definition, node, certificate.key_id(), &content));
    held.filter(|held| held.is_certified_by(certificate)).ok_or(Code::BackupShareInvalid)
}

/// Works at the one place that the share of `node` under `certificate` is sealed for.
fn sealed<T>(
    definition: &Definition,
    node: NodeId,
    certificate: &KeyCertificate,
    key: &BackupKey,
    work: impl FnOnce(&Sealer, &Place<'_>) -> T,
) -> T {
    let Digest(certified) = certificate.statement();
    let place = Place {
        kind: KIND,
        network: definition.network_id(),
        node,
        key_id: certificate.key_id(),
        epoch: certificate.epoch(),
        record_key: &certified,
    };
    work(&Sealer::new(key.0.clone()), &place)
}

#[cfg(test)]
mod tests;
