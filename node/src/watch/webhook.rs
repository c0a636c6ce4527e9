//! Notices posted to an address of this organisation, one after the other, signed after the Standard Webhooks specification
//! (<https://www.standardwebhooks.com>): a delivery that fails is tried again until it is taken.

use super::board::{Board, Delivery};
use super::ledger::Ledger;
use super::notice::Notice;
use crate::config;
use crate::failure::{Exit, Failure};
use crate::keystore::PassphraseSource;
use crate::metrics::Metrics;
use crate::runtime::wall_time;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use firn_proto::Definition;
use hmac::{Hmac, Mac};
use rand_core::{OsRng, RngCore};
use reqwest::header::CONTENT_TYPE;
use serde_json::json;
use sha2::Sha256;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

/// Notices that wait in memory. What is more is read from the chain again.
pub(super) const WAITING_MAX: usize = 4_096;
/// A receiver that has not answered by then has not taken it.
const ANSWER: Duration = Duration::from_secs(15);
/// A notice that is refused so often, by a status of its own, is left out.
const REFUSALS_MAX: u32 = 6;
/// Statuses that ask for another try: timeout, too early, too many.
const RETRIED: [&str; 3] = ["status 408", "status 425", "status 429"];
/// The pause after the first failure, which doubles up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// What the specification asks of a secret, in bytes.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
const SECRET_PREFIX: &[u8] = b"whsec_";

/// Where to, and how it is signed.
pub(crate) struct Webhook {
    url: reqwest::Url,
    secret: Zeroizing<Vec<u8>>,
    http: reqwest::Client,
    /// The network and the node that say so.
    network: String,
    node: String,
    pause: Duration,
}

impl Webhook {
    /// Reads the secret.
    ///
    /// # Errors
    /// The file does not read, is open to others, or holds no secret.
    pub(crate) fn new(config: &config::Webhook, definition: &Definition, node: &str) -> Result<Self, Failure> {
        let path = &config.secret_file;
        let invalid = |cause: String| {
            let next = "write whsec_ and 24 to 64 random bytes in base64 into it, readable by the node's user only: \
                        (umask 077; echo \"whsec_$(openssl rand -base64 32)\" > FILE)";
            Failure::new("WEBHOOK_SECRET", format!("{}: {cause}", path.display()), next, Exit::Failure)
        };
        // The same rule as for a passphrase: what others can read is refused.
        let line = PassphraseSource::File(path.clone()).read().map_err(|error| {
            let is_exposed = error.code() == "PASSPHRASE_EXPOSED";
            invalid(if is_exposed { "others than its owner can read it".to_owned() } else { error.to_string() })
        })?;
        let secret = secret(line.expose()).ok_or_else(|| invalid("no webhook secret in its first line".to_owned()))?;
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(ANSWER);
        let http = http.build().map_err(|error| Failure::general("API_CLIENT", error.to_string()))?;
        let (url, network) = (config.url.expose().clone(), definition.network_id().0.to_string());
        Ok(Self { url, secret, http, network, node: node.to_owned(), pause: PAUSE })
    }

    /// Delivers what comes, in its order, until nothing can come any more.
    pub(super) async fn run(
        self,
        mut notices: mpsc::Receiver<Arc<Notice>>,
        ledger: Arc<Mutex<Ledger>>,
        board: Arc<Board>,
        metrics: Arc<Metrics>,
    ) {
        'notices: while let Some(notice) = notices.recv().await {
            let mut failures = 0;
            loop {
                let waiting = notices.len() + 1;
                metrics.webhook_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
                let Err(problem) = self.post(&notice).await else { break };
                failures += 1;
                // What a receiver will not have must not keep the rest from it. It is tried again at the next start.
                if failures >= REFUSALS_MAX && problem.starts_with("status 4") && !RETRIED.contains(&problem.as_str()) {
                    tracing::error!(id = %notice.id, problem, "webhook_gave_up");
                    continue 'notices;
                }
                metrics.webhook_failed.inc();
                tracing::warn!(id = %notice.id, failures, problem, "webhook_failed");
                board.stands(|standing| standing.webhook = Some(Delivery { waiting, failures, problem }));
                tokio::time::sleep(pause(self.pause, failures, OsRng.next_u32())).await;
            }
            metrics.webhook_delivered.inc();
            metrics.webhook_waiting.set(i64::try_from(notices.len()).unwrap_or(i64::MAX));
            let waiting = notices.len();
            board.stands(|standing| standing.webhook = Some(Delivery { waiting, ..Delivery::default() }));
            let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
            ledger.delivered(notice.id.0);
            if let Err(error) = ledger.save() {
                tracing::error!(%error, "watch_not_saved");
            }
        }
    }

    /// One attempt; why it failed.
    async fn post(&self, notice: &Notice) -> Result<(), String> {
        // Nodes judge by themselves, and networks share blocks: what one says is not what another says.
        let network = self.network.get(..18).unwrap_or(&self.network);
        let (id, now) = (format!("{network}-{}-{}", self.node, notice.id), wall_time().0);
        let seconds = i64::try_from(notice.time).unwrap_or_default();
        let time = OffsetDateTime::from_unix_timestamp(seconds).map_err(|error| error.to_string())?;
        let body = json!({
            "type": format!("firn.{}", notice.kind),
            "timestamp": time.format(&Rfc3339).map_err(|error| error.to_string())?,
            "network": self.network,
            "node": self.node,
            "data": notice,
        })
        .to_string();
        let signature = self.sign(&id, now, &body)?;
        let request = self.http.post(self.url.clone()).header(CONTENT_TYPE, "application/json");
        let request = request.header("webhook-id", id).header("webhook-timestamp", now);
        // Without the address, which may hold a key.
        let answer = request.header("webhook-signature", signature).body(body).send().await;
        let status = answer.map_err(|error| error.without_url().to_string())?.status();
        if status.is_success() { Ok(()) } else { Err(format!("status {}", status.as_u16())) }
    }

    fn sign(&self, id: &str, time: u64, body: &str) -> Result<String, String> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.secret).map_err(|error| error.to_string())?;
        let mac = mac.chain_update(format!("{id}.{time}.{body}"));
        Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    }
}

fn secret(line: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let secret = Zeroizing::new(STANDARD.decode(line.trim_ascii().strip_prefix(SECRET_PREFIX)?).ok()?);
    SECRET_BYTES.contains(&secret.len()).then_some(secret)
}

/// The pause after so many failures, within a quarter up or down, so that nodes do not come in step.
fn pause(first: Duration, failures: u32, random: u32) -> Duration {
    let pause = first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(PAUSE_MAX);
    pause * 3 / 4 + pause / 512 * (random % 256)
}

#[cfg(test)]
mod tests {
    use super::super::board::tests::notice;
    use super::super::notice::Level;
    use super::*;
    use axum::http::{HeaderMap, StatusCode};
    use std::collections::VecDeque;

    const SECRET: &[u8] = b"twenty-four bytes and some more";

    /// What a receiver got, and what it said.
    type Got = mpsc::Receiver<(HeaderMap, String, StatusCode)>;

    /// A receiver that answers with these, and then takes everything.
    async fn receiver(answers: &[u16]) -> (reqwest::Url, Got) {
        let mut answers: VecDeque<_> = answers.iter().map(|code| StatusCode::from_u16(*code).unwrap()).collect();
        let (sender, got) = mpsc::channel(64);
        let answers = Arc::new(Mutex::new(std::mem::take(&mut answers)));
        let take = move |headers: HeaderMap, body: String| async move {
            let status = answers.lock().unwrap().pop_front().unwrap_or(StatusCode::NO_CONTENT);
            sender.send((headers, body, status)).await.unwrap();
            (status, [("location", "/elsewhere")])
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap()).parse().unwrap();
        let router = axum::Router::new().route("/hook", axum::routing::post(take));
        tokio::spawn(axum::serve(listener, router).into_future());
        (url, got)
    }

    fn webhook(url: reqwest::Url) -> Webhook {
        Webhook {
            url,
            secret: Zeroizing::new(SECRET.to_vec()),
            http: reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap(),
            network: "0x0123456789abcdef".to_owned(),
            node: "alpha-1".to_owned(),
            pause: Duration::from_millis(1),
        }
    }

    /// HMAC-SHA256 by its definition (RFC 2104), and by nothing that signed.
    fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
        use sha2::Digest;
        let pad = |byte: u8| -> Vec<u8> { (0..64).map(|at| key.get(at).copied().unwrap_or_default() ^ byte).collect() };
        let inner = Sha256::digest([pad(0x36), message.to_vec()].concat());
        Sha256::digest([pad(0x5c), inner.to_vec()].concat()).to_vec()
    }

    /// The id of a notice whose signature holds and whose body is as documented.
    fn verified(headers: &HeaderMap, body: &str) -> String {
        let header = |name: &str| headers.get(name).unwrap().to_str().unwrap().to_owned();
        let (id, time) = (header("webhook-id"), header("webhook-timestamp"));
        let expected = STANDARD.encode(hmac(SECRET, format!("{id}.{time}.{body}").as_bytes()));
        assert_eq!(header("webhook-signature"), format!("v1,{expected}"));
        assert!(wall_time().0.abs_diff(time.parse().unwrap()) < 300);
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!((&body["type"], &body["node"]), (&json!("firn.paused"), &json!("alpha-1")));
        let [network, notice] = [&body["network"], &body["data"]["id"]].map(|text| text.as_str().unwrap());
        assert_eq!(id, format!("{network}-alpha-1-{notice}"), "no other node or network says the same");
        assert_eq!(header("content-type"), "application/json");
        notice.to_owned()
    }

    /// Has these blocks' notices delivered by one process that goes on from the file, until `ends` were taken.
    async fn deliver(
        url: &reqwest::Url,
        path: &std::path::Path,
        blocks: &[u64],
        got: &mut Got,
        ends: usize,
    ) -> Vec<(String, u16)> {
        let ledger = Ledger::open(path).unwrap().unwrap_or_else(|| Ledger::begin(path, 0));
        let ledger = Arc::new(Mutex::new(ledger));
        let metrics = Arc::new(Metrics::new());
        let board = Arc::new(Board::new(&metrics));
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        for block in blocks {
            let notice = notice(*block, Level::Info);
            let mut ledger = ledger.lock().unwrap();
            ledger.has_read(*block);
            if !ledger.is_delivered(notice.id.0) {
                ledger.found(notice.id.0);
                sender.try_send(notice).unwrap();
            }
        }
        let task = tokio::spawn(webhook(url.clone()).run(receiver, ledger, Arc::clone(&board), metrics));
        let mut seen = Vec::new();
        while seen.iter().filter(|(_, status)| (200..300).contains(status)).count() < ends {
            let (headers, body, status) = got.recv().await.unwrap();
            seen.push((verified(&headers, &body), status.as_u16()));
        }
        // What is delivered is written down before the next one is tried; the last one's end is seen by its standing.
        drop(sender);
        task.await.unwrap();
        assert_eq!(board.standing().webhook, Some(Delivery::default()));
        seen
    }

    #[tokio::test]
    async fn a_delivery_is_tried_until_it_is_taken_in_order_and_not_again_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watch.json");
        let (url, mut got) = receiver(&[503, 302, 400, 200, 500]).await;
        let seen = deliver(&url, &path, &[5, 6], &mut got, 2).await;
        let seen: Vec<_> = seen.iter().map(|(id, status)| (id.as_str(), *status)).collect();
        let first = [("5:0", 503), ("5:0", 302), ("5:0", 400), ("5:0", 200)];
        assert_eq!(seen, [&first[..], &[("6:0", 500), ("6:0", 204)]].concat(), "a redirect is no delivery");
        let seen = deliver(&url, &path, &[5, 6, 7], &mut got, 1).await;
        assert_eq!(seen, [("7:0".to_owned(), 204)], "another process goes on behind them");
    }

    #[tokio::test]
    async fn what_a_receiver_will_not_have_keeps_nothing_else_from_it_and_is_not_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watch.json");
        let (url, mut got) = receiver(&[429, 400, 400, 400, 400, 413]).await;
        let seen = deliver(&url, &path, &[5, 6], &mut got, 1).await;
        assert_eq!(seen.iter().filter(|(id, _)| id == "5:0").count(), 6);
        assert_eq!(seen.last(), Some(&("6:0".to_owned(), 204)));
        let seen = deliver(&url, &path, &[5, 6], &mut got, 1).await;
        assert_eq!(seen, [("5:0".to_owned(), 204)], "another process tries it again");
    }

    #[test]
    fn pauses_double_within_bounds() {
        let at = |failures, random| pause(PAUSE, failures, random).as_millis();
        assert_eq!((at(1, 0), at(1, 255)), (750, 1_248));
        assert_eq!((at(4, 0), at(4, 255)), (6_000, 9_984));
        for failures in [9, 10, 40, u32::MAX] {
            assert!(at(failures, 0) <= 300_000 && at(failures, 255) <= 375_000, "{failures}");
        }
    }

    #[test]
    fn a_secret_is_as_the_specification_has_it() {
        let text = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        assert_eq!(secret(text(24).as_bytes()).unwrap().len(), 24);
        assert_eq!(secret(text(64).as_bytes()).unwrap().len(), 64);
        for odd in [text(23), text(65), STANDARD.encode([7; 32]), "whsec_".to_owned(), "whsec_not base64".to_owned()] {
            assert!(secret(odd.as_bytes()).is_none(), "{odd}");
        }
    }

    /// The specification's own example.
    #[test]
    fn a_signature_is_the_specifications() {
        let secret = secret(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let hook = Webhook { secret, ..webhook("http://127.0.0.1:1/".parse().unwrap()) };
        let signed = hook.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed.as_deref(), Ok("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }
}
