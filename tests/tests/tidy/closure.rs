//! The direction of dependencies (DESIGN section 2): between our crates by `cargo metadata`, below them by `cargo tree`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use cargo_metadata::MetadataCommand;
use firn_tests::repository_root;

/// Crates without a world: no runtime, sockets, disk or clock anywhere below them.
const CORE: [&str; 4] = ["firn-proto", "firn-vault", "firn-coordinator", "firn-sim"];

/// Who may depend on whom, for whatever purpose.
const ALLOWED: [(&str, &[&str]); 6] = [
    ("firn-proto", &[]),
    ("firn-vault", &["firn-proto"]),
    ("firn-coordinator", &["firn-proto", "firn-vault"]),
    ("firn-node", &["firn-proto", "firn-vault", "firn-coordinator"]),
    ("firn-sim", &["firn-proto", "firn-vault", "firn-coordinator"]),
    ("firn-tests", &["firn-proto"]),
];

/// Runtimes, transports, stores, HTTP clients, chain providers, clocks. A trailing `*` stands for any ending.
const BARRED: [&str; 27] = [
    "tokio*",
    "async-std",
    "smol",
    "mio",
    "socket2",
    "futures-executor",
    "libp2p*",
    "quinn*",
    "rustls",
    "rocksdb",
    "librocksdb-sys",
    "hyper*",
    "reqwest*",
    "ureq",
    "axum*",
    "tonic*",
    "alloy",
    "alloy-provider",
    "alloy-transport*",
    "alloy-rpc-client",
    "alloy-contract",
    "chrono",
    "time",
    "web-time",
    "instant",
    "quanta",
    "coarsetime",
];

/// Names of packages, and what each depends on when it is built for use (not for its tests).
type Graph = BTreeMap<String, BTreeSet<String>>;

fn is_barred(name: &str) -> bool {
    BARRED.iter().any(|barred| match barred.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == *barred,
    })
}

/// One line for each barred crate below `root`, with the way it came in.
fn barred_below(graph: &Graph, root: &str) -> Vec<String> {
    let mut ways = BTreeMap::from([(root.to_owned(), root.to_owned())]);
    let mut open = vec![root.to_owned()];
    let mut problems = Vec::new();
    while let Some(name) = open.pop() {
        let way = ways[&name].clone();
        if is_barred(&name) {
            problems.push(format!("{root} must not reach {name}, but does: {way}; move what needs it to node/"));
            continue;
        }
        for next in graph.get(&name).into_iter().flatten() {
            if !ways.contains_key(next) {
                ways.insert(next.clone(), format!("{way} -> {next}"));
                open.push(next.clone());
            }
        }
    }
    problems
}

/// One line for each dependency between our own crates that the design does not have.
fn wrong_directions(direct: &Graph) -> Vec<String> {
    let mut problems = Vec::new();
    for (from, all) in direct {
        let allowed = ALLOWED.iter().find(|(name, _)| name == from).map(|(_, allowed)| *allowed);
        let Some(allowed) = allowed else {
            problems.push(format!("{from} is not in the design; give it a place in ALLOWED and in ARCHITECTURE.md"));
            continue;
        };
        let wrong = all.iter().filter(|to| to.starts_with("firn-") && !allowed.contains(&to.as_str()));
        problems.extend(wrong.map(|to| format!("{from} -> {to} goes against the design; it may use {allowed:?}")));
    }
    problems
}

/// What is built for use, by the features in force. The graph of `cargo metadata` is that of the lockfile: it also
/// holds optional dependencies that nothing turns on, clocks among them.
fn resolved() -> Graph {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // Only packages of this platform are sure to be on the machine.
    let target = ["--target", "x86_64-unknown-linux-gnu"];
    command.args(["tree", "--workspace", "--locked", "--edges", "normal", "--prefix", "depth"]).args(target);
    let output = command.current_dir(repository_root()).output().expect("cargo can be started");
    assert!(output.status.success(), "Cargo.toml:1: {}", String::from_utf8_lossy(&output.stderr));
    parse_tree(&String::from_utf8(output.stdout).expect("cargo prints UTF-8"))
}

/// Reads lines like `2sha2 v0.10.9 (*)`: the depth, the name, the rest. What `(*)` cuts off stands elsewhere. Several
/// versions of one crate count as one: too much is found rather than too little.
fn parse_tree(text: &str) -> Graph {
    let mut graph = Graph::new();
    let mut above: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let name_at = line.find(|c: char| !c.is_ascii_digit()).expect("a name after the depth");
        let depth: usize = line[..name_at].parse().expect("a depth before the name");
        let name = line[name_at..].split(' ').next().unwrap_or_default().to_owned();
        above.truncate(depth);
        if let Some(parent) = above.last() {
            graph.entry(parent.clone()).or_default().insert(name.clone());
        }
        graph.entry(name.clone()).or_default();
        above.push(name);
    }
    graph
}

/// Dependencies of our crates as their manifests have them, for whatever purpose.
fn declared() -> Graph {
    let mut command = MetadataCommand::new();
    command.manifest_path(repository_root().join("Cargo.toml")).no_deps();
    let metadata = command.exec().unwrap_or_else(|error| panic!("Cargo.toml:1: {error}"));
    let members = metadata.workspace_packages().into_iter();
    members.map(|p| (p.name.to_string(), p.dependencies.iter().map(|dep| dep.name.clone()).collect())).collect()
}

#[test]
fn r67_the_core_reaches_no_world() {
    let graph = resolved();
    assert!(graph.contains_key("frost-core") && graph.contains_key("tokio"), "the graph is not the workspace's");
    let problems: Vec<_> = CORE.iter().flat_map(|root| barred_below(&graph, root)).collect();
    assert!(problems.is_empty(), "Cargo.toml:1:\n{}", problems.join("\n"));
}

#[test]
fn dependencies_point_one_way() {
    let problems = wrong_directions(&declared());
    assert!(problems.is_empty(), "Cargo.toml:1:\n{}", problems.join("\n"));
}

#[test]
fn a_tree_is_read_with_its_depths() {
    let sample = "0a v1 (path)\n1b v1\n2c v2 (*)\n1d v0.1 (proc-macro)\n\n0e v1\n1b v1 (*)\n";
    let expected = graph(&[("a", "b"), ("a", "d"), ("b", "c"), ("e", "b")]);
    let found: Graph = parse_tree(sample).into_iter().filter(|(_, below)| !below.is_empty()).collect();
    assert_eq!(found, expected);
}

fn graph(edges: &[(&str, &str)]) -> Graph {
    let mut graph = Graph::new();
    for (from, to) in edges {
        graph.entry((*from).to_owned()).or_default().insert((*to).to_owned());
    }
    graph
}

#[test]
fn a_barred_crate_is_found_with_its_way_in() {
    let sample =
        graph(&[("firn-vault", "firn-proto"), ("firn-proto", "nice"), ("nice", "tokio-util"), ("tokio-util", "mio")]);
    let problems = barred_below(&sample, "firn-vault");
    assert_eq!(problems.len(), 1);
    assert!(problems[0].contains("firn-vault -> firn-proto -> nice -> tokio-util;"), "{}", problems[0]);
    assert!(barred_below(&sample, "mio-like").is_empty());
}

#[test]
fn a_wrong_direction_is_found() {
    let bad =
        [("firn-proto", "firn-vault"), ("firn-sim", "firn-node"), ("firn-tests", "firn-vault"), ("firn-new", "hex")];
    for edge in bad {
        assert_eq!(wrong_directions(&graph(&[edge])).len(), 1, "{edge:?}");
    }
    assert!(wrong_directions(&graph(&[("firn-node", "firn-coordinator"), ("firn-vault", "hex")])).is_empty());
}
