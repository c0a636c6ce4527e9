//! `make mutants`: breaks safety code on purpose, one variant at a time in a copy of the tree, and sees its test fail.
//!
//! `mutants` tries all of `tests/mutants.toml`, `mutants --tenth` those that the commit picks, `mutants WORD` those with
//! that word in the test's name. A variant that does not compile, or whose test passes, fails the run.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool for people and CI")]

use firn_tests::mutants::{Mutant, list};
use firn_tests::repository_root;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// What nextest ends with where a test failed.
const TEST_FAILED: i32 = 100;

fn main() -> ExitCode {
    match run(std::env::args().nth(1).as_deref()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("mutants: {problem}");
            ExitCode::from(2)
        }
    }
}

fn run(choice: Option<&str>) -> Result<bool, String> {
    let all = list()?;
    let turn = match choice {
        Some("--tenth") => Some(turn()?),
        _ => None,
    };
    let chosen = |(at, mutant): &(usize, &Mutant)| match (turn, choice) {
        (Some(turn), _) => at % 10 == turn,
        (None, Some(word)) => mutant.test.contains(word),
        (None, None) => true,
    };
    let chosen: Vec<_> = all.iter().enumerate().filter(chosen).map(|(_, mutant)| mutant).collect();
    let target = std::env::var("CARGO_TARGET_DIR").map_err(|_| "CARGO_TARGET_DIR is not set; run `make mutants`")?;
    let place = PathBuf::from(target).join("mutants");
    let tree = place.join("tree");
    copy_tree(&tree)?;
    println!("{:<10} {:>6}  test", "verdict", "s");
    let mut caught = 0_usize;
    for mutant in &chosen {
        let since = Instant::now();
        let verdict = attempt(mutant, &place, &tree)?;
        caught += usize::from(verdict.is_ok());
        let word = verdict.unwrap_or_else(|word| word);
        println!("{word:<10} {:>6.1}  {} {}", since.elapsed().as_secs_f64(), mutant.package, mutant.test);
    }
    println!("mutants: {caught} of {} caught, {} in the list", chosen.len(), all.len());
    Ok(caught == chosen.len() && !chosen.is_empty())
}

/// Which tenth: by the commit, so that ten commits or so try all.
fn turn() -> Result<usize, String> {
    let output = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(repository_root()).output();
    let output = output.map_err(|error| format!("git: {error}"))?;
    let hash = String::from_utf8_lossy(&output.stdout).into_owned();
    let start = hash.get(..8).and_then(|start| usize::from_str_radix(start, 16).ok());
    start.map(|start| start % 10).ok_or_else(|| "no commit picks a tenth".to_owned())
}

/// The tree as git would commit it, in a folder of its own. Files that are the same keep their times, so that little is
/// built again.
fn copy_tree(to: &Path) -> Result<(), String> {
    let from = repository_root();
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(&from);
    let output = git.output().map_err(|error| format!("git: {error}"))?;
    let listed = String::from_utf8(output.stdout).map_err(|_| "a file name is not UTF-8")?;
    for path in listed.split_terminator('\0') {
        // Deleted, but still in git's index.
        let Ok(bytes) = std::fs::read(from.join(path)) else { continue };
        write(&to.join(path), &bytes)?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    if std::fs::read(path).is_ok_and(|known| known == bytes) {
        return Ok(());
    }
    let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    made.and_then(|()| std::fs::write(path, bytes)).map_err(|error| format!("{}: {error}", path.display()))
}

/// Whether the test fails on the variant; `Err` says what happened instead. The tree is as before afterwards.
fn attempt(mutant: &Mutant, place: &Path, tree: &Path) -> Result<Result<&'static str, &'static str>, String> {
    let file = tree.join(&mutant.file);
    let sound = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    write(&file, mutant.apply(&sound)?.as_bytes())?;
    let mut cargo = Command::new("cargo");
    cargo.args(["nextest", "run", "--locked", "--cargo-profile", "mutants", "--package", &mutant.package]);
    match mutant.binary.as_str() {
        "lib" => cargo.arg("--lib"),
        "bin" => cargo.arg("--bins"),
        binary => cargo.args(["--test", binary]),
    };
    cargo.args(["-E", &format!("test(={})", mutant.test)]).current_dir(tree).stdin(Stdio::null());
    cargo.env("CARGO_TARGET_DIR", place.join("target")).env("CARGO_INCREMENTAL", "1");
    let output = cargo.output().map_err(|error| format!("cargo: {error}"));
    write(&file, sound.as_bytes())?;
    let output = output?;
    let verdict = match output.status.code() {
        Some(TEST_FAILED) => return Ok(Ok("caught")),
        Some(0) => "SURVIVED",
        _ => "ERROR",
    };
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    Ok(Err(verdict))
}
