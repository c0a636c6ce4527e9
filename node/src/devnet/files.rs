//! A devnet on disk: data directories, one definition, a requester's key, and a manifest that names them all.

use super::contracts::WAD;
use super::roster::{self, MEMBERS, Member};
use crate::config::RpcUrl;
use crate::data_dir::files;
use crate::failure::{Exit, Failure};
use crate::host::versions::{signature_lines, signatures_file};
use crate::init::{self, Plan};
use crate::keystore::{KdfProfile, Passphrase};
use crate::requester::sign_definition;
use alloy::primitives::{Address, U256};
use alloy::signers::local::PrivateKeySigner;
use firn_proto::account::verifier_address;
use firn_proto::author::AuthorKey;
use firn_proto::definition::{
    AtMost, Chain, Content, KeyDefinition, Node, OperatorSetEntry, Purpose, Requester, SignedChange,
};
use firn_proto::pause::Quorums;
use firn_proto::policy::{Approvals, Person, Policy, Role, Rule, Scope};
use firn_proto::{Definition, Identifier, NodeId, Point};
use rand_core::{OsRng, RngCore};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The network's name.
const NETWORK: &str = "firn-devnet";
/// The name of its only key.
pub(crate) const KEY: &str = "slash";
/// anvil's default chain id.
const CHAIN_ID: u64 = 31_337;
/// The operator set that the key answers for.
const OPERATOR_SET: u32 = 1;
const MANIFEST: &str = "devnet.json";
const SCHEMA: &str = "firn/devnet/v1";

/// Everything about a devnet that does not change, for tests and for the next `up`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) schema: String,
    /// Why nothing of value may depend on it.
    pub(crate) warning: String,
    pub(crate) network: String,
    /// Digest of the definition.
    pub(crate) definition: String,
    /// The definition's file; each data directory has a copy.
    pub(crate) network_file: PathBuf,
    /// The chain's endpoint.
    pub(crate) rpc: String,
    /// Absent: the chain at `rpc` is somebody else's to start and stop.
    pub(crate) anvil_port: Option<u16>,
    pub(crate) key: String,
    pub(crate) threshold: u16,
    pub(crate) nodes: Vec<ManifestNode>,
    pub(crate) requester: ManifestSigner,
    /// An approver of each organisation; the first and the third may veto as well.
    pub(crate) people: Vec<ManifestSigner>,
    /// An admin of each organisation, who signs versions of the definition.
    pub(crate) admins: Vec<ManifestSigner>,
    pub(crate) contracts: Contracts,
}

/// One node of the manifest.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ManifestNode {
    pub(crate) node: u16,
    pub(crate) name: String,
    pub(crate) organisation: String,
    pub(crate) region: String,
    pub(crate) data_dir: PathBuf,
    pub(crate) passphrase_file: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) api: SocketAddr,
    /// The port of its TCP and QUIC addresses.
    pub(crate) port: u16,
    pub(crate) relayer: Address,
}

/// The sample AVS's key for asking, or a person's for approving.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ManifestSigner {
    pub(crate) name: String,
    pub(crate) address: Address,
    /// An encrypted Ethereum JSON keystore.
    pub(crate) keystore: PathBuf,
    pub(crate) passphrase_file: PathBuf,
}

/// Addresses on the chain that are known before anything is deployed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contracts {
    /// `EigenLayerSim`: the first contract that the deployer creates.
    pub(crate) allocation_manager: Address,
    pub(crate) verifier: Address,
    pub(crate) avs: Address,
    pub(crate) operator_set_id: u32,
    pub(crate) operator: Address,
    pub(crate) strategy: Address,
    /// Where the slashed funds would go.
    pub(crate) recipient: Address,
}

impl ManifestSigner {
    /// The key, from its keystore and the passphrase beside it.
    pub(crate) fn open(&self) -> Result<PrivateKeySigner, Failure> {
        let failed = |cause: String| Failure::general("DEVNET_REQUESTER", cause);
        let passphrase = fs::read_to_string(&self.passphrase_file).map_err(|error| failed(error.to_string()))?;
        PrivateKeySigner::decrypt_keystore(&self.keystore, passphrase.trim()).map_err(|error| failed(error.to_string()))
    }
}

/// What `prepare` is asked for.
pub(crate) struct Wish<'a> {
    pub(crate) dir: &'a Path,
    pub(crate) nodes: u16,
    pub(crate) threshold: u16,
    pub(crate) rpc: Option<&'a str>,
    pub(crate) keys: Keys,
}

/// Which keys the network has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    /// One of all nodes, which slashes.
    One,
    /// Four of different members: for slashing, the treasury, the veto and governance. Contracts and operator sets come with the
    /// second version of the definition.
    Four,
}

impl Manifest {
    /// Reads the manifest of an existing devnet.
    pub(crate) fn read(dir: &Path) -> Result<Self, Failure> {
        let path = dir.join(MANIFEST);
        let missing = |error: std::io::Error| {
            let next = "make one with `firn devnet prepare --dir` and a directory that does not exist yet";
            Failure::new("DEVNET_MISSING", format!("{}: {error}", path.display()), next, Exit::Failure)
        };
        let text = fs::read_to_string(&path).map_err(missing)?;
        let broken = |cause: String| {
            let next = "make a new devnet in another directory";
            Failure::new("DEVNET_MANIFEST", format!("{}: {cause}", path.display()), next, Exit::Failure)
        };
        let manifest: Self = serde_json::from_str(&text).map_err(|error| broken(error.to_string()))?;
        if manifest.schema == SCHEMA { Ok(manifest) } else { Err(broken(format!("schema {}", manifest.schema))) }
    }

    /// Whether `dir` holds a devnet.
    pub(crate) fn exists(dir: &Path) -> bool {
        dir.join(MANIFEST).is_file()
    }

    /// The definition that all nodes follow.
    pub(crate) fn read_definition(&self) -> Result<Definition, Failure> {
        let text = fs::read_to_string(&self.network_file).map_err(|error| io(&self.network_file, &error))?;
        Ok(Definition::parse(&text)?)
    }
}

/// Makes a devnet in a directory that must not exist. What a failure leaves half made is removed.
pub(crate) fn prepare(wish: &Wish<'_>) -> Result<Manifest, Failure> {
    create(wish.dir).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            let next = "choose a directory that does not exist, or continue with `firn devnet up --dir`";
            Failure::new("DEVNET_EXISTS", format!("{} exists", wish.dir.display()), next, Exit::Conflict)
        }
        _ => io(wish.dir, &error),
    })?;
    fill(wish).inspect_err(|_| {
        let _ = fs::remove_dir_all(wish.dir);
    })
}

fn fill(wish: &Wish<'_>) -> Result<Manifest, Failure> {
    // Absolute, so that the configurations work from anywhere.
    let dir = fs::canonicalize(wish.dir).map_err(|error| io(wish.dir, &error))?;
    let members = MEMBERS.get(..usize::from(wish.nodes)).ok_or_else(|| {
        let cause = format!("{} nodes; a devnet has at most {}", wish.nodes, MEMBERS.len());
        Failure::new("DEVNET_SIZE", cause, "ask for fewer with --nodes", Exit::Failure)
    })?;
    for name in ["passphrases", "avs", "people", "admins", "logs"] {
        let path = dir.join(name);
        create(&path).map_err(|error| io(&path, &error))?;
    }
    let (mut ports, anvil) = (free_ports(2 * members.len() + 1)?.into_iter(), wish.rpc.is_none());
    let mut port = || ports.next().ok_or_else(|| Failure::general("DEVNET_PORTS", "too few free ports"));
    let anvil_port = if anvil { Some(port()?) } else { None };
    let rpc = wish.rpc.map_or_else(|| format!("http://127.0.0.1:{}", anvil_port.unwrap_or_default()), str::to_owned);
    let url = RpcUrl::try_from(rpc.clone()).map_err(|cause| {
        Failure::new("DEVNET_RPC", format!("{rpc}: {cause}"), "give --rpc an http address", Exit::Failure)
    })?;
    let (mut nodes, mut definitions) = (Vec::new(), Vec::new());
    for (member, id) in members.iter().zip(1..) {
        let (node, definition) = node(&dir, member, id, (port()?, port()?), &url)?;
        nodes.push(node);
        definitions.push(definition);
    }
    let (requester, contracts) = (signer(&dir.join("avs"), "requester", "sample-avs")?, contracts()?);
    let approver = |member: &Member| signer(&dir.join("people"), member.approver, member.approver);
    let people = members.iter().map(approver).collect::<Result<Vec<_>, _>>()?;
    let admin = |member: &Member| signer(&dir.join("admins"), member.admin, member.admin);
    let admins = members.iter().map(admin).collect::<Result<Vec<_>, _>>()?;
    let definition = match wish.keys {
        Keys::One => definition(definitions, wish.threshold, &requester, (&people, &admins), &contracts),
        Keys::Four => super::life::with_four_keys(&definition(
            definitions,
            wish.threshold,
            &requester,
            (&people, &admins),
            &contracts,
        )),
    };
    let network_file = dir.join("network.toml");
    let copies = nodes.iter().map(|node| node.data_dir.join("network.toml"));
    write_genesis(&definition, &admins, copies.chain([network_file.clone()]))?;
    let manifest = Manifest {
        schema: SCHEMA.to_owned(),
        warning: WARNING.to_owned(),
        network: NETWORK.to_owned(),
        definition: definition.digest().to_string(),
        network_file,
        rpc,
        anvil_port,
        key: KEY.to_owned(),
        threshold: wish.threshold,
        nodes,
        requester,
        people,
        admins,
        contracts,
    };
    let text = serde_json::to_string_pretty(&manifest)
        .map_err(|error| Failure::general("DEVNET_MANIFEST", error.to_string()))?;
    // Last: a directory without a manifest is not a devnet.
    let path = dir.join(MANIFEST);
    files::write_new(&path, text.as_bytes()).map_err(|error| io(&path, &error))?;
    Ok(manifest)
}

/// Lays out one node as `firn init` does, with a keystore that opens fast because nothing of value is in it.
fn node(
    dir: &Path,
    member: &Member,
    id: u16,
    (port, api_port): (u16, u16),
    rpc: &RpcUrl,
) -> Result<(ManifestNode, Node), Failure> {
    let data_dir = dir.join(member.name);
    let passphrase_file = dir.join("passphrases").join(member.name);
    let passphrase = new_passphrase(&passphrase_file)?;
    let addresses = vec![format!("/ip4/127.0.0.1/udp/{port}/quic-v1"), format!("/ip4/127.0.0.1/tcp/{port}")];
    let listen = addresses.iter().map(|address| address.parse()).collect::<Result<_, _>>();
    let api = SocketAddr::from((Ipv4Addr::LOCALHOST, api_port));
    let plan = Plan {
        network: NETWORK.to_owned(),
        node: member.name.to_owned(),
        listen: listen.map_err(|_| Failure::general("DEVNET_ADDRESS", addresses.join(", ")))?,
        api,
        rpc: vec![rpc.clone()],
        passphrase_file: Some(passphrase_file.clone()),
        kdf: KdfProfile::InsecureFast,
        relayer: Some(roster::signer(roster::relayer(id))?),
    };
    let identity = init::create(&data_dir, &plan, &Passphrase::new(Zeroizing::new(passphrase.as_bytes().to_vec())))?;
    refresh_at_once(&data_dir.join("config.toml"))?;
    let bytes = |text: &str| hex::decode(text).map_err(|error| Failure::general("DEVNET_IDENTITY", error.to_string()));
    let definition = Node {
        name: member.name.to_owned(),
        organisation: member.organisation.to_owned(),
        region: member.region.to_owned(),
        provider: member.provider.to_owned(),
        peer_id: identity.peer_id,
        author_key: AuthorKey::from_slice(&bytes(&identity.author_key)?)?,
        vault_key: Point::from_slice(&bytes(&identity.vault_key)?)?,
        addresses,
    };
    let node = ManifestNode {
        node: id,
        name: member.name.to_owned(),
        organisation: member.organisation.to_owned(),
        region: member.region.to_owned(),
        data_dir,
        passphrase_file,
        log: dir.join("logs").join(format!("{}.log", member.name)),
        api,
        port,
        relayer: identity.relayer,
    };
    Ok((node, definition))
}

/// A devnet's operators agree to every refresh, and have nothing to lose.
fn refresh_at_once(config: &Path) -> Result<(), Failure> {
    let text = fs::read_to_string(config).map_err(|error| io(config, &error))?;
    let text = format!("{text}\n[keys]\nrefresh_after = 1\n\n[backup]\npolicy = \"waived\"\n");
    fs::write(config, text).map_err(|error| io(config, &error))
}

fn definition(
    nodes: Vec<Node>,
    threshold: u16,
    requester: &ManifestSigner,
    (people, admins): (&[ManifestSigner], &[ManifestSigner]),
    contracts: &Contracts,
) -> Definition {
    let organisations = nodes.iter().map(|node| node.organisation.clone()).collect();
    let mut policy = policy(people.iter().zip(nodes.iter().map(|node| &node.organisation)));
    policy.people.extend(admins.iter().zip(&nodes).map(|(admin, node)| {
        let (organisation, roles) = (node.organisation.clone(), [Role::Admin].into());
        (admin.name.clone(), Person { organisation, address: admin.address, roles })
    }));
    let nodes: BTreeMap<_, _> = (1..).map(NodeId).zip(nodes).collect();
    let key = KeyDefinition {
        name: KEY.to_owned(),
        purpose: Purpose::Slash,
        threshold,
        members: nodes.keys().map(|node| (Identifier(node.0), *node)).collect(),
        organisations_min: 1,
        regions_min: 1,
        at_most: AtMost::default(),
    };
    Definition::new(Content {
        name: NETWORK.to_owned(),
        chain: Chain {
            id: CHAIN_ID,
            allocation_manager: contracts.allocation_manager,
            permission_controller: None,
            strategy_manager: None,
            block_seconds: None,
        },
        organisations,
        nodes,
        keys: vec![key],
        operator_sets: vec![OperatorSetEntry { avs: contracts.avs, id: OPERATOR_SET, key: KEY.to_owned() }],
        authorities: Vec::new(),
        calls: Vec::new(),
        contracts: Vec::new(),
        requesters: vec![Requester {
            name: requester.name.clone(),
            address: requester.address,
            operations: vec!["slash_operator".to_owned()],
            avs: vec![contracts.avs],
            expires: None,
        }],
        policy,
        quorum: None,
    })
}

/// Writes the definition and, beside it, every organisation's signature.
fn write_genesis(
    definition: &Definition,
    admins: &[ManifestSigner],
    paths: impl Iterator<Item = PathBuf>,
) -> Result<(), Failure> {
    let mut signed = SignedChange::propose(definition);
    for admin in admins {
        signed.signatures.insert(sign_definition(definition, &admin.open()?)?);
    }
    if signed.verify_genesis()? != *definition {
        return Err(Failure::general("DEVNET_DEFINITION", "network.toml does not read back as it was written"));
    }
    let lines = signature_lines(&signed);
    for path in paths {
        files::write_new(&path, signed.text.as_bytes()).map_err(|error| io(&path, &error))?;
        let path = signatures_file(&path);
        files::write_new(&path, lines.as_bytes()).map_err(|error| io(&path, &error))?;
    }
    Ok(())
}

/// Half of an allocation at most; more than a tenth takes the approval of two people from two organisations. One organisation's
/// veto holder pauses the network, those of two resume it.
fn policy<'a>(people: impl Iterator<Item = (&'a ManifestSigner, &'a String)>) -> Policy {
    let tenth = U256::from(WAD / 10);
    let two = Approvals { people: 2, organisations: 2 };
    let over = Scope { wad_over: Some(tenth), ..Scope::default() };
    let ceiling = Rule { wad_max: Some(tenth * U256::from(5)), ..Rule::default() };
    let people = people.enumerate().map(|(index, (person, organisation))| {
        let roles = match index {
            0 | 2 => [Role::Approver, Role::VetoHolder].into(),
            _ => [Role::Approver].into(),
        };
        (person.name.clone(), Person { organisation: organisation.clone(), address: person.address, roles })
    });
    let people: BTreeMap<_, _> = people.collect();
    let holds = |person: &&Person| person.roles.contains(&Role::VetoHolder);
    let resume = if people.values().filter(holds).count() > 1 { 2 } else { 1 };
    Policy {
        people,
        operators: BTreeMap::new(),
        pause: Some(Quorums { stop: 1, resume }),
        rules: BTreeMap::from([
            ("at most half".to_owned(), ceiling),
            ("two approve more than a tenth".to_owned(), Rule { scope: over, approvals: Some(two), ..Rule::default() }),
        ]),
    }
}

/// A new Ethereum key, in `folder`, with its passphrase beside it.
fn signer(folder: &Path, file: &str, name: &str) -> Result<ManifestSigner, Failure> {
    let passphrase_file = folder.join(format!("{file}.passphrase"));
    let file = &format!("{file}.json");
    let passphrase = new_passphrase(&passphrase_file)?;
    let signer = PrivateKeySigner::random();
    PrivateKeySigner::encrypt_keystore(folder, &mut OsRng, signer.to_bytes(), passphrase.as_str(), Some(file))
        .map_err(|error| Failure::general("DEVNET_REQUESTER", error.to_string()))?;
    let keystore = folder.join(file);
    fs::set_permissions(&keystore, fs::Permissions::from_mode(files::FILE_MODE))
        .map_err(|error| io(&keystore, &error))?;
    Ok(ManifestSigner { name: name.to_owned(), address: signer.address(), keystore, passphrase_file })
}

fn contracts() -> Result<Contracts, Failure> {
    Ok(Contracts {
        allocation_manager: roster::signer(roster::DEPLOYER)?.address().create(0),
        verifier: verifier_address(),
        avs: roster::signer(roster::AVS)?.address(),
        operator_set_id: OPERATOR_SET,
        operator: roster::signer(roster::OPERATOR)?.address(),
        strategy: roster::STRATEGY,
        recipient: roster::signer(roster::RECIPIENT)?.address(),
    })
}

/// A random passphrase in a file of its own, outside what it protects.
fn new_passphrase(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let mut bytes = Zeroizing::new([0; 24]);
    OsRng.try_fill_bytes(&mut *bytes).map_err(|error| Failure::general("ENTROPY_UNAVAILABLE", error.to_string()))?;
    let text = Zeroizing::new(hex::encode(*bytes));
    files::write_new(path, text.as_bytes()).map_err(|error| io(path, &error))?;
    Ok(text)
}

/// Ports free for TCP and UDP on loopback, below the range that outgoing connections take theirs from: a node that is
/// restarted must find its own again.
fn free_ports(count: usize) -> Result<Vec<u16>, Failure> {
    let mut found = Vec::new();
    for _ in 0..count * 20 {
        let port = PORTS_FROM + u16::try_from(OsRng.next_u32() % u32::from(PORTS)).unwrap_or_default();
        let address = (Ipv4Addr::LOCALHOST, port);
        let free = TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok();
        if free && !found.contains(&port) {
            found.push(port);
        }
        if found.len() == count {
            return Ok(found);
        }
    }
    Err(Failure::general("DEVNET_PORTS", format!("fewer than {count} free ports from {PORTS_FROM}")))
}

const PORTS_FROM: u16 = 20_000;
const PORTS: u16 = 12_000;

fn create(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().mode(files::DIRECTORY_MODE).create(path)
}

/// A failure of the file system.
pub(crate) fn io(path: &Path, error: &std::io::Error) -> Failure {
    Failure::general("DEVNET_IO", format!("{}: {error}", path.display()))
}

/// Said wherever a devnet is made.
pub(crate) const WARNING: &str = "INSECURE DEVNET: keystores use insecure-fast-kdf, passphrases lie beside them, relayer keys are \
     public knowledge. Use it on a private chain only.";
