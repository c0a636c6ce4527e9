//! Organisations' own evidence verifiers: a program at one node that rejects, an endpoint at another that fails first.

use crate::net::Net;
use crate::process::{step, until};
use alloy_primitives::{B256, U256};
use firn_proto::operation::SlashOperator;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::{Receiver, sync_channel};

/// A verifier that says it does not know, then what it might say of another request, and from then on accepts; and what it was
/// asked.
pub(crate) fn endpoint() -> (SocketAddr, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (asked, questions) = sync_channel(64);
    std::thread::spawn(move || {
        for (asked_before, mut stream) in listener.incoming().flatten().enumerate() {
            let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
            let (mut line, mut length) = (String::new(), 0);
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                let header = line.to_ascii_lowercase();
                length = header.strip_prefix("content-length:").map_or(length, |n| n.trim().parse().expect("a length"));
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            let body: Value = serde_json::from_slice(&body).expect("JSON");
            let request = if asked_before == 1 { B256::ZERO.to_string().into() } else { body["request"].clone() };
            let answer = json!({ "request": request, "verdict": "accept", "reason": "seen\u{202e} by us" }).to_string();
            let status = if asked_before == 0 { "503 Service Unavailable" } else { "200 OK" };
            let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", answer.len());
            stream.write_all((head + &answer).as_bytes()).expect("a reader");
            if asked.send(body).is_err() {
                return;
            }
        }
    });
    (address, questions)
}

pub(crate) fn configure(net: &Net, node: usize, line: &str) {
    let path = net.nodes[node].data_dir.join("config.toml");
    let plain = fs::read_to_string(&path).expect("a configuration");
    fs::write(&path, format!("{plain}\n[evidence]\n{line}\n")).expect("a writable configuration");
}

#[test]
fn each_organisations_verifier_decides_for_its_own_node() {
    let (address, questions) = endpoint();
    let net = Net::prepare(3, 2);
    let program = net.nodes[1].data_dir.with_extension("verifier");
    let script = "#!/bin/sh\ngrep -q forged && echo '{\"verdict\":\"reject\",\"reason\":\"the log is forged\"}'";
    fs::write(&program, script).expect("a writable folder");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).expect("a mode");
    configure(&net, 1, &format!("command = [{:?}]", program.to_str().expect("a path")));
    configure(&net, 2, &format!("endpoint = \"http://{address}/check\""));
    let net = step("three nodes, two to sign, two with verifiers", || net.started());
    let evidence = B256::repeat_byte(0xe1);
    let slash = |net: &Net| SlashOperator {
        evidenceHash: evidence,
        evidenceLocation: "ipfs://forged-log".to_owned(),
        ..net.slash(8)
    };
    let before = (net.chain.shares(), net.chain.slash_count());
    let id = net.ask(0, &slash(&net));
    step("signed by the node without one and the node whose verifier answers at last", || {
        net.executed_once(0, &id, 8, before);
        let first = questions.recv().expect("a question");
        assert_eq!(first["schema"], "firn.evidence-check.v1");
        assert_eq!(first["request"], id);
        assert_eq!(first["operation"]["slash_operator"]["evidence_hash"], evidence.to_string());
        assert_eq!(questions.recv().expect("asked again"), first);
        assert_eq!(questions.recv().expect("and again, as the answer was another request's"), first);
        assert_eq!(
            net.request(2, &id).expect("a view")["evidence"],
            json!({ "verdict": "accept", "reason": "seen  by us" })
        );
    });
    step("declined by the node whose verifier rejects, for all to see", || {
        let view = until("the verdict", || {
            let view = net.request(1, &id)?;
            if view["evidence"].is_null() { Err(view.to_string()) } else { Ok(view) }
        });
        assert_eq!(view["evidence"], json!({ "verdict": "reject", "reason": "the log is forged" }));
        let log = net.text_at(1, &["audit", "show", &id]).success();
        assert!(log.contains("evidence-rejected") && log.contains("(the log is forged)"), "{log}");
        assert!(!log.contains("share-release"), "{log}");
    });
    step("the same evidence slashes nobody twice", || {
        let again = net.ask(0, &SlashOperator { nonce: U256::from(77), ..slash(&net) });
        let view = net.in_state(0, &again, "refused");
        assert_eq!(view["code"], "EVIDENCE_LOCKED", "{view}");
    });
}
