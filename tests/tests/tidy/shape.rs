//! What our code must not contain, beyond what clippy can be told.

use std::collections::BTreeSet;

use crate::files::{File, Problem, assert_finds, assert_none, assert_tidy, numbered, tree};
use crate::source::{code_only, has_word, is_word};

const EVERYWHERE: &[&str] = &[""];
const CORE: &[&str] = &["proto/src/", "vault/src/", "coordinator/src/", "sim/src/"];
const WITHOUT_FLOATS: &[&str] = &["proto/src/", "vault/src/", "coordinator/src/"];

struct Barred {
    words: &'static [&'static str],
    below: &'static [&'static str],
    why: &'static str,
}

const BARRED: [Barred; 6] = [
    Barred { words: &["unsafe"], below: EVERYWHERE, why: "no unsafe code; find the safe form" },
    Barred { words: &["macro_rules"], below: EVERYWHERE, why: "no macros of our own; write a function" },
    Barred { words: &["async", "await"], below: CORE, why: "the core is synchronous; return an effect" },
    Barred { words: &["thread_local"], below: CORE, why: "the core has no hidden state; pass it as an argument" },
    Barred {
        words: &["OsRng", "ThreadRng", "from_entropy", "thread_rng", "getrandom"],
        below: CORE,
        why: "the core draws no entropy; take the generator as an argument",
    },
    Barred {
        words: &["f32", "f64"],
        below: WITHOUT_FLOATS,
        why: "no floats in the core; use integers of a named unit",
    },
];

fn is_below(file: &File, folders: &[&str]) -> bool {
    file.has_extension(&["rs"]) && folders.iter().any(|folder| file.path.starts_with(folder))
}

fn barred_words(file: &File) -> Vec<Problem> {
    let code = code_only(&file.text);
    let here: Vec<_> = BARRED.iter().filter(|barred| is_below(file, barred.below)).collect();
    let in_line = |(number, line)| {
        let found = |barred: &&Barred| {
            let word = barred.words.iter().find(|word| has_word(line, word));
            word.map(|word| file.problem(number, format!("`{word}`: {}", barred.why)))
        };
        here.iter().filter_map(found).collect::<Vec<_>>()
    };
    numbered(&code).flat_map(in_line).collect()
}

/// `1.5`, but neither `pair.1.5` nor `1..5`.
fn has_float_literal(line: &str) -> bool {
    let chars: Vec<char> = line.chars().collect();
    chars.windows(3).enumerate().any(|(at, window)| {
        let is_point = matches!(window, [a, '.', b] if a.is_ascii_digit() && b.is_ascii_digit());
        let number: Vec<_> = chars[..=at].iter().rev().take_while(|c| is_word(**c)).collect();
        let before = chars[..=at].iter().rev().nth(number.len());
        let is_number = number.last().is_some_and(|first| first.is_ascii_digit());
        is_point && is_number && before != Some(&'.')
    })
}

fn float_literals(file: &File) -> Vec<Problem> {
    if !is_below(file, WITHOUT_FLOATS) {
        return Vec::new();
    }
    let code = code_only(&file.text);
    let lines = numbered(&code).filter(|(_, line)| has_float_literal(line));
    lines.map(|(number, _)| file.problem(number, "a float literal; use integers of a named unit")).collect()
}

/// Text is derived from observations in the host, so that wording never changes the protocol.
fn text_in_the_core(file: &File) -> Vec<Problem> {
    if !file.path.starts_with("coordinator/src/") || file.is_test() {
        return Vec::new();
    }
    let code = code_only(&file.text);
    let makers = ["format!", "println!", ".to_string()"];
    let before_tests = code.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = numbered(before_tests).filter(|(_, line)| makers.iter().any(|maker| line.contains(maker)));
    lines
        .map(|(number, _)| file.problem(number, "the core formats no text; return a value and format it in node/"))
        .collect()
}

fn module_files(file: &File) -> Vec<Problem> {
    match file.name() {
        "mod.rs" => vec![file.problem(1, "no mod.rs; name the file after the module, beside its folder")],
        _ => Vec::new(),
    }
}

fn feature_flags(file: &File) -> Vec<Problem> {
    let code = if file.has_extension(&["rs"]) { code_only(&file.text) } else { file.text.clone() };
    let is_flag = |line: &str| match file.name() {
        "Cargo.toml" => line.trim() == "[features]",
        _ => file.has_extension(&["rs"]) && line.contains("cfg") && line.contains("feature ="),
    };
    let lines = numbered(&code).filter(|(_, line)| is_flag(line));
    lines.map(|(number, _)| file.problem(number, "no feature flags; there is one build of Firn")).collect()
}

/// Clippy merges no configuration, so the lists of the core crates have to be kept equal by hand.
fn clippy_lists_differ(core: &[File], host: &File) -> Vec<Problem> {
    let entries = |file: &File| -> BTreeSet<String> {
        file.text.lines().map(str::trim).filter(|line| line.starts_with("{ path")).map(str::to_owned).collect()
    };
    let is_secret = |entry: &String| entry.contains("frost_");
    let missing = |file: &File, wanted: BTreeSet<String>| {
        let present = entries(file);
        let gone = wanted.into_iter().filter(|entry| !present.contains(entry));
        gone.map(|entry| file.problem(1, format!("lacks this entry of another crate's: {entry}"))).collect::<Vec<_>>()
    };
    let shared: BTreeSet<_> = core.iter().flat_map(entries).filter(|entry| !is_secret(entry)).collect();
    let secrets: BTreeSet<_> = core.iter().chain([host]).flat_map(entries).filter(is_secret).collect();
    // The vault is where secrets live, and proto lies below the crate that could hand it one.
    let names_secrets = |file: &&File| !["proto/", "vault/"].iter().any(|at| file.path.starts_with(at));
    let core_gaps = core.iter().flat_map(|file| missing(file, shared.clone()));
    let secret_gaps = core.iter().chain([host]).filter(names_secrets).flat_map(|file| missing(file, secrets.clone()));
    core_gaps.chain(secret_gaps).collect()
}

#[test]
fn no_barred_word_is_used() {
    assert_tidy(barred_words);
}

#[test]
fn barred_words_are_found() {
    let sample = "#![forbid(unsafe_code)] // unsafe\nunsafe {}\nmacro_rules! a {}\n";
    assert_finds(barred_words, "node/src/a.rs", sample, &[2, 3]);
    let sample = "async fn a() {}\nlet x: f64 = y;\nrand_core::OsRng.next_u64();\n\"f32\";\nthread_local! {}";
    assert_finds(barred_words, "vault/src/a.rs", sample, &[1, 2, 3, 5]);
    assert_finds(barred_words, "sim/src/a.rs", sample, &[1, 3, 5]);
    assert_finds(barred_words, "node/src/a.rs", sample, &[]);
}

#[test]
fn no_float_is_written_in_the_core() {
    assert_tidy(float_literals);
}

#[test]
fn float_literals_are_found() {
    let sample = "1.5\npair.1.5\n1..5\n\"2.5\"\na1.0\nx = 10_000.25;\n[0.1]\n";
    assert_finds(float_literals, "coordinator/src/a.rs", sample, &[1, 6, 7]);
    assert_finds(float_literals, "node/src/a.rs", sample, &[]);
}

#[test]
fn the_coordinator_formats_no_text() {
    assert_tidy(text_in_the_core);
}

#[test]
fn text_in_the_coordinator_is_found() {
    let sample = "let a = format!(\"{b}\");\n\"format!\";\nb.to_string()\n#[cfg(test)]\nmod tests { println!() }\n";
    assert_finds(text_in_the_core, "coordinator/src/a.rs", sample, &[1, 3]);
    assert_finds(text_in_the_core, "coordinator/src/a/tests.rs", sample, &[]);
}

#[test]
fn no_module_hides_in_mod_rs() {
    assert_tidy(module_files);
    assert_finds(module_files, "node/src/net/mod.rs", "", &[1]);
}

#[test]
fn there_is_one_build() {
    assert_tidy(feature_flags);
}

#[test]
fn feature_flags_are_found() {
    assert_finds(feature_flags, "vault/Cargo.toml", "[package]\n[features]\nfast = []\n", &[2]);
    assert_finds(feature_flags, "a.rs", "#[cfg(feature = \"fast\")]\n// cfg(feature = \"x\")\n#[cfg(test)]", &[1]);
}

#[test]
fn the_core_crates_bar_the_same_things() {
    let is_list = |file: &File| file.name() == "clippy.toml";
    let (host, core): (Vec<_>, Vec<_>) =
        tree().into_iter().filter(is_list).partition(|file| file.path == "clippy.toml");
    let paths: Vec<_> = core.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["coordinator/clippy.toml", "proto/clippy.toml", "sim/clippy.toml", "vault/clippy.toml"]);
    assert_none(&clippy_lists_differ(&core, &host[0]));
}

#[test]
fn a_shortened_list_is_found() {
    let full = "{ path = \"std::fs::File\" },\n{ path = \"frost_core::Nonce\" },\n";
    let coordinator = File::new("coordinator/clippy.toml", full);
    let vault = File::new("vault/clippy.toml", "{ path = \"std::fs::File\" },");
    let host = File::new("clippy.toml", "{ path = \"frost_core::Nonce\" },");
    let empty = |path: &str| File::new(path, "");
    let count = |core: &[File], host: &File| clippy_lists_differ(core, host).len();
    assert_eq!(count(&[coordinator, vault], &host), 0);
    assert_eq!(count(&[File::new("coordinator/clippy.toml", full), empty("vault/clippy.toml")], &host), 1);
    assert_eq!(count(&[File::new("coordinator/clippy.toml", full)], &empty("clippy.toml")), 1);
    assert_eq!(count(&[File::new("proto/clippy.toml", full), empty("sim/clippy.toml")], &host), 2);
}
