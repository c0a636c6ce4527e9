//! Codes of people, policy and audit: 120 and up.

use super::{Code, Entry};

pub(in super::super) const ENTRIES: &[Entry] = &[
    Entry(
        Code::OpinionSignatureInvalid,
        "OPINION_SIGNATURE_INVALID",
        "the opinion's signature is not a valid one",
        "sign the typed data again, with this network's domain",
    ),
    Entry(
        Code::PersonUnknown,
        "PERSON_UNKNOWN",
        "the opinion's signer is not in the definition",
        "compare the signer's address with the people of network.toml",
    ),
    Entry(
        Code::PersonNotAllowed,
        "PERSON_NOT_ALLOWED",
        "the person has not the role for that",
        "see the person's roles in network.toml",
    ),
    Entry(
        Code::OpinionTooLate,
        "OPINION_TOO_LATE",
        "the request is signed or over",
        "what is signed can only be stopped on chain",
    ),
    Entry(
        Code::OpinionOutdated,
        "OPINION_OUTDATED",
        "the person has said something later already, or has vetoed",
        "look at `firn request show`; give a greater number to change an opinion",
    ),
    Entry(
        Code::RequestVetoed,
        "REQUEST_VETOED",
        "a veto holder has vetoed it",
        "nothing to do here; a new request needs a new nonce",
    ),
    Entry(
        Code::RequestRejected,
        "REQUEST_REJECTED",
        "people of this node's organisation have rejected it",
        "they may withdraw that; other organisations' nodes decide for themselves",
    ),
    Entry(
        Code::PolicyWadTooSmall,
        "POLICY_WAD_TOO_SMALL",
        "less is slashed than a rule allows",
        "see the rule with `firn request show`, or in network.toml",
    ),
    Entry(
        Code::PolicyWadTooLarge,
        "POLICY_WAD_TOO_LARGE",
        "more is slashed than a rule allows",
        "see the rule with `firn request show`, or in network.toml",
    ),
    Entry(
        Code::PolicyLifetimeTooLong,
        "POLICY_LIFETIME_TOO_LONG",
        "the deadline lies further ahead than a rule allows",
        "ask again with an earlier deadline",
    ),
    Entry(Code::PolicyHours, "POLICY_HOURS", "a rule has shares lent at other hours", "wait; the rule says when"),
    Entry(
        Code::PolicyApprovalsMissing,
        "POLICY_APPROVALS_MISSING",
        "a rule asks for more people's approvals",
        "have approvers run `firn approve`",
    ),
    Entry(
        Code::AuditEdited,
        "AUDIT_EDITED",
        "an entry of the audit log is not the one that was written",
        "keep this copy as evidence and compare it with an export or backup; ask who could write to the node's disk",
    ),
    Entry(
        Code::AuditMissing,
        "AUDIT_MISSING",
        "entries of the audit log are missing",
        "keep this copy as evidence and compare it with an export or backup; ask who could write to the node's disk",
    ),
    Entry(
        Code::AuditReordered,
        "AUDIT_REORDERED",
        "entries of the audit log stand in another order than they were written in",
        "keep this copy as evidence and compare it with an export or backup; ask who could write to the node's disk",
    ),
    Entry(
        Code::AuditInserted,
        "AUDIT_INSERTED",
        "an entry of the audit log was put in later",
        "keep this copy as evidence and compare it with an export or backup; ask who could write to the node's disk",
    ),
    Entry(
        Code::AuditCut,
        "AUDIT_CUT",
        "the audit log ends before a head that is vouched for",
        "the disk was rolled back or its end was cut; do not sign with this node before that is understood",
    ),
    Entry(
        Code::AuditRebuilt,
        "AUDIT_REBUILT",
        "the audit log is a chain in itself, but not the one that is vouched for",
        "it was written anew from this place on; do not sign with this node before that is understood",
    ),
    Entry(
        Code::AuditEntryInvalid,
        "AUDIT_ENTRY_INVALID",
        "an entry of the audit log says what its signatures or the definition contradict",
        "use the network.toml that the node ran with; if it is that one, treat the node as hostile",
    ),
    Entry(
        Code::AuditForked,
        "AUDIT_FORKED",
        "a node has signed two heads that one audit log cannot have had",
        "its log was cut and written anew, or it runs twice; both signed heads are in this node's audit log",
    ),
    Entry(
        Code::AuditCheckpointInvalid,
        "AUDIT_CHECKPOINT_INVALID",
        "the text is no checkpoint of this network, or a signature under it does not fit",
        "use the network.toml of the network that it was made in; if it is that one, trust no part of it",
    ),
];
