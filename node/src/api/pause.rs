//! Pauses: this node's own for its operator, the network's for veto holders.

use super::json::pause::{ApprovalsBody, PauseBody, PausesView, RestoredView, SaidView};
use super::json::{self, Accepted};
use super::{Api, Refused, Shared, read};
use crate::runtime::Call;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;
use firn_coordinator::Engine;
use firn_coordinator::api::Command;
use firn_coordinator::view::PauseView;
use firn_proto::pause::{Act, RESUME, SignedAct};
use firn_proto::{Code, Definition, NodeId, Refusal};

/// More signatures than a node's organisation can have people with a say are a mistake.
const APPROVALS_MAX: usize = 16;

pub(super) async fn show(State(api): Api) -> Result<Json<PausesView>, Refused> {
    let pauses = api.look(Engine::pauses).await?;
    Ok(Json(view(&pauses, &api.definition)))
}

/// This node lends nothing from here on.
pub(super) async fn pause(State(api): Api) -> Result<(StatusCode, Json<Accepted>), Refused> {
    api.command("pause".to_owned(), Command::Pause).await
}

/// Lends shares again, if enough people of this node's organisation have signed that about the pause that stands.
pub(super) async fn resume(State(api): Api, body: Body) -> Result<(StatusCode, Json<Accepted>), Refused> {
    let body: ApprovalsBody = read(body).await?;
    let number = api.look(Engine::pauses).await?.own.ok_or(Code::NodeNotPaused)?;
    let acts = body.acts(&api, RESUME, number)?;
    api.command("resume".to_owned(), Command::Resume(acts)).await
}

impl ApprovalsBody {
    /// What people have signed about an act of this node.
    pub(super) fn acts(&self, api: &Shared, what: &str, number: u64) -> Result<Vec<Act>, Refusal> {
        if self.approvals.len() > APPROVALS_MAX {
            return Err(Refusal::new(Code::RequestMalformed, format!("at most {APPROVALS_MAX} approvals")));
        }
        self.approvals.iter().map(|text| agreement(api, what, number, text)).collect()
    }
}

fn agreement(api: &Shared, what: &str, number: u64, text: &str) -> Result<Act, Refusal> {
    let signed = SignedAct { what: what.to_owned(), node: api.me, number, signature: json::signature(text)? };
    signed.verify(&api.definition).map_err(|refusal| match refusal.code {
        // Over something else it is the signature of nobody.
        Code::PersonUnknown => {
            Refusal::new(Code::ActMismatch, format!("by nobody over `{what}`, {number}: {}", refusal.detail))
        }
        _ => refusal,
    })
}

/// Needs no token: the veto holder signed it.
pub(super) async fn say(State(api): Api, body: Body) -> Result<(StatusCode, Json<Accepted>), Refused> {
    let body: PauseBody = read(body).await?;
    let pause = body.to_signed()?.verify(&api.definition)?;
    let id = pause.session().0.to_string();
    api.settle(|answer| Call::Pause(Box::new(pause), answer)).await?;
    Ok((StatusCode::ACCEPTED, Json(Accepted { id })))
}

pub(super) fn view(pauses: &PauseView, definition: &Definition) -> PausesView {
    let quorums = definition.policy.pause;
    let organisation = |person: &str| definition.policy.people.get(person).map(|person| person.organisation.clone());
    let name = |id: &NodeId| definition.nodes.get(id).map(|node| node.name.clone()).unwrap_or_default();
    let names = |nodes: &[NodeId]| nodes.iter().map(name).collect();
    let restored = pauses.restored.as_ref().map(|restored| RestoredView {
        confirmed_by: names(&restored.confirmed),
        waiting_for: names(&restored.missing),
        code: restored.code.map(|code| code.as_str().to_owned()),
    });
    PausesView {
        node: pauses.own,
        restored,
        network: pauses.network,
        stop: quorums.map(|quorums| quorums.stop),
        resume: quorums.map(|quorums| quorums.resume),
        next_number: pauses.next_number,
        said: pauses
            .said
            .iter()
            .map(|said| SaidView {
                person: said.person().to_owned(),
                organisation: organisation(said.person()).unwrap_or_default(),
                paused: said.signed().paused,
                number: said.signed().number,
            })
            .collect(),
    }
}
