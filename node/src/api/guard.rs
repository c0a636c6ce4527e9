//! Who gets as far as a handler: the table of roles, the operator's token, and clients' certificates.

use super::json::ErrorBody;
use super::remote::Caller;
use super::session::{Call, Fault};
use super::{Refused, Shared, unknown_method};

use crate::access::{self, Role};
use crate::runtime::wall_time;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

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
        ([Role::Operator], Door::Local) => return Ok(next.run(api.authorise(request).await?).await),
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
    address.map_or_else(|_| name.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
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
    /// The operator's command, by a token for this very call. Its body is read here, and given on.
    async fn authorise(&self, request: Request) -> Result<Request, Refused> {
        let (parts, body) = request.into_parts();
        let body = super::bounded(body, firn_proto::limits::REQUEST_JSON_BYTES_MAX).await?;
        let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let path = parts.uri.path_and_query().map(PathAndQuery::as_str).unwrap_or_default();
        let call = Call { method: parts.method.as_str(), path, body: &body };
        match self.used.admit(&self.token, header, call, wall_time().0) {
            Ok(()) => Ok(Request::from_parts(parts, body.into())),
            Err(fault) => {
                // Only whoever guesses waits for it.
                if fault == Fault::Missing {
                    tokio::time::sleep(WRONG_TOKEN).await;
                }
                Err(refuse_token(fault))
            }
        }
    }
}

/// How long a wrong token is answered later.
const WRONG_TOKEN: Duration = Duration::from_millis(200);

fn refuse_token(fault: Fault) -> Refused {
    let (code, cause) = match fault {
        Fault::Missing => ("TOKEN_MISSING", "this changes the node and needs its operator's token for this call"),
        Fault::Stale => ("TOKEN_STALE", "the token is older than half a minute, or of another clock"),
        Fault::Repeated => ("TOKEN_USED", "the token was used before"),
        Fault::Many => {
            let body = ErrorBody::new("NODE_BUSY", "too many commands in half a minute", "", "wait that long");
            return Refused(StatusCode::SERVICE_UNAVAILABLE, body);
        }
    };
    let next = "use the CLI as the node's own user with --data-dir, or send what `firn token` prints";
    Refused(StatusCode::UNAUTHORIZED, ErrorBody::new(code, cause, "", next))
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
