//! A change of the definition: the next version, signed by organisations' admins with their Ethereum keys (EIP-712).
//!
//! The version in force says who its admins are and how many organisations it takes: more than half, so that no two versions
//! can follow it unless an organisation signs both. The genesis is signed by every organisation, by its own admins.

use super::{Content, Definition, invalid};
use crate::code::{Code, Refusal};
use crate::digest::CanonicalHasher;
use crate::ids::{Digest, SessionId};
use crate::limits::{CHANGE_BYTES_MAX, PEOPLE_MAX};
use crate::operation::domain;
use crate::policy::Role;
use crate::request::recover;
use crate::wire;
use alloy_primitives::Address;
use alloy_sol_types::{SolStruct, sol};
use std::collections::{BTreeMap, BTreeSet};

/// A definition with what admins signed, not checked yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedChange {
    /// The `network.toml`, as [`Definition::to_toml`] writes it.
    pub text: String,
    /// EIP-712 signatures r || s || v over [`digest`], ascending.
    pub signatures: BTreeSet<[u8; 65]>,
}

/// A version that follows another, signed by enough of its organisations. Only [`SignedChange::verify`] makes one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    signed: SignedChange,
    definition: Definition,
}

mod typed {
    use super::sol;
    sol! {
        struct NetworkDefinition {
            string network;
            uint32 version;
            uint64 effectiveBlock;
            bytes32 previous;
            bytes32 digest;
        }
    }
}

/// The EIP-712 digest that an admin signs.
#[must_use]
pub fn digest(definition: &Definition) -> Digest {
    let statement = typed::NetworkDefinition {
        network: definition.name.clone(),
        version: definition.version(),
        effectiveBlock: definition.effective_block(),
        previous: definition.previous().unwrap_or_default().0.into(),
        digest: definition.digest().0.into(),
    };
    Digest(statement.eip712_signing_hash(&domain(definition)).0)
}

impl Content {
    /// Whether anybody may change it.
    #[must_use]
    pub fn has_admins(&self) -> bool {
        self.policy.people.values().any(|person| person.roles.contains(&Role::Admin))
    }

    /// How many organisations must sign the next version: more than half.
    #[must_use]
    pub fn change_quorum(&self) -> usize {
        self.quorum.map_or(self.organisations.len() / 2 + 1, usize::from)
    }

    /// Admins of every organisation or of none, who do nothing else; a quorum of more than half.
    pub(super) fn check_admins(&self) -> Result<(), Refusal> {
        let admins = self.policy.people.iter().filter(|(_, person)| person.roles.contains(&Role::Admin));
        if let Some((name, _)) = admins.clone().find(|(_, person)| person.roles.len() > 1) {
            return Err(invalid(format!(
                "person {name} is an admin and has another role: who administers does not approve"
            )));
        }
        let organisations: BTreeSet<_> = admins.map(|(_, person)| &person.organisation).collect();
        if let Some(without) = self.organisations.iter().find(|name| !organisations.contains(name))
            && !organisations.is_empty()
        {
            return Err(invalid(format!("organisation {without} has no admin, others have")));
        }
        let (quorum, all) = (self.change_quorum(), self.organisations.len());
        if self.quorum.is_some() && (2 * quorum <= all || quorum > all) {
            return Err(invalid(format!(
                "quorum {quorum}: it takes more than half of {all} organisations, and at most all"
            )));
        }
        Ok(())
    }
}

impl SignedChange {
    /// A definition that nobody has signed yet.
    #[must_use]
    pub fn propose(definition: &Definition) -> Self {
        Self { text: definition.to_toml(), signatures: BTreeSet::new() }
    }

    /// The organisation of each signature's admin, by the definition that says who may sign.
    ///
    /// # Errors
    /// `CHANGE_SIGNATURE_INVALID` for any that no admin gave.
    pub fn organisations<'a>(
        &self,
        proposed: &Definition,
        signing: &'a Definition,
    ) -> Result<BTreeMap<&'a str, &'a str>, Refusal> {
        let digest = digest(proposed);
        let admin = |signature| {
            let address = recover(signature, digest, Code::ChangeSignatureInvalid)?;
            let (name, person) = admin(signing, address)?;
            Ok((person.organisation.as_str(), name.as_str()))
        };
        self.signatures.iter().map(admin).collect()
    }

    /// Parses the definition, in its one form.
    ///
    /// # Errors
    /// `DEFINITION_INVALID`.
    pub fn definition(&self) -> Result<Definition, Refusal> {
        if self.text.len() > CHANGE_BYTES_MAX {
            return Err(invalid(format!("{} bytes, at most {CHANGE_BYTES_MAX} in a change", self.text.len())));
        }
        let definition = Definition::parse(&self.text)?;
        if definition.to_toml() != self.text {
            return Err(invalid("not in the form in which definitions are signed: use `firn network propose`"));
        }
        Ok(definition)
    }

    /// Checks that it follows the version in force and that enough organisations of that signed it.
    ///
    /// # Errors
    /// `DEFINITION_INVALID`, `DEFINITION_MISMATCH`, `CHANGE_FORBIDDEN`, `CHANGE_SIGNATURE_INVALID`, `CHANGE_QUORUM_MISSING`
    /// with the numbers.
    pub fn verify(self, current: &Definition) -> Result<Change, Refusal> {
        let definition = self.definition()?.after(current)?;
        self.is_signed_by(&definition, current, current.change_quorum())?;
        Ok(Change { signed: self, definition })
    }

    /// Checks that every organisation of a definition without a predecessor here signed it. One without admins needs nothing.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub fn verify_genesis(&self) -> Result<Definition, Refusal> {
        let definition = self.definition()?;
        let needed = if definition.has_admins() { definition.organisations.len() } else { 0 };
        self.is_signed_by(&definition, &definition, needed)?;
        Ok(definition)
    }

    fn is_signed_by(&self, proposed: &Definition, signing: &Definition, needed: usize) -> Result<(), Refusal> {
        if self.signatures.len() > PEOPLE_MAX {
            return Err(Refusal::new(Code::ChangeSignatureInvalid, format!("at most {PEOPLE_MAX} signatures")));
        }
        let signed = self.organisations(proposed, signing)?;
        if signed.len() < needed || !signing.has_admins() && proposed != signing {
            let names: Vec<_> = signed.keys().copied().collect();
            let detail = format!("{} of {needed} organisations have signed: {}", signed.len(), names.join(", "));
            return Err(Refusal::new(Code::ChangeQuorumMissing, detail));
        }
        Ok(())
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// `BODY_MALFORMED`.
    pub fn from_wire(wire: wire::DefinitionChange) -> Result<Self, Refusal> {
        let malformed = || Refusal::new(Code::BodyMalformed, "signatures");
        let count = wire.signatures.len();
        let signature = |bytes: &Vec<u8>| bytes.as_slice().try_into().map_err(|_| malformed());
        let signatures: BTreeSet<[u8; 65]> = wire.signatures.iter().map(signature).collect::<Result<_, _>>()?;
        // Ascending, each once: a change has one encoding.
        if signatures.len() != count || !signatures.iter().zip(&wire.signatures).all(|(a, b)| a.as_slice() == b) {
            return Err(malformed());
        }
        Ok(Self { text: wire.text, signatures })
    }

    /// The wire form.
    #[must_use]
    pub fn to_wire(&self) -> wire::DefinitionChange {
        let signatures = self.signatures.iter().map(|signature| signature.to_vec()).collect();
        wire::DefinitionChange { text: self.text.clone(), signatures }
    }
}

impl Change {
    /// As it was signed.
    #[must_use]
    pub fn signed(&self) -> &SignedChange {
        &self.signed
    }

    /// The version that it brings.
    #[must_use]
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// Names it while its submitter waits for an answer, and in the audit.
    #[must_use]
    pub fn session(&self) -> SessionId {
        SessionId(CanonicalHasher::new("firn/definition-change/v1").field(self.definition.digest().0).finish())
    }
}

fn admin(definition: &Definition, address: Address) -> Result<(&String, &crate::policy::Person), Refusal> {
    let known = definition.policy.person(address).filter(|(_, person)| person.roles.contains(&Role::Admin));
    known.ok_or_else(|| Refusal::new(Code::ChangeSignatureInvalid, format!("signer {address} is no admin")))
}
