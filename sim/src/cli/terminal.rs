//! Standard output and standard error, whose readers may have gone.

use firn_sim::verdict::Exit;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write as _};

/// Writes to standard output. A reader that has seen enough, as `head` has, ends nothing: reports and the exit code are
/// still wanted. What cannot be written for another reason does end the command.
pub(crate) fn print(text: &str) {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            warn(&format_args!("standard output: {error}"));
            std::process::exit(Exit::BadScenario as i32);
        }
        _ => {}
    }
}

/// Writes a line to standard error. Where nobody can read it, nobody is told.
pub(crate) fn warn(problem: &dyn Display) {
    let _ = writeln!(io::stderr().lock(), "firn-sim: {problem}");
}
