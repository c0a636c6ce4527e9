//! `firn key rotate`: the plan of a rotation, out of the definition alone.

use super::timeline::{Naming, Plan, plan};
use crate::cli::member::InForceArgs;
use crate::cli::member::edit::{exposure, find, name, unknown_key};
use crate::cli::network::{ProposalFiles, fingerprint};
use crate::cli::{Output, document, print, quoted};
use crate::failure::{Exit, Failure};
use crate::runtime::wall_time;
use crate::schedule::moment;
use clap::Args;
use firn_proto::Definition;
use firn_proto::definition::{Content, KeyDefinition};
use serde_json::json;
use std::fmt::Write;
use std::path::PathBuf;
use time::{Date, Month, Time};

/// Which key, and who shall hold its successor.
#[derive(Args)]
pub(crate) struct RotateArgs {
    /// The key that another takes the place of.
    #[arg(long)]
    key: String,
    /// The new key's name; the old one's with the next number without it.
    #[arg(long)]
    name: Option<String>,
    /// A member of the old key that shall not be one of the new key, by name or number. Repeatable.
    #[arg(long, value_name = "NODE")]
    without: Vec<String>,
    /// A node that shall be a member of the new key as well. Repeatable.
    #[arg(long, value_name = "NODE")]
    with: Vec<String>,
    /// How many members of the new key sign; as many as of the old one without it.
    #[arg(long)]
    threshold: Option<u16>,
    /// The day on which it begins, as YYYY-MM-DD; now without it.
    #[arg(long, value_name = "DATE", value_parser = date)]
    start: Option<u64>,
    /// How many days the organisations take to sign a version.
    #[arg(long, default_value_t = 3)]
    days_to_sign: u16,
    #[command(flatten)]
    in_force: InForceArgs,
    /// Also write the version with the new key, for `firn network accept`.
    #[arg(long, value_name = "FILE", requires = "block")]
    out: Option<PathBuf>,
    /// The finalised block from which on that version is in force.
    #[arg(long, requires = "out")]
    block: Option<u64>,
}

pub(super) fn run(args: &RotateArgs, output: Output) -> Result<(), Failure> {
    let current = args.in_force.read()?;
    let old = current.key(&args.key).ok_or_else(|| unknown_key(&args.key))?;
    let new = args.successor(&current, old)?;
    let mut content: Content = (*current).clone();
    content.keys.push(new.clone());
    content.keys.sort_by(|a, b| a.name.cmp(&b.name));
    // Whatever is wrong with the new key is said before anybody plans with it.
    let proposed = current.succeeded_by(content, args.block.unwrap_or_default())?;
    let naming = Naming {
        old: &old.name,
        new: &new.name,
        current: args.in_force.file(),
        data_dir: args.in_force.data_dir(),
        out: args.out.clone(),
        choices: args.choices(),
    };
    let plan = plan(&current, old, &naming, args.start.unwrap_or_else(|| wall_time().0), args.days_to_sign);
    if let Some(out) = &args.out {
        ProposalFiles::to(out).write(&proposed)?;
    }
    let departed = current.departed(&old.name);
    let names: Vec<_> =
        departed.iter().flat_map(|departed| departed.nodes.keys()).map(|node| name(&current, *node)).collect();
    let (limit, alarm) =
        departed.as_ref().map_or((old.threshold, false), |departed| (departed.threshold, departed.is_alarm()));
    let members: Vec<_> = new.nodes().map(|node| name(&current, node)).collect();
    let view = json!({
        "key": old.name, "new_key": new.name, "purpose": old.purpose.as_str(), "threshold": new.threshold, "members": members,
        "departed": names, "departed_limit": limit, "alarm": alarm,
        "start": moment(plan.start), "end": moment(plan.end), "waits": plan.waits, "steps": plan.steps, "notes": plan.notes,
        "digest": args.out.as_ref().map(|_| proposed.digest().to_string()),
        "fingerprint": args.out.as_ref().map(|_| fingerprint(proposed.digest())),
    });
    print(output, &document("firn.key-rotation.v1", &view), || {
        let heading = format!(
            "{} ({}) gives way to {}: {} of {} ({})\n{}",
            old.name,
            old.purpose.as_str(),
            new.name,
            new.threshold,
            members.len(),
            members.join(", "),
            exposure(&names, limit, alarm)
        );
        format!("{heading}{}", text(&plan))
    })
}

fn text(plan: &Plan) -> String {
    let mut text = format!("from {} to {}\n", moment(plan.start), moment(plan.end));
    for wait in &plan.waits {
        let _ = writeln!(text, "waits    {} for {}: {}", days(wait.seconds), wait.what, wait.why);
    }
    for (number, step) in plan.steps.iter().enumerate() {
        let _ = writeln!(text, "\n{}. {} ({})", number + 1, step.what, step.who);
        let _ = writeln!(text, "   {} to {}, {}", step.from, step.until, days(step.seconds));
        for command in &step.commands {
            let _ = writeln!(text, "     {command}");
        }
    }
    for note in &plan.notes {
        let _ = writeln!(text, "\nnote: {note}");
    }
    text
}

/// In the largest unit that leaves no more than a digit behind the point.
fn days(seconds: u64) -> String {
    match seconds {
        0 => "at once".to_owned(),
        86_400 => "1 day".to_owned(),
        1..3_600 => format!("{} min", seconds.div_ceil(60)),
        3_600..86_400 => format!("{} h", seconds.div_ceil(3_600)),
        _ => {
            let tenths = seconds.div_ceil(8_640);
            if tenths.is_multiple_of(10) {
                format!("{} days", tenths / 10)
            } else {
                format!("{}.{} days", tenths / 10, tenths % 10)
            }
        }
    }
}

impl RotateArgs {
    /// What was chosen for the new key, for a command that people paste.
    fn choices(&self) -> String {
        let option = |name: &str, value: &str| format!(" --{name} {}", quoted(value));
        let without = self.without.iter().map(|node| option("without", node));
        let with = self.with.iter().map(|node| option("with", node));
        let threshold = self.threshold.map(|threshold| option("threshold", &threshold.to_string()));
        without.chain(with).chain(threshold).collect()
    }

    /// The new key: the old one's members but for those who go, with identifiers of its own.
    fn successor(&self, current: &Definition, old: &KeyDefinition) -> Result<KeyDefinition, Failure> {
        let without = self.without.iter().map(|text| find(current, text)).collect::<Result<Vec<_>, _>>()?;
        let with = self.with.iter().map(|text| find(current, text)).collect::<Result<Vec<_>, _>>()?;
        let stay = old.nodes().filter(|node| !without.contains(node) && !with.contains(node));
        let members = (1..).map(firn_proto::Identifier).zip(stay.chain(with.iter().copied())).collect();
        let name = self.name.clone().unwrap_or_else(|| successor_name(current, &old.name));
        if current.key(&name).is_some() {
            let next = "give another --name: a key's name is used once";
            return Err(Failure::new("KEY_EXISTS", format!("the definition has a key {name}"), next, Exit::Conflict));
        }
        let threshold = self.threshold.unwrap_or(old.threshold);
        Ok(KeyDefinition { name, members, threshold, ..old.clone() })
    }
}

/// `slash` is followed by `slash-2`, and that by `slash-3`.
fn successor_name(current: &Definition, old: &str) -> String {
    let (stem, number) =
        old.rsplit_once('-').and_then(|(stem, number)| Some((stem, number.parse().ok()?))).unwrap_or((old, 1_u32));
    let names = (number.saturating_add(1)..).map(|number| format!("{stem}-{number}"));
    names.into_iter().find(|name| current.key(name).is_none()).unwrap_or_default()
}

fn date(text: &str) -> Result<u64, String> {
    let parts: Vec<_> = text.split('-').collect();
    let read = || {
        let [year, month, day] = parts.as_slice() else { return None };
        let month = Month::try_from(month.parse::<u8>().ok()?).ok()?;
        let date = Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()?;
        u64::try_from(date.with_time(Time::MIDNIGHT).assume_utc().unix_timestamp()).ok()
    };
    read().ok_or_else(|| "expected a day, such as 2026-12-01".to_owned())
}

#[cfg(test)]
mod tests;
