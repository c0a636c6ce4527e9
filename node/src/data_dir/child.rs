//! Re-runs one test of this binary as a child process, for tests about crashes, locks and process-wide limits.

use std::env;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running child. It is killed with SIGKILL, by `kill` or when dropped.
pub(crate) struct TestChild {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Held open: a child that waits for the end of its input ends with its parent.
    _stdin: ChildStdin,
}

impl TestChild {
    /// Runs `test` (its full path) in a child that sees `dir` through [`TestChild::role`].
    pub(crate) fn spawn(test: &str, dir: &Path) -> Self {
        Self::spawn_command(Command::new(env::current_exe().unwrap()), test, dir)
    }

    /// The same behind a wrapper, such as a shell that lowers a limit first.
    pub(crate) fn spawn_command(mut command: Command, test: &str, dir: &Path) -> Self {
        let mut process = command
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(ROLE, dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { _stdin: process.stdin.take().unwrap(), process, lines }
    }

    /// The directory handed over by the parent; `None` in a normal run, where the child's test does nothing.
    pub(crate) fn role() -> Option<PathBuf> {
        env::var_os(ROLE).map(PathBuf::from)
    }

    /// Says one word to the parent.
    pub(crate) fn say(word: &str) {
        println!("{MARK}{word}");
    }

    /// Blocks until the parent is done with this child.
    pub(crate) fn wait_for_parent() {
        std::io::stdin().lines().for_each(drop);
    }

    /// The next word, or `None` once the child is gone.
    pub(crate) fn hear(&mut self) -> Option<String> {
        // The harness writes its own lines, and the start of the first of ours.
        self.lines.by_ref().map_while(Result::ok).find_map(|line| Some(line.split_once(MARK)?.1.to_owned()))
    }

    /// The child's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// SIGKILL, and back only when the process is gone.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for TestChild {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const ROLE: &str = "FIRN_TEST_CHILD_DIR";
const MARK: &str = "@firn ";
