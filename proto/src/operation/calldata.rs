//! Calldata, read strictly (`SECURITY.md` R3): what it decodes to encodes to the same bytes, or it is refused.

use crate::code::{Code, Refusal};
use alloy_sol_types::SolCall;

/// Reads a call of `C` if the selector is its own. Dirty upper bits, other offsets or padding, and trailing bytes are refused.
pub(super) fn decode<C: SolCall>(data: &[u8]) -> Result<Option<C>, Refusal> {
    let Some(arguments) = data.strip_prefix(&C::SELECTOR) else { return Ok(None) };
    let call = C::abi_decode_raw_validate(arguments).ok().filter(|call| call.abi_encode() == data);
    call.map(Some).ok_or_else(|| invalid(C::SIGNATURE))
}

pub(super) fn invalid(detail: impl Into<String>) -> Refusal {
    Refusal::new(Code::CalldataInvalid, detail)
}
