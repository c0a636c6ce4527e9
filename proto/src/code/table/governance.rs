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
        Code::AuthorityNotListed,
        "AUTHORITY_NOT_LISTED",
        "no key of the network answers for this AVS's operations of this purpose",
        "see the authorities in network.toml",
    ),
    Entry(
        Code::PurposeMismatch,
        "PURPOSE_MISMATCH",
        "the key is for another purpose",
        "a key signs for one purpose only; see the keys in network.toml",
    ),
    Entry(
        Code::ContractNotListed,
        "CONTRACT_NOT_LISTED",
        "the definition does not say where the contract is that the operation calls",
        "network.toml names it under [chain]; all members must agree on it",
    ),
    Entry(
        Code::CalldataInvalid,
        "CALLDATA_INVALID",
        "the calldata is not the one encoding of what it says",
        "encode it anew with a standard ABI encoder",
    ),
    Entry(
        Code::CallNotListed,
        "CALL_NOT_LISTED",
        "the definition does not list this function of this contract",
        "see the calls in network.toml; all members must agree on them",
    ),
    Entry(
        Code::CallReverts,
        "CALL_REVERTS",
        "the call reverts at the finalised block",
        "see whether the account may do that on chain; it is tried again by itself",
    ),
    Entry(
        Code::OperationFieldInvalid,
        "OPERATION_FIELD_INVALID",
        "a field of the operation has a value that makes no sense",
        "correct the named field and sign again",
    ),
    Entry(
        Code::SafeTransactionRefused,
        "SAFE_TRANSACTION_REFUSED",
        "the Safe transaction does what none may",
        "see docs/reference/operations.md for what a Safe transaction may be",
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
];
