//! An AVS's contracts as the definition declares them: planned, deployed, compared with the chain, and what a node does when the
//! chain says something else.

use crate::asking::now;
use crate::authority::{GOVERNANCE as PROPOSER, LONG, Members, PAYEE, SHORT, code_of, deploy, guarded};
use crate::chain::WAD;
use crate::gate;
use crate::net::{Net, named, parse};
use crate::process::{Ended, cli, step, until};
use crate::treasury::{account_of, post};
use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::aliases::{U48, U72};
use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::{SolCall, SolValue, sol};
use firn_proto::Definition;
use firn_proto::definition::declared::{Declared, Delays, Holder, ListedPayee};
use firn_proto::definition::{Contracts, Purpose};
use firn_proto::operation::{Operation, PauseContract};
use rand_core::OsRng;
use serde_json::{Value, json};
use std::fs;

sol! {
    struct OperatorSet {
        address avs;
        uint32 id;
    }
    struct Limits {
        uint64 minWad;
        uint64 maxWad;
        uint64 operatorBudget;
        uint72 setBudget;
        uint32 window;
        uint32 coolDown;
    }
    struct PayeeTerms {
        uint128 budget;
        uint128 largeBudget;
        uint32 window;
    }
    struct CreateSetParams {
        uint32 operatorSetId;
        address[] strategies;
    }
    function updateAVSMetadataURI(address avs, string metadataURI);
    function createRedistributingOperatorSets(address avs, CreateSetParams[] params, address[] recipients);
    function updateSlasher(OperatorSet operatorSet, address slasher);
    function setAppointee(address account, address appointee, address target, bytes4 selector);
    function grantRole(uint64 roleId, address account, uint32 executionDelay);
    function revokeRole(uint64 roleId, address account);
    function schedule(address target, bytes data, uint48 when) returns (bytes32, uint32);
    function addPendingAdmin(address account, address admin);
    function setTargetFunctionRole(address target, bytes4[] selectors, uint64 roleId);
    function setRoleGuardian(uint64 roleId, uint64 guardian);
    function setTargetClosed(address target, bool closed);
    function setLimits(bytes32 requestId, address avs, uint32 operatorSetId, Limits limits);
    function setPayee(bytes32 requestId, address token, address payee, PayeeTerms terms);
    interface ITimelock {
        function grantRole(bytes32 role, address account);
    }
}

/// Deploys the simulations, and nothing before: so their addresses are known.
const BUILDER: Address = Address::repeat_byte(0xf2);
const AVS: Address = Address::repeat_byte(0xa5);
const RECIPIENT: Address = Address::repeat_byte(0xa6);
const THIEF: Address = Address::repeat_byte(0xee);
const SET: u32 = 7;
const SLASH: u64 = 1;
const GOVERNANCE: u64 = 5;

/// Blocks until another slasher is one.
const SLASHER_BLOCKS: u32 = 5;

/// A declaration whose roles are held by plain addresses.
const DECLARED: &str = "since = 0
slash = \"0x1100000000000000000000000000000000000011\"
treasury = \"0x2200000000000000000000000000000000000022\"
governance = \"0x3300000000000000000000000000000000000033\"
veto = [\"0x4400000000000000000000000000000000000044\", \"0x4500000000000000000000000000000000000045\"]
admins = [\"0xa5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5\"]

[delays]
slash = 259200
treasury = 172800
treasury_large = 604800
governance = 604800
timelock = 1512000
hand_over = 2419200
recovery = 2419200

[[sets]]
id = 7
min_wad = \"1000000000000000\"
max_wad = \"100000000000000000\"
operator_budget = \"200000000000000000\"
set_budget = \"30000000000000000000\"
window = 2592000
cool_down = 86400
recipient = \"0xa6a6a6a6a6a6a6a6a6a6a6a6a6a6a6a6a6a6a6a6\"

[[payees]]
token = \"0x0000000000000000000000000000000000000000\"
payee = \"0x7700000000000000000000000000000000000077\"
budget = \"1000000000000000000\"
large_budget = \"340282366920938463463374607431768211455\"
window = 2592000
";

/// The command line beside a chain: a definition, a declaration and a deployer's key.
struct Desk {
    dir: tempfile::TempDir,
    definition: Definition,
    deployer: Address,
    rpc: String,
}

impl Desk {
    fn new(net: &Net, core: Address) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let mut content = (*net.definition).clone();
        content.chain.allocation_manager = core;
        content.chain.strategy_manager = Some(core);
        content.chain.permission_controller = Some(core);
        let key = PrivateKeySigner::random();
        let (definition, deployer) = (Definition::new(content), key.address());
        let desk = Self { dir, definition, deployer, rpc: format!("http://{}", net.chain.rpc) };
        let name = Some("deployer");
        let kept = PrivateKeySigner::encrypt_keystore(desk.dir.path(), &mut OsRng, key.to_bytes(), "snow", name);
        kept.expect("a keystore");
        net.chain.call("anvil_setBalance", &json!([deployer, "0x56bc75e2d63100000"])).expect("ether");
        fs::write(desk.file("passphrase"), "snow\n").expect("a file");
        desk.write("declared.toml", DECLARED);
        desk.write("network.toml", &desk.definition.to_toml());
        desk
    }

    fn file(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().expect("a path").to_owned()
    }

    /// Files that only their owner reads are what passphrases may stand in.
    fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).expect("a file");
    }

    fn run(&self, command: &str, more: &[&str]) -> Ended {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(self.file("passphrase"), fs::Permissions::from_mode(0o600)).expect("a mode");
        let (network, avs) = (self.file("network.toml"), AVS.to_string());
        let options = ["--definition", &network, "--avs", &avs, "--rpc", &self.rpc, "--output", "json"];
        cli(&[&["chain", command][..], &options, more].concat())
    }

    fn planned(&self) -> Value {
        self.run("plan", &["--declared", &self.file("declared.toml")]).json()
    }

    fn deploy(&self, more: &[&str]) -> Ended {
        let (declared, keystore, passphrase) =
            (self.file("declared.toml"), self.file("deployer"), self.file("passphrase"));
        let options = ["--declared", &declared, "--keystore", &keystore, "--passphrase-file", &passphrase];
        self.run("deploy", &[&options[..], more].concat())
    }
}

/// A simulation of one generation, with an operator set whose recipient is not the treasury.
fn simulated(net: &Net, index: u64, model: u32, resolution: u32) -> Address {
    let arguments = (50_u32, SLASHER_BLOCKS, resolution, model).abi_encode_params();
    let code = format!("0x{}", hex::encode([code_of("EigenLayerSim"), arguments].concat()));
    net.chain.call("anvil_setBalance", &json!([BUILDER, "0x56bc75e2d63100000"])).expect("ether");
    net.chain.call("anvil_setBalance", &json!([AVS, "0x56bc75e2d63100000"])).expect("ether");
    net.chain.call("anvil_impersonateAccount", &json!([BUILDER])).expect("anvil lends accounts");
    let transaction = json!([{ "from": BUILDER, "data": code, "gas": "0xffffff" }]);
    net.chain.call("eth_sendTransaction", &transaction).expect("it is taken");
    let core = BUILDER.create(index);
    deployed(net, core);
    let metadata = updateAVSMetadataURICall { avs: AVS, metadataURI: "ipfs://avs".to_owned() };
    net.chain.send(AVS, core, &metadata.abi_encode());
    let set = CreateSetParams { operatorSetId: SET, strategies: vec![Address::repeat_byte(0x33)] };
    let create = createRedistributingOperatorSetsCall { avs: AVS, params: vec![set], recipients: vec![RECIPIENT] };
    net.chain.send(AVS, core, &create.abi_encode());
    net.chain.mine(3);
    core
}

fn deployed(net: &Net, address: Address) {
    until(&format!("{address} to be final"), || {
        net.chain.mine(1);
        is_there(net, address).then_some(()).ok_or_else(|| "no code".to_owned())
    });
}

fn is_there(net: &Net, address: Address) -> bool {
    let code = net.chain.call("eth_getCode", &json!([address, "finalized"])).expect("an answer");
    code.as_str().map_or(0, str::len) > 2
}

/// What a verification says of one fact.
fn standing(report: &Value, name: &str) -> String {
    let facts = report["facts"].as_array().expect("facts");
    let fact = facts.iter().find(|fact| fact["name"] == name).unwrap_or_else(|| panic!("no {name} in {report}"));
    fact["standing"].as_str().expect("a standing").to_owned()
}

fn differing(ended: &Ended) -> Vec<String> {
    let report: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error} in {ended:?}"));
    let facts = report["facts"].as_array().expect("facts").iter().filter(|fact| fact["standing"] == "differs");
    facts.map(|fact| fact["name"].as_str().expect("a name").to_owned()).collect()
}

/// Plan, dry run, deployment and verification on one core.
fn lifecycle(net: &Net, core: Address, generation: &str) {
    let mut desk = Desk::new(net, core);
    let plan = desk.planned();
    assert_eq!(plan["generation"], generation, "{plan}");
    let authority: Address = parse(&plan["authority"]);
    let steps = plan["steps"].as_array().expect("steps");
    assert_eq!(steps.last().expect("steps")["name"], "Authority");
    assert!(plan["roles"].as_array().is_some_and(|roles| roles.len() == 8), "{plan}");

    assert_eq!(desk.deploy(&[]).json()["executed"], false);
    net.chain.mine(3);
    assert!(!is_there(net, authority), "a dry run changes nothing");
    let count = net.chain.call("eth_getTransactionCount", &json!([desk.deployer, "latest"]));
    assert_eq!(count, Ok(json!("0x0")));

    let done = desk.deploy(&["--execute"]).json();
    assert!(is_there(net, authority));
    let last = done["done"].as_array().and_then(|done| done.last()).expect("something was done");
    assert_eq!(last["step"], "Authority");
    eprintln!("Authority: {} gas", last["gas"]);
    assert_eq!(desk.deploy(&["--execute"]).json()["done"], json!([]), "what is there is skipped");

    verified(net, &mut desk, &plan, generation);
}

/// The same AVS once its contracts are deployed and in the definition.
fn verified(net: &Net, desk: &mut Desk, plan: &Value, generation: &str) {
    let remaining = plan["remaining"].as_array().expect("a list");
    assert_eq!(remaining.len(), 1, "the slasher, and nothing else: {plan}");
    let calldata = hex::decode(remaining[0]["calldata"].as_str().expect("calldata").trim_start_matches("0x"));
    let entry = plan["entry"].as_str().expect("an entry");
    let listed: toml::Table = entry.parse().expect("TOML");
    let listed: Contracts = listed["contracts"][0].clone().try_into().expect("an entry of the definition");
    let mut content = (*desk.definition).clone();
    content.contracts = vec![listed.clone()];
    desk.definition = Definition::new(content);
    assert_eq!(Definition::parse(&desk.definition.to_toml()).as_ref(), Ok(&desk.definition));
    desk.write("network.toml", &desk.definition.to_toml());

    let slasher = match generation {
        "appointees" => "appointees for slashOperator (0x36352057)".to_owned(),
        _ => format!("slasher of operator set {SET}"),
    };
    let verified = desk.run("verify", &[]);
    verified.refused("AUTHORITY_DIFFERS", 6);
    assert_eq!(differing(&verified), [slasher], "the AVS has its part to do");
    net.chain.send(AVS, parse(&remaining[0]["to"]), &calldata.expect("hexadecimal"));
    net.chain.mine(u64::from(SLASHER_BLOCKS) + 5);
    let report = desk.run("verify", &[]).json();
    assert_eq!(report["generation"], generation);
    assert!(report["facts"].as_array().is_some_and(|facts| facts.len() > 60), "{report}");

    behind_firns_back(net, desk, &listed);
    let mut content = (*desk.definition).clone();
    content.chain.id += 1;
    desk.write("network.toml", &Definition::new(content).to_toml());
    desk.deploy(&["--execute"]).refused("CHAIN_ID_MISMATCH", 3);
    desk.run("verify", &[]).refused("CHAIN_ID_MISMATCH", 4);
}

/// The timelock grants and revokes a role, and the slashing role schedules something.
fn behind_firns_back(net: &Net, desk: &Desk, listed: &Contracts) {
    let grant = grantRoleCall { roleId: SLASH, account: THIEF, executionDelay: 0 };
    net.chain.call("anvil_setBalance", &json!([listed.timelock, "0x56bc75e2d63100000"])).expect("ether");
    net.chain.send(listed.timelock, listed.manager, &grant.abi_encode());
    net.chain.mine(4);
    let verified = desk.run("verify", &[]);
    let cause = verified.refused("AUTHORITY_DIFFERS", 6);
    assert!(cause.contains("members of SLASH"), "{cause}");
    assert_eq!(differing(&verified), ["members of SLASH"]);
    assert!(verified.stdout.contains(&THIEF.to_string()), "who it is");
    let revoke = revokeRoleCall { roleId: SLASH, account: THIEF };
    net.chain.send(listed.timelock, listed.manager, &revoke.abi_encode());

    // What is scheduled is shown, and contradicts nothing.
    let slash_role: Address = "0x1100000000000000000000000000000000000011".parse().expect("an address");
    net.chain.call("anvil_setBalance", &json!([slash_role, "0x56bc75e2d63100000"])).expect("ether");
    let slash = keccak256("slash(bytes32,bytes32,address,(address,uint32,address[],uint256[],string))");
    let call = scheduleCall { target: listed.gate, data: slash[..4].to_vec().into(), when: U48::ZERO };
    net.chain.send(slash_role, listed.manager, &call.abi_encode());
    net.chain.mine(4);
    let report = desk.run("verify", &[]).json();
    assert_eq!(standing(&report, "members of SLASH"), "ok");
    let facts = report["facts"].as_array().expect("facts");
    assert_eq!(facts.iter().filter(|fact| fact["standing"] == "pending").count(), 1, "{report}");
    every_kind_of_change(net, desk, listed);
}

/// Each change by whoever has the power to, all at once: each is found, and nothing else.
fn every_kind_of_change(net: &Net, desk: &Desk, listed: &Contracts) {
    let Contracts { manager, timelock, gate, treasury, .. } = *listed;
    let core = desk.definition.chain.allocation_manager;
    let id = B256::repeat_byte(0x21);
    let wad = 1_000_000_000_000_000;
    let limits =
        Limits { minWad: wad, maxWad: wad, operatorBudget: wad, setBudget: U72::from(wad), window: 1, coolDown: 0 };
    let set_limits = setLimitsCall { requestId: id, avs: AVS, operatorSetId: SET + 1, limits };
    let terms = PayeeTerms { budget: 1, largeBudget: 1, window: 1 };
    let selectors = vec![[0xde, 0xad, 0xbe, 0xef].into()];
    let proposer = keccak256("PROPOSER_ROLE");
    let changes: [(Address, Address, Vec<u8>, &str); 10] = [
        (timelock, manager, setTargetFunctionRoleCall { target: gate, selectors, roleId: SLASH }.abi_encode(), "takes"),
        (timelock, manager, setRoleGuardianCall { roleId: SLASH, guardian: SLASH }.abi_encode(), "guardian of SLASH"),
        (
            timelock,
            manager,
            grantRoleCall { roleId: 77, account: THIEF, executionDelay: 0 }.abi_encode(),
            "members of role 77",
        ),
        (timelock, gate, set_limits.abi_encode(), "limits of operator set 8"),
        (
            timelock,
            manager,
            grantRoleCall { roleId: GOVERNANCE, account: THIEF, executionDelay: 0 }.abi_encode(),
            "members of GOVERNANCE",
        ),
        (THIEF, treasury, setPayeeCall { requestId: id, token: THIEF, payee: THIEF, terms }.abi_encode(), "payee"),
        (timelock, timelock, ITimelock::grantRoleCall { role: proposer, account: THIEF }.abi_encode(), "proposer"),
        (AVS, core, addPendingAdminCall { account: AVS, admin: THIEF }.abi_encode(), "pending admins"),
        (
            AVS,
            core,
            setAppointeeCall {
                account: AVS,
                appointee: THIEF,
                target: core,
                selector: updateSlasherCall::SELECTOR.into(),
            }
            .abi_encode(),
            "appointees for updateSlasher",
        ),
        (timelock, manager, setTargetClosedCall { target: treasury, closed: true }.abi_encode(), "(the treasury) is"),
    ];
    net.chain.call("anvil_setBalance", &json!([THIEF, "0x56bc75e2d63100000"])).expect("ether");
    for (from, to, data, _) in &changes {
        // The closed treasury takes nothing from anybody, so it is the last; one block for each keeps their order.
        net.chain.send(*from, *to, data);
        net.chain.mine(1);
    }
    net.chain.mine(3);
    let verified = desk.run("verify", &[]);
    verified.refused("AUTHORITY_DIFFERS", 6);
    let found = differing(&verified);
    for (.., about) in &changes {
        assert_eq!(found.iter().filter(|name| name.contains(about)).count(), 1, "{about} in {found:?}");
    }
    assert_eq!(found.len(), changes.len(), "{found:?}");
}

#[test]
fn an_authority_is_planned_deployed_and_verified_on_every_core() {
    let mut net = Net::prepare(3, 2);
    net.start_chain();
    for (index, (model, resolution, generation)) in
        [(0, 0, "appointees"), (1, 0, "slashers"), (1, 50, "resolution")].into_iter().enumerate()
    {
        let core = simulated(&net, u64::try_from(index).expect("small"), model, resolution);
        step(generation, || lifecycle(&net, core, generation));
    }
}

/// What `deploy` deploys, by the names of keys. None of the nodes has the one for governance, and all see one account for it.
fn declared(avs: Address) -> Declared {
    let key = |name: &str| Holder::Key(name.to_owned());
    Declared {
        since: 0,
        slash: key("slash"),
        treasury: key("treasury"),
        governance: key("governance"),
        veto: vec![key("veto")],
        admins: vec![avs],
        delays: Delays {
            slash: SHORT,
            treasury: SHORT,
            treasury_large: LONG,
            governance: SHORT,
            timelock: SHORT,
            hand_over: SHORT,
            recovery: LONG,
        },
        sets: Vec::new(),
        payees: vec![ListedPayee {
            token: Address::ZERO,
            payee: PAYEE,
            budget: 1_000,
            large_budget: 2_000,
            window: 3_600,
        }],
        appointees: Vec::new(),
    }
}

/// Waits until the node's check of the contracts is as it should be; what it says.
fn surveyed(net: &Net, ok: bool, about: &str) -> String {
    let name = format!("contracts of {}", net.chain.avs);
    until(&format!("a survey that is {ok} about {about}"), || {
        net.chain.mine(1);
        let status = net.status(0)?;
        let check = named(&status["checks"], &name).clone();
        let detail = check["detail"].as_str().unwrap_or_default().to_owned();
        if check["ok"] == ok && detail.contains(about) { Ok(detail) } else { Err(check.to_string()) }
    })
}

/// Whether all members say of a request that the chain contradicts what is declared.
fn is_stopped(net: &Net, id: &str) {
    until("all to refuse it", || {
        let view = net.request(0, id)?;
        let members = view["members"].as_array().expect("members");
        let all = members.iter().all(|member| member["code"] == "AUTHORITY_DIFFERS");
        if all { Ok(()) } else { Err(view.to_string()) }
    });
}

/// Waits until the slash's first payload is on chain: the key has signed.
fn is_scheduled(net: &Net, id: &str) {
    until("it to be scheduled", || {
        net.chain.mine(1);
        let view = net.request(0, id)?;
        if view["schedule"].is_object() { Ok(()) } else { Err(view.to_string()) }
    });
}

#[test]
fn r16_a_role_granted_behind_firns_back_stops_slashes_and_no_veto() {
    let net = guarded(&[Purpose::Treasury, Purpose::Veto, Purpose::Governance], &["pause_contract"], |content| {
        // The simulation is all of EigenLayer at one address.
        content.chain.permission_controller = Some(content.chain.allocation_manager);
        let listed = &mut content.contracts[0];
        listed.declared = Some(declared(listed.avs));
    });
    let slash = net.account();
    let [treasury, veto] = ["treasury", "veto"].map(|name| account_of(&net, name));
    step("nothing is deployed: no slash", || {
        surveyed(&net, false, "code at");
        let id = gate::asked(&net, &gate::slash(&net, slash, 1, WAD / 100));
        is_stopped(&net, &id);
        deploy(&net, Members { slash, treasury, governance: PROPOSER, vetoers: vec![veto] }, Vec::new());
        surveyed(&net, true, "as declared");
        gate::make_slasher(&net, net.definition.contracts[0].gate);
        is_scheduled(&net, &id);
    });
    let made = net.definition.contracts[0].clone();
    let avs = net.chain.avs.to_string();
    net.at(0, &["chain", "verify", "--avs", &avs]).json();
    let id = step("a role is granted: no slash, and the fact is named", || {
        let grant = grantRoleCall { roleId: SLASH, account: THIEF, executionDelay: 0 };
        net.chain.call("anvil_setBalance", &json!([made.timelock, "0x56bc75e2d63100000"])).expect("ether");
        net.chain.send(made.timelock, made.manager, &grant.abi_encode());
        for node in net.all() {
            until("every node to see it", || {
                net.chain.mine(1);
                let status = net.status(node)?;
                let check = named(&status["checks"], &format!("contracts of {avs}")).clone();
                if check["ok"] == false { Ok(()) } else { Err(check.to_string()) }
            });
        }
        let detail = surveyed(&net, false, "members of SLASH");
        assert!(detail.contains(&THIEF.to_string()), "{detail}");
        net.at(0, &["chain", "verify", "--avs", &avs]).refused("AUTHORITY_DIFFERS", 6);
        let id = gate::asked(&net, &gate::slash(&net, slash, 2, WAD / 100));
        is_stopped(&net, &id);
        assert!(net.log(0).contains("authority_differs"), "the log says so");
        assert_eq!(net.metric(0, &format!("firn_authority_differing{{avs=\"{avs}\"}}")), 1);
        id
    });
    step("the veto still pauses the gate", || {
        let pause = PauseContract {
            avs: net.chain.avs,
            which: "gate".to_owned(),
            until: now() + 86_400,
            reference: B256::repeat_byte(0x88),
            account: veto,
            nonce: U256::from(9),
            deadline: now() + 3600,
        };
        let asked = post(&net, &Operation::PauseContract(pause));
        assert_eq!(asked.status, 202, "{asked:?}");
        net.in_state(0, asked.json()["id"].as_str().expect("an id"), "executed");
        is_stopped(&net, &id);
    });
    step("put right, the slash goes on by itself", || {
        let revoke = revokeRoleCall { roleId: SLASH, account: THIEF };
        net.chain.send(made.timelock, made.manager, &revoke.abi_encode());
        surveyed(&net, true, "pending");
        is_scheduled(&net, &id);
    });
}
