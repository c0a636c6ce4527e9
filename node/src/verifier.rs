//! This organisation's evidence verifier: an HTTP endpoint or a program of its own, asked about each slash (docs/spec/evidence.md).
//!
//! Whatever is not an answer in time, of a bounded size and in the right form, is none, and the core asks again.

use crate::config::Evidence;
use crate::failure::Failure;
use firn_coordinator::api::{Event, EvidenceVerdict};
use firn_proto::{Definition, Request, SubjectId};
use serde::Deserialize;
use std::time::Duration;
use tokio::sync::mpsc;

mod program;
mod queue;

/// Questions on their way to the queue, which takes them at once. What the loop offers beyond is asked again.
pub(crate) const QUESTIONS_MAX: usize = 256;
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
    request: Option<String>,
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
    pub(crate) async fn run(self, questions: mpsc::Receiver<Box<Request>>, events: mpsc::Sender<Event>) {
        queue::serve(questions, &events, |asked| (asked.requester(), asked.id()), |asked| self.ask(asked)).await;
    }

    async fn ask(&self, request: Box<Request>) -> Option<EvidenceVerdict> {
        let question = self.question(&request);
        let answer = tokio::time::timeout(ANSWER, async {
            match &self.way {
                Way::Endpoint(url) => self.post(url, question).await,
                Way::Command(command) => program::run(command, question).await,
            }
        });
        let answer = answer.await.unwrap_or_else(|_| Err(format!("no answer within {} s", ANSWER.as_secs())));
        match answer.and_then(|bytes| read(&bytes, request.asked(), matches!(self.way, Way::Endpoint(_)))) {
            Ok(Answer { verdict, reason, .. }) => {
                Some(EvidenceVerdict::new(matches!(verdict, Verdict::Accept), &reason))
            }
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

/// What an endpoint says names the request: an answer to another question is none. A program is asked one at a time.
fn read(answer: &[u8], asked: SubjectId, is_endpoint: bool) -> Result<Answer, String> {
    let answer: Answer = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
    match &answer.request {
        None if is_endpoint => Err(format!("the answer lacks \"request\": \"{asked}\"")),
        Some(named) if *named != asked.to_string() => Err("the answer names another request".to_owned()),
        _ => Ok(answer),
    }
}

fn bounded(answer: &[u8]) -> Result<(), String> {
    if answer.len() <= ANSWER_BYTES_MAX { Ok(()) } else { Err(format!("more than {ANSWER_BYTES_MAX} bytes")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_verdict_on_what_was_asked_or_none() {
        let (ours, other) = (SubjectId(firn_proto::Digest([1; 32])), SubjectId(firn_proto::Digest([2; 32])));
        let said = |named: Option<SubjectId>, text: &str, is_endpoint| {
            let request = named.map(|id| format!(r#""request":"{id}","#)).unwrap_or_default();
            let answer = read(text.replacen('{', &format!("{{{request}"), 1).as_bytes(), ours, is_endpoint);
            answer.ok().map(|answer| matches!(answer.verdict, Verdict::Accept))
        };
        for (text, verdict) in [(r#"{"verdict":"accept","reason":"x"}"#, true), (r#"{"verdict":"reject"}"#, false)] {
            assert_eq!(said(Some(ours), text, true), Some(verdict));
            assert_eq!(said(None, text, true), None, "an endpoint names it");
            assert_eq!(said(Some(other), text, true), None);
            assert_eq!(said(None, text, false), Some(verdict), "a program need not");
            assert_eq!(said(Some(other), text, false), None);
        }
        for odd in [r#"{"verdict":"maybe"}"#, "true", "", "{}"] {
            assert_eq!(said(Some(ours), odd, true), None);
        }
    }
}
