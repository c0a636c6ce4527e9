//! Members that do not keep to the protocol, and what it costs everybody else: nothing.

use futures::{AsyncRead, AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{Stream, Swarm, swarm::dial_opts::DialOpts};
use libp2p_stream::{Control, IncomingStreams};

use super::{
    super::{
        code::{Code, FRAME_TOO_LARGE, HELLO_MALFORMED, PEER_SLOW},
        frame,
        swarm::{self, Behaviour},
    },
    *,
};

/// A member that speaks libp2p, and whatever bytes a test wants.
struct Member {
    control: Control,
    victim: PeerId,
    incoming: IncomingStreams,
}

impl Member {
    /// Node `node`, connected to node 1 at the address.
    async fn connect(node: u16, address: &Multiaddr) -> Self {
        let limits = Limits { connections_per_peer_max: 100, ..Limits::default() };
        let mut swarm: Swarm<Behaviour> = swarm::build(&key(node), &limits, 100).unwrap();
        let victim = peer_id(1);
        swarm.behaviour_mut().allowed.allow_peer(victim);
        let mut control = swarm.behaviour().streams.new_control();
        let incoming = control.accept(PROTOCOL).unwrap();
        swarm.dial(DialOpts::peer_id(victim).addresses(vec![address.clone()]).build()).unwrap();
        tokio::spawn(async move {
            loop {
                swarm.select_next_some().await;
            }
        });
        Self { control, victim, incoming }
    }

    async fn open(&mut self) -> Stream {
        timeout(PATIENCE, self.control.open_stream(self.victim, PROTOCOL)).await.unwrap().unwrap()
    }

    /// A substream on which the victim has accepted our greeting.
    async fn greeted(&mut self, hello: &Hello) -> Stream {
        let mut stream = self.open().await;
        frame::write(&mut stream, &hello.encode(0)).await.unwrap();
        let answer = frame::read(&mut stream, 1024, PATIENCE).await.unwrap();
        assert_eq!(Hello::decode(&answer).unwrap().1, 0);
        stream
    }

    /// Accepts the victim's substream, so that the victim considers us up.
    async fn accept(&mut self, hello: &Hello) -> Stream {
        let (_, mut stream) = timeout(PATIENCE, self.incoming.next()).await.unwrap().unwrap();
        frame::read(&mut stream, 1024, PATIENCE).await.unwrap();
        frame::write(&mut stream, &hello.encode(0)).await.unwrap();
        stream
    }
}

/// Reads to the end; what the victim said last, and when it closed.
async fn remainder(mut stream: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = async {
        let mut chunk = [0; 1024];
        while let Ok(count @ 1..) = stream.read(&mut chunk).await {
            bytes.extend_from_slice(&chunk[..count]);
        }
    };
    timeout(PATIENCE, read).await.expect("the victim keeps the substream open");
    bytes
}

/// The code in the last receipt.
fn last_word(bytes: &[u8]) -> Option<u32> {
    let code = bytes.chunks_exact(12).next_back()?;
    Some(u32::from_be_bytes(code[8..].try_into().unwrap()))
}

/// Node 1 with members 2 and 3, and tiny deadlines.
async fn victim(adjust: impl Fn(&mut Limits)) -> (Node, Multiaddr) {
    let mut config = config(1, Transport::Tcp, &[(2, None), (3, None)]);
    config.limits.hello_deadline = Duration::from_millis(200);
    config.limits.frame_deadline = Duration::from_millis(200);
    adjust(&mut config.limits);
    let mut node = Node::start(config);
    let address = node.address().await;
    (node, address)
}

/// Whatever happened before, an honest member is served.
async fn assert_serves(victim: &mut Node, address: &Multiaddr) {
    let mut honest = Node::start(config(3, Transport::Tcp, &[(1, Some(address)), (2, None)]));
    victim.up(3).await;
    honest.network.send(1, Class::Protocol, text("still there?")).unwrap();
    assert_eq!(victim.frame(3).await, b"still there?");
    victim.network.send(3, Class::Protocol, text("yes")).unwrap();
    assert_eq!(honest.frame(1).await, b"yes");
}

#[tokio::test]
async fn random_bytes_instead_of_a_greeting_are_refused() {
    let (mut victim, address) = victim(|limits| limits.offences_max = u32::MAX).await;
    let mut member = Member::connect(2, &address).await;
    let mut noise = Noise(4);
    for length in [1, 4, 5, 64, 300, 2000] {
        let mut stream = member.open().await;
        let _ = stream.write_all(&noise.bytes(length)).await;
        let _ = stream.flush().await;
        remainder(stream).await;
        let code = victim.refused(Some(2)).await.code;
        assert!([HELLO_MALFORMED, FRAME_TOO_LARGE, PEER_SLOW].contains(&code), "{code:?}");
    }
    // Well framed, but no greeting: answered with the reason.
    let mut stream = member.open().await;
    frame::write(&mut stream, &noise.bytes(50)).await.unwrap();
    let answer = frame::read(&mut stream, 1024, PATIENCE).await.unwrap();
    assert_eq!(Hello::decode(&answer).unwrap().1, HELLO_MALFORMED.number);
    remainder(stream).await;
    assert_serves(&mut victim, &address).await;
}

#[tokio::test]
async fn random_bytes_after_the_greeting_end_the_substream() {
    let (mut victim, address) = victim(|limits| limits.offences_max = u32::MAX).await;
    let mut member = Member::connect(2, &address).await;
    let mut noise = Noise(5);
    for _ in 0..5 {
        let _ours = member.greeted(&hello()).await;
        let mut stream = member.greeted(&hello()).await;
        let _ = stream.write_all(&noise.bytes(3000)).await;
        let _ = stream.flush().await;
        let code = last_word(&remainder(stream).await).map(Code::from_number);
        assert!([Some(FRAME_TOO_LARGE), Some(PEER_SLOW), None].contains(&code), "{code:?}");
    }
    assert_serves(&mut victim, &address).await;
}

#[tokio::test]
async fn repeated_oversize_frames_cut_the_peer_off_for_a_while() {
    let (mut victim, address) = victim(|limits| {
        limits.offences_max = 3;
        limits.penalty = Duration::from_millis(300);
    })
    .await;
    let mut member = Member::connect(2, &address).await;
    for offence in 1..=3 {
        let mut stream = member.greeted(&hello()).await;
        stream.write_all(&(1u32 << 31).to_be_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        let last = last_word(&remainder(stream).await);
        // The third may be cut off before the last word gets through.
        assert!(last == Some(FRAME_TOO_LARGE.number) || offence == 3, "{last:?}");
    }
    assert_eq!(victim.refused(Some(2)).await.code, FRAME_TOO_LARGE);
    // The connection is closed, and a new one is turned away.
    timeout(PATIENCE, async { while member.control.open_stream(member.victim, PROTOCOL).await.is_ok() {} })
        .await
        .expect("the victim keeps the connection");
    // Others are served meanwhile, and the peer is accepted again when the penalty is over.
    assert_serves(&mut victim, &address).await;
    let mut reformed = Node::start(config(2, Transport::Tcp, &[(1, Some(&address))]));
    reformed.up(1).await;
    victim.up(2).await;
    assert_eq!(victim.status()[0].offences, 0);
}

#[tokio::test]
async fn a_cut_off_peer_is_turned_away() {
    let (mut victim, address) = victim(|limits| {
        limits.offences_max = 1;
        limits.penalty = Duration::from_secs(3600);
    })
    .await;
    let mut member = Member::connect(2, &address).await;
    let mut stream = member.greeted(&hello()).await;
    stream.write_all(&u32::MAX.to_be_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    remainder(stream).await;
    victim.refused(Some(2)).await;
    let again = Node::start(config(2, Transport::Tcp, &[(1, Some(&address))]));
    eventually("a connection is closed by the victim", || {
        again.status()[0].last_fault.as_ref().is_some_and(|fault| !fault.contains("no addresses"))
    })
    .await;
    assert_serves(&mut victim, &address).await;
    assert!(again.never_up());
}

#[tokio::test]
async fn r62_half_a_frame_and_half_a_greeting_are_closed_on_time() {
    let (mut victim, address) = victim(|_| {}).await;
    let mut member = Member::connect(2, &address).await;
    let mut stream = member.greeted(&hello()).await;
    stream.write_all(&[0, 0, 1, 0, 42]).await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(last_word(&remainder(stream).await), Some(PEER_SLOW.number));
    assert_eq!(victim.refused(Some(2)).await.code, PEER_SLOW);
    let greeting = hello().encode(0);
    let mut stream = member.open().await;
    stream.write_all(&[&[0, 0, 0, 80], &greeting[..20]].concat()).await.unwrap();
    stream.flush().await.unwrap();
    remainder(stream).await;
    assert_serves(&mut victim, &address).await;
}

#[tokio::test]
async fn silence_instead_of_a_greeting_is_closed_on_time_in_both_directions() {
    let (mut victim, address) = victim(|_| {}).await;
    let mut member = Member::connect(2, &address).await;
    remainder(member.open().await).await;
    let (_, mut stream) = timeout(PATIENCE, member.incoming.next()).await.unwrap().unwrap();
    frame::read(&mut stream, 1024, PATIENCE).await.unwrap();
    remainder(stream).await;
    assert_eq!(victim.refused(Some(2)).await.code, PEER_SLOW);
    assert_serves(&mut victim, &address).await;
}

#[tokio::test]
async fn r62_a_frame_sent_drop_by_drop_is_closed_on_time() {
    let (mut victim, address) = victim(|_| {}).await;
    let mut member = Member::connect(2, &address).await;
    let stream = member.greeted(&hello()).await;
    let (reader, mut writer) = stream.split();
    let drip = async move {
        writer.write_all(&[0, 0, 255, 255]).await.unwrap();
        let mut drops = interval(Duration::from_millis(20));
        while writer.write_all(&[1]).await.is_ok() && writer.flush().await.is_ok() {
            drops.tick().await;
        }
    };
    // Writing goes on for as long as there is credit: what arrives after the end is thrown away unread.
    tokio::select! {
        last = remainder(reader) => assert_eq!(last_word(&last), Some(PEER_SLOW.number)),
        () = async { drip.await; std::future::pending().await } => {}
    }
    assert_eq!(victim.refused(Some(2)).await.code, PEER_SLOW);
    assert_serves(&mut victim, &address).await;
}

#[tokio::test]
async fn a_peer_without_receipts_is_considered_dead() {
    let (mut victim, address) = victim(|limits| limits.silence_max = Duration::from_millis(200)).await;
    let mut member = Member::connect(2, &address).await;
    let _outbound = member.greeted(&hello()).await;
    let _inbound = member.accept(&hello()).await;
    victim.up(2).await;
    // The member keeps everything open and says nothing.
    victim.down(2).await;
    assert_eq!(victim.refused(Some(2)).await.code, PEER_SLOW);
}

#[tokio::test]
async fn a_second_substream_replaces_the_first() {
    let (mut victim, address) = victim(|_| {}).await;
    let mut member = Member::connect(2, &address).await;
    let first = member.greeted(&hello()).await;
    let _inbound = member.accept(&hello()).await;
    victim.up(2).await;
    let restarted = Hello { incarnation: 2, ..hello() };
    let mut second = member.greeted(&restarted).await;
    assert_eq!(remainder(first).await, b"");
    victim.down(2).await;
    // The victim's own substream belongs to the first start, so it opens a new one.
    let _inbound = member.accept(&restarted).await;
    assert_eq!(victim.up(2).await, (2, 1));
    frame::write(&mut second, b"me again").await.unwrap();
    assert_eq!(victim.frame(2).await, b"me again");
}

#[tokio::test]
async fn frames_stand_between_up_and_down() {
    let (mut victim, address) = victim(|_| {}).await;
    let mut member = Member::connect(2, &address).await;
    let mut outbound = member.greeted(&hello()).await;
    for _ in 0..10 {
        frame::write(&mut outbound, b"early").await.unwrap();
    }
    eventually("an early frame is in hand", || victim.status()[0].received == 1).await;
    let inbound = member.accept(&hello()).await;
    assert!(matches!(victim.next().await, Event::Up { node: 2, .. }));
    for _ in 0..10 {
        assert!(matches!(victim.next().await, Event::Frame { from: 2, .. }));
    }
    drop(inbound);
    assert!(matches!(victim.next().await, Event::Down { node: 2 }));
}

/// Floods node 1 as node 2 until the task is dropped.
async fn flood(address: &Multiaddr) -> tokio::task::JoinHandle<()> {
    let mut member = Member::connect(2, address).await;
    let mut outbound = member.greeted(&hello()).await;
    let mut inbound = member.accept(&hello()).await;
    tokio::spawn(async move {
        let mut batch = Vec::new();
        (0..100).for_each(|_| frame::append(&mut batch, b"flood").unwrap());
        let swallow = async {
            let mut sink = [0; 1024];
            while let Ok(1..) = inbound.read(&mut sink).await {}
        };
        let pour = async { while outbound.write_all(&batch).await.is_ok() {} };
        futures::future::join(swallow, pour).await;
    })
}

#[tokio::test]
async fn r61_a_flood_is_held_to_its_rate() {
    let (mut victim, address) = victim(|limits| limits.frames_per_s = 100).await;
    let _flood = flood(&address).await;
    victim.up(2).await;
    let start = std::time::Instant::now();
    for _ in 0..200 {
        victim.frame(2).await;
    }
    // 100 of burst and 100 at 100 per second. A lower bound: no load makes it shorter.
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(900), "{took:?}");
    assert!(victim.status()[0].throttled > 0);
}

#[tokio::test]
async fn r61_a_flood_does_not_starve_others() {
    // No rate limit here, and a host that takes nothing until the flood has piled up: fairness alone must do.
    let (mut victim, address) = victim(|limits| {
        limits.frames_per_s = u32::MAX;
        limits.bytes_per_s = u32::MAX;
        limits.events_max = 8;
    })
    .await;
    let honest = Node::start(config(3, Transport::Tcp, &[(1, Some(&address))]));
    victim.up(3).await;
    let _flood = flood(&address).await;
    victim.up(2).await;
    eventually("the flood fills the channel", || victim.events.len() >= 8).await;
    for number in 0..20 {
        honest.network.send(1, Class::Protocol, text(number)).unwrap();
    }
    eventually("the victim has an honest frame in hand", || victim.status()[1].received > 0).await;
    let before = victim.passed.len();
    for number in 0..20 {
        assert_eq!(victim.frame(3).await, number.to_string().into_bytes());
    }
    // Eight were in the channel; from then on the two take turns, give or take a wake-up.
    let floods = victim.passed.len() - before;
    assert!(floods <= 100, "{floods} frames of the flood before 20 honest ones");
}

#[tokio::test]
async fn r61_substreams_are_limited() {
    let (mut victim, address) = victim(|limits| limits.streams_per_s = 5).await;
    let mut member = Member::connect(2, &address).await;
    let mut accepted = 0;
    for _ in 0..40 {
        let Ok(Ok(mut stream)) = timeout(PATIENCE, member.control.open_stream(member.victim, PROTOCOL)).await else {
            continue;
        };
        let _ = frame::write(&mut stream, &hello().encode(0)).await;
        accepted += u32::from(frame::read(&mut stream, 1024, PATIENCE).await.is_ok());
    }
    assert!((1..40).contains(&accepted), "{accepted}");
    assert_serves(&mut victim, &address).await;
}
