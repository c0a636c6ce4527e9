//! What scenario files and reports call things. The parser, the writer and a test of the reference page share these lists.

use super::{Act, FaultKind, KeyPhase, Point, Shows};

/// Acts of corrupted nodes by name.
pub const ACTS: [(Act, &str); 23] = [
    (Act::Silent, "silent"),
    (Act::SelectivelySilent, "selectively-silent"),
    (Act::Slow, "slow"),
    (Act::EquivocateRound1, "equivocate-round-1"),
    (Act::WrongShareToOne, "wrong-share-to-one"),
    (Act::FalseComplaint, "false-complaint"),
    (Act::WithholdCertificate, "withhold-certificate"),
    (Act::InvalidShare, "invalid-share"),
    (Act::ReplayCommitments, "replay-commitments"),
    (Act::CommitThenSilence, "commit-then-silence"),
    (Act::MakeExcuses, "make-excuses"),
    (Act::SplitPackages, "split-packages"),
    (Act::RivalPackages, "rival-packages"),
    (Act::StarveSigners, "starve-signers"),
    (Act::DrainNonces, "drain-nonces"),
    (Act::WithholdSignature, "withhold-signature"),
    (Act::ForgeSignature, "forge-signature"),
    (Act::FrameHonest, "frame-honest"),
    (Act::Flood, "flood"),
    (Act::Malformed, "malformed"),
    (Act::StaleEpoch, "stale-epoch"),
    (Act::Contradict, "contradict"),
    (Act::WrongConstantTerm, "wrong-constant-term"),
];

/// Points that trigger faults, by name.
pub const POINTS: [(Point, &str); 16] = [
    (Point::RequestReceived, "request-received"),
    (Point::Willing, "willing"),
    (Point::AttemptOpened, "attempt-opened"),
    (Point::SharesAlmost, "shares-almost"),
    (Point::ShareDurable, "share-durable"),
    (Point::ShareSent, "share-sent"),
    (Point::Signed, "signed"),
    (Point::KeyPhase(KeyPhase::Accepting), "key-accepting"),
    (Point::KeyPhase(KeyPhase::Round1), "key-round-1"),
    (Point::KeyPhase(KeyPhase::Echo), "key-echo"),
    (Point::KeyPhase(KeyPhase::Round2), "key-round-2"),
    (Point::KeyPhase(KeyPhase::Checking), "key-checking"),
    (Point::KeyPhase(KeyPhase::Certifying), "key-certifying"),
    (Point::KeyPhase(KeyPhase::Certified), "key-certified"),
    (Point::Effect, "effect"),
    (Point::Scheduled, "scheduled"),
];

/// A kind of fault: its name, and the keys of its table. Kinds without keys take nodes directly.
pub const FAULTS: [(&str, &[&str]); 34] = [
    ("partition", &[]),
    ("one-way", &["from", "to"]),
    ("flapping", &["from", "to", "period"]),
    ("swizzle", &[]),
    ("jam", &["from", "to"]),
    ("slow", &["from", "to", "factor"]),
    ("lossy", &["from", "to", "rate", "burst"]),
    ("bandwidth", &["from", "to", "limit"]),
    ("filter", &["from", "to", "message"]),
    ("duplicate", &["from", "to", "rate"]),
    ("reorder", &["from", "to", "rate"]),
    ("reset", &["from", "to"]),
    ("crash", &[]),
    ("rolling", &[]),
    ("pause", &[]),
    ("slow-cpu", &["nodes", "step"]),
    ("rollback", &["node", "image"]),
    ("twin", &[]),
    ("wipe", &[]),
    ("slow-disk", &["nodes", "sync"]),
    ("lying-sync", &[]),
    ("disk-full", &[]),
    ("bit-flip", &[]),
    ("clock-offset", &["nodes", "offset"]),
    ("clock-drift", &["nodes", "drift"]),
    ("clock-freeze", &[]),
    ("entropy-repeat", &[]),
    ("chain-down", &[]),
    ("chain-lag", &["nodes", "by"]),
    ("reorg", &["depth"]),
    ("finality-stall", &[]),
    ("gas-spike", &["drops"]),
    ("lying-endpoint", &["nodes", "shows"]),
    ("muddled-outcomes", &[]),
];

/// What lying endpoints show.
pub const SHOWN: [(Shows, &str); 3] = [(Shows::Head, "head"), (Shows::Old, "old"), (Shows::Fork, "fork")];

/// Kinds of messages, as in `firn.proto`.
pub const MESSAGES: [&str; 20] = [
    "key-proposal",
    "key-accept",
    "key-round1",
    "key-echo",
    "key-shares",
    "key-complaint",
    "key-certified",
    "key-certificate",
    "key-abort",
    "key-abandon",
    "relay",
    "request-spread",
    "willingness",
    "solicit",
    "signing-package",
    "signature-share",
    "share-refused",
    "signed",
    "heads",
    "key-redeal",
];

/// Kinds of workload.
pub const WORKLOADS: [&str; 1] = ["avs-requests"];

impl Act {
    /// Its name in files and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        ACTS.iter().find(|(act, _)| *act == self).map_or("", |(_, name)| name)
    }
}

impl Point {
    /// Its name in files and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        POINTS.iter().find(|(point, _)| *point == self).map_or("", |(_, name)| name)
    }
}

impl FaultKind {
    /// Its name in files and reports.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Partition { .. } => "partition",
            Self::OneWay { .. } => "one-way",
            Self::Flapping { .. } => "flapping",
            Self::Swizzle { .. } => "swizzle",
            Self::Jam { .. } => "jam",
            Self::Slow { .. } => "slow",
            Self::Lossy { .. } => "lossy",
            Self::Bandwidth { .. } => "bandwidth",
            Self::Filter { .. } => "filter",
            Self::Duplicate { .. } => "duplicate",
            Self::Reorder { .. } => "reorder",
            Self::Reset { .. } => "reset",
            Self::Crash { .. } => "crash",
            Self::Rolling { .. } => "rolling",
            Self::Pause { .. } => "pause",
            Self::SlowCpu { .. } => "slow-cpu",
            Self::Rollback { .. } => "rollback",
            Self::Twin { .. } => "twin",
            Self::Wipe { .. } => "wipe",
            Self::SlowDisk { .. } => "slow-disk",
            Self::LyingSync { .. } => "lying-sync",
            Self::DiskFull { .. } => "disk-full",
            Self::BitFlip { .. } => "bit-flip",
            Self::ClockOffset { .. } => "clock-offset",
            Self::ClockDrift { .. } => "clock-drift",
            Self::ClockFreeze { .. } => "clock-freeze",
            Self::EntropyRepeat { .. } => "entropy-repeat",
            Self::ChainDown { .. } => "chain-down",
            Self::ChainLag { .. } => "chain-lag",
            Self::Reorg { .. } => "reorg",
            Self::FinalityStall => "finality-stall",
            Self::GasSpike { .. } => "gas-spike",
            Self::LyingEndpoint { .. } => "lying-endpoint",
            Self::MuddledOutcomes { .. } => "muddled-outcomes",
        }
    }
}
