//! Peers that should not be there, and members that do not behave.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use firn_proto::{Definition, Digest, Message, NetworkId, NodeId, Point};
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::PeerId;

use crate::member::{Keys, Member, hello, last_word, write_frame};
use crate::net::Net;
use crate::process::{PATIENCE, step, until};

/// The last node of the definition: its keys are the test's, and no process of ours runs as it.
const HOSTILE: usize = 4;
/// Nodes 1 to 4, three to sign.
const HONEST: [usize; 4] = [0, 1, 2, 3];

#[test]
fn hostile_peers_are_cut_counted_and_survived() {
    let keys = Keys::new(66);
    let mut net = step("four honest nodes and a thief's keys in the definition", || set_up(&keys));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    step("a socket that speaks nothing of ours", || noise_on_a_socket(&net));
    step("a peer outside the definition", || runtime.block_on(outsider(&net)));
    step("envelopes that are not what they claim", || runtime.block_on(forged_envelopes(&net, &keys)));
    step("a greeting of another network", || runtime.block_on(other_network(&net, &keys)));
    step("random bytes instead of a greeting", || runtime.block_on(random_greeting(&net, &keys)));
    step("frames too long", || runtime.block_on(long_frames(&net, &keys)));
    step("honest nodes sign all the same, the thief missing at every victim", || {
        net.assert_up();
        for node in [1, 2] {
            net.slash_once(node, 8);
        }
    });
    step("and the thief cannot post for a member either", || {
        let answer = net.post(0, "{}");
        answer.refused(400, "REQUEST_MALFORMED");
        net.assert_up();
    });
}

fn set_up(keys: &Keys) -> Net {
    let mut net = Net::prepare(5, 3);
    net.redefine(|definition| {
        let hostile = NodeId(5);
        let node = definition.nodes.get_mut(&hostile).expect("five nodes");
        node.peer_id = keys.peer_id().to_string();
        node.author_key = keys.author_key();
        // The key is the honest nodes': a key generation takes all of its members.
        definition.keys[0].members.retain(|_, node| *node != hostile);
    });
    net.start_chain();
    net.start_nodes(&HONEST);
    net.connected(&HONEST);
    net.generate_key(&HONEST);
    net.deploy();
    net
}

fn peer_id(net: &Net, node: usize) -> PeerId {
    let id = NodeId(u16::try_from(node + 1).expect("few nodes"));
    net.definition.nodes[&id].peer_id.parse().expect("a peer id")
}

fn connect(net: &Net, keys: &Keys, victim: usize) -> Member {
    Member::connect(keys, peer_id(net, victim), net.nodes[victim].port)
}

/// Waits until the victim has counted a refusal with this code, beyond `before`.
fn counted(net: &Net, victim: usize, code: &str, before: u64) {
    let line = refusals(code);
    until(&format!("{code} to be counted"), || {
        let count = net.metric(victim, &line);
        if count > before { Ok(()) } else { Err(format!("{count} so far")) }
    });
}

fn refusals(code: &str) -> String {
    format!("firn_peer_refusals_total{{code=\"{code}\"}} ")
}

fn noise_on_a_socket(net: &Net) {
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 4096], &[0; 3]] {
        let mut stream = TcpStream::connect(("127.0.0.1", net.nodes[0].port)).expect("the port is open");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let _ = stream.write_all(bytes).and_then(|()| stream.shutdown(std::net::Shutdown::Write));
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
}

async fn outsider(net: &Net) {
    let stranger = Keys::new(99);
    let mut member = connect(net, &stranger, 0);
    let opened = member.open().await;
    // Where the connection still stood for a moment, nothing of the protocol ran on it.
    if let Ok(mut stream) = opened {
        write_frame(&mut stream, &prost::Message::encode_to_vec(&hello(&net.definition))).await;
        assert_eq!(last_word(stream).await, None, "a stranger was answered");
    }
    counted(net, 0, "PEER_UNKNOWN", 0);
    let (log, id) = (net.log(0), stranger.peer_id().to_string());
    assert!(log.lines().any(|line| line.contains("PEER_UNKNOWN") && line.contains(&id)), "not named in the log");
}

async fn forged_envelopes(net: &Net, keys: &Keys) {
    let (victim, rejected) = (0, "firn_messages_rejected_total ");
    let mut member = connect(net, keys, victim);
    let (mut ours, _theirs) = member.greeted(&hello(&net.definition)).await;
    let (definition, before) = (&net.definition, net.metric(victim, rejected));
    // Our own, correct: not counted. It also shows that what follows arrives.
    let own = keys.envelope(definition, NodeId(5), &Message::KeyAccept);
    write_frame(&mut ours, &own).await;
    let mut other = (**definition).clone();
    other.name = "another network".to_owned();
    let other = Definition::new(other);
    let altered = {
        let mut bytes = own.clone();
        *bytes.last_mut().expect("an envelope") ^= 1;
        bytes
    };
    let forged = [
        ("ENVELOPE_SIGNATURE_INVALID", keys.envelope(definition, NodeId(1), &Message::KeyAccept)),
        ("ENVELOPE_SIGNATURE_INVALID", keys.envelope(definition, NodeId(2), &Message::KeyAccept)),
        ("ENVELOPE_SIGNATURE_INVALID", altered),
        ("NETWORK_MISMATCH", keys.envelope(&other, NodeId(5), &Message::KeyAccept)),
        ("SENDER_UNKNOWN", keys.envelope(definition, NodeId(77), &Message::KeyAccept)),
        ("ENVELOPE_MALFORMED", vec![0xa5; 700]),
        ("ENVELOPE_MALFORMED", [own.as_slice(), &[0]].concat()),
    ];
    for (at, (code, bytes)) in (1..).zip(&forged) {
        write_frame(&mut ours, bytes).await;
        until(&format!("{code} to be counted"), || {
            let count = net.metric(victim, rejected);
            if count == before + at { Ok(()) } else { Err(format!("{count}, not {}", before + at)) }
        });
        let log = net.log(victim);
        let last = log.lines().rfind(|line| line.contains("message_rejected")).unwrap_or_default();
        assert!(last.contains(code) && last.contains("peer=5"), "{last}");
    }
    // The link is still open: forgeries are dropped one by one.
    write_frame(&mut ours, &own).await;
    assert_eq!(net.get(victim, "/v1/peers").map(|peers| peers["peers"][3]["connected"].clone()), Ok(true.into()));
}

async fn other_network(net: &Net, keys: &Keys) {
    let mut other = hello(&net.definition);
    let ours = NetworkId(Digest([3; 32]));
    other.network = ours.0.0.to_vec();
    let before = net.metric(1, &refusals("NETWORK_MISMATCH"));
    let mut member = connect(net, keys, 1);
    let mut stream = member.open().await.expect("a member is let in");
    write_frame(&mut stream, &prost::Message::encode_to_vec(&other)).await;
    counted(net, 1, "NETWORK_MISMATCH", before);
    until("both digests to be named", || {
        let peers = net.get(1, "/v1/peers")?;
        let refused = crate::net::named(&peers["peers"], net.name(HOSTILE))["refused"].to_string();
        let digests = [net.definition.network_id().0.0, [3; 32]].map(hex::encode);
        if digests.iter().all(|digest| refused.contains(digest)) { Ok(()) } else { Err(refused) }
    });
}

async fn random_greeting(net: &Net, keys: &Keys) {
    let before = net.metric(2, &refusals("HELLO_MALFORMED"));
    let mut member = connect(net, keys, 2);
    let mut stream = member.open().await.expect("a member is let in");
    write_frame(&mut stream, &[0x5a; 60]).await;
    counted(net, 2, "HELLO_MALFORMED", before);
}

async fn long_frames(net: &Net, keys: &Keys) {
    let victim = 3;
    for announced in [262_145_u32, 1 << 31, u32::MAX] {
        let mut member = connect(net, keys, victim);
        let (ours, _theirs) = member.greeted(&hello(&net.definition)).await;
        let memory = resident_kib(net.pid(victim));
        let (reader, mut writer) = ours.split();
        let pour = async {
            // It may stop reading whenever it likes.
            let _ = writer.write_all(&[&announced.to_be_bytes()[..], &[0; 262_145]].concat()).await;
            std::future::pending::<()>().await;
        };
        let said = tokio::select! {
            said = last_word(reader) => said,
            () = pour => None,
        };
        // The end of the substream may overtake the word; the count below does not depend on it.
        assert!(matches!(said, None | Some(102)), "the victim says why: FRAME_TOO_LARGE, not {said:?}");
        let grown = resident_kib(net.pid(victim)).saturating_sub(memory);
        assert!(grown < 64 * 1024, "{announced} bytes announced, {grown} KiB taken");
    }
    counted(net, victim, "FRAME_TOO_LARGE", 0);
    // The third offence cuts it off.
    until("the offender to be cut off", || {
        let peers = net.get(victim, "/v1/peers")?;
        let view = crate::net::named(&peers["peers"], net.name(HOSTILE));
        if view["connected"] == false { Ok(()) } else { Err(view.to_string()) }
    });
    let mut again = connect(net, keys, victim);
    assert!(again.open().await.is_err(), "a peer that was cut off is let in");
}

/// Resident memory of a process.
fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a figure");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// The definition is what the honest nodes agreed on, with the thief's key where its own was.
#[test]
fn a_definition_with_a_members_key_twice_is_refused() {
    let net = Net::prepare(3, 2);
    let mut content = (*net.definition).clone();
    let first: Point = content.nodes[&NodeId(1)].vault_key;
    content.nodes.get_mut(&NodeId(2)).expect("three nodes").vault_key = first;
    net.write_definition(0, &Definition::new(content));
    let cause = net.at(0, &["run"]).refused("DEFINITION_INVALID", 3);
    assert!(cause.contains("vault_key"), "{cause}");
}
