//! Who may do what: one table, which guards every route, against which every command is tested, and from which
//! docs/reference/roles.md is made. What is not in it is denied.

use axum::http::Method;
use serde::Deserialize;

pub(crate) mod report;

/// Who acts. A signature or a token proves it, never a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    /// A user of the node's machine, or whoever has a certificate for it: reads, and changes nothing.
    Auditor,
    /// An AVS's key in `requesters`: asks for what its entry allows.
    Requester,
    /// A person with the role `approver`: approves and rejects.
    Approver,
    /// A person with the role `veto`.
    #[serde(rename = "veto")]
    VetoHolder,
    /// A person with the role `admin`: signs versions of the definition, and says nothing to requests.
    Admin,
    /// The node's own user, by tokens made of `run/token`: decides over this node, and says nothing to requests.
    Operator,
}

impl Role {
    /// The name in configurations.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Auditor => "auditor",
            Self::Requester => "requester",
            Self::Approver => "approver",
            Self::VetoHolder => "veto",
            Self::Admin => "admin",
            Self::Operator => "operator",
        }
    }
}

/// A row: what may be done, and by whom.
pub(crate) struct Right {
    pub(crate) what: &'static str,
    pub(crate) by: &'static [Role],
}

/// Reading takes no proof on the machine itself: the API listens on loopback only.
const READ: &[Role] = &[Role::Auditor, Role::Requester, Role::Approver, Role::VetoHolder, Role::Admin, Role::Operator];
const OPERATE: &[Role] = &[Role::Operator];
const SPEAK: &[Role] = &[Role::Approver, Role::VetoHolder];

/// The API: method and route.
pub(crate) const ROUTES: &[Right] = &[
    right("GET /v1/requests", READ),
    right("POST /v1/requests", &[Role::Requester]),
    right("GET /v1/requests/{id}", READ),
    right("POST /v1/requests/{id}/opinions", SPEAK),
    right("GET /v1/keys", READ),
    right("POST /v1/keys", OPERATE),
    right("POST /v1/keys/{id}/accept", OPERATE),
    right("POST /v1/keys/{id}/abandon", OPERATE),
    right("GET /v1/repairs", READ),
    right("POST /v1/repairs", OPERATE),
    right("POST /v1/repairs/{id}/consent", OPERATE),
    right("GET /v1/schedule", READ),
    right("GET /v1/pause", READ),
    right("POST /v1/pause", OPERATE),
    right("POST /v1/resume", OPERATE),
    right("POST /v1/network/pause", &[Role::VetoHolder]),
    right("GET /v1/peers", READ),
    right("POST /v1/peers/{name}/trust", OPERATE),
    right("GET /v1/audit", READ),
    right("GET /v1/audit/heads", READ),
    right("POST /v1/audit/heads", OPERATE),
    right("GET /v1/events", READ),
    right("GET /v1/network", READ),
    right("POST /v1/network/changes", &[Role::Admin]),
    right("GET /v1/status", READ),
    right("GET /livez", READ),
    right("GET /readyz", READ),
    right("GET /metrics", READ),
];

/// The command line. What takes the node's files is its operator's; `devnet` makes a network of its own.
#[cfg(test)]
pub(crate) const COMMANDS: &[Right] = &[
    right("init", OPERATE),
    right("run", OPERATE),
    right("status", READ),
    right("watch", READ),
    right("keystore change-passphrase", OPERATE),
    right("network show", READ),
    right("network check", READ),
    right("network status", READ),
    right("network diff", READ),
    right("network propose", READ),
    right("network accept", &[Role::Admin]),
    right("network submit", &[Role::Admin]),
    right("network install", OPERATE),
    right("network pause", &[Role::VetoHolder]),
    right("network resume", &[Role::VetoHolder]),
    right("chain plan", READ),
    right("chain deploy", READ),
    right("chain verify", READ),
    right("pause", OPERATE),
    right("resume", OPERATE),
    right("approve-resume", SPEAK),
    right("token", OPERATE),
    right("dkg propose", OPERATE),
    right("dkg accept", OPERATE),
    right("dkg abandon", OPERATE),
    right("dkg status", READ),
    right("key refresh", OPERATE),
    right("key reshare", OPERATE),
    right("key repair", OPERATE),
    right("key consent", OPERATE),
    right("key approve-consent", SPEAK),
    right("key repairs", READ),
    right("key status", READ),
    right("key rotate", READ),
    right("key schedule", READ),
    right("member add", READ),
    right("member remove", READ),
    right("member replace", READ),
    right("member expel", READ),
    right("peer trust", OPERATE),
    right("request slash", &[Role::Requester]),
    right("request submit", &[Role::Requester]),
    right("request typed-data", READ),
    right("request show", READ),
    right("request watch", READ),
    right("approve", &[Role::Approver]),
    right("reject", &[Role::Approver]),
    right("withdraw", SPEAK),
    right("veto", &[Role::VetoHolder]),
    right("policy check", READ),
    right("policy explain", READ),
    right("policy simulate", READ),
    right("access report", READ),
    right("audit tail", READ),
    right("audit show", READ),
    right("audit export", READ),
    right("audit heads", READ),
    right("audit checkpoint", OPERATE),
    right("audit verify", READ),
    right("backup create", OPERATE),
    right("backup verify", OPERATE),
    right("backup restore", OPERATE),
    right("backup drill", OPERATE),
    right("backup status", OPERATE),
    right("devnet prepare", OPERATE),
    right("devnet deploy", OPERATE),
    right("devnet up", OPERATE),
    right("devnet demo", OPERATE),
    right("devnet life", OPERATE),
];

const fn right(what: &'static str, by: &'static [Role]) -> Right {
    Right { what, by }
}

/// Who may call a route; nobody, where it has no row. `HEAD` is a `GET` without its body.
pub(crate) fn route(method: &Method, path: &str) -> &'static [Role] {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let row = ROUTES.iter().find(|right| right.what.split_once(' ') == Some((method.as_str(), path)));
    row.map_or(&[], |right| right.by)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::leaf_commands;
    use std::collections::BTreeSet;
    use std::fmt::Write;

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/roles.md");

    fn rendered() -> String {
        let mut page = String::from(include_str!("access.md"));
        let roles = [Role::Auditor, Role::Requester, Role::Approver, Role::VetoHolder, Role::Admin, Role::Operator];
        for (title, rows) in [("route", ROUTES), ("command", COMMANDS)] {
            let _ = write!(
                page,
                "\n| {title} | auditor | requester | approver | veto | admin | operator |\n|{}\n",
                " --- |".repeat(7)
            );
            for right in rows {
                let marks: Vec<_> = roles.iter().map(|role| if right.by.contains(role) { "yes" } else { "" }).collect();
                let name = if title == "route" { right.what.to_owned() } else { format!("firn {}", right.what) };
                let _ = writeln!(page, "| `{name}` | {} |", marks.join(" | "));
            }
        }
        page
    }

    #[test]
    fn r24_the_page_of_roles_is_the_table() {
        if std::env::var_os("FIRN_BLESS").is_some() {
            std::fs::write(PAGE, rendered()).unwrap();
        }
        let page = std::fs::read_to_string(PAGE).unwrap();
        assert!(page == rendered(), "stale; run: FIRN_BLESS=1 cargo nextest run -p firn-node roles");
    }

    #[test]
    fn r24_every_command_has_its_row_and_no_row_is_left_over() {
        let rows: BTreeSet<_> = COMMANDS.iter().map(|right| right.what.to_owned()).collect();
        assert_eq!((rows.len(), rows), (COMMANDS.len(), leaf_commands().into_iter().collect()));
    }

    #[test]
    fn r24_what_has_no_row_is_nobodys() {
        assert_eq!(route(&Method::DELETE, "/v1/keys"), []);
        assert_eq!(route(&Method::POST, "/v1/status"), []);
        assert_eq!(route(&Method::GET, "/debug"), []);
        assert_eq!(route(&Method::HEAD, "/v1/keys"), READ);
        assert_eq!(route(&Method::POST, "/v1/keys"), OPERATE);
    }

    #[test]
    fn r24_nobody_who_asks_or_runs_a_node_approves_by_that_alone() {
        for right in ROUTES.iter().chain(COMMANDS) {
            let speaks = right.by.contains(&Role::Approver) && right.by != READ;
            let alone = !right.by.contains(&Role::Requester) && !right.by.contains(&Role::Operator);
            assert!(!speaks || alone, "{}", right.what);
            assert!(!right.by.contains(&Role::Auditor) || right.by == READ, "{}: an auditor reads only", right.what);
            assert!(!right.by.is_empty(), "{}", right.what);
            let administers = right.by.contains(&Role::Admin) && right.by != READ;
            assert!(!administers || right.by == [Role::Admin], "{}: who administers does nothing else", right.what);
        }
    }
}
