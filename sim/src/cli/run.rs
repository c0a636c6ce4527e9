//! `firn-sim run`: scenario files, once or twice, and with a crash at every point.

use super::files::{File, load};
use super::pool::in_order;
use super::reports::{Reports, Story};
use super::terminal::print;
use super::{Output, RunArgs};
use firn_proto::NodeId;
use firn_sim::run::{Finished, Options, crash_points, difference, run as run_once};
use firn_sim::scenario::Scenario;
use firn_sim::verdict::Exit;
use std::fmt::Write as _;

/// One run to make.
struct Job<'a> {
    file: &'a File,
    scenario: Scenario,
    crash_after: Option<(NodeId, u64)>,
}

/// Runs everything that is asked for.
pub(crate) fn run(args: &RunArgs, output: Output) -> Result<Exit, String> {
    let files = load(&args.paths)?;
    let jobs: Vec<_> = files.iter().flat_map(|file| jobs(args, file)).collect();
    let mut reports = Reports::new(args.report.as_deref(), output)?;
    let (mut worst, mut failure) = (Exit::Pass, Ok(()));
    let keep = args.report.is_some();
    in_order(
        Options::default,
        |options, index| Some(story(jobs.get(index)?, options, args.twice, keep)),
        |story| {
            worst = worse(worst, story.exit);
            if failure.is_ok() {
                failure = reports.take(&story);
            }
        },
    );
    failure?;
    reports.finish()?;
    if args.crash_points && output == Output::Text {
        let points = jobs.iter().filter(|job| job.crash_after.is_some()).count();
        print(&format!("{points} crash points tried\n"));
    }
    Ok(worst)
}

/// The one of two verdicts that matters more.
pub(crate) fn worse(one: Exit, other: Exit) -> Exit {
    let order = [Exit::Safety, Exit::NonDeterminism, Exit::BadScenario, Exit::Liveness, Exit::ProbeMissing];
    order.into_iter().find(|exit| [one, other].contains(exit)).unwrap_or(Exit::Pass)
}

fn jobs<'a>(args: &RunArgs, file: &'a File) -> Vec<Job<'a>> {
    let first = args.seed.unwrap_or(file.scenario.seed);
    let count = args.runs.unwrap_or(file.scenario.runs);
    let mut jobs = Vec::new();
    for seed in (0..u64::from(count)).map(|index| first.wrapping_add(index)) {
        let scenario = Scenario { seed, ..file.scenario.clone() };
        let mut points = vec![None];
        if args.crash_points {
            let options = Options { geography: file.geography.clone(), ..Options::default() };
            let each = crash_points(&scenario, &options).into_iter();
            points.extend(each.flat_map(|(node, count)| (1..=count).map(move |effect| Some((node, effect)))));
        }
        jobs.extend(points.into_iter().map(|crash_after| Job { file, scenario: scenario.clone(), crash_after }));
    }
    jobs
}

fn story(job: &Job<'_>, options: &mut Options, twice: bool, keep: bool) -> Story {
    options.geography.clone_from(&job.file.geography);
    options.crash_after = job.crash_after;
    let path = job.file.path.display();
    let mut reproduce = format!("firn-sim run {path} --seed {} --runs 1", job.scenario.seed);
    let mut note = None;
    if let Some((node, effect)) = job.crash_after {
        reproduce.push_str(" --crash-points");
        note = Some(format!("crash of node {node} after its effect {effect}"));
    }
    let (finished, exit, differs) = run_judged(&job.scenario, options, twice, keep);
    Story {
        finished,
        exit,
        case: job.scenario.name.clone(),
        reproduce,
        note: differs.or(note),
        crash_after: job.crash_after,
    }
}

/// Runs a scenario, twice where asked for, and judges it. The third is what differs between the two.
pub(crate) fn run_judged(
    scenario: &Scenario,
    options: &mut Options,
    twice: bool,
    keep: bool,
) -> (Finished, Exit, Option<String>) {
    options.keep_history = keep;
    let mut finished = run_once(scenario, options);
    let again = twice.then(|| run_once(scenario, options));
    let differs = again.filter(|again| again.outcome.digest != finished.outcome.digest);
    let differs = differs.map(|_| {
        // Every event is worth keeping only now that it is known that some differ.
        options.keep_history = true;
        different(&run_once(scenario, options), &run_once(scenario, options))
    });
    let judged = finished.judge();
    let exit = if differs.is_some() { worse(judged, Exit::NonDeterminism) } else { judged };
    (finished, exit, differs)
}

fn different(first: &Finished, second: &Finished) -> String {
    let mut text = "two runs differ".to_owned();
    let Some((one, other)) = difference(first, second) else {
        return format!("{text}, but not in two further runs with every event kept");
    };
    text.push_str(", first in this event:");
    for (name, mark) in [("one", one), ("other", other)] {
        // Writing to a string cannot fail.
        let _ = match mark {
            None => write!(text, " {name}: none"),
            Some(mark) => {
                let node =
                    mark.process.map_or_else(|| "the world".to_owned(), |process| format!("node {}", process.node));
                write!(text, " {name}: {} on {node} at {} us ({:016x})", mark.what, mark.at, mark.digest)
            }
        };
    }
    text
}
