//! One more, one less and one instead of another, and what is said about each.

use super::*;
use crate::testing::{definition, node};

fn next(current: &Definition, change: impl FnOnce(&mut Content)) -> Definition {
    let mut content = (**current).clone();
    change(&mut content);
    current.succeeded_by(content, 9).unwrap()
}

fn new_node(id: u8) -> Entry {
    let admin = Some((format!("admin-{id}"), Address::repeat_byte(0x40 + id)));
    Entry::New { node: Box::new(node(id)), admin }
}

#[test]
fn r34_each_command_says_who_comes_who_goes_and_what_the_departed_hold() {
    let current = definition();
    let replaced = next(&current, |content| {
        leave(content, "slash", NodeId(2)).unwrap();
        join(&current, content, "slash", new_node(6)).unwrap();
    });
    let text = claims(&current, &replaced, "slash").text();
    for part in [
        "key slash: 3 of 5 sign now, 3 of 5 then",
        "joins  node-6 (node 6, org-6) as identifier 6",
        "leaves node-2 (node 2, org-2) as identifier 2",
        "old shares, which no resharing takes back: 1 (node-2); 3 of one epoch could sign\n",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(replaced.organisations.contains("org-6") && replaced.policy.people.contains_key("admin-6"));
    assert!(replaced.nodes.contains_key(&NodeId(2)), "it holds the old share still");
    let mut version = replaced;
    for (leaves, joins) in [(1, 7), (3, 8)] {
        let before = version;
        version = next(&before, |content| {
            leave(content, "slash", NodeId(leaves)).unwrap();
            join(&before, content, "slash", new_node(joins)).unwrap();
        });
    }
    let text =
        exposure(&["a".to_owned(), "b".to_owned(), "c".to_owned()], 3, version.departed("slash").unwrap().is_alarm());
    assert!(text.contains("3 (a, b, c)") && text.contains("ALARM: make a new key"), "{text}");
    assert!(claims(&version, &version, "veto").text().contains("nobody has left this key"));
}

#[test]
fn a_node_joins_under_a_number_that_nobody_had_and_once() {
    let first = definition();
    let second = next(&first, |content| leave(content, "veto", NodeId(5)).unwrap());
    let third = next(&second, |content| join(&second, content, "veto", Entry::Known(NodeId(5))).unwrap());
    assert_eq!(third.key("veto").unwrap().identifier_of(NodeId(5)), Some(Identifier(6)));
    let mut content = (*third).clone();
    let code = |result: Result<(), Failure>| result.unwrap_err().code;
    assert_eq!(code(join(&third, &mut content, "veto", Entry::Known(NodeId(5)))), "MEMBER_ALREADY");
    assert_eq!(code(join(&third, &mut content, "none", Entry::Known(NodeId(5)))), "KEY_UNKNOWN");
    assert_eq!(code(leave(&mut content, "veto", NodeId(9))), "MEMBER_UNKNOWN");
    assert_eq!(find(&content, "node-3").unwrap(), NodeId(3));
    assert_eq!(find(&content, "3").unwrap(), NodeId(3));
    assert_eq!(find(&content, "node-9").unwrap_err().code, "MEMBER_UNKNOWN");
}

#[test]
fn a_new_node_is_described_by_the_file_that_it_made() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("public.json");
    let sample = node(6);
    let mut public = PublicIdentity {
        node: sample.name.clone(),
        peer_id: sample.peer_id.clone(),
        author_key: hex::encode(sample.author_key.as_bytes()),
        vault_key: hex::encode(sample.vault_key.as_bytes()),
        relayer: Address::ZERO,
    };
    let read = |public: &PublicIdentity| {
        std::fs::write(&file, serde_json::to_string(public).unwrap()).unwrap();
        described(&file, ["org-6", "eu", "own"], &sample.addresses)
    };
    assert_eq!(read(&public).unwrap(), sample);
    public.vault_key.push('0');
    assert_eq!(read(&public).unwrap_err().code, "IDENTITY_FILE");
}
