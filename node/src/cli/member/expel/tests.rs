//! What is said of an organisation that goes, and the version without it.

use super::*;
use crate::host::read_definition;
use crate::testing::definition;

fn args(folder: &std::path::Path, reason: Option<&str>) -> ExpelArgs {
    let network = folder.join("network.toml");
    std::fs::write(&network, definition().to_toml()).unwrap();
    ExpelArgs {
        organisation: "org-2".to_owned(),
        in_force: InForceArgs { current: Some(network), data_dir: None },
        reason: reason.map(str::to_owned),
        block: reason.map(|_| 9),
        out: reason.map(|_| folder.join("change.json")),
        thresholds: Vec::new(),
    }
}

#[test]
fn r34_nothing_but_a_new_key_is_said_to_help_and_only_a_reason_writes_a_version() {
    let folder = tempfile::tempdir().unwrap();
    let args = args(folder.path(), None);
    let current = args.in_force.read().unwrap();
    let nodes = nodes_of(&current, "org-2");
    let kept = kept(&current, &nodes, &args.in_force);
    assert_eq!(kept.len(), 5, "it is in every key");
    assert!(kept.iter().all(|key| key.nodes == ["node-2"] && key.others_needed == 2));
    assert!(
        kept[2].command.starts_with("firn key rotate --key slash --without node-2 --current "),
        "{}",
        kept[2].command
    );
    assert!(WHY.contains("Neither a refresh nor a resharing is enough") && WHY.contains("Only a new key"));
    assert!(args.propose(&current, &nodes).unwrap().is_none());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is written");
    assert!(steps(&kept, None, &args).iter().filter(|step| step.contains("firn key rotate")).count() == 5);
}

#[test]
fn r34_the_version_without_it_leaves_its_reason_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut args = args(folder.path(), Some("it signed for somebody else"));
    let current = args.in_force.read().unwrap();
    let nodes = nodes_of(&current, "org-2");
    let proposed = args.propose(&current, &nodes).unwrap().unwrap();
    assert!(proposed.keys.iter().all(|key| key.nodes().all(|node| node != NodeId(2)) && key.members.len() == 4));
    assert!(!proposed.organisations.contains("org-2") && !proposed.policy.people.contains_key("admin-2"));
    assert!(!proposed.nodes.contains_key(&NodeId(2)));
    let reason = std::fs::read_to_string(folder.path().join("change.reason.txt")).unwrap();
    assert_eq!(reason, "it signed for somebody else\n");
    assert!(folder.path().join("change.json").is_file());
    args.thresholds = vec!["slash=4".to_owned()];
    let refused = args.propose(&current, &nodes).unwrap_err();
    assert!(refused.next_step.contains("--threshold"), "{refused}");
    assert_eq!(read_definition(&args.in_force.file()).unwrap().version(), 1, "what is in force is as it was");
}
