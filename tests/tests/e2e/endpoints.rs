//! Nodes with two endpoints of the chain, of which one begins to lie; and one endpoint where two must agree.

use crate::http;
use crate::net::{Net, named};
use crate::process::{step, until};
use alloy_primitives::U256;
use alloy_sol_types::{SolCall, sol};
use firn_proto::operation::SlashOperator;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

sol! {
    function isOperatorSlashable(address operator, OperatorSet operatorSet) view returns (bool);
    struct OperatorSet {
        address avs;
        uint32 id;
    }
}

/// An endpoint that says what another says until it is told to lie: then nobody can be slashed.
fn liar(truth: SocketAddr) -> (SocketAddr, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let (address, lies) = (listener.local_addr().expect("an address"), Arc::new(AtomicBool::new(false)));
    let told = Arc::clone(&lies);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let told = Arc::clone(&told);
            std::thread::spawn(move || answer(stream, truth, &told));
        }
    });
    (address, lies)
}

/// Answers one connection's questions, until either side has enough.
fn answer(mut stream: TcpStream, truth: SocketAddr, lies: &AtomicBool) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
            let header = line.to_ascii_lowercase();
            length = header.strip_prefix("content-length:").map_or(length, |n| n.trim().parse().unwrap_or(0));
            line.clear();
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok().filter(|()| length > 0)?;
        let text = String::from_utf8(body).ok()?;
        let asked = hex::encode(isOperatorSlashableCall::SELECTOR);
        let said = if lies.load(Ordering::SeqCst) && text.contains(&asked) {
            let question: Value = serde_json::from_str(&text).ok()?;
            json!({ "jsonrpc": "2.0", "id": question["id"], "result": format!("0x{}", "00".repeat(32)) }).to_string()
        } else {
            http::post(truth, "/", &text).ok()?.body
        };
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", said.len());
        stream.write_all((head + &said).as_bytes()).ok()?;
    }
}

fn believe(net: &Net, node: usize, endpoints: &[SocketAddr], more: &str) {
    let path = net.nodes[node].data_dir.join("config.toml");
    let plain = fs::read_to_string(&path).expect("a configuration");
    let mut config: toml::Table = plain.parse().expect("TOML");
    let urls = endpoints.iter().map(|at| toml::Value::from(format!("http://{at}"))).collect();
    let chain = config["chain"].as_table_mut().expect("[chain]");
    chain.insert("rpc".to_owned(), toml::Value::Array(urls));
    chain.extend(more.parse::<toml::Table>().expect("TOML"));
    fs::write(&path, config.to_string()).expect("a writable configuration");
}

#[test]
fn r65_an_endpoint_that_contradicts_another_makes_no_node_lend_a_share() {
    let net = Net::prepare(3, 2);
    let (second, lies) = liar(net.chain.rpc);
    for node in [1, 2] {
        believe(&net, node, &[net.chain.rpc, second], "");
    }
    let net = step("three nodes, of which two ask two endpoints", || net.started());
    let before = (net.chain.shares(), net.chain.slash_count());
    let id = net.ask(0, &net.slash(8));
    step("all say the same: it is signed", || net.executed_once(0, &id, 8, before));
    lies.store(true, Ordering::SeqCst);
    let waits = net.ask(0, &SlashOperator { nonce: U256::from(78), ..net.slash(5) });
    step("one lies: both nodes wait, and say which fact it is about", || {
        for node in [1, 2] {
            until("the node to wait", || {
                let view = net.request(node, &waits)?;
                let own = named(&view["members"], net.name(node)).clone();
                if own["code"] == "CHAIN_DISAGREES" { Ok(()) } else { Err(view.to_string()) }
            });
            assert!(net.metric(node, "firn_chain_rpc_disagreement_total") > 0);
            until("the status to say so", || {
                let status = net.status(node)?;
                let detail = named(&status["checks"], "chain")["detail"].as_str().unwrap_or_default().to_owned();
                if detail.contains("contradict") && detail.contains("eth_call") { Ok(()) } else { Err(detail) }
            });
        }
        assert!(net.request(0, &waits).expect("a view")["signature"].is_null());
    });
    let before = (net.chain.shares(), net.chain.slash_count());
    lies.store(false, Ordering::SeqCst);
    step("it tells the truth again: it is signed", || net.executed_once(0, &waits, 5, before));
}

#[test]
fn r65_a_node_says_what_is_wrong_with_its_endpoints_and_holds_on_an_old_block() {
    let mut net = Net::prepare(3, 2);
    net.start_chain();
    believe(&net, 0, &[net.chain.rpc], "stale_after = 1");
    // What is final is two blocks of a second old.
    net.start_nodes(&[0]);
    until("an old block to be noticed", || {
        let status = net.status(0)?;
        let check = named(&status["checks"], "chain").clone();
        let said = check["detail"].as_str().unwrap_or_default().to_owned();
        if said.contains("CHAIN_STALE") && said.contains("each is believed by itself") { Ok(()) } else { Err(said) }
    });
}
