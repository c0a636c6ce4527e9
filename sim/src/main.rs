//! `firn-sim`: runs scenarios, swarms and replays from the command line.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
