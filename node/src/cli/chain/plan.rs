//! `firn chain plan`: what will be deployed and granted, and what the AVS does in EigenLayer afterwards.

use super::Which;
use crate::chain::authority::abi::{ICore, OperatorSet};
use crate::chain::authority::code::{Predicted, predict};
use crate::chain::authority::{Generation, resolve, role_name};
use crate::cli::{Output, document, print};
use crate::failure::{Exit, Failure};
use alloy::eips::BlockId;
use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, B256, Bytes, FixedBytes, keccak256};
use alloy::providers::{DynProvider, Provider};
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolCall;
use firn_proto::account::{DEPLOYER, VERIFIER_CODE, account_address, account_init_code, verifier_address};
use firn_proto::definition::Contracts;
use firn_proto::definition::declared::Holder;
use firn_proto::limits::BLOCK_SECONDS;
use firn_proto::operation::eigenlayer::IAllocationManager;
use serde::Serialize;
use std::fmt::Write;
use std::path::Path;

/// Calldata longer than this is not printed for people: `--calldata` writes it.
const SHOWN_MAX: usize = 300;

/// What one transaction may create (EIP-3860), arguments and all.
const CREATION_BYTES_MAX: usize = 49_152;

/// Everything there is to do, and what it comes to.
#[derive(Serialize)]
pub(super) struct Plan {
    pub(super) avs: Address,
    pub(super) chain_id: u64,
    pub(super) generation: Generation,
    pub(super) block: u64,
    pub(super) steps: Vec<Step>,
    pub(super) authority: Address,
    roles: Vec<RoleRow>,
    /// What the AVS does in EigenLayer.
    remaining: Vec<Remaining>,
    warnings: Vec<String>,
    /// The entry of the definition's next version.
    entry: String,
    #[serde(skip)]
    pub(super) contracts: Contracts,
}

/// One transaction.
#[derive(Serialize)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) address: Address,
    pub(super) exists: bool,
    pub(super) to: Address,
    pub(super) calldata: Bytes,
    /// Unknown for what needs an earlier step first.
    pub(super) gas: Option<u64>,
}

#[derive(Serialize)]
struct RoleRow {
    role: String,
    id: u64,
    holders: Vec<String>,
    may: &'static str,
    delay_seconds: u32,
    guardian: &'static str,
}

#[derive(Serialize)]
struct Remaining {
    what: String,
    by: String,
    to: Address,
    calldata: Bytes,
}

pub(super) async fn run(which: &Which, calldata: Option<&Path>, output: Output) -> Result<(), Failure> {
    let plan = make(which).await?;
    if let Some(folder) = calldata {
        plan.write_calldata(folder)?;
    }
    print(output, &document("firn.chain-plan.v1", &plan), || plan.as_text())
}

/// A client of the endpoint that reads the newest block: what a plan shows is no decision.
pub(super) fn reader(which: &Which) -> DynProvider {
    which.endpoints.provider()
}

/// Looks at the chain and puts the plan together.
pub(super) async fn make(which: &Which) -> Result<Plan, Failure> {
    let rpc = reader(which);
    let chain_id = rpc.get_chain_id().await.map_err(|error| endpoint("chain id", error))?;
    if chain_id != which.definition.chain.id {
        let cause =
            format!("the endpoint serves chain {chain_id}, the definition is for {}", which.definition.chain.id);
        return Err(Failure::new("CHAIN_ID_MISMATCH", cause, "name another endpoint with --rpc", Exit::Refused));
    }
    let (block, generation) = which.chain.look().await.map_err(super::unreadable)?;
    let predicted = predict(&which.definition, which.avs, &which.declared, &which.accounts).map_err(|key| {
        let cause = format!("the account of key {key} is not known");
        let next = "generate the key (`firn dkg propose`) and name a node with --data-dir, or give --account KEY=0x...";
        Failure::new("KEY_NOT_READY", cause, next, Exit::NotReady)
    })?;
    let core = which.definition.chain.allocation_manager;
    if rpc.get_code_at(core).await.map_err(|error| endpoint("code", error))?.is_empty() {
        let cause = format!("nothing is at chain.allocation_manager, {core}");
        return Err(Failure::new("CORE_MISSING", cause, "correct the definition, or the endpoint", Exit::Refused));
    }
    let bytes = predicted.authority_code.len();
    if bytes > CREATION_BYTES_MAX {
        let cause = format!("the Authority's creation code is {bytes} bytes, at most {CREATION_BYTES_MAX} (EIP-3860)");
        let next = "declare fewer sets and payees at first, and the others once they are added on chain";
        return Err(Failure::new("DEPLOYMENT_TOO_LARGE", cause, next, Exit::Refused));
    }
    let steps = steps(which, &rpc, &predicted).await?;
    let mut contracts = predicted.contracts;
    // Nothing of it is there before this block, unless it is there already.
    if steps.last().is_some_and(|authority| !authority.exists) {
        contracts.declared.iter_mut().for_each(|declared| declared.since = block);
    }
    let mut warnings = Vec::new();
    if let Some(listed) = which.listed.as_ref().filter(|listed| !is_same(listed, &contracts)) {
        warnings.push(format!(
            "the definition lists other contracts of this AVS (AccessManager {}): what follows is another deployment",
            listed.manager
        ));
    }
    let mut plan = Plan {
        avs: which.avs,
        chain_id,
        generation,
        block,
        steps,
        authority: predicted.authority,
        roles: roles(which, &contracts),
        remaining: Vec::new(),
        warnings,
        entry: entry(&contracts),
        contracts,
    };
    plan.remain(which, &rpc).await?;
    Ok(plan)
}

fn is_same(one: &Contracts, other: &Contracts) -> bool {
    Contracts { declared: None, ..one.clone() } == Contracts { declared: None, ..other.clone() }
}

/// The verifier, the accounts, the factory, the authority: each at an address that follows from its code and arguments.
async fn steps(which: &Which, rpc: &DynProvider, predicted: &Predicted) -> Result<Vec<Step>, Failure> {
    let mut all = vec![("FrostVerifier".to_owned(), verifier_address(), Bytes::from_static(VERIFIER_CODE))];
    for (_, holder) in which.declared.holders() {
        let Holder::Key(name) = holder else { continue };
        let account = which.accounts.get(name).copied().unwrap_or_default();
        let known = which.group_keys.get(name).filter(|key| account_address(key) == account);
        let code = known.map_or_else(Bytes::new, |key| account_init_code(key).into());
        all.push((format!("FrostAccount of key {name}"), account, code));
    }
    all.push(("GuardFactory".to_owned(), predicted.factory, predicted.factory_code.clone()));
    all.push(("Authority".to_owned(), predicted.authority, predicted.authority_code.clone()));
    let mut steps = Vec::new();
    for (name, address, code) in all {
        let exists = !rpc.get_code_at(address).await.map_err(|error| endpoint("code", error))?.is_empty();
        if !exists && code.is_empty() {
            let cause = format!("{name}: nothing is at {address}, and its group key is not known here");
            let next = "name a running node with --data-dir and no --account, so that it can be deployed";
            return Err(Failure::new("ACCOUNT_NOT_DEPLOYED", cause, next, Exit::NotReady));
        }
        let calldata = Bytes::from([B256::ZERO.as_slice(), &code].concat());
        let request = TransactionRequest::default().with_to(DEPLOYER).with_input(calldata.clone());
        // What needs an earlier step cannot be estimated before that.
        let gas = if exists { Some(0) } else { rpc.estimate_gas(request).await.ok() };
        steps.push(Step { name, address, exists, to: DEPLOYER, calldata, gas });
    }
    Ok(steps)
}

fn roles(which: &Which, contracts: &Contracts) -> Vec<RoleRow> {
    let (declared, delays) = (&which.declared, which.declared.delays);
    let named = |holder: &Holder| match (holder, resolve(holder, &which.accounts)) {
        (Holder::Key(name), Ok(address)) => format!("{address} (key {name})"),
        _ => holder.to_string(),
    };
    let one = |holder: &Holder| vec![named(holder)];
    let row = |id, holders, may, delay_seconds, guardian| {
        let role = role_name(id);
        RoleRow { role, id, holders, may, delay_seconds, guardian }
    };
    let timelock = vec![format!("{} (the timelock)", contracts.timelock)];
    let vetoers = declared.veto.iter().map(named).collect();
    vec![
        row(0, timelock, "everything else", delays.timelock, "VETO, by TimelockVeto"),
        row(1, one(&declared.slash), "SlashGate.slash", delays.slash, "VETO"),
        row(2, one(&declared.treasury), "Treasury.pay", delays.treasury, "VETO"),
        row(3, one(&declared.treasury), "Treasury.payLarge", delays.treasury_large, "VETO"),
        row(4, vetoers, "pause, unpause, cancel", 0, "-"),
        row(5, one(&declared.governance), "tightenLimits, unpin, setPayee", delays.governance, "VETO"),
        row(6, one(&declared.governance), "grant and revoke VETO", delays.recovery, "-"),
        row(7, one(&declared.governance), "Treasury.handOver", delays.hand_over, "VETO"),
    ]
}

/// The entry for network.toml.
fn entry(contracts: &Contracts) -> String {
    #[derive(Serialize)]
    struct File {
        contracts: [Contracts; 1],
    }
    // Serialising strings, integers and tables cannot fail.
    toml::to_string(&File { contracts: [contracts.clone()] }).unwrap_or_default()
}

impl Plan {
    /// What EigenLayer does not say yet, with the calls that make it.
    async fn remain(&mut self, which: &Which, rpc: &DynProvider) -> Result<(), Failure> {
        let (avs, core) = (self.avs, which.definition.chain.allocation_manager);
        let (gate, treasury, timelock) = (self.contracts.gate, self.contracts.treasury, self.contracts.timelock);
        let permissions = which.definition.chain.permission_controller.unwrap_or_default();
        let admin = || "an admin of the AVS".to_owned();
        for entry in &which.declared.sets {
            let (id, set) = (entry.id, || OperatorSet { avs, id: entry.id });
            if read(rpc, core, ICore::isOperatorSetCall { operatorSet: set() }).await? != Some(true) {
                self.warnings.push(format!(
                    "operator set {id} is not there yet: create it with slasher {gate} and recipient {} \
                     (createRedistributingOperatorSets), after this deployment",
                    entry.recipient.unwrap_or(treasury)
                ));
                continue;
            }
            let (slasher, recipient) = (entry.slasher.unwrap_or(gate), entry.recipient.unwrap_or(treasury));
            let found = read(rpc, core, ICore::getRedistributionRecipientCall { operatorSet: set() }).await?;
            if found != Some(recipient) {
                let found = found.map_or_else(|| "none".to_owned(), |found| found.to_string());
                self.warnings.push(format!(
                    "operator set {id}: its recipient is {found}, not {recipient}, and can never change; \
                     declare it as `recipient`, or use a new set"
                ));
            }
            let (what, to, calldata) = if self.generation == Generation::Appointees {
                let selector = FixedBytes(IAllocationManager::slashOperatorCall::SELECTOR);
                let call = ICore::getAppointeesCall { account: avs, target: core, selector };
                if read(rpc, permissions, call).await?.unwrap_or_default().contains(&slasher) {
                    continue;
                }
                let call = ICore::setAppointeeCall { account: avs, appointee: slasher, target: core, selector };
                (format!("setAppointee: {slasher} may slash, at once"), permissions, call.abi_encode())
            } else {
                if read(rpc, core, ICore::getSlasherCall { operatorSet: set() }).await? == Some(slasher) {
                    continue;
                }
                let next = read(rpc, core, ICore::getPendingSlasherCall { operatorSet: set() }).await?;
                // Said again, its delay would begin again.
                if let Some(next) = next.filter(|next| next.slasher == slasher) {
                    self.warnings.push(format!("set {id}: {slasher} slashes from block {} on", next.effectBlock));
                    continue;
                }
                let blocks = read(rpc, core, ICore::SLASHER_CONFIGURATION_DELAYCall {}).await?.unwrap_or_default();
                let seconds = u64::from(blocks) * which.definition.chain.block_seconds.unwrap_or(BLOCK_SECONDS);
                let days = seconds / 86_400;
                let what =
                    format!("updateSlasher: {slasher} slashes set {id}, {blocks} blocks (about {days} days) later");
                (what, core, ICore::updateSlasherCall { operatorSet: set(), slasher }.abi_encode())
            };
            self.remaining.push(Remaining { what, by: admin(), to, calldata: calldata.into() });
        }
        let admins = read(rpc, permissions, ICore::getAdminsCall { account: avs }).await?.unwrap_or_default();
        if !which.declared.admins.is_empty() || admins == [timelock] {
            return Ok(());
        }
        if !admins.contains(&timelock) {
            let call = ICore::addPendingAdminCall { account: avs, admin: timelock }.abi_encode().into();
            let what = format!("addPendingAdmin: {timelock}");
            self.remaining.push(Remaining { what, by: admin(), to: permissions, calldata: call });
            let call = ICore::acceptAdminCall { account: avs }.abi_encode().into();
            let what = format!("acceptAdmin, {} s after governance proposes it", which.declared.delays.timelock);
            let by = format!("the timelock {timelock}");
            self.remaining.push(Remaining { what, by, to: permissions, calldata: call });
        }
        self.warnings.push(format!(
            "the AVS's admins are {}: once the timelock has accepted, each removes itself with removeAdmin, so that nobody else is left",
            admins.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        ));
        Ok(())
    }

    /// Without the authority and what hangs on it.
    pub(super) fn only_accounts(&mut self) {
        self.steps.retain(|step| step.name.starts_with("Frost"));
        self.roles.clear();
        self.remaining.clear();
        self.warnings.clear();
        self.entry.clear();
    }

    fn write_calldata(&self, folder: &Path) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::general("CALLDATA", format!("{}: {error}", folder.display()));
        std::fs::create_dir_all(folder).map_err(failed)?;
        let steps = self.steps.iter().map(|step| (step.name.as_str(), &step.calldata));
        let remaining = self.remaining.iter().map(|entry| (entry.what.as_str(), &entry.calldata));
        for (index, (name, calldata)) in steps.chain(remaining).enumerate() {
            let word: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(40).collect();
            let file = folder.join(format!("{}-{word}.hex", index + 1));
            std::fs::write(&file, format!("{calldata}\n")).map_err(failed)?;
        }
        Ok(())
    }

    /// Writing into a string cannot fail, so the results are dropped.
    pub(super) fn as_text(&self) -> String {
        let Self { avs, chain_id, block, generation, .. } = self;
        let mut text = format!("AVS {avs} on chain {chain_id}, block {block}; core {}\n\nsteps\n", generation.as_str());
        for (index, step) in self.steps.iter().enumerate() {
            let state = match (step.exists, step.gas) {
                (true, _) => "is there".to_owned(),
                (false, Some(gas)) => format!("about {gas} gas"),
                (false, None) => "gas known once the steps before are done".to_owned(),
            };
            let _ = writeln!(text, "{:>2}. {:<28} {}  {state}", index + 1, step.name, step.address);
            if !step.exists {
                let _ = writeln!(text, "    to {}: {}", step.to, shown(&step.calldata));
            }
        }
        if self.entry.is_empty() {
            return text;
        }
        let Contracts { manager, timelock, timelock_veto, gate, treasury, .. } = &self.contracts;
        let _ = writeln!(
            text,
            "\nThe Authority creates\n    AccessManager {manager}\n    timelock      {timelock}\n    TimelockVeto  {timelock_veto}\n    \
             gate          {gate}\n    treasury      {treasury}\n\nroles"
        );
        for RoleRow { role, id, holders, may, delay_seconds, guardian } in &self.roles {
            let holders = holders.join(", ");
            let _ = writeln!(text, "{id} {role:<15} {holders}: {may}; after {delay_seconds} s; guardian {guardian}");
        }
        let _ = writeln!(text, "\nthen, in EigenLayer");
        for Remaining { what, by, to, calldata } in &self.remaining {
            let _ = writeln!(text, "  - {what}\n    by {by}, to {to}: {}", shown(calldata));
        }
        if self.remaining.is_empty() {
            let _ = writeln!(text, "  nothing");
        }
        for warning in &self.warnings {
            let _ = writeln!(text, "warning: {warning}");
        }
        let _ = writeln!(text, "\nfor the definition's next version\n\n{}", self.entry);
        text
    }
}

fn shown(calldata: &Bytes) -> String {
    if calldata.len() <= SHOWN_MAX {
        return calldata.to_string();
    }
    format!("{} bytes with keccak256 {}; --calldata DIR writes them", calldata.len(), keccak256(calldata))
}

async fn read<C: SolCall>(rpc: &DynProvider, to: Address, call: C) -> Result<Option<C::Return>, Failure> {
    let request = TransactionRequest::default().with_to(to).with_input(call.abi_encode());
    match rpc.call(request).block(BlockId::latest()).await {
        Ok(answer) => Ok(C::abi_decode_returns_validate(&answer).ok()),
        Err(error) if error.as_error_resp().is_some() => Ok(None),
        Err(error) => Err(endpoint(C::SIGNATURE, error)),
    }
}

pub(super) fn endpoint(what: &str, error: impl std::fmt::Display) -> Failure {
    let next = "check the endpoint; nothing was changed by this";
    Failure::new("CHAIN_UNAVAILABLE", format!("{what}: {error}"), next, Exit::NotReady)
}
