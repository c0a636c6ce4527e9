//! The list of broken variants fits the code: each is still one, and what the core's tests guard has one.

use crate::files::{File, Problem, assert_none, tree};
use crate::requirements::{numbers, tests};
use firn_tests::mutants::{Mutant, list, parse};
use std::collections::BTreeSet;

const LIST: &str = "tests/mutants.toml";

/// Whose requirements all have a variant, by folder.
const CORE: [&str; 3] = ["proto", "vault", "coordinator"];

fn stale(mutants: &[Mutant], files: &[File]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut complain = |what: String| problems.push(File::new(LIST, "").problem(1, what));
    for mutant in mutants {
        let (test, file) = (mutant.test_name(), files.iter().find(|file| file.path == mutant.file));
        match file.map(|file| mutant.apply(&file.text)) {
            None => complain(format!("{test}: there is no {}", mutant.file)),
            Some(Err(problem)) => complain(format!("{test}: {problem}")),
            Some(Ok(changed)) if file.is_some_and(|file| file.text == changed) => {
                complain(format!("{test}: the variant is what stands there"));
            }
            Some(Ok(_)) => {}
        }
        let folder = mutant.package.trim_start_matches("firn-");
        if !in_folder(files, folder).any(|name| name == test) {
            complain(format!("{} has no test {test}", mutant.package));
        }
    }
    let guarded: BTreeSet<_> = mutants.iter().flat_map(|mutant| numbers(mutant.test_name())).collect();
    let named: BTreeSet<_> = CORE.iter().flat_map(|folder| in_folder(files, folder)).flat_map(numbers).collect();
    for number in named.difference(&guarded) {
        complain(format!("the core tests {number}, and no variant shows that a test of it can fail"));
    }
    problems
}

fn in_folder<'a>(files: &'a [File], folder: &'a str) -> impl Iterator<Item = &'a str> {
    let ours = move |file: &&File| file.path.split('/').next() == Some(folder) && file.has_extension(&["rs"]);
    files.iter().filter(ours).flat_map(|file| tests(&file.text))
}

#[test]
fn mutants_fit_the_code() {
    let mutants = list().unwrap_or_else(|problem| panic!("{LIST}:1: {problem}"));
    assert_none(&stale(&mutants, &tree()));
}

#[test]
fn stale_mutants_are_found() {
    let entry = |test: &str, find: &str| {
        format!("[[mutants]]\ntest = \"{test}\"\nfile = \"proto/src/a.rs\"\nfind = \"{find}\"\nreplace = \"c\"\n")
    };
    let files = [
        File::new("proto/src/a.rs", "a b b c"),
        File::new("proto/tests/wire/a.rs", "#[test]\nfn r01_a() {}\nfn r02_no_test() {}"),
        File::new("node/src/a.rs", "#[test]\nfn r03_not_of_the_core() {}"),
    ];
    let check = |text: &str| stale(&parse(text).unwrap(), &files).len();
    assert_eq!(check(&entry("firn-proto wire a::r01_a", "a")), 0);
    assert_eq!(check(&entry("firn-proto wire a::r01_a", "b")), 1, "twice");
    assert_eq!(check(&entry("firn-proto wire a::r01_a", "d")), 1, "never");
    assert_eq!(check(&entry("firn-proto wire a::r01_a", "c")), 1, "the same");
    assert_eq!(check(&entry("firn-node wire a::r01_a", "a")), 1, "another crate");
    assert_eq!(check(&entry("firn-proto wire a::x", "a")), 2, "no test, and r01 is unguarded");
    assert!(parse(&entry("wire", "a")).is_err());
}
