//! Arguments that do not parse: help where it was asked for, else a refusal that people or programs can read.

use super::{Output, print_failure};
use crate::failure::{Exit, Failure};
use clap::ValueEnum;
use clap::error::ErrorKind;
use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

/// Prints what clap has to say: `--help` and `--version` are answers, everything else is a usage failure.
pub(super) fn explain(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    match asked_output(std::env::args_os().skip(1), std::env::var_os("FIRN_OUTPUT")) {
        Output::Text => drop(error.print()),
        Output::Json => print_failure(&failure(error), Output::Json),
    }
    ExitCode::from(Exit::Usage as u8)
}

/// How to print, as far as arguments that do not parse tell.
fn asked_output(arguments: impl Iterator<Item = OsString>, environment: Option<OsString>) -> Output {
    let mut asked = None;
    let mut is_value = false;
    for argument in arguments {
        let joined = argument.to_str().and_then(|text| text.strip_prefix("--output=")).map(OsString::from);
        let separate = is_value.then(|| argument.clone());
        is_value = argument == "--output";
        asked = joined.or(separate).or(asked);
    }
    let read = |text: &OsStr| Output::from_str(text.to_str()?, false).ok();
    asked.or(environment).and_then(|text| read(&text)).unwrap_or(Output::Text)
}

/// The first paragraph is what is wrong, the line of the usage what would be right.
fn failure(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let usage = text.lines().find_map(|line| line.strip_prefix("Usage: "));
    let next = usage.map_or_else(|| "see --help".to_owned(), |usage| format!("{}; more with --help", usage.trim()));
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Failure::usage("a command is missing", next);
    }
    let first: Vec<_> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    let cause = first.join(" ");
    Failure::usage(cause.strip_prefix("error: ").unwrap_or(&cause), next)
}

#[cfg(test)]
mod tests {
    use super::super::Cli;
    use super::*;
    use clap::Parser;

    #[test]
    fn what_is_wrong_is_one_sentence_and_what_is_right_another() {
        for (arguments, cause, next) in [
            (&["firn", "status"][..], "--data-dir <DATA_DIR>", "firn status"),
            (&["firn", "request"], "a command is missing", "firn request"),
            (&["firn", "sign"], "unrecognized subcommand 'sign'", "firn"),
        ] {
            let failure = failure(&Cli::try_parse_from(arguments).err().unwrap());
            assert_eq!((failure.code.as_str(), failure.exit), ("USAGE", Exit::Usage));
            assert!(failure.cause.contains(cause) && !failure.cause.contains('\n'), "{failure}");
            assert!(failure.next_step.starts_with(next), "{failure}");
        }
    }

    #[test]
    fn the_output_is_known_without_the_other_arguments() {
        let asked = |arguments: &[&str], environment: Option<&str>| {
            asked_output(arguments.iter().map(OsString::from), environment.map(OsString::from))
        };
        assert_eq!(asked(&["status", "--output", "json"], None), Output::Json);
        assert_eq!(asked(&["--output=json", "status"], None), Output::Json);
        assert_eq!(asked(&["--output=text", "status"], Some("json")), Output::Text);
        assert_eq!(asked(&["status"], Some("json")), Output::Json);
        assert_eq!(asked(&["status", "--output"], None), Output::Text);
    }
}
