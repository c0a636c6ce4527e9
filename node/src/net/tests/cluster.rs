//! Honest nodes among themselves, and the refusals between them.

use super::{
    super::code::{DEFINITION_MISMATCH, NETWORK_MISMATCH, PEER_UNKNOWN, PROTOCOL_VERSION},
    *,
};

fn digest(node: u16) -> [u8; 32] {
    [u8::try_from(node).unwrap(); 32]
}

#[tokio::test]
async fn two_nodes_over_tcp_exchange_frames_in_order() {
    exchange(Transport::Tcp).await;
}

#[tokio::test]
async fn two_nodes_over_quic_exchange_frames_in_order() {
    exchange(Transport::Quic).await;
}

async fn exchange(transport: Transport) {
    let (mut one, mut two, address) = pair(transport, |_, _| {}).await;
    assert_eq!(one.up(2).await, (1, 1));
    assert_eq!(two.up(1).await, (1, 1));
    assert_eq!(one.network.listening(), [address]);
    for number in 0..500 {
        one.network.send(2, Class::Protocol, text(number)).unwrap();
        two.network.send(1, Class::Protocol, text(-number)).unwrap();
    }
    for number in 0..500 {
        assert_eq!(two.frame(1).await, number.to_string().into_bytes());
        assert_eq!(one.frame(2).await, (-number).to_string().into_bytes());
    }
    let largest: Arc<[u8]> = Noise(1).bytes(Limits::default().frame_bytes_max).into();
    one.network.send(2, Class::Protocol, Arc::clone(&largest)).unwrap();
    assert_eq!(two.frame(1).await, largest.to_vec());
    one.network.stop();
    two.down(1).await;
}

#[tokio::test]
async fn three_nodes_on_both_transports_reach_each_other() {
    let mut one = Node::start(config(1, Transport::Tcp, &[(2, None), (3, None)]));
    let first = one.address().await;
    let mut two = Node::start(config(2, Transport::Quic, &[(1, Some(&first)), (3, None)]));
    let second = two.address().await;
    let mut three = Node::start(config(3, Transport::Tcp, &[(1, Some(&first)), (2, Some(&second))]));
    for (node, others) in [(&mut one, [2, 3]), (&mut two, [1, 3]), (&mut three, [1, 2])] {
        for other in others {
            node.up(other).await;
            node.network.send(other, Class::Bulk, text(format!("to {other}"))).unwrap();
        }
    }
    for (me, node, others) in [(1, &mut one, [2, 3]), (2, &mut two, [1, 3]), (3, &mut three, [1, 2])] {
        for other in others {
            assert_eq!(node.frame(other).await, format!("to {me}").into_bytes());
        }
    }
}

#[tokio::test]
async fn nodes_that_dial_each_other_at_once_end_up_with_one_link() {
    // Both know both addresses: the ports are found by starting once, and freed by stopping.
    let mut addresses = Vec::new();
    for node in [1, 2] {
        let mut scout = Node::start(config(node, Transport::Tcp, &[]));
        addresses.push(scout.address().await);
        scout.network.stop();
    }
    let at = |node: u16, other: u16| {
        let mut config = config(node, Transport::Tcp, &[(other, Some(&addresses[usize::from(other) - 1]))]);
        config.listen = vec![addresses[usize::from(node) - 1].clone()];
        config
    };
    let (mut one, mut two) = (Node::start(at(1, 2)), Node::start(at(2, 1)));
    one.up(2).await;
    two.up(1).await;
    for number in 0..100 {
        one.network.send(2, Class::Protocol, text(number)).unwrap();
        two.network.send(1, Class::Protocol, text(number)).unwrap();
    }
    for number in 0..100 {
        assert_eq!(two.frame(1).await, number.to_string().into_bytes());
        assert_eq!(one.frame(2).await, number.to_string().into_bytes());
    }
}

#[tokio::test]
async fn the_highest_common_version_is_used() {
    let (mut one, mut two, _) = pair(Transport::Tcp, |node, config| {
        (config.hello.version_min, config.hello.version_max) = if node == 1 { (1, 3) } else { (2, 5) };
        config.hello.incarnation = u64::from(node) * 10;
    })
    .await;
    assert_eq!(one.up(2).await, (20, 3));
    assert_eq!(two.up(1).await, (10, 3));
}

#[tokio::test]
async fn r68_version_ranges_without_overlap_are_refused_on_both_sides() {
    let (mut one, mut two, _) = pair(Transport::Tcp, |node, config| {
        (config.hello.version_min, config.hello.version_max) = if node == 1 { (1, 2) } else { (3, 4) };
    })
    .await;
    let (first, second) = (one.refused(Some(2)).await, two.refused(Some(1)).await);
    assert_eq!(first, Refusal { code: PROTOCOL_VERSION, detail: "our versions 1..=2, theirs 3..=4".to_owned() });
    assert_eq!(second, Refusal { code: PROTOCOL_VERSION, detail: "our versions 3..=4, theirs 1..=2".to_owned() });
    assert!(one.never_up() && two.never_up());
}

#[tokio::test]
async fn r16_a_peer_under_another_definition_is_there_and_both_sides_name_both_digests() {
    for transport in [Transport::Tcp, Transport::Quic] {
        let (mut one, mut two, _) = pair(transport, |node, config| config.hello.definition = digest(node)).await;
        for (node, other) in [(&mut one, 2), (&mut two, 1)] {
            node.up(other).await;
            let status = &node.status()[0];
            let refusal = status.refused.as_ref().expect("it says what differs");
            assert_eq!(refusal.code, DEFINITION_MISMATCH);
            assert!(refusal.detail.contains(&hex::encode([1; 32])), "{}", refusal.detail);
            assert!(refusal.detail.contains(&hex::encode([2; 32])), "{}", refusal.detail);
            assert!(status.up.is_some() && !status.takes_part());
        }
    }
}

#[tokio::test]
async fn another_network_is_refused() {
    let (mut one, mut two, _) = pair(Transport::Tcp, |node, config| config.hello.network = digest(node)).await;
    assert_eq!(one.refused(Some(2)).await.code, NETWORK_MISMATCH);
    assert_eq!(two.refused(Some(1)).await.code, NETWORK_MISMATCH);
    assert!(one.never_up() && two.never_up());
}

#[tokio::test]
async fn r61_a_peer_outside_the_definition_is_cut() {
    for transport in [Transport::Tcp, Transport::Quic] {
        let mut one = Node::start(config(1, transport, &[(2, None)]));
        let address = one.address().await;
        let stranger = Node::start(config(9, transport, &[(1, Some(&address))]));
        let refusal = one.refused(None).await;
        assert_eq!(refusal.code, PEER_UNKNOWN);
        assert!(refusal.detail.contains(&peer_id(9).to_string()), "{}", refusal.detail);
        assert!(one.never_up() && stranger.never_up());
    }
}

#[tokio::test]
async fn an_address_that_answers_as_somebody_else_is_reported() {
    let mut one = Node::start(config(1, Transport::Tcp, &[(3, None)]));
    let address = one.address().await;
    // Node 3 believes that node 2 listens there.
    let mut three = Node::start(config(3, Transport::Tcp, &[(2, Some(&address))]));
    let refusal = three.refused(Some(2)).await;
    assert_eq!(refusal.code, PEER_UNKNOWN);
    assert!(refusal.detail.contains(&peer_id(1).to_string()), "{}", refusal.detail);
}

#[tokio::test]
async fn a_restarted_peer_reconnects_and_gets_what_was_queued() {
    for transport in [Transport::Tcp, Transport::Quic] {
        let (mut one, mut two, address) = pair(transport, |_, _| {}).await;
        one.up(2).await;
        two.up(1).await;
        // The one that is dialled restarts at its address, so that the other must dial again.
        one.network.stop();
        two.down(1).await;
        two.network.send(1, Class::Protocol, text("while away")).unwrap();
        let mut again = config(1, transport, &[(2, None)]);
        again.listen = vec![address];
        again.hello.incarnation = 2;
        let mut one = Node::start(again);
        assert_eq!(two.up(1).await, (2, 1));
        assert_eq!(one.up(2).await, (1, 1));
        assert_eq!(one.frame(2).await, b"while away");
        one.network.send(2, Class::Protocol, text("back")).unwrap();
        assert_eq!(two.frame(1).await, b"back");
    }
}

#[tokio::test]
async fn r62_an_unreachable_peer_does_not_stop_the_start() {
    let nowhere: Multiaddr = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
    let unknown: Multiaddr = "/dns4/firn.invalid/udp/1/quic-v1".parse().unwrap();
    let mut one = Node::start(config(1, Transport::Tcp, &[(2, None), (3, Some(&nowhere)), (4, Some(&unknown))]));
    let address = one.address().await;
    let mut two = Node::start(config(2, Transport::Tcp, &[(1, Some(&address))]));
    one.up(2).await;
    two.up(1).await;
    eventually("faults are in the status", || {
        one.status().iter().filter(|peer| peer.node > 2).all(|peer| peer.last_fault.is_some())
    })
    .await;
}

#[tokio::test]
async fn receipts_confirm_what_was_read() {
    let (mut one, mut two, _) = pair(Transport::Tcp, |_, config| {
        config.limits.receipt_interval = Duration::from_millis(20);
    })
    .await;
    one.up(2).await;
    two.up(1).await;
    for number in 0..10 {
        one.network.send(2, Class::Protocol, text(number)).unwrap();
    }
    eventually("ten frames confirmed", || one.status()[0].confirmed == 10).await;
}

#[tokio::test]
async fn round_trips_are_told_from_the_start_and_again_and_again() {
    for transport in [Transport::Tcp, Transport::Quic] {
        let (mut one, mut two, _) =
            pair(transport, |_, config| config.limits.ping_interval = Duration::from_millis(20)).await;
        for (node, other) in [(&mut one, 2), (&mut two, 1)] {
            node.up(other).await;
            for _ in 0..3 {
                let measured = |event: &Event| match event {
                    Event::RoundTrip { node, round_trip } if *node == other => Some(*round_trip),
                    _ => None,
                };
                assert!(!node.until("RoundTrip", measured).await.is_zero());
            }
            assert!(node.status()[0].round_trip.is_some());
        }
    }
}

#[test]
fn bad_configurations_are_errors() {
    let mut twice = config(1, Transport::Tcp, &[(2, None), (3, None)]);
    twice.peers.values_mut().for_each(|peer| peer.node = 2);
    assert!(matches!(start(twice), Err(Error::DuplicateNode(2))));
    assert!(matches!(start(config(1, Transport::Tcp, &[(1, None)])), Err(Error::Ourselves)));
    // Not a transport of ours; and not an address of this machine (reserved for documentation).
    for address in ["/ip4/127.0.0.1/udp/1", "/ip4/192.0.2.1/tcp/0"] {
        let mut elsewhere = config(2, Transport::Tcp, &[]);
        elsewhere.listen = vec![address.parse().unwrap()];
        assert!(matches!(start(elsewhere), Err(Error::Listen { .. })), "{address}");
    }
}

#[tokio::test]
async fn frames_that_cannot_be_sent_are_refused_at_once() {
    let (one, _two, _) = pair(Transport::Tcp, |_, _| {}).await;
    let limits = Limits::default();
    assert_eq!(one.network.send(9, Class::Protocol, text("x")), Err(SendError::Unknown(9)));
    assert_eq!(one.network.send(2, Class::Protocol, text("")), Err(SendError::Size(0)));
    let long: Arc<[u8]> = vec![0; limits.frame_bytes_max + 1].into();
    assert_eq!(one.network.send(2, Class::Protocol, long), Err(SendError::Size(limits.frame_bytes_max + 1)));
}
