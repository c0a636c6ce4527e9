//! One direction at a time, over a pipe: what the timing of real sockets would show only now and then.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::watch,
};
use tokio_util::compat::TokioAsyncReadCompatExt;

use super::{
    super::{frame, half},
    *,
};

/// Long enough for a wrong byte to arrive; a correct variant always waits this out.
const A_WHILE: Duration = Duration::from_millis(100);

fn link(node: u16) -> Arc<Link> {
    Arc::new(Link::new(node, format!("n{node}"), peer_id(node), Vec::new()))
}

/// A pipe that holds so many small frames already.
async fn loaded(frames: usize) -> (DuplexStream, DuplexStream) {
    let (near, mut far) = duplex(64 * 1024);
    let mut bytes = Vec::new();
    (0..frames).for_each(|_| frame::append(&mut bytes, b"frame").unwrap());
    far.write_all(&bytes).await.unwrap();
    (near, far)
}

fn sender(event: Event) -> u16 {
    match event {
        Event::Frame { from, .. } => from,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nothing_is_written_while_the_link_is_down() {
    let (near, mut far) = duplex(1024);
    let (link, limits, open) = (link(2), Arc::new(Limits::default()), watch::Sender::new(false));
    tokio::spawn(half::send(near.compat(), Arc::clone(&link), Arc::clone(&limits), open.subscribe()));
    link.queue.push(Class::Protocol, text("patience"), Instant::now(), &limits);
    assert!(timeout(A_WHILE, far.read_u8()).await.is_err());
    open.send_replace(true);
    assert_eq!(timeout(PATIENCE, far.read_u32()).await.unwrap().unwrap(), 8);
}

#[tokio::test]
async fn a_frame_in_hand_is_not_delivered_after_down() {
    let (near, _far) = loaded(1).await;
    let (link, open) = (link(2), watch::Sender::new(true));
    let (events, mut host) = mpsc::channel(1);
    events.try_send(Event::Down { node: 9 }).unwrap();
    tokio::spawn(half::receive(near.compat(), Arc::clone(&link), Arc::default(), events, open.subscribe()));
    // The reader waits for room in the channel when the link goes down.
    eventually("a frame is in hand", || link.status().received == 1).await;
    open.send_replace(false);
    assert!(matches!(host.recv().await, Some(Event::Down { node: 9 })));
    assert!(timeout(A_WHILE, host.recv()).await.is_err());
    open.send_replace(true);
    assert_eq!(sender(timeout(PATIENCE, host.recv()).await.unwrap().unwrap()), 2);
}

#[tokio::test]
async fn readers_take_turns() {
    let open = watch::Sender::new(true);
    let (events, mut host) = mpsc::channel(8);
    let mut ends = Vec::new();
    for node in [2, 3] {
        let (near, far) = loaded(100).await;
        tokio::spawn(half::receive(near.compat(), link(node), Arc::default(), events.clone(), open.subscribe()));
        ends.push(far);
    }
    let mut counts = [0; 4];
    for _ in 0..40 {
        counts[usize::from(sender(timeout(PATIENCE, host.recv()).await.unwrap().unwrap()))] += 1;
    }
    assert!(counts[2] >= 15 && counts[3] >= 15, "{counts:?}");
}
