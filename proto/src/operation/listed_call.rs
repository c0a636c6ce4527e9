//! Functions that the definition lists (`[[calls]]`), and calldata read by their signatures.
//!
//! What is read encodes to the same bytes, or it is refused (R3), so that what people are shown is what is called.

use super::calldata::invalid as malformed;
use super::slash_operator::is_deceptive;
use super::{Operation, Terms, selector_of};
use crate::account::Call;
use crate::code::{Code, Refusal};
use crate::definition::{Content, ListedCall, Purpose, invalid, unique};
use crate::limits::{CALLDATA_BYTES_MAX, CALLS_MAX};
use alloy_dyn_abi::{DynSolType, DynSolValue};
use alloy_primitives::{Address, FixedBytes, U256};

/// Approves a hash on a Safe. Nobody can read a hash: only a Safe transaction, which shows what it is of, makes this call.
pub(super) const APPROVE_HASH: &str = "approveHash(bytes32)";

/// Functions behind which another call hides.
const OPAQUE: [&str; 2] =
    [APPROVE_HASH, "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)"];

/// How deep arrays, strings and bytes may be inside each other: calldata may name the same bytes many times, once per level.
const NESTING_MAX: usize = 2;

/// A function of a contract with its arguments.
pub(super) struct Arguments<'a> {
    name: &'a str,
    types: Vec<DynSolType>,
    values: Vec<DynSolValue>,
}

impl Arguments<'_> {
    /// The function, and an argument a line.
    pub(super) fn render(&self) -> Vec<String> {
        let argument = |(kind, value): (&DynSolType, &DynSolValue)| format!("  {}: {}", name_of(kind), show(value));
        [format!("function {}", self.name)]
            .into_iter()
            .chain(self.types.iter().zip(&self.values).map(argument))
            .collect()
    }
}

/// Reads a call by the signature that the definition lists for this purpose, contract and selector.
pub(super) fn read<'a>(
    definition: &'a Content,
    purpose: Purpose,
    target: Address,
    data: &[u8],
) -> Result<Arguments<'a>, Refusal> {
    let (selector, encoded) = data.split_first_chunk::<4>().ok_or_else(|| malformed("no selector"))?;
    let selector = FixedBytes(*selector);
    let hidden = OPAQUE.into_iter().any(|signature| selector_of(signature) == selector);
    let listed = find(definition, purpose, target, selector).filter(|_| !hidden);
    let listed = listed.ok_or_else(|| not_listed(purpose, target, selector))?;
    arguments(&listed.signature, encoded)
}

/// Reads what follows the selector of the function with this signature.
pub(super) fn arguments<'a>(signature: &'a str, encoded: &[u8]) -> Result<Arguments<'a>, Refusal> {
    if encoded.len() + 4 > CALLDATA_BYTES_MAX {
        return Err(malformed(format!("{} bytes, at most {CALLDATA_BYTES_MAX}", encoded.len() + 4)));
    }
    let (name, types) = parse(signature).ok_or_else(|| malformed("the signature"))?;
    let tuple = DynSolType::Tuple(types.clone());
    let value = tuple.abi_decode_params(encoded).map_err(|_| malformed(name))?;
    // The encoder writes back what lies beside a value in its word.
    if value.abi_encode_params() != encoded || !fits(&value) {
        return Err(malformed(name));
    }
    let DynSolValue::Tuple(values) = value else { return Err(malformed(name)) };
    if values.iter().any(deceives) {
        return Err(Refusal::new(Code::OperationFieldInvalid, "data: control or direction characters"));
    }
    Ok(Arguments { name, types, values })
}

/// The entry of the definition for this function.
pub(super) fn find(
    definition: &Content,
    purpose: Purpose,
    target: Address,
    selector: FixedBytes<4>,
) -> Option<&ListedCall> {
    let is = |call: &&ListedCall| call.purpose == purpose && call.target == target && call.selector == selector;
    definition.calls.iter().find(is)
}

pub(super) fn not_listed(purpose: Purpose, target: Address, selector: FixedBytes<4>) -> Refusal {
    Refusal::new(Code::CallNotListed, format!("{selector} of {target} for {}", purpose.as_str()))
}

/// Name and types of `function name(type,...)` in its one form, if the types are ones that can be read within bounds.
fn parse(signature: &str) -> Option<(&str, Vec<DynSolType>)> {
    let signature = signature.strip_prefix("function ")?;
    let (name, list) = signature.split_at_checked(signature.find('(')?)?;
    let identifier = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(identifier) {
        return None;
    }
    let types = match list {
        "()" => Vec::new(),
        list => match DynSolType::parse(list).ok()? {
            DynSolType::Tuple(types) => types,
            _ => return None,
        },
    };
    let names: Vec<_> = types.iter().map(name_of).collect();
    if format!("({})", names.join(",")) != list {
        return None;
    }
    types.iter().all(|kind| nesting(kind).is_some_and(|depth| depth <= NESTING_MAX)).then_some((name, types))
}

/// The name of a type as signatures have it: a tuple of one has no comma.
fn name_of(kind: &DynSolType) -> String {
    kind.sol_type_name().replace(",)", ")")
}

/// How deep it goes; `None` for what has no size, of which any number fits in no calldata.
fn nesting(kind: &DynSolType) -> Option<usize> {
    Some(match kind {
        DynSolType::String | DynSolType::Bytes => 1,
        DynSolType::Array(inner) => 1 + nesting(inner)?,
        DynSolType::FixedArray(inner, size) if *size > 0 => 1 + nesting(inner)?,
        DynSolType::Tuple(types) if !types.is_empty() => {
            types.iter().map(nesting).collect::<Option<Vec<_>>>()?.into_iter().max()?
        }
        DynSolType::FixedArray(..) | DynSolType::Tuple(_) => return None,
        _ => 0,
    })
}

/// Whether each value is one of its type, with nothing beside it in its word.
fn fits(value: &DynSolValue) -> bool {
    match value {
        DynSolValue::Uint(value, bits) => value.bit_len() <= *bits,
        // A negative one has ones above, its complement zeros.
        DynSolValue::Int(value, bits) => {
            let raw = value.into_raw();
            (if value.is_negative() { !raw } else { raw }).bit_len() < *bits
        }
        DynSolValue::FixedBytes(word, size) => word.iter().skip(*size).all(|byte| *byte == 0),
        DynSolValue::Array(values) | DynSolValue::FixedArray(values) | DynSolValue::Tuple(values) => {
            values.iter().all(fits)
        }
        other => matches!(
            other,
            DynSolValue::Bool(_)
                | DynSolValue::Address(_)
                | DynSolValue::Function(_)
                | DynSolValue::Bytes(_)
                | DynSolValue::String(_)
        ),
    }
}

/// Whether a text in it could make a line lie.
fn deceives(value: &DynSolValue) -> bool {
    match value {
        DynSolValue::String(text) => text.chars().any(is_deceptive),
        DynSolValue::Array(values) | DynSolValue::FixedArray(values) | DynSolValue::Tuple(values) => {
            values.iter().any(deceives)
        }
        _ => false,
    }
}

fn show(value: &DynSolValue) -> String {
    let list = |values: &[DynSolValue]| values.iter().map(show).collect::<Vec<_>>().join(", ");
    match value {
        DynSolValue::Bool(value) => value.to_string(),
        DynSolValue::Int(value, _) => value.to_string(),
        DynSolValue::Uint(value, _) => value.to_string(),
        DynSolValue::FixedBytes(word, size) => format!("0x{}", hex::encode(word.get(..*size).unwrap_or_default())),
        DynSolValue::Address(address) => address.to_string(),
        DynSolValue::Function(function) => function.to_string(),
        DynSolValue::Bytes(bytes) => format!("0x{}", hex::encode(bytes)),
        DynSolValue::Array(values) | DynSolValue::FixedArray(values) => format!("[{}]", list(values)),
        DynSolValue::Tuple(values) => format!("({})", list(values)),
        text => format!("\"{}\"", text.as_str().unwrap_or_default()),
    }
}

/// The definition's own rules for what it lists: deny what hides something, or has a kind and hence rules of its own.
pub(crate) fn check(definition: &Content) -> Result<(), Refusal> {
    if definition.calls.len() > CALLS_MAX {
        return Err(invalid(format!("at most {CALLS_MAX} calls")));
    }
    unique("call", definition.calls.iter().map(|call| (call.purpose, call.target, call.selector)))?;
    for ListedCall { purpose, target, selector, signature } in &definition.calls {
        let wrong = |why: &str| Err(invalid(format!("call {selector} of {target}: {why}")));
        if *purpose == Purpose::Slash {
            return wrong("a key that slashes signs nothing else");
        }
        if parse(signature).is_none() {
            return wrong("the signature is `function name(type,...)`, without spaces or names of arguments");
        }
        if selector_of(signature.trim_start_matches("function ")) != *selector {
            return wrong("the selector is not the signature's");
        }
        let terms = Terms { avs: Address::ZERO, account: Address::ZERO, nonce: U256::ZERO, deadline: 0 };
        let call = Call { target: *target, value: U256::ZERO, data: selector.to_vec().into() };
        if !matches!(Operation::find(&call, None, terms), Ok(None)) {
            return wrong("there is a kind of operation for it");
        }
        if selector_of(OPAQUE[1]) == *selector {
            return wrong("a Safe is used by approveHash(bytes32), through Safe transactions");
        }
    }
    Ok(())
}
