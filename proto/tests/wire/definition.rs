//! `network.toml`: strict, canonical, sane.

use crate::fixture::{changed, definition, key, point};
use alloy_primitives::Address;
use firn_proto::definition::{Content, Definition, OperatorSetEntry};
use firn_proto::limits::{DEFINITION_BYTES_MAX, MEMBERS_MAX};
use firn_proto::{Code, Identifier, NodeId};

fn refused(text: &str) -> Option<String> {
    let refusal = Definition::parse(text).err()?;
    assert_eq!(refusal.code, Code::DefinitionInvalid, "{refusal}");
    Some(refusal.detail)
}

fn invalid(definition: &Definition) -> bool {
    refused(&definition.to_toml()).is_some()
}

#[test]
fn a_written_definition_reads_back_equal() {
    let definition = definition();
    assert_eq!(Definition::parse(&definition.to_toml()), Ok(definition.clone()));
    assert_eq!(definition.network_id().0, definition.digest());
}

#[test]
fn the_digest_is_pinned() {
    let digest = definition().digest().to_string();
    assert_eq!(digest, include_str!("definition.digest").trim(), "networks are named by this for ever");
}

#[test]
fn every_field_is_in_the_digest() {
    type Change = fn(&mut Content);
    let changes: &[(&str, Change)] = &[
        ("name", |d| d.name.push('x')),
        ("chain id", |d| d.chain.id += 1),
        ("allocation manager", |d| d.chain.allocation_manager = Address::ZERO),
        ("organisation", |d| _ = d.organisations.insert("org-9".to_owned())),
        ("node id", |d| {
            let node = d.nodes.remove(&NodeId(5)).unwrap();
            d.nodes.insert(NodeId(6), node);
        }),
        ("node name", |d| node(d).name.push('x')),
        ("node organisation", |d| node(d).organisation = "org-2".to_owned()),
        ("region", |d| node(d).region.push('x')),
        ("provider", |d| node(d).provider.push('x')),
        ("peer id", |d| node(d).peer_id.push('x')),
        ("author key", |d| node(d).author_key = firn_proto::author::AuthorKey::from_slice(&point(77).x()).unwrap()),
        ("vault key", |d| node(d).vault_key = point(77)),
        ("address", |d| node(d).addresses[0].push('x')),
        ("one more address", |d| node(d).addresses.push(String::new())),
        ("key name", |d| d.keys[0].name.push('x')),
        ("threshold", |d| d.keys[1].threshold += 1),
        ("identifier", |d| {
            let node = d.keys[1].members.remove(&Identifier(5)).unwrap();
            d.keys[1].members.insert(Identifier(6), node);
        }),
        ("member", |d| _ = d.keys[1].members.insert(Identifier(5), NodeId(4))),
        ("organisations", |d| d.keys[1].organisations_min += 1),
        ("regions", |d| d.keys[1].regions_min += 1),
        ("per organisation", |d| d.keys[1].at_most.per_organisation = Some(1)),
        ("per region", |d| d.keys[1].at_most.per_region = Some(1)),
        ("per provider", |d| d.keys[1].at_most.per_provider = Some(1)),
        ("operator set avs", |d| d.operator_sets[0].avs = Address::ZERO),
        ("operator set id", |d| d.operator_sets[0].id += 1),
        ("operator set key", |d| d.operator_sets[0].key = "other".to_owned()),
        ("requester name", |d| d.requesters[0].name.push('x')),
        ("requester address", |d| d.requesters[0].address = Address::ZERO),
        ("requester operation", |d| d.requesters[0].operations.push("x".to_owned())),
        ("requester avs", |d| d.requesters[0].avs.push(Address::ZERO)),
        ("policy", |d| d.policy.operators.clear()),
    ];
    let mut seen = std::collections::BTreeSet::from([definition().digest()]);
    for (name, change) in changes {
        let changed = changed(change);
        assert!(seen.insert(changed.digest()), "{name} is not in the digest");
    }
}

fn node(definition: &mut Content) -> &mut firn_proto::definition::Node {
    definition.nodes.get_mut(&NodeId(1)).unwrap()
}

#[test]
fn the_order_in_the_file_does_not_matter() {
    let text = definition().to_toml();
    let mut file: toml::Table = toml::from_str(&text).unwrap();
    for list in ["organisations", "nodes", "keys", "operator_sets", "requesters", "people"] {
        file.get_mut(list).unwrap().as_array_mut().unwrap().reverse();
    }
    for key in file["keys"].as_array_mut().unwrap() {
        key.get_mut("members").unwrap().as_array_mut().unwrap().reverse();
    }
    let reversed = toml::to_string(&file).unwrap();
    assert_ne!(reversed, text);
    assert_eq!(Definition::parse(&reversed), Ok(definition()));
}

#[test]
fn r06_unknown_keys_and_missing_ones_are_errors_everywhere() {
    let text = definition().to_toml();
    assert!(refused(&format!("surprise = 1\n{text}")).unwrap().contains("surprise"));
    for table in [
        "[chain]",
        "[[organisations]]",
        "[[nodes]]",
        "[[keys]]",
        "[[operator_sets]]",
        "[[requesters]]",
        "[[people]]",
        "[[operators]]",
        "[[rules]]",
    ] {
        let extended = text.replacen(table, &format!("{table}\nsurprise = 1"), 1);
        assert_ne!(extended, text, "{table}");
        assert!(refused(&extended).unwrap().contains("surprise"), "{table}");
    }
    // What a rule leaves out restricts nothing.
    for line in text.lines().filter(|line| line.contains(" = ") && !line.starts_with("wad_over")) {
        let cut = text.replacen(&format!("{line}\n"), "", 1);
        assert!(refused(&cut).is_some(), "without `{line}`");
    }
    assert!(refused("").is_some());
    assert!(refused(&"#".repeat(DEFINITION_BYTES_MAX + 1)).unwrap().contains("at most"));
}

#[test]
fn everything_that_names_something_is_unique() {
    type Change = fn(&mut Content);
    let changes: &[(&str, Change)] = &[
        ("node name", |d| node(d).name = "node-2".to_owned()),
        ("peer id", |d| node(d).peer_id = "peer-2".to_owned()),
        ("author key", |d| node(d).author_key = d.nodes[&NodeId(2)].author_key),
        ("vault key", |d| node(d).vault_key = point(1_002)),
        ("key name", |d| d.keys[0].name = "slash".to_owned()),
        ("requester name", |d| d.requesters[0].name = "idle".to_owned()),
        ("requester address", |d| d.requesters[0].address = d.requesters[1].address),
        ("operator set", |d| d.operator_sets[1].id = 0),
        ("member", |d| _ = d.keys[1].members.insert(Identifier(5), NodeId(4))),
    ];
    for (name, change) in changes {
        let changed = changed(change);
        let detail = refused(&changed.to_toml());
        assert!(detail.is_some_and(|detail| detail.contains("duplicate")), "{name}");
    }
    let text = definition().to_toml();
    let organisation = "[[organisations]]\nname = \"org-1\"\n";
    assert!(refused(&format!("{text}\n{organisation}")).unwrap().contains("duplicate organisation"));
    let same_id = text.replacen("id = 2\nname = \"node-2\"", "id = 1\nname = \"node-2\"", 1);
    assert!(same_id != text && refused(&same_id).unwrap().contains("used twice"));
    let identifier = text.replacen("identifier = 2", "identifier = 1", 1);
    assert!(identifier != text && refused(&identifier).unwrap().contains("duplicate identifier"));
}

#[test]
fn references_must_resolve() {
    type Change = fn(&mut Content);
    let changes: &[(&str, Change)] = &[
        ("organisation of a node", |d| node(d).organisation = "nobody".to_owned()),
        ("node of a key", |d| _ = d.keys[0].members.insert(Identifier(4), NodeId(9))),
        ("key of an operator set", |d| d.operator_sets[0].key = "none".to_owned()),
        ("operation of a requester", |d| d.requesters[0].operations = vec!["mint".to_owned()]),
        ("identifier 0", |d| {
            let node = d.keys[1].members.remove(&Identifier(5)).unwrap();
            d.keys[1].members.insert(Identifier(0), node);
        }),
        ("node 0", |d| {
            let node = d.nodes.remove(&NodeId(5)).unwrap();
            d.nodes.insert(NodeId(0), node);
            d.keys[1].members.insert(Identifier(5), NodeId(0));
        }),
    ];
    for (name, change) in changes {
        let changed = changed(change);
        assert!(invalid(&changed), "{name}");
    }
    let text = definition().to_toml();
    assert!(refused(&text.replacen("purpose = \"slash\"", "purpose = \"mint\"", 1)).unwrap().contains("mint"));
    let address = definition().chain.allocation_manager.to_string();
    assert!(refused(&text.replacen(&address, "0x12", 1)).unwrap().contains("not an address"));
    assert!(refused(&text.replacen("author_key = \"", "author_key = \"zz", 1)).unwrap().contains("hex"));
    let off_curve = hex::encode([&[4], &[1; 64][..]].concat());
    let vault_key = hex::encode(point(1_001).as_bytes());
    assert!(refused(&text.replacen(&vault_key, &off_curve, 1)).unwrap().contains("POINT_INVALID"));
}

#[test]
fn r23_thresholds_are_sane() {
    // R23: 2 <= t, t > n/2, t < n.
    let table: &[(u16, u16, bool)] = &[
        (0, 3, false),
        (1, 2, false),
        (2, 2, false),
        (2, 3, true),
        (1, 3, false),
        (3, 3, false),
        (2, 4, false),
        (3, 4, true),
        (2, 5, false),
        (3, 5, true),
        (4, 5, true),
        (5, 5, false),
        (6, 5, false),
    ];
    for (t, n, sane) in table {
        let changed = changed(|d| d.keys[1] = key("slash", *t, *n));
        assert_eq!(!invalid(&changed), *sane, "{t} of {n}");
    }
    assert_eq!(MEMBERS_MAX, 100);
}

#[test]
fn r07_keys_answer_for_their_operator_sets_only() {
    let definition = definition();
    let avs = crate::fixture::AVS;
    assert_eq!(definition.key_for(avs, 0).unwrap().name, "slash");
    assert_eq!(definition.key_for(avs, 7).unwrap().name, "other");
    assert!(definition.key_for(avs, 1).is_none());
    assert!(definition.key_for(Address::ZERO, 0).is_none());
    let entry = OperatorSetEntry { avs, id: 0, key: "slash".to_owned() };
    assert_eq!(definition.operator_sets[0], entry);
}
