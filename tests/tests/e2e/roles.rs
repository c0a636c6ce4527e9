//! Who may call what: every route of docs/reference/roles.md, by everybody.

use crate::http::call;
use crate::net::{Net, token_of};
use std::collections::BTreeMap;

const PAGE: &str = include_str!("../../../docs/reference/roles.md");

/// Which methods each route has, and whether only the operator may use them.
fn routes() -> BTreeMap<&'static str, BTreeMap<&'static str, bool>> {
    let mut routes: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for line in PAGE.lines() {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let what = cells.next().unwrap_or_default().trim_matches('`');
        let Some((method, path)) = what.split_once(' ').filter(|(method, _)| ["GET", "POST"].contains(method)) else {
            continue;
        };
        let may: Vec<_> = cells.map(|cell| cell == "yes").collect();
        let operator_only = may.split_last().is_some_and(|(last, others)| *last && !others.contains(&true));
        assert!(routes.entry(path).or_default().insert(method, operator_only).is_none(), "{line}");
    }
    routes
}

#[test]
fn r24_every_route_is_open_to_whom_the_page_says_and_to_nobody_else() {
    let net = Net::start(3, 2);
    let at = net.nodes[0].api;
    let forged = |method: &str, path: &str| token_of(&"0".repeat(64), method, path, "{}");
    let routes = routes();
    assert!(routes.len() > 12, "{routes:?}");
    for (route, methods) in routes {
        let path = route
            .replace("/events", "/events?follow=false")
            .replace("{id}", &format!("0x{}", "11".repeat(32)))
            .replace("{name}", "nobody");
        for (method, operator_only) in &methods {
            for headers in [String::new(), forged(method, &path)] {
                let answer = call(at, method, &path, &headers, "{}").expect("an answer");
                if *operator_only {
                    answer.refused(401, "TOKEN_MISSING");
                } else {
                    assert_ne!(answer.status, 401, "{method} {path}");
                }
            }
            let operator = net.token(0, method, &path, "{}");
            let answer = call(at, method, &path, &operator, "{}").expect("an answer");
            assert!(![401, 405].contains(&answer.status), "{method} {path}: {}", answer.status);
        }
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            if !methods.contains_key(method) {
                let operator = net.token(0, method, &path, "{}");
                call(at, method, &path, &operator, "{}").expect("an answer").refused(405, "METHOD_UNKNOWN");
            }
        }
    }
}

#[test]
fn r09_an_operators_token_is_for_one_call() {
    let mut net = Net::prepare(3, 2);
    net.start_nodes(&[0, 1]);
    let at = net.nodes[0].api;
    let post = |path: &str, header: &str, body: &str| call(at, "POST", path, header, body).expect("an answer");
    let secret = std::fs::read_to_string(net.nodes[0].data_dir.join("run/token")).expect("a token");
    let raw = format!("Authorization: Bearer {}\r\n", secret.trim());
    post("/v1/pause", &raw, "").refused(401, "TOKEN_MISSING");
    let token = net.token(0, "POST", "/v1/pause", "");
    post("/v1/audit/heads", &token, "").refused(401, "TOKEN_MISSING");
    post("/v1/pause", &token, "{}").refused(401, "TOKEN_MISSING");
    call(net.nodes[1].api, "POST", "/v1/pause", &token, "").expect("an answer").refused(401, "TOKEN_MISSING");
    assert_eq!(post("/v1/pause", &token, "").status, 202);
    post("/v1/pause", &token, "").refused(401, "TOKEN_USED");
    // As programs do that call by themselves.
    let printed = net.text_at(0, &["token", "POST", "/v1/pause"]).success();
    assert!(printed.starts_with("Authorization: Firn time="), "{printed}");
    let header = format!("{}\r\n", printed.trim());
    assert_eq!(post("/v1/pause", &header, "").status, 202);
    // After a restart the secret is another.
    let before = net.token(0, "POST", "/v1/pause", "");
    net.kill(0);
    net.start_nodes(&[0]);
    post("/v1/pause", &before, "").refused(401, "TOKEN_MISSING");
}
