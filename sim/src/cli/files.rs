//! Scenario files on disk.

use super::Output;
use super::terminal::print;
use firn_sim::geography::{Geography, Matrix};
use firn_sim::scenario::Scenario;
use firn_sim::verdict::Exit;
use std::fmt::Display;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A scenario and where it stands.
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) scenario: Scenario,
    /// Places on a matrix that stands beside the file.
    pub(crate) geography: Option<Geography>,
}

/// What the name of a latency matrix ends in.
const MATRIX: &str = ".matrix.toml";

/// Reads files, and all `.toml` files of folders by name, but for latency matrices. A folder may be empty, but not all of them: what reads no scenario
/// would pass without having tried anything.
pub(crate) fn load(paths: &[PathBuf]) -> Result<Vec<File>, String> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let entries = fs::read_dir(path).map_err(|error| format!("{}: {error}", path.display()))?;
            let mut inside: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
            let is_scenario = |name: &str| name.ends_with(".toml") && !name.ends_with(MATRIX);
            inside.retain(|path| path.file_name().is_some_and(|name| is_scenario(&name.to_string_lossy())));
            inside.sort();
            files.extend(inside.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?);
        } else {
            files.push(read(path)?);
        }
    }
    if files.is_empty() {
        let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(format!("nothing to run: no scenario (.toml) in {}", paths.join(", ")));
    }
    Ok(files)
}

/// Reads one file.
pub(crate) fn read(path: &Path) -> Result<File, String> {
    let at = |what: &dyn Display| format!("{}: {what}", path.display());
    let text = fs::read_to_string(path).map_err(|error| at(&error))?;
    let scenario = Scenario::parse(&text).map_err(|problem| at(&problem))?;
    let matrix = path.with_file_name(format!("{}{MATRIX}", scenario.network.latency));
    let at_matrix = |what: &dyn Display| format!("{}: {what}", matrix.display());
    let own = match fs::read_to_string(&matrix) {
        Ok(text) => Some(Matrix::parse(&text).map_err(|invalid| at_matrix(&invalid))?),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(at_matrix(&error)),
    };
    let placed = scenario.place(&text, own.as_ref()).map_err(|problem| at(&problem))?;
    Ok(File { path: path.to_owned(), scenario, geography: own.map(|_| placed) })
}

/// Prints names and sentences.
pub(crate) fn list(paths: &[PathBuf], output: Output) -> Result<Exit, String> {
    let files = load(paths)?;
    if output == Output::Json {
        let of = |file: &File| {
            let scenario = &file.scenario;
            serde_json::json!({ "name": scenario.name, "about": scenario.about, "path": file.path, "seed": scenario.seed })
        };
        print(&format!("{}\n", serde_json::Value::from_iter(files.iter().map(of))));
        return Ok(Exit::Pass);
    }
    for File { scenario, .. } in &files {
        let about = scenario.about.split_whitespace().collect::<Vec<_>>().join(" ");
        print(&format!("{:<34} {about}\n", scenario.name));
    }
    Ok(Exit::Pass)
}
