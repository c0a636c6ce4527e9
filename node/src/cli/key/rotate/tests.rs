//! Plans, with the delays that the definition declares.

use super::*;
use crate::testing::{AVS, BARE, definition};

const DAY: u64 = 86_400;
const HOUR_AND_A_HALF: u64 = 5_400;

fn planned(key: &str) -> Plan {
    let definition = definition();
    let naming = Naming {
        old: key,
        new: "new",
        current: PathBuf::from("network.toml"),
        data_dir: "DIR".to_owned(),
        out: None,
        choices: " --without 2".to_owned(),
    };
    plan(&definition, definition.key(key).unwrap(), &naming, DAY, 3)
}

fn commands(plan: &Plan) -> String {
    plan.steps.iter().flat_map(|step| step.commands.iter()).map(|command| format!("{command}\n")).collect()
}

#[test]
fn r56_a_rotation_waits_as_long_as_its_delays_on_chain() {
    // Three days of signing before, and a day each to schedule and to execute.
    for (key, wait, tail) in [
        ("slash", 1_512_000, DAY),
        ("treasury", 1_512_000, DAY),
        ("governance", 1_512_000, DAY),
        ("veto", 2_592_000, DAY),
        ("bare", 126_000 * 12, 0),
    ] {
        let plan = planned(key);
        assert_eq!(plan.waits.iter().map(|wait| wait.seconds).collect::<Vec<_>>(), [wait], "{key}");
        assert_eq!(plan.end - plan.start, 3 * DAY + HOUR_AND_A_HALF + DAY + wait + tail, "{key}");
        let begins: Vec<_> = plan.steps.iter().map(|step| step.from.clone()).collect();
        let ends: Vec<_> = plan.steps.iter().map(|step| step.until.clone()).collect();
        assert_eq!(begins[1..], ends[..ends.len() - 1], "one step after the other");
        assert_eq!(begins[0], "1970-01-02T00:00:00Z");
    }
}

#[test]
fn each_key_loses_the_roles_that_it_is_declared_to_hold() {
    let roles = |key: &str, kind: &str| {
        let (plan, kind) = (planned(key), format!("{{\"{kind}\""));
        let text = commands(&plan);
        let lines = text.lines().filter(|line| line.contains(&kind));
        (1..=7).filter(|role| lines.clone().any(|line| line.contains(&format!("\"role\":{role},")))).collect::<Vec<_>>()
    };
    for (key, expected) in
        [("slash", vec![1]), ("treasury", vec![2, 3]), ("veto", vec![4]), ("governance", vec![5, 6, 7])]
    {
        assert_eq!((roles(key, "grant_role"), roles(key, "revoke_role")), (expected.clone(), expected), "{key}");
    }
    let slash = commands(&planned("slash"));
    assert!(slash.contains("\"execution_delay\":259200") && slash.contains("\"delay\":1512000"), "{slash}");
    assert!(
        slash.contains(&format!("firn chain deploy --avs {AVS}")) && slash.contains("firn dkg propose new"),
        "{slash}"
    );
    assert!(slash.contains("firn key rotate --key slash --name new --without 2 --current network.toml"), "{slash}");
    let bare = commands(&planned("bare"));
    assert!(
        bare.contains("update_slasher") && bare.contains("\"operator_set_id\":4") && bare.contains(&BARE.to_string()),
        "{bare}"
    );
    assert!(!bare.contains("grant_role") && !slash.contains("update_slasher"));
}

#[test]
fn a_successor_has_the_next_name_and_identifiers_of_its_own() {
    let current = definition();
    assert_eq!(successor_name(&current, "slash"), "slash-2");
    assert_eq!(successor_name(&current, "slash-9"), "slash-10");
    assert_eq!(successor_name(&current, "a-b"), "a-b-2");
    assert_eq!(date("2026-12-01"), Ok(1_796_083_200));
    assert!(date("2026-13-01").is_err() && date("tomorrow").is_err());
    for (seconds, shown) in [(0, "at once"), (90, "2 min"), (5_400, "2 h"), (86_400, "1 day"), (1_512_000, "17.5 days")]
    {
        assert_eq!(days(seconds), shown);
    }
}
