//! Child processes of a test: started, signalled, looked at. None outlives the test, however it ends.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long anything may take. It only decides when a test gives up, never whether it passes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(20);

/// Looks until the condition holds. The last reason why it did not is the failure's text.
pub(crate) fn until<T>(what: &str, look: impl FnMut() -> Result<T, String>) -> T {
    until_at(POLL, what, look)
}

/// The same at another interval.
pub(crate) fn until_at<T>(interval: Duration, what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(missing) if Instant::now() >= deadline => panic!("waited {PATIENCE:?} for {what}: {missing}"),
            Err(_) => thread::park_timeout(interval),
        }
    }
}

/// Says which step of a test runs, so that a failure names it.
pub(crate) fn step<T>(name: &str, body: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    eprintln!("step: {name}");
    let found = body();
    eprintln!("      {} ms", start.elapsed().as_millis());
    found
}

/// The binary under test, built beside this one. Cargo does not build it for tests of another package, so that one
/// from yesterday or from another clone could be there.
pub(crate) fn binary() -> PathBuf {
    static CHECKED: OnceLock<PathBuf> = OnceLock::new();
    CHECKED.get_or_init(|| checked(&env::current_exe().expect("a test knows its own file"))).clone()
}

fn checked(test: &Path) -> PathBuf {
    let (folder, command) = (test.ancestors().nth(2).expect("test binaries lie in deps/"), BUILD);
    let path = folder.join("firn");
    assert!(path.is_file(), "{} is missing; run: {command}", path.display());
    let sources = fs::read_to_string(path.with_extension("d")).expect("cargo lists what it built the binary from");
    let (_, sources) = sources.trim().split_once(": ").expect("a rule");
    let changed = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified());
    let built = changed(&path).expect("a file has a time");
    for source in sources.replace("\\ ", "\0").split(' ').map(|source| PathBuf::from(source.replace('\0', " "))) {
        let ours = [firn_tests::repository_root().as_path(), folder].iter().any(|root| source.starts_with(root));
        assert!(ours, "{} was built from {}; run: {command}", path.display(), source.display());
        let fresh = changed(&source).is_ok_and(|changed| changed <= built);
        assert!(fresh, "{} is older than {}; run: {command}", path.display(), source.display());
    }
    path
}

const BUILD: &str = "cargo build --workspace --all-targets";

/// The chain: `ANVIL_BIN`, or the one of the contracts' npm packages.
pub(crate) fn anvil_binary() -> PathBuf {
    let package = firn_tests::repository_root().join("contracts/node_modules/.bin/anvil");
    let named = env::var_os("ANVIL_BIN").filter(|path| !path.is_empty()).map(PathBuf::from);
    let path = named.unwrap_or(package);
    assert!(path.is_file(), "{} is missing; run: make setup", path.display());
    path
}

/// A wallet on the command line, of the contracts' npm packages.
pub(crate) fn cast() -> Command {
    let path = firn_tests::repository_root().join("contracts/node_modules/.bin/cast");
    assert!(path.is_file(), "{} is missing; run: make setup", path.display());
    Command::new(path)
}

/// A `firn` command without the settings of whoever runs the tests.
pub(crate) fn firn<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Command {
    let mut command = Command::new(binary());
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("FIRN_")) {
        command.env_remove(name);
    }
    command.args(arguments);
    command
}

/// A running child.
pub(crate) struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Starts it; what it prints is appended to `log`.
    pub(crate) fn start(mut command: Command, name: &str, log: &Path) -> Self {
        let file = OpenOptions::new().append(true).create(true).open(log).expect("the log can be written");
        let copy = file.try_clone().expect("the log can be shared");
        command.stdin(Stdio::null()).stdout(file).stderr(copy);
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Self { child, name: name.to_owned() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// As a power cut would: back only when it is gone.
    pub(crate) fn kill(mut self) {
        assert_eq!(self.ended(), None, "{} ended by itself", self.name);
        self.child.kill().expect("a running process can be killed");
        self.child.wait().expect("a killed process ends");
    }

    /// Asks it to end, and says how it did.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let name = self.name.clone();
        until(&format!("{name} to end"), || self.ended().ok_or_else(|| "it runs".to_owned()))
    }

    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be asked")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a command that has ended left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The output of a command that succeeded.
    pub(crate) fn success(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    /// What `firn status` printed, whose exit code says whether the node is ready.
    pub(crate) fn shown(self) -> String {
        assert!([Some(0), Some(4)].contains(&self.code) && !self.stdout.is_empty(), "{self:?}");
        self.stdout
    }

    /// The JSON document that a successful command printed.
    pub(crate) fn json(self) -> Value {
        let text = self.success();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
    }

    /// Checks a refusal in JSON, the last line on standard error, and returns its cause.
    pub(crate) fn refused(&self, code: &str, exit: i32) -> String {
        assert_eq!(self.code, Some(exit), "{self:?}");
        let line = self.stderr.lines().rfind(|line| !line.is_empty()).unwrap_or_default();
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {self:?}"));
        assert_eq!(value["error"]["code"], code, "{self:?}");
        let part = |name: &str| value["error"][name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        assert!(part("next_step").is_some(), "no next step: {self:?}");
        part("cause").unwrap_or_else(|| panic!("no cause: {self:?}"))
    }

    /// Checks the same refusal as people see it.
    pub(crate) fn refused_in_text(&self, code: &str, exit: i32) {
        assert_eq!(self.code, Some(exit), "{self:?}");
        let start = self.stderr.find(&format!("error: {code}: ")).unwrap_or_else(|| panic!("no {code} in {self:?}"));
        let next = self.stderr[start..].split_once("\n  next: ").map(|(_, next)| next.trim());
        assert!(next.is_some_and(|next| !next.is_empty()), "no next step: {self:?}");
    }
}

/// Runs a command to its end, which must come by itself.
pub(crate) fn run(mut command: Command) -> Ended {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let paths = [folder.path().join("out"), folder.path().join("err")];
    let [out, err] = paths.each_ref().map(|path| File::create(path).expect("a file in a temporary folder"));
    let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
    let mut process = Process { child: child.expect("the command can be started"), name: format!("{command:?}") };
    let status = process.wait();
    let [stdout, stderr] = paths.map(|path| fs::read_to_string(path).expect("the output is UTF-8"));
    Ended { code: status.code(), stdout, stderr }
}

/// Runs `firn` with these arguments.
pub(crate) fn cli<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Ended {
    run(firn(arguments))
}

/// Checks that `firn` refuses with this code, in JSON and in text, and returns the cause.
pub(crate) fn cli_refuses(arguments: &[&str], code: &str, exit: i32) -> String {
    cli(arguments).refused_in_text(code, exit);
    cli(&[arguments, &["--output", "json"]].concat()).refused(code, exit)
}
