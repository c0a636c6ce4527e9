//! What people are shown of an operation.

use crate::fixture::{definition, slash};
use alloy_primitives::{Address, U256};
use firn_proto::operation::{Operation, Rendering, SlashOperator};

fn shown(change: impl FnOnce(&mut SlashOperator)) -> Rendering {
    let mut slash = slash();
    change(&mut slash);
    Operation::SlashOperator(slash).render(&definition())
}

#[test]
fn a_slash_is_shown_with_every_share_and_its_reason() {
    let SlashOperator { avs, operator, operatorSetId: set, strategies, .. } = slash();
    let rendering = shown(|s| {
        s.wadsToSlash = vec![U256::from(80_000_000_000_000_000_u64), U256::from(1_234_567_890_123_456_u64)];
        s.description = "missed its duties".to_owned();
    });
    assert_eq!(rendering.title, format!("slash operator {operator} of AVS {avs}, set {set}"));
    let expected = [
        format!("8% in strategy {}", strategies[0]),
        format!("0.1234567890123456% in strategy {}", strategies[1]),
        "\"missed its duties\"".to_owned(),
    ];
    assert_eq!(rendering.details, expected);
    assert!(rendering.warnings.is_empty(), "{:?}", rendering.warnings);
}

#[test]
fn wads_are_shown_exactly() {
    let percent =
        |wad: u64| shown(|s| s.wadsToSlash[0] = U256::from(wad)).details[0].split(' ').next().unwrap().to_owned();
    for (wad, text) in [
        (1, "0.0000000000000001%"),
        (10_000_000_000_000_000, "1%"),
        (15_000_000_000_000_000, "1.5%"),
        (1_000_000_000_000_000_000, "100%"),
    ] {
        assert_eq!(percent(wad), text);
    }
}

#[test]
fn r04_a_reader_is_warned_of_a_whole_allocation_and_of_next_to_nothing() {
    let warned = |wad: u64| {
        shown(|s| {
            s.strategies = vec![Address::repeat_byte(0x31)];
            s.wadsToSlash = vec![U256::from(wad)];
        })
        .warnings
        .concat()
    };
    assert!(warned(1_000_000_000_000_000_000).starts_with("takes all"));
    assert!(warned(99_999_999_999_999).contains("rounding"));
    assert!(warned(100_000_000_000_000).is_empty());
    assert!(warned(999_999_999_999_999_999).is_empty());
}
