//! `firn-sim swarm`: many seeds on all processors; what fails is shrunk and saved as a file.

use super::files::{File, read};
use super::pool::in_order;
use super::reports::{Reports, Story};
use super::run::{run_judged, worse};
use super::terminal::{print, warn};
use super::{Output, SwarmArgs};
use firn_sim::run::{Options, run as run_once};
use firn_sim::scenario::Scenario;
use firn_sim::shrink::shrink;
use firn_sim::swarm::{expand, seed_of_commit};
use firn_sim::verdict::{End, Exit};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use tally::Tally;

mod tally;

/// One seed in so many runs twice.
const TWICE_EVERY: u64 = 20;

/// How many runs the shrinking of one failure may take.
const SHRINK_RUNS: u32 = 600;

/// Failures of a swarm that are shrunk and saved; more of them are counted only.
const SAVED_MAX: u64 = 20;

/// Runs seeds until they or the time are used up.
pub(crate) fn swarm(args: &SwarmArgs, output: Output) -> Result<Exit, String> {
    let started = Instant::now();
    let mut tally = args.tally.as_deref().map(Tally::read).transpose()?;
    let first = match &tally {
        Some(tally) => tally.next,
        None => args.seed.unwrap_or_else(|| if args.from_commit { of_commit() } else { 1 }),
    };
    let mut reports = Reports::new(args.report.as_deref(), Output::Text)?;
    let (mut worst, mut problem, mut counts) = (Exit::Pass, Ok(()), Tally::default());
    let work = |options: &mut Options, index: usize| {
        let index = index as u64;
        let late = args.time_limit.is_some_and(|limit| started.elapsed() >= limit);
        (index < args.seeds && !late)
            .then(|| one(first.wrapping_add(index), index.is_multiple_of(TWICE_EVERY), options))
    };
    in_order(options, work, |(story, scenario)| {
        counts.count(&story);
        worst = worse(worst, story.exit);
        if story.exit != Exit::Pass && problem.is_ok() {
            problem = reports.take(&story);
            if counts.failed <= SAVED_MAX {
                match shrink_into(&scenario, &args.corpus, SHRINK_RUNS) {
                    Ok(Some(path)) => print(&format!("     shrunk to {}\n", path.display())),
                    Ok(None) => {}
                    Err(unsaved) => warn(&unsaved),
                }
            }
        }
    });
    problem?;
    if counts.seeds == 0 {
        return Err("nothing ran: the time limit was over before the first seed".to_owned());
    }
    let seconds = started.elapsed().as_secs().max(1);
    counts.next = first.wrapping_add(counts.seeds);
    print(&format!("{}\n", counts.text(first, seconds, output == Output::Json)));
    if let (Some(path), Some(tally)) = (&args.tally, &mut tally) {
        tally.add(&counts);
        tally.write(path)?;
        print(&format!("{} seeds in all, {} failed; {}\n", tally.seeds, tally.failed, tally.ends()));
    }
    // Only failures are kept one by one: totals over them would say that all failed, or that nothing ran.
    reports.write()?;
    Ok(worst)
}

fn options() -> Options {
    Options { stop_at_first_violation: true, stop_when_quiet: true, ..Options::default() }
}

fn one(seed: u64, twice: bool, options: &mut Options) -> (Story, Scenario) {
    let scenario = expand(seed);
    let (finished, exit, note) = run_judged(&scenario, options, twice, false);
    let reproduce = format!("firn-sim swarm --seeds 1 --seed {seed}");
    (Story { finished, exit, case: "swarm".to_owned(), reproduce, note, crash_after: None }, scenario)
}

/// The seed that belongs to the commit checked out; a fixed one where there is none.
fn of_commit() -> u64 {
    let output = Command::new("git").args(["rev-parse", "HEAD"]).output().ok().filter(|output| output.status.success());
    let Some(hash) = output.and_then(|output| String::from_utf8(output.stdout).ok()) else {
        warn(&"NO COMMIT TO TAKE SEEDS FROM (git rev-parse HEAD failed): the same fixed seeds as always");
        return 1;
    };
    print(&format!("seeds of commit {}\n", hash.trim()));
    seed_of_commit(hash.trim())
}

/// Shrinks a file and saves what is left.
pub(crate) fn shrink_file(file: &Path, corpus: &Path, runs_max: u32) -> Result<Exit, String> {
    let File { scenario, geography, .. } = read(file)?;
    if geography.is_some() {
        let next = "which a smaller scenario elsewhere would not find; give its round trips under [network.rtt]";
        return Err(format!("{}: its latency matrix is a file beside it, {next}", file.display()));
    }
    match shrink_into(&scenario, corpus, runs_max)? {
        Some(path) => {
            print(&format!("{}\n", path.display()));
            Ok(Exit::Pass)
        }
        None => Err(format!("{}: {}", file.display(), unshrinkable(&scenario))),
    }
}

/// Why a scenario without a violation cannot be shrunk: it passes, or fails in what a smaller one need not fail in.
fn unshrinkable(scenario: &Scenario) -> String {
    let (finished, exit, _) = run_judged(scenario, &mut Options::default(), false, false);
    let missed = finished.outcome.violations.into_iter().map(|one| one.detail).collect::<Vec<_>>().join("; ");
    let why = match exit {
        Exit::Pass => return "passes, so there is nothing to shrink".to_owned(),
        Exit::ProbeMissing => "a probe never fired",
        Exit::Safety if missed.is_empty() => "an invariant that had to be violated was not",
        _ => &missed,
    };
    format!("fails only its [expect] table ({why}); no invariant is violated, so there is nothing to shrink")
}

/// Saves the smallest scenario with the same first violation; nothing if there is none.
fn shrink_into(scenario: &Scenario, corpus: &Path, runs_max: u32) -> Result<Option<PathBuf>, String> {
    let options = options();
    let violation = |scenario: &Scenario| run_once(scenario, &options).outcome.violations.first().cloned();
    let Some((id, mut detail)) = violation(scenario).map(|violation| (violation.id, violation.detail)) else {
        return Ok(None);
    };
    let mut fails = |scenario: &Scenario| {
        let found = violation(scenario).filter(|violation| violation.id == id)?;
        detail = found.detail;
        Some(found.at)
    };
    let Some(smallest) = shrink(scenario, runs_max, &mut fails) else { return Ok(None) };
    let mut small = smallest.scenario;
    let detail = violation(&small).map_or(detail, |violation| violation.detail);
    small.name = format!("{}-{}", id.to_lowercase(), small.seed);
    small.about = format!("Violated {id}: {detail}.");
    let path = corpus.join(format!("{}.toml", small.name));
    let text =
        format!("# {id}: {}\n# Again: firn-sim run {}\n{}", detail.replace('\n', " "), path.display(), small.to_toml());
    let saved = fs::create_dir_all(corpus).and_then(|()| fs::write(&path, text));
    saved.map(|()| Some(path.clone())).map_err(|error| format!("{}: {error}", path.display()))
}

impl Tally {
    fn count(&mut self, story: &Story) {
        let outcome = &story.finished.outcome;
        let ended = |end: fn(&End) -> bool| outcome.requests.iter().filter(|request| end(&request.end)).count() as u64;
        self.seeds += 1;
        self.failed += u64::from(story.exit != Exit::Pass);
        self.events += outcome.events;
        self.simulated_s += outcome.ended / 1_000_000;
        self.requests += outcome.requests.len() as u64;
        self.signed += ended(|end| *end == End::Signed);
        self.refused += ended(|end| matches!(end, End::Refused(_)));
        self.expired += ended(|end| *end == End::Expired);
        self.excused += ended(|end| matches!(end, End::Excused(_)));
        self.violated += ended(|end| *end == End::Violated);
        for violation in &outcome.violations {
            *self.violations.entry(violation.id.to_owned()).or_default() += 1;
        }
        for (probe, count) in &outcome.probes {
            *self.probes.entry(probe.clone()).or_default() += count;
        }
    }
}
