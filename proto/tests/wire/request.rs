//! Requests: the requester's signature over every field, and every reason to refuse.

use crate::fixture::{AVS, NOW, changed, definition, requester, signed, slash};
use alloy_primitives::{Address, B256, U256, keccak256};
use firn_proto::limits::{DESCRIPTION_BYTES_MAX, REQUEST_LIFETIME_SECONDS_MAX, STRATEGIES_MAX};
use firn_proto::operation::{Operation, SlashOperator};
use firn_proto::request::SignedRequest;
use firn_proto::time::WallTime;
use firn_proto::{Code, Definition};

fn word(value: impl TryInto<U256>) -> Vec<u8> {
    value.try_into().ok().unwrap().to_be_bytes_vec()
}

fn padded(address: Address) -> Vec<u8> {
    [&[0; 12], address.as_slice()].concat()
}

/// EIP-712 by hand: no library that the code under test uses but Keccak.
fn digest_by_hand(slash: &SlashOperator, definition: &Definition) -> B256 {
    let type_hash = keccak256(
        "SlashOperator(address avs,address operator,uint32 operatorSetId,address[] strategies,uint256[] wadsToSlash,\
         string description,bytes32 evidenceHash,string evidenceLocation,address account,uint256 nonce,uint64 deadline)",
    );
    let strategies: Vec<u8> = slash.strategies.iter().flat_map(|strategy| padded(*strategy)).collect();
    let wads: Vec<u8> = slash.wadsToSlash.iter().flat_map(|wad| wad.to_be_bytes::<32>()).collect();
    let structure = keccak256(
        [
            type_hash.to_vec(),
            padded(slash.avs),
            padded(slash.operator),
            word(slash.operatorSetId),
            keccak256(strategies).to_vec(),
            keccak256(wads).to_vec(),
            keccak256(&slash.description).to_vec(),
            slash.evidenceHash.to_vec(),
            keccak256(&slash.evidenceLocation).to_vec(),
            padded(slash.account),
            slash.nonce.to_be_bytes_vec(),
            word(slash.deadline),
        ]
        .concat(),
    );
    let domain = keccak256(
        [
            keccak256("EIP712Domain(string name,string version,uint256 chainId,bytes32 salt)").to_vec(),
            keccak256("Firn").to_vec(),
            keccak256("1").to_vec(),
            word(definition.chain.id),
            definition.network_id().0.0.to_vec(),
        ]
        .concat(),
    );
    keccak256([&[0x19, 0x01], &domain[..], &structure[..]].concat())
}

fn code(request: SignedRequest) -> Option<Code> {
    request.verify(&definition()).err().map(|refusal| refusal.code)
}

/// The code for a slash that was changed before its requester signed it.
fn asked(change: impl FnOnce(&mut SlashOperator)) -> Option<Code> {
    let mut slash = slash();
    change(&mut slash);
    code(signed(slash, 7, &definition()))
}

#[test]
fn r01_the_id_is_the_eip_712_digest() {
    let definition = definition();
    let mut plain = slash();
    for _ in 0..2 {
        let id = Operation::SlashOperator(plain.clone()).id(&definition);
        assert_eq!(id.0.0, digest_by_hand(&plain, &definition).0);
        let request = signed(plain.clone(), 7, &definition).verify(&definition).unwrap();
        assert_eq!(request.id(), id);
        assert_eq!(request.requester(), Address::from_public_key(requester(7).verifying_key()));
        assert_eq!(request.key_name(), "slash");
        plain.description.clear();
        plain.strategies.truncate(1);
        plain.wadsToSlash.truncate(1);
    }
}

#[test]
fn r04_structure_is_refused_by_its_own_code() {
    let address = Address::repeat_byte;
    assert_eq!(asked(|_| {}), None);
    assert_eq!(asked(|s| s.strategies.reverse()), Some(Code::StrategiesNotAscending));
    assert_eq!(asked(|s| s.strategies = vec![address(1); 2]), Some(Code::StrategiesNotAscending), "a duplicate");
    assert_eq!(asked(|s| s.strategies.clear()), Some(Code::StrategiesEmpty));
    assert_eq!(asked(|s| _ = s.wadsToSlash.pop()), Some(Code::WadsLengthMismatch));
    assert_eq!(asked(|s| s.wadsToSlash.push(U256::from(1))), Some(Code::WadsLengthMismatch));
    let many = |n: usize| {
        asked(|s| {
            s.strategies = (1..=n).map(|i| Address::left_padding_from(&i.to_be_bytes())).collect();
            s.wadsToSlash = vec![U256::from(1); n];
        })
    };
    assert_eq!(many(STRATEGIES_MAX), None);
    assert_eq!(many(STRATEGIES_MAX + 1), Some(Code::StrategiesEmpty));
    let wad = |wad: U256| asked(|s| s.wadsToSlash[0] = wad);
    let whole = U256::from(1_000_000_000_000_000_000_u64);
    assert_eq!(wad(whole), None);
    for bad in [U256::ZERO, whole + U256::from(1), U256::MAX] {
        assert_eq!(wad(bad), Some(Code::WadOutOfRange), "{bad}");
    }
}

#[test]
fn r04_a_description_cannot_deceive_a_reader() {
    let described = |text: &str| asked(|s| s.description = text.to_owned());
    assert_eq!(described(""), None);
    assert_eq!(described("Grund: doppelt signiert, 二重署名 ✓"), None);
    for bad in [
        "a\nb", "a\rb", "\0", "\t", "\u{7f}", "\u{85}", "\u{9b}", "\u{202e}", "\u{2066}", "\u{2069}", "\u{200b}",
        "\u{200f}", "\u{2028}", "\u{feff}", "\u{61c}",
    ] {
        assert_eq!(described(bad), Some(Code::DescriptionInvalid), "{bad:?}");
    }
    assert_eq!(described(&"x".repeat(DESCRIPTION_BYTES_MAX)), None);
    assert_eq!(described(&"x".repeat(DESCRIPTION_BYTES_MAX + 1)), Some(Code::DescriptionInvalid));
    assert_eq!(described(&"é".repeat(DESCRIPTION_BYTES_MAX / 2 + 1)), Some(Code::DescriptionInvalid), "bytes count");
}

#[test]
fn r01_r06_a_signature_has_one_encoding() {
    let definition = definition();
    let good = signed(slash(), 7, &definition);
    for v in [0, 1, 26, 29, 35, 255] {
        let mut other = good.clone();
        other.signature[64] = v;
        assert_eq!(code(other), Some(Code::RequestSignatureInvalid), "v {v}");
    }
    let mut flipped = good.clone();
    flipped.signature[64] ^= 27 ^ 28;
    assert_eq!(code(flipped), Some(Code::RequesterUnknown), "the other recovery id is another signer");
    let order =
        U256::from_be_slice(&hex::decode("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141").unwrap());
    let mut high = good.clone();
    let s = order - U256::from_be_slice(&good.signature[32..64]);
    high.signature[32..64].copy_from_slice(&s.to_be_bytes::<32>());
    high.signature[64] ^= 27 ^ 28;
    assert_eq!(code(high), Some(Code::RequestSignatureInvalid), "the same signature with high s");
    for part in [0..32, 32..64] {
        for filling in [0_u8, 0xff] {
            let mut broken = good.clone();
            broken.signature[part.clone()].fill(filling);
            assert_eq!(code(broken), Some(Code::RequestSignatureInvalid), "{part:?} of {filling}");
        }
    }
}

#[test]
fn r08_who_may_ask_for_what() {
    let definition = definition();
    assert_eq!(code(signed(slash(), 6, &definition)), Some(Code::RequesterUnknown));
    assert_eq!(code(signed(slash(), 8, &definition)), Some(Code::RequesterNotAllowed), "another AVS's requester");
    assert_eq!(code(signed(slash(), 9, &definition)), Some(Code::RequesterNotAllowed), "no operation allowed");
    assert_eq!(asked(|s| s.operatorSetId = 1), Some(Code::OperatorSetNotListed));
    assert_eq!(asked(|s| s.avs = Address::repeat_byte(0x12)), Some(Code::OperatorSetNotListed));
    assert_eq!(asked(|s| s.operatorSetId = 7), None, "another key answers");
    assert_eq!(AVS, slash().avs);
}

#[test]
fn r01_a_field_changed_after_signing_is_another_request_of_nobody() {
    type Change = fn(&mut SlashOperator);
    let changes: &[(&str, Change)] = &[
        ("operator", |s| s.operator = Address::ZERO),
        ("strategy", |s| s.strategies[0] = Address::repeat_byte(0x32)),
        ("amount", |s| s.wadsToSlash[0] = U256::from(2)),
        ("description", |s| s.description.push('!')),
        ("account", |s| s.account = Address::ZERO),
        ("nonce", |s| s.nonce = U256::from(10)),
        ("deadline", |s| s.deadline += 1),
        ("set", |s| s.operatorSetId = 7),
    ];
    let definition = definition();
    for (name, change) in changes {
        let SignedRequest { operation: Operation::SlashOperator(mut slash), signature } =
            signed(slash(), 7, &definition)
        else {
            panic!("a slash")
        };
        change(&mut slash);
        let tampered = SignedRequest { operation: Operation::SlashOperator(slash), signature };
        assert_eq!(code(tampered), Some(Code::RequesterUnknown), "{name}");
    }
}

#[test]
fn r07_a_request_counts_in_one_network_and_on_one_chain_only() {
    let ours = definition();
    let chain = changed(|d| d.chain.id = 1);
    let network = changed(|d| d.name = "another".to_owned());
    for other in [chain, network] {
        let foreign = signed(slash(), 7, &other);
        assert!(foreign.clone().verify(&other).is_ok());
        assert_eq!(foreign.verify(&ours).err().map(|refusal| refusal.code), Some(Code::RequesterUnknown));
    }
}

#[test]
fn r11_deadlines_are_inclusive_and_bounded() {
    let definition = definition();
    let request = signed(slash(), 7, &definition).verify(&definition).unwrap();
    let at = |now: u64| request.check_time(WallTime(now)).err();
    let deadline = NOW + 3600;
    assert_eq!(at(deadline), None, "the last second counts");
    assert_eq!(at(deadline + 1), Some(Code::RequestExpired));
    assert_eq!(at(u64::MAX), Some(Code::RequestExpired));
    assert_eq!(at(deadline - REQUEST_LIFETIME_SECONDS_MAX), None);
    assert_eq!(at(deadline - REQUEST_LIFETIME_SECONDS_MAX - 1), Some(Code::RequestLifetimeTooLong));
    assert_eq!(at(0), Some(Code::RequestLifetimeTooLong));
}

#[test]
fn r06_the_wire_form_is_strict_about_every_length() {
    use firn_proto::wire::signed_request::Operation::SlashOperator as Wire;
    type Change = fn(&mut firn_proto::wire::SlashOperator);
    let definition = definition();
    let good = signed(slash(), 7, &definition);
    assert_eq!(SignedRequest::from_wire(&good.to_wire()), Ok(good.clone()));
    let changes: &[(&str, Change)] = &[
        ("avs", |s| s.avs.push(0)),
        ("operator", |s| s.operator.clear()),
        ("strategies", |s| _ = s.strategies[1].pop()),
        ("wads_to_slash", |s| _ = s.wads_to_slash[0].remove(0)),
        ("account", |s| s.account.push(0)),
        ("nonce", |s| _ = s.nonce.pop()),
    ];
    for (name, change) in changes {
        let mut wire = good.to_wire();
        let Some(Wire(slash)) = &mut wire.operation else { panic!("a slash") };
        change(slash);
        let refusal = SignedRequest::from_wire(&wire).unwrap_err();
        assert_eq!((refusal.code, refusal.detail.as_str()), (Code::RequestMalformed, *name));
    }
    let mut wire = good.to_wire();
    wire.signature.pop();
    assert_eq!(SignedRequest::from_wire(&wire).unwrap_err().detail, "signature");
    wire.operation = None;
    assert_eq!(SignedRequest::from_wire(&wire).unwrap_err().detail, "operation");
}

#[test]
fn r03_integers_above_128_bits_are_read_exactly_or_refused_by_name() {
    let above = U256::from(u128::MAX) + U256::from(1);
    for nonce in [above, U256::MAX] {
        let definition = definition();
        let request = signed(SlashOperator { nonce, ..slash() }, 7, &definition);
        let read = SignedRequest::from_wire(&request.to_wire()).unwrap().verify(&definition).unwrap();
        assert_eq!(read.nonce(), nonce);
    }
    assert_eq!(asked(|s| s.wadsToSlash[1] = above), Some(Code::WadOutOfRange));
    assert_eq!(asked(|s| s.wadsToSlash[1] = U256::MAX), Some(Code::WadOutOfRange));
}

#[test]
fn r04_evidence_has_a_hash_and_a_location_that_cannot_deceive() {
    let at = |hash: u8, location: &str| {
        asked(|s| {
            s.evidenceHash = B256::repeat_byte(hash);
            s.evidenceLocation = location.to_owned();
        })
    };
    let refused = Some(Code::OperationFieldInvalid);
    for good in ["", "https://a.example/x", "http://a/b?c", "ipfs://bafkreigh2akiscaildc"] {
        assert_eq!(at(7, good), None, "{good}");
    }
    assert_eq!(at(0, ""), None, "no evidence");
    assert_eq!(at(0, "https://a.example/x"), refused, "a location of nothing");
    for bad in [
        "ftp://a",
        "https:/a",
        "HTTPS://a",
        "https://",
        "javascript:alert(1)",
        "/etc/passwd",
        "https://a b",
        "https://a\u{202e}b",
        "https://a\nb",
    ] {
        assert_eq!(at(7, bad), refused, "{bad:?}");
    }
    let long = |bytes: usize| format!("https://{}", "x".repeat(bytes - 8));
    assert_eq!((at(7, &long(512)), at(7, &long(513))), (None, refused));
}

#[test]
fn evidence_is_part_of_the_request_and_optional_in_json() {
    let definition = definition();
    let plain = Operation::SlashOperator(slash());
    let named = |change: fn(&mut SlashOperator)| {
        let mut slash = slash();
        change(&mut slash);
        Operation::SlashOperator(slash)
    };
    let hash = named(|s| s.evidenceHash = B256::repeat_byte(7));
    let both = named(|s| (s.evidenceHash, s.evidenceLocation) = (B256::repeat_byte(7), "https://a/b".to_owned()));
    assert!(plain.id(&definition) != hash.id(&definition) && hash.id(&definition) != both.id(&definition));
    for operation in [&plain, &hash, &both] {
        assert_eq!(Operation::from_json(&operation.to_json()).unwrap(), *operation);
        let signed = SignedRequest { operation: operation.clone(), signature: [1; 65] };
        assert_eq!(SignedRequest::from_wire(&signed.to_wire()).unwrap(), signed);
    }
    assert_eq!(
        both.render(&definition).details.last().unwrap(),
        &format!("evidence {} at https://a/b", B256::repeat_byte(7))
    );
    let mut json = serde_json::to_value(plain.to_json()).unwrap();
    let fields = json["slash_operator"].as_object_mut().unwrap();
    assert!(fields.remove("evidence_hash").is_some() && fields.remove("evidence_location").is_some());
    let short: firn_proto::operation::OperationJson = serde_json::from_value(json).unwrap();
    assert_eq!(Operation::from_json(&short).unwrap(), plain);
}

#[test]
fn what_a_verifier_wrote_is_cut_and_cleaned() {
    use firn_proto::operation::sanitised;
    assert_eq!(sanitised("a\nb\u{202e}c", 256), "a b c");
    assert_eq!(sanitised("\u{e9}\u{e9}", 3), "\u{e9}");
}
