//! The whole life of a slash under Firn's contracts, as `make demo` shows it, against each release of EigenLayer's core.

use crate::process::{anvil_binary, firn};

/// Every act checks what it shows, and waits for it as long as it may take; here the last one has to be reached.
fn shown(core: &str) {
    let mut command = firn(&["devnet", "life", "--core", core]);
    let ended = command.env("ANVIL_BIN", anvil_binary()).output().expect("the command can be started");
    let account = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{account}\n{}", String::from_utf8_lossy(&ended.stderr));
    for said in ["SCHEDULE_GONE", "shares fell from 1000 to 950", "executed by the new key", "AUTHORITY_DIFFERS"] {
        assert!(account.contains(said), "{said} in {account}");
    }
}

#[test]
fn the_whole_life_where_appointees_slash() {
    shown("v1.8");
}

#[test]
fn the_whole_life_where_each_set_has_a_slasher() {
    shown("v1.9");
}

#[test]
fn the_whole_life_where_a_slash_waits_to_be_cleared() {
    shown("v1.13");
}
