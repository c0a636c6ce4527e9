//! How the vault's parts say no: a stable code, and who is at fault where the input proves it.

use firn_proto::{Code, Identifier, Refusal};

/// A refusal before it is given its session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Denial {
    pub(crate) code: Code,
    pub(crate) culprit: Option<Identifier>,
}

impl Denial {
    /// A refusal through the fault of `culprit`.
    pub(crate) fn by(code: Code, culprit: Identifier) -> Self {
        Self { code, culprit: Some(culprit) }
    }
}

impl From<Code> for Denial {
    fn from(code: Code) -> Self {
        Self { code, culprit: None }
    }
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        refusal.code.into()
    }
}
