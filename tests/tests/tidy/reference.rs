//! `docs/reference/codes.md` lists every stable code: the core's as they are in the code, the node's at least by name.

use crate::files::{File, tree};
use firn_proto::Code;
use firn_tests::repository_root;
use std::fs;

/// Ends the part of the page that is made from the code.
const END: &str = "<!-- end of the core's codes -->";

fn core_table() -> String {
    let mut table = String::from("| code | on the wire | what happened | what to do |\n| --- | --- | --- | --- |\n");
    for code in Code::all() {
        let line = format!("| `{code}` | {} | {} | {} |\n", code.to_wire(), code.cause(), code.next_step());
        table.push_str(&line);
    }
    table
}

fn page() -> String {
    File::read("docs/reference/codes.md").text
}

/// String literals that look like a code: capitals, digits, at least one underscore.
fn code_literals(text: &str) -> Vec<String> {
    let looks = |word: &str| {
        word.contains('_')
            && !word.starts_with("FIRN_")
            && !word.starts_with("CARGO_")
            && word.starts_with(|c: char| c.is_ascii_uppercase())
            && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    text.split('"').skip(1).step_by(2).filter(|word| looks(word)).map(str::to_owned).collect()
}

#[test]
fn literals_that_look_like_codes_are_found() {
    assert_eq!(code_literals(r#"Failure::new("STORE_LOST", "Some text", "FIRN_LOG", "lower_case")"#), ["STORE_LOST"]);
}

/// With `FIRN_BLESS=1` in the environment the page is rewritten instead.
#[test]
fn the_cores_codes_are_listed_as_they_are() {
    let page = page();
    let (before, rest) = page.split_once("| code | on the wire |").expect("the table of the core's codes");
    let (_, after) = rest.split_once(END).expect(END);
    let expected = format!("{before}{}{END}{after}", core_table());
    if std::env::var_os("FIRN_BLESS").is_some() {
        fs::write(repository_root().join("docs/reference/codes.md"), &expected).unwrap();
    }
    assert!(
        page == expected || std::env::var_os("FIRN_BLESS").is_some(),
        "stale; run: FIRN_BLESS=1 cargo nextest run -p firn-tests reference"
    );
}

#[test]
fn every_code_of_the_node_is_listed() {
    let page = page();
    let mut missing: Vec<_> = tree()
        .iter()
        .filter(|file| file.path.starts_with("node/src") && file.has_extension(&["rs"]) && !file.is_test())
        .flat_map(|file| code_literals(&file.text))
        .filter(|code| code != "ANVIL_BIN" && !page.contains(&format!("`{code}`")))
        .collect();
    missing.sort();
    missing.dedup();
    assert!(missing.is_empty(), "add to docs/reference/codes.md: {missing:?}");
}
