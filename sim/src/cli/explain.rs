//! What codes mean.

use super::Output;
use super::terminal::print;
use firn_sim::scenario::near::nearest;
use firn_sim::scenario::problem::CODES;
use firn_sim::verdict::Exit;
use firn_sim::{invariants, probes};

/// Verdicts that are not of one invariant.
const OTHERS: [(&str, &str); 8] = [
    (
        "L1",
        "liveness: a live core that lasts the bound B signs the request; a key is generated when all members are connected for long enough",
    ),
    ("EXPECT", "what the scenario's [expect] table asks for did not come out"),
    ("0", "exit code: everything passed"),
    ("1", "exit code: a safety invariant is violated, or a checker that had to fire did not"),
    ("2", "exit code: liveness, or an expectation, is violated"),
    ("3", "exit code: two runs of one scenario differ; the first differing event is named"),
    ("4", "exit code: not a scenario, wrong arguments, a file that cannot be read, or nothing to run"),
    ("5", "exit code: a probe that the scenario demands never fired"),
];

/// Prints one entry, or all.
pub(crate) fn explain(code: Option<&str>, output: Output) -> Result<Exit, String> {
    let all = entries();
    let found: Vec<_> =
        all.iter().filter(|(name, _)| code.is_none_or(|code| name.eq_ignore_ascii_case(code))).collect();
    if found.is_empty() {
        return Err(unknown(code.unwrap_or_default(), &all));
    }
    if output == Output::Json {
        let of = |(name, meaning): &&(String, String)| serde_json::json!({ "code": name, "meaning": meaning });
        print(&format!("{}\n", serde_json::Value::from_iter(found.iter().map(of))));
        return Ok(Exit::Pass);
    }
    let lines = found.iter().map(|(name, meaning)| format!("{name:<26} {meaning}\n"));
    print(&lines.collect::<String>());
    Ok(Exit::Pass)
}

fn unknown(code: &str, all: &[(String, String)]) -> String {
    let lower = |name: &str| name.to_lowercase();
    let names: Vec<_> = all.iter().map(|(name, _)| lower(name)).collect();
    let near = nearest(&lower(code), names.iter().map(String::as_str));
    let near = near.and_then(|near| all.iter().map(|(name, _)| name).find(|name| lower(name) == near));
    let hint = near.map(|near| format!(", did you mean `{near}`?")).unwrap_or_default();
    format!("nothing is called {code}{hint}; `firn-sim explain` alone lists everything")
}

fn entries() -> Vec<(String, String)> {
    let codes = CODES.iter().map(|(code, what, next)| ((*code).to_owned(), format!("{what}; {next}")));
    let all = invariants::all();
    let safety = all.iter().map(|invariant| (invariant.id().to_owned(), invariant.statement().to_owned()));
    let pair = |(name, meaning): &(&str, &str)| ((*name).to_owned(), (*meaning).to_owned());
    let probes = probes::ALL.iter().map(|(name, meaning)| ((*name).to_owned(), format!("probe: {meaning}")));
    codes.chain(safety).chain(OTHERS.iter().map(pair)).chain(probes).collect()
}
