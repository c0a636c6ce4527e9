//! The loss matrix of docs/how-to/losses.md: each procedure is run from the commands that stand there.

use crate::net::Net;
use crate::process::{binary, step, until, until_at};
use firn_proto::{Identifier, NodeId};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Who loses something.
const LOST: usize = 2;
/// A key that everybody knows, and its recipient.
pub(crate) const SECRET: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
pub(crate) const RECIPIENT: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";

/// The blocks of commands under a heading of the page.
fn blocks(heading: &str) -> Vec<String> {
    let page = fs::read_to_string(firn_tests::repository_root().join("docs/how-to/losses.md")).expect("the page");
    let section = page.split("\n## ").find(|section| section.starts_with(&format!("{heading}\n")));
    let section = section.unwrap_or_else(|| panic!("no section {heading}"));
    section.split("```sh\n").skip(1).map(|rest| rest.split("```").next().expect("its end").to_owned()).collect()
}

/// A network with what the page's variables stand for.
struct Case {
    net: Net,
    variables: BTreeMap<&'static str, String>,
}

impl Case {
    /// Five members of six nodes, three sign. The loser's organisation has two people.
    fn start() -> Self {
        let mut net = Net::prepare(6, 4);
        let second = net.manifest["people"][LOST + 1]["name"].as_str().expect("a name").to_owned();
        net.redefine(|content| {
            content.keys[0].threshold = 3;
            content.keys[0].members = (1..=5).map(|id| (Identifier(id), NodeId(id))).collect();
            let node = u16::try_from(LOST).expect("small") + 1;
            let organisation = content.nodes[&NodeId(node)].organisation.clone();
            content.policy.people.get_mut(&second).expect("a person").organisation = organisation;
        });
        net.start_chain();
        let all: Vec<_> = net.all().collect();
        net.start_nodes(&all);
        net.connected(&all);
        net.generate_key(&[0, 1, 2, 3, 4]);
        net.deploy();
        let mut case = Self { net, variables: BTreeMap::new() };
        case.fill();
        case
    }

    fn fill(&mut self) {
        let folder = self.folder();
        let text = |path: PathBuf| path.to_str().expect("a path in UTF-8").to_owned();
        let node = self.net.nodes[LOST].clone();
        fs::write(folder.join("people.key"), format!("{SECRET}\n")).expect("a key file");
        let organisation = &self.net.definition.nodes[&NodeId(u16::try_from(LOST).expect("small") + 1)].organisation;
        let mut set = |name: &'static str, value: String| drop(self.variables.insert(name, value));
        set("NODE", text(node.data_dir));
        set("NAME", node.name);
        set("PASSPHRASE", text(node.passphrase_file));
        set("NETWORK", text(self.net.nodes[0].data_dir.join("network.toml")));
        set("OTHER", text(self.net.nodes[0].data_dir.clone()));
        set("BACKUP", text(folder.join("backup.age")));
        set("KEY", text(folder.join("people.key")));
        set("SPARE", self.net.nodes[5].name.clone());
        set("ORGANISATION", organisation.clone());
        for (name, list, index) in [
            ("PERSON_1", "people", LOST),
            ("PERSON_2", "people", LOST + 1),
            ("ADMIN_1", "admins", 0),
            ("ADMIN_2", "admins", 1),
            ("ADMIN_3", "admins", 3),
            ("ADMIN_4", "admins", 4),
        ] {
            let entry = &self.net.manifest[list][index];
            let file = |name: &str| entry[name].as_str().expect("a path").to_owned();
            let keystore = folder.join(format!("{name}.json"));
            fs::copy(file("keystore"), &keystore).expect("a copy");
            fs::copy(file("passphrase_file"), folder.join(format!("{name}.json.passphrase"))).expect("a copy");
            set(name, text(keystore));
        }
        let admins = ["ADMIN_1", "ADMIN_2", "ADMIN_3", "ADMIN_4"].map(|name| self.variables[name].clone());
        self.variables.insert("ADMINS", admins.join(" "));
    }

    fn folder(&self) -> PathBuf {
        self.net.nodes[0].data_dir.parent().expect("a folder").to_owned()
    }

    /// Runs a block as it stands. A line that starts the node has the test start it, as it does not end.
    fn run(&mut self, block: &str) -> String {
        let (before, starts) = match block.split_once("firn run --data-dir \"$NODE\"\n") {
            Some((before, after)) => (before, Some(after)),
            None => (block, None),
        };
        let mut said = self.shell(before);
        if let Some(after) = starts {
            self.net.start_nodes(&[LOST]);
            self.met();
            said.push_str(&self.shell(after));
        }
        said
    }

    fn shell(&self, script: &str) -> String {
        let folder = binary().parent().expect("a folder").to_owned();
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").expect("a path"));
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", script]).env("PATH", path).current_dir(self.folder());
        let output = command.envs(&self.variables).output().expect("bash");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{script}\n{}\n{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    /// All that run have met.
    fn met(&self) {
        for node in [0, 1, 3, 4, 5] {
            until(&format!("{} to meet it", self.net.name(node)), || {
                let status = self.net.status(node)?;
                let peer = crate::net::named(&status["peers"], self.net.name(LOST)).clone();
                if peer["connected"] == true { Ok(()) } else { Err(peer.to_string()) }
            });
        }
    }

    /// Each other member runs the block that confirms the node, and then two people resume it.
    fn confirmed(&mut self, block: &str) {
        let (trust, resume) = block.split_once('\n').expect("two parts");
        for node in [0, 1, 3, 4, 5] {
            let quarantined = || -> Result<bool, String> {
                let status = self.net.status(node)?;
                Ok(crate::net::named(&status["peers"], self.net.name(LOST))["quarantined"] == true)
            };
            until("it to be quarantined", || quarantined()?.then_some(()).ok_or_else(|| "not yet".to_owned()));
            let other = self.net.nodes[node].data_dir.to_str().expect("a path").to_owned();
            self.variables.insert("OTHER", other);
            self.shell(trust);
        }
        let other = self.net.nodes[0].data_dir.to_str().expect("a path").to_owned();
        self.variables.insert("OTHER", other);
        until_at(Duration::from_millis(500), "it to hear that it is confirmed", || {
            let pauses = self.net.status(LOST)?["pauses"].clone();
            if pauses["restored"]["code"].is_null() { Ok(()) } else { Err(pauses.to_string()) }
        });
        self.shell(resume);
    }

    /// The node makes a backup by itself, after a start with that in its configuration; gives the file.
    fn keeps_a_backup(&mut self) -> PathBuf {
        let folder = self.folder().join("kept");
        fs::create_dir(&folder).expect("a folder");
        let node = self.net.nodes[LOST].clone();
        let config = node.data_dir.join("config.toml");
        let text = fs::read_to_string(&config).expect("a configuration");
        let lines = format!("[backup]\nrecipients = ['{RECIPIENT}']\ndirectory = '{}'\n", folder.display());
        fs::write(&config, text.replace("[backup]\n", &lines)).expect("a configuration");
        self.net.stop(LOST);
        self.net.start_nodes(&[LOST]);
        self.met();
        let file = folder.join(format!("firn-{}-{}.age", self.net.definition.name, node.name));
        until("the backup", || if file.exists() { Ok(()) } else { Err("not yet".to_owned()) });
        file
    }

    /// From here on the page's people and other member are this node's. Where an organisation has one person, that one counts once.
    fn speak_for(&mut self, node: usize) {
        let entry = &self.net.manifest["people"][node];
        let file = |name: &str| entry[name].as_str().expect("a path").to_owned();
        let keystore = self.folder().join(format!("person-of-{node}.json"));
        fs::copy(file("keystore"), &keystore).expect("a copy");
        fs::copy(file("passphrase_file"), keystore.with_extension("json.passphrase")).expect("a copy");
        let keystore = keystore.to_str().expect("a path in UTF-8").to_owned();
        self.variables.extend(["PERSON_1", "PERSON_2"].map(|name| (name, keystore.clone())));
        let other = self.net.nodes[node].data_dir.to_str().expect("a path").to_owned();
        self.variables.insert("OTHER", other);
    }

    /// With so many others away that the node is needed, the key signs.
    fn is_needed_and_signs(&mut self) {
        self.net.kill(3);
        self.net.kill(4);
        self.net.executes(0);
        self.net.start_nodes(&[3, 4]);
    }

    fn backed_up(&self) {
        let file = self.variables["BACKUP"].clone();
        self.net.at(LOST, &["backup", "create", "--with-identity", "--recipient", RECIPIENT, "--out", &file]).json();
        self.net.at(LOST, &["backup", "verify", &file, "--identity", &self.variables["KEY"]]).json();
    }

    fn shares(&self, node: usize) -> Vec<Value> {
        let keys = self.net.get(node, "/v1/keys").expect("the node answers");
        keys["keys"].as_array().expect("keys").iter().filter(|key| key["state"] == "active").cloned().collect()
    }
}

#[test]
fn a_lost_node_a_lost_region_and_a_stolen_share() {
    let mut case = step("six nodes, five members, three sign", Case::start);
    step("a node: the others sign, it comes back and is needed", || {
        case.net.kill(LOST);
        case.net.executes(0);
        let said = case.run(&blocks("A node").concat());
        assert!(said.contains(&case.variables["NAME"]), "{said}");
        case.is_needed_and_signs();
    });
    step("a region: two members are silent, and named; the key signs", || {
        case.net.kill(3);
        case.net.kill(4);
        let said = case.run(&blocks("A region").concat());
        assert!(said.contains(case.net.name(3)) && said.contains(case.net.name(4)), "{said}");
        case.net.executes(1);
        case.net.start_nodes(&[3, 4]);
    });
    step("a stolen share: paused, and a plan for a new key", || {
        let said = case.run(&blocks("A stolen share").concat());
        assert!(said.contains("dkg propose") && said.contains("is retired"), "{said}");
        assert!(!case.net.status(LOST).expect("a status")["pauses"]["node"].is_null());
        case.net.executes(0);
    });
    step("an organisation: told what its shares are still good for", || {
        let said = case.run(&blocks("An organisation").concat());
        assert!(said.contains("key rotate"), "{said}");
    });
    step("too many shares: nothing is signed, a refresh names who is missing, the plan is printed", || {
        for node in [1, 3, 4] {
            case.net.kill(node);
        }
        let id = case.net.ask(0, &case.net.slash(1));
        let refused = case.net.at(0, &["key", "refresh", "slash", "--within-seconds", "5"]);
        assert!(refused.stdout.contains(case.net.name(1)) || refused.stderr.contains(case.net.name(1)), "{refused:?}");
        let said = case.run(&blocks("Too many shares").concat());
        assert!(said.contains("dkg propose"), "{said}");
        assert!(case.net.request(0, &id).expect("a view")["signature"].is_null(), "two of three sign nothing");
    });
}

#[test]
fn a_lost_share_is_given_back_by_a_refresh() {
    let mut case = step("six nodes, five members, three sign", Case::start);
    let parts = blocks("The share");
    step("the database is gone", || {
        case.net.kill(LOST);
        fs::remove_dir_all(Path::new(&case.variables["NODE"]).join("store")).expect("a folder");
        case.run(&parts[0]);
    });
    step("members confirm it, two people agree", || case.confirmed(&parts[1]));
    step("it answers that it has no share, and gets one", || {
        let id = case.net.ask(LOST, &case.net.slash(1));
        case.net.in_state(0, &id, "executed");
        case.run(&parts[2]);
        until("the next epoch", || {
            let active = case.shares(LOST);
            if active.len() == 1 && active[0]["epoch"] == 1 { Ok(()) } else { Err(format!("{active:?}")) }
        });
        case.is_needed_and_signs();
    });
}

#[test]
fn r19_r35_a_lost_share_is_repaired_by_helpers_whose_people_agree_while_requests_are_signed() {
    let mut case = step("six nodes, five members, three sign", Case::start);
    let (parts, address) = (blocks("The share"), case.net.account());
    let before = case.shares(0);
    let kept = step("the node keeps a backup by itself", || case.keeps_a_backup());
    let backup = fs::read(&kept).expect("a backup");
    step("the database is gone; members confirm the node, two people agree", || {
        case.net.kill(LOST);
        fs::remove_dir_all(Path::new(&case.variables["NODE"]).join("store")).expect("a folder");
        case.run(&parts[0]);
        case.confirmed(&parts[1]);
    });
    step("its backup may hold what it has lost: it is not made anew without that", || {
        until("the node to say so", || {
            if case.net.log(LOST).contains("BACKUP_INCOMPLETE") { Ok(()) } else { Err("not yet".to_owned()) }
        });
        assert!(fs::read(&kept).expect("a backup") == backup);
    });
    let request = case.net.ask(0, &case.net.slash(1));
    step("it asks the first three members that are there", || {
        let said = case.run(&parts[3]);
        let id = said.lines().next().expect("an id").to_owned();
        case.variables.insert("REPAIR", id);
    });
    step("each helper consents when its people agree, and not before", || {
        let id = case.variables["REPAIR"].clone();
        for helper in [0, 1, 3] {
            until("the question", || {
                let repairs = case.net.get(helper, "/v1/repairs")?;
                if repairs["repairs"][0]["id"] == *id { Ok(()) } else { Err(repairs.to_string()) }
            });
            // The third one's only person went to the organisation that lost the share: nobody has a say there.
            if helper != 3 {
                case.net.at(helper, &["key", "consent", &id]).refused("CONSENT_APPROVALS_MISSING", 3);
                case.speak_for(helper);
                case.run(&parts[4]);
            } else {
                case.net.at(helper, &["key", "consent", &id]).json();
            }
        }
        until("the share", || {
            let repairs = case.net.get(LOST, "/v1/repairs")?;
            if repairs["repairs"][0]["state"] == "done" { Ok(()) } else { Err(repairs.to_string()) }
        });
    });
    step("it is the share of the same epoch, and it is needed", || {
        case.net.in_state(0, &request, "executed");
        assert_eq!(case.shares(LOST)[0]["key_id"], before[0]["key_id"]);
        assert_eq!(case.net.account(), address);
        case.is_needed_and_signs();
    });
    case.net.assert_up();
}

#[test]
fn a_lost_disk_and_a_lost_passphrase_are_restored_from_a_backup() {
    let mut case = step("six nodes, five members, three sign", Case::start);
    case.backed_up();
    step("the disk", || {
        case.net.kill(LOST);
        fs::remove_dir_all(&case.variables["NODE"]).expect("a folder");
        let parts = blocks("The disk");
        case.run(&parts[0]);
        case.confirmed(&parts[1]);
        case.is_needed_and_signs();
    });
    step("the passphrase", || {
        case.net.kill(LOST);
        fs::write(&case.variables["PASSPHRASE"], "another one that nobody has lost yet\n").expect("a passphrase");
        let parts = blocks("The passphrase");
        case.run(&parts[0]);
        case.confirmed(&parts[1]);
        case.is_needed_and_signs();
    });
}

#[test]
fn a_lost_identity_is_replaced_by_another_node() {
    let mut case = step("six nodes, five members, three sign", Case::start);
    let (address, parts) = (case.net.account(), blocks("The identity"));
    case.net.kill(LOST);
    step("a version with the spare node in its place", || {
        let block = case.net.chain.finalised() + 300;
        case.variables.insert("BLOCK", block.to_string());
        case.run(&parts[0]);
        until("the version to be on disk at all who are there", || {
            let view = case.net.at(0, &["network", "status"]).json();
            if view["holders"].as_array().map_or(0, Vec::len) == 5 { Ok(()) } else { Err(view.to_string()) }
        });
        case.net.chain.mine(302);
        for node in [0, 1, 3, 4, 5] {
            until("version 2", || {
                let ended = case.net.at(node, &["network", "status"]);
                let view: Value = serde_json::from_str(&ended.stdout).map_err(|_| ended.stderr.clone())?;
                if view["current"]["version"] == 2 { Ok(()) } else { Err(view.to_string()) }
            });
        }
        case.net.connected(&[0, 1, 3, 4, 5]);
    });
    step("the shares move to it, and it is needed", || {
        case.run(&parts[1]);
        assert_eq!(case.net.account(), address);
        case.net.kill(3);
        case.net.kill(4);
        case.net.executes(5);
    });
}
