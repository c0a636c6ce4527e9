//! Who may call what: every route of docs/reference/roles.md, by everybody.

use crate::http::call;
use crate::net::Net;
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
    let token = std::fs::read_to_string(net.nodes[0].data_dir.join("run/token")).expect("a token");
    let operator = format!("Authorization: Bearer {}\r\n", token.trim());
    let forged = format!("Authorization: Bearer {}\r\n", "0".repeat(token.trim().len()));
    let routes = routes();
    assert!(routes.len() > 12, "{routes:?}");
    for (route, methods) in routes {
        let path = route.replace("{id}", &format!("0x{}", "11".repeat(32))).replace("{name}", "nobody");
        for (method, operator_only) in &methods {
            for headers in ["", &forged] {
                let answer = call(at, method, &path, headers, "{}").expect("an answer");
                if *operator_only {
                    answer.refused(401, "TOKEN_MISSING");
                } else {
                    assert_ne!(answer.status, 401, "{method} {path}");
                }
            }
            let answer = call(at, method, &path, &operator, "{}").expect("an answer");
            assert!(![401, 405].contains(&answer.status), "{method} {path}: {}", answer.status);
        }
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            if !methods.contains_key(method) {
                call(at, method, &path, &operator, "{}").expect("an answer").refused(405, "METHOD_UNKNOWN");
            }
        }
    }
}
