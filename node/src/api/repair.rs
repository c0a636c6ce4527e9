//! Repairs of lost shares: asked for at the node that lost its share, consented to at its helpers.

use super::json::Accepted;
use super::json::pause::ApprovalsBody;
use super::json::repair::{RepairBody, RepairView, Repairs};
use super::keys::key_id;
use super::view::name;
use super::{Api, Refused, read};
use crate::runtime::wall_time;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use firn_coordinator::Engine;
use firn_coordinator::api::Command;
use firn_coordinator::view;
use firn_proto::pause;
use firn_proto::time::WallTime;
use firn_proto::{Code, Definition, NodeId, Refusal};
use rand_core::{OsRng, RngCore};

pub(super) async fn list(State(api): Api) -> Result<Json<Repairs>, Refused> {
    let repairs = api.look(Engine::repairs).await?;
    Ok(Json(Repairs { repairs: repairs.iter().map(|repair| view(repair, &api.definition)).collect() }))
}

/// Asks the helpers for this node's lost share.
pub(super) async fn ask(State(api): Api, body: Body) -> Result<(StatusCode, Json<Accepted>), Refused> {
    let RepairBody { name, helpers, within_seconds } = read(body).await?;
    let node = |named: &String| {
        let found = api.definition.nodes.iter().find(|(_, node)| node.name == *named).map(|(id, _)| *id);
        found.ok_or_else(|| Refusal::new(Code::SenderUnknown, named.clone()))
    };
    let helpers = helpers.map(|named| named.iter().map(node).collect::<Result<Vec<_>, _>>()).transpose()?;
    let mut salt = [0; 32];
    OsRng.fill_bytes(&mut salt);
    let deadline = WallTime(wall_time().0.saturating_add(within_seconds));
    let asked = name.clone();
    let repair = api.look(move |engine| engine.repair_of(&asked, helpers.as_deref(), deadline, salt)).await?;
    let repair = repair.map_err(|code| Refusal::new(code, name))?;
    let id = repair.id(api.definition.network_id());
    api.command(id.to_string(), Command::RepairKey(repair)).await
}

/// Helps another member to the share that it lost.
pub(super) async fn consent(
    State(api): Api,
    Path(id): Path<String>,
    body: Body,
) -> Result<(StatusCode, Json<Accepted>), Refused> {
    let (id, body) = (key_id(&id)?, read::<ApprovalsBody>(body).await?);
    let asked = api.look(Engine::repairs).await?.into_iter().find(|repair| repair.id == id);
    let asked = asked.ok_or_else(|| Refusal::new(Code::KeyUnknown, id.to_string()))?;
    let acts = body.acts(&api, &pause::consent(id), asked.deadline.0)?;
    api.command(id.to_string(), Command::ConsentRepair(id, acts)).await
}

fn view(repair: &view::RepairView, definition: &Definition) -> RepairView {
    let names = |nodes: &[NodeId]| nodes.iter().map(|node| name(*node, definition)).collect();
    RepairView {
        id: repair.id.to_string(),
        key_id: repair.key_id.to_string(),
        name: repair.name.clone(),
        epoch: repair.epoch.0,
        target: name(repair.target, definition),
        helpers: names(&repair.helpers),
        state: repair.state.to_owned(),
        deadline: repair.deadline.0,
        consented: names(&repair.consented),
        waiting_for: names(&repair.waiting_for),
        code: repair.code.map(|code| code.as_str().to_owned()),
    }
}
