//! `firn watch`: notices of the chain as they come.

use super::{NodeArgs, Output, document, print_line, talk};
use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::runtime::wall_time;
use crate::watch::notice::{Level, Notice, Until};
use clap::Args;
use std::time::Duration;

/// A node that has not even sent a line without meaning for so long is gone.
const SILENCE: Duration = Duration::from_secs(45);
/// Before it is tried again.
const PAUSE: Duration = Duration::from_secs(2);

/// Which node, and from where on.
#[derive(Args)]
pub(super) struct WatchArgs {
    /// Only what comes after the notice of this id, BLOCK:INDEX; `now` for what is yet to come.
    #[arg(long, value_name = "ID")]
    since: Option<String>,
    #[command(flatten)]
    node: NodeArgs,
}

pub(super) async fn run(args: &WatchArgs, output: Output) -> Result<(), Failure> {
    let interrupted = || {
        Failure::new("INTERRUPTED", "watching was interrupted", "go on with --since and the last id", Exit::Interrupted)
    };
    tokio::select! {
        ended = follow(args, output) => ended,
        _ = tokio::signal::ctrl_c() => Err(interrupted()),
    }
}

/// Comes again wherever the stream ends, with the last id. What the node refuses at the first try ends it.
async fn follow(args: &WatchArgs, output: Output) -> Result<(), Failure> {
    let client = args.node.client()?;
    let mut since = args.since.clone();
    let began = wall_time().0;
    let mut stream = client.events(since.as_deref()).await?;
    loop {
        let mut buffer = Vec::new();
        while let Ok(Ok(Some(part))) = tokio::time::timeout(SILENCE, stream.chunk()).await {
            buffer.extend_from_slice(&part);
            while let Some(event) = next(&mut buffer) {
                if let Some(id) = show(&client, &event, (since.as_deref(), began), output).await? {
                    since = Some(id);
                }
            }
        }
        talk("the stream has ended; trying again");
        // What came while nobody was there is still to come: all that is kept, where there is no id to go on from.
        let from = since.as_deref().filter(|since| *since != "now");
        stream = loop {
            tokio::time::sleep(PAUSE).await;
            match client.events(from).await {
                Ok(stream) => break stream,
                Err(failure) => talk(&format!("not yet: {}", failure.cause)),
            }
        };
    }
}

/// The first whole event.
fn next(buffer: &mut Vec<u8>) -> Option<String> {
    let end = buffer.windows(2).position(|bytes| bytes == b"\n\n")?;
    let event: Vec<u8> = buffer.drain(..end + 2).collect();
    Some(String::from_utf8_lossy(&event).into_owned())
}

/// Prints an event; its id, where it is a notice.
async fn show(
    client: &Client,
    event: &str,
    (since, began): (Option<&str>, u64),
    output: Output,
) -> Result<Option<String>, Failure> {
    let data: String = event.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    if data.is_empty() {
        return Ok(None);
    }
    let Ok(notice) = serde_json::from_str::<Notice>(&data) else {
        talk(&format!("not told: {data}"));
        return Ok(None);
    };
    if since == Some("now") && notice.time < began {
        return Ok(None);
    }
    let finalised = match notice.until.as_ref().and_then(|until| until.block) {
        Some(_) => client.status().await.map(|status| status.finalised_block).unwrap_or_default(),
        None => 0,
    };
    print_line(output, &document("firn.notice.v1", &notice), || text(&notice, finalised, wall_time().0))?;
    Ok(Some(notice.id.to_string()))
}

fn text(notice: &Notice, finalised: u64, now: u64) -> String {
    let level = match notice.level {
        Level::Info => "info",
        Level::Warning => "WARNING",
        Level::Alarm => "ALARM",
    };
    let Notice { id, kind, text, next_step, time, .. } = notice;
    let mut lines = format!("{id}  {} ago  {level}  {kind}\n  {text}\n", duration(now.saturating_sub(*time)));
    if let Some(until) = &notice.until {
        lines.push_str(&format!("  {}\n", countdown(until, finalised.max(notice.block), now)));
    }
    if notice.level != Level::Info {
        lines.push_str(&format!("  next: {next_step}\n"));
    }
    lines
}

/// In words how long it takes.
fn countdown(until: &Until, finalised: u64, now: u64) -> String {
    let (what, time) = (&until.what, until.time);
    match until.block {
        Some(block) if block > finalised => {
            format!(
                "{what} at block {block}, {} blocks after the last final one: in about {}",
                block - finalised,
                duration(time.saturating_sub(now))
            )
        }
        Some(block) => format!("{what} at block {block}, which is past"),
        None if time > now => format!("{what} in {} (at {time})", duration(time - now)),
        None => format!("{what} since {} (at {time})", duration(now - time)),
    }
}

/// The two largest units.
fn duration(seconds: u64) -> String {
    let parts = [(seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let shown: Vec<_> = parts.iter().skip_while(|(count, _)| *count == 0).take(2).collect();
    if shown.is_empty() {
        return "0 s".to_owned();
    }
    shown.iter().map(|(count, unit)| format!("{count} {unit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countdowns_are_in_words() {
        let until = |block, time| Until { what: "it can be executed".to_owned(), block, time };
        assert_eq!(countdown(&until(None, 260_000), 0, 800), "it can be executed in 3 d 0 h (at 260000)");
        assert_eq!(countdown(&until(None, 800), 0, 861), "it can be executed since 1 min 1 s (at 800)");
        let ahead = countdown(&until(Some(50_500), 604_800), 100, 0);
        assert_eq!(ahead, "it can be executed at block 50500, 50400 blocks after the last final one: in about 7 d 0 h");
        assert_eq!(countdown(&until(Some(100), 0), 100, 9), "it can be executed at block 100, which is past");
        assert_eq!(
            (duration(0), duration(59), duration(3_600)),
            ("0 s".to_owned(), "59 s".to_owned(), "1 h 0 min".to_owned())
        );
    }

    #[test]
    fn a_stream_is_cut_into_its_events_wherever_it_breaks() {
        let mut buffer = b"event: paused\nid: 1:0\ndata: {}\n\n:\n\nevent: ga".to_vec();
        assert_eq!(next(&mut buffer).as_deref(), Some("event: paused\nid: 1:0\ndata: {}\n\n"));
        assert_eq!(next(&mut buffer).as_deref(), Some(":\n\n"));
        assert_eq!(next(&mut buffer), None);
        buffer.extend_from_slice(b"p\n\n");
        assert_eq!(next(&mut buffer).as_deref(), Some("event: gap\n\n"));
    }
}
