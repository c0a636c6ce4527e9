//! The API for other machines: TLS 1.3, and a certificate for every client, which says in which role it acts (record 16).
//!
//! A certificate counts if the configured authority has signed it, it is valid now, it is not revoked, and its fingerprint
//! is listed: another one of the same name is another. Nothing is resumed, so what is taken off the list is off with the
//! node's next start.

use super::intake::{Intake, Place};
use super::{Door, Shared, router};
use crate::access::Role;
use crate::config::Remote;
use crate::failure::{Exit, Failure};
use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Handshakes at once. Each costs two signatures, and none has shown a certificate yet. The longest-waiting one makes room for
/// another: a client is through in two round trips, and whoever stays silent keeps nobody out.
const HANDSHAKES_MAX: usize = 16;

/// How long one may take.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Open connections of clients with a certificate.
const CONNECTIONS_MAX: usize = 64;

/// Of one certificate: seven others have as many beside it.
const CONNECTIONS_EACH: usize = 8;

/// Pause after the system refuses a connection, so that a lack of descriptors is no busy loop.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// Who a certificate stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Client {
    pub(crate) name: String,
    pub(crate) role: Role,
}

/// The other end of a connection: nobody, for the listener's own address.
#[derive(Clone, Debug)]
pub(crate) struct Caller(pub(crate) Option<Client>);

/// Connections whose client is known.
struct Clients {
    ready: mpsc::Receiver<(Connection, Client)>,
}

/// A connection, which keeps its place.
struct Connection {
    stream: TlsStream<TcpStream>,
    _place: OwnedSemaphorePermit,
    _part: Place<[u8; 32]>,
}

/// Who gets in, and where to.
#[derive(Clone)]
struct Hall {
    acceptor: TlsAcceptor,
    /// By the certificate's fingerprint.
    known: Arc<BTreeMap<[u8; 32], Client>>,
    connections: Arc<Semaphore>,
    parts: Intake<[u8; 32]>,
    found: mpsc::Sender<(Connection, Client)>,
}

/// Serves the API to other machines until `stop` changes.
pub(crate) async fn serve(
    remote: &Remote,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<()>,
) -> Result<JoinHandle<io::Result<()>>, Failure> {
    let acceptor = TlsAcceptor::from(Arc::new(server_config(remote)?));
    let listener = TcpListener::bind(remote.listen).await.map_err(|error| {
        let next = "choose another api.remote.listen, or stop what uses it";
        Failure::new("API_LISTEN", format!("{}: {error}", remote.listen), next, Exit::Conflict)
    })?;
    let known = remote.clients.iter().map(|client| {
        let who = Client { name: client.name.clone(), role: client.role };
        (client.fingerprint.0, who)
    });
    // Room for every connection there may be: handing one on never waits.
    let (found, ready) = mpsc::channel(CONNECTIONS_MAX);
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let parts = Intake::with_places(CONNECTIONS_EACH);
    let hall = Hall { acceptor, known: Arc::new(known.collect()), connections, parts, found };
    let accepting = tokio::spawn(accept(listener, hall));
    let service = router(shared, Door::Remote).into_make_service_with_connect_info::<Caller>();
    let graceful = async move {
        drop(stop.changed().await);
        accepting.abort();
    };
    let serving = axum::serve(Clients { ready }, service).with_graceful_shutdown(graceful);
    Ok(tokio::spawn(serving.into_future()))
}

/// Hands on every connection whose certificate is listed.
async fn accept(listener: TcpListener, hall: Hall) {
    let mut waiting: VecDeque<(SocketAddr, AbortHandle)> = VecDeque::new();
    loop {
        let Ok((stream, address)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        waiting.retain(|(_, handshake)| !handshake.is_finished());
        if waiting.len() >= HANDSHAKES_MAX
            && let Some((address, oldest)) = waiting.pop_front()
        {
            oldest.abort();
            tracing::warn!(%address, "api_client_displaced");
        }
        waiting.push_back((address, tokio::spawn(greet(stream, address, hall.clone())).abort_handle()));
    }
}

/// Hands on a connection if its certificate is listed.
async fn greet(stream: TcpStream, address: SocketAddr, hall: Hall) {
    let Hall { acceptor, known, connections, parts, found } = hall;
    let stream = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::warn!(%address, %error, "api_client_refused"),
        Err(_) => return tracing::warn!(%address, "api_client_slow"),
    };
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let fingerprint: [u8; 32] = Sha256::digest(certificate.map_or(&[][..], |certificate| certificate)).into();
    let Some(client) = known.get(&fingerprint).cloned() else {
        return tracing::warn!(%address, fingerprint = hex::encode(fingerprint), "api_client_unknown");
    };
    let Some(part) = parts.enter(fingerprint) else {
        return tracing::warn!(%address, client = client.name, "api_client_beyond_part");
    };
    let Ok(place) = connections.try_acquire_owned() else {
        return tracing::warn!(%address, client = client.name, "api_client_beyond_bound");
    };
    tracing::info!(%address, client = client.name, role = client.role.as_str(), "api_client");
    let _ = found.try_send((Connection { stream, _place: place, _part: part }, client));
}

fn server_config(remote: &Remote) -> Result<ServerConfig, Failure> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let roots = Arc::new(read_roots(&remote.ca)?);
    let mut clients = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
    if let Some(path) = &remote.crl {
        let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_file_iter(path).and_then(Iterator::collect);
        let lists = lists.map_err(|error| unusable(path, error))?;
        if lists.is_empty() {
            return Err(unusable(path, "no revocation list in it"));
        }
        clients = clients.with_crls(lists).only_check_end_entity_revocation().enforce_revocation_expiration();
    }
    let clients = clients.build().map_err(|error| unusable(&remote.ca, error))?;
    let (chain, key) = (read_chain(&remote.certificate)?, read_key(&remote.key)?);
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| Failure::general("API_TLS", error.to_string()))?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, key);
    let mut config = config.map_err(|error| unusable(&remote.certificate, error))?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// What a client shows to such a node, and whom it believes.
pub(crate) fn client_config(ca: &Path, certificate: &Path, key: &Path) -> Result<ClientConfig, Failure> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| Failure::general("API_TLS", error.to_string()))?
        .with_root_certificates(read_roots(ca)?)
        .with_client_auth_cert(read_chain(certificate)?, read_key(key)?);
    config.map_err(|error| unusable(certificate, error))
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let chain = chain.map_err(|error| unusable(path, error))?;
    if chain.is_empty() { Err(unusable(path, "no certificate in it")) } else { Ok(chain) }
}

fn read_roots(path: &Path) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    read_chain(path)?.into_iter().try_for_each(|root| roots.add(root)).map_err(|error| unusable(path, error))?;
    Ok(roots)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, Failure> {
    let metadata = std::fs::metadata(path).map_err(|error| unusable(path, error))?;
    if metadata.mode() & 0o037 != 0 {
        return Err(unusable(path, "others may read it; it takes mode 0600 or 0640"));
    }
    PrivateKeyDer::from_pem_file(path).map_err(|error| unusable(path, error))
}

fn unusable(path: &Path, cause: impl Display) -> Failure {
    let next = "give PEM files: certificates, an unencrypted key with mode 0600; see docs/how-to/remote-api.md";
    Failure::new("API_TLS", format!("{}: {cause}", path.display()), next, Exit::Failure)
}

impl axum::serve::Listener for Clients {
    type Io = Connection;
    type Addr = Caller;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some((connection, client)) => (connection, Caller(Some(client))),
            // Nobody accepts any more: the node stops.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(Caller(None))
    }
}

impl Connected<IncomingStream<'_, Clients>> for Caller {
    fn connect_info(stream: IncomingStream<'_, Clients>) -> Self {
        stream.remote_addr().clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
