//! Five nodes in five regions: real processes, each in a namespace, joined by a switch of ours; the chain is next to all.

use std::fs;
use std::time::Duration;

use firn_proto::Definition;

use crate::namespace::{Namespace, remove_leftovers};
use crate::net::{Net, path};
use crate::place;
use crate::process::step;
use crate::switch::{Counts, Link, Switch};

/// Where the nodes are.
pub(crate) const REGIONS: [&str; 5] = ["us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-northeast-1"];
/// Measured round trips between regions, the simulator's.
const MATRIX: &str = include_str!("../../../sim/data/aws-2025-07.toml");
/// How many sign.
pub(crate) const THRESHOLD: u16 = 3;
/// The chain's port on the switch.
const CHAIN: usize = 5;

/// The nodes, the switch between them, and where they run. Dropped in this order.
pub(crate) struct Lab {
    pub(crate) net: Net,
    switch: Switch,
    _namespaces: Vec<Namespace>,
}

impl Lab {
    /// Everything running, connected, with a key and its contracts, at the distances of the regions.
    pub(crate) fn start() -> Self {
        step("five nodes in five regions, three to sign", || {
            let mut lab = Self::prepare();
            lab.net = lab.net.started();
            lab
        })
    }

    fn prepare() -> Self {
        remove_leftovers();
        let namespaces: Vec<_> = (0..=CHAIN).map(|_| Namespace::new().expect("a namespace")).collect();
        let device = |(port, namespace): (usize, &Namespace)| namespace.device(&format!("{}/24", address(port)));
        let devices = namespaces.iter().enumerate().map(|port| device(port).expect("a device")).collect();
        let switch = Switch::start(devices, 1);
        let rpc = format!("http://{}:8545", address(CHAIN));
        let mut net = Net::prepare_with(5, THRESHOLD, &["--rpc", &rpc]);
        for (node, namespace) in net.nodes.iter().zip(&namespaces) {
            place::put(node.api, &namespace.name);
        }
        place::put(net.chain.rpc, &namespaces[CHAIN].name);
        move_addresses(&mut net);
        let lab = Self { net, switch, _namespaces: namespaces };
        for (from, to) in lab.pairs() {
            let (median, ninth_decile) = round_trip(from, to);
            let (delay, jitter) = (median / 2, (ninth_decile - median) / 2);
            lab.switch.change(from, to, |link| *link = Link { delay, jitter, ..Link::default() });
        }
        lab
    }

    /// All directed links between nodes.
    pub(crate) fn pairs(&self) -> Vec<(usize, usize)> {
        let all = self.net.all();
        all.clone().flat_map(|from| all.clone().map(move |to| (from, to))).filter(|(from, to)| from != to).collect()
    }

    /// Cuts one direction between these nodes.
    pub(crate) fn cut(&self, from: &[usize], to: &[usize]) {
        for (from, to) in from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to))) {
            self.switch.change(from, to, |link| link.cut = true);
        }
    }

    /// Lets only nodes of one group reach each other.
    pub(crate) fn partition(&self, groups: &[&[usize]]) {
        for (a, b) in self.pairs() {
            let together = groups.iter().any(|group| group.contains(&a) && group.contains(&b));
            self.switch.change(a, b, |link| link.cut = !together);
        }
    }

    /// Everybody reaches everybody again.
    pub(crate) fn heal(&self) {
        self.partition(&[&[0, 1, 2, 3, 4]]);
    }

    /// What a link has done since the start.
    pub(crate) fn counts(&self, from: usize, to: usize) -> Counts {
        self.switch.counts(from, to)
    }
}

/// The round trip without which a node cannot have a signature: to the farthest of the `t - 1` members next to it.
/// Each node of the lab is an organisation of its own, so that any `t` are eligible.
pub(crate) fn floor(node: usize) -> Duration {
    let others = (0..REGIONS.len()).filter(|other| *other != node);
    let mut distances: Vec<_> = others.map(|other| round_trip(node, other).0).collect();
    distances.sort_unstable();
    distances[usize::from(THRESHOLD) - 2]
}

/// Median and ninth decile. A packet is never faster here than half the median.
fn round_trip(from: usize, to: usize) -> (Duration, Duration) {
    let matrix: toml::Table = MATRIX.parse().expect("a matrix");
    let [from, to] = [REGIONS[from], REGIONS[to]];
    // Both directions are one number, written once.
    let entry = |a: &str, b: &str| matrix["rtt"].get(a)?.get(b);
    let entry = entry(from, to).or_else(|| entry(to, from)).expect("the regions are in the matrix");
    let of = |name: &str| {
        let number = entry[name].as_str().and_then(|text| text.strip_suffix("ms")).and_then(|text| text.parse().ok());
        Duration::from_millis(number.expect("milliseconds"))
    };
    (of("p50"), of("p90"))
}

fn address(port: usize) -> String {
    format!("10.210.0.{}", port + 1)
}

/// From loopback to the switch: in the definition, and where each node listens.
fn move_addresses(net: &mut Net) {
    let network_file = path(&net.manifest["network_file"]);
    let moved = |file: &std::path::Path| {
        let mut text = fs::read_to_string(file).expect("a readable file");
        for (port, node) in net.nodes.iter().enumerate() {
            for protocol in ["tcp", "udp"] {
                let at = |host: &str| format!("/ip4/{host}/{protocol}/{}", node.port);
                text = text.replace(&at("127.0.0.1"), &at(&address(port)));
            }
        }
        fs::write(file, &text).expect("a writable file");
        text
    };
    net.definition = Definition::parse(&moved(&network_file)).expect("a valid definition");
    for node in &net.nodes {
        for file in ["network.toml", "config.toml"] {
            moved(&node.data_dir.join(file));
        }
    }
    net.all().for_each(|node| net.write_definition(node, &net.definition));
}
