//! What is refused of the kinds on Firn's own contracts, who signs them, what people see, and where the contracts are.

use super::*;
use firn_proto::limits::HANDED_TOKENS_MAX;
use firn_proto::operation::OperationJson;

fn tokens(count: usize) -> Vec<Address> {
    (0..count).map(|number| Address::left_padding_from(&number.to_be_bytes())).collect()
}

#[test]
fn r04_fields_that_make_no_sense_are_refused() {
    use Operation as O;
    let good = || pay(false, TOKEN, "schedule");
    let (wide, tight) = (limits(false, "schedule", 99), limits(true, "schedule", 0));
    let big = U256::from(1) << 72;
    let slash = || grant(roles::SLASH, 259_200, "schedule", 99);
    let veto = || grant(roles::VETO, 0, "schedule", 0);
    let senseless = [
        O::TreasuryPay(TreasuryPay { to: Address::ZERO, ..good() }),
        O::TreasuryPay(TreasuryPay { amount: U256::ZERO, ..good() }),
        O::TreasuryPay(TreasuryPay { reference: B256::ZERO, ..good() }),
        O::TreasuryPay(TreasuryPay { step: "Execute".to_owned(), ..good() }),
        O::TreasuryPay(TreasuryPay { step: String::new(), ..good() }),
        O::SetPayee(SetPayee { payee: Address::ZERO, ..payee(5, 6, 7, "schedule") }),
        O::SetPayee(SetPayee { payee: TREASURY, ..payee(5, 6, 7, "schedule") }),
        O::SetPayee(SetPayee { budget: U256::from(1) << 128, ..payee(5, 6, 7, "schedule") }),
        O::SetPayee(SetPayee { largeBudget: U256::MAX, ..payee(5, 6, 7, "schedule") }),
        O::SetPayee(payee(5, 6, 0, "schedule")),
        O::SetPayee(payee(0, 0, 7, "schedule")),
        O::PauseContract(pause("manager")),
        O::PauseContract(PauseContract { reference: B256::ZERO, ..pause("gate") }),
        O::UnpauseContract(unpause("")),
        O::CancelTimelocked(CancelTimelocked { reference: B256::ZERO, ..cancel_timelocked() }),
        O::SetLimits(SetLimits { minWad: U256::ZERO, ..wide.clone() }),
        O::SetLimits(SetLimits { minWad: wide.maxWad + U256::from(1), ..wide.clone() }),
        O::SetLimits(SetLimits { maxWad: U256::from(1_000_000_000_000_000_001_u64), ..wide.clone() }),
        O::SetLimits(SetLimits { operatorBudget: wide.maxWad - U256::from(1), ..wide.clone() }),
        O::SetLimits(SetLimits { setBudget: wide.operatorBudget - U256::from(1), ..wide.clone() }),
        O::SetLimits(SetLimits { setBudget: big, ..wide.clone() }),
        O::SetLimits(SetLimits { operatorBudget: U256::from(1) << 64, ..wide.clone() }),
        O::SetLimits(SetLimits { window: 0, ..wide.clone() }),
        O::SetLimits(SetLimits { delay: 0, ..wide.clone() }),
        O::SetLimits(SetLimits { reference: B256::ZERO, ..wide }),
        O::SetLimits(SetLimits { delay: 1, ..tight }),
        O::SetLimits(limits(false, "execute", 1)),
        O::GrantRole(GrantRole { member: Address::ZERO, ..slash() }),
        O::GrantRole(GrantRole { role: 0, ..slash() }),
        O::GrantRole(GrantRole { role: 8, ..slash() }),
        O::GrantRole(GrantRole { role: u64::MAX, ..slash() }),
        O::GrantRole(GrantRole { executionDelay: 0, ..slash() }),
        O::GrantRole(GrantRole { reference: B256::ZERO, ..slash() }),
        O::GrantRole(GrantRole { executionDelay: 1, ..veto() }),
        O::GrantRole(GrantRole { reference: REFERENCE, ..veto() }),
        O::GrantRole(GrantRole { delay: 1, ..veto() }),
        O::RevokeRole(RevokeRole { role: 0, ..revoke(roles::SLASH, "schedule", 99) }),
        O::RevokeRole(RevokeRole { member: Address::ZERO, ..revoke(roles::SLASH, "schedule", 99) }),
        O::Unpin(Unpin { reference: B256::ZERO, ..unpin("schedule") }),
        O::Unpin(unpin("")),
        O::HandOver(HandOver { successor: Address::ZERO, ..hand_over(&[], "schedule") }),
        O::HandOver(HandOver { successor: TREASURY, ..hand_over(&[], "schedule") }),
        O::HandOver(HandOver { reference: B256::ZERO, ..hand_over(&[], "schedule") }),
        O::HandOver(hand_over(&[TOKEN, Address::ZERO], "schedule")),
        O::HandOver(hand_over(&[TOKEN, TOKEN], "schedule")),
        O::HandOver(hand_over(&tokens(HANDED_TOKENS_MAX + 1), "schedule")),
        O::HandOver(hand_over(&[TOKEN], "now")),
    ];
    for operation in senseless {
        let _ = (operation.calls(&GUARDED), operation.render(&GUARDED));
        assert_eq!(code(operation.clone(), &GUARDED), Some(Code::OperationFieldInvalid), "{operation:?}");
    }
    let most = SetLimits { setBudget: big - U256::from(1), ..limits(false, "schedule", 99) };
    assert_eq!(code(O::SetLimits(most), &GUARDED), None);
    assert_eq!(code(O::HandOver(hand_over(&tokens(HANDED_TOKENS_MAX), "schedule")), &GUARDED), None);
}

#[test]
fn r03_the_timelock_calls_what_can_be_read_and_is_an_admins_or_listed() {
    let act = |target, data| Operation::Timelocked(timelocked_act(target, data, "schedule", 99));
    let (slash, unread) = (call("slashOperator(address,uint256)", &[]), call("anything()", &[]));
    for (target, data, refused) in [
        (core(), slash, Code::CallNotListed),
        (core(), unread.clone(), Code::CallNotListed),
        (core(), Vec::new(), Code::CalldataInvalid),
        (core(), [update_slasher_call(AVS), vec![0]].concat(), Code::CallNotListed),
        (OTHER, update_slasher_call(AVS), Code::CallNotListed),
        (TIMELOCK, update_slasher_call(AVS), Code::CallNotListed),
        (TREASURY, pay_call("pay", TOKEN), Code::CallNotListed),
        (MANAGER, grant_call(1, 259_200), Code::CallNotListed),
    ] {
        assert_eq!(code(act(target, data.clone()), &GUARDED), Some(refused), "{target}: {}", hex::encode(data));
    }
    let good = || timelocked_act(core(), update_slasher_call(AVS), "execute", 0);
    for senseless in [
        Timelocked { step: "schedule".to_owned(), ..good() },
        Timelocked { delay: 1, ..good() },
        Timelocked { reference: B256::ZERO, ..good() },
        timelocked_act(core(), update_slasher_call(OTHER), "execute", 0),
    ] {
        assert_eq!(code(Operation::Timelocked(senseless), &GUARDED), Some(Code::OperationFieldInvalid));
    }
    // As deep as a message has room for: refused at the first level, and shown as refused.
    let nested = (0..1_000).fold(update_slasher_call(AVS), |inner, _| unlocked(core(), &inner, REFERENCE));
    for data in [unlocked(core(), &update_slasher_call(AVS), REFERENCE), nested] {
        let operation = act(core(), data);
        assert_eq!(code(operation.clone(), &GUARDED), Some(Code::OperationFieldInvalid));
        assert!(operation.render(&GUARDED).details[0].starts_with("refused: "));
    }
    let shown = act(core(), update_slasher_call(AVS)).render(&GUARDED);
    assert!(shown.title.contains(&format!("make {OTHER} the slasher of AVS {AVS}, set 7")), "{shown:?}");
    assert!(shown.title.ends_with("by the timelock") && !shown.warnings.is_empty(), "{shown:?}");
    assert!(shown.details.iter().any(|detail| detail.contains("99 seconds later")), "{shown:?}");
}

#[test]
fn r04_only_the_timelock_is_admin() {
    for role in [0, 8, u64::MAX] {
        let (grant, revoke) = (grant(role, 1, "schedule", 99), revoke(role, "schedule", 99));
        assert_eq!(code(Operation::GrantRole(grant), &GUARDED), Some(Code::OperationFieldInvalid));
        assert_eq!(code(Operation::RevokeRole(revoke), &GUARDED), Some(Code::OperationFieldInvalid));
    }
    for role in 1..=7 {
        let grant = if role == roles::VETO { grant(role, 0, "execute", 0) } else { grant(role, 1, "execute", 0) };
        assert_eq!(code(Operation::GrantRole(grant), &GUARDED), None);
    }
}

#[test]
fn r06_fields_have_one_encoding_on_the_wire() {
    for operation in samples() {
        let signed = signed_as(operation, 7, &GUARDED);
        let wire = signed.to_wire();
        assert_eq!(SignedRequest::from_wire(&wire).as_ref(), Ok(&signed));
        let mut longer = wire.clone();
        let mut dirty = wire.clone();
        let mut shorter = wire;
        fields(&mut longer.operation).push(0);
        fields(&mut shorter.operation).pop();
        // Twelve bytes above an address, behind the offset that a struct with a text or bytes in it begins with.
        let at = if fields(&mut dirty.operation)[31] == 0x20 { 32 } else { 0 };
        fields(&mut dirty.operation)[at] = 1;
        for wrong in [longer, shorter, dirty] {
            let refusal = SignedRequest::from_wire(&wrong).unwrap_err();
            assert_eq!(refusal.code, Code::RequestMalformed);
        }
    }
}

fn fields(operation: &mut Option<Wire>) -> &mut Vec<u8> {
    match operation.as_mut().unwrap() {
        Wire::TreasuryPay(wire)
        | Wire::Timelocked(wire)
        | Wire::SetPayee(wire)
        | Wire::PauseContract(wire)
        | Wire::UnpauseContract(wire)
        | Wire::CancelScheduled(wire)
        | Wire::CancelTimelocked(wire)
        | Wire::SetLimits(wire)
        | Wire::GrantRole(wire)
        | Wire::RevokeRole(wire)
        | Wire::Unpin(wire)
        | Wire::HandOver(wire) => &mut wire.fields,
        other => panic!("{other:?}"),
    }
}

#[test]
fn r07_a_key_signs_for_its_own_purpose_and_avs_only() {
    let key = |operation: Operation| {
        let request = signed_as(operation, 7, &GUARDED).verify(&GUARDED).unwrap();
        request.key_name().to_owned()
    };
    let keys = samples().into_iter().map(key).collect::<Vec<_>>();
    let governance = |count| vec!["governance"; count];
    assert_eq!(keys, [vec!["treasury"; 3], governance(2), vec!["veto"; 6], governance(13)].concat());
    for wrong in ["slash", "treasury", "veto", "governance"] {
        let definition = changed(|content| {
            guard(content);
            content.authorities.iter_mut().for_each(|listed| listed.key = wrong.to_owned());
        });
        for operation in samples() {
            let expected = (operation.purpose().as_str() != wrong).then_some(Code::PurposeMismatch);
            assert_eq!(code(operation, &definition), expected, "{wrong}");
        }
    }
    let of_another = changed(|content| {
        guard(content);
        content.authorities.iter_mut().for_each(|listed: &mut Authority| listed.avs = OTHER);
    });
    let without_contracts = changed(|content| {
        guard(content);
        content.contracts.clear();
    });
    for operation in samples() {
        assert_eq!(code(operation.clone(), &of_another), Some(Code::AuthorityNotListed));
        assert_eq!(code(operation, &without_contracts), Some(Code::ContractNotListed));
    }
}

#[test]
fn r08_a_requester_asks_for_its_kinds_only() {
    for operation in samples() {
        let kind = operation.kind();
        let definition = changed(|content| {
            guard(content);
            content.requesters[0].operations.retain(|allowed| allowed != kind);
        });
        assert_eq!(code(operation, &definition), Some(Code::RequesterNotAllowed), "{kind}");
    }
}

#[test]
fn a_veto_cancels_whatever_is_scheduled() {
    let slash = "slash(bytes32,bytes32,address,(address,uint32,address[],uint256[],string))";
    let empty = [word(0x80), address(AVS), word(0), word(0xa0), word(0xc0), word(0xe0), word(0), word(0), word(0)];
    let head = [REFERENCE.to_vec(), vec![0x99; 32], address(AVS)].concat();
    let readable = [
        (GATE, call(slash, &[head, empty.concat()])),
        (GATE, limits_call("tightenLimits")),
        (TREASURY, pay_call("payLarge", TOKEN)),
        (TREASURY, payee_call([5, 6, 7])),
        (MANAGER, grant_call(4, 0)),
        (GATE, unpin_call()),
        (TREASURY, hand_over_call(&[Address::ZERO, TOKEN])),
    ];
    for (target, data) in &readable {
        let operation = Operation::CancelScheduled(cancel(*target, data.clone()));
        assert_eq!(code(operation.clone(), &GUARDED), None);
        let shown = operation.render(&GUARDED);
        assert!(shown.warnings.is_empty() && shown.details[2].starts_with("function "), "{shown:?}");
    }
    let (elsewhere, longer) = ((OTHER, readable[1].1.clone()), [&readable[1].1[..], &[0]].concat());
    let unreadable = [
        elsewhere,
        (GATE, longer),
        (GATE, pay_call("pay", TOKEN)),
        (TIMELOCK, vec![0xde, 0xad]),
        (Address::ZERO, vec![]),
        (GATE, vec![0xff; 15 * 1024]),
    ];
    for (target, data) in unreadable {
        let operation = Operation::CancelScheduled(cancel(target, data));
        assert_eq!(code(operation.clone(), &GUARDED), None, "a veto is always possible");
        assert_eq!(decoded(&own_call(&operation)).as_ref(), Ok(&operation));
        let shown = operation.render(&GUARDED);
        assert!(shown.warnings[0].contains("none of the AVS's contracts'"), "{shown:?}");
        assert!(shown.details[1].starts_with("calldata 0x"), "{shown:?}");
    }
    let endless = Operation::CancelScheduled(cancel(GATE, vec![0xff; 15 * 1024 + 1]));
    assert_eq!(code(endless, &GUARDED), Some(Code::CalldataInvalid));
}

#[test]
fn people_are_shown_what_it_does_and_warned() {
    use Operation as O;
    let shown = |operation: Operation| operation.render(&GUARDED);
    let warned = |operation: Operation| shown(operation).warnings.join("; ");
    let small = shown(O::TreasuryPay(pay(false, TOKEN, "schedule")));
    assert_eq!(small.title, format!("pay 1000 smallest units of token {TOKEN} to {OTHER} for AVS {AVS}"));
    assert!(small.warnings.is_empty() && small.details[0].starts_with("step schedule"));
    assert!(small.details.contains(&format!("reference {REFERENCE}")));
    let large = shown(O::TreasuryPay(pay(true, Address::ZERO, "execute")));
    assert!(large.title.starts_with("pay 1000 wei to") && large.warnings[0].contains("large budget"));
    assert!(large.details[0].starts_with("step execute: takes effect at once"));
    assert!(warned(O::SetPayee(payee(5, 6, 7, "schedule"))).contains("again and again"));
    let off = shown(O::SetPayee(payee(0, 0, 0, "schedule")));
    assert!(off.title.starts_with("no longer let") && off.warnings.is_empty());
    assert!(warned(O::PauseContract(pause("gate"))).contains("nobody can be slashed"));
    assert!(warned(O::PauseContract(pause("treasury"))).contains("nobody can be paid"));
    assert!(warned(O::UnpauseContract(unpause("gate"))).contains("no pause can follow for 7 days"));
    assert!(warned(O::CancelTimelocked(cancel_timelocked())).contains("does not say what it is"));
    assert!(warned(O::SetLimits(limits(false, "schedule", 99))).contains("may widen"));
    let wide = shown(O::SetLimits(limits(false, "schedule", 99)));
    assert!(wide.details[0].contains("99 seconds later") && wide.details[2].contains("1% to 10%"), "{wide:?}");
    assert_eq!(warned(O::SetLimits(limits(true, "schedule", 0))), "");
    let slash = warned(O::GrantRole(grant(roles::SLASH, 259_200, "schedule", 99)));
    assert!(slash.contains("may slash every operator") && slash.starts_with(&OTHER.to_string()));
    assert!(warned(O::RevokeRole(revoke(roles::VETO, "schedule", 0))).contains("nothing that is scheduled"));
    assert!(warned(O::Unpin(unpin("execute"))).contains("nobody of the set can be slashed"));
    let over = shown(O::HandOver(hand_over(&[Address::ZERO, TOKEN], "schedule")));
    assert!(over.details.contains(&"with all there is of ether".to_owned()) && over.warnings[1].contains("for good"));
    let unknown = shown(O::GrantRole(grant(0, 1, "schedule", 99)));
    assert!(unknown.title.contains("unknown role 0"), "{unknown:?}");
}

#[test]
fn network_toml_says_where_the_contracts_are() {
    let definition = guarded();
    let text = definition.to_toml();
    assert_eq!(Definition::parse(&text).as_ref(), Ok(&definition));
    assert!(!kinds::governed().to_toml().contains("[[contracts]]"));
    let with = |change: fn(&mut Content)| {
        changed(|content| {
            guard(content);
            change(content);
        })
    };
    let refused: [fn(&mut Content); 4] = [
        |d| d.contracts[0].manager = Address::ZERO,
        |d| d.contracts[0].avs = Address::ZERO,
        |d| d.contracts[0].gate = TREASURY,
        |d| d.contracts.push(Contracts { gate: OTHER, ..contracts() }),
    ];
    for change in refused {
        let refusal = Definition::parse(&with(change).to_toml()).unwrap_err();
        assert_eq!(refusal.code, Code::DefinitionInvalid);
    }
    let wrong = text.replacen("timelock_veto = ", "timelock_vote = ", 1);
    assert_ne!(wrong, text);
    assert!(
        Definition::parse(&wrong).is_err() && Definition::parse(&text.replacen(&GATE.to_string(), "0xC4", 1)).is_err()
    );
    // Every part is in the digest, and none of it where there is none.
    let parts: [fn(&mut Content); 8] = [
        |_| {},
        |d| d.contracts.clear(),
        |d| d.contracts[0].avs = OTHER,
        |d| d.contracts[0].manager = OTHER,
        |d| d.contracts[0].timelock = OTHER,
        |d| d.contracts[0].timelock_veto = OTHER,
        |d| d.contracts[0].gate = OTHER,
        |d| d.contracts[0].treasury = OTHER,
    ];
    let digests: std::collections::BTreeSet<_> = parts.map(|part| with(part).digest()).into();
    assert_eq!(digests.len(), parts.len());
}

#[test]
fn r16_contracts_come_with_the_first_operator_sets_and_stay() {
    let next = |before: &Definition, change: fn(&mut Content)| {
        let mut content = (**before).clone();
        change(&mut content);
        before.succeeded_by(content, 100).map(drop).map_err(|refusal| refusal.code)
    };
    let forbidden = Err(Code::ChangeForbidden);
    let add = |content: &mut Content| content.contracts = vec![contracts()];
    // A slash asked for before would go another way after.
    assert_eq!(next(&calls::listing(), add), forbidden);
    let mut without = (*calls::listing()).clone();
    without.operator_sets.retain(|set| set.avs != contracts().avs);
    assert_eq!(next(&Definition::new(without), add), Ok(()));
    assert_eq!(next(&GUARDED, |content| content.contracts[0].gate = OTHER), forbidden);
    assert_eq!(next(&GUARDED, |content| content.contracts.clear()), forbidden);
}

#[test]
fn the_files_of_the_how_to_are_operations() {
    let page = include_str!("../../../../docs/how-to/contracts.md");
    let blocks = page.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let operations: Vec<_> = blocks
        .map(|text| {
            let json: OperationJson = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
            Operation::from_json(&json).unwrap()
        })
        .collect();
    let kinds: std::collections::BTreeSet<_> = operations.iter().map(Operation::kind).collect();
    assert!(KINDS[10..].iter().all(|kind| kinds.contains(kind)), "one of each: {kinds:?}");
    for operation in operations {
        let definition = changed(|content| {
            guard(content);
            content.contracts[0].avs = operation.avs();
            content.authorities.iter_mut().for_each(|listed| listed.avs = operation.avs());
            content.requesters[0].avs = [operation.avs()].into();
        });
        assert_eq!(code(operation, &definition), None);
    }
}
