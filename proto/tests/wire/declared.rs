//! What a definition declares of an AVS's contracts: strict, in the digest, and open to change where the addresses are not.

use crate::fixture::{AVS, changed};
use crate::guard::{contracts, guarded_by_the_first};
use alloy_primitives::{Address, FixedBytes};
use firn_proto::definition::declared::{Appointee, Declared, Delays, Holder, ListedPayee, PinnedSet};
use firn_proto::definition::{Content, Contracts};
use firn_proto::{Code, Definition};

const OTHER: Address = Address::repeat_byte(0x56);
const DAY: u32 = 86_400;

/// The delays and limits that the contracts' pages recommend.
fn declared() -> Declared {
    let delays = Delays {
        slash: 3 * DAY,
        treasury: 2 * DAY,
        treasury_large: 7 * DAY,
        governance: 7 * DAY,
        timelock: 35 * DAY / 2,
        hand_over: 28 * DAY,
        recovery: 28 * DAY,
    };
    let percent = 10_000_000_000_000_000;
    let set = PinnedSet {
        id: 7,
        min_wad: percent / 10,
        max_wad: 10 * percent,
        operator_budget: 20 * percent,
        set_budget: 3_000 * percent,
        window: 30 * DAY,
        cool_down: DAY,
        slasher: None,
        recipient: Some(OTHER),
    };
    let payee =
        ListedPayee { token: Address::ZERO, payee: OTHER, budget: u128::MAX, large_budget: 0, window: 30 * DAY };
    Declared {
        since: 100,
        slash: Holder::Key("slash".to_owned()),
        treasury: Holder::Key("treasury".to_owned()),
        governance: Holder::Key("governance".to_owned()),
        veto: vec![Holder::Address(OTHER), Holder::Key("veto".to_owned())],
        admins: vec![AVS],
        delays,
        sets: vec![set],
        payees: vec![payee],
        appointees: vec![Appointee { appointee: OTHER, selector: FixedBytes([1, 2, 3, 4]) }],
    }
}

fn with(change: impl FnOnce(&mut Content, &mut Declared)) -> Definition {
    let mut content = (*guarded_by_the_first(21)).clone();
    let mut said = declared();
    said.veto.sort();
    change(&mut content, &mut said);
    content.contracts = vec![Contracts { declared: Some(said), ..contracts() }];
    Definition::new(content)
}

/// The contracts with all that can be declared of them.
pub(crate) fn declaring() -> Definition {
    with(|_, _| {})
}

type Change = fn(&mut Declared);

#[test]
fn a_declared_authority_reads_back_equal_and_alone() {
    let definition = declaring();
    let text = definition.to_toml();
    assert_eq!(Definition::parse(&text), Ok(definition.clone()), "{text}");
    let said = definition.contracts[0].declared.clone().unwrap();
    assert_eq!(Declared::parse(&toml::to_string(&said).unwrap(), &definition), Ok(said));
    assert!(
        Definition::parse(&text.replacen("since = ", "sinec = 1\nsince = ", 1)).is_err(),
        "unknown keys are errors"
    );
}

#[test]
fn every_declared_field_is_in_the_digest_and_none_where_there_is_none() {
    let without = |content: &mut Content| *content = (*guarded_by_the_first(21)).clone();
    assert_eq!(changed(without).digest(), guarded_by_the_first(21).digest());
    let changes: &[Change] = &[
        |_| {},
        |d| d.since += 1,
        |d| d.slash = Holder::Address(AVS),
        |d| d.treasury = Holder::Address(AVS),
        |d| d.governance = Holder::Address(AVS),
        |d| drop(d.veto.pop()),
        |d| d.admins.clear(),
        |d| d.delays.slash += 1,
        |d| d.delays.treasury += 1,
        |d| d.delays.treasury_large += 1,
        |d| d.delays.governance += 1,
        |d| d.delays.timelock += 1,
        |d| d.delays.hand_over += 1,
        |d| d.delays.recovery += 1,
        |d| d.sets.clear(),
        |d| d.sets[0].id += 1,
        |d| d.sets[0].min_wad += 1,
        |d| d.sets[0].max_wad += 1,
        |d| d.sets[0].operator_budget += 1,
        |d| d.sets[0].set_budget += 1,
        |d| d.sets[0].window += 1,
        |d| d.sets[0].cool_down += 1,
        |d| d.sets[0].slasher = Some(OTHER),
        |d| d.sets[0].recipient = None,
        |d| d.payees.clear(),
        |d| d.payees[0].token = OTHER,
        |d| d.payees[0].payee = AVS,
        |d| d.payees[0].budget -= 1,
        |d| d.payees[0].large_budget += 1,
        |d| d.payees[0].window += 1,
        |d| d.appointees.clear(),
        |d| d.appointees[0].appointee = AVS,
        |d| d.appointees[0].selector = FixedBytes([1, 2, 3, 5]),
    ];
    let mut seen = std::collections::BTreeSet::from([guarded_by_the_first(21).digest()]);
    for (index, change) in changes.iter().enumerate() {
        assert!(seen.insert(with(|_, said| change(said)).digest()), "change {index} is not in the digest");
    }
}

#[test]
fn what_no_authority_could_be_deployed_with_is_refused() {
    let changes: &[Change] = &[
        |d| d.slash = Holder::Key("nobody".to_owned()),
        |d| d.slash = Holder::Key("treasury".to_owned()),
        |d| d.slash = Holder::Address(Address::ZERO),
        |d| d.slash = Holder::Address(OTHER),
        |d| d.veto.clear(),
        |d| d.delays.slash = 0,
        |d| d.delays.treasury_large = d.delays.treasury,
        |d| d.delays.recovery -= 1,
        |d| (d.delays.timelock, d.delays.recovery) = (21 * DAY, 28 * DAY),
        |d| d.sets[0].min_wad = 0,
        |d| d.sets[0].max_wad = 10_u128.pow(18) + 1,
        |d| d.sets[0].operator_budget = d.sets[0].max_wad - 1,
        |d| d.sets[0].set_budget = 1 << 72,
        |d| d.sets[0].window = 0,
        |d| d.sets.push(d.sets[0].clone()),
        |d| d.payees[0].window = 0,
        |d| d.payees[0].budget = 0,
        |d| d.payees.push(d.payees[0].clone()),
    ];
    for (index, change) in changes.iter().enumerate() {
        let text = with(|_, said| change(said)).to_toml();
        assert_eq!(Definition::parse(&text).map_err(|refusal| refusal.code), Err(Code::DefinitionInvalid), "{index}");
    }
    let without = with(|content, _| content.chain.permission_controller = None).to_toml();
    assert!(Definition::parse(&without).is_err(), "nobody could look at the AVS's admins");
    for (number, other) in
        [("\"100000000000000000\"", "\"+100000000000000000\""), ("\"100000000000000000\"", "\"0100000000000000000\"")]
    {
        let text = declaring().to_toml();
        assert!(text.contains(number) && Definition::parse(&text.replacen(number, other, 1)).is_err(), "one form");
    }
}

#[test]
fn a_version_may_declare_anew_and_move_nothing() {
    let before = declaring();
    let next = |change: Change| before.succeeded_by((*with(|_, said| change(said))).clone(), 9);
    assert!(next(|said| said.sets[0].max_wad -= 1).is_ok(), "limits change on chain");
    assert!(next(|said| said.slash = Holder::Address(AVS)).is_ok(), "and so do members");
    let mut moved = (*before).clone();
    moved.contracts[0].gate = OTHER;
    assert_eq!(before.succeeded_by(moved, 9).map_err(|refusal| refusal.code), Err(Code::ChangeForbidden));
}
