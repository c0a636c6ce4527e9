//! Committed scenarios fail where they should: each with a bug that it is an incident of.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "reads the committed files")]

use firn_sim::run::{Options, run};
use firn_sim::scenario::Scenario;
use firn_sim::seeded::Bug;
use std::path::Path;

const VARIANTS: [(&str, Bug); 13] = [
    ("lossy-planet", Bug::LeakedShare),
    ("cable-cut-mid-round", Bug::LatePersist),
    ("cold-twin", Bug::StrayRequester),
    ("coordinator-dies-at-t-minus-1", Bug::LostVaultWrites),
    ("two-requests", Bug::LoggedSecret),
    ("equivocating-dealer", Bug::HastyBlame),
    ("forged-signature-and-framing", Bug::SwallowedEvidence),
    ("duplicates-and-overtaking", Bug::DoubleExecution),
    ("flapping-link", Bug::DoubledTimers),
    ("clock-steps", Bug::DroppedRecord),
    ("migrated-machine", Bug::FlippedSignature),
    ("jammed-link", Bug::PanicOnMessage),
    ("split-packages", Bug::ForgottenTakeover),
];

#[test]
fn incidents_catch_the_bugs_that_they_are_about() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let fixtures = Options::default().fixtures;
    for (name, bug) in VARIANTS {
        let text = std::fs::read_to_string(folder.join(name).with_extension("toml")).unwrap();
        let scenario = Scenario::parse(&text).unwrap();
        let with = |seeded| Options {
            seeded,
            stop_at_first_violation: true,
            fixtures: fixtures.clone(),
            ..Options::default()
        };
        assert_eq!(run(&scenario, &with(None)).outcome.violations, [], "{name}");
        let found = run(&scenario, &with(Some(bug))).outcome.violations;
        assert_eq!(found.first().map(|violation| violation.id), Some(bug.caught_by()), "{name} with {}", bug.name());
    }
}
