//! Why a peer, a substream or a frame was refused: stable names for people, numbers for the wire.

/// A reason, the same in events, status, log and on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code {
    /// As it travels in `Hello.refused` and in receipts; never zero, never reused.
    pub(crate) number: u32,
    /// As people and alert rules see it; never renamed.
    pub(crate) name: &'static str,
}

// The first three are the core's, under its numbers; what only the transport knows begins at 100.

/// The peer belongs to another network.
pub(crate) const NETWORK_MISMATCH: Code = Code { number: 5, name: "NETWORK_MISMATCH" };
/// The version ranges do not overlap.
pub(crate) const PROTOCOL_VERSION: Code = Code { number: 11, name: "PROTOCOL_VERSION" };
/// Both run the same network but another version of its definition.
pub(crate) const DEFINITION_MISMATCH: Code = Code { number: 12, name: "DEFINITION_MISMATCH" };
/// The peer id is not in the definition, or an address of it answers with another peer id.
pub(crate) const PEER_UNKNOWN: Code = Code { number: 100, name: "PEER_UNKNOWN" };
/// The first frame was not a canonical `Hello`.
pub(crate) const HELLO_MALFORMED: Code = Code { number: 101, name: "HELLO_MALFORMED" };
/// A frame announced more bytes than the limit.
pub(crate) const FRAME_TOO_LARGE: Code = Code { number: 102, name: "FRAME_TOO_LARGE" };
/// A frame of length zero.
pub(crate) const FRAME_EMPTY: Code = Code { number: 103, name: "FRAME_EMPTY" };
/// A greeting, a frame or a write missed its deadline, or receipts stopped.
pub(crate) const PEER_SLOW: Code = Code { number: 104, name: "PEER_SLOW" };
/// A receipt confirms frames that were never sent, or takes back a confirmation.
pub(crate) const RECEIPT_MALFORMED: Code = Code { number: 105, name: "RECEIPT_MALFORMED" };
/// The peer named a code this version does not know.
pub(crate) const UNNAMED: Code = Code { number: u32::MAX, name: "UNNAMED" };

const ALL: [Code; 9] = [
    NETWORK_MISMATCH,
    PROTOCOL_VERSION,
    DEFINITION_MISMATCH,
    PEER_UNKNOWN,
    HELLO_MALFORMED,
    FRAME_TOO_LARGE,
    FRAME_EMPTY,
    PEER_SLOW,
    RECEIPT_MALFORMED,
];

impl Code {
    /// The code a peer named; a newer peer may know more of them.
    pub(super) fn from_number(number: u32) -> Self {
        ALL.into_iter().find(|code| code.number == number).unwrap_or(UNNAMED)
    }
}

/// A code with the facts of the case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The stable reason.
    pub(crate) code: Code,
    /// What was compared, with both sides' values.
    pub(crate) detail: String,
}

/// Why a greeting or a substream ended.
#[derive(Debug)]
pub(super) struct Fault {
    /// Absent when the substream merely broke.
    pub(super) code: Option<Code>,
    pub(super) detail: String,
    /// No honest peer of any version does this, so repeating it cuts the peer off.
    pub(super) offence: bool,
    /// The connection under the substream is dead as well, whatever the kernel says.
    pub(super) connection_dead: bool,
}

impl Fault {
    /// The substream broke; nobody is to blame.
    pub(super) fn broken(detail: impl ToString) -> Self {
        Self { code: None, detail: detail.to_string(), offence: false, connection_dead: false }
    }

    pub(super) fn refusal(code: Code, detail: impl ToString) -> Self {
        Self { code: Some(code), ..Self::broken(detail) }
    }

    pub(super) fn offence(code: Code, detail: impl ToString) -> Self {
        Self { offence: true, ..Self::refusal(code, detail) }
    }

    pub(super) fn dead(detail: impl ToString) -> Self {
        Self { connection_dead: true, ..Self::refusal(PEER_SLOW, detail) }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::refusal(refusal.code, refusal.detail)
    }
}
