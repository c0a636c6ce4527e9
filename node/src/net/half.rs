//! One substream, from greeting to end. The side that opened it writes frames; the other answers with receipts.
//!
//! A receipt is 12 bytes: how many frames were read so far (u64) and a refusal code (u32, zero while all is well).
//! Receipts serve as heartbeat, since TCP alone notices a vanished peer only after a quarter of an hour, and carry the
//! reason as last word when the reading side closes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::{
    sync::{mpsc, watch},
    task::yield_now,
    time::{Instant, sleep, timeout},
};

use super::{
    Event,
    bucket::cost_of_frame,
    code::{Code, Fault, HELLO_MALFORMED, PEER_SLOW, RECEIPT_MALFORMED},
    frame,
    hello::Hello,
    limits::Limits,
    link::Link,
};

/// How long the last word may take; the peer may have stopped reading.
const LAST_WORD: Duration = Duration::from_secs(1);

/// What a substream has to offer; libp2p's, or a pipe in tests.
pub(super) trait Substream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Substream for S {}

/// A substream whose greetings have been exchanged and accepted by us.
#[derive(Debug)]
pub(super) struct Greeted<S> {
    pub(super) stream: S,
    pub(super) theirs: Hello,
    pub(super) version: u32,
}

/// Greets on a substream that we opened.
pub(super) async fn greet<S: Substream>(mut stream: S, ours: &Hello, limits: &Limits) -> Result<Greeted<S>, Fault> {
    let (theirs, refused) = within(limits, async {
        frame::write(&mut stream, &ours.encode(0)).await.map_err(Fault::broken)?;
        read_hello(&mut stream, limits).await
    })
    .await?;
    // Our own judgement first: it names both sides' values, while a refusal is only a number.
    let version = ours.judge(&theirs)?;
    if refused != 0 {
        return Err(refused_by_peer(refused));
    }
    Ok(Greeted { stream, theirs, version })
}

/// Answers the greeting on a substream that the peer opened. A refusal is answered as well, so that both sides can
/// say what differs.
pub(super) async fn answer<S: Substream>(mut stream: S, ours: &Hello, limits: &Limits) -> Result<Greeted<S>, Fault> {
    within(limits, async {
        let judged = match read_hello(&mut stream, limits).await {
            Ok((_, refused @ 1..)) => Err(Fault::offence(HELLO_MALFORMED, format!("opened with refusal {refused}"))),
            Ok((theirs, 0)) => ours.judge(&theirs).map(|version| (theirs, version)).map_err(Fault::from),
            Err(fault) => Err(fault),
        };
        let refused = judged.as_ref().map_or_else(|fault| fault.code.map_or(0, |code| code.number), |_| 0);
        let answered = frame::write(&mut stream, &ours.encode(refused)).await;
        match (judged, answered) {
            (Ok((theirs, version)), Ok(())) => Ok((theirs, version)),
            (Ok(_), Err(error)) => Err(Fault::broken(error)),
            (Err(fault), _) => {
                // Closing delivers the answer before the substream is reset; it waits for nothing else.
                let _ = stream.close().await;
                Err(fault)
            }
        }
    })
    .await
    .map(|(theirs, version)| Greeted { stream, theirs, version })
}

/// Writes what is queued for the peer until the substream ends; nothing before `open` is true, so that what is queued
/// during an absence is not lost to the dying substream.
pub(super) async fn send<S: Substream>(
    stream: S,
    link: Arc<Link>,
    limits: Arc<Limits>,
    open: watch::Receiver<bool>,
) -> Fault {
    let (mut reader, mut writer) = stream.split();
    let written = AtomicU64::new(0);
    tokio::select! {
        fault = write_frames(&mut writer, &link, &limits, open, &written) => fault,
        fault = read_receipts(&mut reader, &link, &limits, &written) => fault,
    }
}

/// Delivers the peer's frames as events until the substream ends; none before `open` is true.
pub(super) async fn receive<S: Substream>(
    stream: S,
    link: Arc<Link>,
    limits: Arc<Limits>,
    events: mpsc::Sender<Event>,
    open: watch::Receiver<bool>,
) -> Fault {
    let (mut reader, mut writer) = stream.split();
    let read = AtomicU64::new(0);
    let fault = tokio::select! {
        fault = read_frames(&mut reader, &link, &limits, &events, open, &read) => fault,
        fault = write_receipts(&mut writer, &limits, &read) => fault,
    };
    if let Some(code) = fault.code {
        let last = async {
            writer.write_all(&receipt(read.load(Ordering::Relaxed), code.number)).await?;
            writer.close().await
        };
        let _ = timeout(LAST_WORD, last).await;
    }
    fault
}

async fn write_frames<W: AsyncWrite + Unpin>(
    writer: &mut W,
    link: &Link,
    limits: &Limits,
    mut open: watch::Receiver<bool>,
    written: &AtomicU64,
) -> Fault {
    let mut buffer = Vec::new();
    loop {
        link.queue.ready().await;
        if !*open.borrow() {
            if open.wait_for(|open| *open).await.is_err() {
                return Fault::broken("host is gone");
            }
            continue;
        }
        buffer.clear();
        let count = match link.queue.fill(&mut buffer, limits) {
            Ok(count) => count,
            Err(error) => return Fault::broken(error),
        };
        // Counted first: a receipt may overtake the end of our own write.
        written.fetch_add(count, Ordering::Relaxed);
        link.sent.fetch_add(count, Ordering::Relaxed);
        let write = async {
            writer.write_all(&buffer).await?;
            writer.flush().await
        };
        match timeout(limits.write_deadline, write).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Fault::broken(error),
            Err(_) => return Fault::dead(format!("takes no frames for {:?}", limits.write_deadline)),
        }
    }
}

async fn read_receipts<R: AsyncRead + Unpin>(
    reader: &mut R,
    link: &Link,
    limits: &Limits,
    written: &AtomicU64,
) -> Fault {
    let mut confirmed = 0;
    loop {
        let mut bytes = [0u8; 12];
        match timeout(limits.silence_max, reader.read_exact(&mut bytes)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Fault::broken(error),
            Err(_) => return Fault::dead(format!("no receipt for {:?}", limits.silence_max)),
        }
        let [count @ .., a, b, c, d] = bytes;
        let (count, code) = (u64::from_be_bytes(count), u32::from_be_bytes([a, b, c, d]));
        if code != 0 {
            return refused_by_peer(code);
        }
        if count < confirmed || count > written.load(Ordering::Relaxed) {
            return Fault::offence(RECEIPT_MALFORMED, format!("receipt for {count} frames"));
        }
        link.confirmed.fetch_add(count - confirmed, Ordering::Relaxed);
        confirmed = count;
    }
}

async fn read_frames<R: AsyncRead + Unpin>(
    reader: &mut R,
    link: &Link,
    limits: &Limits,
    events: &mpsc::Sender<Event>,
    mut open: watch::Receiver<bool>,
    read: &AtomicU64,
) -> Fault {
    loop {
        let bytes = match frame::read(reader, limits.frame_bytes_max, limits.frame_deadline).await {
            Ok(bytes) => bytes,
            Err(fault) => return fault,
        };
        read.fetch_add(1, Ordering::Relaxed);
        link.received.fetch_add(1, Ordering::Relaxed);
        let cost = cost_of_frame(bytes.len(), limits.frames_per_s, limits.bytes_per_s);
        let pause = link.take_frame(Instant::now(), cost);
        // A full event channel holds back this peer alone: its reader waits here, with one frame in hand, in a fair
        // queue with the others.
        if deliver(Event::Frame { from: link.node, bytes }, events, &mut open).await.is_none() {
            return Fault::broken("host is gone");
        }
        // After each frame the other peers' tasks have their turn; otherwise whoever has most frames at hand would
        // take every free place of the channel.
        yield_now().await;
        // Not reading is the throttle: the multiplexer's window fills and the peer's writes wait.
        if !pause.is_zero() {
            link.throttled.fetch_add(1, Ordering::Relaxed);
            sleep(pause).await;
        }
    }
}

/// Sends an event of an open link, so that frames stand between the link's `Up` and its `Down`.
async fn deliver(event: Event, events: &mpsc::Sender<Event>, open: &mut watch::Receiver<bool>) -> Option<()> {
    loop {
        open.wait_for(|open| *open).await.ok()?;
        let permit = events.reserve().await.ok()?;
        // The link may have closed while we waited for room.
        if *open.borrow() {
            permit.send(event);
            return Some(());
        }
    }
}

async fn write_receipts<W: AsyncWrite + Unpin>(writer: &mut W, limits: &Limits, read: &AtomicU64) -> Fault {
    loop {
        sleep(limits.receipt_interval).await;
        let bytes = receipt(read.load(Ordering::Relaxed), 0);
        if let Err(error) = writer.write_all(&bytes).await {
            return Fault::broken(error);
        }
        if let Err(error) = writer.flush().await {
            return Fault::broken(error);
        }
    }
}

fn receipt(count: u64, code: u32) -> [u8; 12] {
    let mut bytes = [0; 12];
    let (left, right) = bytes.split_at_mut(8);
    left.copy_from_slice(&count.to_be_bytes());
    right.copy_from_slice(&code.to_be_bytes());
    bytes
}

async fn read_hello<S: Substream>(stream: &mut S, limits: &Limits) -> Result<(Hello, u32), Fault> {
    let bytes = frame::read(stream, limits.hello_bytes_max, limits.hello_deadline).await?;
    Hello::decode(&bytes).map_err(|refusal| Fault::offence(refusal.code, refusal.detail))
}

async fn within<T>(limits: &Limits, greeting: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    match timeout(limits.hello_deadline, greeting).await {
        Ok(result) => result,
        Err(_) => Err(Fault::refusal(PEER_SLOW, format!("no greeting after {:?}", limits.hello_deadline))),
    }
}

fn refused_by_peer(number: u32) -> Fault {
    let code = Code::from_number(number);
    Fault::refusal(code, format!("refused by the peer with code {number}"))
}
