//! The keystore against wrong passphrases, damage, tampering, and other nodes' files.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, symlink};

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::*;

const PASSPHRASE: &str = "canary horse battery staple";
const TRANSPORT: &[u8] = b"canary transport identity, sixty-eight bytes of it in real life.....";
const RELAYER: [u8; 32] = *b"canary relayer key, 32 bytes....";
const ROOT: [u8; 32] = *b"canary vault root, 32 bytes.....";

fn alpha() -> Context {
    Context { network: "firn-test".to_owned(), node: "alpha-1".to_owned() }
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(Zeroizing::new(text.as_bytes().to_vec()))
}

fn secrets() -> Secrets {
    Secrets {
        transport: TransportIdentity::new(Zeroizing::new(TRANSPORT.to_vec())),
        relayer: Some(RelayerKey::new(Zeroizing::new(RELAYER))),
        vault_root: VaultRoot::new(Zeroizing::new(ROOT)),
    }
}

/// A keystore of `alpha` with the fast derivation.
fn fast() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    Keystore::create(dir.path(), &alpha(), &passphrase(PASSPHRASE), &secrets(), KdfProfile::InsecureFast).unwrap();
    dir
}

fn open(dir: &TempDir) -> Result<Unlocked, KeystoreError> {
    Keystore::open(dir.path(), &alpha(), &passphrase(PASSPHRASE))
}

fn write(dir: &TempDir, text: &[u8]) {
    files::replace(&keystore_file(dir.path()), text).unwrap();
}

/// Changes the document as somebody who knows the format would: the checksum is made to fit.
fn edit(dir: &TempDir, change: impl FnOnce(&mut toml::Table)) {
    let text = fs::read_to_string(keystore_file(dir.path())).unwrap();
    let (_, body) = text.split_once('\n').unwrap();
    let mut table = body.parse::<toml::Table>().unwrap();
    change(&mut table);
    let body = table.to_string();
    write(dir, format!("checksum = \"{}\"\n{body}", hex::encode(Sha256::digest(&body))).as_bytes());
}

fn flip(value: &mut toml::Value) {
    let mut bytes = hex::decode(value.as_str().unwrap()).unwrap();
    bytes[3] ^= 0x10;
    *value = hex::encode(bytes).into();
}

#[track_caller]
fn check_refused<T>(result: Result<T, KeystoreError>, code: &str, names: &str) {
    let error = result.err().expect("must be refused");
    assert_eq!(error.code(), code, "{error}");
    let shown = format!("{error} {error:?} {}", error.hint());
    assert!(shown.contains(names), "{shown} names {names}");
    assert!(!shown.contains("canary"), "{shown}");
}

#[track_caller]
fn check_secrets(unlocked: &Unlocked) {
    assert_eq!(unlocked.transport.expose(), TRANSPORT);
    assert_eq!(unlocked.relayer.as_ref().unwrap().expose(), &RELAYER);
    assert_eq!(unlocked.vault_root.expose(), &ROOT);
}

#[test]
fn what_is_created_opens() {
    let dir = tempfile::tempdir().unwrap();
    Keystore::create(dir.path(), &alpha(), &passphrase(PASSPHRASE), &secrets(), KdfProfile::Standard).unwrap();
    let unlocked = open(&dir).unwrap();
    check_secrets(&unlocked);
    assert!(!unlocked.insecure_kdf);
    assert_eq!(*unlocked.vault_root.copied(), ROOT);
    let text = fs::read_to_string(keystore_file(dir.path())).unwrap();
    for line in ["algorithm = \"argon2id\"", "profile = \"standard\"", "memory_kib = 65536", "passes = 3", "lanes = 1"]
    {
        assert!(text.contains(line), "{line}");
    }
}

#[test]
fn a_relayer_key_is_optional() {
    let dir = tempfile::tempdir().unwrap();
    let secrets = Secrets { relayer: None, ..secrets() };
    Keystore::create(dir.path(), &alpha(), &passphrase(PASSPHRASE), &secrets, KdfProfile::InsecureFast).unwrap();
    assert!(open(&dir).unwrap().relayer.is_none());
}

#[test]
fn the_fast_profile_says_so_in_the_file_and_at_every_open() {
    let dir = fast();
    assert!(fs::read_to_string(keystore_file(dir.path())).unwrap().contains("profile = \"insecure-fast-kdf\""));
    assert!(open(&dir).unwrap().insecure_kdf);
}

#[test]
fn r47_a_wrong_passphrase_is_not_a_damaged_file() {
    let dir = fast();
    for wrong in ["canary horse battery stapl", "canary horse battery staple ", "x"] {
        let result = Keystore::open(dir.path(), &alpha(), &passphrase(wrong));
        check_refused(result, "PASSPHRASE_WRONG", "keystore.toml");
    }
    check_secrets(&open(&dir).unwrap());
}

#[test]
fn accidental_damage_anywhere_is_not_a_wrong_passphrase() {
    let dir = fast();
    let path = keystore_file(dir.path());
    let intact = fs::read_to_string(&path).unwrap();
    Document::decode(&path, &intact).unwrap();
    for at in 0..intact.len() {
        let mut damaged = intact.clone().into_bytes();
        damaged[at] ^= 1;
        let damaged = String::from_utf8(damaged).unwrap();
        check_refused(Document::decode(&path, &damaged), "KEYSTORE_CORRUPT", "keystore.toml");
        check_refused(Document::decode(&path, &intact[..at]), "KEYSTORE_CORRUPT", "keystore.toml");
    }
    write(&dir, &[intact.as_bytes(), b"\xff"].concat());
    check_refused(open(&dir), "KEYSTORE_CORRUPT", "text");
    write(&dir, &[intact.as_bytes(), b" ".repeat(20_000).as_slice()].concat());
    check_refused(open(&dir), "KEYSTORE_CORRUPT", "length");
}

#[test]
fn a_flipped_bit_in_each_sealed_field_is_found() {
    for field in ["data_key", "transport", "vault_root", "relayer"] {
        for part in ["nonce", "ciphertext"] {
            let dir = fast();
            edit(&dir, |table| flip(&mut table[field][part]));
            check_refused(open(&dir), "KEYSTORE_CORRUPT", field);
        }
    }
}

#[test]
fn sealed_fields_cannot_trade_places() {
    for (left, right) in [("vault_root", "relayer"), ("transport", "vault_root"), ("data_key", "relayer")] {
        let dir = fast();
        edit(&dir, |table| {
            let taken = table[left].clone();
            table[left] = std::mem::replace(&mut table[right], taken);
        });
        check_refused(open(&dir), "KEYSTORE_CORRUPT", "at ");
    }
}

#[test]
fn dropping_the_relayer_key_is_found() {
    let dir = fast();
    edit(&dir, |table| drop(table.remove("relayer").unwrap()));
    check_refused(open(&dir), "KEYSTORE_CORRUPT", "data_key");
}

#[test]
fn another_nodes_keystore_is_named_and_renaming_it_does_not_help() {
    let dir = fast();
    for other in [
        Context { node: "alpha-2".to_owned(), ..alpha() },
        Context { network: "firn-main".to_owned(), ..alpha() },
        // The same letters, split elsewhere.
        Context { network: "firn-testa".to_owned(), node: "lpha-1".to_owned() },
    ] {
        let dir_of_other = fast();
        let opened = Keystore::open(dir.path(), &other, &passphrase(PASSPHRASE));
        check_refused(opened, "KEYSTORE_OTHER_NODE", "alpha-1");
        edit(&dir_of_other, |table| {
            table["network"] = other.network.clone().into();
            table["node"] = other.node.clone().into();
        });
        let opened = Keystore::open(dir_of_other.path(), &other, &passphrase(PASSPHRASE));
        check_refused(opened, "KEYSTORE_CORRUPT", "data_key");
    }
}

#[test]
fn a_seal_opens_only_as_the_same_field_of_the_same_node() {
    let key = Key::generate().unwrap();
    let sealed = Sealed::seal(&key, Field::VaultRoot, &alpha(), &ROOT).unwrap();
    assert_eq!(sealed.open(&key, Field::VaultRoot, &alpha()).unwrap().as_slice(), ROOT);
    let shifted = Context { network: "firn-testa".to_owned(), node: "lpha-1".to_owned() };
    let node = Context { node: "alpha-2".to_owned(), ..alpha() };
    let network = Context { network: "firn-main".to_owned(), ..alpha() };
    for other in [shifted, node, network] {
        assert!(sealed.open(&key, Field::VaultRoot, &other).is_none(), "{other:?}");
    }
    for field in [Field::Relayer, Field::Transport, Field::DataKey { relayer: true }] {
        assert!(sealed.open(&key, field, &alpha()).is_none(), "{field:?}");
    }
    assert!(sealed.open(&Key::generate().unwrap(), Field::VaultRoot, &alpha()).is_none());
}

#[test]
fn r47_parameters_below_the_floor_are_refused() {
    for (name, value) in [("memory_kib", 65_535), ("passes", 2), ("lanes", 0)] {
        let dir = tempfile::tempdir().unwrap();
        Keystore::create(dir.path(), &alpha(), &passphrase(PASSPHRASE), &secrets(), KdfProfile::Standard).unwrap();
        edit(&dir, |table| table["kdf"][name] = value.into());
        check_refused(open(&dir), "KEYSTORE_PARAMETERS_WEAK", &value.to_string());
    }
    // A test's keystore that pretends to be a real one.
    let dir = fast();
    edit(&dir, |table| table["kdf"]["profile"] = "standard".into());
    check_refused(open(&dir), "KEYSTORE_PARAMETERS_WEAK", "256");
    // Even the fast profile has a floor.
    let dir = fast();
    edit(&dir, |table| table["kdf"]["memory_kib"] = 255.into());
    check_refused(open(&dir), "KEYSTORE_PARAMETERS_WEAK", "255");
}

#[test]
fn parameters_that_would_eat_the_machine_are_refused() {
    for (name, value) in [("memory_kib", i64::from(u32::MAX)), ("passes", 49), ("lanes", 17)] {
        let dir = fast();
        edit(&dir, |table| table["kdf"][name] = value.into());
        check_refused(open(&dir), "KEYSTORE_CORRUPT", "kdf");
    }
}

#[test]
fn the_document_is_strict() {
    let insert = |name: &'static str, inside: Option<&'static str>| {
        let dir = fast();
        edit(&dir, |table| {
            let table = match inside {
                Some(inside) => table[inside].as_table_mut().unwrap(),
                None => table,
            };
            table.insert(name.to_owned(), 1.into());
        });
        check_refused(open(&dir), "KEYSTORE_CORRUPT", "document");
    };
    insert("comment", None);
    insert("rounds", Some("kdf"));
    insert("tag", Some("transport"));
    let dir = fast();
    edit(&dir, |table| table["kdf"]["algorithm"] = "argon2i".into());
    check_refused(open(&dir), "KEYSTORE_CORRUPT", "document");
}

#[test]
fn a_newer_schema_is_refused_as_newer() {
    let dir = fast();
    edit(&dir, |table| {
        table["schema"] = 2.into();
        table.insert("hsm".to_owned(), "slot 1".into());
    });
    check_refused(open(&dir), "KEYSTORE_VERSION", "schema 2");
}

#[test]
fn loose_or_linked_or_missing_files_are_refused() {
    let dir = fast();
    let path = keystore_file(dir.path());
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    check_refused(open(&dir), "DATA_DIR_PERMISSIONS", "0640");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let moved = dir.path().join("moved");
    fs::rename(&path, &moved).unwrap();
    check_refused(open(&dir), "KEYSTORE_MISSING", "keystore.toml");
    symlink(&moved, &path).unwrap();
    check_refused(open(&dir), "DATA_DIR_PERMISSIONS", "symbolic link");
}

#[test]
fn an_existing_keystore_is_never_overwritten() {
    let dir = fast();
    let before = fs::read(keystore_file(dir.path())).unwrap();
    let again = Keystore::create(dir.path(), &alpha(), &passphrase("another"), &secrets(), KdfProfile::InsecureFast);
    check_refused(again, "KEYSTORE_EXISTS", "keystore.toml");
    assert_eq!(fs::read(keystore_file(dir.path())).unwrap(), before);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn two_keystores_of_one_secret_share_no_byte_string() {
    let texts = [fast(), fast()].map(|dir| fs::read_to_string(keystore_file(dir.path())).unwrap());
    let hex_words = |text: &str| {
        let words =
            text.split('"').filter(|word| hex::decode(word).is_ok_and(|bytes| bytes.len() >= 16)).map(str::to_owned);
        words.collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(hex_words(&texts[0]).len(), 11, "checksum, salt, check, and two of each sealed field");
    assert_eq!(hex_words(&texts[0]).intersection(&hex_words(&texts[1])).count(), 0);
    for text in &texts {
        for secret in [PASSPHRASE.as_bytes(), TRANSPORT, &RELAYER, &ROOT] {
            assert!(!text.contains(&hex::encode(&secret[..12])));
        }
        assert!(!text.contains("canary"));
    }
}

#[test]
fn r47_a_changed_passphrase_opens_the_same_secrets() {
    let dir = fast();
    let (old, new) = (passphrase(PASSPHRASE), passphrase("another canary"));
    let sealed_root = |dir: &TempDir| {
        let text = fs::read_to_string(keystore_file(dir.path())).unwrap();
        text.parse::<toml::Table>().unwrap()["vault_root"].clone()
    };
    let before = sealed_root(&dir);
    let wrong = Keystore::change_passphrase(dir.path(), &alpha(), &new, &old, KdfProfile::InsecureFast);
    check_refused(wrong, "PASSPHRASE_WRONG", "keystore.toml");
    Keystore::change_passphrase(dir.path(), &alpha(), &old, &new, KdfProfile::Standard).unwrap();
    check_refused(open(&dir), "PASSPHRASE_WRONG", "keystore.toml");
    let unlocked = Keystore::open(dir.path(), &alpha(), &new).unwrap();
    check_secrets(&unlocked);
    assert!(!unlocked.insecure_kdf);
    assert_eq!(sealed_root(&dir), before);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_file_of_schema_1_is_read() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir, include_bytes!("keystore-1.toml"));
    check_secrets(&open(&dir).unwrap());
}

#[test]
fn a_passphrase_file_gives_its_first_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("passphrase");
    for (content, expected) in
        [("canary", "canary"), ("canary\n", "canary"), ("canary\r\n", "canary"), (" canary \nnote", " canary ")]
    {
        files::replace(&path, content.as_bytes()).unwrap();
        let read = PassphraseSource::File(path.clone()).read().unwrap();
        assert_eq!(read.expose(), expected.as_bytes(), "{content:?}");
    }
    for content in ["", "\n", "\r\n", "\ncanary"] {
        files::replace(&path, content.as_bytes()).unwrap();
        check_refused(PassphraseSource::File(path.clone()).read_new(), "PASSPHRASE_EMPTY", "passphrase");
    }
    files::replace(&path, b"canary7\n").unwrap();
    check_refused(PassphraseSource::File(path.clone()).read_new(), "PASSPHRASE_SHORT", "fewer than 8 bytes");
    files::replace(&path, b"canary78\n").unwrap();
    PassphraseSource::File(path.clone()).read_new().unwrap();
    files::replace(&path, "canary".repeat(200).as_bytes()).unwrap();
    check_refused(PassphraseSource::File(path.clone()).read(), "PASSPHRASE_UNAVAILABLE", "1024");
    let missing = PassphraseSource::File(dir.path().join("none"));
    check_refused(missing.read(), "PASSPHRASE_UNAVAILABLE", "none");
}

#[test]
fn an_exposed_passphrase_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("passphrase");
    files::write_new(&path, b"canary").unwrap();
    for mode in [0o604, 0o660, 0o610, 0o601] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let read = PassphraseSource::File(path.clone()).read();
        check_refused(read, "PASSPHRASE_EXPOSED", &format!("{mode:04o}"));
    }
    for mode in [0o400, 0o440, 0o600] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        PassphraseSource::File(path.clone()).read().unwrap();
    }
    let metadata = fs::metadata(&path).unwrap();
    let strangers = passphrase::check_file(&path, &metadata, files::user().wrapping_add(1));
    // Root's files are accepted for everybody, so as root nobody is a stranger.
    assert_eq!(strangers.is_err(), files::user() != 0);
}

#[test]
fn a_descriptor_gives_a_pipes_first_line() {
    let (reader, mut writer) = io::pipe().unwrap();
    writer.write_all(b"canary\n").unwrap();
    drop(writer);
    let number = u32::try_from(reader.as_raw_fd()).unwrap();
    assert_eq!(PassphraseSource::Descriptor(number).read().unwrap().expose(), b"canary");
    check_refused(PassphraseSource::Descriptor(9_999).read(), "PASSPHRASE_UNAVAILABLE", "descriptor 9999");
}

/// Implemented once for every type, and once more for each trait a secret must not have: for a type that has
/// one of them the compiler cannot choose, and this file does not build.
trait Private<Reason> {
    fn check() {}
}
struct Printed;
struct Shown;
struct Copied;
struct Serialised;
impl<T> Private<()> for T {}
impl<T: std::fmt::Debug> Private<Printed> for T {}
impl<T: std::fmt::Display> Private<Shown> for T {}
impl<T: Clone> Private<Copied> for T {}
impl<T: serde::Serialize> Private<Serialised> for T {}

#[test]
fn secrets_cannot_be_printed_copied_or_serialised() {
    <Passphrase as Private<_>>::check();
    <TransportIdentity as Private<_>>::check();
    <RelayerKey as Private<_>>::check();
    <VaultRoot as Private<_>>::check();
    <Secrets as Private<_>>::check();
    <Unlocked as Private<_>>::check();
    <Key as Private<_>>::check();
    <KeyEncryptionKey as Private<_>>::check();
}
