//! Scenarios written as files. What is written parses back to an equal scenario.

use super::names::SHOWN;
use super::parse::{BURST, LATENCY};
use super::quantity::{write_duration, write_factor, write_share, write_signed_milliseconds, write_throughput};
use super::renewal;
use super::{Expect, Fault, FaultKind, KeyOrigin, Loss, Moment, Network, Scenario, Workload};
use crate::geography::{Place, places};
use firn_proto::NodeId;
use std::collections::BTreeMap;
use std::fmt::Write as _;

impl Scenario {
    /// The scenario as a file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let places = places(&self.organisations);
        let mut out = Lines::default();
        out.text("name", &self.name);
        out.text("about", &self.about);
        out.pair("seed", self.seed);
        if self.runs != 1 {
            out.pair("runs", self.runs);
        }
        if let Some(until) = self.until {
            out.text("until", &write_duration(until));
        }
        self.network.write(&mut out);
        for organisation in &self.organisations {
            out.head("[[org]]");
            out.text("name", &organisation.name);
            let nodes: Vec<_> =
                organisation.nodes.iter().map(|(region, count)| format!("{} = {count}", key(region))).collect();
            out.pair("nodes", format!("{{ {} }}", nodes.join(", ")));
            if let Some(cloud) = &organisation.cloud {
                out.text("cloud", cloud);
            }
        }
        out.head("[key]");
        out.text(
            "threshold",
            &format!("{} of {}", self.key.threshold, self.rosters().first().map_or(0, |first| first.members.len())),
        );
        for (name, least) in [("organisations_min", self.key.organisations_min), ("regions_min", self.key.regions_min)]
        {
            if least != 1 {
                out.pair(name, least);
            }
        }
        if let KeyOrigin::Generated { at } = self.key.origin {
            out.text("generated_at", &write_duration(at));
        }
        renewal::write(self, &mut out, &places);
        self.rules.iter().for_each(|rule| rule.write(&mut out));
        self.people.iter().for_each(|person| person.write(&mut out, &places));
        self.quorums.iter().for_each(|quorums| quorums.write(&mut out));
        self.pauses.iter().for_each(|pause| pause.write(&mut out, &places));
        self.versions.iter().for_each(|version| version.write(&mut out, &places));
        self.verifiers.iter().for_each(|verifier| verifier.write(&mut out, &places));
        if self.finality > 0 {
            out.head("[chain]");
            out.text("finality", &write_duration(self.finality));
        }
        self.gate.iter().for_each(|gate| gate.write(&mut out));
        self.workload.iter().for_each(|workload| workload.write(&mut out, &places));
        self.faults.iter().for_each(|fault| fault.write(&mut out, &places));
        for byzantine in &self.byzantine {
            out.head("[[byzantine]]");
            out.pair("node", one(byzantine.node, &places));
            out.text("from", &write_duration(byzantine.from));
            out.pair("acts", list(byzantine.acts.iter().map(|act| quoted(act.name()))));
        }
        self.expect.write(&mut out);
        out.0
    }
}

/// Lines of a file.
#[derive(Default)]
pub(super) struct Lines(String);

impl Lines {
    pub(super) fn head(&mut self, head: &str) {
        self.0.push('\n');
        self.0.push_str(head);
        self.0.push('\n');
    }

    pub(super) fn pair(&mut self, key: &str, value: impl std::fmt::Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{key} = {value}");
    }

    pub(super) fn text(&mut self, key: &str, value: &str) {
        self.pair(key, quoted(value));
    }
}

pub(super) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A key, quoted unless it is bare.
fn key(text: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !text.is_empty() && text.chars().all(is_bare) { text.to_owned() } else { quoted(text) }
}

pub(super) fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

pub(super) fn one(node: NodeId, places: &BTreeMap<NodeId, Place>) -> String {
    quoted(places.get(&node).map_or("", |place| &place.name))
}

/// Nodes by name; all of them in order are a star.
pub(super) fn nodes(nodes: &[NodeId], places: &BTreeMap<NodeId, Place>) -> String {
    if nodes.iter().eq(places.keys()) {
        return quoted("*");
    }
    list(nodes.iter().map(|node| one(*node, places)))
}

impl Network {
    fn write(&self, out: &mut Lines) {
        if *self == Self::plain() {
            return;
        }
        out.head("[network]");
        if self.latency != LATENCY {
            out.text("latency", &self.latency);
        }
        if let Some(loss) = self.loss {
            out.pair("loss", format!("{{ {} }}", loss.write()));
        }
        if let Some(bandwidth) = self.bandwidth {
            out.text("bandwidth", &write_throughput(bandwidth));
        }
        if !self.rtt.is_empty() {
            out.head("[network.rtt]");
        }
        for ((a, b), time) in &self.rtt {
            out.pair(&quoted(&format!("{a} {b}")), quoted(&write_duration(*time)));
        }
    }
}

impl Loss {
    fn write(self) -> String {
        let rate = format!("rate = {}", quoted(&write_share(self.rate)));
        if self.burst == BURST { rate } else { format!("{rate}, burst = {}", quoted(&write_duration(self.burst))) }
    }
}

impl Workload {
    fn write(&self, out: &mut Lines, places: &BTreeMap<NodeId, Place>) {
        out.head("[[workload]]");
        out.text("kind", "avs-requests");
        out.text("at", &write_duration(self.at));
        out.pair("count", self.count);
        out.text("every", &write_duration(self.every));
        out.pair("to", nodes(&self.to, places));
        out.text("deadline", &write_duration(self.deadline));
        if self.requester != 1 {
            out.pair("requester", self.requester);
        }
        if self.repeats != 0 {
            out.pair("repeats", self.repeats);
        }
        if self.rivals {
            out.pair("rivals", true);
        }
    }
}

impl Fault {
    fn write(&self, out: &mut Lines, places: &BTreeMap<NodeId, Place>) {
        out.head("[[fault]]");
        match (&self.begin, self.lasts) {
            (Moment::At(at), Some(lasts)) if lasts > 0 => {
                out.text("at", &format!("{}..{}", write_duration(*at), write_duration(at.saturating_add(lasts))));
            }
            (begin, lasts) => {
                match begin {
                    Moment::At(at) => out.text("at", &write_duration(*at)),
                    Moment::When { node, point, count } => {
                        let name = places.get(node).map_or("", |place| &place.name);
                        out.text("when", &format!("{name} {} #{count}", point.name()));
                    }
                }
                if let Some(lasts) = lasts {
                    out.text("lasts", &write_duration(lasts));
                }
            }
        }
        out.pair(self.kind.name(), self.kind.write(places));
    }
}

impl FaultKind {
    fn write(&self, places: &BTreeMap<NodeId, Place>) -> String {
        let all = |chosen: &[NodeId]| nodes(chosen, places);
        let links = |from: &[NodeId], to: &[NodeId], rest: &str| {
            format!("{{ from = {}, to = {}{rest} }}", nodes(from, places), nodes(to, places))
        };
        let hosts = |chosen: &[NodeId], key: &str, value: &str| {
            format!("{{ nodes = {}, {key} = {} }}", nodes(chosen, places), quoted(value))
        };
        match self {
            Self::Partition { groups } => list(groups.iter().map(|group| all(group))),
            Self::OneWay { from, to } | Self::Jam { from, to } | Self::Reset { from, to } => links(from, to, ""),
            Self::Flapping { from, to, period } => {
                links(from, to, &format!(", period = {}", quoted(&write_duration(*period))))
            }
            Self::Slow { from, to, percent } => {
                links(from, to, &format!(", factor = {}", quoted(&write_factor(*percent))))
            }
            Self::Lossy { from, to, loss } => links(from, to, &format!(", {}", loss.write())),
            Self::Bandwidth { from, to, bytes_per_second } => {
                links(from, to, &format!(", limit = {}", quoted(&write_throughput(*bytes_per_second))))
            }
            Self::Filter { from, to, message } => links(from, to, &format!(", message = {}", quoted(message))),
            Self::Duplicate { from, to, rate } | Self::Reorder { from, to, rate } => {
                links(from, to, &format!(", rate = {}", quoted(&write_share(*rate))))
            }
            Self::Swizzle { nodes }
            | Self::Crash { nodes }
            | Self::Rolling { nodes }
            | Self::Pause { nodes }
            | Self::LyingSync { nodes }
            | Self::DiskFull { nodes }
            | Self::ClockFreeze { nodes }
            | Self::ChainDown { nodes }
            | Self::MuddledOutcomes { nodes } => all(nodes),
            Self::Twin { node } | Self::Wipe { node } | Self::BitFlip { node } | Self::EntropyRepeat { node } => {
                one(*node, places)
            }
            Self::Rollback { node, image } => {
                format!("{{ node = {}, image = {} }}", one(*node, places), quoted(&write_duration(*image)))
            }
            Self::SlowCpu { nodes, step } => hosts(nodes, "step", &write_duration(*step)),
            Self::SlowDisk { nodes, sync } => hosts(nodes, "sync", &write_duration(*sync)),
            Self::ClockOffset { nodes, offset_ms } => hosts(nodes, "offset", &write_signed_milliseconds(*offset_ms)),
            Self::ClockDrift { nodes, ppm } => hosts(nodes, "drift", &format!("{ppm:+}ppm")),
            Self::Reorg { depth } => format!("{{ depth = {depth} }}"),
            Self::FinalityStall => true.to_string(),
            Self::GasSpike { drops } => format!("{{ drops = {} }}", quoted(&write_share(*drops))),
            Self::LyingEndpoint { nodes, shows } => {
                hosts(nodes, "shows", SHOWN.iter().find(|(known, _)| known == shows).map_or("", |(_, name)| name))
            }
            Self::ChainLag { nodes, by } => hosts(nodes, "by", &write_duration(*by)),
        }
    }
}

impl Expect {
    fn write(&self, out: &mut Lines) {
        if *self == Self::default() {
            return;
        }
        out.head("[expect]");
        let least = self.signed_min.map(|share| quoted(&format!(">= {}", write_share(share))));
        let most = self.signed_max.map(|share| quoted(&format!("<= {}", write_share(share))));
        match (least, most) {
            (Some(least), Some(most)) => out.pair("signed", format!("[{least}, {most}]")),
            (Some(bound), None) | (None, Some(bound)) => out.pair("signed", bound),
            (None, None) => {}
        }
        for (name, most) in [("p99_latency", self.p99_floors_max), ("p50_latency", self.p50_floors_max)] {
            if let Some(most) = most {
                out.text(name, &format!("<= {} floor", write_factor(most)));
            }
        }
        for (name, names) in [("probes", &self.probes), ("violates", &self.violates)] {
            if !names.is_empty() {
                out.pair(name, list(names.iter().map(|name| quoted(name))));
            }
        }
        if let Some(least) = self.epochs_min {
            out.text("epochs", &format!(">= {least}"));
        }
        if let Some(least) = self.keys_active_min {
            out.text("keys_active", &format!(">= {least}"));
        }
    }
}
