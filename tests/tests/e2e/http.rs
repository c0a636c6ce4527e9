//! HTTP/1.1 by hand: one request, one connection. A client library would not send what some tests must.

use std::io::{Read, Write};
use std::net::SocketAddr;

use serde_json::Value;

use crate::place;
use crate::process::PATIENCE;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Checks a refusal: status, stable code, cause and next step. Gives its detail.
    pub(crate) fn refused(&self, status: u16, code: &str) -> String {
        let value = self.json();
        assert_eq!((self.status, value["error"]["code"].as_str()), (status, Some(code)), "{self:?}");
        for part in ["cause", "next_step"] {
            assert!(value["error"][part].as_str().is_some_and(|text| !text.is_empty()), "no {part}: {self:?}");
        }
        value["error"]["detail"].as_str().unwrap_or_else(|| panic!("no detail: {self:?}")).to_owned()
    }
}

/// Why there was no answer.
pub(crate) type Silence = String;

pub(crate) fn get(at: SocketAddr, path: &str) -> Result<Answer, Silence> {
    call(at, "GET", path, "", "")
}

pub(crate) fn post(at: SocketAddr, path: &str, body: &str) -> Result<Answer, Silence> {
    call(at, "POST", path, "", body)
}

/// `headers` are whole lines, each with its end.
pub(crate) fn call(at: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> Result<Answer, Silence> {
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{headers}\r\n"
    );
    exchange(at, &[head.as_bytes(), body.as_bytes()].concat())
}

/// Sends these bytes and reads the answer to the end of the connection.
pub(crate) fn exchange(at: SocketAddr, bytes: &[u8]) -> Result<Answer, Silence> {
    let mut stream = place::connect(at)?;
    let timeouts = stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
    timeouts.map_err(|error| error.to_string())?;
    // A server may refuse before it has read everything: then the write fails, and the answer is there all the same.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| format!("no answer: {read:?} {text}"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| format!("no status in {head}"))?;
    Ok(Answer { status, body: body.to_owned() })
}
