//! The API's JSON, shared by server, command line and devnet. docs/reference/api.md shows examples.

use crate::watch::notice::Notice;
use alloy::primitives::Address;
use firn_proto::SubjectId;
use firn_proto::code::{Code, Refusal};
use firn_proto::message::Status as Answer;
use firn_proto::operation::{Operation, OperationJson, Rendering};
use firn_proto::opinion::{Decision, SignedOpinion};
use firn_proto::policy::Finding;
use firn_proto::request::SignedRequest;
use serde::{Deserialize, Serialize};

mod key;
pub(crate) mod pause;
pub(crate) mod repair;

pub(crate) use key::{NextEpoch, ProposeBody};

/// A request as an AVS posts it: the operation under its kind, and the requester's EIP-712 signature.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestBody {
    pub(crate) operation: OperationJson,
    /// 0x and 130 hexadecimal digits: r || s || v.
    pub(crate) signature: String,
}

/// What a person says to a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpinionBody {
    /// withdraw, approve, reject or veto.
    pub(crate) decision: String,
    /// The person's greatest counts: the time in seconds since the Unix epoch, by custom.
    pub(crate) number: u64,
    /// 0x and 130 hexadecimal digits: r || s || v, EIP-712.
    pub(crate) signature: String,
}

/// Every refusal: a stable code, what happened, to which part, and what to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ErrorBody {
    pub(crate) error: ErrorDetail,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ErrorDetail {
    pub(crate) code: String,
    pub(crate) cause: String,
    pub(crate) detail: String,
    pub(crate) next_step: String,
    /// When it is worth another try, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after_seconds: Option<u64>,
}

/// Answer to a posted request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Accepted {
    pub(crate) id: String,
}

/// Which page of the audit log.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageQuery {
    /// Its first entry.
    #[serde(default)]
    pub(crate) from: u64,
}

/// Entries of the audit log; none where there are no more.
#[derive(Serialize, Deserialize)]
pub(crate) struct AuditPage {
    pub(crate) schema: String,
    pub(crate) entries: Vec<AuditEntryView>,
}

/// An entry of the audit log: its bytes, and what they say.
#[derive(Serialize, Deserialize)]
pub(crate) struct AuditEntryView {
    pub(crate) number: u64,
    /// The bytes that the chain is made of, in hexadecimal.
    pub(crate) entry: String,
    /// By the node's clock, RFC 3339.
    pub(crate) time: String,
    pub(crate) session: String,
    pub(crate) event: String,
    pub(crate) code: Option<String>,
    /// The signers, or the member that it is about, by name.
    pub(crate) members: Vec<String>,
    /// Who asked for the share.
    pub(crate) coordinator: Option<String>,
    pub(crate) reference: String,
    /// What an evidence verifier gave as its reason.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) reason: String,
    /// How many signed proofs are kept with it.
    pub(crate) evidence: usize,
    /// What was asked for, in a line, where a request came in.
    pub(crate) title: Option<String>,
    pub(crate) requester: Option<Address>,
}

/// The signed heads that a node holds.
#[derive(Serialize, Deserialize)]
pub(crate) struct HeadsView {
    pub(crate) schema: String,
    pub(crate) node: String,
    /// Of its own log.
    pub(crate) size: u64,
    pub(crate) hash: String,
    pub(crate) heads: Vec<HeadView>,
}

/// A signed head of a log.
#[derive(Serialize, Deserialize)]
pub(crate) struct HeadView {
    /// The node that gave it to this one.
    pub(crate) from: String,
    /// Whose log.
    pub(crate) owner: String,
    pub(crate) size: u64,
    pub(crate) signers: Vec<String>,
    /// As a note: C2SP signed-note.
    pub(crate) note: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Requests {
    pub(crate) requests: Vec<RequestView>,
}

/// A request as this node sees it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct RequestView {
    pub(crate) id: String,
    /// checking, waiting, signing, signed, scheduled, executed, refused or expired.
    pub(crate) state: String,
    /// What came of the first of two payloads: answers, signature and transaction are then the second one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) schedule: Option<ScheduleView>,
    /// Why it is refused or expired.
    pub(crate) code: Option<String>,
    pub(crate) operation: OperationJson,
    /// What the operation means.
    pub(crate) rendering: RenderingView,
    pub(crate) requester: Address,
    /// The node that took it in.
    pub(crate) origin: String,
    pub(crate) received: u64,
    pub(crate) threshold: u16,
    pub(crate) members: Vec<MemberView>,
    /// Members that are not willing at this moment, by name.
    pub(crate) missing: Vec<String>,
    /// 0x and 192 hexadecimal digits: R.x || R.y || z.
    pub(crate) signature: Option<String>,
    /// Who signed, where this node coordinated.
    pub(crate) signers: Vec<String>,
    /// Where this node relayed it.
    pub(crate) transaction: Option<String>,
    /// The first block at which a slash can execute, and the last at which it takes anything; the latter is absent where no end is
    /// in sight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) window: Option<(u64, Option<u64>)>,
    /// The shares that a slash would take at the last finalised block, a strategy each, as EigenLayer's core itself works it out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) takes: Vec<TakesView>,
    /// What has become of it on chain: scheduled, cancelled, executed, slashed, cleared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) life: Vec<LifeView>,
    /// What this node's evidence verifier says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) evidence: Option<VerdictView>,
    /// What people say to it.
    pub(crate) opinions: Vec<OpinionView>,
    /// What the rules say to it at this moment.
    pub(crate) policy: Vec<FindingView>,
}

/// Something that happened on chain, in a final block.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LifeView {
    pub(crate) block: u64,
    pub(crate) kind: String,
    pub(crate) text: String,
}

impl From<&Notice> for LifeView {
    fn from(notice: &Notice) -> Self {
        Self { block: notice.block, kind: notice.kind.clone(), text: notice.text.clone() }
    }
}

/// What a slash would take in one strategy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TakesView {
    pub(crate) strategy: Address,
    /// In the strategy's smallest unit.
    pub(crate) shares: String,
}

/// The first payload of two, which has executed: what it scheduled waits on chain, where it can be cancelled.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ScheduleView {
    pub(crate) signature: Option<String>,
    /// Who signed, where this node coordinated.
    pub(crate) signers: Vec<String>,
    /// Where this node relayed it.
    pub(crate) transaction: Option<String>,
    /// The finalised block at which this node saw that it had executed.
    pub(crate) block: u64,
    /// When it can be executed, in seconds since the Unix epoch; absent where it was cancelled or has expired.
    pub(crate) ready: Option<u64>,
}

/// An evidence verifier's answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VerdictView {
    /// accept or reject.
    pub(crate) verdict: String,
    pub(crate) reason: String,
}

/// A person's opinion.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OpinionView {
    pub(crate) person: String,
    pub(crate) organisation: String,
    /// withdraw, approve, reject or veto.
    pub(crate) decision: String,
    pub(crate) number: u64,
}

/// One condition of one rule.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FindingView {
    pub(crate) rule: String,
    pub(crate) holds: bool,
    /// What it demands, and what there is.
    pub(crate) detail: String,
    /// What a node answers where it does not hold.
    pub(crate) code: Option<String>,
}

impl From<&Finding<'_>> for FindingView {
    fn from(finding: &Finding<'_>) -> Self {
        let code = finding.status().and_then(Answer::code).map(|code| code.as_str().to_owned());
        Self { rule: finding.rule.to_owned(), holds: finding.holds, detail: finding.describe(), code }
    }
}

/// An operation as people read it, a line each.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RenderingView {
    pub(crate) title: String,
    pub(crate) details: Vec<String>,
    /// What a reader must not overlook.
    pub(crate) warnings: Vec<String>,
}

impl From<Rendering> for RenderingView {
    fn from(Rendering { title, details, warnings }: Rendering) -> Self {
        Self { title, details, warnings }
    }
}

impl std::fmt::Debug for RequestView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "request {} {}", self.id, self.state)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MemberView {
    pub(crate) node: u16,
    pub(crate) name: String,
    /// willing, declined, not yet, silent or disconnected.
    pub(crate) status: String,
    pub(crate) code: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Keys {
    pub(crate) keys: Vec<KeyView>,
}

/// A key, or an attempt at one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KeyView {
    pub(crate) key_id: String,
    pub(crate) name: String,
    pub(crate) purpose: String,
    /// proposed, accepting, round-1, echo, round-2, checking, certifying, undecided, certified, given-up, active, aborted, abandoned.
    pub(crate) state: String,
    pub(crate) proposer: String,
    pub(crate) epoch: u32,
    pub(crate) threshold: u16,
    /// When this node saw it become active, in seconds since the epoch; 0 before.
    #[serde(default)]
    pub(crate) since: u64,
    /// When a backup of this node's share of it was verified, in seconds since the epoch.
    #[serde(default)]
    pub(crate) backed_up: Option<u64>,
    pub(crate) members: Vec<String>,
    /// Compressed SEC1, 33 bytes of hex with 0x.
    pub(crate) group_key: Option<String>,
    /// The FrostAccount's address.
    pub(crate) account: Option<Address>,
    pub(crate) certified_by: Vec<String>,
    pub(crate) waiting_for: Vec<String>,
    pub(crate) code: Option<String>,
    pub(crate) culprit: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Peers {
    pub(crate) peers: Vec<PeerView>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PeerView {
    pub(crate) node: u16,
    pub(crate) name: String,
    pub(crate) organisation: String,
    pub(crate) region: String,
    pub(crate) connected: bool,
    /// It came back with an older or a copied state, and is not signed with until an operator trusts it.
    pub(crate) quarantined: bool,
    pub(crate) incarnation: Option<u64>,
    /// The last measured round trip, in microseconds.
    pub(crate) round_trip_us: Option<u64>,
    /// The last refusal between us, with its code.
    pub(crate) refused: Option<String>,
    /// What went wrong on the channel last.
    pub(crate) last_fault: Option<String>,
    pub(crate) peer_id: String,
    pub(crate) frames: Frames,
}

/// What has passed between this node and a peer since the start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Frames {
    pub(crate) sent: u64,
    pub(crate) confirmed: u64,
    pub(crate) received: u64,
    pub(crate) waiting: usize,
    pub(crate) dropped: u64,
    /// How often the peer was held back for its rate.
    pub(crate) throttled: u64,
    /// Malformed or oversize input from the peer since its last penalty.
    pub(crate) offences: u32,
}

/// The node at a glance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) schema: String,
    pub(crate) node: u16,
    pub(crate) name: String,
    pub(crate) organisation: String,
    pub(crate) region: String,
    pub(crate) version: String,
    pub(crate) network: String,
    pub(crate) definition: String,
    pub(crate) incarnation: u64,
    pub(crate) ready: bool,
    pub(crate) checks: Vec<Check>,
    pub(crate) finalised_block: u64,
    /// What stands against lending shares at all.
    pub(crate) pauses: pause::PausesView,
    pub(crate) keys: Vec<KeyView>,
    pub(crate) peers: Vec<PeerView>,
    /// Requests that are still to be signed or executed.
    pub(crate) open_requests: Vec<RequestView>,
}

/// One readiness check.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) ok: bool,
    pub(crate) detail: String,
}

impl RequestBody {
    /// The typed request, not verified yet.
    pub(crate) fn to_signed(&self) -> Result<SignedRequest, Refusal> {
        Ok(SignedRequest { operation: Operation::from_json(&self.operation)?, signature: signature(&self.signature)? })
    }

    /// The JSON form of a signed request.
    pub(crate) fn from_signed(signed: &SignedRequest) -> Self {
        let signature = format!("0x{}", hex::encode(signed.signature));
        Self { operation: signed.operation.to_json(), signature }
    }
}

impl OpinionBody {
    /// The typed opinion of `request`, not verified yet.
    pub(crate) fn to_signed(&self, request: SubjectId) -> Result<SignedOpinion, Refusal> {
        let decision = Decision::ALL.into_iter().find(|decision| decision.as_str() == self.decision);
        let malformed = || Refusal::new(Code::RequestMalformed, "decision: withdraw, approve, reject or veto");
        let (decision, number) = (decision.ok_or_else(malformed)?, self.number);
        Ok(SignedOpinion { request, decision, number, signature: signature(&self.signature)? })
    }

    /// The JSON form of a signed opinion.
    pub(crate) fn from_signed(signed: &SignedOpinion) -> Self {
        let signature = format!("0x{}", hex::encode(signed.signature));
        Self { decision: signed.decision.as_str().to_owned(), number: signed.number, signature }
    }
}

/// The 65 bytes of an Ethereum signature.
pub(crate) fn signature(text: &str) -> Result<[u8; 65], Refusal> {
    let malformed = || Refusal::new(Code::RequestMalformed, "signature: 0x and 130 hexadecimal digits");
    let hex = text.strip_prefix("0x").ok_or_else(malformed)?;
    hex::decode(hex).ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(malformed)
}

impl From<&Refusal> for ErrorBody {
    fn from(refusal: &Refusal) -> Self {
        Self::new(refusal.code.as_str(), refusal.code.cause(), &refusal.detail, refusal.code.next_step())
    }
}

impl From<Code> for ErrorBody {
    fn from(code: Code) -> Self {
        Self::new(code.as_str(), code.cause(), "", code.next_step())
    }
}

impl ErrorBody {
    pub(crate) fn new(code: &str, cause: &str, detail: &str, next_step: &str) -> Self {
        Self {
            error: ErrorDetail {
                code: code.to_owned(),
                cause: cause.to_owned(),
                detail: detail.to_owned(),
                next_step: next_step.to_owned(),
                retry_after_seconds: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"operation":{"slash_operator":{"avs":"0x1111111111111111111111111111111111111111",
        "operator":"0x2222222222222222222222222222222222222222","operator_set_id":0,
        "strategies":["0x3333333333333333333333333333333333333333"],"wads_to_slash":["5"],"description":"d",
        "account":"0x5555555555555555555555555555555555555555","nonce":"7","deadline":1800000000}},"signature":"SIGNATURE"}"#;

    fn is_read(from: &str, to: &str) -> bool {
        let body = BODY.replace("SIGNATURE", &format!("0x{}", "1b".repeat(65)));
        assert!(body.contains(from), "{from}");
        let body = serde_json::from_str::<RequestBody>(&body.replacen(from, to, 1));
        body.is_ok_and(|body| body.to_signed().is_ok())
    }

    #[test]
    fn r06_a_body_has_one_form() {
        assert!(is_read("d", "d"));
        for (from, to) in [
            (r#""nonce":"7""#, r#""nonce":"7","nonce":"7""#),
            (r#""nonce":"7""#, r#""nonce":"7","priority":1"#),
            (r#""nonce":"7""#, r#""nonce":7"#),
            (r#""nonce":"7""#, r#""nonce":"07""#),
            (r#""nonce":"7""#, r#""nonce":"0x7""#),
            (r#""nonce":"7""#, r#""nonce":"7.0""#),
            ("1800000000", "1800000000.0"),
            ("1800000000", "18e8"),
            (r#""operator_set_id":0"#, r#""operator_set_id":-1"#),
            (r#""wads_to_slash":["5"]"#, r#""wads_to_slash":["5e0"]"#),
            ("slash_operator", "slash_operators"),
            (r#""signature":"0x"#, r#""signature":""#),
            (r#"{"operation""#, r#"{"version":2,"operation""#),
        ] {
            assert!(!is_read(from, to), "{to}");
        }
    }
}
