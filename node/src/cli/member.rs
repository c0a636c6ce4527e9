//! `firn member`: who the members of a key are, a command each; and what to do about an organisation that is expelled
//! (docs/how-to/members.md).

use super::network::{ProposalFiles, fingerprint};
use super::{Output, document, print, quoted};
use crate::failure::{Exit, Failure};
use crate::host::versions::with_earlier;
use clap::{Args, Subcommand};
use edit::{Entry, claims, find};
use firn_proto::Definition;
use firn_proto::definition::Content;
use serde::Serialize;
use serde_json::json;
use std::fmt::Write;
use std::path::{Path, PathBuf};

pub(super) mod edit;
mod expel;

/// Change who the members of a key are.
#[derive(Subcommand)]
pub(crate) enum MemberCommand {
    /// Propose that a node becomes a member of a key.
    Add(AddArgs),
    /// Propose that a node is no member of a key any more.
    Remove(RemoveArgs),
    /// Propose that a node takes another's place among the members of a key.
    Replace(ReplaceArgs),
    /// Say what an organisation keeps that is suspected or expelled, and lead to new keys; with `--reason` also propose the
    /// version without it.
    Expel(expel::ExpelArgs),
}

/// The definition in force.
#[derive(Args)]
pub(crate) struct InForceArgs {
    /// The network.toml in force; versions before it are read from beside it. Without it that in the data directory.
    #[arg(long, value_name = "FILE", required_unless_present = "data_dir")]
    current: Option<PathBuf>,
    /// The data directory of a node.
    #[arg(long, env = "FIRN_DATA_DIR")]
    data_dir: Option<PathBuf>,
}

/// What a proposal names, and where it goes.
#[derive(Args)]
pub(crate) struct ProposalArgs {
    #[command(flatten)]
    in_force: InForceArgs,
    /// The finalised block from which on it is in force.
    #[arg(long)]
    block: u64,
    #[command(flatten)]
    files: ProposalFiles,
}

/// Whose members change, and how many of them sign afterwards.
#[derive(Args)]
pub(crate) struct RosterArgs {
    /// The key's name.
    #[arg(long)]
    key: String,
    /// How many members sign from then on; as many as before without it.
    #[arg(long)]
    threshold: Option<u16>,
}

/// Who becomes a member.
#[derive(Args)]
pub(crate) struct NodeArgs {
    /// A node of the definition by name or number, or the file identity/public.json of a node that is new.
    #[arg(long)]
    node: String,
    /// A new node's organisation.
    #[arg(long)]
    organisation: Option<String>,
    /// A new node's region.
    #[arg(long)]
    region: Option<String>,
    /// A new node's provider.
    #[arg(long)]
    provider: Option<String>,
    /// Where a new node is reached, a multiaddress. Repeatable.
    #[arg(long, value_name = "MULTIADDR")]
    address: Vec<String>,
    /// An admin of a new node's organisation, where that is new as well.
    #[arg(long, value_name = "NAME=ADDRESS")]
    admin: Option<String>,
}

/// [`MemberCommand::Add`]
#[derive(Args)]
pub(crate) struct AddArgs {
    #[command(flatten)]
    roster: RosterArgs,
    #[command(flatten)]
    node: NodeArgs,
    #[command(flatten)]
    proposal: ProposalArgs,
}

/// [`MemberCommand::Remove`]
#[derive(Args)]
pub(crate) struct RemoveArgs {
    #[command(flatten)]
    roster: RosterArgs,
    /// The node that leaves, by name or number.
    #[arg(long)]
    node: String,
    #[command(flatten)]
    proposal: ProposalArgs,
}

/// [`MemberCommand::Replace`]
#[derive(Args)]
pub(crate) struct ReplaceArgs {
    #[command(flatten)]
    roster: RosterArgs,
    /// The node that leaves, by name or number.
    #[arg(long, value_name = "NODE")]
    leaves: String,
    #[command(flatten)]
    node: NodeArgs,
    #[command(flatten)]
    proposal: ProposalArgs,
}

pub(super) fn run(command: &MemberCommand, output: Output) -> Result<(), Failure> {
    let (roster, leaves, joins, proposal) = match command {
        MemberCommand::Add(args) => (&args.roster, None, Some(&args.node), &args.proposal),
        MemberCommand::Remove(args) => (&args.roster, Some(&args.node), None, &args.proposal),
        MemberCommand::Replace(args) => (&args.roster, Some(&args.leaves), Some(&args.node), &args.proposal),
        MemberCommand::Expel(args) => return expel::run(args, output),
    };
    let current = proposal.in_force.read()?;
    let mut content: Content = (*current).clone();
    if let Some(leaves) = leaves {
        let node = find(&content, leaves)?;
        edit::leave(&mut content, &roster.key, node)?;
    }
    if let Some(joins) = joins {
        let entry = joins.entry(&content)?;
        edit::join(&current, &mut content, &roster.key, entry)?;
    }
    if let Some(threshold) = roster.threshold {
        edit::key(&mut content, &roster.key)?.threshold = threshold;
    }
    let proposed = succeed(&current, content, proposal.block)?;
    let claims = claims(&current, &proposed, &roster.key);
    proposal.files.write(&proposed)?;
    let steps = next_steps(&current, &proposed, &roster.key, proposal);
    let view = json!({
        "version": proposed.version(), "digest": proposed.digest().to_string(),
        "fingerprint": fingerprint(proposed.digest()), "effective_block": proposed.effective_block(),
        "file": proposal.files.out, "claims": claims, "next": steps,
    });
    print(output, &document("firn.member-proposal.v1", &view), || {
        format!("{}\n{}\n{}", claims.text(), version_text(&proposed), listed(&steps))
    })
}

/// The version that follows, or what is wrong with it and which thresholds there are.
fn succeed(current: &Definition, content: Content, block: u64) -> Result<Definition, Failure> {
    current.succeeded_by(content, block).map_err(|refusal| {
        let next = if refusal.detail.contains("2 <= t") {
            "give a threshold that fits with --threshold: more than half of the members, and not all of them".to_owned()
        } else {
            refusal.code.next_step().to_owned()
        };
        Failure::new(
            refusal.code.as_str(),
            format!("{}: {}", refusal.code.cause(), refusal.detail),
            next,
            Exit::Refused,
        )
    })
}

impl InForceArgs {
    /// With the versions before it, as far as they are there.
    pub(super) fn read(&self) -> Result<Definition, Failure> {
        with_earlier(&self.file())
    }

    pub(super) fn file(&self) -> PathBuf {
        let ours = || self.data_dir.as_ref().map(|dir| dir.join("network.toml"));
        self.current.clone().or_else(ours).unwrap_or_else(|| PathBuf::from("network.toml"))
    }

    /// The data directory, for commands that people paste.
    pub(super) fn data_dir(&self) -> String {
        self.data_dir.as_ref().map_or_else(|| "DIR".to_owned(), |dir| quoted(&dir.to_string_lossy()))
    }
}

impl NodeArgs {
    fn entry(&self, content: &Content) -> Result<Entry, Failure> {
        if !Path::new(&self.node).is_file() {
            return Ok(Entry::Known(find(content, &self.node)?));
        }
        let (Some(organisation), Some(region), Some(provider)) = (&self.organisation, &self.region, &self.provider)
        else {
            let next = "give its --organisation, --region, --provider and --address";
            return Err(Failure::usage(format!("{} is a new node", self.node), next));
        };
        if self.address.is_empty() {
            return Err(Failure::usage(
                "nobody could reach the new node",
                "give an --address, such as /dns/HOST/tcp/7400",
            ));
        }
        let place = [organisation, region, provider].map(String::as_str);
        let node = edit::described(Path::new(&self.node), place, &self.address)?;
        Ok(Entry::New { node: Box::new(node), admin: self.admin.as_deref().map(edit::admin).transpose()? })
    }
}

/// What happens next, with the commands.
fn next_steps(current: &Definition, proposed: &Definition, key: &str, proposal: &ProposalArgs) -> Vec<String> {
    let (file, in_force) = (shown(&proposal.files.out), shown(&proposal.in_force.file()));
    let (needed, key) = (current.change_quorum(), quoted(key));
    let newcomers = proposed.nodes.iter().filter(|(id, _)| !current.nodes.contains_key(id));
    let newcomers: Vec<_> = newcomers.map(|(_, node)| node.name.as_str()).collect();
    let mut steps = vec![
        format!(
            "Read the words to the others. Admins of {needed} organisations sign: firn network accept {file} --current {in_force} --keystore FILE"
        ),
        format!("Give it to a node: firn network submit {file} --data-dir {}", proposal.in_force.data_dir()),
        format!("From finalised block {} on it is in force. The old shares go on signing.", proposed.effective_block()),
    ];
    if !newcomers.is_empty() {
        steps.push(format!(
            "Start what is new ({}) with the version in force: firn network status --toml --data-dir DIR > network.toml",
            newcomers.join(", ")
        ));
    }
    steps.push(format!("Move the shares, at one member: firn key reshare {key} --data-dir DIR"));
    steps.push(
        "Once the new epoch is active and every new share is backed up, nodes that are in no key may be taken out."
            .to_owned(),
    );
    steps
}

fn version_text(proposed: &Definition) -> String {
    format!(
        "version  {}, from finalised block {} on\ndigest   {}\nwords    {}\n",
        proposed.version(),
        proposed.effective_block(),
        proposed.digest(),
        fingerprint(proposed.digest())
    )
}

fn shown(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

fn listed(steps: &[impl AsRef<str> + Serialize]) -> String {
    let mut text = String::from("next\n");
    for (number, step) in steps.iter().enumerate() {
        let _ = writeln!(text, "  {}. {}", number + 1, step.as_ref());
    }
    text
}
