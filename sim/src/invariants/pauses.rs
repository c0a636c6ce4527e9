//! Which pauses stand by what is on a disk: read and added up without the engine (docs/spec/pause.md).

use crate::world::{Image, Process, Word, World};
use firn_coordinator::PEOPLE;
use firn_coordinator::api::Family;
use firn_proto::pause::SignedPause;
use firn_proto::{Definition, envelope, wire};
use std::collections::{BTreeMap, BTreeSet};

/// A pause or a resumption.
struct Statement {
    paused: bool,
    number: u64,
    person: String,
}

/// Whether a node's own pause, and whether the network's, stands by what the process has on its disk.
#[must_use]
pub fn on_disk(process: &Process) -> (bool, bool) {
    let image = process.disk.visible();
    let own = record(image, b"own-pause").and_then(|bytes| envelope::decode_strict::<wire::StoredOwnPause>(bytes));
    let said = record(image, b"pauses").and_then(|bytes| envelope::decode_strict::<wire::StoredPauses>(bytes));
    let (own, said) = (own.is_some_and(|own| own.paused), said.map(|said| said.pauses).unwrap_or_default());
    let read = |pause: &wire::Pause| {
        let pause = SignedPause::from_wire(pause).ok()?.verify(&process.definition).ok()?;
        let person = pause.person().to_owned();
        Some(Statement { paused: pause.signed().paused, number: pause.signed().number, person })
    };
    let said: Vec<_> = said.iter().filter_map(read).collect();
    (own, stands(&said, &process.definition))
}

/// Whether the network is paused by what people have said, by any version of the definition.
#[must_use]
pub fn said(world: &World) -> bool {
    let statement = |said: &crate::world::Said| match said.word {
        Word::Pause { paused, number } => Some(Statement { paused, number, person: said.person.clone() }),
        Word::Opinion(..) => None,
    };
    let said: Vec<_> = world.said().iter().filter_map(statement).collect();
    !said.is_empty() && world.versions().any(|definition| stands(&said, definition))
}

fn record<'a>(image: &'a Image, name: &[u8]) -> Option<&'a Vec<u8>> {
    image.records.get(&(Family::People, [PEOPLE, name].concat()))
}

/// Paused while so many organisations have paused with a number that not so many have resumed with a greater one than.
fn stands(said: &[Statement], definition: &Definition) -> bool {
    let Some(quorums) = definition.policy.pause else { return false };
    let reached = |paused: bool, least: u64| {
        let of = |one: &Statement| Some(definition.policy.people.get(&one.person)?.organisation.as_str());
        let counted = said.iter().filter(|one| one.paused == paused && one.number >= least);
        counted.filter_map(of).collect::<BTreeSet<_>>().len()
    };
    let numbers: BTreeMap<u64, ()> = said.iter().map(|one| (one.number, ())).collect();
    let stopped = numbers.keys().rfind(|number| reached(true, **number) >= usize::from(quorums.stop));
    stopped.is_some_and(|number| reached(false, number.saturating_add(1)) < usize::from(quorums.resume))
}
