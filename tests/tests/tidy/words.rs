//! Words that must not be committed. They are spelled in halves here, so that this file can be committed.

use crate::files::{File, Problem, assert_finds, assert_tidy};
use crate::source::{has_word, is_word};

const CODE: [&str; 5] = ["rs", "sol", "js", "sh", "proto"];

/// Written by tools, or quoted in full from elsewhere.
fn is_foreign(file: &File) -> bool {
    ["Cargo.lock", "package-lock.json", "LICENSE-APACHE"].contains(&file.name()) || file.has_extension(&["snap"])
}

fn is_code(file: &File) -> bool {
    file.has_extension(&CODE)
        || file.name() == "Makefile"
        || ["scripts/", ".ci/"].iter().any(|at| file.path.starts_with(at))
}

fn unfinished_work(file: &File) -> Vec<Problem> {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
    let calls = [concat!("to", "do!"), concat!("unimple", "mented!")];
    let phrases = [concat!("place", "holder"), concat!("not yet imple", "mented"), concat!("for n", "ow")];
    let in_line = |line: &str| -> Option<String> {
        let lower = line.to_lowercase();
        let mark = marks.iter().find(|mark| has_word(line, mark));
        let call = calls.iter().find(|call| is_code(file) && line.contains(**call));
        // A loop over instants is no excuse.
        let is_loop = |phrase: &str| lower.contains(&format!("{phrase} in "));
        let phrase = phrases.iter().find(|phrase| is_code(file) && has_word(&lower, phrase) && !is_loop(phrase));
        mark.or(call).or(phrase).map(|word| format!("`{word}` marks unfinished work; finish it, or open an issue"))
    };
    each_line(file, in_line)
}

fn skipped_tests(file: &File) -> Vec<Problem> {
    let skips = [concat!("#[ign", "ore"), concat!("assert!(", "true)")];
    each_line(file, |line| {
        let found = skips.iter().find(|skip| file.has_extension(&["rs"]) && line.contains(**skip));
        found.map(|skip| format!("`{skip}`: a test that does not run proves nothing; mend or delete it"))
    })
}

/// Sleeping to let something happen makes a test slow when it passes and random when it fails.
fn sleeping_tests(file: &File) -> Vec<Problem> {
    let sleeps = [concat!("thread::", "sleep"), concat!("time::", "sleep"), concat!("vm.", "sleep(")];
    each_line(file, |line| {
        let found = sleeps.iter().find(|sleep| file.is_test() && is_code(file) && line.contains(**sleep));
        found.map(|sleep| {
            format!("`{sleep}` in a test; wait for the event itself, or poll at an interval, with a deadline")
        })
    })
}

/// Absolute paths of the machine somebody worked on.
fn machine_paths(file: &File) -> Vec<Problem> {
    let folders = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/fa", "rm/")];
    each_line(file, |line| {
        let is_start = |at: usize| !line[..at].chars().next_back().is_some_and(|c| is_word(c) || ".-$}*".contains(c));
        let at_start = |folder: &&&str| line.match_indices(**folder).any(|(at, _)| is_start(at));
        let found = folders.iter().find(at_start);
        found.map(|folder| format!("`{folder}` is a path of one machine; make it relative, or an argument"))
    })
}

fn each_line(file: &File, check: impl Fn(&str) -> Option<String>) -> Vec<Problem> {
    if is_foreign(file) {
        return Vec::new();
    }
    file.lines().filter_map(|(number, line)| check(line).map(|what| file.problem(number, what))).collect()
}

#[test]
fn no_work_is_left_unfinished() {
    assert_tidy(unfinished_work);
}

#[test]
fn unfinished_work_is_found() {
    let sample = concat!("ok\n// TO", "DO later\n to", "do!()\nunimple", "mented!(\"x\")\n// A place", "holder\n");
    assert_finds(unfinished_work, "a.rs", sample, &[2, 3, 4, 5]);
    let sample = concat!("// For n", "ow this is enough\nfor n", "ow in times {}\nautodidact\n// FIX", "ME");
    assert_finds(unfinished_work, "a.rs", sample, &[1, 4]);
    assert_finds(unfinished_work, "a.md", concat!("a place", "holder\nTO", "DO"), &[2]);
}

#[test]
fn every_test_runs() {
    assert_tidy(skipped_tests);
}

#[test]
fn skipped_tests_are_found() {
    assert_finds(skipped_tests, "a.rs", concat!("#[test]\n#[ign", "ore = \"slow\"]\nassert!(", "true);"), &[2, 3]);
}

#[test]
fn no_test_sleeps() {
    assert_tidy(sleeping_tests);
}

#[test]
fn sleeping_tests_are_found() {
    let sample = concat!("std::thread::", "sleep(x);\ntokio::time::", "sleep(x).await;");
    assert_finds(sleeping_tests, "tests/tests/a.rs", sample, &[1, 2]);
    assert_finds(sleeping_tests, "node/src/a.rs", sample, &[]);
}

#[test]
fn no_file_names_a_machine() {
    assert_tidy(machine_paths);
}

#[test]
fn machine_paths_are_found() {
    let sample = concat!("a /wo", "rk/x\n\"/ro", "ot/.cargo\"\nframe/wo", "rk/s\n$HOME/ro", "ot/\n`/fa", "rm/me`");
    assert_finds(machine_paths, "a.md", sample, &[1, 2, 5]);
    assert_finds(machine_paths, "Cargo.lock", sample, &[]);
}
