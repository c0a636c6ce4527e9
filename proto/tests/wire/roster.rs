//! Members of a key from version to version: few come, few go, and what names a member names it for ever.

use crate::change::administered;
use crate::fixture::{author, changed, point};
use firn_proto::author::AuthorKey;
use firn_proto::definition::{Content, KeyDefinition, Node};
use firn_proto::diversity::{eligible_subset, is_eligible};
use firn_proto::{Code, Definition, Identifier, NodeId};

fn node(id: u16) -> Node {
    Node {
        name: format!("node-{id}"),
        organisation: "org-1".to_owned(),
        region: "eu".to_owned(),
        provider: "own".to_owned(),
        peer_id: format!("peer-{id}"),
        author_key: AuthorKey::from_slice(&author(id).verifying_key().to_bytes()).unwrap(),
        vault_key: point(1_000 + u64::from(id)),
        addresses: Vec::new(),
    }
}

fn slash(content: &mut Content) -> &mut KeyDefinition {
    content.keys.iter_mut().find(|key| key.name == "slash").unwrap()
}

fn join(content: &mut Content, identifier: u16, id: u16) {
    content.nodes.entry(NodeId(id)).or_insert_with(|| node(id));
    slash(content).members.insert(Identifier(identifier), NodeId(id));
}

fn leave(content: &mut Content, identifiers: &[u16]) {
    slash(content).members.retain(|identifier, _| !identifiers.contains(&identifier.0));
}

fn try_next(current: &Definition, change: impl FnOnce(&mut Content)) -> Result<Definition, (Code, String)> {
    let mut content = (**current).clone();
    change(&mut content);
    current.succeeded_by(content, 100).map_err(|refusal| (refusal.code, refusal.detail))
}

fn next(current: &Definition, change: impl FnOnce(&mut Content)) -> Definition {
    try_next(current, change).expect("a version that may follow")
}

/// Says why the version may not follow.
fn forbidden(current: &Definition, change: impl FnOnce(&mut Content)) -> String {
    let (code, detail) = try_next(current, change).expect_err("a version that may not follow");
    assert_eq!(code, Code::ChangeForbidden, "{detail}");
    detail
}

#[test]
fn r33_members_and_thresholds_change_a_few_at_a_time() {
    let current = administered();
    let allowed: &[fn(&mut Content)] = &[
        |content| slash(content).threshold = 4,
        |content| {
            join(content, 6, 6);
            slash(content).threshold = 4;
        },
        |content| leave(content, &[2]),
        |content| {
            leave(content, &[2]);
            join(content, 6, 6);
        },
        |content| {
            // 3 of 5 to 5 of 7.
            join(content, 6, 6);
            join(content, 7, 7);
            slash(content).threshold = 5;
        },
        |content| {
            leave(content, &[4, 5]);
            slash(content).threshold = 2;
        },
    ];
    for (number, change) in allowed.iter().enumerate() {
        assert!(try_next(&current, change).is_ok(), "change {number}: {:?}", try_next(&current, change));
    }
    let come = forbidden(&current, |content| {
        leave(content, &[4, 5]);
        (6..=9).for_each(|id| join(content, id, id));
        slash(content).threshold = 4;
    });
    assert!(come.contains("4 join at once and 4 sign"), "{come}");
    let go = forbidden(&current, |content| {
        leave(content, &[3, 4, 5]);
        join(content, 6, 6);
        slash(content).threshold = 2;
    });
    assert!(go.contains("3 leave at once and 3 have signed"), "{go}");
    let vanished = forbidden(&current, |content| {
        content.keys.retain(|key| key.name == "slash");
        content.operator_sets.retain(|set| set.key == "slash");
    });
    assert!(vanished.contains("key other stays"), "{vanished}");
}

#[test]
fn r33_an_identifier_is_one_nodes_for_ever() {
    let first = administered();
    let shifted = forbidden(&first, |content| {
        leave(content, &[5]);
        join(content, 6, 5);
    });
    assert!(shifted.contains("node 5 stays 5"), "{shifted}");
    let replaced = forbidden(&first, |content| {
        leave(content, &[5]);
        join(content, 5, 6);
    });
    assert!(replaced.contains("joins as 5"), "{replaced}");
    let second = next(&first, |content| leave(content, &[5]));
    let reused = forbidden(&second, |content| join(content, 5, 6));
    assert!(reused.contains("identifiers up to 5"), "{reused}");
    let again = forbidden(&second, |content| join(content, 5, 5));
    assert!(again.contains("identifiers up to 5"), "whoever comes back comes anew: {again}");
    assert_eq!(second.next_identifier("slash"), Some(Identifier(6)));
    let third = next(&second, |content| join(content, 6, 6));
    assert_eq!(
        (third.next_identifier("slash"), third.next_identifier("none")),
        (Some(Identifier(7)), Some(Identifier(1)))
    );
}

#[test]
fn r33_whoever_has_been_a_member_is_the_same_node_or_none() {
    let first = administered();
    let other_keys = |id: u16| Node { vault_key: point(77), ..node(id) };
    // Node 5 is a member of `slash` alone.
    let second = next(&first, |content| leave(content, &[5]));
    let third = next(&second, |content| _ = content.nodes.remove(&NodeId(5)));
    let fourth = next(&third, |content| content.quorum = Some(4));
    for current in [&second, &third, &fourth] {
        let other = forbidden(current, |content| _ = content.nodes.insert(NodeId(5), other_keys(5)));
        assert!(other.contains("node 5 is or was a member"), "{other}");
        let renumbered = forbidden(current, |content| {
            content.nodes.remove(&NodeId(5));
            content
                .nodes
                .insert(NodeId(6), Node { name: "node-6".to_owned(), peer_id: "peer-6".to_owned(), ..node(5) });
        });
        assert!(renumbered.contains("node 6 has a key of node 5"), "{renumbered}");
    }
    let idle = next(&first, |content| _ = content.nodes.insert(NodeId(6), node(6)));
    assert!(try_next(&idle, |content| _ = content.nodes.insert(NodeId(6), other_keys(6))).is_ok(), "never a member");
    let at_once = forbidden(&idle, |content| {
        content.nodes.insert(NodeId(6), other_keys(6));
        join(content, 6, 6);
        slash(content).threshold = 4;
    });
    assert!(at_once.contains("node 6 is or was a member"), "{at_once}");
}

#[test]
fn r33_as_many_members_stay_among_the_nodes_as_give_the_shares_on() {
    // 4 of 5: two of them may leave, and only one may be gone before the shares have moved.
    let first = next(&administered(), |content| slash(content).threshold = 4);
    let one = try_next(&first, |content| {
        leave(content, &[5]);
        slash(content).threshold = 3;
        content.nodes.remove(&NodeId(5));
    });
    assert!(one.is_ok(), "{one:?}");
    let many = forbidden(&first, |content| {
        leave(content, &[4, 5]);
        slash(content).threshold = 2;
        content.nodes.remove(&NodeId(5));
        content.nodes.remove(&NodeId(4));
        content.keys[0].members.remove(&Identifier(4));
        content.keys[0].threshold = 2;
    });
    assert!(many.contains("3 of its members stay among the nodes, 4 are needed"), "{many}");
}

#[test]
fn r34_departed_members_are_counted_until_they_are_enough_to_sign() {
    let first = administered();
    let count = |definition: &Definition| {
        let departed = definition.departed("slash").unwrap();
        (departed.nodes.into_iter().map(|(node, version)| (node.0, version)).collect::<Vec<_>>(), departed.threshold)
    };
    assert_eq!(count(&first), (Vec::new(), 3));
    let second = next(&first, |content| {
        leave(content, &[1]);
        join(content, 6, 6);
        slash(content).threshold = 4;
    });
    let third = next(&second, |content| {
        leave(content, &[2]);
        join(content, 7, 7);
    });
    assert_eq!(count(&third), (vec![(1, 1), (2, 2)], 3), "the least that the key has had counts");
    assert!(!third.departed("slash").unwrap().is_alarm());
    let fourth = next(&third, |content| {
        leave(content, &[3]);
        join(content, 8, 8);
    });
    assert!(fourth.departed("slash").unwrap().is_alarm());
    let back = next(&fourth, |content| {
        leave(content, &[4]);
        join(content, 9, 1);
    });
    assert_eq!(count(&back), (vec![(2, 2), (3, 3), (4, 4)], 3), "who is a member again is counted as one");
    assert_eq!(back.departed("none"), None);
}

#[test]
fn r23_a_member_whose_node_is_gone_signs_nothing() {
    let with_all = changed(|_| ());
    let without = changed(|content| _ = content.nodes.remove(&NodeId(2)));
    let key = with_all.key("slash").unwrap();
    let nodes = |ids: &[u16]| ids.iter().map(|id| NodeId(*id)).collect::<Vec<_>>();
    assert_eq!(eligible_subset(&with_all, key, &nodes(&[2, 3, 4])), Some(nodes(&[2, 3, 4])));
    assert_eq!(eligible_subset(&without, key, &nodes(&[2, 3, 4])), None);
    assert_eq!(eligible_subset(&without, key, &nodes(&[2, 3, 4, 5])), Some(nodes(&[3, 4, 5])));
    assert!(is_eligible(&with_all, key, &nodes(&[2, 3, 4])) && !is_eligible(&without, key, &nodes(&[2, 3, 4])));
}
