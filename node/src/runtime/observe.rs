//! Log lines out of observations. Every line about a request carries its id; none carries a secret.

use firn_coordinator::api::Observation;
use firn_proto::{Code, NodeId};

/// Writes an observation as one log line with a stable event name.
pub(super) fn log(observation: &Observation) {
    match observation {
        Observation::KeyPhase { key_id, phase } => tracing::info!(key = %key_id, phase, "key_phase"),
        Observation::KeyEnded { key_id, code, missing, culprit } => tracing::warn!(
            key = %key_id,
            code = code.as_str(),
            missing = ?missing.iter().map(|id| id.0).collect::<Vec<_>>(),
            culprit = culprit.map(|id| id.0),
            "key_ended"
        ),
        Observation::Subject { subject, state, code } => {
            tracing::info!(request = %subject, state, code = code.map(Code::as_str), "request_state");
        }
        Observation::ShareReleased { subject, coordinator } => {
            tracing::info!(request = %subject, coordinator = coordinator.0, "share_released");
        }
        Observation::AttemptOpened { subject, attempt, signers } => {
            tracing::info!(request = %subject, attempt, signers = ?numbers(signers), "attempt_opened");
        }
        Observation::Evidence { culprit, code, envelopes } => {
            // The envelopes themselves are kept in the audit log.
            tracing::error!(culprit = culprit.0, code = code.as_str(), envelopes = envelopes.len(), "evidence");
        }
        Observation::Quarantine { peer, seen, met, over: false } => {
            let code = Code::PeerQuarantined;
            let (seen, met, next) = (seen.count(), met.count(), code.next_step());
            tracing::error!(peer = peer.0, seen, met, code = code.as_str(), next, "quarantine");
        }
        Observation::Quarantine { peer, met, .. } => {
            tracing::warn!(peer = peer.0, met = met.count(), "quarantine_over");
        }
        Observation::Version { digest, state } => tracing::info!(definition = %digest, state, "definition_version"),
        Observation::Elsewhere { peer, ours, theirs } => {
            let code = Code::DefinitionMismatch.as_str();
            tracing::warn!(peer = peer.0, code, %ours, %theirs, "peer_on_another_version");
        }
        Observation::Pause { network, paused } => {
            let scope = if *network { "network" } else { "node" };
            tracing::warn!(scope, paused, "pause");
        }
        Observation::Ignored { from, session, code } => {
            tracing::debug!(peer = from.0, session = %session.0, code = code.as_str(), "ignored");
        }
    }
}

fn numbers(nodes: &[NodeId]) -> Vec<u16> {
    nodes.iter().map(|node| node.0).collect()
}
