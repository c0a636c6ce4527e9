//! Every stable code of Firn's core, with its cause and the next step, in one place.

use std::fmt;
use table::{ENTRIES, Entry};

mod table;

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
    /// The signers come from too few organisations or regions.
    DiversityUnmet = 57,
    /// The peer is quarantined: it came back with an older or a copied state.
    PeerQuarantined = 58,
    /// Peers have met a newer start of this node than the one that runs.
    IncarnationBehind = 59,
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
    /// A signature share does not fit its package.
    ShareInvalid = 74,
    /// This node holds no share of this key and epoch.
    ShareMissing = 80,
    /// A sealed record does not open; nothing was changed or recreated.
    RecordCorrupt = 81,
    /// The vault refused an inconsistent request from the core.
    VaultRefused = 82,
    /// The network definition is not valid.
    DefinitionInvalid = 90,
    /// The peer is not quarantined here.
    PeerNotQuarantined = 91,
    /// The opinion's signature is not a valid one.
    OpinionSignatureInvalid = 120,
    /// The opinion's signer is not in the definition.
    PersonUnknown = 121,
    /// The person has not the role for that.
    PersonNotAllowed = 122,
    /// The request is no longer open.
    OpinionTooLate = 123,
    /// The person has said something later already.
    OpinionOutdated = 124,
    /// A veto holder has vetoed it.
    RequestVetoed = 125,
    /// People of the node's own organisation have rejected it.
    RequestRejected = 126,
    /// Less is slashed than a rule allows.
    PolicyWadTooSmall = 130,
    /// More is slashed than a rule allows.
    PolicyWadTooLarge = 131,
    /// The deadline lies further ahead than a rule allows.
    PolicyLifetimeTooLong = 132,
    /// A rule has shares lent at other hours.
    PolicyHours = 133,
    /// A rule asks for more people's approvals.
    PolicyApprovalsMissing = 134,
    /// A rule's budget does not allow so much more at this time.
    PolicyBudgetSpent = 135,
    /// A rule has a pause after the last slash.
    PolicyCooldown = 136,
    /// A rule has the request wait before a share is lent.
    PolicyDelay = 137,
    /// The deadline comes before a rule's waiting time is over.
    PolicyDelayPastDeadline = 138,
    /// A rule takes no more requests of this requester at this time.
    PolicyRate = 139,
    /// No key of the network answers for this AVS's operations of this purpose.
    AuthorityNotListed = 140,
    /// The key is for another purpose.
    PurposeMismatch = 141,
    /// The definition does not say where the contract is that the operation calls.
    ContractNotListed = 142,
    /// The calldata is not the one encoding of what it says.
    CalldataInvalid = 143,
    /// The definition does not list this function of this contract.
    CallNotListed = 144,
    /// The call reverts at the finalised block.
    CallReverts = 145,
    /// A field of the operation has a value that makes no sense.
    OperationFieldInvalid = 146,
    /// The Safe transaction does what none may.
    SafeTransactionRefused = 147,
    /// This node has lent a share to another payload of the same budget or cool-down, which may still execute.
    BudgetLocked = 148,
    /// More is slashed than a rule's whole budget.
    PolicyBudgetExceeded = 149,
    /// Past slashes cannot be read, so no budget is known to have room.
    SlashHistoryUnavailable = 150,
    /// Another slash has the evidence to itself.
    EvidenceLocked = 151,
    /// This node's operator has paused it.
    NodePaused = 152,
    /// Veto holders have paused the network.
    NetworkPaused = 153,
    /// The node is not paused.
    NodeNotPaused = 154,
    /// Resuming takes more people of the node's organisation.
    ResumeApprovalsMissing = 155,
    /// The person has said something later already.
    PauseOutdated = 156,
    /// The number lies ahead of this node's clock.
    PauseNumberAhead = 157,
    /// The definition does not say how many pause the network.
    PauseNotDefined = 158,
    /// The signature is about another node, act or pause.
    ActMismatch = 159,
    /// An entry of the audit log is not the one that was written.
    AuditEdited = 160,
    /// Entries of the audit log are missing.
    AuditMissing = 161,
    /// Entries of the audit log stand in another order than they were written in.
    AuditReordered = 162,
    /// An entry of the audit log was put in later.
    AuditInserted = 163,
    /// The audit log ends before a head that is vouched for.
    AuditCut = 164,
    /// The audit log is a chain in itself, but not the one that is vouched for.
    AuditRebuilt = 165,
    /// An entry of the audit log says what its signatures or the definition contradict.
    AuditEntryInvalid = 166,
    /// A node has signed two heads that one log cannot have had.
    AuditForked = 167,
    /// The checkpoint is not one of this network, or a signature under it does not fit.
    AuditCheckpointInvalid = 168,
    /// The operator has nothing allocated in any strategy that the slash names.
    SlashTakesNothing = 169,
    /// A signature under a definition is not one of an admin who may sign it.
    ChangeSignatureInvalid = 170,
    /// Not enough organisations have signed a definition.
    ChangeQuorumMissing = 171,
    /// A definition changes what no later version may.
    ChangeForbidden = 172,
    /// Another definition follows the one in force already.
    ChangeConflict = 173,
    /// The requester's entry in the definition has expired.
    RequesterExpired = 174,
    /// A version would come into force too many blocks from now.
    ChangeTooFarAhead = 175,
    /// A rule demands evidence.
    EvidenceMissing = 176,
    /// This node's verifier rejected the evidence.
    EvidenceRejected = 177,
    /// This node's verifier has not answered yet.
    EvidenceUnchecked = 178,
    /// The operator's stake is free before the slash can execute.
    SlashTooLate = 179,
    /// The chain contradicts what the definition declares of the AVS's contracts.
    AuthorityDiffers = 188,
    /// What the definition declares of the AVS's contracts was not compared with the chain yet.
    AuthorityUnchecked = 189,
    /// Endpoints contradict each other.
    ChainDisagrees = 196,
    /// The finalised block is old.
    ChainStale = 197,
    /// What was final is not any more.
    ChainReorganised = 198,
    /// Fewer dealings are good than the threshold of the epoch before.
    ReshareDealersTooFew = 200,
    /// A dealing does not share what its dealer holds.
    ReshareDealingInvalid = 201,
    /// The share of this epoch was erased: a later one is active.
    EpochRetired = 202,
    /// Too many members change at once.
    ReshareTooMany = 203,
    /// The repaired share is not the one that was lost.
    RepairWrong = 204,
    /// What was scheduled is no longer: cancelled, expired, or executed by somebody else.
    ScheduleGone = 210,
    /// What was scheduled cannot be executed before its delay is over.
    ScheduleWaits = 211,
    /// The delay on chain ends after the request's deadline.
    DeadlineTooEarly = 212,
    /// The file is no backup, or was changed.
    BackupMalformed = 213,
    /// A later release wrote the backup.
    BackupNewer = 214,
    /// None of the identities opens the backup.
    BackupRecipient = 215,
    /// The backup is of another network.
    BackupOtherNetwork = 216,
    /// The backup is of another node.
    BackupOtherNode = 217,
    /// What the backup says of a key is not certified.
    BackupUncertified = 218,
    /// The sealed share does not open, or is not the certified one.
    BackupShareInvalid = 219,
    /// This node has a share of this key, or had one and erased it.
    ShareExists = 220,
    /// The node was restored, and too few members have confirmed it.
    RestoreUnconfirmed = 221,
    /// The share that was restored is of an epoch that is over.
    RestoreStale = 222,
    /// This is no repair of a member's lost share.
    RepairInvalid = 223,
    /// Helpers did not consent or answer within the bound.
    RepairMissing = 224,
    /// Helping with a repair takes more people of the node's organisation.
    ConsentApprovalsMissing = 225,
}

impl Code {
    /// All codes, ascending.
    pub fn all() -> impl Iterator<Item = Self> {
        ENTRIES.into_iter().flatten().map(|entry| entry.0)
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
        ENTRIES.into_iter().flatten().find(|entry| entry.0 == self).unwrap_or(&UNLISTED)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_number_and_name_and_says_what_to_do() {
        let mut names: Vec<_> = Code::all().map(Code::as_str).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ENTRIES.into_iter().flatten().count());
        for code in Code::all() {
            assert_eq!(Code::from_wire(code.to_wire()), Some(code));
            assert_eq!(code.entry().0, code);
            assert!(!code.cause().is_empty() && !code.next_step().is_empty());
        }
    }
}
