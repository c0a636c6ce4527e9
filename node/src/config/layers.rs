//! Where each value comes from: flag over environment over file over default.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use toml::{Table, Value};

use super::ConfigError;

/// The layers merged, each value with its origin.
#[derive(Debug)]
pub(crate) struct Layers {
    values: BTreeMap<&'static str, (Value, Origin)>,
}

/// Who set a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody.
    Default,
    /// `config.toml`.
    File,
    /// An environment variable of this name.
    Environment(String),
    /// A command-line flag for this key.
    Flag,
}

/// What stands above the file. Tests give their own; `main` gives the process's.
#[derive(Debug, Default)]
pub(crate) struct Overrides {
    /// Names and values; those that do not start with `FIRN__` are not ours.
    pub(crate) environment: Vec<(String, String)>,
    /// Keys such as `api.listen`, and values.
    pub(crate) flags: Vec<(&'static str, String)>,
}

impl Layers {
    /// Reads the file at `path` and lays the overrides on it.
    pub(crate) fn read(path: &Path, overrides: &Overrides) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Io { path: path.to_owned(), source })?;
        Self::merge(path, &text, overrides)
    }

    /// The same for a file already read.
    pub(crate) fn merge(path: &Path, text: &str, overrides: &Overrides) -> Result<Self, ConfigError> {
        let mut layers = Self { values: BTreeMap::new() };
        for (key, _, default) in KEYS {
            if let Some(default) = default {
                layers.set_text(key, default, Origin::Default)?;
            }
        }
        let file: Table = text.parse().map_err(|error: toml::de::Error| {
            // The parser's own message shows the line, and the line may hold a misplaced secret.
            let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
            ConfigError::Syntax { path: path.to_owned(), line: before.matches('\n').count() + 1 }
        })?;
        layers.set_table("", file)?;
        for (name, value) in &overrides.environment {
            if let Some(key) = name.strip_prefix(ENVIRONMENT_PREFIX) {
                let key = key.to_ascii_lowercase().replace("__", ".");
                layers.set_text(&key, value, Origin::Environment(name.clone()))?;
            }
        }
        for (key, value) in &overrides.flags {
            layers.set_text(key, value, Origin::Flag)?;
        }
        for (key, _, _) in KEYS {
            if !layers.values.contains_key(key) && !OPTIONAL.contains(&key) {
                return Err(ConfigError::MissingKey { key });
            }
        }
        Ok(layers)
    }

    /// Where the value of `key` comes from.
    pub(crate) fn origin(&self, key: &str) -> Origin {
        self.values.get(key).map_or(Origin::Default, |(_, origin)| origin.clone())
    }

    /// Every key that has a value, with its origin.
    #[cfg(test)]
    pub(crate) fn origins(&self) -> impl Iterator<Item = (&'static str, &Origin)> {
        self.values.iter().map(|(key, (_, origin))| (*key, origin))
    }

    pub(super) fn merged(&self) -> Table {
        let mut merged = Table::new();
        for (key, (value, _)) in &self.values {
            match key.rsplit_once('.') {
                None => drop(merged.insert((*key).to_owned(), value.clone())),
                Some((sections, name)) => {
                    let mut table = Some(&mut merged);
                    for section in sections.split('.') {
                        let inner =
                            table.map(|table| table.entry(section).or_insert_with(|| Value::Table(Table::new())));
                        table = inner.and_then(Value::as_table_mut);
                    }
                    table.map(|table| table.insert(name.to_owned(), value.clone()));
                }
            }
        }
        merged
    }

    /// Says which key a value did not fit. The parser knows; its message for a bad address names no value.
    pub(super) fn explain(&self, error: &toml::de::Error) -> ConfigError {
        let message = error.to_string();
        let key = message.lines().filter_map(|line| line.strip_prefix("in `")?.strip_suffix('`')).next_back();
        let key = key.unwrap_or("config").split('[').next().unwrap_or_default();
        ConfigError::invalid(key, self.origin(key), error.message().to_owned())
    }

    fn set_table(&mut self, section: &str, table: Table) -> Result<(), ConfigError> {
        for (name, value) in table {
            let key = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
            let is_section =
                section.is_empty() || KEYS.iter().any(|(known, _, _)| known.starts_with(&format!("{key}.")));
            match value {
                Value::Table(inner) if is_section => self.set_table(&key, inner)?,
                value => self.set(&key, value, Origin::File)?,
            }
        }
        Ok(())
    }

    fn set_text(&mut self, key: &str, text: &str, origin: Origin) -> Result<(), ConfigError> {
        self.set(key, Value::String(text.to_owned()), origin)
    }

    fn set(&mut self, key: &str, value: Value, origin: Origin) -> Result<(), ConfigError> {
        let Some((known, kind, _)) = KEYS.iter().find(|(known, _, _)| *known == key) else {
            return Err(ConfigError::UnknownKey { key: key.to_owned(), origin, nearest: nearest(key) });
        };
        let value = match (kind, value) {
            // One way to write a list in a variable or a flag, and no harm in the file.
            (Kind::List, Value::String(text)) => {
                let items = text.split(',').map(|item| Value::String(item.trim().to_owned()));
                Value::Array(items.collect())
            }
            (Kind::Number, Value::String(text)) => text.parse().map_or(Value::String(text), Value::Integer),
            (_, value) => value,
        };
        let fits = match kind {
            Kind::Text => value.is_str(),
            Kind::List => value.as_array().is_some_and(|items| items.iter().all(Value::is_str)),
            Kind::Number => value.as_integer().is_some_and(|number| number > 0),
            Kind::Tables => value.as_array().is_some_and(|items| items.iter().all(Value::is_table)),
        };
        if !fits {
            return Err(ConfigError::invalid(key, origin, format!("expected {}", kind.expected())));
        }
        self.values.insert(known, (value, origin));
        Ok(())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => write!(out, "default"),
            Self::File => write!(out, "config.toml"),
            Self::Environment(name) => write!(out, "environment variable {name}"),
            Self::Flag => write!(out, "command line"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    List,
    Number,
    /// In the file only.
    Tables,
}

impl Kind {
    fn expected(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::List => "a list of strings",
            Self::Number => "a number above zero",
            Self::Tables => "a list of tables",
        }
    }
}

/// The known key within reach of a slip: up to a third of the letters, or the right name in another section.
fn nearest(key: &str) -> Option<&'static str> {
    let last = |key: &str| key.rsplit('.').next().map(str::to_owned);
    let close = KEYS.iter().map(|(known, _, _)| (distance(key, known), *known)).min();
    let close = close.filter(|(distance, known)| *distance <= known.len() / 3);
    let moved = || KEYS.iter().map(|(known, _, _)| *known).find(|known| last(known) == last(key));
    close.map(|(_, known)| known).or_else(moved)
}

/// Insertions, deletions and replacements between two keys.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (index, from) in left.chars().enumerate() {
        let mut diagonal = index;
        let mut before = index + 1;
        for (to, cell) in right.chars().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal + usize::from(from != to);
            diagonal = *cell;
            before = replaced.min(before + 1).min(*cell + 1);
            *cell = before;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

const ENVIRONMENT_PREFIX: &str = "FIRN__";

/// Every key with its kind and default.
const KEYS: [(&str, Kind, Option<&str>); 32] = [
    ("node", Kind::Text, None),
    ("listen", Kind::List, Some("/ip4/0.0.0.0/tcp/7400, /ip4/0.0.0.0/udp/7400/quic-v1")),
    ("api.listen", Kind::Text, Some("127.0.0.1:7401")),
    ("api.remote.listen", Kind::Text, None),
    ("api.remote.certificate", Kind::Text, None),
    ("api.remote.key", Kind::Text, None),
    ("api.remote.ca", Kind::Text, None),
    ("api.remote.crl", Kind::Text, None),
    ("api.remote.clients", Kind::Tables, None),
    ("backup.recipients", Kind::List, None),
    ("backup.directory", Kind::Text, None),
    ("backup.policy", Kind::Text, Some("required")),
    ("chain.rpc", Kind::List, None),
    ("chain.agree", Kind::Number, Some("2")),
    ("chain.stale_after", Kind::Number, Some("3600")),
    ("chain.fee_max", Kind::Number, Some("500")),
    ("evidence.endpoint", Kind::Text, None),
    ("evidence.command", Kind::List, None),
    ("keys.refresh_after", Kind::Number, None),
    ("keys.refresh_window", Kind::Text, None),
    ("unseal.passphrase_file", Kind::Text, None),
    ("webhook.url", Kind::Text, None),
    ("webhook.secret_file", Kind::Text, None),
    ("schedule.share_epoch", Kind::Text, Some("90d")),
    ("schedule.group_key", Kind::Text, Some("365d")),
    ("schedule.node_identity", Kind::Text, Some("730d")),
    ("schedule.key_encryption_key", Kind::Text, Some("365d")),
    ("schedule.tls", Kind::Text, Some("30d")),
    ("schedule.requester", Kind::Text, Some("365d")),
    ("schedule.approver", Kind::Text, Some("365d")),
    ("schedule.audit_signer", Kind::Text, Some("730d")),
    ("schedule.notice", Kind::Text, Some("14d")),
];

/// May stay without a value.
/// What a section that is there must have, its type says.
const OPTIONAL: [&str; 15] = [
    "keys.refresh_after",
    "keys.refresh_window",
    "api.remote.listen",
    "api.remote.certificate",
    "api.remote.key",
    "api.remote.ca",
    "api.remote.crl",
    "api.remote.clients",
    "backup.recipients",
    "backup.directory",
    "evidence.endpoint",
    "evidence.command",
    "unseal.passphrase_file",
    "webhook.url",
    "webhook.secret_file",
];
