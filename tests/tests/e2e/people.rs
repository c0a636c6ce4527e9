//! Rules and people: what is over the ceiling, what waits for approvals, what is vetoed; by command line and by wallet.

use alloy::dyn_abi::TypedData;
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use serde_json::Value;

use crate::net::{Net, path};
use crate::process::{Ended, cli, cli_refuses, step, until};

/// `firn approve` and the like with a person's keystore, at a node.
fn says(net: &Net, node: usize, person: usize, word: &str, id: &str) -> Ended {
    let entry = &net.manifest["people"][person];
    let file = |name: &str| entry[name].as_str().expect("a path").to_owned();
    let (keystore, passphrase) = (file("keystore"), file("passphrase_file"));
    net.at(node, &[word, id, "--keystore", &keystore, "--passphrase-file", &passphrase])
}

/// Waits until every node says of itself that it waits for this.
fn all_wait(net: &Net, id: &str, code: &str) {
    for node in net.all() {
        until(&format!("{} to say {code}", net.name(node)), || {
            let view = net.request(node, id)?;
            assert_eq!(view["signature"], Value::Null, "signed without the approvals that a rule asks for");
            let members = view["members"].as_array().expect("members");
            let own = members.iter().find(|member| member["name"] == net.name(node)).expect("a member");
            if own["code"] == code { Ok(()) } else { Err(view.to_string()) }
        });
    }
}

#[test]
fn people_approve_and_veto_as_the_rules_have_it() {
    let net = step("three nodes, two to sign", || Net::start(3, 2));
    step("over the ceiling: refused at once, with the numbers", || {
        let answer = net.post(0, &net.body(&net.slash(60), &net.requester()).to_string());
        assert_eq!(answer.status, 422, "{answer:?}");
        let error = &answer.json()["error"];
        assert_eq!(error["code"], "POLICY_WAD_TOO_LARGE");
        assert_eq!(error["detail"], "rule `at most half` takes 50% at most in any strategy; this takes 60%");
    });
    step("over a tenth: waits for two people of two organisations, and is executed", || approved(&net));
    step("explained, and foreseen under other rules", || foresees(&net));
    step("vetoed: refused everywhere, whoever approves", || vetoed(&net));
}

fn approved(net: &Net) {
    let before = (net.chain.shares(), net.chain.slash_count());
    let id = net.ask(0, &net.slash(20));
    all_wait(net, &id, "POLICY_APPROVALS_MISSING");
    says(net, 1, 0, "approve", &id).success();
    // Once more, and a stranger: neither is a second person.
    says(net, 2, 0, "approve", &id).success();
    let entry = &net.manifest["requester"];
    let (keystore, passphrase) = (entry["keystore"].as_str().unwrap(), entry["passphrase_file"].as_str().unwrap());
    let stranger = ["approve", &id, "--keystore", keystore, "--passphrase-file", passphrase];
    net.at(0, &stranger).refused("PERSON_UNKNOWN", 3);
    says(net, 0, 1, "veto", &id).refused("PERSON_NOT_ALLOWED", 3);
    all_wait(net, &id, "POLICY_APPROVALS_MISSING");
    let shown = net.text_at(2, &["request", "show", &id]).success();
    assert!(shown.contains("takes the approval of 2 people from 2 organisations; 1 from 1 have approved"), "{shown}");
    assert!(shown.contains("astrid of Nordlys Custody: approve"), "{shown}");
    by_wallet(net, &id);
    net.executed_once(0, &id, 20, before);
    says(net, 1, 0, "veto", &id).refused("OPINION_TOO_LATE", 7);
}

/// The second person signs what `--typed-data` prints, with a wallet that knows nothing of Firn, and brings the signature back.
fn by_wallet(net: &Net, id: &str) {
    let entry = &net.manifest["people"][1];
    let passphrase = std::fs::read_to_string(path(&entry["passphrase_file"])).expect("a passphrase");
    let wallet = PrivateKeySigner::decrypt_keystore(path(&entry["keystore"]), passphrase.trim()).expect("a wallet");
    let typed = net.at(1, &["approve", id, "--typed-data", "--number", "77"]).success();
    let typed: TypedData = serde_json::from_str(&typed).expect("typed data as wallets take it");
    let signature = wallet.sign_dynamic_typed_data_sync(&typed).expect("a signature");
    let signature = format!("0x{}", hex::encode(signature.as_bytes()));
    let other = ["approve", id, "--signature", &signature, "--number", "78"];
    net.at(2, &other).refused("PERSON_UNKNOWN", 3);
    net.at(2, &["approve", id, "--signature", &signature, "--number", "77"]).success();
}

fn vetoed(net: &Net) {
    let before = (net.chain.shares(), net.chain.slash_count());
    let id = net.ask(1, &net.slash(20));
    all_wait(net, &id, "POLICY_APPROVALS_MISSING");
    says(net, 2, 1, "approve", &id).success();
    says(net, 2, 0, "veto", &id).success();
    for node in net.all() {
        let view = net.in_state(node, &id, "refused");
        assert_eq!(view["code"], "REQUEST_VETOED", "{view}");
    }
    says(net, 0, 2, "approve", &id).refused("OPINION_TOO_LATE", 7);
    net.chain.mine(4);
    assert_eq!((net.chain.shares(), net.chain.slash_count()), before, "a vetoed slash reached the chain");
}

/// What the rules say of a request, and what stricter ones would have said.
fn foresees(net: &Net) {
    let id = net.ask(0, &net.slash(20));
    all_wait(net, &id, "POLICY_APPROVALS_MISSING");
    let explained = net.at(1, &["policy", "explain", &id]).json();
    let conditions = explained["conditions"].as_array().expect("conditions");
    let lacking: Vec<_> = conditions.iter().filter(|condition| condition["holds"] == false).collect();
    assert_eq!(lacking.len(), 1, "{explained}");
    assert_eq!(lacking[0]["code"], "POLICY_APPROVALS_MISSING");
    assert!(lacking[0]["remedy"].is_string() && explained["may_approve"][0].is_string(), "{explained}");
    let text = net.text_at(1, &["policy", "explain", &id]).success();
    assert!(text.contains("LACKS  rule `two approve more than a tenth`") && text.contains("astrid"), "{text}");
    let file = net.manifest["network_file"].as_str().expect("a path");
    let checked = cli(&["policy", "check", file]).success();
    assert!(checked.contains("at most half: wad_max 500000000000000000"), "{checked}");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a writable file");
        path.to_str().expect("a path in UTF-8").to_owned()
    };
    let plain = std::fs::read_to_string(file).expect("a definition");
    let strict = write("strict.toml", &plain.replace("\"500000000000000000\"", "\"150000000000000000\""));
    let bodies = [5, 20].map(|percent| net.body(&net.slash(percent), &net.requester()).to_string());
    let requests = write("requests.jsonl", &bodies.join("\n"));
    let simulate = ["policy", "simulate", &strict, "--requests", &requests, "--network", file];
    let simulated = cli(&[&simulate[..], &["--output", "json"]].concat()).json();
    let answers = |key: &str| [0, 1].map(|at| simulated["requests"][at][key]["answer"].clone());
    assert_eq!(
        (answers("verdict"), answers("before")),
        (["sign", "refuse"].map(Value::from), ["sign", "wait"].map(Value::from))
    );
    assert_eq!(simulated["changed"], 1);
    assert!(cli(&simulate).success().contains("refuse (POLICY_WAD_TOO_LARGE); before: wait"));
    let broken = write("broken.jsonl", &bodies[0].replace("\"nonce\":", "\"nonce\":1.5,\"nonce\":"));
    cli_refuses(&["policy", "simulate", &strict, "--requests", &broken, "--network", file], "REQUESTS_FILE", 3);
}
