//! Where dependencies come from, and that each was argued for.

use crate::files::{File, Problem, assert_finds, assert_none, assert_tidy, tree};

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// The lines of a table of a manifest: `name = value`.
fn entries<'a>(file: &'a File, table: &str) -> Vec<(usize, &'a str, &'a str)> {
    let mut inside = false;
    let mut found = Vec::new();
    for (number, line) in file.lines() {
        if line.starts_with('[') {
            inside = line.trim() == format!("[{table}]");
        } else if let Some((name, value)) = line.split_once('=').filter(|_| inside && !line.starts_with('#')) {
            found.push((number, name.trim(), value.trim()));
        }
    }
    found
}

/// Packages in the lockfile: from crates.io with a checksum, or ours.
fn lockfile_sources(file: &File) -> Vec<Problem> {
    if file.path != "Cargo.lock" {
        return Vec::new();
    }
    let mut line = 1;
    let mut problems = Vec::new();
    for package in file.text.split("[[package]]") {
        let value = |key: &str| {
            let start = format!("{key} = \"");
            let found = package.lines().find_map(|l| l.strip_prefix(start.as_str()));
            found.map(|value| value.trim_end_matches('"'))
        };
        let what = match (value("name"), value("source")) {
            (None, _) => None, // the file's head
            (Some(name), None) if name.starts_with("firn-") => None,
            (Some(name), None) => Some(format!("{name} is neither ours nor from a registry")),
            (Some(name), Some(source)) if source != CRATES_IO => {
                Some(format!("{name} comes from {source}, not crates.io"))
            }
            (Some(name), _) if value("checksum").is_none() => Some(format!("{name} has no checksum")),
            _ => None,
        };
        problems.extend(what.map(|what| file.problem(line, what)));
        line += package.matches('\n').count();
    }
    problems
}

/// Versions stand in the workspace's manifest, once; nothing comes from git or outside the repository.
fn manifest_sources(file: &File) -> Vec<Problem> {
    if file.name() != "Cargo.toml" {
        return Vec::new();
    }
    let mut problems = Vec::new();
    for (number, name, value) in entries(file, "workspace.dependencies") {
        let what = if value.contains("git =") {
            Some(format!("{name} comes from git; publish or replace it"))
        } else if value.contains("path =") && !name.starts_with("firn-") {
            Some(format!("{name} is a path of its own; only firn-* crates are"))
        } else if value.contains("\"*\"") {
            Some(format!("{name} has no version"))
        } else {
            None
        };
        problems.extend(what.map(|what| file.problem(number, what)));
    }
    for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let own = entries(file, table)
            .into_iter()
            .filter(|(_, name, value)| !name.ends_with(".workspace") && !value.contains("workspace = true"));
        problems.extend(own.map(|(number, name, _)| {
            file.problem(number, format!("{name}: take it from [workspace.dependencies] with `.workspace = true`"))
        }));
    }
    problems
}

/// Every crate of the workspace takes the workspace's lints.
fn manifest_lints(file: &File) -> Vec<Problem> {
    let is_member = file.name() == "Cargo.toml" && file.text.contains("[package]");
    if !is_member || entries(file, "lints").iter().any(|(_, name, value)| (*name, *value) == ("workspace", "true")) {
        return Vec::new();
    }
    vec![file.problem(1, "lacks [lints] workspace = true")]
}

/// Rule 16: a decision record names, in backquotes, each crate and each npm package that we chose.
fn unargued(manifest: &File, package_json: &File, records: &str) -> Vec<Problem> {
    let crates =
        entries(manifest, "workspace.dependencies").into_iter().filter(|(_, name, _)| !name.starts_with("firn-"));
    let crates = crates.map(|(number, name, _)| (manifest, number, name));
    let mut inside = false;
    let mut packages = Vec::new();
    for (number, line) in package_json.lines() {
        let key = line.trim().trim_start_matches('"').split('"').next().unwrap_or_default();
        if line.contains("ependencies\": {") {
            inside = true;
        } else if line.trim().starts_with('}') {
            inside = false;
        } else if inside {
            packages.push((package_json, number, key));
        }
    }
    let missing = crates.chain(packages).filter(|(_, _, name)| !records.contains(&format!("`{name}`")));
    missing
        .map(|(file, number, name)| {
            let what = "no record in docs/adr names it: say what it does, who keeps it, what we would write instead";
            file.problem(number, format!("`{name}`: {what}"))
        })
        .collect()
}

#[test]
fn the_lockfile_is_complete() {
    assert!(tree().iter().any(|file| file.path == "Cargo.lock"), "Cargo.lock:1: is not committed");
    assert_tidy(lockfile_sources);
}

#[test]
fn r67_foreign_packages_in_the_lockfile_are_found() {
    let head = "version = 4\n\n";
    let package = |name: &str, rest: &str| format!("[[package]]\nname = \"{name}\"\nversion = \"1\"\n{rest}\n");
    let good = format!("source = \"{CRATES_IO}\"\nchecksum = \"00\"\n");
    let check = |text: String, lines: &[usize]| assert_finds(lockfile_sources, "Cargo.lock", &text, lines);
    check(format!("{head}{}{}", package("a", &good), package("firn-proto", "")), &[]);
    check(format!("{head}{}", package("a", "")), &[3]);
    check(format!("{head}{}", package("a", "source = \"git+https://x.y/a#0\"\n")), &[3]);
    check(format!("{head}{}", package("a", &format!("source = \"{CRATES_IO}\"\n"))), &[3]);
}

#[test]
fn manifests_name_versions_once() {
    assert_tidy(manifest_sources);
    assert_tidy(manifest_lints);
}

#[test]
fn stray_dependencies_are_found() {
    let sample = "[workspace.dependencies]\na = { git = \"x\" }\nb = \"*\"\nc = { path = \"../c\" }\nd = \"1\"\n";
    assert_finds(manifest_sources, "Cargo.toml", sample, &[2, 3, 4]);
    let sample = "[dependencies]\na = \"1\"\nb.workspace = true\n[dev-dependencies]\nc = { version = \"1\" }\n";
    assert_finds(manifest_sources, "vault/Cargo.toml", sample, &[2, 5]);
    assert_finds(manifest_lints, "vault/Cargo.toml", "[package]\nname = \"a\"\n", &[1]);
    assert_finds(manifest_lints, "vault/Cargo.toml", "[package]\n[lints]\nworkspace = true\n", &[]);
}

#[test]
fn every_dependency_has_its_record() {
    let records: String =
        tree().into_iter().filter(|file| file.path.starts_with("docs/adr/")).map(|file| file.text).collect();
    assert_none(&unargued(&File::read("Cargo.toml"), &File::read("contracts/package.json"), &records));
}

#[test]
fn a_dependency_without_a_record_is_found() {
    let manifest = File::new("Cargo.toml", "[workspace.dependencies]\nhex = \"1\"\nfirn-proto = { path = \"x\" }\n");
    let package = File::new("package.json", "{\n  \"devDependencies\": {\n    \"solc\": \"1\"\n  }\n}\n");
    let count = |records: &str| unargued(&manifest, &package, records).len();
    assert_eq!([count("| `hex` | `solc` |"), count("hex"), count("`solc`")], [0, 2, 1]);
}
