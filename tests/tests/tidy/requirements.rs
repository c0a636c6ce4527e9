//! Every requirement of the threat model has tests by its number, or says why not: `tests/requirements.toml`.

use crate::files::{File, Problem, assert_none, tree};
use std::collections::BTreeMap;

const LIST: &str = "tests/requirements.toml";

/// How many there are.
const COUNT: usize = 68;

/// The numbers in front of a test's name: `r02_r03_both` is a test of two.
pub(crate) fn numbers(name: &str) -> Vec<&str> {
    let is_number = |part: &&str| part.len() == 3 && part.starts_with('r') && part[1..].parse::<u8>().is_ok();
    name.split('_').take_while(is_number).collect()
}

/// Names of test functions, by their attribute.
pub(crate) fn tests(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        match function {
            Some(rest) if is_test => found.extend(rest.split('(').next()),
            _ if line.starts_with("#[") => {
                is_test |= line.ends_with("test]") || line.contains("test(");
                continue;
            }
            _ => {}
        }
        is_test = false;
    }
    found
}

fn unproven(list: &File, files: &[File]) -> Vec<Problem> {
    let parsed: toml::Table = list.text.parse().unwrap_or_else(|error| panic!("{LIST}:1: {error}"));
    let line = |key: &str| list.lines().find(|(_, line)| *line == format!("[{key}]")).map_or(1, |(number, _)| number);
    let text = |entry: &toml::Value, key: &str| entry.get(key).and_then(|value| value.as_str()).map(str::to_owned);
    let mut count = BTreeMap::<String, usize>::new();
    for file in files.iter().filter(|file| file.has_extension(&["rs"])) {
        let numbers = tests(&file.text).into_iter().flat_map(numbers);
        numbers.for_each(|number| *count.entry(number.to_owned()).or_default() += 1);
    }
    let known: Vec<_> = (1..=COUNT).map(|number| format!("r{number:02}")).collect();
    let topics = parsed["topics"].as_table().expect("topics are a table");
    let mut open = Vec::new();
    let mut problems = Vec::new();
    for id in &known {
        let Some(entry) = parsed.get(id) else {
            problems.push(list.problem(1, format!("{id} is missing; give its title")));
            continue;
        };
        let (later, never) = (text(entry, "later"), text(entry, "not_applicable"));
        let topic = later.as_deref().and_then(|later| later.split_once(": "));
        let tests = count.get(id).copied().unwrap_or_default();
        open.extend(topic.map(|(topic, _)| topic.to_owned()));
        let what = match (&later, &never) {
            _ if text(entry, "title").is_none_or(|title| title.is_empty()) => "has no title",
            (Some(_), Some(_)) => "is either later or not applicable",
            (Some(_), None) if !topic.is_some_and(|(topic, what)| topics.contains_key(topic) && !what.is_empty()) => {
                "waits for no topic of the table; name one, and what is missing: `TOPIC: WHAT`"
            }
            (None, Some(why)) if why.is_empty() || tests > 0 => "is not applicable, without a reason or with tests",
            (None, None) if tests == 0 => "has no test; write one, or say what it waits for",
            _ => continue,
        };
        problems.push(list.problem(line(id), format!("{id} {what}")));
    }
    let strange = parsed.keys().filter(|key| *key != "topics" && !known.contains(*key));
    problems.extend(strange.map(|key| list.problem(line(key), format!("{key} is no requirement"))));
    let named = count.keys().filter(|id| !known.contains(*id));
    problems.extend(named.map(|id| list.problem(1, format!("tests named {id}_ are of no requirement"))));
    let done = topics.keys().filter(|topic| !open.contains(*topic));
    problems.extend(done.map(|topic| list.problem(1, format!("nothing waits for {topic}; delete the topic"))));
    problems
}

#[test]
fn every_requirement_has_tests_or_a_reason() {
    assert_none(&unproven(&File::read(LIST), &tree()));
}

#[test]
fn requirements_without_tests_are_found() {
    let sample = "#[test]\nfn r02_r03_a() {}\n#[tokio::test(x = 1)]\n#[y]\nasync fn r04_b() {\nfn r05_helper() {}";
    assert_eq!(tests(sample), ["r02_r03_a", "r04_b"]);
    assert_eq!(numbers("r02_r03_a_r04"), ["r02", "r03"]);
    let entry = |id: usize, rest: &str| format!("[r{id:02}]\ntitle = \"x\"\n{rest}\n");
    let list = |first: &str, topics: &str| {
        let others: String = (2..=COUNT).map(|id| entry(id, "not_applicable = \"y\"")).collect();
        File::new(LIST, &format!("[topics]\n{topics}\n{}{others}", entry(1, first)))
    };
    let check =
        |first: &str, topics: &str, code: &str| unproven(&list(first, topics), &[File::new("a.rs", code)]).len();
    let test = "#[test]\nfn r01_a() {}";
    assert_eq!(check("", "", test), 0);
    assert_eq!(check("", "", "fn r01_a() {}"), 1, "no test");
    assert_eq!(check("later = \"b: more\"", "b = \"\"", test), 0, "in part");
    assert_eq!(check("later = \"b: all\"", "b = \"\"", ""), 0);
    assert_eq!(check("later = \"\"", "", ""), 1, "nothing is missing");
    assert_eq!(check("later = \"b: more\"", "", test), 1, "the topic is done");
    assert_eq!(check("", "b = \"\"", test), 1, "nothing waits for it");
    assert_eq!(check("not_applicable = \"y\"", "", test), 1, "there is a test");
    assert_eq!(check("", "", "#[test]\nfn r01_a() {}\n#[test]\nfn r69_b() {}"), 1, "unknown");
}
