//! Bugs on purpose, one per checker: a check that never failed proves nothing.
//!
//! Each is a misbehaviour of a host, or of an engine's effects, in the simulator alone; no production crate knows of
//! it. The node it happens on counts as honest, so the checkers have to notice by themselves.

/// A seeded bug.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Bug {
    /// A restarted process takes up its previous incarnation, generator state and time: nonces come again.
    OldBoot,
    /// A copied share signs for a thief, beside every ledger.
    LeakedShare,
    /// Writes become durable only after what they should come before.
    LatePersist,
    /// Nodes serve a requester that the workload never authorised.
    StrayRequester,
    /// All data directories are lost, and the key is generated again under the same name.
    SecondKey,
    /// Vault writes are acknowledged and lost.
    LostVaultWrites,
    /// The host writes a secret in the clear beside the records.
    LoggedSecret,
    /// A fault is proven against a node that an inconsistent broadcast only makes look guilty.
    HastyBlame,
    /// Evidence is seen and thrown away.
    SwallowedEvidence,
    /// The account executes a payload as often as it is submitted.
    DoubleExecution,
    /// Every timer that fires is set again.
    DoubledTimers,
    /// Records of requests are acknowledged and not written.
    DroppedRecord,
    /// Entries of the audit log are acknowledged and not written.
    SkippedEntry,
    /// The chain shows nobody what was slashed before.
    ForgottenSlashes,
    /// The host tells the engine that the verifier accepts, whatever it says.
    IgnoredVerdict,
    /// A bit of every finished signature flips on its way out.
    FlippedSignature,
    /// A process falls over a kind of message.
    PanicOnMessage,
    /// Takeover timers never fire.
    ForgottenTakeover,
    /// Nodes refuse what they are asked to sign, for no reason.
    IdleRefusal,
    /// Nodes hear of no finalised block: nothing ever ends.
    UnheardBlocks,
    /// A host sends shares some seconds after it is told to.
    LateShares,
    /// Greetings do not say which version of the definition a node runs under.
    UnnamedVersion,
    /// A thief has the keys of all people.
    StolenApprovals,
    /// The host tells the engine that what is scheduled is ready.
    HastyExecution,
    /// The host does not tell the engine of cancellations.
    UnseenCancellation,
    /// The chain executes what was cancelled.
    RevivedSchedule,
    /// The host reads facts from the newest block.
    UnfinalFacts,
    /// The host does not carry the erasure of a retired share out.
    KeptShare,
    /// The host erases a share as its node deals it to the next epoch.
    EarlyErase,
    /// When an epoch is certified, a share of another polynomial takes the place of a node's own.
    ForeignShare,
    /// A delay depends on a counter that survives runs.
    StrayDraw,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 31] = [
        Self::OldBoot,
        Self::LeakedShare,
        Self::LatePersist,
        Self::StrayRequester,
        Self::SecondKey,
        Self::LostVaultWrites,
        Self::LoggedSecret,
        Self::HastyBlame,
        Self::SwallowedEvidence,
        Self::DoubleExecution,
        Self::DoubledTimers,
        Self::DroppedRecord,
        Self::SkippedEntry,
        Self::ForgottenSlashes,
        Self::IgnoredVerdict,
        Self::FlippedSignature,
        Self::PanicOnMessage,
        Self::ForgottenTakeover,
        Self::IdleRefusal,
        Self::UnheardBlocks,
        Self::LateShares,
        Self::UnnamedVersion,
        Self::StolenApprovals,
        Self::HastyExecution,
        Self::UnseenCancellation,
        Self::RevivedSchedule,
        Self::UnfinalFacts,
        Self::KeptShare,
        Self::EarlyErase,
        Self::ForeignShare,
        Self::StrayDraw,
    ];

    /// Its name in kebab-case.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.facts().0
    }

    /// The id of the checker that has to notice.
    #[must_use]
    pub fn caught_by(self) -> &'static str {
        self.facts().1
    }

    fn facts(self) -> (&'static str, &'static str) {
        match self {
            Self::OldBoot => ("old-boot", "N1"),
            Self::LeakedShare => ("leaked-share", "T1"),
            Self::LatePersist => ("late-persist", "P1"),
            Self::StrayRequester => ("stray-requester", "P2"),
            Self::SecondKey => ("second-key", "K1"),
            Self::LostVaultWrites => ("lost-vault-writes", "D1"),
            Self::LoggedSecret => ("logged-secret", "S1"),
            Self::HastyBlame => ("hasty-blame", "A1"),
            Self::SwallowedEvidence => ("swallowed-evidence", "A2"),
            Self::DoubleExecution => ("double-execution", "I1"),
            Self::DoubledTimers => ("doubled-timers", "R1"),
            Self::DroppedRecord => ("dropped-record", "R2"),
            Self::SkippedEntry => ("skipped-entry", "H1"),
            Self::ForgottenSlashes => ("forgotten-slashes", "B1"),
            Self::IgnoredVerdict => ("ignored-verdict", "P1"),
            Self::FlippedSignature => ("flipped-signature", "V1"),
            Self::PanicOnMessage => ("panic-on-message", "X1"),
            Self::ForgottenTakeover => ("forgotten-takeover", "L1"),
            Self::IdleRefusal => ("idle-refusal", "L1"),
            Self::UnheardBlocks => ("unheard-blocks", "L1"),
            Self::LateShares => ("late-shares", "P1"),
            Self::UnnamedVersion => ("unnamed-version", "P1"),
            Self::StolenApprovals => ("stolen-approvals", "P2"),
            Self::HastyExecution => ("hasty-execution", "G1"),
            Self::UnseenCancellation => ("unseen-cancellation", "G1"),
            Self::RevivedSchedule => ("revived-schedule", "G1"),
            Self::UnfinalFacts => ("unfinal-facts", "F1"),
            Self::KeptShare => ("kept-share", "E1"),
            Self::EarlyErase => ("early-erase", "D1"),
            Self::ForeignShare => ("foreign-share", "K2"),
            Self::StrayDraw => ("stray-draw", "DET"),
        }
    }
}
