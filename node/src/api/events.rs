//! `GET /v1/events`: notices of the chain as server-sent events.

use super::json::ErrorBody;
use super::{Api, Refused};
use crate::watch::board::{Reader, Since};
use crate::watch::notice::{Id, Notice};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use firn_proto::{Code, Refusal};
use futures::stream::{self, Stream};
use serde::Deserialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;

/// A line without meaning after so long a silence, by which both sides see that the other is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// What a client waits before it comes again, in milliseconds.
const COME_AGAIN_MS: u64 = 2_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    /// As `Last-Event-ID`, for whoever cannot set a header; or `now`.
    since: Option<String>,
    /// `false`: what there is, and then the end.
    follow: Option<bool>,
}

/// Notices after the one that the client saw last, and then each as it comes.
pub(super) async fn stream(
    State(api): Api,
    headers: HeaderMap,
    query: Result<Query<EventsQuery>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(query) = query.map_err(|error| Refusal::new(Code::RequestMalformed, error.body_text()))?;
    let last = headers.get("last-event-id").map(|value| value.to_str().unwrap_or("?").to_owned());
    let since = since(last.or(query.since).as_deref())?;
    let reader = api.notices.read(since).ok_or_else(|| {
        let body =
            ErrorBody::new("NODE_BUSY", "as many read events as this node serves at a time", "", "close one, or wait");
        Refused(StatusCode::SERVICE_UNAVAILABLE, body)
    })?;
    if query.follow == Some(false) {
        let all = gap(&reader).into_iter().chain(reader.before.iter().map(parts));
        let text = all.map(|(name, id, data)| {
            let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
            format!("event: {name}\n{id}data: {data}\n\n")
        });
        let text: String = text.collect();
        return Ok(([(header::CONTENT_TYPE, "text/event-stream")], text).into_response());
    }
    Ok(Sse::new(events(reader)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

fn since(text: Option<&str>) -> Result<Since, Refusal> {
    match text {
        None => Ok(Since::Start),
        Some("now") => Ok(Since::Now),
        Some(text) => {
            let id = Id::try_from(text.to_owned());
            id.map(Since::After).map_err(|error| Refusal::new(Code::RequestMalformed, error))
        }
    }
}

/// An event: its name, its id where it has one, and its data.
type Parts = (String, Option<Id>, String);

fn parts(notice: &Arc<Notice>) -> Parts {
    (notice.kind.clone(), Some(notice.id), serde_json::to_string(notice).unwrap_or_default())
}

/// What is said first where notices may be lacking.
fn gap(reader: &Reader) -> Option<Parts> {
    let text = "the notice to go on from is not kept any more: some may be lacking before the next";
    let oldest = reader.before.front().map(|notice| notice.id);
    reader.gap.then(|| ("gap".to_owned(), None, serde_json::json!({ "text": text, "oldest": oldest }).to_string()))
}

fn event((name, id, data): Parts) -> Event {
    let event = Event::default().event(name).data(data);
    match id {
        Some(id) => event.id(id.to_string()),
        None => event,
    }
}

/// What there was, and what comes; who is too slow is told so, and it ends.
fn events(reader: Reader) -> impl Stream<Item = Result<Event, Infallible>> {
    let first = gap(&reader).map(|gap| event(gap).retry(Duration::from_millis(COME_AGAIN_MS)));
    stream::unfold((Some(reader), first), |(reader, first)| async move {
        let mut reader = reader?;
        if let Some(first) = first {
            return Some((Ok(first), (Some(reader), None)));
        }
        if let Some(notice) = reader.before.pop_front() {
            return Some((Ok(event(parts(&notice))), (Some(reader), None)));
        }
        match reader.news.recv().await {
            Ok(notice) => Some((Ok(event(parts(&notice))), (Some(reader), None))),
            Err(RecvError::Lagged(missed)) => {
                let text = "too slow: come again with the last id";
                let data = serde_json::json!({ "text": text, "missed": missed }).to_string();
                Some((Ok(event(("lagged".to_owned(), None, data))), (None, None)))
            }
            Err(RecvError::Closed) => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use crate::watch::board::Board;
    use crate::watch::board::tests::notice;
    use crate::watch::notice::Level;

    #[tokio::test]
    async fn a_reader_hears_of_a_gap_first_and_one_that_lags_is_told_so_and_sent_away() {
        let board = Board::new(&Arc::new(Metrics::new()));
        board.show(&notice(7, Level::Info), false);
        let reader = board.read(Since::After(Id((1, 0)))).unwrap();
        (10..300).for_each(|block| board.show(&notice(block, Level::Info), false));
        let body = Sse::new(events(reader)).into_response().into_body();
        let text = String::from_utf8(axum::body::to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
        let told: Vec<_> = text.split("\n\n").filter(|event| !event.is_empty()).collect();
        assert_eq!(told.len(), 3, "{text}");
        assert!(told[0].starts_with("event: gap\n") && !told[0].contains("id:"), "{text}");
        assert!(told[1].starts_with("event: paused\n") && told[1].contains("\nid: 7:0"), "{text}");
        assert!(told[2].starts_with("event: lagged\n") && told[2].contains("\"missed\":34"), "{text}");
    }

    #[test]
    fn where_to_go_on_from_is_an_id_or_now() {
        assert_eq!(since(None), Ok(Since::Start));
        assert_eq!((since(Some("now")), since(Some("3:1"))), (Ok(Since::Now), Ok(Since::After(Id((3, 1))))));
        assert_eq!(since(Some("yesterday")).unwrap_err().code, Code::RequestMalformed);
    }
}
