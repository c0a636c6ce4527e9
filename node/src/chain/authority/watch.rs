//! A running node's surveys: at its start, and then again and again. What differs stops signing, and is said by name.

use super::{Accounts, Report, Standing, Surveyor};
use crate::chain::Chain;
use crate::chain::endpoints::Endpoints;
use crate::metrics::Metrics;
use crate::runtime::Call;
use firn_coordinator::Engine;
use firn_coordinator::api::Event;
use firn_proto::Definition;
use firn_proto::definition::Purpose;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Between two surveys: five questions a second at a hundred for each.
const PACE: Duration = Duration::from_secs(20);

/// What people see of an AVS's contracts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct View {
    pub(crate) avs: String,
    pub(crate) ok: bool,
    pub(crate) detail: String,
}

/// Surveys every AVS whose contracts are declared, until the node ends.
pub(crate) struct Watch {
    chain: Chain,
    definition: Definition,
    calls: mpsc::Sender<Call>,
    events: mpsc::Sender<Event>,
    metrics: Arc<Metrics>,
    views: watch::Sender<Vec<View>>,
}

impl Watch {
    /// A watch, and what people see of it.
    pub(crate) fn new(
        endpoints: Endpoints,
        definition: &Definition,
        calls: &mpsc::Sender<Call>,
        events: &mpsc::Sender<Event>,
        metrics: &Arc<Metrics>,
    ) -> (Self, watch::Receiver<Vec<View>>) {
        let chain = Chain::new(endpoints, definition);
        let (views, seen) = watch::channel(Vec::new());
        let (definition, calls, events) = (definition.clone(), calls.clone(), events.clone());
        (Self { chain, definition, calls, events, metrics: Arc::clone(metrics), views }, seen)
    }

    pub(crate) async fn run(self) {
        let mut surveyors: Vec<_> = self.definition.contracts.iter().filter_map(Surveyor::new).collect();
        let mut views: Vec<_> = surveyors
            .iter()
            .map(|surveyor| View { avs: surveyor.avs().to_string(), ok: false, detail: "not surveyed yet".to_owned() })
            .collect();
        self.views.send_replace(views.clone());
        if surveyors.is_empty() {
            // Ending would end the node.
            return std::future::pending().await;
        }
        let mut known = vec![BTreeSet::new(); surveyors.len()];
        let mut pace = tokio::time::interval(PACE);
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            pace.tick().await;
            let Some(accounts) = self.accounts().await else { continue };
            for ((surveyor, view), known) in surveyors.iter_mut().zip(&mut views).zip(&mut known) {
                let surveyed = surveyor.survey(&self.chain, &self.definition, &accounts).await;
                let avs = surveyor.avs();
                let stopped = match surveyed {
                    Ok(report) => {
                        *view = self.seen(&report, known);
                        report.differing().flat_map(|fact| fact.stops.iter().copied()).collect::<BTreeSet<Purpose>>()
                    }
                    // No finding: what was found before holds, and before the first nothing is signed that one could stop.
                    Err(code) => {
                        tracing::warn!(%avs, code = code.as_str(), next = code.next_step(), "authority_not_surveyed");
                        (view.ok, view.detail) = (false, format!("the last survey failed: {code}"));
                        continue;
                    }
                };
                if self.events.send(Event::AuthoritySurveyed { avs, stopped }).await.is_err() {
                    return;
                }
            }
            self.views.send_replace(views.clone());
        }
    }

    /// Says what is new in a survey: each fact that differs once, and each that does no more.
    fn seen(&self, report: &Report, known: &mut BTreeSet<String>) -> View {
        let before = std::mem::take(known);
        let avs = report.avs;
        for fact in report.differing().filter(|fact| !before.contains(&fact.name)) {
            let (fact, expected, found) = (&fact.name, &fact.expected, &fact.found);
            tracing::error!(%avs, fact, expected, found, block = report.block, "authority_differs");
        }
        let differing: BTreeSet<_> = report.differing().map(|fact| fact.name.clone()).collect();
        for fact in before.difference(&differing) {
            tracing::info!(%avs, fact, block = report.block, "authority_agrees");
        }
        let pending = report.facts.iter().filter(|fact| fact.standing == Standing::Pending).count();
        self.metrics.authority(&avs.to_string(), differing.len(), pending);
        let detail = match report.differing().next() {
            None => format!("{} facts as declared at block {}; {pending} pending", report.facts.len(), report.block),
            Some(first) => {
                let (count, name, block) = (differing.len(), &first.name, report.block);
                let (expected, found) = (&first.expected, &first.found);
                format!("{count} facts differ at block {block}; {name}: expected {expected}; found {found}")
            }
        };
        let ok = differing.is_empty();
        *known = differing;
        View { avs: avs.to_string(), ok, detail }
    }

    /// The accounts of the keys that this node knows.
    async fn accounts(&self) -> Option<Accounts> {
        let (answer, answered) = oneshot::channel();
        let look = move |engine: &Engine| {
            let active = engine.keys().into_iter().filter(|key| key.state == "active");
            let accounts = active.filter_map(|key| Some((key.name, key.account?))).collect();
            let _ = answer.send(accounts);
        };
        self.calls.send(Call::Look(Box::new(look))).await.ok()?;
        answered.await.ok()
    }
}
