//! Every stable code of Firn's core, with its cause and the next step, in one place.

use std::fmt;

/// A stable code. Its number travels on the wire, its name appears in text and JSON; neither ever changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
#[repr(u32)]
pub enum Code {
    /// The bytes are not a canonical envelope.
    EnvelopeMalformed = 1,
    /// The envelope exceeds the frame limit.
    EnvelopeTooLarge = 2,
    /// The envelope has another protocol version.
    EnvelopeVersion = 3,
    /// The signature is not by the author key of the named sender.
    EnvelopeSignatureInvalid = 4,
    /// The message belongs to another network.
    NetworkMismatch = 5,
    /// The named sender is not in the network definition.
    SenderUnknown = 6,
    /// A peer sent an envelope of somebody else.
    SenderMismatch = 7,
    /// The body is not the canonical encoding of its kind.
    BodyMalformed = 8,
    /// A curve point is not in its only valid encoding.
    PointInvalid = 9,
    /// A scalar is zero or not below the curve order.
    ScalarInvalid = 10,
    /// The peers share no protocol version.
    ProtocolVersion = 11,
    /// The peers hold different network definitions.
    DefinitionMismatch = 12,
    /// The request is not a canonical request.
    RequestMalformed = 20,
    /// The request exceeds the size limit.
    RequestTooLarge = 21,
    /// The signature is by no requester of the network definition.
    RequesterUnknown = 22,
    /// The signature is not a valid EIP-712 signature.
    RequestSignatureInvalid = 23,
    /// The requester may not ask for this operation or AVS.
    RequesterNotAllowed = 24,
    /// The deadline has passed.
    RequestExpired = 25,
    /// The deadline is more than 14 days away.
    RequestLifetimeTooLong = 26,
    /// No key of the network answers for this operator set.
    OperatorSetNotListed = 27,
    /// The account is not the one of the key that answers for this operator set.
    AccountMismatch = 28,
    /// Strategies must be strictly ascending by address.
    StrategiesNotAscending = 29,
    /// A slash needs between 1 and 64 strategies.
    StrategiesEmpty = 30,
    /// Strategies and wads_to_slash differ in length.
    WadsLengthMismatch = 31,
    /// A wad must be in 1..=1e18.
    WadOutOfRange = 32,
    /// The description is too long or holds control or direction characters.
    DescriptionInvalid = 33,
    /// Another request with this requester and nonce exists.
    RequestConflict = 34,
    /// No such request is known here.
    RequestUnknown = 35,
    /// Too many requests are open.
    RequestLimit = 36,
    /// The key is not generated and activated yet.
    KeyNotReady = 40,
    /// The network definition names no such key.
    KeyUnknown = 41,
    /// The chain endpoint does not answer.
    ChainUnavailable = 42,
    /// This node has not finalised the block the package relies on.
    ChainBehind = 43,
    /// The endpoint serves another chain.
    ChainIdMismatch = 44,
    /// The chain names another slasher for this operator set.
    SlasherMismatch = 45,
    /// The operator is not slashable in this set at the finalised block.
    OperatorNotSlashable = 46,
    /// There is no FrostAccount of this key at its address.
    AccountNotDeployed = 47,
    /// The account has already executed or invalidated this request.
    NonceUsed = 48,
    /// A strategy is not part of the operator set.
    StrategyNotInSet = 49,
    /// This node has lent a share to a rival payload.
    RivalLocked = 50,
    /// The session names another epoch of the key.
    EpochMismatch = 51,
    /// The package uses a commitment that this boot of the node did not offer, or that is used up.
    CommitmentUnknown = 52,
    /// The signing package has the wrong signers, order or commitments.
    PackageInvalid = 53,
    /// The commitment was already used for another package.
    PackageRival = 54,
    /// The node is shutting down.
    Draining = 55,
    /// The member does not know this request yet.
    SubjectUnknown = 56,
    /// A member did not answer within the bound.
    DkgMissing = 60,
    /// A member signed two different round-1 packages in one attempt.
    DkgEquivocation = 61,
    /// Members saw different round-1 packages; nobody is blamed.
    DkgEchoMismatch = 62,
    /// A round-1 package has a wrong length, proof or point.
    DkgRound1Invalid = 63,
    /// A dealer sent a share that does not fit its commitment.
    DkgShareInvalid = 64,
    /// A member complained about a correct share.
    DkgComplaintFalse = 65,
    /// A member restarted during the attempt; nobody is blamed.
    DkgRestarted = 66,
    /// Members computed different transcripts; nobody is blamed.
    DkgTranscriptMismatch = 67,
    /// The proposal's deadline passed before all members accepted.
    DkgExpired = 68,
    /// All members signed the abandonment.
    DkgAbandoned = 69,
    /// This node already takes part in an attempt for this key name, or holds the key.
    DkgConflict = 70,
    /// The proposal names an unknown key, another definition or an unusable deadline.
    DkgProposalInvalid = 71,
    /// Another member ended the attempt.
    DkgStopped = 72,
    /// The group key's x is not below the curve order, so the chain could not verify it.
    GroupKeyUnusable = 73,
    /// This node holds no share of this key and epoch.
    ShareMissing = 80,
    /// A sealed record does not open; nothing was changed or recreated.
    RecordCorrupt = 81,
    /// The vault refused an inconsistent request from the core.
    VaultRefused = 82,
    /// The network definition is not valid.
    DefinitionInvalid = 90,
}

/// What a code means: its number, name, cause and next step.
struct Entry(Code, &'static str, &'static str, &'static str);

impl Code {
    /// All codes, ascending.
    pub fn all() -> impl Iterator<Item = Self> {
        ENTRIES.iter().map(|entry| entry.0)
    }

    /// The code with this wire number.
    #[must_use]
    pub fn from_wire(number: u32) -> Option<Self> {
        Self::all().find(|code| *code as u32 == number)
    }

    /// The number on the wire.
    #[must_use]
    pub fn to_wire(self) -> u32 {
        self as u32
    }

    /// The stable name, for example `REQUEST_EXPIRED`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.entry().1
    }

    /// What happened, as a clause without a full stop.
    #[must_use]
    pub fn cause(self) -> &'static str {
        self.entry().2
    }

    /// What to do about it.
    #[must_use]
    pub fn next_step(self) -> &'static str {
        self.entry().3
    }

    fn entry(self) -> &'static Entry {
        const UNLISTED: Entry = Entry(Code::VaultRefused, "UNLISTED", "unlisted code", "report this");
        ENTRIES.iter().find(|entry| entry.0 == self).unwrap_or(&UNLISTED)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refusal of input: a stable code and which part of the input it concerns.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The stable code.
    pub code: Code,
    /// The field or value concerned. Never a secret.
    pub detail: String,
}

impl Refusal {
    /// A refusal with its detail.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.code.cause())?;
        if !self.detail.is_empty() {
            write!(f, " ({})", self.detail)?;
        }
        write!(f, "; {}", self.code.next_step())
    }
}

impl std::error::Error for Refusal {}

const ENTRIES: &[Entry] = &[
    Entry(
        Code::EnvelopeMalformed,
        "ENVELOPE_MALFORMED",
        "the bytes are not a canonical envelope",
        "the sender runs another or a broken version; compare `firn version` on both sides",
    ),
    Entry(
        Code::EnvelopeTooLarge,
        "ENVELOPE_TOO_LARGE",
        "the envelope exceeds the frame limit",
        "compare versions; nothing legitimate is this large",
    ),
    Entry(
        Code::EnvelopeVersion,
        "ENVELOPE_VERSION",
        "the envelope has another protocol version",
        "upgrade the older node",
    ),
    Entry(
        Code::EnvelopeSignatureInvalid,
        "ENVELOPE_SIGNATURE_INVALID",
        "the signature is not by the author key of the named sender",
        "check that both nodes use the same network.toml; else treat the peer as hostile",
    ),
    Entry(
        Code::NetworkMismatch,
        "NETWORK_MISMATCH",
        "the message belongs to another network",
        "compare the network digest with `firn network show` on both nodes",
    ),
    Entry(
        Code::SenderUnknown,
        "SENDER_UNKNOWN",
        "the named sender is not in the network definition",
        "compare `firn network show` on both nodes",
    ),
    Entry(
        Code::SenderMismatch,
        "SENDER_MISMATCH",
        "a peer sent an envelope of somebody else",
        "treat the peer as hostile; only a Relay may carry another's envelope",
    ),
    Entry(
        Code::BodyMalformed,
        "BODY_MALFORMED",
        "the body is not the canonical encoding of its kind",
        "compare versions; else treat the peer as hostile",
    ),
    Entry(
        Code::PointInvalid,
        "POINT_INVALID",
        "a curve point is not in its only valid encoding",
        "the sender is broken or hostile",
    ),
    Entry(
        Code::ScalarInvalid,
        "SCALAR_INVALID",
        "a scalar is zero or not below the curve order",
        "the sender is broken or hostile",
    ),
    Entry(Code::ProtocolVersion, "PROTOCOL_VERSION", "the peers share no protocol version", "upgrade the older node"),
    Entry(
        Code::DefinitionMismatch,
        "DEFINITION_MISMATCH",
        "the peers hold different network definitions",
        "compare the two digests shown with `firn network show`; copy the agreed network.toml",
    ),
    Entry(
        Code::RequestMalformed,
        "REQUEST_MALFORMED",
        "the request is not a canonical request",
        "correct the named field; docs/reference/requests.md gives the form",
    ),
    Entry(
        Code::RequestTooLarge,
        "REQUEST_TOO_LARGE",
        "the request exceeds the size limit",
        "shorten the description or split the strategies",
    ),
    Entry(
        Code::RequesterUnknown,
        "REQUESTER_UNKNOWN",
        "the signature is by no requester of the network definition",
        "sign with a listed key; `firn network show` lists them",
    ),
    Entry(
        Code::RequestSignatureInvalid,
        "REQUEST_SIGNATURE_INVALID",
        "the signature is not a valid EIP-712 signature",
        "sign the typed data again, with this chain id and network digest",
    ),
    Entry(
        Code::RequesterNotAllowed,
        "REQUESTER_NOT_ALLOWED",
        "the requester may not ask for this operation or AVS",
        "use a requester that the definition allows, or propose a new definition",
    ),
    Entry(
        Code::RequestExpired,
        "REQUEST_EXPIRED",
        "the deadline has passed",
        "sign a new request with a later deadline",
    ),
    Entry(
        Code::RequestLifetimeTooLong,
        "REQUEST_LIFETIME_TOO_LONG",
        "the deadline is more than 14 days away",
        "choose an earlier deadline; nothing is slashable after the deallocation delay",
    ),
    Entry(
        Code::OperatorSetNotListed,
        "OPERATOR_SET_NOT_LISTED",
        "no key of the network answers for this operator set",
        "check avs and operator_set_id against `firn network show`",
    ),
    Entry(
        Code::AccountMismatch,
        "ACCOUNT_MISMATCH",
        "the account is not the one of the key that answers for this operator set",
        "take the account from `firn status` or GET /v1/keys",
    ),
    Entry(
        Code::StrategiesNotAscending,
        "STRATEGIES_NOT_ASCENDING",
        "strategies must be strictly ascending by address",
        "sort the strategies and remove duplicates, with their wads",
    ),
    Entry(
        Code::StrategiesEmpty,
        "STRATEGIES_EMPTY",
        "a slash needs between 1 and 64 strategies",
        "name the strategies to slash",
    ),
    Entry(
        Code::WadsLengthMismatch,
        "WADS_LENGTH_MISMATCH",
        "strategies and wads_to_slash differ in length",
        "give one wad per strategy",
    ),
    Entry(
        Code::WadOutOfRange,
        "WAD_OUT_OF_RANGE",
        "a wad must be in 1..=1e18",
        "1e18 is all of the operator's allocation",
    ),
    Entry(
        Code::DescriptionInvalid,
        "DESCRIPTION_INVALID",
        "the description is too long or holds control or direction characters",
        "use at most 1,024 bytes of plain text",
    ),
    Entry(
        Code::RequestConflict,
        "REQUEST_CONFLICT",
        "another request with this requester and nonce exists",
        "choose a fresh nonce",
    ),
    Entry(Code::RequestUnknown, "REQUEST_UNKNOWN", "no such request is known here", "check the id; ask another node"),
    Entry(
        Code::RequestLimit,
        "REQUEST_LIMIT",
        "too many requests are open",
        "wait for open requests to finish or expire",
    ),
    Entry(Code::KeyNotReady, "KEY_NOT_READY", "the key is not generated and activated yet", "run `firn dkg status`"),
    Entry(
        Code::KeyUnknown,
        "KEY_UNKNOWN",
        "the network definition names no such key",
        "`firn network show` lists the keys",
    ),
    Entry(
        Code::ChainUnavailable,
        "CHAIN_UNAVAILABLE",
        "the chain endpoint does not answer",
        "check chain.rpc; the node tries again by itself",
    ),
    Entry(
        Code::ChainBehind,
        "CHAIN_BEHIND",
        "this node has not finalised the block the package relies on",
        "wait; check the endpoint's head if it lasts",
    ),
    Entry(
        Code::ChainIdMismatch,
        "CHAIN_ID_MISMATCH",
        "the endpoint serves another chain",
        "point chain.rpc at the chain of the network definition",
    ),
    Entry(
        Code::SlasherMismatch,
        "SLASHER_MISMATCH",
        "the chain names another slasher for this operator set",
        "check getSlasher; a change by the AVS admin takes 17.5 days",
    ),
    Entry(
        Code::OperatorNotSlashable,
        "OPERATOR_NOT_SLASHABLE",
        "the operator is not slashable in this set at the finalised block",
        "check registration and allocation of the operator",
    ),
    Entry(
        Code::AccountNotDeployed,
        "ACCOUNT_NOT_DEPLOYED",
        "there is no FrostAccount of this key at its address",
        "deploy it; the address is in `firn status`",
    ),
    Entry(
        Code::NonceUsed,
        "NONCE_USED",
        "the account has already executed or invalidated this request",
        "nothing to do; look at the chain",
    ),
    Entry(
        Code::StrategyNotInSet,
        "STRATEGY_NOT_IN_SET",
        "a strategy is not part of the operator set",
        "check getStrategiesInOperatorSet",
    ),
    Entry(
        Code::RivalLocked,
        "RIVAL_LOCKED",
        "this node has lent a share to a rival payload",
        "wait until the finalised chain shows that the earlier payload can no longer execute",
    ),
    Entry(Code::EpochMismatch, "EPOCH_MISMATCH", "the session names another epoch of the key", "wait for catch-up"),
    Entry(
        Code::CommitmentUnknown,
        "COMMITMENT_UNKNOWN",
        "the package uses a commitment that this boot of the node did not offer, or that is used up",
        "the coordinator must ask for fresh commitments",
    ),
    Entry(
        Code::PackageInvalid,
        "PACKAGE_INVALID",
        "the signing package has the wrong signers, order or commitments",
        "the coordinator is broken or hostile",
    ),
    Entry(
        Code::PackageRival,
        "PACKAGE_RIVAL",
        "the commitment was already used for another package",
        "the coordinator is broken or hostile",
    ),
    Entry(Code::Draining, "DRAINING", "the node is shutting down", "try again when it is back"),
    Entry(
        Code::SubjectUnknown,
        "SUBJECT_UNKNOWN",
        "the member does not know this request yet",
        "wait for it to spread",
    ),
    Entry(
        Code::DkgMissing,
        "DKG_MISSING",
        "a member did not answer within the bound",
        "start the missing node and propose the key again",
    ),
    Entry(
        Code::DkgEquivocation,
        "DKG_EQUIVOCATION",
        "a member signed two different round-1 packages in one attempt",
        "exclude the member; the evidence is kept",
    ),
    Entry(
        Code::DkgEchoMismatch,
        "DKG_ECHO_MISMATCH",
        "members saw different round-1 packages; nobody is blamed",
        "propose the key again; if it repeats, look for a member that lies",
    ),
    Entry(
        Code::DkgRound1Invalid,
        "DKG_ROUND1_INVALID",
        "a round-1 package has a wrong length, proof or point",
        "the named member is broken or hostile",
    ),
    Entry(
        Code::DkgShareInvalid,
        "DKG_SHARE_INVALID",
        "a dealer sent a share that does not fit its commitment",
        "exclude the named dealer",
    ),
    Entry(
        Code::DkgComplaintFalse,
        "DKG_COMPLAINT_FALSE",
        "a member complained about a correct share",
        "exclude the named complainer",
    ),
    Entry(
        Code::DkgRestarted,
        "DKG_RESTARTED",
        "a member restarted during the attempt; nobody is blamed",
        "propose the key again",
    ),
    Entry(
        Code::DkgTranscriptMismatch,
        "DKG_TRANSCRIPT_MISMATCH",
        "members computed different transcripts; nobody is blamed",
        "propose the key again",
    ),
    Entry(
        Code::DkgExpired,
        "DKG_EXPIRED",
        "the proposal's deadline passed before all members accepted",
        "propose again with a later deadline",
    ),
    Entry(Code::DkgAbandoned, "DKG_ABANDONED", "all members signed the abandonment", "propose the key again"),
    Entry(
        Code::DkgConflict,
        "DKG_CONFLICT",
        "this node already takes part in an attempt for this key name, or holds the key",
        "see `firn dkg status`",
    ),
    Entry(
        Code::DkgProposalInvalid,
        "DKG_PROPOSAL_INVALID",
        "the proposal names an unknown key, another definition or an unusable deadline",
        "compare definitions and clocks",
    ),
    Entry(Code::DkgStopped, "DKG_STOPPED", "another member ended the attempt", "see the code it gave"),
    Entry(
        Code::GroupKeyUnusable,
        "GROUP_KEY_UNUSABLE",
        "the group key's x is not below the curve order, so the chain could not verify it",
        "propose the key again",
    ),
    Entry(
        Code::ShareMissing,
        "SHARE_MISSING",
        "this node holds no share of this key and epoch",
        "restore the backup or repair the share",
    ),
    Entry(
        Code::RecordCorrupt,
        "RECORD_CORRUPT",
        "a sealed record does not open; nothing was changed or recreated",
        "restore this node from its backup; do not delete the record",
    ),
    Entry(
        Code::VaultRefused,
        "VAULT_REFUSED",
        "the vault refused an inconsistent request from the core",
        "report this with the log: it is a defect",
    ),
    Entry(
        Code::DefinitionInvalid,
        "DEFINITION_INVALID",
        "the network definition is not valid",
        "correct the named field",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_number_and_name_and_says_what_to_do() {
        let mut names: Vec<_> = Code::all().map(Code::as_str).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ENTRIES.len());
        for code in Code::all() {
            assert_eq!(Code::from_wire(code.to_wire()), Some(code));
            assert_eq!(code.entry().0, code);
            assert!(!code.cause().is_empty() && !code.next_step().is_empty());
        }
    }
}
