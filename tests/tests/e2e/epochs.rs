//! A key that lives on: refreshed, its members replaced and made more, while requests keep being signed under one address.

use crate::net::Net;
use crate::process::{step, until, until_at};
use crate::random::Random;
use alloy_primitives::Address;
use firn_proto::definition::{Content, Definition, KeyDefinition, Purpose};
use firn_proto::{Identifier, NodeId};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs};

/// Far enough ahead that all have it on disk before its block.
const BLOCKS_AHEAD: u64 = 300;

/// Seven nodes, of which the first five are members and three sign.
fn five_of_seven() -> Net {
    let mut net = Net::prepare(7, 4);
    net.redefine(|content| (content.keys[0].threshold, content.keys[0].members) = (3, members(&[1, 2, 3, 4, 5])));
    net.start_chain();
    let all: Vec<_> = net.all().collect();
    net.start_nodes(&all);
    net.connected(&all);
    net.generate_key(&[0, 1, 2, 3, 4]);
    net.deploy();
    net
}

fn members(of: &[u16]) -> BTreeMap<Identifier, NodeId> {
    of.iter().map(|id| (Identifier(*id), NodeId(*id))).collect()
}

impl Net {
    /// Brings a next version into force at all these nodes, signed by every organisation.
    fn next_version(&self, nodes: &[usize], edit: impl FnOnce(&mut Content)) {
        let text = self.text_at(nodes[0], &["network", "status", "--toml"]).success();
        let current = Definition::parse(&text).expect("the definition in force");
        let mut content = (*current).clone();
        edit(&mut content);
        let next =
            current.succeeded_by(content, self.chain.finalised() + BLOCKS_AHEAD).expect("a version that may follow");
        let body = json!({ "schema": "firn.change.v1", "definition": next.to_toml(), "signatures": self.signatures(&next).lines().collect::<Vec<_>>() });
        let answer = crate::http::post(self.nodes[nodes[0]].api, "/v1/network/changes", &body.to_string());
        let answer = answer.expect("the node answers");
        assert_eq!(answer.status, 202, "{answer:?}");
        until("the version to be on disk everywhere", || {
            let view = self.at(nodes[0], &["network", "status"]).json();
            let holders = view["holders"].as_array().map_or(0, Vec::len);
            if holders == nodes.len() { Ok(()) } else { Err(view.to_string()) }
        });
        self.chain.mine(BLOCKS_AHEAD + 2);
        for node in nodes {
            until(&format!("{} to be on version {}", self.name(*node), next.version()), || {
                let ended = self.at(*node, &["network", "status"]);
                let view: Value = serde_json::from_str(&ended.stdout).map_err(|_| ended.stderr.clone())?;
                if view["current"]["version"] == next.version() { Ok(()) } else { Err(view.to_string()) }
            });
        }
        self.connected(nodes);
    }

    /// Asks for a slash at a node, and waits until it is executed. Fractions of fractions are rounded: their sum is not looked at.
    pub(crate) fn executes(&self, node: usize) {
        let count = self.chain.slash_count();
        let id = self.ask(node, &self.slash(1));
        self.in_state(node, &id, "executed");
        assert_eq!(self.chain.slash_count(), count + 1, "slashed once");
    }

    /// The epochs of the key in this state at a node.
    fn epochs(&self, node: usize, state: &str) -> Vec<u64> {
        let keys = self.get(node, "/v1/keys").expect("the node answers");
        let keys = keys["keys"].as_array().expect("keys").iter().filter(|key| key["state"] == state);
        let mut epochs: Vec<_> = keys.map(|key| key["epoch"].as_u64().expect("an epoch")).collect();
        epochs.sort_unstable();
        epochs
    }

    /// Waits until this epoch is the only active one at all these nodes, and those before are retired.
    fn only_epoch(&self, nodes: &[usize], epoch: u64) {
        for node in nodes {
            until(&format!("epoch {epoch} alone at {}", self.name(*node)), || {
                let (active, certified) = (self.epochs(*node, "active"), self.epochs(*node, "certified"));
                if active == [epoch] && certified.is_empty() {
                    Ok(())
                } else {
                    Err(format!("{active:?} {certified:?}"))
                }
            });
        }
    }

    /// Requests that are asked for while something goes on, one after the other at different nodes, and must all be executed.
    fn while_asking<T>(&self, nodes: &[usize], body: impl FnOnce() -> T) -> T {
        let ids: Vec<_> = nodes.iter().map(|node| (*node, self.ask(*node, &self.slash(1)))).collect();
        let done = body();
        for (node, id) in ids {
            self.in_state(node, &id, "executed");
        }
        done
    }
}

#[test]
fn r33_r56_a_key_is_refreshed_and_its_members_replaced_and_made_more_under_one_address() {
    let mut net = step("seven nodes, five members, three sign", five_of_seven);
    let address: Address = net.account();
    net.executes(0);
    step("refreshed, while requests are asked for", || {
        net.while_asking(&[0, 1, 2, 3], || {
            let view = net.at(1, &["key", "refresh", "slash"]).json();
            assert_eq!((&view["state"], &view["epoch"]), (&"active".into(), &1.into()), "{view}");
        });
        net.only_epoch(&[0, 1, 2, 3, 4], 1);
        assert_eq!(net.account(), address);
        assert_eq!(net.epochs(0, "retired"), [0]);
    });
    step("a refresh where members differ, and a resharing where they do not, are refused", || {
        net.at(2, &["key", "reshare", "slash"]).refused("DKG_PROPOSAL_INVALID", 3);
    });
    step("the fifth member replaced by a sixth", || {
        let all: Vec<_> = net.all().collect();
        net.next_version(&all, |content| content.keys[0].members = members(&[1, 2, 3, 4, 6]));
        net.executes(4);
        net.while_asking(&[0, 5, 4], || {
            let view = net.at(0, &["key", "reshare", "slash"]).json();
            assert_eq!(view["state"], "active", "{view}");
        });
        net.only_epoch(&[0, 1, 2, 3, 5], 2);
        net.only_epoch(&[4], 2);
        assert_eq!(net.account(), address);
    });
    step("with two of the old ones dead, the new one signs", || {
        net.kill(0);
        net.kill(1);
        net.executes(5);
        net.start_nodes(&[0, 1]);
        net.connected(&[0, 1, 2, 3, 4, 5, 6]);
    });
    step("three of five become five of seven", || {
        let all: Vec<_> = net.all().collect();
        net.next_version(&all, |content| {
            // The fifth comes back under another identifier: the one that it had stays used up.
            let joined = [(1, 1), (2, 2), (3, 3), (4, 4), (6, 6), (7, 7), (8, 5)];
            content.keys[0].members = joined.map(|(id, node)| (Identifier(id), NodeId(node))).into();
            content.keys[0].threshold = 5;
        });
        net.while_asking(&[2, 6], || {
            let view = net.at(3, &["key", "reshare", "slash"]).json();
            assert_eq!((&view["state"], &view["threshold"]), (&"active".into(), &5.into()), "{view}");
        });
        net.only_epoch(&all, 3);
        assert_eq!(net.account(), address);
        net.executes(6);
    });
    step("after a restart of all, the same", || {
        anew(&mut net);
        net.only_epoch(&[0, 1, 2, 3, 4, 5, 6], 3);
        net.executes(1);
    });
    net.assert_up();
}

#[test]
fn r54_a_drill_passes_for_keys_of_every_purpose_and_a_later_epoch() {
    let mut net = Net::prepare(3, 2);
    net.redefine(|content| {
        let first = content.keys[0].clone();
        let others = Purpose::ALL.into_iter().filter(|purpose| *purpose != first.purpose);
        let named = |purpose: Purpose| KeyDefinition { name: purpose.as_str().to_owned(), purpose, ..first.clone() };
        content.keys.extend(others.map(named));
        content.keys.sort_by(|a, b| a.name.cmp(&b.name));
    });
    net.start_chain();
    net.start_nodes(&[0, 1, 2]);
    net.connected(&[0, 1, 2]);
    for purpose in Purpose::ALL {
        let id = net.propose(0, purpose.as_str(), 60);
        [1, 2].iter().for_each(|node| net.accept(*node, &id));
        net.key_in_state(&[0, 1, 2], &id, "active");
    }
    // Its members take part by themselves once it is a second old.
    until("a refresh", || {
        let ended = net.at(1, &["key", "refresh", "treasury", "--within-seconds", "3"]);
        if ended.code == Some(0) { Ok(()) } else { Err(ended.stderr) }
    });
    until("the refresh at the other", || {
        let epochs = net.epochs(0, "active");
        if epochs == [0, 0, 0, 1] { Ok(()) } else { Err(format!("{epochs:?}")) }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name).to_str().expect("a path").to_owned();
    let (backup, key) = (file("backup.age"), file("people.key"));
    fs::write(&key, format!("{}\n", crate::losses::SECRET)).expect("a key file");
    let recipient = crate::losses::RECIPIENT;
    net.at(0, &["backup", "create", "--with-identity", "--recipient", recipient, "--out", &backup]).json();
    let drilled = net.at(0, &["backup", "drill", &backup, "--identity", &key]).json();
    let keys = drilled["keys"].as_array().expect("keys").iter();
    let keys = keys.map(|key| (key["name"].as_str().expect("a name").to_owned(), key["epoch"].as_u64()));
    let expected =
        Purpose::ALL.map(|purpose| (purpose.as_str().to_owned(), Some(u64::from(purpose == Purpose::Treasury))));
    assert_eq!(keys.collect::<BTreeMap<_, _>>(), BTreeMap::from(expected));
}

/// A folder of everybody's backups, and a refresh by the first node whenever it likes to.
fn refreshed_by_itself(net: &Net, folder: &str) {
    for node in net.all() {
        let file = net.nodes[node].data_dir.join("config.toml");
        let text = fs::read_to_string(&file).expect("a configuration");
        let window = if node == 0 { "refresh_window = '00:00-24:00'\n" } else { "" };
        let backup = format!("recipients = ['{}']\ndirectory = '{folder}'", crate::losses::RECIPIENT);
        let text = text.replace("policy = \"waived\"", &backup).replace("[keys]\n", &format!("[keys]\n{window}"));
        assert!(text.contains(&backup), "{text}");
        fs::write(&file, text).expect("a configuration");
    }
}

/// All of them are started anew, as their configurations have changed.
fn anew(net: &mut Net) {
    let all: Vec<_> = net.all().collect();
    for node in &all {
        net.stop(*node);
    }
    net.start_nodes(&all);
    net.connected(&all);
}

#[test]
fn r53_r56_a_key_is_refreshed_by_itself_once_it_is_backed_up_and_loses_no_request() {
    let mut net = step("three nodes, two sign", || Net::start(3, 2));
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path().join("backups");
    refreshed_by_itself(&net, folder.to_str().expect("a path"));
    step("where the backup fails there is no refresh, and no address", || {
        anew(&mut net);
        until("a backup to fail", || {
            if net.log(0).contains("backup_failed") { Ok(()) } else { Err("not yet".to_owned()) }
        });
        assert_eq!(net.epochs(0, "active"), [0]);
        assert!(!net.log(0).contains("refresh_begun"));
        let keys = net.get(0, "/v1/keys").expect("the node answers");
        assert!(keys["keys"][0]["account"].is_null() && keys["keys"][0]["backed_up"].is_null(), "{keys}");
    });
    step("else it comes by itself, while requests are asked for", || {
        fs::create_dir(&folder).expect("a folder");
        anew(&mut net);
        until("the address", || {
            let keys = net.get(0, "/v1/keys")?;
            keys["keys"][0]["account"].as_str().map(drop).ok_or_else(|| keys.to_string())
        });
        net.while_asking(&[0, 1, 2, 1], || net.only_epoch(&[0, 1, 2], 1));
        assert!(net.log(0).contains("refresh_begun"));
    });
    step("every member's new share is in a backup that opens", || {
        let key = place.path().join("people.key");
        fs::write(&key, format!("{}\n", crate::losses::SECRET)).expect("a key file");
        for node in net.all() {
            let file = folder.join(format!("firn-{}-{}.age", net.definition.name, net.name(node)));
            let (file, key) = (file.to_str().expect("a path"), key.to_str().expect("a path"));
            until("a backup of the new epoch alone", || {
                let verified = net.at(node, &["backup", "verify", file, "--identity", key]).json();
                let epochs: Vec<_> =
                    verified["keys"].as_array().expect("keys").iter().map(|key| &key["epoch"]).collect();
                if epochs == [&json!(1)] { Ok(()) } else { Err(verified.to_string()) }
            });
        }
    });
    step("who asks for a refresh is told when it is backed up", || {
        let view = net.at(1, &["key", "refresh", "slash", "--within-seconds", "20"]).json();
        assert_eq!((&view["epoch"], view["backed_up"].is_u64()), (&json!(2), true), "{view}");
    });
    net.executes(2);
    net.assert_up();
}

/// The phases of a refresh as a member logs them, in their order.
const PHASES: [&str; 7] = ["proposed", "accepting", "round-1", "echo", "checking", "certifying", "certified"];

/// How often a member is killed in each of two networks, unless `FIRN_EPOCH_KILLS` says otherwise.
const KILLS: u64 = 10;

#[test]
fn d1_a_member_killed_in_a_refresh_or_resharing_leaves_a_key_that_signs_first() {
    trials(1);
}

#[test]
fn d1_a_member_killed_in_a_refresh_or_resharing_leaves_a_key_that_signs_second() {
    trials(2);
}

fn trials(seed: u64) {
    let kills = env::var("FIRN_EPOCH_KILLS").map_or(KILLS, |text| text.parse().expect("a number"));
    let mut net = step("five nodes, three to sign", || Net::start(5, 3));
    let mut random = Random(seed);
    let mut report = format!("{kills} kills (seed {seed})\n");
    for number in 1..=kills {
        let line = trial(&mut net, number, &mut random);
        eprintln!("      {line}");
        report.push_str(&line);
        report.push('\n');
    }
    net.assert_up();
    if let Some(file) = env::var_os("FIRN_EPOCH_REPORT") {
        fs::write(PathBuf::from(file).with_extension(format!("{seed}.txt")), report).expect("a report");
    }
}

/// Now and then the organisations want another threshold, and until the key has it every ceremony is a resharing.
fn ceremony(net: &Net, all: &[usize], random: &mut Random) -> &'static str {
    let listed = || {
        let text = net.text_at(0, &["network", "status", "--toml"]).success();
        Definition::parse(&text).expect("the definition in force").keys[0].threshold
    };
    let keys = net.get(0, "/v1/keys").expect("the node answers");
    let active = keys["keys"].as_array().expect("keys").iter().find(|key| key["state"] == "active");
    let threshold = active.expect("an active key")["threshold"].as_u64().expect("a threshold");
    let as_listed = u64::from(listed()) == threshold;
    if as_listed && random.index(3) > 0 {
        return "refresh";
    }
    if as_listed {
        net.next_version(all, |content| content.keys[0].threshold = 7 - content.keys[0].threshold);
    }
    "reshare"
}

/// One member is killed somewhere in a refresh or a resharing. What it came to is a line of the report.
fn trial(net: &mut Net, number: u64, random: &mut Random) -> String {
    let all: Vec<_> = net.all().collect();
    let (victim, proposer, phase) = (random.index(5), random.index(5), PHASES[random.index(PHASES.len())]);
    let epoch = net.epochs(victim, "active")[0];
    let ceremony = ceremony(net, &all, random);
    let asked = net.at(proposer, &["key", ceremony, "slash", "--no-wait", "--within-seconds", "20"]).json();
    let id = asked["id"].as_str().expect("an id").to_owned();
    // The moment it says that it is in the phase; or what it is in when that was over too fast to be seen.
    let (mark, mut looks) = (format!("phase=\"{phase}\""), 0);
    until_at(Duration::from_millis(2), "the phase, or a later one", || {
        looks += 1;
        let reached = net.log(victim).lines().any(|line| line.contains(&id) && line.contains(&mark));
        if reached || looks > 300 { Ok(()) } else { Err(phase.to_owned()) }
    });
    net.kill(victim);
    // The others sign at once, with the epoch before or the next.
    let other = (victim + 1) % all.len();
    let request = net.ask(other, &net.slash(1));
    net.in_state(other, &request, "executed");
    net.start_nodes(&[victim]);
    net.connected(&all);
    let (state, missing) = until("its end at all", || end_of(net, &all, &id));
    let next = if state == "active" { epoch + 1 } else { epoch };
    net.only_epoch(&all, next);
    net.executes(victim);
    format!(
        "{number}: {} killed at {phase} of a {ceremony}: {state}, missing [{missing}]; epoch {next} signs",
        net.name(victim)
    )
}

/// Nothing hangs: an attempt became active at all, or it ended at all who know it, within its bounds, and said who was missing.
fn end_of(net: &Net, nodes: &[usize], id: &str) -> Result<(String, String), String> {
    let views: Vec<_> = nodes.iter().filter_map(|node| net.key(*node, id).ok()).collect();
    let states: BTreeSet<_> = views.iter().filter_map(|view| view["state"].as_str()).collect();
    let ended = states.iter().all(|state| ["active", "aborted", "abandoned"].contains(state));
    let names = views.iter().find_map(|view| view["waiting_for"].as_array().filter(|names| !names.is_empty()));
    let names: Vec<_> = names.into_iter().flatten().filter_map(Value::as_str).collect();
    match states.first() {
        None => Ok(("forgotten".to_owned(), String::new())),
        Some(state) if ended && (states.len() == 1 || !states.contains("active")) => {
            Ok(((*state).to_owned(), names.join(" ")))
        }
        _ => Err(format!("{states:?}, missing {names:?}")),
    }
}
