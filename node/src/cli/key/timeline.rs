//! The steps of a rotation and how long each takes: what the definition declares of delays on chain, and what people need.

use crate::cli::quoted;
use crate::schedule::moment;
use alloy::primitives::Address;
use firn_proto::Definition;
use firn_proto::definition::declared::Holder;
use firn_proto::definition::{Declared, KeyDefinition, Purpose};
use firn_proto::limits::BLOCK_SECONDS;
use firn_proto::operation::guard::roles;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What EigenLayer's core waits before another slasher of an operator set counts, in blocks: 17.5 days on mainnet.
const SLASHER_BLOCKS: u64 = 126_000;
/// Members accept a key generation within an hour, by `firn dkg propose`'s own default.
const GENERATION: u64 = 3_600;
/// What `firn chain deploy` waits for finality, by its own default.
const DEPLOYMENT: u64 = 1_800;
/// A day for people's approvals and the signing of what governance asks for.
const ASKED: u64 = 86_400;

/// Names in the commands.
pub(super) struct Naming<'a> {
    pub(super) old: &'a str,
    pub(super) new: &'a str,
    pub(super) current: PathBuf,
    pub(super) data_dir: String,
    pub(super) out: Option<PathBuf>,
    /// Options that say the same of the new key again.
    pub(super) choices: String,
}

/// A rotation from its first step to its last, in seconds since the epoch.
pub(super) struct Plan {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) waits: Vec<Wait>,
    pub(super) steps: Vec<Step>,
    pub(super) notes: Vec<String>,
}

/// What the chain makes wait.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Wait {
    pub(super) what: String,
    pub(super) seconds: u64,
    pub(super) why: String,
}

/// One step.
#[derive(Serialize)]
pub(super) struct Step {
    pub(super) what: String,
    pub(super) who: &'static str,
    pub(super) from: String,
    pub(super) until: String,
    pub(super) seconds: u64,
    pub(super) commands: Vec<String>,
}

/// What a key answers for at an AVS.
struct Post<'a> {
    avs: Address,
    /// Roles in the AccessManager with the delay of what is done in them; none where the account itself is the slasher.
    roles: Vec<(u64, u32)>,
    declared: Option<&'a Declared>,
    sets: Vec<u32>,
    wait: Wait,
}

/// Where a key is of use, by what the definition says.
fn posts<'a>(definition: &'a Definition, key: &KeyDefinition) -> Vec<Post<'a>> {
    let sets = definition.operator_sets.iter().filter(|set| set.key == key.name).map(|set| set.avs);
    let listed = definition.authorities.iter().filter(|listed| listed.key == key.name).map(|listed| listed.avs);
    let holder = Holder::Key(key.name.clone());
    let declares = |declared: &Declared| {
        let one = [&declared.slash, &declared.treasury, &declared.governance].into_iter().chain(&declared.veto);
        one.into_iter().any(|held| *held == holder)
    };
    let declared = definition.contracts.iter().filter(|listed| listed.declared.as_ref().is_some_and(declares));
    let avs: BTreeSet<_> = sets.chain(listed).chain(declared.map(|listed| listed.avs)).collect();
    avs.into_iter().map(|avs| post(definition, key, avs, &holder)).collect()
}

fn post<'a>(definition: &'a Definition, key: &KeyDefinition, avs: Address, holder: &Holder) -> Post<'a> {
    let listed = definition.contracts.iter().find(|listed| listed.avs == avs);
    let declared = listed.and_then(|listed| listed.declared.as_ref());
    let sets = definition.operator_sets.iter().filter(|set| set.avs == avs && set.key == key.name);
    let sets: Vec<_> = sets.map(|set| set.id).collect();
    let roles = declared.map(|declared| {
        let delays = declared.delays;
        let mut roles = Vec::new();
        if declared.slash == *holder {
            roles.push((roles::SLASH, delays.slash));
        }
        if declared.treasury == *holder {
            roles.extend([(roles::TREASURY, delays.treasury), (roles::TREASURY_LARGE, delays.treasury_large)]);
        }
        if declared.veto.contains(holder) {
            roles.push((roles::VETO, 0));
        }
        if declared.governance == *holder {
            let all = [
                (roles::GOVERNANCE, delays.governance),
                (roles::RECOVERY, delays.recovery),
                (roles::HANDOVER, delays.hand_over),
            ];
            roles.extend(all);
        }
        roles
    });
    let (roles, what) = (roles.unwrap_or_default(), format!("AVS {avs}"));
    let wait = match declared {
        Some(declared) if roles.iter().all(|(role, _)| *role == roles::VETO) && !roles.is_empty() => {
            let why = "the role's own delay of replacing the veto (delays.recovery)";
            Wait { what, seconds: declared.delays.recovery.into(), why: why.to_owned() }
        }
        Some(declared) if !roles.is_empty() => {
            let why = "the timelock's delay (delays.timelock); EigenLayer's slasher stays the gate";
            Wait { what, seconds: declared.delays.timelock.into(), why: why.to_owned() }
        }
        _ if !sets.is_empty() => {
            let seconds = SLASHER_BLOCKS * definition.chain.block_seconds.unwrap_or(BLOCK_SECONDS);
            let why = format!(
                "EigenLayer's delay of another slasher, {SLASHER_BLOCKS} blocks: the key's own account is the slasher"
            );
            Wait { what, seconds, why }
        }
        _ => Wait { what, seconds: 0, why: "nothing on chain that is declared waits".to_owned() },
    };
    Post { avs, roles, declared, sets, wait }
}

/// Adds steps one after the other.
struct Calendar {
    at: u64,
    steps: Vec<Step>,
}

impl Calendar {
    fn add(&mut self, what: impl Into<String>, who: &'static str, seconds: u64, commands: Vec<String>) {
        let until = self.at.saturating_add(seconds);
        self.steps.push(Step {
            what: what.into(),
            who,
            from: moment(self.at),
            until: moment(until),
            seconds,
            commands,
        });
        self.at = until;
    }
}

/// The whole rotation from `start` on.
pub(super) fn plan(
    definition: &Definition,
    key: &KeyDefinition,
    naming: &Naming<'_>,
    start: u64,
    days_to_sign: u16,
) -> Plan {
    let (posts, mut calendar) = (posts(definition, key), Calendar { at: start, steps: Vec::new() });
    made(&mut calendar, &posts, naming, u64::from(days_to_sign).saturating_mul(86_400));
    swapped(&mut calendar, &posts, naming);
    let waits = posts.iter().map(|post| post.wait.clone()).collect();
    Plan { start, end: calendar.at, waits, steps: calendar.steps, notes: notes(&posts, key) }
}

const ADMINS: &str = "admins of more than half of the organisations";

impl Naming<'_> {
    /// The file that is signed.
    fn file(&self) -> String {
        self.out.as_ref().map_or_else(|| "change.json".to_owned(), |out| quoted(&out.to_string_lossy()))
    }

    fn signing(&self) -> [String; 2] {
        let (file, current) = (self.file(), quoted(&self.current.to_string_lossy()));
        [
            format!("firn network accept {file} --current {current} --keystore FILE"),
            format!("firn network submit {file} --data-dir {}", self.data_dir),
        ]
    }
}

/// The new key and its account.
fn made(calendar: &mut Calendar, posts: &[Post<'_>], naming: &Naming<'_>, signing: u64) {
    let (new, dir, file) = (quoted(naming.new), &naming.data_dir, naming.file());
    let propose = naming.out.is_none().then(|| {
        let (old, current) = (quoted(naming.old), quoted(&naming.current.to_string_lossy()));
        format!("firn key rotate --key {old} --name {new}{} --current {current} --block N --out {file}", naming.choices)
    });
    let version = propose.into_iter().chain(naming.signing()).collect();
    calendar.add(format!("A version with the key {}", naming.new), ADMINS, signing, version);
    let generation = [
        format!("firn dkg propose {new} --data-dir {dir}"),
        "firn dkg accept KEY_ID --data-dir DIR, at every other member".to_owned(),
        format!("firn dkg status --data-dir {dir}"),
    ];
    calendar.add("Key generation, and a backup of every share", "the members", GENERATION, generation.into());
    let deploy = posts.iter().map(|post| {
        let (avs, files) = (post.avs, "--declared declared.toml --keystore payer.json");
        format!("firn chain deploy --avs {avs} {files} --data-dir {dir} --accounts-only --execute")
    });
    calendar.add("The new account on chain", "anybody, for gas", DEPLOYMENT, deploy.collect());
}

/// The new account in the old one's place.
fn swapped(calendar: &mut Calendar, posts: &[Post<'_>], naming: &Naming<'_>) {
    let dir = &naming.data_dir;
    let asks =
        |step: &str, deadline: u64| posts.iter().flat_map(|post| requests(post, step, deadline)).collect::<Vec<_>>();
    let governance = "the governance key";
    let named = posts.iter().all(|post| post.roles.is_empty());
    let first = if named { "The new account is named as slasher" } else { "Grant and revoke, scheduled" };
    calendar.add(first, governance, ASKED, asks("schedule", calendar.at.saturating_add(ASKED)));
    let wait = posts.iter().map(|post| post.wait.seconds).max().unwrap_or_default();
    let watch = vec![format!("firn watch --data-dir {dir}")];
    calendar.add("The delay on chain: all watch, and the veto can still stop it", "everybody", wait, watch);
    let executes = asks("execute", calendar.at.saturating_add(ASKED));
    if !executes.is_empty() {
        calendar.add("Grant and revoke, executed", governance, ASKED, executes);
    }
    let declares = [redeclared(posts, naming)].into_iter().chain(naming.signing()).chain(verify(posts, dir)).collect();
    let version = "A version that declares the new key, signed ahead and in force on the day of the step before";
    calendar.add(version, ADMINS, 0, declares);
    let retired = format!(
        "{} is retired: no role on chain, no request names it; its entry stays, its backups are destroyed",
        naming.old
    );
    calendar.add(retired, "the members", 0, Vec::new());
}

/// What governance is asked for at an AVS, as the operations that `firn request submit` takes.
fn requests(post: &Post<'_>, step: &str, deadline: u64) -> Vec<String> {
    let account = "<governance account>";
    let common = json!({ "avs": post.avs, "account": account, "nonce": "<fresh>", "deadline": deadline });
    let submit = |kind: &str, fields: Value| {
        let mut operation = common.clone();
        if let (Some(into), Some(fields)) = (operation.as_object_mut(), fields.as_object()) {
            into.extend(fields.clone());
        }
        format!("firn request submit --file FILE --keystore REQUESTER, the file being {}", json!({ kind: operation }))
    };
    if post.roles.is_empty() {
        // The core's own delay begins with the request: there is nothing to execute afterwards.
        let named = |set: &u32| submit("update_slasher", json!({ "operator_set_id": set, "slasher": "<new account>" }));
        return if step == "schedule" { post.sets.iter().map(named).collect() } else { Vec::new() };
    }
    let timelock = post.declared.map_or(0, |declared| declared.delays.timelock);
    let both = |(role, delay): &(u64, u32)| {
        // The veto is changed through the AccessManager, where a role's own delay holds and no reference has a place.
        let (wait, reference) = match (*role == roles::VETO, step) {
            (true, _) => (0, "<zero>"),
            (false, "schedule") => (timelock, "<32 bytes, the same in both steps>"),
            (false, _) => (0, "<32 bytes, the same in both steps>"),
        };
        let said = json!({ "role": role, "step": step, "delay": wait, "reference": reference });
        let mut grant = said.clone();
        if let Some(fields) = grant.as_object_mut() {
            fields.insert("member".to_owned(), "<new account>".into());
            fields.insert("execution_delay".to_owned(), (*delay).into());
        }
        let mut revoke = said;
        if let Some(fields) = revoke.as_object_mut() {
            fields.insert("member".to_owned(), "<old account>".into());
        }
        [submit("grant_role", grant), submit("revoke_role", revoke)]
    };
    post.roles.iter().flat_map(both).collect()
}

/// What the last version says otherwise.
fn redeclared(posts: &[Post<'_>], naming: &Naming<'_>) -> String {
    let declared = posts.iter().any(|post| !post.roles.is_empty());
    let sets = posts.iter().any(|post| !post.sets.is_empty());
    let tables = [(declared, "[contracts.declared]"), (sets, "[[operator_sets]]"), (!sets, "[[authorities]]")];
    let tables: Vec<_> = tables.into_iter().filter(|(has, _)| *has).map(|(_, table)| table).collect();
    format!("edit: {} in place of {} in {}; then firn network propose", naming.new, naming.old, tables.join(", "))
}

fn verify(posts: &[Post<'_>], dir: &str) -> Vec<String> {
    let declared = posts.iter().filter(|post| post.declared.is_some());
    declared.map(|post| format!("firn chain verify --avs {} --data-dir {dir}", post.avs)).collect()
}

fn notes(posts: &[Post<'_>], key: &KeyDefinition) -> Vec<String> {
    let mut notes = vec![format!(
        "until {} has lost its role, whoever has {} of its shares can act within the limits and delays on chain: if that is likely now, pause first",
        key.name, key.threshold
    )];
    if key.purpose == Purpose::Governance {
        notes.push(
            "the new governance account also becomes the timelock's proposer, and the old one loses that: docs/how-to/rotate-key.md, step 4"
                .to_owned(),
        );
    }
    if posts.is_empty() {
        notes.push(format!(
            "the definition gives {} nothing to do: no operator set, authority or role names it",
            key.name
        ));
    }
    notes.push(
        "dates count from the start given and from what people are given to sign; what waits on chain is the least"
            .to_owned(),
    );
    notes
}
