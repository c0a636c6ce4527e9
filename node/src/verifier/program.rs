//! A verifier that is a program. It and all it starts are one process group, which ends with the question.

use super::{ANSWER_BYTES_MAX, bounded};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

/// The process group of a program that nobody has waited for yet, so that its number is no other's. Dropped, it is killed.
struct Group(Option<Pid>);

impl Group {
    /// Waits until the program has ended, and kills what it has left behind. Its status is still to be had.
    async fn ended(mut self) -> Result<(), String> {
        let Some(leader) = self.0 else { return Ok(()) };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let waited = tokio::task::spawn_blocking(move || waitid(WaitId::Pid(leader), options)).await;
        waited.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        self.kill();
        Ok(())
    }

    fn kill(&mut self) {
        if let Some(leader) = self.0.take() {
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a program with the question as its input. It is killed when it is no longer waited for, with whatever it has started
/// and what has not left its process group.
pub(super) async fn run(command: &[String], question: Vec<u8>) -> Result<Vec<u8>, String> {
    let text = |error: std::io::Error| error.to_string();
    let (program, arguments) = command.split_first().ok_or("no program")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // Nothing of ours but the question.
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(text)?;
    let leader = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let group = Group(leader);
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("no pipes".into());
    };
    // A program may answer without reading, so what becomes of the question says nothing.
    let written = async move {
        drop(input.write_all(&question).await);
        Ok(())
    };
    let answer = async {
        let mut answer = Vec::new();
        output.take(ANSWER_BYTES_MAX as u64 + 1).read_to_end(&mut answer).await.map_err(text)?;
        bounded(&answer).map(|()| answer)
    };
    let ((), (), answer) = tokio::try_join!(written, group.ended(), answer)?;
    let status = child.wait().await.map_err(text)?;
    if status.success() { Ok(answer) } else { Err(status.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use std::fs::{File, OpenOptions};
    use std::io::{BufRead, BufReader, Read, Write};
    use tempfile::TempDir;

    fn command(script: &str) -> Vec<String> {
        vec!["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()]
    }

    async fn answer(script: &str) -> Result<Vec<u8>, String> {
        run(&command(script), b"question".to_vec()).await
    }

    #[tokio::test]
    async fn a_program_gets_the_question_and_its_output_is_the_answer() {
        assert_eq!(answer("cat").await.unwrap(), b"question");
        assert_eq!(answer("echo yes").await.unwrap(), b"yes\n", "unread");
        assert!(answer("echo yes; exit 3").await.unwrap_err().contains('3'));
        assert!(run(&["/nonexistent".to_owned()], Vec::new()).await.is_err());
    }

    #[tokio::test]
    async fn an_answer_without_end_is_cut_off() {
        assert!(answer("cat /dev/zero").await.unwrap_err().contains("more than"));
        let most = format!("head -c {ANSWER_BYTES_MAX} /dev/zero");
        assert_eq!(answer(&most).await.unwrap().len(), ANSWER_BYTES_MAX);
    }

    /// A program whose child says that it is there, holds that line open while it lives, and marks a file when it is let.
    struct Family {
        folder: TempDir,
        alive: BufReader<File>,
        let_go: File,
    }

    impl Family {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let open = |name: &str| {
                let path = folder.path().join(name);
                mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
                // Both ways, so that nobody waits for the other to open it.
                OpenOptions::new().read(true).write(true).open(path).unwrap()
            };
            let (alive, let_go) = (open("alive"), open("go"));
            Self { alive: BufReader::new(alive), let_go, folder }
        }

        /// The child in the background, and then this.
        fn script(&self, then: &str) -> String {
            let at = |name: &str| self.folder.path().join(name).display().to_string();
            let (alive, go, touched) = (at("alive"), at("go"), at("touched"));
            format!("(exec 3>{alive}; echo up >&3; read x <{go}; echo >{touched}) & {then}")
        }

        /// Until the child is there.
        fn up(&mut self) {
            let mut line = String::new();
            self.alive.read_line(&mut line).unwrap();
            assert_eq!(line, "up\n");
        }

        /// Lets the child go on, and whether it did before all of them were gone.
        fn marks(mut self) -> bool {
            self.let_go.write_all(b"go\n").unwrap();
            // Only what the child has open keeps this one from its end, once ours is closed.
            let mut alive = File::open(self.folder.path().join("alive")).unwrap();
            drop(self.alive);
            alive.read_to_end(&mut Vec::new()).unwrap();
            self.folder.path().join("touched").exists()
        }
    }

    #[tokio::test]
    async fn what_a_program_has_started_does_not_outlive_the_question() {
        let mut family = Family::new();
        let script = family.script("wait");
        let asking = tokio::spawn(async move { answer(&script).await });
        let family = tokio::task::spawn_blocking(move || {
            family.up();
            family
        });
        let family = family.await.unwrap();
        asking.abort();
        assert!(asking.await.unwrap_err().is_cancelled());
        assert!(!family.marks());
    }

    #[tokio::test]
    async fn what_a_program_leaves_behind_ends_with_its_answer() {
        let family = Family::new();
        assert_eq!(answer(&family.script("echo yes")).await.unwrap(), b"yes\n", "though the child has the output open");
        assert!(!family.marks());
    }
}
