//! The command line. This alone of the simulator has files, threads and a clock, and gives the kernel none of them.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the command line reads and writes files, runs seeds in parallel and prints"
)]

use clap::{Args, Parser, Subcommand, ValueEnum};
use firn_sim::verdict::Exit;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

mod explain;
mod files;
mod pool;
mod replay;
mod reports;
mod run;
mod swarm;
mod terminal;

/// Firn's simulator: real engines and vaults in virtual time.
#[derive(Parser)]
#[command(
    name = "firn-sim",
    version,
    after_help = "Exit codes: 0 pass, 1 safety, 2 liveness, 3 not deterministic, 4 wrong scenario or arguments, or nothing to run, 5 a probe never fired."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How to print what came out.
    #[arg(long, global = true, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Run scenario files, or all files of folders.
    Run(RunArgs),
    /// Run scenarios drawn from seeds; failing ones are shrunk and saved.
    Swarm(SwarmArgs),
    /// Run one scenario file, or a node's journal, and tell what happened.
    Replay {
        /// A scenario (`.toml`), or a journal.
        file: PathBuf,
        /// Where reports go.
        #[arg(long)]
        report: Option<PathBuf>,
    },
    /// Shrink a failing scenario file.
    Shrink {
        /// The scenario.
        file: PathBuf,
        /// Where the smaller one goes.
        #[arg(long, default_value = "sim/corpus")]
        corpus: PathBuf,
        /// How many runs it may take.
        #[arg(long, default_value_t = 600)]
        runs_max: u32,
    },
    /// List scenarios with what they are about.
    List {
        /// Files or folders.
        #[arg(default_values = ["sim/scenarios", "sim/corpus"])]
        paths: Vec<PathBuf>,
    },
    /// Say what a code, an invariant, a probe or an exit code means; all of them without one.
    Explain {
        /// For example SCENARIO_UNIT, N1, takeover or 3.
        code: Option<String>,
    },
}

#[derive(Args)]
struct RunArgs {
    /// Files or folders.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Start from this seed instead of the file's.
    #[arg(long)]
    seed: Option<u64>,
    /// Run this many seeds instead of what the file says.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    runs: Option<u32>,
    /// Run everything twice, and compare every event.
    #[arg(long)]
    twice: bool,
    /// Crash each node after each of its effects in turn, one run for each.
    #[arg(long)]
    crash_points: bool,
    /// Where reports go.
    #[arg(long)]
    report: Option<PathBuf>,
}

#[derive(Args)]
struct SwarmArgs {
    /// How many seeds.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first seed.
    #[arg(long, conflicts_with = "from_commit")]
    seed: Option<u64>,
    /// Seeds that belong to the commit checked out.
    #[arg(long)]
    from_commit: bool,
    /// Take no new seed after this long, for example 10m.
    #[arg(long, value_parser = limit)]
    time_limit: Option<Duration>,
    /// Where shrunk failures go.
    #[arg(long, default_value = "sim/corpus")]
    corpus: PathBuf,
    /// A file in which several runs add up: each goes on where the last one ended.
    #[arg(long, conflicts_with_all = ["seed", "from_commit"])]
    tally: Option<PathBuf>,
    /// Where reports go.
    #[arg(long)]
    report: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => {
            // clap's own code for wrong arguments is 2, which means liveness here. Nobody may be there to read.
            let _ = answer.print();
            return ExitCode::from(if answer.use_stderr() { Exit::BadScenario } else { Exit::Pass } as u8);
        }
    };
    let exit = match cli.command {
        Command::Run(args) => run::run(&args, cli.output),
        Command::Swarm(args) => swarm::swarm(&args, cli.output),
        Command::Replay { file, report } => replay::replay(&file, report.as_deref(), cli.output),
        Command::Shrink { file, corpus, runs_max } => swarm::shrink_file(&file, &corpus, runs_max),
        Command::List { paths } => files::list(&paths, cli.output),
        Command::Explain { code } => explain::explain(code.as_deref(), cli.output),
    };
    ExitCode::from(exit.unwrap_or_else(|problem| {
        terminal::warn(&problem);
        Exit::BadScenario
    }) as u8)
}

/// `90s`, `10m`, `2h`.
fn limit(text: &str) -> Result<Duration, String> {
    let scales = [("s", 1), ("m", 60), ("h", 3_600)];
    let found = scales.iter().find_map(|(unit, scale)| {
        let number = text.strip_suffix(unit)?.parse::<u64>().ok()?;
        number.checked_mul(*scale)
    });
    found.map(Duration::from_secs).ok_or_else(|| format!("expected a time like 90s, 10m or 2h, found {text}"))
}
