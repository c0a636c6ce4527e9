//! The kinds of operation beside the slash: exact calldata, strict reading, who signs them, their forms, what people see.

use crate::fixture::{AVS, NOW, changed, key, signed_as};
use crate::{calls, guard, safe};
use alloy_primitives::{Address, Bytes, FixedBytes, U256, keccak256};
use firn_proto::account::Call;
use firn_proto::definition::{Authority, Content, Purpose};
use firn_proto::operation::{
    AcceptAdmin, AddStrategies, ClearRedistribution, KINDS, Operation, OperationJson, RemoveAppointee,
    RemoveStrategies, SetAppointee, Terms, UpdateSlasher,
};
use firn_proto::request::SignedRequest;
use firn_proto::{Code, Definition};
use proptest::prelude::*;
use std::sync::LazyLock;

const ACCOUNT: Address = Address::repeat_byte(0x55);
const OTHER: Address = Address::repeat_byte(0x56);

/// Keys for all purposes, and a requester that may ask for all kinds that call EigenLayer.
pub(crate) fn governed() -> Definition {
    changed(govern)
}

pub(crate) fn govern(content: &mut Content) {
    content.chain.permission_controller = Some(Address::repeat_byte(0xb1));
    content.chain.strategy_manager = Some(Address::repeat_byte(0xc1));
    for purpose in [Purpose::Treasury, Purpose::Veto, Purpose::Governance] {
        let mut key = key(purpose.as_str(), 3, 5);
        key.purpose = purpose;
        content.keys.push(key);
        content.authorities.push(Authority { avs: AVS, purpose, key: purpose.as_str().to_owned() });
    }
    content.keys.sort_by(|a, b| a.name.cmp(&b.name));
    content.requesters[0].operations = KINDS[..8].iter().map(|kind| (*kind).to_owned()).collect();
}

/// One of each kind beside the slash.
pub(crate) fn samples() -> Vec<Operation> {
    let (avs, account, nonce, deadline) = (AVS, ACCOUNT, U256::from(9), NOW + 3600);
    let strategies = vec![Address::repeat_byte(0x33), Address::repeat_byte(0x44)];
    let (appointee, target, selector) = (OTHER, Address::repeat_byte(0xa1), FixedBytes([0x6c, 0x9d, 0x7c, 0x58]));
    vec![
        Operation::UpdateSlasher(UpdateSlasher { avs, operatorSetId: 7, slasher: ACCOUNT, account, nonce, deadline }),
        Operation::AddStrategies(AddStrategies {
            avs,
            operatorSetId: 7,
            strategies: strategies.clone(),
            account,
            nonce,
            deadline,
        }),
        Operation::RemoveStrategies(RemoveStrategies { avs, operatorSetId: 7, strategies, account, nonce, deadline }),
        Operation::AcceptAdmin(AcceptAdmin { avs, account, nonce, deadline }),
        Operation::SetAppointee(SetAppointee { avs, appointee, target, selector, account, nonce, deadline }),
        Operation::RemoveAppointee(RemoveAppointee { avs, appointee, target, selector, account, nonce, deadline }),
        Operation::ClearRedistribution(ClearRedistribution {
            avs,
            operatorSetId: 7,
            slashId: U256::from(1),
            account,
            nonce,
            deadline,
        }),
    ]
}

/// One of each kind at all beside the slash.
fn all() -> Vec<Operation> {
    samples().into_iter().chain(calls::samples()).chain([safe::sample()]).chain(guard::samples()).collect()
}

fn terms() -> Terms {
    Terms { avs: Address::ZERO, account: ACCOUNT, nonce: U256::from(9), deadline: NOW + 3600 }
}

/// [`governed`], made once: its digest covers a lot.
static GOVERNED: LazyLock<Definition> = LazyLock::new(governed);

fn call(operation: &Operation) -> Call {
    operation.calls(&GOVERNED).remove(0)
}

fn decoded(call: &Call) -> Result<Operation, Code> {
    Operation::decode(call, &GOVERNED, terms()).map_err(|refusal| refusal.code)
}

fn code(operation: Operation, definition: &Definition) -> Option<Code> {
    signed_as(operation, 7, definition).verify(definition).err().map(|refusal| refusal.code)
}

#[test]
fn calldata_is_what_eigenlayer_takes() {
    let selectors = ["6c9d7c58", "50feea20", "b66bd989", "628806ef", "950d806e", "06641201", "88c10299"];
    for (operation, selector) in samples().iter().zip(selectors) {
        assert_eq!(hex::encode(&call(operation).data[..4]), selector, "{}", operation.kind());
    }
    // EIGENLAYER.md section 5, V5 and V3.
    let hash = |index: usize| hex::encode(keccak256(&call(&samples()[index]).data));
    assert_eq!(hash(0), "b913127b64fe8177b18e90dac7f3c145f597735659621e143b25430aa267ee58");
    assert_eq!(hash(6), "fe8acb6acb14377ce4cf04ffa93ecb30ec52656d5c2753eb9783f3338537da72");
    let [manager, controller, strategies] = [0xa1, 0xb1, 0xc1].map(Address::repeat_byte);
    let targets = [manager, manager, manager, controller, controller, controller, strategies];
    assert!(samples().iter().map(|operation| call(operation).target).eq(targets));
}

#[test]
fn r03_calldata_reads_back_as_the_operation_that_made_it() {
    for operation in samples() {
        assert_eq!(decoded(&call(&operation)).as_ref(), Ok(&operation));
    }
}

#[test]
fn r03_trailing_bytes_are_refused() {
    for operation in samples() {
        for extra in [1, 31, 32] {
            let mut call = call(&operation);
            call.data = [&call.data[..], &vec![0; extra]].concat().into();
            assert_eq!(decoded(&call), Err(Code::CalldataInvalid), "{} and {extra}", operation.kind());
        }
    }
}

#[test]
fn r03_missing_bytes_are_refused() {
    for operation in samples() {
        let call = call(&operation);
        for length in 0..call.data.len() {
            let data = Bytes::copy_from_slice(&call.data[..length]);
            assert_eq!(decoded(&Call { data, ..call.clone() }), Err(Code::CalldataInvalid), "{length} bytes");
        }
    }
}

#[test]
fn r03_every_padding_bit_counts() {
    for operation in samples() {
        let call = call(&operation);
        for bit in 32..call.data.len() * 8 {
            let mut data = call.data.to_vec();
            data[bit / 8] ^= 0x80 >> (bit % 8);
            let flipped = Call { data: data.into(), ..call.clone() };
            // Either it is another operation, with this very calldata, or it is none.
            match Operation::decode(&flipped, &GOVERNED, terms()) {
                Ok(other) => assert!(other != operation && other.calls(&GOVERNED) == [flipped], "bit {bit}"),
                Err(refusal) => assert!(
                    matches!(
                        refusal.code,
                        Code::CalldataInvalid | Code::StrategiesNotAscending | Code::StrategiesEmpty
                    ),
                    "bit {bit}: {refusal}"
                ),
            }
        }
    }
    // The upper twelve bytes of an address, and the upper 28 of an operator set's number.
    for (index, words) in [(0, [(0, 12), (1, 28), (2, 12)]), (4, [(0, 12), (1, 12), (2, 12)])] {
        let call = call(&samples()[index]);
        for (word, bytes) in words {
            for byte in 0..bytes {
                let mut data = call.data.to_vec();
                data[4 + 32 * word + byte] = 1;
                let dirty = Call { data: data.into(), ..call.clone() };
                assert_eq!(decoded(&dirty), Err(Code::CalldataInvalid), "word {word}, byte {byte}");
            }
        }
    }
    // A selector is padded at its end.
    let mut call = call(&samples()[4]);
    let mut data = call.data.to_vec();
    *data.last_mut().unwrap() = 1;
    call.data = data.into();
    assert_eq!(decoded(&call), Err(Code::CalldataInvalid));
}

#[test]
fn r03_offsets_have_one_value() {
    // avs, set, offset, length, two strategies: the same list one word later, behind a word that nothing names.
    let call = call(&samples()[1]);
    let words: Vec<&[u8]> = call.data[4..].chunks(32).collect();
    let word = |value: u64| U256::from(value).to_be_bytes_vec();
    let with = |offset: Vec<u8>, tail: &[&[u8]]| {
        let data = [&call.data[..4], words[0], words[1], &offset, &tail.concat()].concat();
        decoded(&Call { data: data.into(), ..call.clone() })
    };
    assert!(with(word(0x60), &words[3..]).is_ok());
    let gap = word(0);
    assert_eq!(with(word(0x80), &[&gap, words[3], words[4], words[5]]), Err(Code::CalldataInvalid));
    for offset in [0, 0x20, 0x40, 0x61, u64::MAX] {
        assert_eq!(with(word(offset), &words[3..]), Err(Code::CalldataInvalid), "offset {offset}");
    }
    let huge = U256::MAX.to_be_bytes_vec();
    assert_eq!(with(huge.clone(), &words[3..]), Err(Code::CalldataInvalid));
    assert_eq!(with(word(0x60), &[&huge, words[4], words[5]]), Err(Code::CalldataInvalid), "a huge length");
}

#[test]
fn r03_another_selector_target_or_value_is_refused() {
    for operation in samples() {
        let call = call(&operation);
        let elsewhere = Call { target: OTHER, ..call.clone() };
        assert_eq!(decoded(&elsewhere), Err(Code::CallNotListed));
        let paid = Call { value: U256::from(1), ..call.clone() };
        assert_eq!(decoded(&paid), Err(Code::CallNotListed));
        let mut data = call.data.to_vec();
        data[..4].copy_from_slice(&[0xde, 0xad, 0xbe, 0xef]);
        assert_eq!(decoded(&Call { data: data.into(), ..call }), Err(Code::CalldataInvalid));
    }
}

proptest! {
    #[test]
    fn r03_no_calldata_panics(index in 0..7_usize, tail in proptest::collection::vec(any::<u8>(), 0..300), words in 0..12_usize) {
        let call = call(&samples()[index]);
        let kept = (4 + 32 * words).min(call.data.len());
        let data: Bytes = [&call.data[..kept], &tail].concat().into();
        if let Ok(operation) = decoded(&Call { data: data.clone(), ..call }) {
            prop_assert_eq!(operation.calls(&GOVERNED)[0].data.clone(), data);
            let _ = operation.render(&GOVERNED);
        }
    }
}

#[test]
fn r04_large_integers_are_shown_and_never_panic() {
    let definition = governed();
    for mut operation in samples() {
        if let Operation::ClearRedistribution(clear) = &mut operation {
            clear.slashId = U256::MAX;
            assert!(clear.slashId.to_string().len() == 78);
        }
        let json = operation.to_json();
        assert_eq!(Operation::from_json(&json).as_ref(), Ok(&operation));
        assert_eq!(Operation::decode(&operation.calls(&definition)[0], &definition, terms()), Ok(operation.clone()));
        let _ = operation.render(&definition);
    }
}

#[test]
fn r04_fields_that_make_no_sense_are_refused() {
    let definition = governed();
    let [update, add, remove, _, set, unset, _]: [Operation; 7] = samples().try_into().unwrap();
    for operation in samples() {
        assert_eq!(code(operation, &definition), None);
    }
    let Operation::UpdateSlasher(mut update) = update else { panic!() };
    update.slasher = Address::ZERO;
    assert_eq!(code(Operation::UpdateSlasher(update), &definition), Some(Code::OperationFieldInvalid));
    let (Operation::AddStrategies(add), Operation::RemoveStrategies(remove)) = (add, remove) else { panic!() };
    let lists = [
        (vec![], Code::StrategiesEmpty),
        (vec![OTHER; 2], Code::StrategiesNotAscending),
        (vec![OTHER, ACCOUNT], Code::StrategiesNotAscending),
        (vec![Address::ZERO, ACCOUNT], Code::OperationFieldInvalid),
        ((1..=65_u64).map(|i| Address::left_padding_from(&i.to_be_bytes())).collect(), Code::StrategiesEmpty),
    ];
    for (strategies, expected) in lists {
        let add = AddStrategies { strategies: strategies.clone(), ..add.clone() };
        assert_eq!(code(Operation::AddStrategies(add), &definition), Some(expected));
        let remove = RemoveStrategies { strategies, ..remove.clone() };
        assert_eq!(code(Operation::RemoveStrategies(remove), &definition), Some(expected));
    }
    let (Operation::SetAppointee(set), Operation::RemoveAppointee(unset)) = (set, unset) else { panic!() };
    let nobody = SetAppointee { appointee: Address::ZERO, ..set.clone() };
    let nothing = SetAppointee { target: Address::ZERO, ..set };
    for operation in [nobody, nothing] {
        assert_eq!(code(Operation::SetAppointee(operation), &definition), Some(Code::OperationFieldInvalid));
    }
    let nobody = RemoveAppointee { appointee: Address::ZERO, ..unset };
    assert_eq!(code(Operation::RemoveAppointee(nobody), &definition), Some(Code::OperationFieldInvalid));
}

#[test]
fn a_contract_that_is_not_listed_is_not_called() {
    let definition = changed(|content| {
        govern(content);
        content.chain.permission_controller = None;
        content.chain.strategy_manager = None;
    });
    let codes: Vec<_> = samples().into_iter().map(|operation| code(operation, &definition)).collect();
    let missing = Some(Code::ContractNotListed);
    assert_eq!(codes, [None, None, None, missing, missing, missing, missing]);
}

#[test]
fn r07_a_key_signs_for_its_own_purpose_only() {
    let name_of = |operation: Operation| {
        let request = signed_as(operation, 7, &governed()).verify(&governed()).unwrap();
        request.key_name().to_owned()
    };
    let names: Vec<_> = samples().into_iter().map(name_of).collect();
    assert_eq!(names[..6], ["governance"; 6]);
    assert_eq!(names[6], "treasury");
    // A definition that says otherwise: who made it with a program, past the checks of the file.
    for wrong in ["slash", "treasury", "veto", "governance"] {
        let definition = changed(|content| {
            govern(content);
            content.authorities.iter_mut().for_each(|listed| listed.key = wrong.to_owned());
        });
        for operation in samples() {
            let expected = (operation.purpose().as_str() != wrong).then_some(Code::PurposeMismatch);
            assert_eq!(code(operation, &definition), expected, "{wrong}");
        }
    }
    let slash = Operation::SlashOperator(crate::fixture::slash());
    let definition = changed(|content| {
        govern(content);
        content.operator_sets[0].key = "governance".to_owned();
    });
    assert_eq!(code(slash, &definition), Some(Code::PurposeMismatch));
}

#[test]
fn r07_nobody_answers_for_another_avs() {
    for operation in samples() {
        assert_eq!(
            code(
                operation,
                &changed(|content| {
                    govern(content);
                    content.authorities.iter_mut().for_each(|listed| listed.avs = OTHER);
                })
            ),
            Some(Code::AuthorityNotListed)
        );
    }
}

#[test]
fn r08_a_requester_asks_for_its_kinds_only() {
    for operation in samples() {
        let kind = operation.kind();
        let definition = changed(|content| {
            govern(content);
            content.requesters[0].operations.retain(|allowed| allowed != kind);
        });
        assert_eq!(code(operation, &definition), Some(Code::RequesterNotAllowed), "{kind}");
    }
}

#[test]
fn both_forms_read_back_and_every_field_counts() {
    let definition = governed();
    for operation in all() {
        let signed = signed_as(operation.clone(), 7, &definition);
        assert_eq!(SignedRequest::from_wire(&signed.to_wire()).as_ref(), Ok(&signed));
        let json = serde_json::to_value(operation.to_json()).unwrap();
        let fields = json[operation.kind()].as_object().unwrap().clone();
        for (name, value) in &fields {
            let with = |value: serde_json::Value| {
                let mut changed = fields.clone();
                changed.insert(name.clone(), value);
                let json = serde_json::json!({ operation.kind(): changed });
                serde_json::from_value::<OperationJson>(json).ok().and_then(|json| Operation::from_json(&json).ok())
            };
            assert_eq!(with(value.clone()).as_ref(), Some(&operation));
            // Another value is another request.
            let other = match value {
                serde_json::Value::Number(number) => (number.as_u64().unwrap() + 1).into(),
                serde_json::Value::Array(list) => list[..1].into(),
                serde_json::Value::Bool(flag) => (!flag).into(),
                serde_json::Value::String(text) if text.starts_with("0x") => {
                    let other: String = text[2..].chars().map(|digit| if digit == '3' { '4' } else { '3' }).collect();
                    format!("0x{other}").into()
                }
                text => format!("1{}", text.as_str().unwrap()).into(),
            };
            let other = with(other).unwrap();
            assert_ne!(other.id(&definition), operation.id(&definition), "{name}");
            if ["purpose", "step", "which"].contains(&name.as_str()) || value.is_boolean() {
                continue;
            }
            for bad in
                [serde_json::Value::Null, true.into(), (-1).into(), 1.5.into(), "".into(), "0X11".into(), " 1".into()]
            {
                assert_eq!(with(bad), None, "{name}");
            }
        }
    }
}

#[test]
fn r06_json_has_one_form() {
    for operation in all() {
        let kind = operation.kind();
        let text = serde_json::to_string(&operation.to_json()).unwrap();
        let read = |text: &str| {
            let json = serde_json::from_str::<OperationJson>(text).ok()?;
            Operation::from_json(&json).ok()
        };
        assert_eq!(read(&text).as_ref(), Some(&operation));
        let avs = format!("\"avs\":\"{AVS:#x}\"");
        assert!(text.contains(&avs));
        for (from, to) in [
            (avs.as_str(), format!("{avs},{avs}")),
            (avs.as_str(), format!("{avs},\"urgent\":true")),
            (avs.as_str(), avs.replacen("0x", "", 1)),
            ("0x5555", "0X5555".to_owned()),
            ("\"nonce\":\"9\"", "\"nonce\":\"09\"".to_owned()),
            ("\"nonce\":\"9\"", "\"nonce\":\"+9\"".to_owned()),
            ("\"nonce\":\"9\"", "\"nonce\":\"0x9\"".to_owned()),
            ("\"nonce\":\"9\"", "\"nonce\":\"1_0\"".to_owned()),
            ("\"nonce\":\"9\"", "\"nonce\":9".to_owned()),
            (kind, format!("{kind}s")),
        ] {
            let changed = text.replacen(from, &to, 1);
            assert_ne!(changed, text);
            assert_eq!(read(&changed), None, "{changed}");
        }
    }
    // A checksum counts where there is one.
    let mixed = Address::repeat_byte(0xab).to_string();
    let Operation::SetAppointee(mut set) = samples().remove(4) else { panic!() };
    set.appointee = mixed.parse().unwrap();
    let text = serde_json::to_string(&Operation::SetAppointee(set).to_json()).unwrap();
    let read = |written: &str| {
        let text = text.replacen(&mixed.to_lowercase(), written, 1);
        Operation::from_json(&serde_json::from_str(&text).unwrap()).is_ok()
    };
    assert!(read(&mixed) && read(&mixed.to_lowercase()));
    assert!(!read(&mixed.replacen("Ab", "aB", 1)) && !read(&mixed.to_uppercase().replacen("0X", "0x", 1)));
}

#[test]
fn people_are_shown_what_it_does_and_warned() {
    let definition = governed();
    let shown = |index: usize| samples()[index].render(&definition);
    let warned = |index: usize| shown(index).warnings.join("; ");
    assert_eq!(shown(0).title, format!("make {ACCOUNT} the slasher of AVS {AVS}, set 7"));
    assert!(shown(0).details[0].contains("17.5 days") && warned(0).contains("every operator"));
    assert!(shown(1).title.starts_with("add to operator set 7") && warned(1).contains("can be slashed in them"));
    assert!(shown(2).title.starts_with("remove from operator set 7") && warned(2).contains("nobody can be slashed"));
    assert_eq!(shown(2).details.len(), 2);
    assert!(warned(3).contains("no admin any more"));
    assert!(shown(4).details[0].contains("updateSlasher") && warned(4).contains("may name who slashes"));
    assert!(shown(5).title.starts_with("no longer let"));
    assert!(warned(6).contains("7 days"));
}
