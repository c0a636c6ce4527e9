//! The files under check, and how a problem in one of them is shown.

use std::fmt;
use std::path::Path;
use std::process::Command;

use firn_tests::repository_root;

/// Folders that hold other people's or generated files; only walked without git.
const NOT_OURS: [&str; 5] = [".git", "node_modules", "target", "out", "cache"];

/// What is wrong, where, and what to do about it.
pub(crate) struct Problem {
    path: String,
    line: usize,
    what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// A text file, by its path from the repository's root.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// A file of the repository that must be there.
    pub(crate) fn read(path: &str) -> Self {
        let text = std::fs::read_to_string(repository_root().join(path))
            .unwrap_or_else(|error| panic!("{path}:1: cannot be read: {error}"));
        Self::new(path, &text)
    }

    pub(crate) fn problem(&self, line: usize, what: impl Into<String>) -> Problem {
        Problem { path: self.path.clone(), line, what: what.into() }
    }

    pub(crate) fn has_extension(&self, extensions: &[&str]) -> bool {
        let extension = Path::new(&self.path).extension().and_then(|e| e.to_str());
        extension.is_some_and(|e| extensions.contains(&e))
    }

    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Code that runs in tests only, by where it lies.
    pub(crate) fn is_test(&self) -> bool {
        let stem = self.name().split('.').next().unwrap_or_default();
        let named_so = ["tests", "test"].contains(&stem) || stem.ends_with("_tests") || stem.ends_with("_test");
        named_so || self.path.ends_with(".t.sol") || self.path.split('/').any(|part| part == "tests")
    }

    /// Lines with their numbers, from one.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        numbered(&self.text)
    }
}

pub(crate) fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

/// Every text file that is committed, or would be by `git add`: a fault should show before it is committed.
pub(crate) fn tree() -> Vec<File> {
    let root = repository_root();
    let mut paths = from_git(&root).unwrap_or_else(|| walk(&root, ""));
    paths.sort();
    paths.dedup();
    let read = |path: String| match std::fs::read(root.join(&path)) {
        Ok(bytes) => String::from_utf8(bytes).ok().map(|text| File { path, text }),
        Err(_) => None, // deleted, but still in git's index
    };
    let files: Vec<_> = paths.into_iter().filter_map(read).collect();
    assert!(files.len() > 20, "found only {} files under {}", files.len(), root.display());
    files
}

fn from_git(root: &Path) -> Option<Vec<String>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    let output = git.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.split_terminator('\0').map(str::to_owned).collect())
}

fn walk(root: &Path, below: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root.join(below)).expect("a folder of the repository");
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.expect("an entry of a folder");
        let name = entry.file_name().into_string().expect("a file name in UTF-8");
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        if !entry.path().is_dir() {
            paths.push(path);
        } else if !NOT_OURS.contains(&name.as_str()) {
            paths.extend(walk(root, &path));
        }
    }
    paths
}

/// Fails with one line for each problem.
pub(crate) fn assert_none(problems: &[Problem]) {
    let list: Vec<_> = problems.iter().map(Problem::to_string).collect();
    assert!(list.is_empty(), "{} problem(s):\n{}", list.len(), list.join("\n"));
}

/// Runs a rule over every file.
pub(crate) fn assert_tidy(rule: impl Fn(&File) -> Vec<Problem>) {
    let problems: Vec<_> = tree().iter().flat_map(rule).collect();
    assert_none(&problems);
}

/// The rule must name exactly these lines of the sample.
pub(crate) fn assert_finds(rule: impl Fn(&File) -> Vec<Problem>, path: &str, sample: &str, lines: &[usize]) {
    let problems = rule(&File::new(path, sample));
    let found: Vec<_> = problems.iter().map(|problem| problem.line).collect();
    let shown: Vec<_> = problems.iter().map(Problem::to_string).collect();
    assert_eq!(found, lines, "in {sample:?}: {shown:#?}");
}

#[test]
fn git_and_the_walk_agree_on_the_manifest() {
    let root = repository_root();
    assert!(walk(&root, "").contains(&"Cargo.toml".to_owned()));
    assert!(tree().iter().any(|file| file.path == "Cargo.toml"));
}

#[test]
fn problems_are_shown_with_file_and_line() {
    assert_eq!(File::new("a/b.rs", "").problem(7, "wrong; mend it").to_string(), "a/b.rs:7: wrong; mend it");
}

#[test]
fn test_files_are_told_by_name_and_folder() {
    for path in ["vault/src/seal/tests.rs", "vault/src/seal_tests.rs", "tests/src/lib.rs", "contracts/test/A.t.sol"] {
        assert!(File::new(path, "").is_test(), "{path}");
    }
    for path in ["vault/src/seal.rs", "node/src/attest.rs", "contracts/src/A.sol"] {
        assert!(!File::new(path, "").is_test(), "{path}");
    }
}
