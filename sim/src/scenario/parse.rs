//! Scenario files: the tables around faults.

use super::fault::fault;
use super::gate::gate;
use super::governance;
use super::halt;
use super::names::{ACTS, WORKLOADS};
use super::problem::Problem;
use super::quantity;
use super::read::{Section, Value, document};
use super::renewal::{self, Roster};
use super::select;
use super::version::{self, VERSIONS_MAX};
use super::{Byzantine, Expect, Key, KeyOrigin, Loss, Micros, Network, Organisation, Ppm, Scenario, Workload};
use crate::geography::{Place, places};
use crate::{invariants, probes};
use firn_proto::NodeId;
use std::collections::{BTreeMap, BTreeSet};

/// The matrix of files that name none.
pub const LATENCY: &str = "aws-2025-07";

/// Mean length of a bad state where a file gives none.
pub(crate) const BURST: Micros = 200_000;

/// Keys of each table, for the parser and for a test of the reference page.
pub const KEYS: [(&str, &[&str]); 25] = [
    (
        "",
        &[
            "name",
            "about",
            "seed",
            "runs",
            "until",
            "network",
            "org",
            "key",
            "rule",
            "person",
            "quorums",
            "pause",
            "version",
            "verifier",
            "chain",
            "gate",
            "workload",
            "fault",
            "byzantine",
            "expect",
        ],
    ),
    ("network", &["latency", "rtt", "loss", "bandwidth"]),
    ("network.loss", &["rate", "burst"]),
    ("org", &["name", "nodes", "cloud"]),
    (
        "key",
        &["threshold", "members", "organisations_min", "regions_min", "generated_at", "refresh", "reshare", "repair"],
    ),
    ("key.repair", &["at", "node"]),
    ("key.refresh", &["at", "every", "until"]),
    ("key.reshare", &["at", "add", "remove", "threshold"]),
    ("rule", &["name", "budget", "cooldown", "delay", "rate", "approvals"]),
    ("rule.budget", &["share", "window", "per"]),
    ("rule.cooldown", &["pause", "per"]),
    ("rule.rate", &["requests", "window"]),
    ("rule.approvals", &["people", "organisations"]),
    ("person", &["name", "org", "says", "after", "node"]),
    ("quorums", &["stop", "resume"]),
    ("pause", &["at", "until", "node", "people", "resume"]),
    ("version", &["at", "node", "block", "rules", "drops", "expels", "signers"]),
    ("verifier", &["node", "says", "after"]),
    ("chain", &["finality"]),
    ("gate", &["delay", "expires", "cancels", "shared_evidence"]),
    ("gate.cancels", &["request", "share", "after"]),
    (
        "workload",
        &["kind", "at", "count", "every", "rate", "until", "to", "deadline", "requester", "repeats", "rivals"],
    ),
    ("fault", &["at", "when", "lasts"]),
    ("byzantine", &["node", "from", "acts"]),
    ("expect", &["signed", "p99_latency", "p50_latency", "probes", "keys_active", "epochs", "violates"]),
];

/// The keys of a table of [`KEYS`].
pub(crate) fn keys(table: &str) -> &'static [&'static str] {
    KEYS.iter().find(|(name, _)| *name == table).map_or(&[], |(_, keys)| keys)
}

impl Scenario {
    /// Reads a scenario file.
    ///
    /// # Errors
    /// The first problem, with its line and key.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let document = document(text)?;
        let root = Section::root(text, document.get_ref(), keys(""))?;
        let organisations = root.need("org", organisations)?;
        let places = places(&organisations);
        let key = root.need("key", |value| key(value, &places))?;
        let workload = many(&root, "workload", |value| workload(value, &places))?;
        let people = many(&root, "person", |value| governance::person(value, &places))?;
        let versions = many(&root, "version", |value| version::version(value, &places))?;
        let reshares = key.renewals.iter().filter(|renewal| renewal.is_reshare()).count();
        if versions.len() + reshares > VERSIONS_MAX {
            return Err(root.problem(
                "SCENARIO_VALUE",
                format!("at most {VERSIONS_MAX} versions follow the first, one for each resharing"),
            ));
        }
        Ok(Self {
            name: root.need("name", |value| value.read("SCENARIO_VALUE", "a short name in kebab-case", kebab))?,
            about: root.need("about", |value| value.text().map(|text| text.trim().to_owned()))?,
            seed: root.get("seed", |value| value.integer(0, u64::MAX))?.unwrap_or(1),
            runs: root.get("runs", |value| value.integer(1, 1_000_000))?.unwrap_or(1),
            network: root.get("network", network)?.unwrap_or_else(Network::plain),
            key,
            rules: many(&root, "rule", governance::rule)?,
            quorums: root.get("quorums", halt::quorums)?,
            pauses: many(&root, "pause", |value| halt::halt(value, &people, &places))?,
            people,
            versions,
            verifiers: many(&root, "verifier", |value| governance::verifier(value, &places))?,
            gate: root.get("gate", gate)?,
            finality: root.get("chain", finality)?.unwrap_or_default(),
            workload,
            faults: many(&root, "fault", |value| fault(value, &places))?,
            byzantine: many(&root, "byzantine", |value| byzantine(value, &places))?,
            expect: root.get("expect", |value| expect(value, places.len()))?.unwrap_or_default(),
            until: root.get("until", Value::duration)?,
            organisations,
        })
    }
}

impl Network {
    /// The default network: measured delays, no loss.
    #[must_use]
    pub fn plain() -> Self {
        Self { latency: LATENCY.to_owned(), rtt: BTreeMap::new(), loss: None, bandwidth: None }
    }
}

fn many<T>(root: &Section<'_>, key: &str, read: impl Fn(&Value<'_>) -> Result<T, Problem>) -> Result<Vec<T>, Problem> {
    let items = root.get(key, Value::list)?.unwrap_or_default();
    items.iter().map(read).collect()
}

fn kebab(text: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (!text.is_empty() && text.chars().all(fits)).then(|| text.to_owned())
}

fn organisations(list: &Value<'_>) -> Result<Vec<Organisation>, Problem> {
    let mut all: Vec<Organisation> = Vec::new();
    for item in list.list()? {
        let one = organisation(&item)?;
        if all.iter().any(|other| other.name == one.name) {
            let twice = |value: &Value<'_>| {
                Err(value.problem("SCENARIO_VALUE", format!("two organisations are called {}", one.name)))
            };
            item.open_section()?.need("name", twice)?;
        }
        all.push(one);
    }
    Ok(all)
}

fn organisation(value: &Value<'_>) -> Result<Organisation, Problem> {
    let section = value.section(keys("org"))?;
    let nodes = section.need("nodes", |value| {
        let entries = value.open_section()?.entries();
        entries.iter().map(|(region, count)| Ok(((*region).to_owned(), count.integer(1, 100)?))).collect()
    })?;
    let name = section.need("name", |value| value.read("SCENARIO_VALUE", "a short name in kebab-case", kebab))?;
    Ok(Organisation { name, nodes, cloud: section.get("cloud", |value| value.text().map(str::to_owned))? })
}

fn key(value: &Value<'_>, places: &BTreeMap<NodeId, Place>) -> Result<Key, Problem> {
    let section = value.section(keys("key"))?;
    let mut members = section.get("members", |value| select::nodes(value, places))?.unwrap_or_default();
    members.sort_unstable();
    let members = if members.len() == places.len() { Vec::new() } else { members };
    let nodes = if members.is_empty() { places.len() } else { members.len() };
    let threshold = section.need("threshold", |value| {
        let (t, n) = renewal::threshold(value)?;
        if n != nodes {
            let what = if members.is_empty() { "the organisations have" } else { "there are" };
            let what =
                format!("\"of {n}\", but {what} {nodes} {}", if members.is_empty() { "nodes" } else { "members" });
            return Err(value.problem("SCENARIO_VALUE", what));
        }
        if t < 2 || usize::from(t) * 2 <= n || usize::from(t) >= n || n > 100 {
            let rule = "t must be at least 2, more than half of n and less than n, and n at most 100";
            return Err(value.problem("SCENARIO_VALUE", rule));
        }
        Ok(t)
    })?;
    let origin = section.get("generated_at", Value::duration)?;
    let minimum = |key: &str, what: &str, label: fn(&Place) -> &String| {
        section.get(key, |value| {
            let least = value.integer::<u16>(1, threshold.into())?;
            let there = places.values().map(label).collect::<BTreeSet<_>>().len();
            let few = format!("{least}, but the nodes are in {there} {what}");
            if usize::from(least) <= there { Ok(least) } else { Err(value.problem("SCENARIO_VALUE", few)) }
        })
    };
    let first = if members.is_empty() { places.keys().copied().collect() } else { members.clone() };
    Ok(Key {
        threshold,
        renewals: renewal::renewals(&section, Roster { threshold, members: first }, places)?,
        repairs: renewal::repairs(&section, places)?,
        members,
        organisations_min: minimum("organisations_min", "organisations", |place| &place.organisation)?.unwrap_or(1),
        regions_min: minimum("regions_min", "regions", |place| &place.region)?.unwrap_or(1),
        origin: origin.map_or(KeyOrigin::Given, |at| KeyOrigin::Generated { at }),
    })
}

fn network(value: &Value<'_>) -> Result<Network, Problem> {
    let section = value.section(keys("network"))?;
    let pairs = |value: &Value<'_>| {
        let mut pairs = BTreeMap::new();
        for (pair, time) in value.open_section()?.entries() {
            let Some((a, b)) = pair.split_once(' ') else {
                return Err(time.problem("SCENARIO_VALUE", "expected two regions, as in \"us-east-1 eu-west-1\""));
            };
            pairs.insert((a.min(b).to_owned(), a.max(b).to_owned()), time.duration()?);
        }
        Ok(pairs)
    };
    Ok(Network {
        latency: section.get("latency", Value::text)?.unwrap_or(LATENCY).to_owned(),
        rtt: section.get("rtt", pairs)?.unwrap_or_default(),
        loss: section.get("loss", |value| loss(&value.section(keys("network.loss"))?))?,
        bandwidth: section.get("bandwidth", throughput)?,
    })
}

fn finality(value: &Value<'_>) -> Result<Micros, Problem> {
    value.section(keys("chain"))?.need("finality", Value::duration)
}

/// Loss: a rate, and how long a bad state lasts.
pub(crate) fn loss(section: &Section<'_>) -> Result<Loss, Problem> {
    let burst = section.get("burst", Value::duration)?.unwrap_or(BURST);
    Ok(Loss { rate: section.need("rate", share)?, burst })
}

/// A share in percent.
pub(crate) fn share(value: &Value<'_>) -> Result<Ppm, Problem> {
    value.quantity("a share like \"0.1%\"", quantity::share)
}

/// Bytes per second.
pub(crate) fn throughput(value: &Value<'_>) -> Result<u64, Problem> {
    let read = |text: &str| quantity::throughput(text).filter(|bytes| *bytes > 0);
    value.quantity("a throughput like \"2 MB/s\"", read)
}

fn workload(value: &Value<'_>, places: &BTreeMap<NodeId, Place>) -> Result<Workload, Problem> {
    let section = value.section(keys("workload"))?;
    section.need("kind", |value| value.name("a kind of workload", &WORKLOADS.map(|kind| (kind, kind))))?;
    let at = section.get("at", Value::duration)?.unwrap_or(1_000_000);
    let rate = section.get("rate", |value| value.quantity("a rate like \"2/s\"", quantity::period))?;
    let until = section.get("until", Value::duration)?;
    let count = section.get("count", |value| value.integer(1, 100_000))?;
    let every = section.get("every", Value::duration)?;
    let (count, every) = match (rate, until, count, every) {
        (Some(every), Some(until), None, None) if until > at && every > 0 => {
            (u32::try_from((until - at).div_ceil(every)).unwrap_or(u32::MAX).min(100_000), every)
        }
        (None, None, count, every) => (count.unwrap_or(1), every.unwrap_or(1_000_000)),
        _ => {
            let rule = "write either `count` and `every`, or `rate` and `until`, which must be after `at`";
            return Err(section.problem("SCENARIO_VALUE", rule));
        }
    };
    let all = || places.keys().copied().collect();
    Ok(Workload {
        at,
        count,
        every,
        to: section.get("to", |value| select::nodes(value, places))?.unwrap_or_else(all),
        deadline: section.get("deadline", Value::duration)?.unwrap_or(60_000_000),
        requester: section.get("requester", |value| value.integer(1, 16))?.unwrap_or(1),
        repeats: section.get("repeats", |value| value.integer(0, 100))?.unwrap_or_default(),
        rivals: section.get("rivals", Value::boolean)?.unwrap_or_default(),
    })
}

fn byzantine(value: &Value<'_>, places: &BTreeMap<NodeId, Place>) -> Result<Byzantine, Problem> {
    let section = value.section(keys("byzantine"))?;
    let acts = section.need("acts", |value| {
        value.one_or_list()?.iter().map(|act| act.name("an act", &ACTS)).collect::<Result<Vec<_>, _>>()
    })?;
    Ok(Byzantine {
        node: section.need("node", |value| select::node(value, places))?,
        from: section.get("from", Value::duration)?.unwrap_or_default(),
        acts,
    })
}

fn expect(value: &Value<'_>, nodes: usize) -> Result<Expect, Problem> {
    let section = value.section(keys("expect"))?;
    let mut expect = Expect::default();
    for bound in section.get("signed", Value::one_or_list)?.unwrap_or_default() {
        let expected = "a bound like \">= 99%\", \"<= 50%\" or \"100%\"";
        let (least, most) = bound.quantity(expected, |text| bounds(text, quantity::share))?;
        expect.signed_min = least.or(expect.signed_min);
        expect.signed_max = most.or(expect.signed_max);
    }
    let floors = |value: &Value<'_>| {
        value.quantity("a bound like \"<= 6x floor\"", |text| {
            quantity::factor(text.strip_prefix("<=")?.trim().strip_suffix("floor")?.trim())
        })
    };
    expect.p99_floors_max = section.get("p99_latency", floors)?;
    expect.p50_floors_max = section.get("p50_latency", floors)?;
    let names = |value: &Value<'_>, what: &str, known: &[(&'static str, &str)]| {
        let read = |item: &Value<'_>| item.name(what, known).map(str::to_owned);
        value.one_or_list()?.iter().map(read).collect::<Result<Vec<_>, _>>()
    };
    let probes = probes::ALL.map(|(name, _)| (name, name));
    expect.probes = section.get("probes", |value| names(value, "a probe", &probes))?.unwrap_or_default();
    let ids: Vec<_> = invariants::IDS.iter().chain(&["L1"]).map(|id| (*id, *id)).collect();
    expect.violates = section.get("violates", |value| names(value, "an invariant", &ids))?.unwrap_or_default();
    expect.keys_active_min = section.get("keys_active", |value| {
        let count =
            |text: &str| text.strip_prefix(">=")?.trim().parse().ok().filter(|count| usize::from(*count) <= nodes);
        value.quantity("a bound like \">= 5\", at most the number of nodes", count)
    })?;
    let epochs = |text: &str| text.strip_prefix(">=")?.trim().parse().ok();
    expect.epochs_min = section.get("epochs", |value| value.quantity("a bound like \">= 2\"", epochs))?;
    Ok(expect)
}

/// `>= x`, `<= x` or `x`: the least and the most.
fn bounds<T: Copy>(text: &str, read: impl Fn(&str) -> Option<T>) -> Option<(Option<T>, Option<T>)> {
    if let Some(least) = text.strip_prefix(">=") {
        return read(least.trim()).map(|least| (Some(least), None));
    }
    if let Some(most) = text.strip_prefix("<=") {
        return read(most.trim()).map(|most| (None, Some(most)));
    }
    read(text).map(|exactly| (Some(exactly), Some(exactly)))
}
