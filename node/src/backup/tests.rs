//! Backups of a member of a network that was made for it, with a key of two of three.

use super::file::{Backup, Kept, Manifest, Secrets};
use super::restore::{drill, into_empty, into_used};
use super::*;
use crate::data_dir::files;
use crate::devnet::files::{Keys, Manifest as Devnet, Wish, prepare};
use crate::keystore::{KdfProfile, PassphraseSource};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use firn_proto::certificate::{KeyProposal, statement};
use firn_proto::digest::CanonicalHasher;
use firn_proto::time::WallTime;
use firn_proto::{Digest, Epoch};
use firn_vault::api::{KeyOutcome, Reply, Request, Write};
use std::collections::BTreeMap;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Whose test key everybody knows.
const SECRET: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
const RECIPIENT: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";

/// A network on disk, and a key of its members, of which nothing is in their directories yet.
struct Net {
    folder: tempfile::TempDir,
    devnet: Devnet,
    definition: Definition,
    certificate: KeyCertificate,
    vaults: Vec<Vault>,
}

fn passphrase(devnet: &Devnet, node: usize) -> Passphrase {
    PassphraseSource::File(devnet.nodes[node].passphrase_file.clone()).read().unwrap()
}

fn unlocked(devnet: &Devnet, node: usize) -> Unlocked {
    let context = Context { network: devnet.network.clone(), node: devnet.nodes[node].name.clone() };
    Keystore::open(&devnet.nodes[node].data_dir.join("keystore"), &context, &passphrase(devnet, node)).unwrap()
}

fn net() -> Net {
    // As the binary does before anything else: the database's own files are made by a library.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("devnet");
    let wish = Wish { dir: &dir, nodes: 3, threshold: 2, rpc: None, keys: Keys::One };
    let devnet = prepare(&wish).unwrap();
    let definition = devnet.read_definition().unwrap();
    let open = |(node, id): (usize, &NodeId)| {
        let root = RootSecret::from_bytes(unlocked(&devnet, node).vault_root.copied());
        Vault::open(definition.clone(), *id, Incarnation::new(1, 0), root, []).unwrap()
    };
    let mut vaults: Vec<_> = definition.nodes.keys().enumerate().map(open).collect();
    let certificate = key(&definition, &mut vaults);
    Net { folder, devnet, definition, certificate, vaults }
}

/// Runs a key generation among vaults.
fn key(definition: &Definition, vaults: &mut [Vault]) -> KeyCertificate {
    let proposal = KeyProposal {
        key_name: definition.keys[0].name.clone(),
        proposer: NodeId(1),
        deadline: WallTime(1),
        salt: [1; 32],
        definition: definition.digest(),
        from: None,
    };
    let members: Vec<_> = definition.keys[0].members.keys().copied().collect();
    let key_id = proposal.key_id(definition.network_id());
    let ask = |vault: &mut Vault, request: Request| vault.handle(request, &mut OsRng);
    let mut round1 = BTreeMap::new();
    for (member, vault) in members.iter().zip(vaults.iter_mut()) {
        let Reply::Dealt { package, .. } = ask(vault, Request::Deal { proposal: proposal.clone() }).reply else {
            panic!("not dealt")
        };
        round1.insert(*member, package);
    }
    let mut dealings = BTreeMap::new();
    for (member, vault) in members.iter().zip(vaults.iter_mut()) {
        let reply = ask(vault, Request::Share { key_id, round1: round1.clone() }).reply;
        let Reply::Shared { dealing, .. } = reply else { panic!("not shared: {reply:?}") };
        dealings.insert(*member, dealing);
    }
    let (mut signatures, mut outcome) = (BTreeMap::new(), None);
    for (member, vault) in members.iter().zip(vaults.iter_mut()) {
        let decision = ask(vault, Request::Finish { key_id, dealings: dealings.clone() });
        let Reply::Finished { outcome: made, .. } = decision.reply else { panic!("not finished") };
        outcome = Some(made);
        let Some(Write::Put { value, .. }) = decision.writes.into_iter().next() else { panic!("no share") };
        let reply = ask(vault, Request::Certify { key_id, epoch: Epoch(0), stored: Some(value) }).reply;
        let Reply::Certified { certified, .. } = reply else { panic!("not certified: {reply:?}") };
        signatures.insert(*member, certified.signature);
    }
    let KeyOutcome { transcript, group_key, verifying_shares } = outcome.unwrap();
    let certificate =
        KeyCertificate::assemble(definition, proposal, transcript, group_key, verifying_shares, signatures).unwrap();
    for vault in vaults {
        let certificate = Box::new(certificate.clone());
        let reply = ask(vault, Request::AcceptCertificate { certificate, activation: None }).reply;
        assert!(matches!(reply, Reply::Done { .. }), "{reply:?}");
    }
    certificate
}

impl Net {
    fn dir(&self, node: usize) -> PathBuf {
        self.devnet.nodes[node].data_dir.clone()
    }

    /// A backup of the first node, put together by hand.
    fn backup(&self, with_identity: bool) -> Backup {
        let key = BackupKey::generate(&mut OsRng);
        let (key_id, epoch) = (self.certificate.key_id(), self.certificate.epoch());
        let share = self.vaults[0].export(key_id, epoch, &key, &mut OsRng).unwrap();
        let certificate = self.certificate.to_wire().encode_to_vec();
        let Unlocked { transport, relayer, vault_root: root, .. } = unlocked(&self.devnet, 0);
        let config = std::fs::read_to_string(self.dir(0).join("config.toml")).unwrap();
        Backup {
            manifest: Manifest {
                network: self.definition.network_id().0.0.to_vec(),
                definition: self.definition.digest().0.to_vec(),
                version: 1,
                node: 1,
                name: self.devnet.nodes[0].name.clone(),
                created: 7,
                root: self.definition.to_toml(),
                changes: Vec::new(),
                keys: vec![Kept { certificate, activation: Vec::new(), share }],
            },
            secrets: Secrets { key, identity: with_identity.then_some(Identity { root, transport, relayer, config }) },
        }
    }

    fn key_file(&self) -> PathBuf {
        let path = self.folder.path().join("age.key");
        std::fs::write(&path, format!("# a comment\n{SECRET}\n")).unwrap();
        path
    }

    /// The secret scalar, out of the sealed share as the format describes it.
    fn share(&self, backup: &Backup) -> Vec<u8> {
        let certificate = &self.certificate;
        let certified = statement(certificate.transcript(), certificate.group_key(), certificate.verifying_shares());
        let aad = CanonicalHasher::new("firn/vault-record/v1")
            .field("backup/")
            .field(self.definition.network_id().0.0)
            .number(1_u16)
            .field(certificate.key_id().0.0)
            .number(certificate.epoch().0)
            .number(1_u8)
            .field(certified.0)
            .finish();
        let sealed = &backup.manifest.keys[0].share;
        let cipher = XChaCha20Poly1305::new(backup.secrets.key.as_bytes().as_slice().into());
        let payload = Payload { msg: &sealed[25..], aad: &aad.0 };
        cipher.decrypt(XNonce::from_slice(&sealed[1..25]), payload).unwrap()[..32].to_vec()
    }
}

fn code(failure: Failure) -> String {
    failure.code
}

/// Whether any file below a directory has these bytes, as they are or in hexadecimal digits.
fn is_on_disk(dir: &Path, secret: &[u8]) -> bool {
    let hex = hex::encode(secret);
    std::fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_on_disk(&path, secret);
        }
        let bytes = std::fs::read(&path).unwrap();
        let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
        has(secret) || has(hex.as_bytes())
    })
}

#[test]
fn r53_a_backup_is_encrypted_read_back_and_proven() {
    let net = net();
    let backup = net.backup(true);
    let text = people::encrypt(&backup.encode(), &[RECIPIENT.to_owned()], None).unwrap();
    assert!(text.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----\n"));
    let plain = people::decrypt(&text, &net.key_file()).unwrap();
    assert_eq!(*plain, *backup.encode(), "one encoding");
    let read = Backup::decode(&plain).unwrap();
    assert_eq!(read.manifest, backup.manifest);
    let keys = read.check(&read.judged_by(&net.definition).unwrap()).unwrap();
    assert_eq!(keys[0].certificate, net.certificate);
}

#[test]
fn r53_a_file_that_was_changed_anywhere_is_refused() {
    let net = net();
    let (backup, key_file) = (net.backup(true), net.key_file());
    let text = people::encrypt(&backup.encode(), &[RECIPIENT.to_owned()], None).unwrap();
    let opened = |text: &[u8]| {
        let plain = people::decrypt(text, &key_file).map_err(code)?;
        Backup::decode(&plain).map(drop).map_err(|refusal| refusal.code.to_string())
    };
    assert_eq!(opened(&text), Ok(()));
    for at in (0..text.len()).step_by(61).chain([40, 100, text.len() - 40, text.len() - 2]) {
        let mut changed = text.clone();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let answer = opened(&changed).unwrap_err();
        assert!(["BACKUP_MALFORMED", "BACKUP_RECIPIENT"].contains(&answer.as_str()), "{at}: {answer}");
    }
    for changed in [&text[..text.len() - 1], &[&text[..], b"\n"].concat(), &[b" ", &text[..]].concat(), b""] {
        assert_eq!(opened(changed).unwrap_err(), "BACKUP_MALFORMED");
    }
}

#[test]
fn r53_other_encodings_and_newer_formats_are_refused() {
    let backup = net().backup(true);
    let plain = backup.encode();
    let refused = |bytes: &[u8]| Backup::decode(bytes).map(drop).unwrap_err().code;
    for length in (0..plain.len()).step_by(13) {
        assert_eq!(refused(&plain[..length]), Code::BackupMalformed, "cut at {length}");
    }
    assert_eq!(refused(&[&plain[..], &[0]].concat()), Code::BackupMalformed, "trailing byte");
    let mut newer = plain.to_vec();
    newer[15] = 2;
    assert_eq!(refused(&newer), Code::BackupNewer);
    assert_eq!(refused(&[&newer[..16], b"whatever comes then"].concat()), Code::BackupNewer);
    newer[15] = 0;
    assert_eq!(refused(&newer), Code::BackupMalformed);
    // An unknown field of the manifest.
    let manifest = backup.manifest.encode_to_vec();
    let extended = [&manifest[..], &[0xf8, 0x3f, 1]].concat();
    let length = (extended.len() as u64).to_be_bytes();
    let rest = &plain[24 + manifest.len()..];
    assert_eq!(refused(&[&plain[..16], &length, &extended, rest].concat()), Code::BackupMalformed);
}

#[test]
fn r53_only_a_recipients_key_opens_it_and_there_is_always_a_recipient() {
    let net = net();
    let text = people::encrypt(&net.backup(false).encode(), &[RECIPIENT.to_owned()], None).unwrap();
    let other = net.folder.path().join("other.key");
    let identity = age::x25519::Identity::generate();
    std::fs::write(&other, age::secrecy::ExposeSecret::expose_secret(&identity.to_string())).unwrap();
    assert_eq!(people::decrypt(&text, &other).map(drop).map_err(code), Err("BACKUP_RECIPIENT".to_owned()));
    let both = [RECIPIENT.to_owned(), identity.to_public().to_string()];
    let text = people::encrypt(&net.backup(false).encode(), &both, None).unwrap();
    people::decrypt(&text, &other).unwrap();
    people::decrypt(&text, &net.key_file()).unwrap();
    std::fs::write(&other, "no identity").unwrap();
    assert_eq!(people::decrypt(&text, &other).map(drop).map_err(code), Err("BACKUP_IDENTITY".to_owned()));
    for wrong in [&[][..], &["age1nobody".to_owned()], &["age1absent1qqqsyqcyq5rqwzqf".to_owned()]] {
        assert_eq!(people::encrypt(b"", wrong, None).map(drop).map_err(code), Err("BACKUP_RECIPIENTS".to_owned()));
    }
}

#[test]
fn r53_what_the_file_says_is_judged_by_the_definition_at_hand() {
    let net = net();
    let judged = |backup: &Backup, at_hand: &Definition| {
        backup.judged_by(at_hand).and_then(|definition| backup.check(&definition).map(drop)).map_err(|r| r.code)
    };
    assert_eq!(judged(&net.backup(false), &net.definition), Ok(()));
    // Another network altogether, which is of one line with itself.
    let other = self::net();
    assert_eq!(judged(&other.backup(true), &net.definition), Err(Code::BackupOtherNetwork));
    // Its certificate under our network's name, with its own definition beside it.
    let mut made_up = other.backup(false);
    made_up.manifest.network = net.definition.network_id().0.0.to_vec();
    assert_eq!(judged(&made_up, &net.definition), Err(Code::BackupUncertified));
    made_up.manifest.root = net.definition.to_toml();
    assert_eq!(judged(&made_up, &net.definition), Err(Code::BackupUncertified));
    // A change that nobody signed.
    let mut changed = net.backup(false);
    changed.manifest.changes.push(file::Change { version: 2, change: vec![1] });
    assert_eq!(judged(&changed, &net.definition), Err(Code::BackupUncertified));
    let mut renamed = net.backup(false);
    renamed.manifest.name = "nobody".to_owned();
    assert_eq!(judged(&renamed, &net.definition), Err(Code::BackupOtherNode));
    let mut moved = net.backup(false);
    moved.manifest.node = 2;
    moved.manifest.name.clone_from(&net.devnet.nodes[1].name);
    assert_eq!(judged(&moved, &net.definition), Err(Code::BackupShareInvalid));
    let mut activated = net.backup(false);
    activated.manifest.keys[0].activation = vec![7; 96];
    assert_eq!(judged(&activated, &net.definition), Err(Code::BackupUncertified));
    let mut flipped = net.backup(false);
    flipped.manifest.keys[0].share[40] ^= 1;
    assert_eq!(judged(&flipped, &net.definition), Err(Code::BackupShareInvalid));
    let mut stranger = net.backup(true);
    stranger.secrets.identity.as_mut().unwrap().root = unlocked(&net.devnet, 1).vault_root;
    assert_eq!(judged(&stranger, &net.definition), Err(Code::BackupOtherNode));
}

#[test]
fn r54_a_restore_keeps_what_is_there_and_begins_paused() {
    let net = net();
    let [passphrase, other] = [0, 1].map(|node| passphrase(&net.devnet, node));
    let (backup, dir) = (net.backup(false), net.dir(0));
    assert_eq!(into_used(&net.dir(1), &backup, &other).map_err(code), Err("BACKUP_OTHER_NODE".to_owned()));
    assert_eq!(into_used(&dir, &backup, &passphrase).unwrap(), std::slice::from_ref(&net.certificate));
    let inside = Inside::look(&dir, &passphrase).unwrap();
    let pauses = inside.engine.pauses();
    assert!(pauses.own.is_some() && pauses.restored.is_some(), "{pauses:?}");
    let again = inside.backup(false).unwrap();
    assert_eq!(again.manifest.keys[0].certificate, backup.manifest.keys[0].certificate);
    again.check(&net.definition).unwrap();
    assert_eq!(into_used(&dir, &backup, &passphrase).map_err(code), Err("SHARE_EXISTS".to_owned()));
    assert_eq!(certified_keys(&dir).unwrap(), std::slice::from_ref(&net.certificate));
}

#[test]
fn r53_r54_a_whole_node_comes_out_of_its_backup_and_nothing_of_it_is_in_the_clear() {
    let net = net();
    let (backup, new) = (net.backup(true), net.folder.path().join("new"));
    let passphrase = || Passphrase::new(Zeroizing::new(b"correct horse".to_vec()));
    let restore = |backup: &Backup, at_hand: &Definition| {
        into_empty(&new, backup, at_hand, &passphrase(), KdfProfile::InsecureFast).map_err(code)
    };
    assert_eq!(restore(&backup, &self::net().definition), Err("BACKUP_OTHER_NETWORK".to_owned()));
    assert_eq!(restore(&net.backup(false), &net.definition), Err("BACKUP_NO_IDENTITY".to_owned()));
    assert!(!new.exists(), "a refusal leaves nothing behind");
    assert_eq!(restore(&backup, &net.definition).unwrap(), std::slice::from_ref(&net.certificate));
    assert_eq!(restore(&backup, &net.definition), Err("DATA_DIR_EXISTS".to_owned()));
    files::check_tree(&new, files::user()).unwrap();
    let inside = Inside::look(&new, &passphrase()).unwrap();
    assert!(inside.engine.pauses().restored.is_some());
    inside.backup(true).unwrap().check(&net.definition).unwrap();
    let root = backup.secrets.identity.as_ref().unwrap().root.copied();
    for secret in [&net.share(&backup)[..], &root[..], backup.secrets.key.as_bytes().as_slice()] {
        assert!(!is_on_disk(&new, secret));
        std::fs::write(new.join("leak"), hex::encode(secret)).unwrap();
        assert!(is_on_disk(&new, secret), "the search finds what there is");
        std::fs::remove_file(new.join("leak")).unwrap();
    }
}

#[test]
fn r54_a_drill_restores_opens_and_leaves_nothing() {
    let net = net();
    assert_eq!(drill(&net.backup(true), &net.definition).unwrap(), std::slice::from_ref(&net.certificate));
    assert_eq!(drill(&net.backup(false), &net.definition).map_err(code), Err("BACKUP_NO_IDENTITY".to_owned()));
    let lent = net.backup(false).with_identity_of(&net.dir(0), &passphrase(&net.devnet, 0)).unwrap();
    assert_eq!(drill(&lent, &net.definition).unwrap(), std::slice::from_ref(&net.certificate));
    let mut flipped = net.backup(true);
    flipped.manifest.keys[0].share[40] ^= 1;
    assert_eq!(drill(&flipped, &net.definition).map_err(code), Err("BACKUP_SHARE_INVALID".to_owned()));
}

#[test]
fn when_backups_were_made_and_verified_is_noted_for_each_key_and_epoch() {
    let net = net();
    let dir = net.dir(0);
    let keys = [net.certificate.clone()];
    let marks = || marks::of_certified(&dir, &keys).unwrap();
    assert_eq!((marks()[0].made, marks()[0].verified), (None, None));
    marks::note(&dir, keys.iter(), marks::Event::Made).unwrap();
    assert!(marks()[0].made.is_some() && marks()[0].verified.is_none());
    marks::note(&dir, keys.iter(), marks::Event::Verified).unwrap();
    assert!(marks()[0].made.is_some() && marks()[0].verified.is_some());
    files::check_tree(&dir, files::user()).unwrap();
    std::fs::write(DataDir::backups_file(&dir), "{}").unwrap();
    assert_eq!(marks::read(&dir).map_err(code), Err("BACKUP_MARKS".to_owned()));
}

#[test]
fn a_node_without_keys_backs_its_identity_up_only() {
    let net = net();
    let (dir, passphrase) = (net.dir(0), passphrase(&net.devnet, 0));
    let empty = Inside::look(&dir, &passphrase).unwrap().backup(false);
    assert_eq!(empty.map(drop).map_err(code), Err("BACKUP_EMPTY".to_owned()));
    let whole = Inside::look(&dir, &passphrase).unwrap().backup(true).unwrap();
    assert_eq!(whole.check(&net.definition).unwrap().len(), 0);
    assert_eq!(Digest(whole.manifest.definition.try_into().unwrap()), net.definition.digest());
}

impl Net {
    /// What the first node keeps by itself in `folder`, of a configuration that names the recipient.
    fn standing(&self, folder: &Path) -> standing::Standing {
        let config = self.dir(0).join("config.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        // A devnet has a section of its own for backups.
        let text = text.replace(
            "policy = \"waived\"",
            &format!("recipients = ['{RECIPIENT}']\ndirectory = '{}'", folder.display()),
        );
        std::fs::write(&config, text).unwrap();
        let line = Line { definition: self.definition.clone(), root: self.definition.clone(), changes: Vec::new() };
        let directory = DataDir::look(&self.dir(0)).unwrap();
        standing::Standing::of_node(&crate::cli::read_config(&self.dir(0)).unwrap(), &directory, line, NodeId(1))
            .unwrap()
            .unwrap()
    }

    fn shares(&self) -> Shares {
        let Backup { manifest, secrets } = self.backup(false);
        Shares { key: secrets.key, kept: manifest.keys, of: [self.certificate.key_id()].into() }
    }
}

#[test]
fn r53_the_backup_that_a_node_keeps_is_proven_before_it_takes_the_place_of_the_one_before() {
    let net = net();
    let folder = net.folder.path().join("kept");
    let standing = net.standing(&folder);
    assert_eq!(standing.make(net.shares()).map_err(code), Err("BACKUP_FILE".to_owned()), "no such directory");
    std::fs::create_dir(&folder).unwrap();
    let marks = || marks::of_certified(&net.dir(0), std::slice::from_ref(&net.certificate)).unwrap();
    assert_eq!((marks()[0].made, marks()[0].verified), (None, None));
    standing.make(net.shares()).unwrap();
    assert!(marks()[0].made.is_some() && marks()[0].verified.is_some());
    let file = folder.join(format!("firn-{}-{}.age", net.devnet.network, net.devnet.nodes[0].name));
    let first = std::fs::read(&file).unwrap();
    let read = Backup::decode(&people::decrypt(&first, &net.key_file()).unwrap()).unwrap();
    assert_eq!(read.check(&net.definition).unwrap()[0].certificate, net.certificate);
    assert!(read.secrets.identity.is_none());
    // Another one's share does not take its place.
    let mut wrong = net.shares();
    let (key_id, epoch) = (net.certificate.key_id(), net.certificate.epoch());
    wrong.kept[0].share = net.vaults[1].export(key_id, epoch, &wrong.key, &mut OsRng).unwrap();
    assert_eq!(standing.make(wrong).map_err(code), Err("BACKUP_SHARE_INVALID".to_owned()));
    assert_eq!(std::fs::read(&file).unwrap(), first);
    let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path().extension().unwrap().to_owned());
    assert_eq!(names.collect::<BTreeSet<_>>(), ["age".into(), "json".into()].into(), "nothing else is left");
    // Nor does what is older than what it holds.
    let held = file.with_extension("json");
    let name = &net.certificate.proposal().key_name;
    for (more, expected) in [
        (serde_json::json!({ "epochs": { name: 1 } }), Err("BACKUP_OLDER".to_owned())),
        (serde_json::json!({ "epochs": { name: 0, "left-long-ago": 7 } }), Ok(())),
    ] {
        let first = std::fs::read(&file).unwrap();
        std::fs::write(&held, more.to_string()).unwrap();
        assert_eq!(standing.make(net.shares()).map_err(code), expected);
        assert_eq!(std::fs::read(&file).unwrap() == first, expected.is_err());
    }
    standing.make(net.shares()).unwrap();
    assert_ne!(std::fs::read(&file).unwrap(), first, "made anew");
}
