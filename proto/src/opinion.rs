//! Opinions: what people say to a request, signed with their Ethereum keys (EIP-712).
//!
//! An opinion belongs to one request. Of a person's opinions the one with the greatest number counts, whatever the order in
//! which they arrive, so that all nodes come to hold the same; a veto is never taken back.

use crate::code::{Code, Refusal};
use crate::definition::Definition;
use crate::digest::CanonicalHasher;
use crate::ids::{Digest, SessionId, SubjectId};
use crate::operation::domain;
use crate::policy::Role;
use crate::request::recover;
use crate::wire;
use alloy_sol_types::{SolStruct, sol};
use prost::Message as _;
use std::collections::BTreeMap;

/// What a person says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Decision {
    /// Nothing any more.
    Withdraw,
    /// The operation may be signed.
    Approve,
    /// The nodes of the person's organisation shall not sign it.
    Reject,
    /// Nobody shall sign it, ever.
    Veto,
}

/// A person's opinion of a request, not checked yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignedOpinion {
    /// The request's id.
    pub request: SubjectId,
    /// What is said.
    pub decision: Decision,
    /// Orders a person's opinions; the time at which it is given, in seconds since the epoch, by custom.
    pub number: u64,
    /// EIP-712 signature r || s || v over the three.
    pub signature: [u8; 65],
}

/// An opinion that was checked against a definition. Only [`SignedOpinion::verify`] makes one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opinion {
    signed: SignedOpinion,
    person: String,
}

/// The opinions of one request that count: one for each person, by name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Opinions(BTreeMap<String, Opinion>);

mod typed {
    use super::sol;
    sol! {
        struct Opinion {
            bytes32 request;
            string decision;
            uint64 number;
        }
    }
}

impl Decision {
    /// All decisions.
    pub const ALL: [Self; 4] = [Self::Withdraw, Self::Approve, Self::Reject, Self::Veto];

    /// The word that is signed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Withdraw => "withdraw",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Veto => "veto",
        }
    }

    /// Who may say it.
    #[must_use]
    pub fn role(self) -> Role {
        match self {
            Self::Withdraw | Self::Approve | Self::Reject => Role::Approver,
            Self::Veto => Role::VetoHolder,
        }
    }
}

/// The EIP-712 digest that a person signs.
#[must_use]
pub fn digest(definition: &Definition, request: SubjectId, decision: Decision, number: u64) -> Digest {
    let opinion = typed::Opinion { request: request.0.0.into(), decision: decision.as_str().to_owned(), number };
    Digest(opinion.eip712_signing_hash(&domain(definition)).0)
}

/// An opinion's wire form: what an audit entry names.
#[must_use]
pub fn encode(opinion: &Opinion) -> Vec<u8> {
    opinion.signed.to_wire().encode_to_vec()
}

impl SignedOpinion {
    /// Checks signature, person and role.
    ///
    /// # Errors
    /// `OPINION_SIGNATURE_INVALID`, `PERSON_UNKNOWN`, `PERSON_NOT_ALLOWED` (`SECURITY.md` R18, R24).
    pub fn verify(self, definition: &Definition) -> Result<Opinion, Refusal> {
        let digest = digest(definition, self.request, self.decision, self.number);
        let address = recover(&self.signature, digest, Code::OpinionSignatureInvalid)?;
        let known = definition.policy.person(address);
        let (name, person) = known.ok_or_else(|| Refusal::new(Code::PersonUnknown, format!("signer {address}")))?;
        if !person.roles.contains(&self.decision.role()) {
            let detail = format!("{name} may not {}", self.decision.as_str());
            return Err(Refusal::new(Code::PersonNotAllowed, detail));
        }
        Ok(Opinion { signed: self, person: name.clone() })
    }

    /// Reads the wire form of an opinion of `request`.
    ///
    /// # Errors
    /// `BODY_MALFORMED`, naming the field.
    pub fn from_wire(wire: &wire::Opinion, request: SubjectId) -> Result<Self, Refusal> {
        let malformed = |field: &str| Refusal::new(Code::BodyMalformed, field);
        let decision = usize::try_from(wire.decision).ok().and_then(|number| number.checked_sub(1));
        let decision = decision.and_then(|index| Decision::ALL.get(index).copied());
        Ok(Self {
            request,
            decision: decision.ok_or_else(|| malformed("decision"))?,
            number: wire.number,
            signature: wire.signature.as_slice().try_into().map_err(|_| malformed("signature"))?,
        })
    }

    /// The wire form.
    #[must_use]
    pub fn to_wire(&self) -> wire::Opinion {
        let decision = 1 + self.decision as u32;
        wire::Opinion { decision, number: self.number, signature: self.signature.to_vec() }
    }
}

impl Opinion {
    /// As it was signed.
    #[must_use]
    pub fn signed(&self) -> &SignedOpinion {
        &self.signed
    }

    /// The request's id.
    #[must_use]
    pub fn request(&self) -> SubjectId {
        self.signed.request
    }

    /// Names this opinion while its submitter waits for an answer.
    #[must_use]
    pub fn session(&self) -> SessionId {
        SessionId(CanonicalHasher::new("firn/opinion/v1").field(self.request().0.0).field(encode(self)).finish())
    }

    /// What is said.
    #[must_use]
    pub fn decision(&self) -> Decision {
        self.signed.decision
    }

    /// Who says it, by the definition's name.
    #[must_use]
    pub fn person(&self) -> &str {
        &self.person
    }

    fn rank(&self) -> (bool, u64, Decision) {
        (self.decision() == Decision::Veto, self.signed.number, self.decision())
    }
}

impl Opinions {
    /// Whether this would count instead of what its person said before.
    #[must_use]
    pub fn is_news(&self, opinion: &Opinion) -> bool {
        self.0.get(&opinion.person).is_none_or(|known| known.rank() < opinion.rank())
    }

    /// Adds an opinion where it counts.
    pub fn insert(&mut self, opinion: Opinion) {
        if self.is_news(&opinion) {
            self.0.insert(opinion.person.clone(), opinion);
        }
    }

    /// Person and opinion, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Opinion)> {
        self.0.iter().map(|(name, opinion)| (name.as_str(), opinion))
    }

    /// Whether each is what its person signed about this request: for whoever believes nobody.
    #[must_use]
    pub fn verify(&self, request: SubjectId, definition: &Definition) -> bool {
        let sound = |opinion: &Opinion| opinion.signed.verify(definition).as_ref() == Ok(opinion);
        self.0.values().all(|opinion| opinion.request() == request && sound(opinion))
    }

    /// Whether nobody has said anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
