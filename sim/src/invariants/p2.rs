//! P2: nothing is signed that nobody authorised, and no share is lent before people and time allow it.

use super::{Invariant, Sight, violation};
use crate::history::{Entry, What};
use crate::scenario::Fault;
use crate::verdict::Violation;
use crate::world::{PostedRequest, SLOT, Word, World};
use firn_proto::SubjectId;
use firn_proto::account::nonce_of;
use firn_proto::opinion::Decision;
use firn_proto::policy::{Policy, Rule};
use std::collections::BTreeSet;

/// Looks at each signature and each execution by itself.
#[derive(Debug, Default)]
pub struct P2;

impl Invariant for P2 {
    fn id(&self) -> &'static str {
        "P2"
    }

    fn statement(&self) -> &'static str {
        "No signature exists for a digest that no authorised request carries; a key's activation, whose digest is its own \
         subject, is the one other thing a group key signs (SECURITY R1; DESIGN section 4). An honest node lends a share only once \
         so many people have approved as the version asks for that it runs under, and, where everybody always saw the chain, not \
         before the waiting time (docs/how-to/policy.md)."
    }

    fn see(&mut self, entry: &Entry, sight: &Sight<'_>) -> Option<Violation> {
        let world = sight.world;
        let authorised = world.requests().iter().filter(|posted| posted.authorised);
        match &entry.what {
            What::Signed { subject, digest, .. } if subject.0 != *digest => {
                if authorised.flat_map(payloads).any(|payload| sight.wire.digest(payload) == Some(*digest)) {
                    return None;
                }
                violation("P2", entry, format!("{digest} is signed, and no authorised request carries it"))
            }
            What::Executed { .. } => {
                let payload = world.chain().executions().last()?;
                if authorised.flat_map(payloads).any(|subject| nonce_of(subject) == payload.nonce) {
                    return None;
                }
                violation(
                    "P2",
                    entry,
                    format!("account nonce {:#x} was used for what nobody authorised", payload.nonce),
                )
            }
            What::Released { subject, version, .. } => {
                sight.honest(entry)?;
                let policy = &world.versions().find(|definition| definition.version() == *version)?.policy;
                let posted = world.posted(*subject)?;
                let early = policy.rules.iter().find_map(|(name, rule)| too_early(world, policy, posted, (name, rule)));
                violation("P2", entry, early?)
            }
            _ => None,
        }
    }
}

/// What sessions about a request are about.
fn payloads(posted: &PostedRequest) -> impl Iterator<Item = SubjectId> + use<> {
    [Some(posted.subject), posted.follows].into_iter().flatten()
}

/// What a rule still lacks, by what people have said and by how long ago the request was posted.
fn too_early(world: &World, policy: &Policy, posted: &PostedRequest, (name, rule): (&String, &Rule)) -> Option<String> {
    if let Some(needed) = rule.approvals {
        let approves = Word::Opinion(posted.subject, Decision::Approve);
        let said = world.said().iter().filter(|said| said.word == approves).map(|said| &said.person);
        let people: BTreeSet<_> =
            said.filter_map(|name| Some((name, &policy.people.get(name)?.organisation))).collect();
        let organisations: BTreeSet<_> = people.iter().map(|(_, organisation)| *organisation).collect();
        let (people, organisations) = (people.len(), organisations.len());
        if people < usize::from(needed.people) || organisations < usize::from(needed.organisations) {
            let detail = format!("a share of {} is lent, and {people} people", posted.subject);
            return Some(format!("{detail} of {organisations} organisations have approved, too few for rule {name}"));
        }
    }
    let late = |fault: &Fault| fault.kind.is_of_chain();
    let delay = rule.delay_seconds.filter(|_| !world.scenario().faults.iter().any(late))?;
    let waited = world.now().saturating_sub(posted.at).saturating_add(SLOT) / 1_000_000;
    (waited < delay)
        .then(|| format!("a share of {} is lent before the {delay} s of rule {name} are over", posted.subject))
}
