//! Where fuzzing begins (`make fuzz`): one canonical sample of everything that is decoded. `FIRN_BLESS=1` writes them.
#![allow(clippy::disallowed_methods, reason = "seeds are committed files, written when asked for")]

use crate::fixture::{act, definition, digest, opinion, pause, signed_as};
use crate::{calls, change, guard, kinds, safe, samples};
use firn_proto::checkpoint::{Checkpoint, Head, Note};
use firn_proto::operation::Operation;
use firn_proto::opinion::Decision;
use firn_proto::{NodeId, SubjectId};
use prost::Message as _;
use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fs};

fn operations() -> Vec<Operation> {
    let slash = Operation::SlashOperator(crate::fixture::slash());
    let listed = kinds::samples().into_iter().chain(calls::samples());
    listed.chain([slash, safe::sample()]).chain(guard::samples()).collect()
}

fn seeds() -> BTreeMap<String, Vec<u8>> {
    let network = guard::guarded();
    let mut seeds = BTreeMap::from([("network.toml".to_owned(), network.to_toml().into_bytes())]);
    let mut add =
        |target: &str, name: &str, parts: &[&[u8]]| _ = seeds.insert(format!("{target}/{name}"), parts.concat());
    for (name, (session, message)) in samples::messages() {
        let (kind, body) = message.encode();
        add("message", name, &[&[u8::try_from(kind).unwrap()], &session.0.0, &body]);
    }
    for (number, operation) in operations().into_iter().enumerate() {
        let name = format!("{number:02}-{}", operation.kind());
        add("request", &name, &[&signed_as(operation.clone(), 7, &network).to_wire().encode_to_vec()]);
        add("operation", &format!("{name}.json"), &[serde_json::to_string(&operation.to_json()).unwrap().as_bytes()]);
        for call in operation.calls(&network) {
            add("operation", &format!("{name}.call"), &[call.target.as_slice(), &call.data]);
        }
    }
    for (name, definition) in
        [("plain", definition()), ("governed", network.clone()), ("admins", change::administered())]
    {
        add("definition", name, &[definition.to_toml().as_bytes()]);
    }
    let said = opinion(&network, 21, SubjectId(digest(0x88)), Decision::Approve, 1);
    add("statement", "opinion", &[b"o", &said.to_wire().encode_to_vec()]);
    add("statement", "pause", &[b"p", &pause(&network, 22, true, 1).to_wire().encode_to_vec()]);
    add("statement", "act", &[b"a", &act(&network, 22, "resume", 1, 1).to_wire().encode_to_vec()]);
    add("statement", "change", &[b"c", &change::sample().1.signed().to_wire().encode_to_vec()]);
    let checkpoint = Checkpoint { owner: NodeId(1), head: Head { size: 42, hash: digest(0x61) }, boot: 3 };
    let cosign = |node: u16| (NodeId(node), crate::fixture::sign(node, checkpoint.digest(network.network_id())));
    let note = Note { checkpoint, signatures: BTreeMap::from([cosign(1), cosign(2)]) }.to_text(&network);
    add("statement", "note", &[b"n", note.as_bytes()]);
    add("statement", "audit-entry", &[b"e", &samples::audit_entry().encode_to_vec()]);
    seeds
}

fn committed(folder: &Path, below: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder.join(below)).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{below}{}", entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            committed(folder, &format!("{name}/"), found);
        } else {
            found.insert(name, fs::read(entry.path()).unwrap());
        }
    }
}

#[test]
fn fuzzing_begins_with_a_sample_of_everything_that_is_decoded_today() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds");
    if env::var_os("FIRN_BLESS").is_some() {
        fs::remove_dir_all(&folder).unwrap();
        for (name, bytes) in seeds() {
            let file = folder.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, bytes).unwrap();
        }
    }
    let mut found = BTreeMap::new();
    committed(&folder, "", &mut found);
    let (found, wanted): (Vec<_>, Vec<_>) = (found.into_iter().collect(), seeds().into_iter().collect());
    let names = |list: &[(String, Vec<u8>)]| list.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&found), names(&wanted), "write them with FIRN_BLESS=1");
    for (found, wanted) in found.iter().zip(&wanted) {
        assert!(found == wanted, "{} is of another version: write it with FIRN_BLESS=1", found.0);
    }
}
