//! A file's nodes on a matrix of round trips: what is on no map is named with its line.

use super::Scenario;
use super::near::nearest;
use super::parse::keys;
use super::problem::Problem;
use super::read::{Section, Value, document};
use crate::geography::{Geography, Invalid, Matrix, apart};
use std::collections::BTreeSet;

impl Scenario {
    /// Places the nodes of this scenario, which was read from `text`, on a matrix: on `own`, or on a built-in one.
    ///
    /// # Errors
    /// There is no such matrix, or it lacks a region: with the line and the key of the file.
    pub fn place(&self, text: &str, own: Option<&Matrix>) -> Result<Geography, Problem> {
        let built_in = match own {
            Some(_) => None,
            None => Some(Matrix::built_in(&self.network.latency).map_err(|invalid| unknown_matrix(text, invalid))?),
        };
        let Some(matrix) = own.or(built_in.as_ref()) else { unreachable!("one of the two is there") };
        Geography::new(self, matrix).map_err(|invalid| self.astray(text, matrix, invalid))
    }

    /// The first region that is too far from everything.
    fn astray(&self, text: &str, matrix: &Matrix, invalid: Invalid) -> Problem {
        let measured = matrix.regions();
        let own: BTreeSet<_> = self.network.rtt.keys().flat_map(|(a, b)| [a.as_str(), b.as_str()]).collect();
        let (a, b) = apart(self, matrix).unwrap_or_default();
        let strange = |region: &&String| !measured.contains(region.as_str());
        let unknown = [&a, &b].into_iter().find(|region| strange(region) && !own.contains(region.as_str()));
        let Some(region) = unknown.or_else(|| [&a, &b].into_iter().find(strange)) else { return whole(invalid) };
        let known: BTreeSet<_> = measured.union(&own).copied().collect();
        let (code, detail) = match unknown {
            None => ("SCENARIO_VALUE", invalid.detail.clone()),
            Some(_) => {
                let list = || format!("it has {}", known.iter().copied().collect::<Vec<_>>().join(", "));
                let hint =
                    nearest(region, known.iter().copied()).map_or_else(list, |near| format!("did you mean `{near}`?"));
                let rule = "a region of your own needs its round trips under [network.rtt]";
                let name = &matrix.name;
                ("SCENARIO_UNKNOWN_NAME", format!("no region {region} in the matrix {name}, {hint} ({rule})"))
            }
        };
        located(text, |root| {
            let organisations = root.value("org")?.list().ok()?;
            let nodes =
                organisations.iter().filter_map(|one| one.open_section().ok()?.value("nodes")?.open_section().ok());
            let mut entries = nodes.flat_map(|nodes| nodes.entries());
            entries.find(|(name, _)| name == region).map(|(_, value)| value.problem(code, detail.clone()))
        })
        .unwrap_or_else(|| whole(invalid))
    }
}

fn unknown_matrix(text: &str, invalid: Invalid) -> Problem {
    let at = |latency: Value<'_>| latency.problem("SCENARIO_UNKNOWN_NAME", invalid.detail.clone());
    located(text, |root| root.value("network")?.open_section().ok()?.value("latency").map(at))
        .unwrap_or_else(|| whole(invalid))
}

/// Looks for a place in a file that was read before.
fn located(text: &str, find: impl FnOnce(&Section<'_>) -> Option<Problem>) -> Option<Problem> {
    let document = document(text).ok()?;
    find(&Section::root(text, document.get_ref(), keys("")).ok()?)
}

fn whole(invalid: Invalid) -> Problem {
    Problem { code: "SCENARIO_VALUE", line: 1, key: "network.latency".to_owned(), detail: invalid.detail }
}
