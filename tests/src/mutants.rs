//! Broken variants of safety code, each paired with the test that must fail on it: `tests/mutants.toml`.

use crate::repository_root;

/// One variant.
#[derive(Debug)]
pub struct Mutant {
    /// The crate whose test it is.
    pub package: String,
    /// The test binary, `lib` or `bin` for the tests in `src`.
    pub binary: String,
    /// The test, with its modules.
    pub test: String,
    /// The file that is changed, from the root of the repository.
    pub file: String,
    /// What is replaced; it stands once in the file.
    pub find: String,
    /// What is put in its place.
    pub replace: String,
}

/// The list, in its order.
///
/// # Errors
/// What is wrong with it.
pub fn list() -> Result<Vec<Mutant>, String> {
    let path = repository_root().join("tests/mutants.toml");
    parse(&std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?)
}

/// Reads a list.
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &str) -> Result<Vec<Mutant>, String> {
    let table: toml::Table = text.parse().map_err(|error| format!("{error}"))?;
    let entries = table.get("mutants").and_then(toml::Value::as_array).ok_or("no mutants")?;
    entries
        .iter()
        .enumerate()
        .map(|(at, entry)| read(entry).ok_or_else(|| format!("mutant {}: a field is wrong", at + 1)))
        .collect()
}

fn read(entry: &toml::Value) -> Option<Mutant> {
    let text = |key: &str| entry.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    let test = text("test")?;
    let [package, binary, name] = test.split(' ').collect::<Vec<_>>().try_into().ok()?;
    let (package, binary, test) = (package.to_owned(), binary.to_owned(), name.to_owned());
    let (file, find, replace) = (text("file")?, text("find")?, text("replace")?);
    Some(Mutant { package, binary, test, file, find, replace })
}

impl Mutant {
    /// The file's text with the variant in it.
    ///
    /// # Errors
    /// What is to be replaced does not stand there once.
    pub fn apply(&self, text: &str) -> Result<String, String> {
        match text.matches(&self.find).count() {
            1 => Ok(text.replacen(&self.find, &self.replace, 1)),
            count => Err(format!("{}: `{}` stands there {count} times, not once", self.file, self.find)),
        }
    }

    /// The test's name without its modules.
    #[must_use]
    pub fn test_name(&self) -> &str {
        self.test.rsplit("::").next().unwrap_or(&self.test)
    }
}
