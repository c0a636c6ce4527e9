//! What fuzz targets share: the network by which bytes are judged, and no more than that. See `make fuzz`.

use firn_proto::definition::Definition;
use firn_proto::envelope::Header;
use firn_proto::ids::{Incarnation, NodeId, SessionId};
use std::sync::LazyLock;

/// A network with keys of every purpose, people, rules and listed calls.
pub static NETWORK: LazyLock<Definition> =
    LazyLock::new(|| Definition::parse(include_str!("../seeds/network.toml")).expect("a definition"));

/// As node 1 would head a message of this session.
#[must_use]
pub fn header(session: SessionId) -> Header {
    let (network, sender) = (NETWORK.network_id(), NodeId(1));
    Header { network, session, sender, incarnation: Incarnation::default(), sequence: 1 }
}
