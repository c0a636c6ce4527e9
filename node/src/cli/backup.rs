//! `firn backup`: making, verifying and restoring backups (docs/how-to/backup.md).

use super::{Output, PassphraseArgs, document, print, quoted, read_config};
use crate::backup::file::{self, Backup};
use crate::backup::marks::{self, Event, Mark};
use crate::backup::{Inside, certified_keys, people, restore};
use crate::data_dir::{DataDir, files};
use crate::failure::{Exit, Failure};
use crate::host::versions::with_earlier;
use crate::keystore::{KdfProfile, Passphrase, PassphraseSource};
use crate::runtime::wall_time;
use clap::{Args, Subcommand};
use firn_proto::certificate::KeyCertificate;
use firn_proto::{Code, Definition, Refusal};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Make, verify and restore backups of a node's key shares.
#[derive(Subcommand)]
pub(crate) enum BackupCommand {
    /// Write a backup, encrypted for people. The node may run.
    Create(CreateArgs),
    /// Prove that a backup decrypts and that each share in it is the certified one. Writes no plaintext.
    Verify(FileArgs),
    /// Restore a backup into a stopped node's data directory, or into an empty one. The node then waits for other members.
    Restore(RestoreArgs),
    /// Restore into a throw-away directory, open the vault from there, and erase it.
    Drill(DrillArgs),
    /// Show when backups of each key and epoch were made and verified.
    Status {
        /// The node's data directory; the node may run.
        #[arg(long, env = "FIRN_DATA_DIR")]
        data_dir: PathBuf,
    },
}

#[derive(Args)]
pub(crate) struct CreateArgs {
    /// The node's data directory.
    #[arg(long, env = "FIRN_DATA_DIR")]
    data_dir: PathBuf,
    /// File to write; `firn-NODE-TIME.age` in this folder where it is not given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Who can decrypt it, age1...; those of the configuration where none is given. Repeatable.
    #[arg(long = "recipient", value_name = "RECIPIENT")]
    recipients: Vec<String>,
    /// Keep also who the node is: the vault's root secret, transport identity, relayer key and config.toml.
    #[arg(long)]
    with_identity: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

/// A backup, and what it is judged by.
#[derive(Args)]
pub(crate) struct FileArgs {
    /// The backup.
    file: PathBuf,
    /// Key file of a recipient, as age-keygen or a plugin writes it.
    #[arg(long, value_name = "KEYFILE")]
    identity: PathBuf,
    /// The node's data directory: the backup is judged by its definition, and that it was verified is noted there.
    #[arg(long, env = "FIRN_DATA_DIR", required_unless_present = "network")]
    data_dir: Option<PathBuf>,
    /// Judge it by this network.toml, where there is no data directory.
    #[arg(long, value_name = "FILE")]
    network: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct RestoreArgs {
    /// The backup.
    #[arg(required_unless_present = "without_backup")]
    file: Option<PathBuf>,
    /// Key file of a recipient, as age-keygen or a plugin writes it.
    #[arg(long, value_name = "KEYFILE", required_unless_present = "without_backup")]
    identity: Option<PathBuf>,
    /// Make an empty database where it is lost and there is no backup: the node then has no shares.
    #[arg(long, conflicts_with_all = ["file", "identity", "network"])]
    without_backup: bool,
    /// The data directory of the stopped node, or an empty one.
    #[arg(long, env = "FIRN_DATA_DIR")]
    data_dir: PathBuf,
    /// The network.toml of another member, for an empty directory: the backup is judged by it.
    #[arg(long, value_name = "FILE")]
    network: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

#[derive(Args)]
pub(crate) struct DrillArgs {
    #[command(flatten)]
    file: FileArgs,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

pub(super) fn run(command: BackupCommand, output: Output) -> Result<(), Failure> {
    match command {
        BackupCommand::Create(args) => create(&args, output),
        BackupCommand::Verify(args) => verify(&args, output),
        BackupCommand::Restore(args) => restore(&args, output),
        BackupCommand::Drill(args) => drill(&args, output),
        BackupCommand::Status { data_dir } => status(&data_dir, output),
    }
}

fn create(args: &CreateArgs, output: Output) -> Result<(), Failure> {
    let config = read_config(&args.data_dir)?;
    let recipients = if args.recipients.is_empty() { &config.backup.recipients } else { &args.recipients };
    // Before anybody is asked for a passphrase.
    people::encrypt(&[], recipients, None)?;
    let backup = Inside::look(&args.data_dir, &passphrase(&args.passphrase, &args.data_dir)?)?;
    let backup = backup.backup(args.with_identity)?;
    // What would not be restored is not written either.
    let keys: Vec<_> = backup.check(&backup.definition()?)?.into_iter().map(|key| key.certificate).collect();
    let name = || PathBuf::from(format!("firn-{}-{}.age", backup.manifest.name, backup.manifest.created));
    let file = std::path::absolute(args.out.clone().unwrap_or_else(name));
    let file = file.map_err(|error| Failure::usage(error.to_string(), "name a file with --out"))?;
    let text = people::encrypt(&backup.encode(), recipients, None)?;
    files::write_new(&file, &text).map_err(|error| {
        let next = "name another file with --out; nothing is overwritten";
        Failure::new("BACKUP_FILE", format!("{}: {error}", file.display()), next, Exit::Failure)
    })?;
    marks::note(&args.data_dir, keys.iter(), Event::Made)?;
    let file = file.to_string_lossy();
    let about = json!({
        "file": file, "node": backup.manifest.name, "created": backup.manifest.created,
        "identity": args.with_identity, "recipients": recipients, "keys": keys_json(&keys),
    });
    print(output, &document("firn.backup.v1", &about), || {
        let next = format!("firn backup verify {} --identity KEYFILE --data-dir", quoted(&file));
        let dir = args.data_dir.to_string_lossy();
        format!("{file}\n{}\nNext: {next} {}", keys_text(&keys), quoted(&dir))
    })
}

fn verify(args: &FileArgs, output: Output) -> Result<(), Failure> {
    let backup = read(&args.file, &args.identity)?;
    let keys = backup.check(&backup.judged_by(&args.definition()?)?)?;
    let keys: Vec<_> = keys.into_iter().map(|key| key.certificate).collect();
    args.verified(&backup, &keys)?;
    report("verified", &backup, &keys, "each share is the one that its certificate is about", output)
}

fn drill(args: &DrillArgs, output: Output) -> Result<(), Failure> {
    let mut backup = read(&args.file.file, &args.file.identity)?;
    let definition = args.file.definition()?;
    if let Some(data_dir) = args.file.data_dir.as_deref().filter(|_| backup.secrets.identity.is_none()) {
        backup = backup.with_identity_of(data_dir, &passphrase(&args.passphrase, data_dir)?)?;
    }
    let keys = restore::drill(&backup, &definition)?;
    args.file.verified(&backup, &keys)?;
    report("drilled", &backup, &keys, "restored, opened, made a backup of, and erased", output)
}

fn restore(args: &RestoreArgs, output: Output) -> Result<(), Failure> {
    let (Some(file), Some(identity)) = (&args.file, &args.identity) else {
        let name = restore::from_nothing(&args.data_dir, &passphrase(&args.passphrase, &args.data_dir)?)?;
        let about = json!({ "done": "emptied", "node": name, "keys": [] });
        return print(output, &document("firn.backup.v1", &about), || {
            format!("{name} has an empty database, and is paused\n{}", next_steps(&args.data_dir, &name))
        });
    };
    let backup = read(file, identity)?;
    let keys = if DataDir::is_used(&args.data_dir) {
        restore::into_used(&args.data_dir, &backup, &passphrase(&args.passphrase, &args.data_dir)?)?
    } else {
        let Some(network) = &args.network else {
            let next = "name the network.toml of another member with --network: a backup alone proves nothing";
            return Err(Failure::new("DEFINITION_MISSING", "the directory has no definition", next, Exit::Failure));
        };
        let passphrase = args.passphrase.source().unwrap_or(PassphraseSource::Prompt).read_new()?;
        restore::into_empty(&args.data_dir, &backup, &with_earlier(network)?, &passphrase, KdfProfile::Standard)?
    };
    marks::note(&args.data_dir, keys.iter(), Event::Verified)?;
    let said = format!(
        "restored, and paused until other members confirm this node\n{}",
        next_steps(&args.data_dir, &backup.manifest.name)
    );
    report("restored", &backup, &keys, &said, output)
}

fn next_steps(data_dir: &Path, name: &str) -> String {
    format!(
        "Next: make sure that no other copy of it runs, then\n  firn run --data-dir {}\n\
         `firn status` says who has to confirm it (`firn peer trust {}` at each), and what ends the pause",
        quoted(&data_dir.to_string_lossy()),
        quoted(name)
    )
}

fn status(data_dir: &Path, output: Output) -> Result<(), Failure> {
    let keys = marks::of_certified(data_dir, &certified_keys(data_dir)?)?;
    print(output, &document("firn.backup-status.v1", &json!({ "keys": keys })), || {
        let now = wall_time().0;
        let lines: Vec<_> = keys.iter().map(|mark| mark_text(mark, now)).collect();
        if lines.is_empty() { "no key yet".to_owned() } else { lines.join("\n") }
    })
}

fn mark_text(mark: &Mark, now: u64) -> String {
    let ago = |time: Option<u64>| match time.map(|time| now.saturating_sub(time)) {
        None => "NEVER".to_owned(),
        Some(seconds) if seconds < 2 * 86_400 => format!("{} h ago", seconds / 3_600),
        Some(seconds) => format!("{} days ago", seconds / 86_400),
    };
    format!("{} epoch {}: made {}, verified {}", mark.key, mark.epoch, ago(mark.made), ago(mark.verified))
}

impl FileArgs {
    fn definition(&self) -> Result<Definition, Failure> {
        let ours = || self.data_dir.as_ref().map(|dir| dir.join("network.toml"));
        let file = self.network.clone().or_else(ours);
        let missing = || Failure::usage("nothing to judge the backup by", "name --data-dir or --network");
        with_earlier(&file.ok_or_else(missing)?)
    }

    /// Notes it in the data directory, if that is the one of the backup's node.
    fn verified(&self, backup: &Backup, keys: &[KeyCertificate]) -> Result<(), Failure> {
        let Some(data_dir) = &self.data_dir else { return Ok(()) };
        let node = read_config(data_dir)?.node;
        if node != backup.manifest.name {
            let detail = format!("{}, not {node}", backup.manifest.name);
            return Err(Refusal::new(Code::BackupOtherNode, detail).into());
        }
        marks::note(data_dir, keys.iter(), Event::Verified)
    }
}

fn read(path: &Path, identity: &Path) -> Result<Backup, Failure> {
    let text = file::read(path).map_err(|error| {
        let cause = format!("{}: {error}", path.display());
        Failure::new("BACKUP_FILE", cause, "name a file of `firn backup create`", Exit::Failure)
    })?;
    Ok(Backup::decode(&people::decrypt(&text, identity)?)?)
}

fn passphrase(args: &PassphraseArgs, data_dir: &Path) -> Result<Passphrase, Failure> {
    let configured = || Ok::<_, Failure>(read_config(data_dir)?.unseal.passphrase_file.map(PassphraseSource::File));
    let source = match args.source() {
        Some(source) => Some(source),
        None => configured()?,
    };
    Ok(source.unwrap_or(PassphraseSource::Prompt).read()?)
}

fn keys_json(keys: &[KeyCertificate]) -> Value {
    let key = |key: &KeyCertificate| json!({ "name": key.proposal().key_name, "key_id": key.key_id().0.to_string(), "epoch": key.epoch().0 });
    keys.iter().map(key).collect()
}

fn keys_text(keys: &[KeyCertificate]) -> String {
    let line =
        |key: &KeyCertificate| format!("  {} epoch {} ({})", key.proposal().key_name, key.epoch().0, key.key_id().0);
    keys.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn report(what: &str, backup: &Backup, keys: &[KeyCertificate], said: &str, output: Output) -> Result<(), Failure> {
    let about = json!({
        "done": what, "node": backup.manifest.name, "created": backup.manifest.created,
        "identity": backup.secrets.identity.is_some(), "keys": keys_json(keys),
    });
    print(output, &document("firn.backup.v1", &about), || {
        format!("{what}: the backup of {}\n{}\n{said}", backup.manifest.name, keys_text(keys))
    })
}
