//! The API from other machines: certificates of every kind that must not get in, and what those that do may.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, DnType, IsCa, KeyIdMethod,
    KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use serde_json::Value;

use crate::net::Net;
use crate::place;
use crate::process::{PATIENCE, firn, run, step, until};

const PAGE: &str = include_str!("../../../docs/reference/roles.md");
const ROLES: [&str; 6] = ["auditor", "requester", "approver", "veto", "admin", "operator"];

/// A certificate authority, and the folder that its certificates are written to.
struct Authority {
    certificate: Certificate,
    key: KeyPair,
    folder: PathBuf,
}

/// A certificate on disk.
struct Issued {
    certificate: PathBuf,
    key: PathBuf,
    fingerprint: String,
}

impl Authority {
    fn new(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let folder = folder.join(name);
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("ca.pem"), certificate.pem()).expect("a file");
        Self { certificate, key, folder }
    }

    fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A certificate for `name`, the how-manieth of this authority, valid until this year.
    fn issue(&self, file: &str, name: &str, serial: u64, year: i32) -> Issued {
        let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.serial_number = Some(SerialNumber::from(serial));
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let made = params.signed_by(&key, &self.certificate, &self.key).expect("a certificate");
        let (certificate, key_file) =
            (self.folder.join(format!("{file}.pem")), self.folder.join(format!("{file}.key")));
        fs::write(&certificate, made.pem()).expect("a file");
        let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&key_file).expect("a file");
        out.write_all(key.serialize_pem().as_bytes()).expect("a file");
        let fingerprint = rustls::crypto::aws_lc_rs::default_provider()
            .cipher_suites
            .iter()
            .find_map(|suite| Some(suite.tls13()?.common.hash_provider).filter(|hash| hash.output_len() == 32))
            .map(|hash| hex::encode(hash.hash(made.der()).as_ref()));
        Issued { certificate, key: key_file, fingerprint: fingerprint.expect("SHA-256") }
    }

    /// A list that revokes this serial number.
    fn revoke(&self, serial: u64) -> PathBuf {
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: date_time_ymd(2021, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2021, 1, 1),
            next_update: date_time_ymd(2120, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&self.certificate, &self.key).expect("a list");
        let path = self.folder.join("crl.pem");
        fs::write(&path, list.pem().expect("PEM")).expect("a file");
        path
    }
}

/// A connection with a certificate, or without.
fn connect(
    at: SocketAddr,
    ca: &Path,
    client: Option<&Issued>,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<StreamOwned<ClientConnection, TcpStream>, String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).expect("a certificate")).expect("an authority");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).expect("versions");
    let config = config.with_root_certificates(roots);
    let config = match client {
        None => config.with_no_client_auth(),
        Some(issued) => {
            let chain = vec![CertificateDer::from_pem_file(&issued.certificate).expect("a certificate")];
            let key = PrivateKeyDer::from_pem_file(&issued.key).expect("a key");
            config.with_client_auth_cert(chain, key).expect("a client")
        }
    };
    let name = ServerName::try_from("localhost").expect("a name");
    let tls = ClientConnection::new(Arc::new(config), name).expect("a connection");
    let socket = place::connect(at)?;
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    Ok(StreamOwned::new(tls, socket))
}

/// A connection that stays open after its first answer.
fn hold(at: SocketAddr, ca: &Path, client: &Issued) -> Result<impl Read + use<>, String> {
    let mut stream = connect(at, ca, Some(client), TLS13)?;
    stream.write_all(b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n").map_err(|error| error.to_string())?;
    let mut first = [0; 15];
    stream.read_exact(&mut first).map_err(|error| error.to_string())?;
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    Ok(stream)
}

/// One call with a certificate, or without; `Err` where the node did not let the client in.
fn call(
    at: SocketAddr,
    ca: &Path,
    client: Option<&Issued>,
    versions: &[&'static SupportedProtocolVersion],
    request: (&str, &str, &str),
) -> Result<(u16, Value), String> {
    let mut stream = connect(at, ca, client, versions)?;
    let (method, path, headers) = request;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2\r\n{headers}\r\n{{}}"
    );
    stream.write_all(head.as_bytes()).map_err(|error| error.to_string())?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        // A server that closes without a goodbye has said all that its length promised.
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof && !answer.is_empty() => {}
        Err(error) => return Err(error.to_string()),
    }
    let text = String::from_utf8(answer).map_err(|error| error.to_string())?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| format!("no answer: {text}"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("no status")?;
    Ok((status, serde_json::from_str(body).unwrap_or_default()))
}

const TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// Who may call what, by the page: method, path, and the roles.
fn rows() -> Vec<(&'static str, String, BTreeMap<&'static str, bool>)> {
    let rows = PAGE.lines().filter_map(|line| {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let (method, path) = cells.next()?.trim_matches('`').split_once(' ')?;
        let path = path
            .replace("/events", "/events?follow=false")
            .replace("{id}", &format!("0x{}", "11".repeat(32)))
            .replace("{name}", "nobody");
        let may = ROLES.into_iter().zip(cells.map(|cell| cell == "yes")).collect();
        ["GET", "POST"].contains(&method).then_some((method, path, may))
    });
    rows.collect()
}

/// A network of which node 0 has an API for other machines, not started yet; with its address.
fn prepared(authority: &Authority, server: &Issued, crl: &Path, clients: &[(&Issued, &str)]) -> (Net, SocketAddr) {
    let net = Net::prepare(3, 2);
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port").local_addr().expect("an address");
    let show = |path: &Path| path.display().to_string();
    let mut config = format!(
        "\n[api.remote]\nlisten = \"{free}\"\ncertificate = \"{}\"\nkey = \"{}\"\nca = \"{}\"\ncrl = \"{}\"\n",
        show(&server.certificate),
        show(&server.key),
        show(&authority.ca()),
        show(crl),
    );
    for (issued, role) in clients {
        let fingerprint = &issued.fingerprint;
        config += &format!(
            "\n[[api.remote.clients]]\nname = \"{role}\"\nfingerprint = \"{fingerprint}\"\nrole = \"{role}\"\n"
        );
    }
    let path = net.nodes[0].data_dir.join("config.toml");
    let plain = fs::read_to_string(&path).expect("a configuration");
    fs::write(&path, plain + &config).expect("a writable configuration");
    (net, free)
}

#[test]
fn r64_r24_other_machines_get_in_by_certificate_and_do_what_its_role_may() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ours = Authority::new(folder.path(), "ours");
    let server = ours.issue("server", "localhost", 1, 2100);
    let clients = ROLES.map(|role| (ours.issue(role, role, 10, 2100), role));
    let expired = ours.issue("expired", "old", 20, 2021);
    let revoked = ours.issue("revoked", "gone", 21, 2100);
    let theirs = Authority::new(folder.path(), "theirs");
    let foreign = theirs.issue("foreign", "operator", 30, 2100);
    let renamed = ours.issue("renamed", "operator", 31, 2100);
    let listed: Vec<_> = clients
        .iter()
        .map(|(issued, role)| (issued, *role))
        .chain([(&expired, "operator"), (&revoked, "operator"), (&foreign, "operator")])
        .collect();
    let (mut net, at) = prepared(&ours, &server, &ours.revoke(21), &listed);
    step("the node runs", || net.start_nodes(&[0]));
    let status = ("GET", "/v1/status", "");
    step("whoever has no certificate, a bad one, or one that is not listed, hears nothing", || {
        assert!(call(at, &ours.ca(), None, TLS13, status).is_err());
        for (name, bad) in [("expired", &expired), ("revoked", &revoked), ("foreign", &foreign), ("renamed", &renamed)]
        {
            let answer = call(at, &ours.ca(), Some(bad), TLS13, status);
            assert!(answer.is_err(), "{name}: {answer:?}");
        }
        let operator = &clients[5].0;
        let old = call(at, &ours.ca(), Some(operator), &[&rustls::version::TLS12], status);
        assert!(old.is_err(), "TLS 1.2: {old:?}");
        let plain = crate::http::get(at, "/v1/status");
        assert!(plain.is_err(), "plain HTTP: {plain:?}");
    });
    step("silent connections make room", || {
        let silent: Vec<_> = (0..40).map(|_| place::connect(at).expect("a connection")).collect();
        until("the first of them to be sent away", || {
            net.log(0).contains("api_client_displaced").then_some(()).ok_or_else(|| "not displaced".to_owned())
        });
        assert_eq!(call(at, &ours.ca(), Some(&clients[5].0), TLS13, status).map(|(code, _)| code), Ok(200));
        drop(silent);
    });
    step("one certificate takes its part of the connections and no more", || {
        let [auditor, requester] = [&clients[0].0, &clients[1].0];
        let mut held: Vec<_> = (0..8).map(|_| hold(at, &ours.ca(), auditor).expect("one of its part")).collect();
        let beyond = call(at, &ours.ca(), Some(auditor), TLS13, status);
        assert!(beyond.is_err(), "a ninth: {beyond:?}");
        assert_eq!(call(at, &ours.ca(), Some(requester), TLS13, status).map(|(code, _)| code), Ok(200));
        assert!(net.log(0).contains("api_client_beyond_part"));
        held.pop();
        until("its place to be free again", || call(at, &ours.ca(), Some(auditor), TLS13, status));
    });
    step("every role and every route", || every_route(&net, at, &ours, &clients));
    step("by command line", || by_command_line(&net, at, &ours, &theirs, &clients));
}

fn every_route(net: &Net, at: SocketAddr, ours: &Authority, clients: &[(Issued, &'static str); 6]) {
    let rows = rows();
    assert!(rows.len() > 20, "{rows:?}");
    for (method, path, may) in rows {
        for (issued, role) in clients {
            // A token is for the machine itself: it makes nobody more than the certificate does.
            let header = net.token(0, method, &path, "{}");
            let answer = call(at, &ours.ca(), Some(issued), TLS13, (method, &path, &header));
            let (status, body) = answer.unwrap_or_else(|error| panic!("{role} {method} {path}: {error}"));
            if may[role] {
                assert!(![401, 403, 405].contains(&status), "{role} {method} {path}: {status} {body}");
            } else {
                assert_eq!((status, &body["error"]["code"]), (403, &Value::from("ROLE_NOT_ALLOWED")), "{role} {path}");
            }
        }
    }
    let (issued, _) = &clients[5];
    let (status, body) = call(at, &ours.ca(), Some(issued), TLS13, ("DELETE", "/v1/keys", "")).expect("an answer");
    assert_eq!((status, &body["error"]["code"]), (405, &Value::from("METHOD_UNKNOWN")));
}

fn by_command_line(
    net: &Net,
    at: SocketAddr,
    ours: &Authority,
    theirs: &Authority,
    clients: &[(Issued, &'static str); 6],
) {
    let with = |command: &[&str], ca: &Path, (issued, _): &(Issued, &str)| {
        let url = format!("https://localhost:{}", at.port());
        let mut all: Vec<_> = command.iter().map(|word| (*word).to_owned()).collect();
        all.extend(["--url".to_owned(), url]);
        for (name, path) in [("--ca", ca), ("--cert", &issued.certificate), ("--key", &issued.key)] {
            all.extend([name.to_owned(), path.display().to_string()]);
        }
        all.extend(["--output".to_owned(), "json".to_owned()]);
        run(place::beside(net.nodes[0].api, firn(&all)))
    };
    let [auditor, .., operator] = clients;
    let shown = with(&["audit", "heads"], &ours.ca(), auditor).json();
    assert_eq!(shown["node"], net.name(0));
    with(&["pause"], &ours.ca(), auditor).refused("ROLE_NOT_ALLOWED", 3);
    with(&["pause"], &ours.ca(), operator).success();
    assert!(net.status(0).expect("a status")["pauses"]["node"].is_u64());
    with(&["audit", "heads"], &theirs.ca(), auditor).refused("NODE_UNREACHABLE", 4);
    let log = net.log(0);
    assert!(log.contains("api_client_call") && log.contains("/v1/pause"), "who did it is in the log: {log}");
}
