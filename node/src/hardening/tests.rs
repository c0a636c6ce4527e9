//! Hardening changes the whole process, so every test of it runs in a child.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::data_dir::child::TestChild;
use crate::keystore::PassphraseSource;

#[test]
fn r51_a_hardened_process_has_every_measure() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = TestChild::spawn("hardening::tests::child_hardens_itself", dir.path());
    assert_eq!(child.hear().as_deref(), Some("hardened"));
    // From outside: a process that may be dumped belongs to its user in /proc, this one to root.
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().filter(|word| *word == "0").count(), 2, "{core}");
    let status = fs::read_to_string(format!("/proc/{}/status", child.pid())).unwrap();
    assert!(status.lines().any(|line| line == "Umask:\t0077"), "{status}");
}

#[test]
fn child_hardens_itself() {
    let Some(dir) = TestChild::role() else { return };
    assert!(harden().is_empty(), "{:?}", harden());
    assert_eq!(rustix::process::dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    let raised = Rlimit { current: Some(1), maximum: Some(1) };
    // Only root may raise a limit again, and is told nothing else here.
    if !rustix::process::geteuid().is_root() {
        rustix::process::setrlimit(Resource::Core, raised).unwrap_err();
    }
    let path = dir.join("file");
    File::create(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    // Not being dumpable hands /proc/self to root; a passphrase from a descriptor has to survive that.
    let (reader, mut writer) = io::pipe().unwrap();
    writer.write_all(b"passphrase").unwrap();
    drop(writer);
    let number = u32::try_from(reader.as_raw_fd()).unwrap();
    PassphraseSource::Descriptor(number).read().unwrap();
    TestChild::say("hardened");
    TestChild::wait_for_parent();
}

#[test]
fn a_failed_measure_is_named_with_a_next_step() {
    for measure in [Measure::CoreDumps, Measure::Dumpable, Measure::Umask] {
        let error = HardeningError { measure, reason: "not permitted".to_owned() };
        assert!(error.code().starts_with("HARDENING_"));
        assert!(error.to_string().contains("not permitted") && !error.hint().is_empty());
    }
}
