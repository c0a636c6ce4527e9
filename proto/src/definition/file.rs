//! `network.toml`: the definition as people write it.

use super::version::Succession;
use super::{
    AtMost, Authority, Chain, Content, Contracts, Declared, KeyDefinition, ListedCall, Node, OperatorSetEntry, Purpose,
    Requester, invalid,
};
use crate::author::AuthorKey;
use crate::code::Refusal;
use crate::ids::{Digest, Identifier, NetworkId, NodeId};
use crate::point::Point;
use crate::policy::file::{self as policy, FileOperator, FilePause, FilePerson, FilePolicy, FileRule};
use crate::time::WallTime;
use alloy_primitives::Address;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effective_block: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quorum: Option<u16>,
    chain: FileChain,
    organisations: Vec<FileOrganisation>,
    nodes: Vec<FileNode>,
    keys: Vec<FileKey>,
    operator_sets: Vec<FileOperatorSet>,
    requesters: Vec<FileRequester>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    authorities: Vec<FileAuthority>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    calls: Vec<FileCall>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    contracts: Vec<Contracts>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    people: Vec<FilePerson>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    operators: Vec<FileOperator>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rules: Vec<FileRule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pause: Option<FilePause>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct FileChain {
    id: u64,
    allocation_manager: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    permission_controller: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strategy_manager: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    block_seconds: Option<u64>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct FileAuthority {
    avs: String,
    purpose: String,
    key: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct FileCall {
    purpose: String,
    target: String,
    selector: String,
    signature: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct FileOrganisation {
    name: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct FileNode {
    id: u16,
    name: String,
    organisation: String,
    region: String,
    provider: String,
    peer_id: String,
    author_key: String,
    vault_key: String,
    addresses: Vec<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct FileKey {
    name: String,
    purpose: String,
    threshold: u16,
    members: Vec<FileMember>,
    #[serde(skip_serializing_if = "Option::is_none")]
    diversity: Option<FileDiversity>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct FileDiversity {
    organisations: u16,
    regions: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    per_organisation: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    per_region: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    per_provider: Option<u16>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct FileMember {
    identifier: u16,
    node: u16,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct FileOperatorSet {
    avs: String,
    id: u32,
    key: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct FileRequester {
    name: String,
    address: String,
    operations: Vec<String>,
    avs: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
}

pub(super) fn parse(text: &str) -> Result<(Content, Option<Succession>), Refusal> {
    let file: File = toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
    let succession = succession(&file)?;
    let mut keys = file.keys.iter().map(key).collect::<Result<Vec<_>, _>>()?;
    keys.sort_by(|a, b| a.name.cmp(&b.name));
    let mut operator_sets = file
        .operator_sets
        .into_iter()
        .map(|set| Ok(OperatorSetEntry { avs: address(&set.avs)?, id: set.id, key: set.key }))
        .collect::<Result<Vec<_>, _>>()?;
    operator_sets.sort();
    let mut requesters = file.requesters.into_iter().map(requester).collect::<Result<Vec<_>, _>>()?;
    requesters.sort_by(|a, b| a.name.cmp(&b.name));
    let mut nodes = BTreeMap::new();
    for entry in &file.nodes {
        if entry.id == 0 || nodes.insert(NodeId(entry.id), node(entry)?).is_some() {
            return Err(invalid(format!("node id {} is zero or used twice", entry.id)));
        }
    }
    let organisations: BTreeSet<_> = file.organisations.iter().map(|organisation| organisation.name.clone()).collect();
    if organisations.len() != file.organisations.len() {
        return Err(invalid("duplicate organisation"));
    }
    let optional = |text: &Option<String>| text.as_deref().map(address).transpose();
    let chain = Chain {
        id: file.chain.id,
        allocation_manager: address(&file.chain.allocation_manager)?,
        permission_controller: optional(&file.chain.permission_controller)?,
        strategy_manager: optional(&file.chain.strategy_manager)?,
        block_seconds: file.chain.block_seconds,
    };
    let mut authorities = file.authorities.into_iter().map(authority).collect::<Result<Vec<_>, _>>()?;
    authorities.sort();
    let mut calls = file.calls.into_iter().map(call).collect::<Result<Vec<_>, _>>()?;
    calls.sort();
    let mut contracts = file.contracts;
    contracts.iter_mut().filter_map(|listed| listed.declared.as_mut()).for_each(Declared::sort);
    contracts.sort();
    let (people, operators, rules, pause) = (file.people, file.operators, file.rules, file.pause);
    let policy = FilePolicy { people, operators, rules, pause };
    let policy = policy::parse(policy)?;
    let content = Content {
        name: file.name,
        chain,
        organisations,
        nodes,
        keys,
        operator_sets,
        authorities,
        calls,
        contracts,
        requesters,
        policy,
        quorum: file.quorum,
    };
    Ok((content, succession))
}

/// The genesis names nothing before it; every other version does.
fn succession(file: &File) -> Result<Option<Succession>, Refusal> {
    let digest = |text: &str| {
        let bytes = text.strip_prefix("0x").and_then(|digits| hex::decode(digits).ok());
        bytes.and_then(|bytes| Digest::from_slice(&bytes)).ok_or_else(|| invalid(format!("`{text}` is no digest")))
    };
    match (file.version, &file.network, &file.previous, file.effective_block) {
        (1, None, None, None) => Ok(None),
        (version @ 2.., Some(network), Some(previous), Some(block)) => {
            let (network, previous) = (NetworkId(digest(network)?), digest(previous)?);
            Ok(Some(Succession { version, network, previous, block }))
        }
        (0, ..) => Err(invalid("versions count from 1")),
        (1, ..) => Err(invalid("version 1 has no network, previous or effective_block")),
        _ => Err(invalid("a later version needs network, previous and effective_block")),
    }
}

fn purpose(name: &str) -> Result<Purpose, Refusal> {
    Purpose::parse(name).ok_or_else(|| invalid(format!("unknown purpose {name}")))
}

fn authority(entry: FileAuthority) -> Result<Authority, Refusal> {
    Ok(Authority { avs: address(&entry.avs)?, purpose: purpose(&entry.purpose)?, key: entry.key })
}

fn call(entry: FileCall) -> Result<ListedCall, Refusal> {
    let selector = entry.selector.parse().map_err(|_| invalid(format!("`{}` is no selector", entry.selector)))?;
    let (purpose, target) = (purpose(&entry.purpose)?, address(&entry.target)?);
    Ok(ListedCall { purpose, target, selector, signature: entry.signature })
}

fn node(entry: &FileNode) -> Result<Node, Refusal> {
    let bytes = |text: &str| hex::decode(text).map_err(|_| invalid(format!("node {}: hex expected", entry.name)));
    Ok(Node {
        name: entry.name.clone(),
        organisation: entry.organisation.clone(),
        region: entry.region.clone(),
        provider: entry.provider.clone(),
        peer_id: entry.peer_id.clone(),
        author_key: AuthorKey::from_slice(&bytes(&entry.author_key)?)
            .map_err(|refusal| invalid(format!("node {}: {refusal}", entry.name)))?,
        vault_key: Point::from_slice(&bytes(&entry.vault_key)?)
            .map_err(|refusal| invalid(format!("node {}: {refusal}", entry.name)))?,
        addresses: entry.addresses.clone(),
    })
}

fn key(entry: &FileKey) -> Result<KeyDefinition, Refusal> {
    let unknown = || invalid(format!("key {}: unknown purpose {}", entry.name, entry.purpose));
    let purpose = Purpose::parse(&entry.purpose).ok_or_else(unknown)?;
    let members: BTreeMap<_, _> = entry.members.iter().map(|m| (Identifier(m.identifier), NodeId(m.node))).collect();
    if members.len() != entry.members.len() {
        return Err(invalid(format!("key {}: duplicate identifier", entry.name)));
    }
    let diversity = entry.diversity.as_ref();
    Ok(KeyDefinition {
        name: entry.name.clone(),
        purpose,
        threshold: entry.threshold,
        members,
        organisations_min: diversity.map_or(1, |diversity| diversity.organisations),
        regions_min: diversity.map_or(1, |diversity| diversity.regions),
        at_most: diversity.map_or_else(AtMost::default, |diversity| AtMost {
            per_organisation: diversity.per_organisation,
            per_region: diversity.per_region,
            per_provider: diversity.per_provider,
        }),
    })
}

fn requester(entry: FileRequester) -> Result<Requester, Refusal> {
    let avs = entry.avs.iter().map(|avs| address(avs)).collect::<Result<_, _>>()?;
    let (address, expires) = (address(&entry.address)?, entry.expires.map(WallTime));
    Ok(Requester { name: entry.name, address, operations: entry.operations, avs, expires })
}

pub(crate) fn address(text: &str) -> Result<Address, Refusal> {
    text.parse().map_err(|_| invalid(format!("`{text}` is not an address")))
}

pub(super) fn write(definition: &Content, succession: Option<&Succession>) -> String {
    let FilePolicy { people, operators, rules, pause } = policy::write(&definition.policy);
    let file = File {
        name: definition.name.clone(),
        version: succession.map_or(1, |succession| succession.version),
        network: succession.map(|succession| succession.network.0.to_string()),
        previous: succession.map(|succession| succession.previous.to_string()),
        effective_block: succession.map(|succession| succession.block),
        quorum: definition.quorum,
        chain: write_chain(&definition.chain),
        organisations: definition.organisations.iter().map(|name| FileOrganisation { name: name.clone() }).collect(),
        nodes: definition
            .nodes
            .iter()
            .map(|(id, node)| FileNode {
                id: id.0,
                name: node.name.clone(),
                organisation: node.organisation.clone(),
                region: node.region.clone(),
                provider: node.provider.clone(),
                peer_id: node.peer_id.clone(),
                author_key: hex::encode(node.author_key.as_bytes()),
                vault_key: hex::encode(node.vault_key.as_bytes()),
                addresses: node.addresses.clone(),
            })
            .collect(),
        keys: definition
            .keys
            .iter()
            .map(|key| FileKey {
                name: key.name.clone(),
                purpose: key.purpose.as_str().to_owned(),
                threshold: key.threshold,
                members: key.members.iter().map(|(id, node)| FileMember { identifier: id.0, node: node.0 }).collect(),
                diversity: write_diversity(key),
            })
            .collect(),
        operator_sets: definition
            .operator_sets
            .iter()
            .map(|set| FileOperatorSet { avs: set.avs.to_string(), id: set.id, key: set.key.clone() })
            .collect(),
        authorities: definition.authorities.iter().map(write_authority).collect(),
        calls: definition.calls.iter().map(write_call).collect(),
        contracts: definition.contracts.clone(),
        requesters: definition
            .requesters
            .iter()
            .map(|requester| FileRequester {
                name: requester.name.clone(),
                address: requester.address.to_string(),
                operations: requester.operations.clone(),
                avs: requester.avs.iter().map(ToString::to_string).collect(),
                expires: requester.expires.map(|expires| expires.0),
            })
            .collect(),
        people,
        operators,
        rules,
        pause,
    };
    // Serialising strings, integers and lists of tables cannot fail.
    toml::to_string(&file).unwrap_or_default()
}

fn write_diversity(key: &KeyDefinition) -> Option<FileDiversity> {
    let AtMost { per_organisation, per_region, per_provider } = key.at_most;
    let (organisations, regions) = (key.organisations_min, key.regions_min);
    let is_plain = (organisations, regions, key.at_most) == (1, 1, AtMost::default());
    (!is_plain).then_some(FileDiversity { organisations, regions, per_organisation, per_region, per_provider })
}

fn write_chain(chain: &Chain) -> FileChain {
    FileChain {
        id: chain.id,
        allocation_manager: chain.allocation_manager.to_string(),
        permission_controller: chain.permission_controller.map(|address| address.to_string()),
        strategy_manager: chain.strategy_manager.map(|address| address.to_string()),
        block_seconds: chain.block_seconds,
    }
}

fn write_authority(listed: &Authority) -> FileAuthority {
    let purpose = listed.purpose.as_str().to_owned();
    FileAuthority { avs: listed.avs.to_string(), purpose, key: listed.key.clone() }
}

fn write_call(call: &ListedCall) -> FileCall {
    FileCall {
        purpose: call.purpose.as_str().to_owned(),
        target: call.target.to_string(),
        selector: call.selector.to_string(),
        signature: call.signature.clone(),
    }
}
