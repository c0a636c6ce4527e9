//! This organisation's evidence verifier: an HTTP endpoint or a program of its own, asked about each slash (docs/spec/evidence.md).
//!
//! Whatever is not an answer in time, of a bounded size and in the right form, is none, and the core asks again.

use crate::config::Evidence;
use crate::failure::Failure;
use firn_coordinator::api::{Event, EvidenceVerdict};
use firn_proto::{Definition, Request};
use serde::Deserialize;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::sync::{Semaphore, mpsc};

/// Questions that wait: what the loop offers beyond has no answer and is asked again.
pub(crate) const QUESTIONS_MAX: usize = 256;
/// Questions under way: as many programs run at once.
const CONCURRENT_MAX: usize = 8;
/// A verifier that has not answered by then gives no answer.
const ANSWER: Duration = Duration::from_secs(30);
/// Longest answer, in bytes: a verdict and a reason of which 256 are kept.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// How it is asked.
pub(crate) struct Verifier {
    way: Way,
    http: reqwest::Client,
    definition: Definition,
}

enum Way {
    Endpoint(reqwest::Url),
    Command(Vec<String>),
}

/// What it answers.
#[derive(Deserialize)]
struct Answer {
    verdict: Verdict,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Accept,
    Reject,
}

impl Verifier {
    pub(crate) fn new(config: &Evidence, definition: &Definition) -> Result<Self, Failure> {
        let way = match &config.endpoint {
            Some(url) => Way::Endpoint(url.expose().clone()),
            None => Way::Command(config.command.clone().unwrap_or_default()),
        };
        // An answer from elsewhere than the configured place is none.
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
        let http = http.map_err(|error| Failure::general("API_CLIENT", error.to_string()))?;
        Ok(Self { way, http, definition: definition.clone() })
    }

    /// Serves questions until the loop has ended.
    pub(crate) async fn run(self, mut questions: mpsc::Receiver<Box<Request>>, events: mpsc::Sender<Event>) {
        let (verifier, places) = (Arc::new(self), Arc::new(Semaphore::new(CONCURRENT_MAX)));
        while let Some(request) = questions.recv().await {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let (verifier, events) = (Arc::clone(&verifier), events.clone());
            tokio::spawn(async move {
                let verdict = verifier.ask(&request).await;
                drop(place);
                let _ = events.send(Event::EvidenceChecked { request: request.id(), verdict }).await;
            });
        }
    }

    async fn ask(&self, request: &Request) -> Option<EvidenceVerdict> {
        let question = self.question(request);
        let answer = tokio::time::timeout(ANSWER, async {
            match &self.way {
                Way::Endpoint(url) => self.post(url, question).await,
                Way::Command(command) => run(command, question).await,
            }
        });
        let answer = answer.await.unwrap_or_else(|_| Err(format!("no answer within {} s", ANSWER.as_secs())));
        match answer.and_then(|bytes| serde_json::from_slice::<Answer>(&bytes).map_err(|error| error.to_string())) {
            Ok(Answer { verdict, reason }) => Some(EvidenceVerdict::new(matches!(verdict, Verdict::Accept), &reason)),
            Err(problem) => {
                tracing::warn!(request = %request.id(), problem, "evidence_unchecked");
                None
            }
        }
    }

    fn question(&self, request: &Request) -> Vec<u8> {
        let rendering = request.operation().render(&self.definition);
        let question = serde_json::json!({
            "schema": "firn.evidence-check.v1",
            "network": self.definition.network_id().0.to_string(),
            "chain": self.definition.chain.id,
            "request": request.asked().to_string(),
            "requester": request.requester(),
            "operation": request.operation().to_json(),
            "title": rendering.title,
            "details": rendering.details,
        });
        question.to_string().into_bytes()
    }

    async fn post(&self, url: &reqwest::Url, question: Vec<u8>) -> Result<Vec<u8>, String> {
        let request =
            self.http.post(url.clone()).header(reqwest::header::CONTENT_TYPE, "application/json").body(question);
        // Without the address, which may hold a key.
        let text = |error: reqwest::Error| error.without_url().to_string();
        let mut response = request.send().await.map_err(text)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(format!("status {}", response.status()));
        }
        let mut answer = Vec::new();
        while let Some(part) = response.chunk().await.map_err(text)? {
            answer.extend_from_slice(&part);
            bounded(&answer)?;
        }
        Ok(answer)
    }
}

/// Runs a program with the question as its input. It is killed when it is no longer waited for.
async fn run(command: &[String], question: Vec<u8>) -> Result<Vec<u8>, String> {
    let text = |error: std::io::Error| error.to_string();
    let (program, arguments) = command.split_first().ok_or("no program")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // Nothing of ours but the question.
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .kill_on_drop(true)
        .spawn()
        .map_err(text)?;
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("no pipes".into());
    };
    // A program may answer without reading, so what becomes of the question says nothing.
    let written = async move { drop(input.write_all(&question).await) };
    let mut answer = Vec::new();
    let mut output = output.take(ANSWER_BYTES_MAX as u64 + 1);
    let (_, read) = tokio::join!(written, output.read_to_end(&mut answer));
    read.map_err(text)?;
    bounded(&answer)?;
    let status = child.wait().await.map_err(text)?;
    if status.success() { Ok(answer) } else { Err(status.to_string()) }
}

fn bounded(answer: &[u8]) -> Result<(), String> {
    if answer.len() <= ANSWER_BYTES_MAX { Ok(()) } else { Err(format!("more than {ANSWER_BYTES_MAX} bytes")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answer(script: &str) -> Result<Vec<u8>, String> {
        run(&["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()], b"question".to_vec()).await
    }

    #[tokio::test]
    async fn a_program_gets_the_question_and_its_output_is_the_answer() {
        assert_eq!(answer("cat").await.unwrap(), b"question");
        assert_eq!(answer("echo yes").await.unwrap(), b"yes\n", "unread");
        assert!(answer("echo yes; exit 3").await.unwrap_err().contains('3'));
        assert!(run(&["/nonexistent".to_owned()], Vec::new()).await.is_err());
    }

    #[tokio::test]
    async fn an_answer_without_end_is_cut_off() {
        assert!(answer("cat /dev/zero").await.unwrap_err().contains("more than"));
        let most = format!("head -c {ANSWER_BYTES_MAX} /dev/zero");
        assert_eq!(answer(&most).await.unwrap().len(), ANSWER_BYTES_MAX);
    }

    #[test]
    fn an_answer_is_a_verdict_or_none() {
        let read = |text: &str| serde_json::from_str::<Answer>(text).ok().map(|a| matches!(a.verdict, Verdict::Accept));
        assert_eq!(read(r#"{"verdict":"accept","reason":"x"}"#), Some(true));
        assert_eq!(read(r#"{"verdict":"reject"}"#), Some(false));
        for odd in [r#"{"verdict":"maybe"}"#, "true", ""] {
            assert_eq!(read(odd), None);
        }
    }
}
