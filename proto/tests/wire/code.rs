//! The numbers and names of codes, which never change.

use firn_proto::Code;

const PINNED: &[(u32, &str)] = &[
    (1, "ENVELOPE_MALFORMED"),
    (2, "ENVELOPE_TOO_LARGE"),
    (3, "ENVELOPE_VERSION"),
    (4, "ENVELOPE_SIGNATURE_INVALID"),
    (5, "NETWORK_MISMATCH"),
    (6, "SENDER_UNKNOWN"),
    (7, "SENDER_MISMATCH"),
    (8, "BODY_MALFORMED"),
    (9, "POINT_INVALID"),
    (10, "SCALAR_INVALID"),
    (11, "PROTOCOL_VERSION"),
    (12, "DEFINITION_MISMATCH"),
    (20, "REQUEST_MALFORMED"),
    (21, "REQUEST_TOO_LARGE"),
    (22, "REQUESTER_UNKNOWN"),
    (23, "REQUEST_SIGNATURE_INVALID"),
    (24, "REQUESTER_NOT_ALLOWED"),
    (25, "REQUEST_EXPIRED"),
    (26, "REQUEST_LIFETIME_TOO_LONG"),
    (27, "OPERATOR_SET_NOT_LISTED"),
    (28, "ACCOUNT_MISMATCH"),
    (29, "STRATEGIES_NOT_ASCENDING"),
    (30, "STRATEGIES_EMPTY"),
    (31, "WADS_LENGTH_MISMATCH"),
    (32, "WAD_OUT_OF_RANGE"),
    (33, "DESCRIPTION_INVALID"),
    (34, "REQUEST_CONFLICT"),
    (35, "REQUEST_UNKNOWN"),
    (36, "REQUEST_LIMIT"),
    (40, "KEY_NOT_READY"),
    (41, "KEY_UNKNOWN"),
    (42, "CHAIN_UNAVAILABLE"),
    (43, "CHAIN_BEHIND"),
    (44, "CHAIN_ID_MISMATCH"),
    (45, "SLASHER_MISMATCH"),
    (46, "OPERATOR_NOT_SLASHABLE"),
    (47, "ACCOUNT_NOT_DEPLOYED"),
    (48, "NONCE_USED"),
    (49, "STRATEGY_NOT_IN_SET"),
    (50, "RIVAL_LOCKED"),
    (51, "EPOCH_MISMATCH"),
    (52, "COMMITMENT_UNKNOWN"),
    (53, "PACKAGE_INVALID"),
    (54, "PACKAGE_RIVAL"),
    (55, "DRAINING"),
    (56, "SUBJECT_UNKNOWN"),
    (57, "DIVERSITY_UNMET"),
    (58, "PEER_QUARANTINED"),
    (59, "INCARNATION_BEHIND"),
    (60, "DKG_MISSING"),
    (61, "DKG_EQUIVOCATION"),
    (62, "DKG_ECHO_MISMATCH"),
    (63, "DKG_ROUND1_INVALID"),
    (64, "DKG_SHARE_INVALID"),
    (65, "DKG_COMPLAINT_FALSE"),
    (66, "DKG_RESTARTED"),
    (67, "DKG_TRANSCRIPT_MISMATCH"),
    (68, "DKG_EXPIRED"),
    (69, "DKG_ABANDONED"),
    (70, "DKG_CONFLICT"),
    (71, "DKG_PROPOSAL_INVALID"),
    (72, "DKG_STOPPED"),
    (73, "GROUP_KEY_UNUSABLE"),
    (74, "SHARE_INVALID"),
    (80, "SHARE_MISSING"),
    (81, "RECORD_CORRUPT"),
    (82, "VAULT_REFUSED"),
    (90, "DEFINITION_INVALID"),
    (91, "PEER_NOT_QUARANTINED"),
    (120, "OPINION_SIGNATURE_INVALID"),
    (121, "PERSON_UNKNOWN"),
    (122, "PERSON_NOT_ALLOWED"),
    (123, "OPINION_TOO_LATE"),
    (124, "OPINION_OUTDATED"),
    (125, "REQUEST_VETOED"),
    (126, "REQUEST_REJECTED"),
    (130, "POLICY_WAD_TOO_SMALL"),
    (131, "POLICY_WAD_TOO_LARGE"),
    (132, "POLICY_LIFETIME_TOO_LONG"),
    (133, "POLICY_HOURS"),
    (134, "POLICY_APPROVALS_MISSING"),
    (135, "POLICY_BUDGET_SPENT"),
    (136, "POLICY_COOLDOWN"),
    (137, "POLICY_DELAY"),
    (138, "POLICY_DELAY_PAST_DEADLINE"),
    (139, "POLICY_RATE"),
    (140, "AUTHORITY_NOT_LISTED"),
    (141, "PURPOSE_MISMATCH"),
    (142, "CONTRACT_NOT_LISTED"),
    (143, "CALLDATA_INVALID"),
    (144, "CALL_NOT_LISTED"),
    (145, "CALL_REVERTS"),
    (146, "OPERATION_FIELD_INVALID"),
    (147, "SAFE_TRANSACTION_REFUSED"),
    (148, "BUDGET_LOCKED"),
    (149, "POLICY_BUDGET_EXCEEDED"),
    (150, "SLASH_HISTORY_UNAVAILABLE"),
    (151, "EVIDENCE_LOCKED"),
    (152, "NODE_PAUSED"),
    (153, "NETWORK_PAUSED"),
    (154, "NODE_NOT_PAUSED"),
    (155, "RESUME_APPROVALS_MISSING"),
    (156, "PAUSE_OUTDATED"),
    (157, "PAUSE_NUMBER_AHEAD"),
    (158, "PAUSE_NOT_DEFINED"),
    (159, "ACT_MISMATCH"),
    (160, "AUDIT_EDITED"),
    (161, "AUDIT_MISSING"),
    (162, "AUDIT_REORDERED"),
    (163, "AUDIT_INSERTED"),
    (164, "AUDIT_CUT"),
    (165, "AUDIT_REBUILT"),
    (166, "AUDIT_ENTRY_INVALID"),
    (167, "AUDIT_FORKED"),
    (168, "AUDIT_CHECKPOINT_INVALID"),
    (169, "SLASH_TAKES_NOTHING"),
    (170, "CHANGE_SIGNATURE_INVALID"),
    (171, "CHANGE_QUORUM_MISSING"),
    (172, "CHANGE_FORBIDDEN"),
    (173, "CHANGE_CONFLICT"),
    (174, "REQUESTER_EXPIRED"),
    (175, "CHANGE_TOO_FAR_AHEAD"),
    (176, "EVIDENCE_MISSING"),
    (177, "EVIDENCE_REJECTED"),
    (178, "EVIDENCE_UNCHECKED"),
    (179, "SLASH_TOO_LATE"),
    (188, "AUTHORITY_DIFFERS"),
    (189, "AUTHORITY_UNCHECKED"),
];

#[test]
fn numbers_and_names_are_pinned() {
    let actual: Vec<_> = Code::all().map(|code| (code.to_wire(), code.as_str())).collect();
    assert_eq!(actual, PINNED, "a number or a name moved; a new code is added here");
}

#[test]
fn unknown_numbers_are_no_code() {
    for number in (0..200).chain([u32::MAX]) {
        let listed = PINNED.iter().any(|(pinned, _)| *pinned == number);
        assert_eq!(Code::from_wire(number).is_some(), listed, "number {number}");
    }
}

#[test]
fn every_code_says_what_happened_and_what_to_do() {
    for code in Code::all() {
        assert!(code.cause().len() > 10 && !code.cause().ends_with('.'), "{code}");
        assert!(code.next_step().len() > 8, "{code}");
        assert_ne!(code.as_str(), "UNLISTED");
        let name = code.as_str();
        assert!(name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'), "{name}");
    }
}
