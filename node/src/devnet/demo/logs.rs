//! The last act: what everybody wrote down, held against what the others have signed, and one byte of it changed.

use super::{ABSENCE, name};
use crate::audit::export;
use crate::devnet::account::Account;
use crate::devnet::change::firn;
use crate::devnet::processes::{Cluster, Look};
use crate::failure::{Exit, Failure};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Exports every node's log, verifies them together, and once more after a change to one of them.
pub(super) async fn shown(cluster: &mut Cluster, account: &Account, dir: &Path) -> Result<(), Failure> {
    let names = cluster.names();
    let running: BTreeSet<_> = cluster.running().into_iter().collect();
    let gone: Vec<_> = names.iter().filter(|name| !running.contains(*name)).cloned().collect();
    cluster.start_nodes(&gone).await?;
    cluster.connected(&names, ABSENCE).await?;
    account.say(format!(
        "{} are started again; all {} have the head of their log cosigned",
        gone.join(" and "),
        names.len()
    ));
    let cosigned = async |cluster: &Cluster| {
        for name in &names {
            // The others may have written in between: asked again, only who lacks the newest is asked.
            cluster.client(name)?.checkpoint().await?;
            let held = cluster.client(name)?.heads().await?;
            let own = held.heads.iter().filter(|head| head.owner == *name && head.size == held.size).count();
            if own + 1 < names.len() {
                return Ok(Look::Waiting(format!("{own} peers have cosigned the head of {name}")));
            }
        }
        Ok(Look::Done(()))
    };
    cluster.wait("every log's head to be cosigned", ABSENCE, cosigned).await?;
    let failed = |error: std::io::Error| Failure::general("DEVNET_IO", error.to_string());
    let mut files = Vec::new();
    for name in &names {
        let path = dir.join(format!("{name}.audit.jsonl"));
        let mut file = std::fs::File::create(&path).map_err(failed)?;
        export(cluster.client(name)?, &mut file).await?;
        files.push(path);
    }
    account.say("`firn audit verify` over all exports says:");
    account.quote(&verify(cluster, &files, true).await?);
    let (victim, path) = (name(&names, 1)?, files.get(1).cloned().unwrap_or_default());
    let text = std::fs::read_to_string(&path).map_err(failed)?;
    let number = text.lines().count() / 2;
    std::fs::write(&path, changed(&text, number)).map_err(failed)?;
    account.say(format!("one byte in the middle of {victim}'s export is changed, and it says:"));
    account.quote(&verify(cluster, &files, false).await?);
    Ok(())
}

/// The text with one hexadecimal digit of this line's entry changed.
fn changed(text: &str, number: usize) -> String {
    let change = |(at, line): (usize, &str)| {
        let Some((start, end)) = line.split_at_checked(line.len() / 2).filter(|_| at == number) else {
            return format!("{line}\n");
        };
        let other = if end.starts_with('0') { "1" } else { "0" };
        format!("{start}{other}{}\n", end.get(1..).unwrap_or_default())
    };
    text.lines().enumerate().map(change).collect()
}

/// What `firn audit verify` prints; it must find what there is, and nothing else.
async fn verify(cluster: &Cluster, files: &[PathBuf], sound: bool) -> Result<String, Failure> {
    let mut arguments = vec!["audit", "verify", "--network"];
    let paths: Vec<_> =
        [cluster.manifest.network_file.as_path()].into_iter().chain(files.iter().map(PathBuf::as_path)).collect();
    arguments.extend(paths.iter().filter_map(|path| path.to_str()));
    let output = firn(&arguments).await?;
    let expected = if sound { Some(0) } else { Some(Exit::Verification as i32) };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    if output.status.code() == expected {
        return Ok(text);
    }
    let next = "this is a defect: report it with the logs";
    Err(Failure::new("DEVNET_AUDIT", format!("`firn audit verify` says: {text}"), next, Exit::Failure))
}
