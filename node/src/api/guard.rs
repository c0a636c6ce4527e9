//! Who gets as far as a handler: the table of roles, the operator's token, and clients' certificates.

use super::json::ErrorBody;
use super::remote::Caller;
use super::{Refused, Shared, unknown_method};
use crate::access::{self, Role};
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Through which a call comes in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Door {
    /// Loopback: whoever is on the machine reads, and the operator has the token.
    Local,
    /// From other machines: the client's certificate says in which role.
    Remote,
}

/// What the table of roles demands before a handler sees anything. A requester's and a person's signature is in the body, and
/// the handler verifies it.
pub(super) async fn guard(
    State((api, door)): State<(Arc<Shared>, Door)>,
    request: Request,
    next: Next,
) -> Result<Response, Refused> {
    is_meant(request.headers(), door)?;
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
    match (access::route(request.method(), path), door) {
        ([], _) => return Err(unknown_method()),
        ([Role::Operator], Door::Local) => api.authorise(request.headers())?,
        (_, Door::Local) => {}
        (by, Door::Remote) => admit(by, &request)?,
    }
    Ok(next.run(request).await)
}

/// No page in a browser has any business here, whichever name it gave this machine and whatever its user is let in for.
fn is_meant(headers: &HeaderMap, door: Door) -> Result<(), Refused> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = text("host").unwrap_or_default();
    let next = "call it by its loopback address, from a program and not from a page in a browser";
    if door == Door::Local && !is_loopback(host) {
        let body = ErrorBody::new("HOST_NOT_ALLOWED", "the API is not called by that name", host, next);
        return Err(Refused(StatusCode::MISDIRECTED_REQUEST, body));
    }
    let page = text("origin").or_else(|| text("sec-fetch-site").filter(|site| *site != "none"));
    match page {
        None => Ok(()),
        Some(origin) => {
            let body = ErrorBody::new("ORIGIN_NOT_ALLOWED", "a page in a browser makes this call", origin, next);
            Err(Refused(StatusCode::FORBIDDEN, body))
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.parse().map(|address: SocketAddr| address.ip());
    let address = address.or_else(|_| host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>());
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    address.map_or(name.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

/// A client from another machine does what its certificate's role may, and nothing else.
fn admit(by: &[Role], request: &Request) -> Result<(), Refused> {
    let caller = request.extensions().get::<ConnectInfo<Caller>>().and_then(|ConnectInfo(caller)| caller.0.as_ref());
    match caller.filter(|client| by.contains(&client.role)) {
        Some(client) => {
            let (client, role, path) = (&client.name, client.role.as_str(), request.uri().path());
            if request.method() != Method::GET {
                tracing::info!(client, role, method = request.method().as_str(), path, "api_client_call");
            }
            Ok(())
        }
        None => {
            let next = "docs/reference/roles.md says who may; the role is that of the client's entry in config.toml";
            let role = caller.map(|client| client.role.as_str()).unwrap_or_default();
            let body = ErrorBody::new("ROLE_NOT_ALLOWED", "the client's role may not do that", role, next);
            Err(Refused(StatusCode::FORBIDDEN, body))
        }
    }
}

impl Shared {
    /// Compares the whole token whatever the first difference, so that its time tells nothing.
    fn authorise(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let expected = format!("Bearer {}", self.token);
        let differs = given.bytes().zip(expected.bytes()).fold(0, |bits, (a, b)| bits | (a ^ b));
        if differs == 0 && given.len() == expected.len() {
            return Ok(());
        }
        let next = "use the CLI as the node's own user with --data-dir, or send the token in run/token";
        let body = ErrorBody::new("TOKEN_MISSING", "this changes the node and needs its operator's token", "", next);
        Err(Refused(StatusCode::UNAUTHORIZED, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn r64_a_page_in_a_browser_calls_nothing() {
        let refused = |door: Door, list: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            list.iter().for_each(|(name, value)| drop(headers.insert(*name, HeaderValue::from_static(value))));
            is_meant(&headers, door).err().map(|refused| refused.1.error.code)
        };
        for host in ["127.0.0.1", "127.0.0.1:7401", "[::1]:7401", "[::1]", "localhost", "LOCALHOST:7401", "127.8.8.8"] {
            assert_eq!(refused(Door::Local, &[("host", host)]), None, "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:7401",
            "localhost.evil.example",
            "10.0.0.1:7401",
            "127.0.0.1.evil.example",
        ] {
            assert_eq!(refused(Door::Local, &[("host", host)]).as_deref(), Some("HOST_NOT_ALLOWED"), "{host}");
            assert_eq!(refused(Door::Remote, &[("host", host)]), None, "its certificate names it");
        }
        assert_eq!(refused(Door::Local, &[]).as_deref(), Some("HOST_NOT_ALLOWED"));
        for door in [Door::Local, Door::Remote] {
            let local = ("host", "localhost");
            for page in [("origin", "https://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
                assert_eq!(refused(door, &[local, page]).as_deref(), Some("ORIGIN_NOT_ALLOWED"), "{page:?}");
            }
            assert_eq!(refused(door, &[local, ("sec-fetch-site", "none")]), None);
        }
    }
}
