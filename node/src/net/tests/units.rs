//! The parts that need no socket.

use std::{collections::BTreeSet, fs};

use futures::io::Cursor;
use tokio_util::compat::TokioAsyncReadCompatExt;

use super::{
    super::{
        backoff::delay,
        bucket::{Bucket, cost_of_frame, cost_of_one},
        code::*,
        frame,
        queue::{Dropped, Queue},
    },
    *,
};

const DEADLINE: Duration = Duration::from_millis(100);

fn small_queue() -> Limits {
    Limits { queue_frames_max: 4, queue_bytes_max: 1000, batch_bytes_max: 1, ..Limits::default() }
}

fn push(queue: &Queue, class: Class, name: &str, limits: &Limits) -> bool {
    queue.push(class, text(name), Instant::now(), limits)
}

/// Everything in the queue, in the order of sending, separated by spaces.
fn drained(queue: &Queue, limits: &Limits) -> String {
    let mut frames = Vec::new();
    while queue.census().0 > 0 {
        let mut buffer = Vec::new();
        assert_eq!(queue.fill(&mut buffer, limits).unwrap(), 1);
        frames.push(String::from_utf8(buffer[4..].to_vec()).unwrap());
    }
    frames.join(" ")
}

#[test]
fn overflow_drops_bulk_first_then_the_oldest_protocol_frame() {
    let (queue, limits) = (Queue::default(), small_queue());
    for (class, name) in [(Class::Bulk, "b1"), (Class::Protocol, "p1"), (Class::Bulk, "b2"), (Class::Protocol, "p2")] {
        assert!(push(&queue, class, name, &limits));
    }
    assert!(push(&queue, Class::Protocol, "p3", &limits));
    assert!(push(&queue, Class::Protocol, "p4", &limits));
    assert_eq!(queue.census().1, Dropped { bulk: 2, protocol: 0, expired: 0 });
    assert!(push(&queue, Class::Protocol, "p5", &limits));
    assert!(!push(&queue, Class::Bulk, "b3", &limits), "bulk displaces no protocol frame");
    assert_eq!(queue.census(), (4, Dropped { bulk: 3, protocol: 1, expired: 0 }));
    assert_eq!(drained(&queue, &limits), "p2 p3 p4 p5");
}

#[test]
fn protocol_leaves_before_bulk() {
    let (queue, limits) = (Queue::default(), small_queue());
    for (class, name) in [(Class::Bulk, "b1"), (Class::Bulk, "b2"), (Class::Protocol, "p1"), (Class::Protocol, "p2")] {
        push(&queue, class, name, &limits);
    }
    assert_eq!(drained(&queue, &limits), "p1 p2 b1 b2");
}

#[test]
fn the_queue_is_bounded_in_bytes() {
    let (queue, limits) = (Queue::default(), Limits { queue_bytes_max: 10, ..small_queue() });
    for name in ["aaaa", "bbbb", "cccc", "ddddddddd"] {
        assert!(push(&queue, Class::Protocol, name, &limits));
    }
    assert_eq!(queue.census(), (1, Dropped { bulk: 0, protocol: 3, expired: 0 }));
    assert_eq!(drained(&queue, &limits), "ddddddddd");
    // What left is no longer counted.
    assert!(push(&queue, Class::Protocol, "eeeeeeeee", &limits));
    assert_eq!(queue.census().1.protocol, 3);
}

#[test]
fn old_frames_are_not_sent() {
    let (queue, limits) = (Queue::default(), small_queue());
    let long_ago = Instant::now().checked_sub(limits.queue_age_max * 2).unwrap();
    queue.push(Class::Protocol, text("old"), long_ago, &limits);
    queue.push(Class::Bulk, text("old"), long_ago, &limits);
    push(&queue, Class::Protocol, "new", &limits);
    assert_eq!(drained(&queue, &limits), "new");
    assert_eq!(queue.census().1.expired, 2);
}

#[tokio::test]
async fn frames_survive_the_way() {
    let frames = [vec![1], vec![2; 1000], Noise(2).bytes(256 * 1024)];
    let mut buffer = Vec::new();
    for bytes in &frames {
        frame::append(&mut buffer, bytes).unwrap();
    }
    let mut reader = Cursor::new(buffer);
    for bytes in &frames {
        assert_eq!(&frame::read(&mut reader, 256 * 1024, DEADLINE).await.unwrap(), bytes);
    }
    assert_eq!(frame::read(&mut reader, 256 * 1024, DEADLINE).await.unwrap_err().code, None);
}

/// Address space this process ever had, in KiB. An allocation of zeroes that is never touched shows nowhere else.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn r62_an_oversize_length_is_refused_without_allocating() {
    let before = peak_kib();
    for announced in [256 * 1024 + 1, 1u32 << 31, u32::MAX] {
        let mut reader = Cursor::new(announced.to_be_bytes());
        let fault = frame::read(&mut reader, 256 * 1024, DEADLINE).await.unwrap_err();
        assert_eq!((fault.code, fault.offence), (Some(FRAME_TOO_LARGE), true));
    }
    let grown = peak_kib() - before;
    assert!(grown < 1024 * 1024, "address space grew by {grown} KiB");
}

#[tokio::test]
async fn an_empty_frame_is_refused() {
    let fault = frame::read(&mut Cursor::new([0; 4]), 100, DEADLINE).await.unwrap_err();
    assert_eq!((fault.code, fault.offence), (Some(FRAME_EMPTY), true));
}

#[tokio::test]
async fn half_a_frame_ends_at_the_deadline_and_an_idle_substream_does_not() {
    for half in [&[0][..], &[0, 0, 0, 9], &[0, 0, 0, 9, 1, 2]] {
        let (near, mut far) = tokio::io::duplex(64);
        tokio::io::AsyncWriteExt::write_all(&mut far, half).await.unwrap();
        let read = timeout(PATIENCE, async { frame::read(&mut near.compat(), 100, DEADLINE).await });
        assert_eq!(read.await.unwrap().unwrap_err().code, Some(PEER_SLOW));
    }
    let (near, _far) = tokio::io::duplex(64);
    let mut near = near.compat();
    assert!(timeout(DEADLINE * 3, frame::read(&mut near, 100, DEADLINE)).await.is_err());
}

#[test]
fn greetings_survive_the_way() {
    let ours = Hello { version_max: 300, incarnation: u64::MAX, ..hello() };
    assert_eq!(Hello::decode(&ours.encode(0)).unwrap(), (ours.clone(), 0));
    assert_eq!(Hello::decode(&ours.encode(7)).unwrap(), (ours.clone(), 7));
    let longest = Hello { version_min: u32::MAX, version_max: u32::MAX, incarnation: u64::MAX, ..hello() };
    assert!(longest.encode(u32::MAX).len() < Limits::default().hello_bytes_max);
}

#[test]
fn greetings_that_are_not_canonical_are_refused() {
    let good = hello().encode(0);
    let mut unknown_field = good.clone();
    unknown_field.extend([0x38, 1]); // field 7
    let mut repeated_field = good.clone();
    repeated_field.extend([0x28, 1]); // the incarnation again
    let mut explicit_zero = good.clone();
    explicit_zero.extend([0x30, 0]); // refused = 0
    let long_integer = [&[0x08, 0x81, 0x00], &good[2..]].concat();
    let no_version = Hello { version_min: 0, ..hello() }.encode(0);
    let empty_range = Hello { version_min: 2, ..hello() }.encode(0);
    let short_digest = [&good[..6], &good[7..]].concat();
    let cut = good[..good.len() - 1].to_vec();
    for bad in
        [unknown_field, repeated_field, explicit_zero, long_integer, no_version, empty_range, short_digest, cut, vec![]]
    {
        assert_eq!(Hello::decode(&bad).unwrap_err().code, HELLO_MALFORMED, "{}", hex::encode(bad));
    }
}

#[test]
fn random_greetings_never_panic_and_are_canonical_when_accepted() {
    let mut noise = Noise(3);
    let good = hello().encode(0);
    for round in 0..20_000 {
        let bytes = if round % 2 == 0 {
            let length = usize::try_from(noise.next() % 120).unwrap();
            noise.bytes(length)
        } else {
            let mut bytes = good.clone();
            let at = usize::try_from(noise.next()).unwrap() % bytes.len();
            bytes[at] = noise.bytes(1)[0];
            bytes
        };
        if let Ok((accepted, refused)) = Hello::decode(&bytes) {
            assert_eq!(accepted.encode(refused), bytes);
        }
    }
}

#[test]
fn both_sides_judge_alike() {
    let with = |versions: (u32, u32), network: u8, definition: u8| Hello {
        version_min: versions.0,
        version_max: versions.1,
        network: [network; 32],
        definition: [definition; 32],
        incarnation: 1,
    };
    for (ours, theirs, verdict) in [
        (with((1, 1), 1, 1), with((1, 1), 1, 1), Ok(1)),
        (with((1, 5), 1, 1), with((2, 3), 1, 1), Ok(3)),
        (with((1, 2), 1, 1), with((2, 9), 1, 1), Ok(2)),
        (with((1, 2), 1, 1), with((3, 9), 1, 1), Err(PROTOCOL_VERSION)),
        (with((1, 1), 1, 1), with((1, 1), 1, 2), Ok(1)),
        (with((1, 1), 1, 1), with((2, 2), 2, 2), Err(NETWORK_MISMATCH)),
    ] {
        assert_eq!(ours.judge(&theirs).map_err(|refusal| refusal.code), verdict);
        assert_eq!(theirs.judge(&ours).map_err(|refusal| refusal.code), verdict);
    }
}

#[test]
fn codes_are_distinct_and_found_by_number() {
    let codes = [
        (5, NETWORK_MISMATCH),
        (11, PROTOCOL_VERSION),
        (12, DEFINITION_MISMATCH),
        (100, PEER_UNKNOWN),
        (101, HELLO_MALFORMED),
        (102, FRAME_TOO_LARGE),
        (103, FRAME_EMPTY),
        (104, PEER_SLOW),
        (105, RECEIPT_MALFORMED),
    ];
    for (number, code) in codes {
        assert_eq!((code.number, Code::from_number(number)), (number, code));
        // One number never means two things, and one name never has two numbers.
        let core = firn_proto::Code::all().find(|core| core.to_wire() == number || core.as_str() == code.name);
        assert!(core.is_none_or(|core| (core.to_wire(), core.as_str()) == (number, code.name)), "{core:?}");
    }
    assert_eq!(codes.iter().map(|(_, code)| code.name).collect::<BTreeSet<_>>().len(), codes.len());
    assert_eq!(Code::from_number(12345), UNNAMED);
}

#[test]
fn retries_double_within_bounds_and_differ_between_peers() {
    let limits = Limits::default();
    assert_eq!(delay(&peer_id(1), 0, &limits), Duration::ZERO);
    for attempt in 1..100 {
        let exact = limits.retry_min.saturating_mul(2u32.saturating_pow(attempt - 1)).min(limits.retry_max);
        for node in 1..20 {
            let delay = delay(&peer_id(node), attempt, &limits);
            assert!(delay >= exact * 3 / 4 && delay <= exact * 5 / 4, "{attempt}: {delay:?}");
        }
    }
    let delays: BTreeSet<_> = (1..20).map(|node| delay(&peer_id(node), 3, &limits)).collect();
    assert!(delays.len() > 10, "{delays:?}");
}

#[test]
fn a_bucket_grants_one_second_of_burst_and_then_the_rate() {
    let start = Instant::now();
    let mut bucket = Bucket::new(start);
    let waits: Vec<_> = (0..200).map(|_| bucket.take(start, cost_of_one(100))).collect();
    assert!(waits[..100].iter().all(Duration::is_zero));
    assert_eq!(waits[199], Duration::from_secs(1));
    assert!(!bucket.try_take(start, cost_of_one(100)));
    assert!(bucket.try_take(start + Duration::from_secs(2), cost_of_one(100)));
    // The dearer of the two rates counts.
    assert_eq!(cost_of_frame(10, 2000, 1_000_000), Duration::from_micros(500));
    assert_eq!(cost_of_frame(1000, 2000, 1_000_000), Duration::from_millis(1));
}
