//! Logs of every kind, odd ones among them, and what is said of them.

use super::super::events::{Core, FrostAccount, Guard, Manager, OperatorSet, Spending, Timelock};
use super::super::known::tests::{known, request};
use super::*;
use crate::chain::authority::PROPOSER;
use alloy::primitives::aliases::U48;
use alloy::primitives::{LogData, U256};
use alloy::sol_types::SolEvent;
use firn_proto::definition::{Authority, Chain, Contracts, OperatorSetEntry, Purpose};
use firn_proto::policy::Policy;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const CORE: Address = Address::repeat_byte(0xa1);
const AVS: Address = Address::repeat_byte(0x11);
pub(in crate::watch) const MANAGER: Address = Address::repeat_byte(0xb1);
const TIMELOCK: Address = Address::repeat_byte(0xb2);
const GATE: Address = Address::repeat_byte(0xb4);
const TREASURY: Address = Address::repeat_byte(0xb5);
pub(in crate::watch) const ACCOUNT: Address = Address::repeat_byte(0xac);
const GOVERNANCE: Address = Address::repeat_byte(0xad);
const SUSPECT: Address = Address::repeat_byte(0x22);
const STRATEGY: Address = Address::repeat_byte(0x33);
const STRANGER: Address = Address::repeat_byte(0xee);
const SLASH_DELAY: u32 = 259_200;

const DECLARED: &str = "since = 0\nslash = 'slash'\ntreasury = 'treasury'\ngovernance = 'governance'\n\
    veto = ['0x4400000000000000000000000000000000000044']\n[delays]\nslash = 259200\ntreasury = 172800\n\
    treasury_large = 604800\ngovernance = 604800\ntimelock = 1512000\nhand_over = 2419200\nrecovery = 2419200\n";

/// One AVS with contracts and a declaration; this node is a member of the keys `slash` and `governance`.
pub(in crate::watch) fn definition() -> Content {
    let contracts = Contracts {
        avs: AVS,
        manager: MANAGER,
        timelock: TIMELOCK,
        timelock_veto: Address::repeat_byte(0xb3),
        gate: GATE,
        treasury: TREASURY,
        declared: Some(toml::from_str(DECLARED).unwrap()),
    };
    let chain = Chain {
        id: 1,
        allocation_manager: CORE,
        permission_controller: None,
        strategy_manager: None,
        block_seconds: Some(10),
    };
    Content {
        name: "watched".to_owned(),
        chain,
        organisations: BTreeSet::new(),
        nodes: BTreeMap::new(),
        keys: Vec::new(),
        operator_sets: vec![OperatorSetEntry { avs: AVS, id: 7, key: "slash".to_owned() }],
        authorities: vec![Authority { avs: AVS, purpose: Purpose::Governance, key: "governance".to_owned() }],
        calls: Vec::new(),
        contracts: vec![contracts],
        requesters: Vec::new(),
        policy: Policy::default(),
        quorum: None,
    }
}

/// A log in block 100, of the transaction of this number.
pub(in crate::watch) fn event(index: u64, transaction: u8, address: Address, log: &impl SolEvent) -> Event {
    let log = alloy::primitives::Log { address, data: log.encode_log_data() };
    Event { place: (100, index), transaction: B256::repeat_byte(transaction), log }
}

/// The notices of these events in the order given, at time 1000 of block 100.
fn notices_of(definition: &Content, known: &Known, events: &[Event]) -> Vec<Notice> {
    let scene = Scene { definition, known, leaving: Some(50), events };
    let notice = |draft: Draft| {
        let explained = draft.question().and_then(|question| known.explains(question));
        draft.finish(explained, 1_000, 10)
    };
    events.iter().filter_map(|event| scene.draft(event)).map(notice).collect()
}

fn world() -> (Content, Known) {
    let mut known = known();
    known.accounts.insert("governance".to_owned(), GOVERNANCE);
    (definition(), known)
}

/// What one log of a contract comes to: kind, level, and the countdown.
fn of(address: Address, log: &impl SolEvent) -> (String, Level, Option<(Option<u64>, u64)>) {
    let (definition, known) = world();
    let mut notices = notices_of(&definition, &known, &[event(0, 1, address, log)]);
    let notice = notices.pop().expect("a notice");
    assert!(notices.is_empty() && !notice.next_step.is_empty(), "{notice:?}");
    (notice.kind, notice.level, notice.until.map(|until| (until.block, until.time)))
}

fn set(id: u32) -> OperatorSet {
    OperatorSet { avs: AVS, id }
}

fn slashed(description: &str) -> Core::OperatorSlashed {
    Core::OperatorSlashed {
        operator: SUSPECT,
        operatorSet: set(7),
        strategies: vec![STRATEGY],
        wadSlashed: vec![U256::from(5)],
        description: description.to_owned(),
    }
}

pub(in crate::watch) fn scheduled(caller: Address, id: u8) -> Manager::OperationScheduled {
    let (operation, data) = (B256::repeat_byte(id), vec![1, 2, 3, 4, 5].into());
    Manager::OperationScheduled {
        operationId: operation,
        nonce: 1,
        schedule: U48::from(5_000),
        caller,
        target: GATE,
        data,
    }
}

#[test]
fn what_our_accounts_do_unasked_is_an_alarm() {
    let info = |kind: &str, until| (kind.to_owned(), Level::Info, until);
    let alarm = |kind: &str, until| (kind.to_owned(), Level::Alarm, until);
    let ready = Some((None, 5_000));
    assert_eq!(of(MANAGER, &scheduled(ACCOUNT, 0x0a)), info("operation_scheduled", ready), "asked for");
    assert_eq!(of(MANAGER, &scheduled(ACCOUNT, 0x0b)), alarm("unknown_operation", ready));
    let stranger = of(MANAGER, &scheduled(STRANGER, 0x0b));
    assert_eq!(stranger, ("operation_scheduled".to_owned(), Level::Warning, ready), "somebody else's");
    let executed = |nonce: u64| FrostAccount::Executed { nonce: U256::from(nonce) };
    assert_eq!(of(ACCOUNT, &executed(9)), info("account_executed", None));
    assert_eq!(of(ACCOUNT, &executed(8)), alarm("unknown_execution", None));
    let call = |id: u8| Timelock::CallScheduled {
        id: B256::repeat_byte(id),
        index: U256::ZERO,
        target: MANAGER,
        value: U256::ZERO,
        data: vec![1, 2, 3, 4].into(),
        predecessor: B256::ZERO,
        delay: U256::from(600),
    };
    assert_eq!(of(TIMELOCK, &call(0x0a)), info("operation_scheduled", Some((None, 1_600))));
    assert_eq!(of(TIMELOCK, &call(0x0b)), alarm("unknown_operation", Some((None, 1_600))), "our key proposes");
}

#[test]
fn a_slash_is_explained_by_its_own_transaction() {
    let (definition, known) = world();
    let executed = FrostAccount::Executed { nonce: U256::from(9) };
    let together = [event(0, 1, ACCOUNT, &executed), event(1, 1, CORE, &slashed("twice"))];
    let notices = notices_of(&definition, &known, &together);
    let slash = notices.last().unwrap();
    assert_eq!((slash.kind.as_str(), slash.level), ("slashed", Level::Info), "{slash:?}");
    assert_eq!(slash.request, Some(request(1).to_string()));
    let apart = [event(0, 1, ACCOUNT, &executed), event(1, 2, CORE, &slashed("twice"))];
    let notices = notices_of(&definition, &known, &apart);
    let slash = notices.last().unwrap();
    assert_eq!((slash.kind.as_str(), slash.level, &slash.request), ("unknown_slash", Level::Alarm, &None));
    let mut foreign = known;
    foreign.accounts.remove("slash");
    let slash = notices_of(&definition, &foreign, &apart).pop().unwrap();
    assert_eq!((slash.kind.as_str(), slash.level), ("slashed", Level::Warning), "not for this node to tell");
}

#[test]
fn who_leaves_under_investigation_is_an_alarm_with_the_last_block() {
    let left = |operator| Core::OperatorRemovedFromOperatorSet { operator, operatorSet: set(7) };
    let last = Some((Some(150), 1_500));
    assert_eq!(of(CORE, &left(SUSPECT)), ("suspect_left".to_owned(), Level::Alarm, last));
    assert_eq!(of(CORE, &left(STRANGER)), ("operator_left".to_owned(), Level::Info, last));
    let moved = |operator, block| Core::AllocationUpdated {
        operator,
        operatorSet: set(7),
        strategy: STRATEGY,
        magnitude: 0,
        effectBlock: block,
    };
    assert_eq!(
        of(CORE, &moved(SUSPECT, 121)),
        ("suspect_deallocates".to_owned(), Level::Alarm, Some((Some(120), 1_200)))
    );
    let (definition, known) = world();
    for nothing in [moved(SUSPECT, 100), moved(STRANGER, 121)] {
        assert!(notices_of(&definition, &known, &[event(0, 1, CORE, &nothing)]).is_empty());
    }
    let removed = |strategy| Core::StrategyRemovedFromOperatorSet { operatorSet: set(7), strategy };
    assert_eq!(of(CORE, &removed(STRATEGY)), ("strategy_removed".to_owned(), Level::Alarm, None), "a request names it");
    assert_eq!(of(CORE, &removed(STRANGER)), ("strategy_removed".to_owned(), Level::Warning, None));
}

#[test]
fn rights_are_held_against_what_is_declared() {
    let level = |event: Event| {
        let (definition, known) = world();
        notices_of(&definition, &known, &[event]).pop().expect("a notice").level
    };
    let granted = |role, account, delay| {
        let log = Manager::RoleGranted { roleId: role, account, delay, since: U48::from(9), newMember: true };
        level(event(0, 1, MANAGER, &log))
    };
    assert_eq!(granted(1, ACCOUNT, SLASH_DELAY), Level::Info, "as declared");
    assert_eq!(granted(1, ACCOUNT, SLASH_DELAY - 1), Level::Alarm, "a shorter delay");
    assert_eq!(granted(1, STRANGER, SLASH_DELAY), Level::Alarm, "somebody else");
    assert_eq!(granted(0, STRANGER, 0), Level::Alarm, "an admin");
    assert_eq!(granted(77, STRANGER, 0), Level::Alarm, "a role that nobody declared");
    assert_eq!(granted(2, STRANGER, 172_800), Level::Warning, "a key that this node is no member of: it cannot tell");
    assert_eq!(granted(2, STRANGER, 1), Level::Alarm, "whoever it is, not after that delay");
    let locked = |account| {
        let log = Timelock::RoleGranted { role: PROPOSER, account, sender: TIMELOCK };
        level(event(0, 1, TIMELOCK, &log))
    };
    assert_eq!((locked(GOVERNANCE), locked(STRANGER)), (Level::Info, Level::Alarm));
    let slasher = |slasher| of(CORE, &Core::SlasherUpdated { operatorSet: set(7), slasher, effectBlock: 226 });
    assert_eq!(slasher(GATE), ("slasher_changes".to_owned(), Level::Info, Some((Some(226), 2_260))));
    assert_eq!(slasher(STRANGER).1, Level::Alarm);
    let admin = |admin| of(CORE, &Core::AdminSet { account: AVS, admin }).1;
    assert_eq!((admin(TIMELOCK), admin(STRANGER)), (Level::Info, Level::Alarm));
    let appointee = |appointee, selector: [u8; 4]| {
        of(CORE, &Core::AppointeeSet { account: AVS, appointee, target: CORE, selector: selector.into() }).1
    };
    assert_eq!(appointee(GATE, [0x36, 0x35, 0x20, 0x57]), Level::Info, "in a core before v1.9 it slashes by that");
    assert_eq!((appointee(GATE, [0; 4]), appointee(STRANGER, [0x36, 0x35, 0x20, 0x57])), (Level::Alarm, Level::Alarm));
}

#[test]
fn a_right_that_a_deployment_takes_back_alarms_nobody_and_any_other_does() {
    let (mut definition, known) = world();
    // Who creates it is its first member.
    let manager = STRANGER.create(1);
    definition.contracts[0].manager = manager;
    let granted = Manager::RoleGranted { roleId: 0, account: STRANGER, delay: 0, since: U48::from(9), newMember: true };
    let revoked = Manager::RoleRevoked { roleId: 0, account: STRANGER };
    let levels = |transaction, first: u64| {
        let events = [event(5, 1, manager, &granted), event(first, transaction, manager, &revoked)];
        notices_of(&definition, &known, &events)[0].level
    };
    assert_eq!(levels(1, 6), Level::Info, "a deployment");
    assert_eq!(levels(2, 6), Level::Alarm, "later, by another transaction");
    assert_eq!(levels(1, 4), Level::Alarm, "before it was given");
    definition.contracts[0].manager = MANAGER;
    let events = [event(5, 1, MANAGER, &granted), event(6, 1, MANAGER, &revoked)];
    assert_eq!(notices_of(&definition, &known, &events)[0].level, Level::Alarm, "used in between, for all we know");
}

#[test]
fn every_other_event_is_told_with_its_countdown() {
    let (id, request) = (B256::repeat_byte(1), B256::repeat_byte(2));
    let resolution =
        Core::SlashResolutionBlockSet { operatorSet: set(7), slashId: U256::from(1), resolutionBlock: 50_500 };
    assert_eq!(of(CORE, &resolution), ("slash_resolution".to_owned(), Level::Info, Some((Some(50_501), 505_010))));
    let paused = of(GATE, &Guard::Paused { requestId: request, until: 9_000 });
    assert_eq!(paused, ("paused".to_owned(), Level::Warning, Some((None, 9_000))));
    let core = of(CORE, &Core::Paused { account: STRANGER, newPausedStatus: U256::from(2) });
    assert_eq!(core, ("core_paused".to_owned(), Level::Warning, None));
    assert_eq!(of(MANAGER, &Manager::OperationCanceled { operationId: id, nonce: 1 }).0, "operation_canceled");
    assert_eq!(of(TIMELOCK, &Timelock::Cancelled { id }).0, "operation_canceled");
    let shorter = Timelock::MinDelayChange { oldDuration: U256::from(9), newDuration: U256::from(8) };
    assert_eq!((of(TIMELOCK, &shorter).0, of(TIMELOCK, &shorter).1), ("rules_changed".to_owned(), Level::Alarm));
    let handed = of(TREASURY, &Spending::HandedOver { requestId: request, successor: STRANGER });
    assert_eq!((handed.0, handed.1), ("handed_over".to_owned(), Level::Alarm));
    assert_eq!(of(GATE, &Guard::AuthorityUpdated { authority: STRANGER }).1, Level::Alarm);
}

#[test]
fn other_peoples_events_are_nobodys_business() {
    let (definition, known) = world();
    let theirs = OperatorSet { avs: STRANGER, id: 7 };
    let logs = [
        event(0, 1, CORE, &Core::OperatorSlashed { operatorSet: theirs, ..slashed("theirs") }),
        event(1, 1, CORE, &Core::AdminSet { account: STRANGER, admin: STRANGER }),
        event(2, 1, STRANGER, &scheduled(ACCOUNT, 0x0b)),
        event(3, 1, STRANGER, &FrostAccount::Executed { nonce: U256::ZERO }),
    ];
    assert!(notices_of(&definition, &known, &logs).is_empty());
}

/// Whatever an endpoint makes up: cut anywhere, with any topics, from any of the contracts.
#[test]
fn no_log_makes_it_fail_and_none_of_ours_is_passed_over_in_silence() {
    let (definition, known) = world();
    let whole = [
        event(0, 1, CORE, &slashed("a description of some length, longer than a word")).log,
        event(0, 1, CORE, &Core::SlasherUpdated { operatorSet: set(7), slasher: GATE, effectBlock: u32::MAX }).log,
        event(0, 1, MANAGER, &scheduled(ACCOUNT, 0x0b)).log,
        event(0, 1, GATE, &Guard::Paused { requestId: B256::ZERO, until: u64::MAX }).log,
        event(0, 1, ACCOUNT, &FrostAccount::Executed { nonce: U256::MAX }).log,
    ];
    for log in whole {
        for length in 0..=log.data.data.len() {
            for kept in 0..=log.data.topics().len() {
                let topics = log.data.topics()[..kept].to_vec();
                let data = LogData::new_unchecked(topics, log.data.data.slice(..length));
                let log = alloy::primitives::Log { address: log.address, data };
                let event = Event { place: (u64::MAX, u64::MAX), transaction: B256::ZERO, log };
                let told = notices_of(&definition, &known, &[event]);
                assert_eq!(told.len(), 1, "{length} bytes, {kept} topics");
            }
        }
    }
}

#[test]
fn what_others_wrote_is_cut_and_cannot_make_a_line_lie() {
    let (definition, known) = world();
    let text = format!("fine\u{202e}\n2026 ERROR chain_alarm {}", "x".repeat(5_000));
    let mut log = event(0, 1, CORE, &slashed(&text));
    let told = |event: &Event| notices_of(&definition, &known, std::slice::from_ref(event)).pop().unwrap();
    let notice = told(&log);
    assert!(notice.text.len() < 700 && !notice.text.contains(['\n', '\u{202e}']), "{}", notice.text);
    assert_eq!(notice.fields["description"].as_str().map(str::len), Some(SHOWN_MAX));
    // The chain takes descriptions that are no UTF-8.
    let mut bytes = log.log.data.data.to_vec();
    let at = bytes.windows(4).position(|bytes| bytes == b"fine").unwrap();
    bytes[at] = 0xff;
    log.log.data.data = bytes.into();
    assert_eq!(told(&log).kind, "unknown_slash");
}

#[test]
fn a_notice_reads_as_it_was_written() {
    let (definition, known) = world();
    let notice = notices_of(&definition, &known, &[event(3, 1, MANAGER, &scheduled(ACCOUNT, 0x0b))]).pop().unwrap();
    let text = serde_json::to_string(&notice).unwrap();
    assert!(text.contains(r#""id":"100:3""#) && text.contains(r#""level":"alarm""#), "{text}");
    assert_eq!(serde_json::from_str::<Notice>(&text).unwrap(), notice);
    assert_eq!(notice.fields["expires"], json!(5_000 + 7 * 86_400));
}
