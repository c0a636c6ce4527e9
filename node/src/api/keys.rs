//! Keys over HTTP: every epoch of each, and the ceremonies that its operator begins, agrees to and gives up.

use super::json::{Accepted, Keys, NextEpoch, ProposeBody};
use super::{Api, Refused, Shared, read};
use crate::runtime::wall_time;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use firn_coordinator::Engine;
use firn_coordinator::api::Command;
use firn_proto::certificate::{KeyProposal, KeySource};
use firn_proto::time::WallTime;
use firn_proto::{Code, Digest, KeyId, Refusal};
use rand_core::{OsRng, RngCore};

pub(super) async fn list(State(api): Api) -> Result<Json<Keys>, Refused> {
    let keys = api.look(Engine::keys).await?;
    Ok(Json(Keys { keys: api.key_views(&keys) }))
}

pub(super) async fn propose(State(api): Api, body: Body) -> Result<(StatusCode, Json<Accepted>), Refused> {
    api.propose_key(read(body).await?).await
}

pub(super) async fn accept(State(api): Api, Path(id): Path<String>) -> Result<(StatusCode, Json<Accepted>), Refused> {
    let key_id = key_id(&id)?;
    api.command(key_id.to_string(), Command::AcceptKey(key_id)).await
}

pub(super) async fn abandon(State(api): Api, Path(id): Path<String>) -> Result<(StatusCode, Json<Accepted>), Refused> {
    let key_id = key_id(&id)?;
    api.command(key_id.to_string(), Command::AbandonKey(key_id)).await
}

impl Shared {
    /// Proposes a key, or the next epoch of one, and accepts it here.
    pub(crate) async fn propose_key(&self, body: ProposeBody) -> Result<(StatusCode, Json<Accepted>), Refused> {
        let mut salt = [0; 32];
        OsRng.fill_bytes(&mut salt);
        let from = match body.next {
            Some(next) => Some(self.next_epoch(&body.name, next).await?),
            None => None,
        };
        let proposal = KeyProposal {
            key_name: body.name,
            proposer: self.me,
            deadline: WallTime(wall_time().0.saturating_add(body.within_seconds)),
            salt,
            definition: self.definition.digest(),
            from,
        };
        let key_id = proposal.key_id(self.definition.network_id());
        self.command(key_id.to_string(), Command::ProposeKey(proposal)).await
    }

    /// The epoch that the next one comes of, where that is what was asked for.
    async fn next_epoch(&self, name: &str, next: NextEpoch) -> Result<KeySource, Refused> {
        let named = name.to_owned();
        let found = self.look(move |engine| Some((engine.key_source(&named)?, engine.keys()))).await?;
        let (source, keys) = found.ok_or_else(|| Refusal::new(Code::KeyNotReady, name.to_owned()))?;
        let signing = keys.iter().find(|key| key.key_id == source.key_id);
        let stay = signing.zip(self.definition.key(name)).is_some_and(|(signing, listed)| signing.is_as_listed(listed));
        if stay != (next == NextEpoch::Refresh) {
            let detail = match next {
                NextEpoch::Refresh => format!("the definition has other members of key {name}: this is a resharing"),
                NextEpoch::Reshare => format!(
                    "the definition has the members of key {name} that sign now: change it first, with `firn member`"
                ),
            };
            return Err(Refusal::new(Code::DkgProposalInvalid, detail).into());
        }
        Ok(source)
    }
}

pub(super) fn key_id(text: &str) -> Result<KeyId, Refused> {
    Digest::from_hex(text).map(KeyId).ok_or_else(|| Refusal::new(Code::KeyUnknown, text).into())
}
