//! `firn network`: looking at definitions, and changing one: propose, accept, submit (docs/how-to/definition.md).

use super::request::open_keystore;
use super::show::ACCEPTED;
use super::{NodeArgs, Output, PassphraseArgs, check, document, pause, print, talk};
use crate::api::network::{ChangeBody, NetworkView, VersionView};
use crate::data_dir::files;
use crate::failure::{Exit, Failure};
use crate::host::read_definition;
use crate::host::versions::{parse_signatures, signature_lines, signatures_file};
use crate::requester::{sign_definition, typed_definition};
use clap::{Args, Subcommand};
use firn_proto::definition::SignedChange;
use firn_proto::{Definition, Digest};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Look at the network definition, and change it; pause and resume the network.
#[derive(Subcommand)]
pub(crate) enum NetworkCommand {
    /// Show a network.toml with its digest, which all organisations must see alike.
    Show {
        /// The file, or a data directory with one.
        path: PathBuf,
    },
    /// Show what each key of a network.toml holds against, in members and places, and what may not be meant.
    Check {
        /// The file, or a data directory with one.
        path: PathBuf,
    },
    /// Show which version a running node is on, which comes next, and who has that.
    Status {
        #[command(flatten)]
        node: NodeArgs,
        /// Print the network.toml in force and nothing else: the one to edit for the next version.
        #[arg(long)]
        toml: bool,
    },
    /// Show what differs between two definitions, value by value.
    Diff {
        /// The earlier one.
        old: PathBuf,
        /// The later one.
        new: PathBuf,
    },
    /// Make an edited network.toml the next version: a file for admins to sign.
    Propose(ProposeArgs),
    /// Add an admin's signature to a proposed version.
    Accept(AcceptArgs),
    /// Give a signed version to a node, which passes it on to the others.
    Submit {
        /// The file of `firn network propose`, with the signatures of enough organisations.
        change: PathBuf,
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Pause the whole network, as a veto holder: no member lends a share once enough organisations have said so.
    ///
    /// What stops things on chain, with keys of purpose `veto`, is still signed.
    Pause(pause::SignArgs),
    /// Resume the network, as a veto holder. It takes more organisations than pausing.
    Resume(pause::SignArgs),
    /// Put a genesis that every organisation has signed into a new node's data directory.
    Install {
        /// The file of `firn network propose`, with every organisation's signature.
        change: PathBuf,
        /// The node's data directory.
        #[arg(long, env = "FIRN_DATA_DIR")]
        data_dir: PathBuf,
    },
}

/// What is proposed, and from when on.
#[derive(Args)]
pub(crate) struct ProposeArgs {
    /// The edited network.toml.
    edited: PathBuf,
    /// The network.toml in force. Without it the edited one is a genesis.
    #[arg(long, value_name = "FILE", requires = "block")]
    current: Option<PathBuf>,
    /// The finalised block from which on it is in force.
    #[arg(long, requires = "current")]
    block: Option<u64>,
    #[command(flatten)]
    files: ProposalFiles,
}

/// Where a proposal goes.
#[derive(Args)]
pub(super) struct ProposalFiles {
    /// Where to write what is proposed, for `firn network accept`.
    #[arg(long, value_name = "FILE")]
    pub(super) out: PathBuf,
    /// Where to write what a wallet signs (EIP-712, as JSON): cast wallet sign --data --from-file FILE
    #[arg(long, value_name = "FILE")]
    typed_data: Option<PathBuf>,
}

impl ProposalFiles {
    /// One file, and none for a wallet.
    pub(super) fn to(out: &Path) -> Self {
        Self { out: out.to_owned(), typed_data: None }
    }

    /// Writes what is proposed, not signed yet.
    pub(super) fn write(&self, proposed: &Definition) -> Result<(), Failure> {
        write(&self.out, &pretty(&ChangeBody::new(&SignedChange::propose(proposed))))?;
        self.typed_data.as_ref().map_or(Ok(()), |path| write(path, &pretty(&typed_definition(proposed))))
    }
}

/// Who signs, and with what.
#[derive(Args)]
pub(crate) struct AcceptArgs {
    /// The file of `firn network propose`; the signature is added to it.
    change: PathBuf,
    /// The network.toml in force, whose admins may sign. Without it the change is a genesis.
    #[arg(long, value_name = "FILE")]
    current: Option<PathBuf>,
    /// Your key, an encrypted Ethereum JSON keystore.
    #[arg(long, value_name = "FILE", required_unless_present = "signature")]
    keystore: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    /// A wallet's signature: 0x and 130 hexadecimal digits.
    #[arg(long, value_name = "HEX", conflicts_with = "keystore")]
    signature: Option<String>,
}

pub(super) async fn network(command: NetworkCommand, output: Output) -> Result<(), Failure> {
    match command {
        NetworkCommand::Show { path } => {
            let definition = definition_at(path)?;
            print(output, &document("firn.network.v1", &as_json(&definition)), || as_text(&definition))
        }
        NetworkCommand::Check { path } => check::check(&definition_at(path)?, output),
        NetworkCommand::Status { node, toml } => status(&node.client()?.network().await?, toml, output),
        NetworkCommand::Diff { old, new } => {
            let changes = diff(&read_definition(&old)?, &read_definition(&new)?);
            print(output, &document("firn.network-diff.v1", &json!({ "changes": changes })), || listed(&changes))
        }
        NetworkCommand::Propose(args) => propose(&args, output),
        NetworkCommand::Accept(args) => accept(&args, output),
        NetworkCommand::Submit { change, node } => {
            let accepted = node.client()?.change(&read_change(&change)?).await?;
            print(output, &document(ACCEPTED, &accepted), || {
                format!(
                    "{}: on disk here and on its way to all; see `firn network status{}`",
                    accepted.id,
                    node.options()
                )
            })
        }
        NetworkCommand::Pause(args) => pause::say(true, &args, output).await,
        NetworkCommand::Resume(args) => pause::say(false, &args, output).await,
        NetworkCommand::Install { change, data_dir } => install(&change, &data_dir, output),
    }
}

fn definition_at(path: PathBuf) -> Result<Definition, Failure> {
    read_definition(&if path.is_dir() { path.join("network.toml") } else { path })
}

fn status(view: &NetworkView, toml: bool, output: Output) -> Result<(), Failure> {
    if toml {
        return super::write_out(&view.current.definition);
    }
    print(output, view, || {
        let mut text = format!("in force   {}\n", version_line(&view.current));
        match &view.next {
            Some(next) => {
                let (block, now) = (next.effective_block, view.finalised_block);
                let _ = writeln!(text, "next       {}", version_line(next));
                let _ = writeln!(text, "           from finalised block {block} on; now at {now}");
                let _ = writeln!(text, "on disk at {}", view.holders.join(", "));
            }
            None => drop(writeln!(text, "next       none; finalised block {}", view.finalised_block)),
        }
        text
    })
}

fn version_line(version: &VersionView) -> String {
    let words = Digest::from_hex(&version.digest).map(fingerprint).unwrap_or_default();
    format!("version {}  {}  {words}", version.version, version.digest)
}

fn propose(args: &ProposeArgs, output: Output) -> Result<(), Failure> {
    let edited = read_definition(&args.edited)?;
    let (proposed, changes) = match (&args.current, args.block) {
        (Some(current), Some(block)) => {
            let current = read_definition(current)?;
            let proposed = current.succeeded_by((*edited).clone(), block)?;
            let changes = diff(&current, &proposed);
            (proposed, changes)
        }
        _ if edited.version() > 1 => {
            let cause = "a later version needs the one that it follows";
            return Err(Failure::usage(cause, "name the network.toml in force with --current, and --block"));
        }
        _ => (edited, Vec::new()),
    };
    args.files.write(&proposed)?;
    let view = json!({
        "version": proposed.version(), "digest": proposed.digest().to_string(),
        "fingerprint": fingerprint(proposed.digest()), "changes": changes,
    });
    print(output, &document("firn.network-proposal.v1", &view), || {
        format!(
            "{}version  {}, from finalised block {} on\ndigest   {}\nwords    {}\n\nRead the words to the others before anybody signs. \
             Next: firn network accept {}",
            listed(&changes),
            proposed.version(),
            proposed.effective_block(),
            proposed.digest(),
            fingerprint(proposed.digest()),
            args.files.out.display(),
        )
    })
}

fn accept(args: &AcceptArgs, output: Output) -> Result<(), Failure> {
    let mut change = read_change(&args.change)?.to_signed()?;
    let proposed = change.definition()?;
    let (signing, needed, changes) = match &args.current {
        Some(current) => {
            let current = read_definition(current)?;
            proposed.clone().after(&current)?;
            let (needed, changes) = (current.change_quorum(), diff(&current, &proposed));
            (current, needed, changes)
        }
        None if proposed.version() > 1 => {
            return Err(Failure::usage(
                "who may sign is in the version in force",
                "name its network.toml with --current",
            ));
        }
        None => (proposed.clone(), proposed.organisations.len(), Vec::new()),
    };
    talk(&format!(
        "{}version  {}, from finalised block {} on\ndigest   {}\nwords    {}",
        listed(&changes),
        proposed.version(),
        proposed.effective_block(),
        proposed.digest(),
        fingerprint(proposed.digest())
    ));
    let signature = match (&args.signature, &args.keystore) {
        (Some(hex), _) => parse_signature(hex)?,
        (None, Some(keystore)) => sign_definition(&proposed, &open_keystore(keystore, &args.passphrase)?)?,
        (None, None) => return Err(Failure::usage("nothing signs", "name a key with --keystore")),
    };
    change.signatures.insert(signature);
    let signed = change.organisations(&proposed, &signing)?;
    write(&args.change, &pretty(&ChangeBody::new(&change)))?;
    let view = json!({ "digest": proposed.digest().to_string(), "signed": signed, "needed": needed });
    print(output, &document("firn.network-signatures.v1", &view), || {
        let names: Vec<_> = signed.iter().map(|(organisation, admin)| format!("{organisation} ({admin})")).collect();
        let next = match (signed.len() >= needed, proposed.version()) {
            (false, _) => "Pass the file on to the next admin.".to_owned(),
            (true, 1) => "Every node: firn network install FILE --data-dir DIR".to_owned(),
            (true, _) => "Give it to any node: firn network submit FILE".to_owned(),
        };
        format!("{} of {needed} organisations have signed: {}\n{next}", signed.len(), names.join(", "))
    })
}

fn install(change: &Path, data_dir: &Path, output: Output) -> Result<(), Failure> {
    let signed = read_change(change)?.to_signed()?;
    let genesis = signed.verify_genesis()?;
    let file = data_dir.join("network.toml");
    if file.exists() && read_definition(&file)?.digest() != genesis.digest() {
        let next = "a definition is changed with `firn network propose`; a new network needs a new data directory";
        return Err(Failure::new(
            "DEFINITION_MISMATCH",
            format!("{} is another one", file.display()),
            next,
            Exit::Conflict,
        ));
    }
    write(&signatures_file(&file), &signature_lines(&signed))?;
    write(&file, &signed.text)?;
    let view = json!({ "digest": genesis.digest().to_string() });
    print(output, &document("firn.network-installed.v1", &view), || {
        format!("{}: {}\n{}", file.display(), genesis.digest(), fingerprint(genesis.digest()))
    })
}

/// Six words of the BIP-39 list: 66 bits of the digest, to be compared over the telephone.
pub(super) fn fingerprint(digest: Digest) -> String {
    let words = bip39::Language::English.word_list();
    let bits = digest.0.iter().take(9).fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte)) >> 6;
    let word = |place: u32| words.get(usize::try_from(bits >> (11 * (5 - place)) & 0x7ff).unwrap_or_default());
    (0..6).filter_map(word).copied().collect::<Vec<_>>().join(" ")
}

/// Every value that differs, by its path, with what it was and what it is.
pub(super) fn diff(old: &Definition, new: &Definition) -> Vec<String> {
    let flat = |definition: &Definition| {
        let mut values = BTreeMap::new();
        // The content alone: what a version names before itself always differs.
        let table: toml::Table = (**definition).to_toml().parse().unwrap_or_default();
        flatten("", &toml::Value::Table(table), &mut values);
        values
    };
    let (old, new) = (flat(old), flat(new));
    let names: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let shown = |value: Option<&String>| value.map_or("nothing", String::as_str).to_owned();
    let differs = |name: &&&String| old.get(**name) != new.get(**name);
    let line = |name: &String| format!("{name}: {} -> {}", shown(old.get(name)), shown(new.get(name)));
    names.iter().filter(differs).map(|name| line(name)).collect()
}

/// Tables of a list go by what names them, so that one more of them moves no other.
fn flatten(path: &str, value: &toml::Value, into: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                flatten(&if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, value, into);
            }
        }
        toml::Value::Array(list) if list.iter().any(toml::Value::is_table) => {
            for (index, entry) in list.iter().enumerate() {
                let names = ["name", "identifier", "avs", "target", "address", "payee", "appointee"];
                let name = names.iter().find_map(|key| entry.get(key));
                let more = ["id", "purpose", "selector", "token"].iter().filter_map(|key| entry.get(key));
                let parts: Vec<_> = name.into_iter().chain(more).map(plain).collect();
                let named = if parts.is_empty() { index.to_string() } else { parts.join("/") };
                flatten(&format!("{path}[{named}]"), entry, into);
            }
        }
        other => drop(into.insert(path.to_owned(), plain(other))),
    }
}

fn plain(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(super) fn listed(changes: &[String]) -> String {
    changes.iter().map(|change| format!("{change}\n")).collect()
}

fn parse_signature(text: &str) -> Result<[u8; 65], Failure> {
    let parsed = parse_signatures(std::iter::once(text)).and_then(|mut parsed| parsed.pop_first());
    parsed.ok_or_else(|| Failure::usage("--signature: 0x and 130 hexadecimal digits", "give what the wallet printed"))
}

fn read_change(path: &Path) -> Result<ChangeBody, Failure> {
    let invalid = |cause: String| {
        let next = "give the file that `firn network propose` wrote";
        Failure::new("CHANGE_FILE", format!("{}: {cause}", path.display()), next, Exit::Failure)
    };
    let text = std::fs::read_to_string(path).map_err(|error| invalid(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| invalid(error.to_string()))
}

fn pretty(value: &impl serde::Serialize) -> String {
    format!("{}\n", serde_json::to_string_pretty(value).unwrap_or_default())
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let written = std::path::absolute(path).and_then(|path| files::replace(&path, text.as_bytes()));
    written.map_err(|error| {
        let next = "give a file in a folder that you may write";
        Failure::new("OUTPUT", format!("{}: {error}", path.display()), next, Exit::Failure)
    })
}

fn as_json(definition: &Definition) -> Value {
    json!({
        "name": definition.name,
        "version": definition.version(),
        "effective_block": definition.effective_block(),
        "previous": definition.previous().map(|digest| digest.to_string()),
        "fingerprint": fingerprint(definition.digest()),
        "digest": definition.digest().to_string(),
        "network": definition.network_id().0.to_string(),
        "chain_id": definition.chain.id,
        "allocation_manager": definition.chain.allocation_manager,
        "nodes": definition.nodes.iter().map(|(id, node)| json!({
            "id": id.0, "name": node.name, "organisation": node.organisation, "region": node.region,
            "provider": node.provider, "peer_id": node.peer_id, "addresses": node.addresses,
        })).collect::<Vec<_>>(),
        "keys": definition.keys.iter().map(|key| json!({
            "name": key.name, "purpose": key.purpose.as_str(), "threshold": key.threshold,
            "members": key.nodes().map(|node| node.0).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "operator_sets": definition.operator_sets.iter().map(|set| json!({
            "avs": set.avs, "id": set.id, "key": set.key,
        })).collect::<Vec<_>>(),
        "requesters": definition.requesters.iter().map(|requester| json!({
            "name": requester.name, "address": requester.address, "operations": requester.operations, "avs": requester.avs,
        })).collect::<Vec<_>>(),
    })
}

/// Writing into a string cannot fail, so the results are dropped.
fn as_text(definition: &Definition) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "network  {} (version {})", definition.name, definition.version());
    let _ = writeln!(text, "digest   {}", definition.digest());
    let _ = writeln!(text, "words    {}", fingerprint(definition.digest()));
    if let Some(previous) = definition.previous() {
        let _ = writeln!(text, "follows  {previous}, from block {} on", definition.effective_block());
    }
    let _ =
        writeln!(text, "chain    {}, AllocationManager {}", definition.chain.id, definition.chain.allocation_manager);
    let _ = writeln!(text, "\nnodes");
    for (id, node) in &definition.nodes {
        let _ = writeln!(
            text,
            "  {:>3}  {:<14} {:<18} {:<12} {}",
            id.0, node.name, node.organisation, node.region, node.peer_id
        );
    }
    let _ = writeln!(text, "\nkeys");
    for key in &definition.keys {
        let members: Vec<_> = key.nodes().map(|node| node.0.to_string()).collect();
        let _ = writeln!(
            text,
            "  {}: {}, {} of {} (nodes {})",
            key.name,
            key.purpose.as_str(),
            key.threshold,
            members.len(),
            members.join(", ")
        );
    }
    let _ = writeln!(text, "\noperator sets");
    for set in &definition.operator_sets {
        let _ = writeln!(text, "  {} / {}: key {}", set.avs, set.id, set.key);
    }
    let _ = writeln!(text, "\nrequesters");
    for requester in &definition.requesters {
        let _ = writeln!(text, "  {} {}: {}", requester.name, requester.address, requester.operations.join(", "));
    }
    text
}
