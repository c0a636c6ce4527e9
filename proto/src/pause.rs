//! Pauses (docs/spec/pause.md): what veto holders say to the whole network, and what people of an organisation say to one
//! of its nodes. Both are signed with their Ethereum keys (EIP-712), like opinions.
//!
//! Of what a person says to the network, the greatest pause and the greatest resumption count, whatever the order in which
//! they arrive. So all nodes come to hold the same, and nothing that is said again changes anything.

use crate::code::{Code, Refusal};
use crate::definition::{Content, Definition, invalid};
use crate::digest::CanonicalHasher;
use crate::ids::{Digest, KeyId, NodeId, SessionId};
use crate::operation::domain;
use crate::policy::{Person, Role};
use crate::request::recover;
use crate::wire;
use alloy_primitives::Address;
use alloy_sol_types::{SolStruct, sol};
use prost::Message as _;
use std::collections::BTreeMap;

/// How many organisations pause the network, and how many resume it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quorums {
    /// So many stop it.
    pub stop: u16,
    /// So many, and never fewer, let it go on.
    pub resume: u16,
}

/// What a person says to the network, not checked yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignedPause {
    /// Whether shares shall stay where they are, or be lent again.
    pub paused: bool,
    /// Orders pauses and resumptions of all people; the time in seconds since the epoch, by custom.
    pub number: u64,
    /// EIP-712 signature r || s || v over the two.
    pub signature: [u8; 65],
}

/// The same, checked against a definition. Only [`SignedPause::verify`] makes one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pause {
    signed: SignedPause,
    person: String,
    address: Address,
}

/// The pauses and resumptions that count: of each person the greatest of each.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Pauses(BTreeMap<(String, bool), Pause>);

/// What a person says to one node of the own organisation, not checked yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedAct {
    /// What is agreed to: [`RESUME`], or a [`consent`].
    pub what: String,
    /// The node.
    pub node: NodeId,
    /// Which of the node's pauses; of a repair its deadline.
    pub number: u64,
    /// EIP-712 signature r || s || v over the three.
    pub signature: [u8; 65],
}

/// The same, checked against a definition. Only [`SignedAct::verify`] makes one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Act {
    signed: SignedAct,
    person: String,
}

/// The act by which a node's own pause ends.
pub const RESUME: &str = "resume";

/// The act by which a node helps another one to the share that it lost (docs/spec/repair.md). Its number is the repair's deadline.
#[must_use]
pub fn consent(repair: KeyId) -> String {
    format!("help with repair {repair}")
}

mod typed {
    use super::sol;
    sol! {
        struct Pause {
            bool paused;
            uint64 number;
        }
        struct Act {
            string what;
            uint16 node;
            uint64 number;
        }
    }
}

/// The EIP-712 digest that a person signs to the network.
#[must_use]
pub fn digest(definition: &Definition, paused: bool, number: u64) -> Digest {
    Digest(typed::Pause { paused, number }.eip712_signing_hash(&domain(definition)).0)
}

/// The EIP-712 digest that a person signs to a node.
#[must_use]
pub fn act_digest(definition: &Definition, what: &str, node: NodeId, number: u64) -> Digest {
    let act = typed::Act { what: what.to_owned(), node: node.0, number };
    Digest(act.eip712_signing_hash(&domain(definition)).0)
}

impl Quorums {
    /// Enough organisations have a veto holder, and resuming never takes fewer than stopping.
    pub(crate) fn check(self, definition: &Content) -> Result<(), Refusal> {
        let holders = definition.policy.people.values().filter(|person| person.roles.contains(&Role::VetoHolder));
        let organisations: std::collections::BTreeSet<_> = holders.map(|person| &person.organisation).collect();
        let (stop, resume) = (usize::from(self.stop), usize::from(self.resume));
        if stop == 0 || stop > resume || resume > organisations.len() {
            let rule = format!("1 <= stop <= resume <= {} organisations with a veto holder", organisations.len());
            return Err(invalid(format!("pause: stop = {stop}, resume = {resume}; it takes {rule}")));
        }
        Ok(())
    }

    pub(crate) fn add_to(self, hasher: CanonicalHasher) -> CanonicalHasher {
        hasher.field("pause").number(self.stop).number(self.resume)
    }
}

impl SignedPause {
    /// Checks signature, person and role.
    ///
    /// # Errors
    /// `OPINION_SIGNATURE_INVALID`, `PERSON_UNKNOWN`, `PERSON_NOT_ALLOWED` (`SECURITY.md` R21, R24).
    pub fn verify(self, definition: &Definition) -> Result<Pause, Refusal> {
        let digest = digest(definition, self.paused, self.number);
        let (name, person) = signer(&self.signature, digest, definition)?;
        if !person.roles.contains(&Role::VetoHolder) {
            return Err(Refusal::new(Code::PersonNotAllowed, format!("{name} may not pause")));
        }
        Ok(Pause { signed: self, person: name.clone(), address: person.address })
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// `BODY_MALFORMED`.
    pub fn from_wire(wire: &wire::Pause) -> Result<Self, Refusal> {
        Ok(Self { paused: wire.paused, number: wire.number, signature: signature(&wire.signature)? })
    }

    /// The wire form.
    #[must_use]
    pub fn to_wire(&self) -> wire::Pause {
        wire::Pause { paused: self.paused, number: self.number, signature: self.signature.to_vec() }
    }
}

impl Pause {
    /// As it was signed.
    #[must_use]
    pub fn signed(&self) -> &SignedPause {
        &self.signed
    }

    /// Who says it, by the definition's name.
    #[must_use]
    pub fn person(&self) -> &str {
        &self.person
    }

    /// Its wire form: what an audit entry names.
    #[must_use]
    pub fn encoded(&self) -> Vec<u8> {
        self.signed.to_wire().encode_to_vec()
    }

    /// Names it while its submitter waits for an answer.
    #[must_use]
    pub fn session(&self) -> SessionId {
        SessionId(CanonicalHasher::new("firn/pause/v1").field(self.encoded()).finish())
    }

    /// Whose it is in a definition, if it still has a say there.
    fn organisation<'a>(&self, definition: &'a Definition) -> Option<&'a str> {
        let person = definition.policy.people.get(&self.person)?;
        let counts = person.address == self.address && person.roles.contains(&Role::VetoHolder);
        counts.then_some(person.organisation.as_str())
    }
}

impl Pauses {
    /// Whether this would count instead of what its person said before.
    #[must_use]
    pub fn is_news(&self, pause: &Pause) -> bool {
        let known = self.0.get(&(pause.person.clone(), pause.signed.paused));
        known.is_none_or(|known| known.address != pause.address || known.signed.number < pause.signed.number)
    }

    /// Adds a statement where it counts.
    pub fn insert(&mut self, pause: Pause) {
        if self.is_news(&pause) {
            self.0.insert((pause.person.clone(), pause.signed.paused), pause);
        }
    }

    /// All that count.
    pub fn iter(&self) -> impl Iterator<Item = &Pause> {
        self.0.values()
    }

    /// Whether nobody has said anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names the whole, so that two nodes see whether they hold the same; `None` where nobody has said anything. Who said
    /// what by which number tells them apart: a signature has more than one form.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        let add = |hasher: CanonicalHasher, pause: &Pause| {
            hasher.field(pause.address).number(u8::from(pause.signed.paused)).number(pause.signed.number)
        };
        (!self.is_empty()).then(|| CanonicalHasher::new("firn/pauses/v1").list(self.0.values(), add).finish())
    }

    /// The number from which on the network is paused, where it is: so many organisations have paused it with at least that
    /// number, and not enough have resumed it with greater ones.
    #[must_use]
    pub fn standing(&self, definition: &Definition) -> Option<u64> {
        let quorums = definition.policy.pause?;
        let stopped = self.level(definition, true, quorums.stop)?;
        let resumed = self.level(definition, false, quorums.resume);
        resumed.is_none_or(|resumed| resumed <= stopped).then_some(stopped)
    }

    /// The number from which on a statement can change anything: one more than the greatest that counts.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.0.values().map(|pause| pause.signed.number.saturating_add(1)).max().unwrap_or_default()
    }

    /// The greatest number that `quorum` organisations have reached on one side.
    fn level(&self, definition: &Definition, paused: bool, quorum: u16) -> Option<u64> {
        let mut reached: BTreeMap<&str, u64> = BTreeMap::new();
        for pause in self.0.values().filter(|pause| pause.signed.paused == paused) {
            let Some(organisation) = pause.organisation(definition) else { continue };
            let number = reached.entry(organisation).or_default();
            *number = pause.signed.number.max(*number);
        }
        let mut numbers: Vec<_> = reached.into_values().collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        numbers.get(usize::from(quorum).checked_sub(1)?).copied()
    }
}

impl SignedAct {
    /// Checks signature, person and role, and that the node is of the person's organisation.
    ///
    /// # Errors
    /// `OPINION_SIGNATURE_INVALID`, `PERSON_UNKNOWN`, `PERSON_NOT_ALLOWED` (`SECURITY.md` R19).
    pub fn verify(self, definition: &Definition) -> Result<Act, Refusal> {
        let digest = act_digest(definition, &self.what, self.node, self.number);
        let (name, _) = signer(&self.signature, digest, definition)?;
        if !witnesses(definition, self.node).any(|(witness, _)| witness == name) {
            let detail = format!("{name} has no say over node {}", self.node);
            return Err(Refusal::new(Code::PersonNotAllowed, detail));
        }
        Ok(Act { person: name.clone(), signed: self })
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// `BODY_MALFORMED`.
    pub fn from_wire(wire: &wire::Act) -> Result<Self, Refusal> {
        let node = u16::try_from(wire.node).map_err(|_| Refusal::new(Code::BodyMalformed, "node"))?;
        let signature = signature(&wire.signature)?;
        Ok(Self { what: wire.what.clone(), node: NodeId(node), number: wire.number, signature })
    }

    /// The wire form.
    #[must_use]
    pub fn to_wire(&self) -> wire::Act {
        let (node, signature) = (self.node.0.into(), self.signature.to_vec());
        wire::Act { what: self.what.clone(), node, number: self.number, signature }
    }
}

impl Act {
    /// As it was signed.
    #[must_use]
    pub fn signed(&self) -> &SignedAct {
        &self.signed
    }

    /// Who says it, by the definition's name.
    #[must_use]
    pub fn person(&self) -> &str {
        &self.person
    }
}

/// The people whose word counts when a node of theirs resumes or helps with a repair: approvers and veto holders of its organisation.
pub fn witnesses(definition: &Definition, node: NodeId) -> impl Iterator<Item = (&String, &Person)> {
    let organisation = definition.nodes.get(&node).map(|node| &node.organisation);
    let speaks = |person: &Person| [Role::Approver, Role::VetoHolder].iter().any(|role| person.roles.contains(role));
    let people = definition.policy.people.iter();
    people.filter(move |(_, person)| Some(&person.organisation) == organisation && speaks(person))
}

fn signer<'a>(
    signature: &[u8; 65],
    digest: Digest,
    definition: &'a Definition,
) -> Result<(&'a String, &'a Person), Refusal> {
    let address = recover(signature, digest, Code::OpinionSignatureInvalid)?;
    let known = definition.policy.person(address);
    known.ok_or_else(|| Refusal::new(Code::PersonUnknown, format!("signer {address}")))
}

fn signature(bytes: &[u8]) -> Result<[u8; 65], Refusal> {
    bytes.try_into().map_err(|_| Refusal::new(Code::BodyMalformed, "signature"))
}
