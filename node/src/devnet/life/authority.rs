//! Keys, and the contracts over their accounts: declared, planned, deployed, taken into the definition, verified.

use super::{CEILINGS, Core, Life, PAY_DELAY, SLASH_DELAY, SURVEYS, TIMELOCK_DELAY, write, wrong};
use crate::chain::authority::abi::ICore;
use crate::devnet::account::{Account, amount};
use crate::devnet::change::{connected, firn, in_force, path, said, submit};
use crate::devnet::contracts::{
    self, CreateSetParamsV2, Sender, createRedistributingOperatorSetsCall, updateAVSMetadataURICall,
};
use crate::devnet::processes::{Cluster, Look};
use crate::devnet::roster;
use crate::devnet::steps::{generate_key, start};
use crate::failure::{Exit, Failure};
use alloy::primitives::{Address, FixedBytes, U256};
use alloy::sol;
use alloy::sol_types::SolCall;
use firn_proto::Definition;
use firn_proto::definition::OperatorSetEntry;
use firn_proto::operation::eigenlayer::IAllocationManager;
use serde_json::Value;

sol! {
    struct CreateSetParams {
        uint32 operatorSetId;
        address[] strategies;
    }
    interface IBefore {
        function createRedistributingOperatorSets(address avs, CreateSetParams[] params, address[] recipients);
    }
}

/// Who is paid; anybody.
pub(super) const PAYEE: Address = Address::repeat_byte(0x77);

impl Life {
    pub(super) async fn keys(&mut self, cluster: &mut Cluster, account: &Account) -> Result<(), Failure> {
        start(cluster, account).await?;
        let file = path(&cluster.manifest.network_file);
        account.say("`firn network check` says of the keys:");
        account.quote(&said(&["network", "check", &file]).await?);
        for name in ["slash", "treasury", "veto", "governance"] {
            self.key(cluster, account, name).await?;
        }
        Ok(())
    }

    /// Generates a key of the definition, and remembers its account.
    pub(super) async fn key(&mut self, cluster: &mut Cluster, account: &Account, name: &str) -> Result<(), Failure> {
        let view = generate_key(cluster, account, name, &self.members(name)).await?;
        let (Some(group_key), Some(of_key)) = (view.group_key, view.account) else {
            return Err(wrong(&format!("key {name} is active without an account")));
        };
        account.say(format!("its account: {of_key}"));
        self.group_keys.insert(name.to_owned(), group_key);
        self.accounts.insert(name.to_owned(), of_key);
        Ok(())
    }

    /// What shall be true on chain.
    pub(super) fn declared(&self, cluster: &Cluster, slash: &str, max_wad: u64) -> String {
        let (of, token) = (&cluster.manifest.contracts, self.token());
        format!(
            "since = 0\nslash = \"{slash}\"\ntreasury = \"treasury\"\ngovernance = \"governance\"\nveto = [\"veto\"]\nadmins = [\"{avs}\"]\n\n\
             [delays]\nslash = {SLASH_DELAY}\ntreasury = {PAY_DELAY}\ntreasury_large = {SLASH_DELAY}\ngovernance = {PAY_DELAY}\n\
             timelock = {TIMELOCK_DELAY}\nhand_over = {TIMELOCK_DELAY}\nrecovery = {recovery}\n\n\
             [[sets]]\nid = {set}\nmin_wad = \"10000000000000000\"\nmax_wad = \"{max_wad}\"\noperator_budget = \"{budget}\"\n\
             set_budget = \"{budget}\"\nwindow = 86400\ncool_down = 0\n\n\
             [[payees]]\ntoken = \"{token}\"\npayee = \"{PAYEE}\"\nbudget = \"100000000000000000000\"\n\
             large_budget = \"200000000000000000000\"\nwindow = 86400\n",
            avs = of.avs,
            set = of.operator_set_id,
            budget = max_wad * 2,
            recovery = 2 * TIMELOCK_DELAY,
        )
    }

    /// The token of the operator's stake: the simulation's second contract.
    pub(super) fn token(&self) -> Address {
        roster::signer(roster::DEPLOYER).map(|signer| signer.address().create(1)).unwrap_or_default()
    }

    pub(super) async fn authority(&mut self, cluster: &mut Cluster, account: &Account) -> Result<(), Failure> {
        let (manifest, deployer) = (cluster.manifest.clone(), Sender::new(&cluster.manifest, roster::DEPLOYER).await?);
        contracts::deploy_core(&manifest, &self.rpc, &deployer, self.core.arguments()).await?;
        account.say(format!("EigenLayerSim {} plays core {:?}", manifest.contracts.allocation_manager, self.core));
        write(&self.file("declared.toml"), &self.declared(cluster, "slash", CEILINGS[0]))?;
        let plan = self.plan(cluster, account).await?;
        let entry =
            plan.get("entry").and_then(Value::as_str).ok_or_else(|| wrong("a plan without an entry"))?.to_owned();
        self.fund(&deployer, self.signer.address()).await?;
        self.deploy(cluster, account, &[]).await?;
        let text = format!("{}\n{entry}", self.definition.to_toml());
        self.definition = Definition::parse(&text)?;
        self.operator_set(cluster, account).await?;
        let of = manifest.contracts.clone();
        submit(cluster, account, &self.dir, |text| {
            let mut content = (*Definition::parse(&format!("{text}\n{entry}"))?).clone();
            content.operator_sets.push(OperatorSetEntry {
                avs: of.avs,
                id: of.operator_set_id,
                key: "slash".to_owned(),
            });
            Ok(Definition::new(content).to_toml())
        })
        .await?;
        self.taken_up(cluster, 2).await?;
        self.verified(cluster, account).await
    }

    /// Waits until a version is in force, and follows it.
    pub(super) async fn taken_up(&mut self, cluster: &mut Cluster, version: u32) -> Result<(), Failure> {
        in_force(cluster, version).await?;
        let name = cluster.running().into_iter().next().unwrap_or_default();
        let node = async |cluster: &Cluster| {
            Ok(match cluster.client(&name)?.network().await {
                Ok(view) => Look::Done(view.current.definition),
                Err(failure) => Look::Waiting(failure.cause),
            })
        };
        let text = cluster.wait("a node's definition", SURVEYS, node).await?;
        self.definition = Definition::parse(&text)?;
        Ok(())
    }

    async fn plan(&self, cluster: &Cluster, account: &Account) -> Result<Value, Failure> {
        let words = self.words(cluster, "plan", &[])?;
        account.say("`firn chain plan` says:");
        let text = said(&strings(&words)).await?;
        account.excerpt(&text);
        let json = said(&strings(&[words, vec!["--output".to_owned(), "json".to_owned()]].concat())).await?;
        serde_json::from_str(&json).map_err(|error| wrong(&format!("a plan that does not read: {error}")))
    }

    /// `firn chain deploy`: a dry run, and then in earnest.
    pub(super) async fn deploy(&self, cluster: &Cluster, account: &Account, more: &[&str]) -> Result<(), Failure> {
        let words = self.words(cluster, "deploy", more)?;
        let dry = said(&strings(&words)).await?;
        account.say(format!("`firn chain deploy`: {}", dry.lines().last().unwrap_or_default()));
        let pays = &cluster.manifest.requester;
        let (keystore, passphrase) = (path(&pays.keystore), path(&pays.passphrase_file));
        let options = ["--keystore", &keystore, "--passphrase-file", &passphrase, "--execute"].map(str::to_owned);
        said(&strings(&[words, options.to_vec()].concat())).await?;
        account.say("`firn chain deploy --execute`: deployed, final, and read back");
        Ok(())
    }

    fn words(&self, cluster: &Cluster, command: &str, more: &[&str]) -> Result<Vec<String>, Failure> {
        let mut words = self.chain_command(cluster, command)?;
        words.extend(["--declared".to_owned(), path(&self.file("declared.toml"))]);
        words.extend(more.iter().map(|word| (*word).to_owned()));
        Ok(words)
    }

    async fn fund(&self, deployer: &Sender, who: Address) -> Result<(), Failure> {
        let sent = deployer.pay(deployer.nonce + 6, who, U256::from(10).pow(U256::from(18))).await?;
        contracts::mined(&self.rpc, &[sent]).await
    }

    /// The AVS makes its set with the gate as slasher and the treasury as recipient, and the operator joins it.
    async fn operator_set(&self, cluster: &Cluster, account: &Account) -> Result<(), Failure> {
        let (of, listed) = (cluster.manifest.contracts.clone(), self.contracts()?);
        let service = Sender::new(&cluster.manifest, roster::AVS).await?;
        let (avs, core, gate) = (of.avs, of.allocation_manager, listed.gate);
        let (operator_set, strategies) = (of.operator_set_id, vec![of.strategy]);
        let recipients = vec![listed.treasury];
        let metadata = updateAVSMetadataURICall { avs, metadataURI: "ipfs://sample-avs".to_owned() };
        let calls = if self.core == Core::Appointees {
            let set = CreateSetParams { operatorSetId: operator_set, strategies };
            let create = IBefore::createRedistributingOperatorSetsCall { avs, params: vec![set], recipients };
            let selector = FixedBytes(IAllocationManager::slashOperatorCall::SELECTOR);
            let appoint = ICore::setAppointeeCall { account: avs, appointee: gate, target: core, selector };
            vec![metadata.abi_encode(), create.abi_encode(), appoint.abi_encode()]
        } else {
            let set = CreateSetParamsV2 { operatorSetId: operator_set, strategies, slasher: gate };
            let create = createRedistributingOperatorSetsCall { avs, params: vec![set], recipients };
            vec![metadata.abi_encode(), create.abi_encode()]
        };
        let mut sent = Vec::new();
        for (call, nonce) in calls.into_iter().zip(service.nonce..) {
            sent.push(service.call(nonce, core, call).await?);
        }
        contracts::mined(&self.rpc, &sent).await?;
        contracts::join_operator_set(&cluster.manifest, &self.rpc).await?;
        let stake = amount(contracts::shares(&self.rpc, &of).await?);
        account.say(format!(
            "operator set {operator_set}: slasher is the gate {gate}, recipient the treasury; stake {stake}"
        ));
        Ok(())
    }

    /// `firn chain verify` finds everything as declared, and so do all nodes.
    pub(super) async fn verified(&self, cluster: &mut Cluster, account: &Account) -> Result<(), Failure> {
        let words = self.chain_command(cluster, "verify")?;
        let look = async |_: &Cluster| {
            let ended = firn(&strings(&words)).await?;
            let text = String::from_utf8_lossy(&ended.stdout).into_owned();
            let problem = || String::from_utf8_lossy(&ended.stderr).into_owned();
            Ok(if ended.status.success() { Look::Done(text) } else { Look::Waiting(problem()) })
        };
        let text = cluster.wait("`firn chain verify` to find what is declared", SURVEYS, look).await?;
        let facts = text.lines().filter(|line| line.starts_with("ok")).count();
        account.say(format!("`firn chain verify`: {facts} facts are as declared, and none differs"));
        connected(cluster).await
    }

    /// `firn chain verify` finds a difference; the line that says so.
    pub(super) async fn differs(&self, cluster: &mut Cluster) -> Result<String, Failure> {
        let words = self.chain_command(cluster, "verify")?;
        let look = async |_: &Cluster| {
            let ended = firn(&strings(&words)).await?;
            let text = String::from_utf8_lossy(&ended.stdout).into_owned();
            let line = text.lines().find(|line| line.starts_with("DIFFERS")).map(str::to_owned);
            Ok(match (ended.status.code(), line) {
                (Some(code), Some(line)) if code == Exit::Verification as i32 => Look::Done(line),
                _ => Look::Waiting("nothing differs".to_owned()),
            })
        };
        cluster.wait("`firn chain verify` to find the difference", SURVEYS, look).await
    }
}

pub(super) fn strings(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}
