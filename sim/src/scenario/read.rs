//! Strict reading of TOML: tables know which keys they may have, and values say where they stand.

use super::near::nearest;
use super::problem::Problem;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A table whose keys are all known.
pub(crate) struct Section<'a> {
    source: &'a str,
    path: String,
    at: usize,
    table: &'a DeTable<'a>,
}

/// A value and where it stands.
pub(crate) struct Value<'a> {
    source: &'a str,
    path: String,
    at: usize,
    value: &'a DeValue<'a>,
}

/// Parses TOML, or says in which line it is none.
pub(crate) fn document(source: &str) -> Result<Spanned<DeTable<'_>>, Problem> {
    DeTable::parse(source).map_err(|error| Problem {
        code: "SCENARIO_SYNTAX",
        line: line_at(source, error.span().map_or(0, |span| span.start)),
        key: String::new(),
        detail: error.message().to_owned(),
    })
}

fn line_at(source: &str, at: usize) -> usize {
    source.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

impl<'a> Section<'a> {
    /// The file's outermost table.
    pub(crate) fn root(source: &'a str, table: &'a DeTable<'a>, keys: &[&str]) -> Result<Self, Problem> {
        Self { source, path: String::new(), at: 0, table }.checked(keys)
    }

    fn checked(self, known: &[&str]) -> Result<Self, Problem> {
        let first_unknown =
            self.table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())).min_by_key(|key| key.span().start);
        let Some(key) = first_unknown else { return Ok(self) };
        let name = key.get_ref().as_ref();
        let hint = nearest(name, known.iter().copied())
            .map_or_else(|| format!("known keys are {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
        Err(Problem {
            code: "SCENARIO_UNKNOWN_KEY",
            line: line_at(self.source, key.span().start),
            key: self.inner(name),
            detail: format!("unknown key, {hint}"),
        })
    }

    fn inner(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The value of a key, if it is there.
    pub(crate) fn value(&self, key: &str) -> Option<Value<'a>> {
        let (_, value) = self.table.iter().find(|(name, _)| name.get_ref().as_ref() == key)?;
        Some(Value { source: self.source, path: self.inner(key), at: value.span().start, value: value.get_ref() })
    }

    /// All keys with their values, in the order of the file.
    pub(crate) fn entries(&self) -> Vec<(&'a str, Value<'a>)> {
        let mut keys: Vec<_> = self.table.keys().map(|key| (key.span().start, key.get_ref().as_ref())).collect();
        keys.sort_unstable();
        keys.into_iter().filter_map(|(_, key)| Some((key, self.value(key)?))).collect()
    }

    /// Reads a key that may be missing.
    pub(crate) fn get<T>(
        &self,
        key: &str,
        read: impl FnOnce(&Value<'a>) -> Result<T, Problem>,
    ) -> Result<Option<T>, Problem> {
        self.value(key).map(|value| read(&value)).transpose()
    }

    /// Reads a key that must be there.
    pub(crate) fn need<T>(&self, key: &str, read: impl FnOnce(&Value<'a>) -> Result<T, Problem>) -> Result<T, Problem> {
        self.get(key, read)?.ok_or_else(|| Problem {
            code: "SCENARIO_MISSING_KEY",
            line: line_at(self.source, self.at),
            key: self.inner(key),
            detail: "missing".to_owned(),
        })
    }

    /// A problem with the table as a whole.
    pub(crate) fn problem(&self, code: &'static str, detail: impl Into<String>) -> Problem {
        Problem { code, line: line_at(self.source, self.at), key: self.path.clone(), detail: detail.into() }
    }
}

impl<'a> Value<'a> {
    /// A problem with this value.
    pub(crate) fn problem(&self, code: &'static str, detail: impl Into<String>) -> Problem {
        Problem { code, line: line_at(self.source, self.at), key: self.path.clone(), detail: detail.into() }
    }

    fn wrong(&self, expected: &str) -> Problem {
        let found = match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a decimal number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.problem("SCENARIO_WRONG_TYPE", format!("expected {expected}, found {found}"))
    }

    /// A string.
    pub(crate) fn text(&self) -> Result<&'a str, Problem> {
        self.value.as_str().ok_or_else(|| self.wrong("a string"))
    }

    /// A string that means something.
    pub(crate) fn read<T>(
        &self,
        code: &'static str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Problem> {
        let text = self.value.as_str().ok_or_else(|| self.wrong(expected))?;
        read(text.trim()).ok_or_else(|| self.problem(code, format!("expected {expected}, found \"{text}\"")))
    }

    /// A string with a quantity.
    pub(crate) fn quantity<T>(&self, expected: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<T, Problem> {
        // A bare number is the usual slip.
        match self.value {
            DeValue::Integer(_) | DeValue::Float(_) => {
                Err(self.problem("SCENARIO_UNIT", format!("expected {expected}, found a number without unit")))
            }
            _ => self.read("SCENARIO_UNIT", expected, read),
        }
    }

    /// A duration.
    pub(crate) fn duration(&self) -> Result<u64, Problem> {
        self.quantity("a time like \"30s\" or \"250ms\"", super::quantity::duration)
    }

    /// A name out of a list.
    pub(crate) fn name<T: Copy>(&self, what: &str, known: &[(T, &str)]) -> Result<T, Problem> {
        let text = self.value.as_str().ok_or_else(|| self.wrong(what))?;
        self.named(text, what, known)
    }

    /// Part of this value is a name out of a list.
    pub(crate) fn named<T: Copy>(&self, text: &str, what: &str, known: &[(T, &str)]) -> Result<T, Problem> {
        if let Some((value, _)) = known.iter().find(|(_, name)| *name == text) {
            return Ok(*value);
        }
        let names: Vec<_> = known.iter().map(|(_, name)| *name).collect();
        let hint = nearest(text, names.iter().copied())
            .map_or_else(|| format!("known are {}", names.join(", ")), |near| format!("did you mean \"{near}\"?"));
        Err(self.problem("SCENARIO_UNKNOWN_NAME", format!("\"{text}\" is not {what}, {hint}")))
    }

    /// An integer in a range.
    pub(crate) fn integer<T: TryFrom<u64>>(&self, least: u64, most: u64) -> Result<T, Problem> {
        let integer = self.value.as_integer().ok_or_else(|| self.wrong("an integer"))?;
        let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let fits = number.filter(|number| (least..=most).contains(number));
        fits.and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| self.problem("SCENARIO_VALUE", format!("expected {least} to {most}, found {integer}")))
    }

    /// True or false.
    pub(crate) fn boolean(&self) -> Result<bool, Problem> {
        self.value.as_bool().ok_or_else(|| self.wrong("true or false"))
    }

    /// A list.
    pub(crate) fn list(&self) -> Result<Vec<Self>, Problem> {
        let items = self.value.as_array().ok_or_else(|| self.wrong("a list"))?;
        Ok(items.iter().enumerate().map(|(index, item)| self.item(index, item)).collect())
    }

    /// A list, or a single string that stands for a list of one.
    pub(crate) fn one_or_list(&self) -> Result<Vec<Self>, Problem> {
        match self.value {
            DeValue::String(_) => Ok(vec![Self { path: self.path.clone(), ..*self }]),
            DeValue::Array(_) => self.list(),
            _ => Err(self.wrong("a string or a list of strings")),
        }
    }

    fn item(&self, index: usize, item: &'a Spanned<DeValue<'a>>) -> Self {
        let path = format!("{}[{index}]", self.path);
        Self { source: self.source, path, at: item.span().start, value: item.get_ref() }
    }

    /// A table with these keys.
    pub(crate) fn section(&self, keys: &[&str]) -> Result<Section<'a>, Problem> {
        self.open_section()?.checked(keys)
    }

    /// A table with keys of the file's choice.
    pub(crate) fn open_section(&self) -> Result<Section<'a>, Problem> {
        let table = self.value.as_table().ok_or_else(|| self.wrong("a table"))?;
        Ok(Section { source: self.source, path: self.path.clone(), at: self.at, table })
    }
}
