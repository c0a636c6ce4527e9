//! A key whose share is stored: pending, then certified.

use crate::record::{KeyFacts, KeyState};
use crate::suite::{self, SecretScalar, frost, point};
use firn_proto::account::account_address;
use firn_proto::certificate::KeyCertificate;
use firn_proto::{Definition, KeyId, NodeId};
use zeroize::Zeroizing;

/// A stored key with its share. Never cloned or shown; frost wipes its package on drop.
pub(crate) struct HeldKey {
    pub(crate) facts: KeyFacts,
    /// Our certificate signature has left, or may have.
    pub(crate) attested: bool,
    /// Our abandonment has left, or may have.
    pub(crate) abandoned: bool,
    pub(crate) certificate: Option<KeyCertificate>,
    /// Where the key's account stands on chain.
    pub(crate) account: [u8; 20],
    package: frost::keys::KeyPackage,
}

impl HeldKey {
    /// Binds share and facts together; `None` where they do not belong to each other.
    pub(crate) fn new(facts: KeyFacts, share: &SecretScalar) -> Option<Self> {
        let expected = facts.verifying_shares.get(&facts.identifier)?;
        let package = suite::key_package(facts.identifier, share, &facts.group_key, facts.threshold)?;
        if point(&share.public()).as_ref() != Some(expected)
            || *package.verifying_share() != suite::verifying_share(expected)?
        {
            return None;
        }
        let account = account_address(&facts.group_key).into_array();
        Some(Self { facts, attested: false, abandoned: false, certificate: None, account, package })
    }

    /// Reads a share record's content and checks it against the definition.
    pub(crate) fn decode(definition: &Definition, node: NodeId, key_id: KeyId, content: &[u8]) -> Option<Self> {
        let (facts, share) = KeyFacts::decode(content)?;
        let key = definition.at(facts.proposal.definition)?.key(&facts.proposal.key_name)?;
        let fits = facts.proposal.key_id(definition.network_id()) == key_id
            && key.identifier_of(node) == Some(facts.identifier)
            && key.threshold == facts.threshold
            && facts.verifying_shares.keys().eq(key.members.keys());
        Self::new(facts, &SecretScalar::parse(&*share)?).filter(|_| fits)
    }

    /// The share record's content.
    pub(crate) fn encode(&self) -> Option<Zeroizing<Vec<u8>>> {
        let share = Zeroizing::new(self.package.signing_share().serialize());
        let share = Zeroizing::new(<[u8; 32]>::try_from(share.as_slice()).ok()?);
        Some(self.facts.encode(&share))
    }

    /// Takes over what a state record says. A certificate is verified again.
    pub(crate) fn restore(&mut self, definition: &Definition, state: KeyState) -> Option<()> {
        assert!(!state.erased, "an erased key has no share");
        (self.attested, self.abandoned) = (state.attested, state.abandoned);
        let KeyFacts { proposal, transcript, group_key, verifying_shares, .. } = self.facts.clone();
        let assemble = |signatures| {
            KeyCertificate::assemble(definition, proposal, transcript, group_key, verifying_shares, signatures)
        };
        self.certificate = state.certificate.map(assemble).transpose().ok()?;
        Some(())
    }

    /// The state record's content.
    pub(crate) fn state(&self) -> KeyState {
        let certificate = self.certificate.as_ref().map(|certificate| certificate.signatures().clone());
        KeyState { attested: self.attested, abandoned: self.abandoned, erased: false, certificate }
    }

    /// Whether `certificate` is about this very key: same attempt, transcript, group key and verifying shares.
    pub(crate) fn is_certified_by(&self, certificate: &KeyCertificate) -> bool {
        certificate.epoch() == self.facts.proposal.epoch()
            && *certificate.proposal() == self.facts.proposal
            && certificate.transcript() == self.facts.transcript
            && *certificate.group_key() == self.facts.group_key
            && *certificate.verifying_shares() == self.facts.verifying_shares
    }

    /// What frost signs with.
    pub(crate) fn package(&self) -> &frost::keys::KeyPackage {
        &self.package
    }
}
