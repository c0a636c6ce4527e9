//! `firn policy`: what a definition's rules say, why a request waits, and what another definition would have said.

use super::request::definition_of;
use super::{NodeArgs, Output, document, print};
use crate::api::json::{FindingView, RequestBody, RequestView};
use crate::failure::{Exit, Failure};
use crate::host::read_definition;
use crate::runtime::wall_time;
use clap::{Args, Subcommand};
use firn_proto::code::{Code, Refusal};
use firn_proto::message::Status;
use firn_proto::opinion::Opinions;
use firn_proto::pause::witnesses;
use firn_proto::policy::{Moment, Role, Rule};
use firn_proto::request::Request;
use firn_proto::time::WallTime;
use firn_proto::{Definition, Operation};
use serde::Serialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Look at the rules of a network.
#[derive(Subcommand)]
pub(crate) enum PolicyCommand {
    /// Check a network.toml and show what its rules ask for.
    Check {
        /// The file.
        file: PathBuf,
    },
    /// Say which rules bind a request, by which numbers they hold or do not, and what would change that.
    Explain(ExplainArgs),
    /// Say what a network.toml would have said to requests that were signed under another.
    ///
    /// Nobody has approved in a simulation: what waits for approvals is shown as waiting.
    Simulate(SimulateArgs),
}

#[derive(Args)]
pub(crate) struct ExplainArgs {
    /// The request's id.
    id: String,
    /// The network definition, for who may still approve; the node's own where a data directory is given.
    #[arg(long, value_name = "FILE")]
    network: Option<PathBuf>,
    #[command(flatten)]
    node: NodeArgs,
}

#[derive(Args)]
pub(crate) struct SimulateArgs {
    /// The network.toml to try.
    file: PathBuf,
    /// Requests as they were posted: one JSON body a line.
    #[arg(long, value_name = "FILE")]
    requests: PathBuf,
    /// The network.toml under which they were signed.
    #[arg(long, value_name = "FILE")]
    network: PathBuf,
    /// The time at which they are judged, in seconds since the Unix epoch; now where it is not given.
    #[arg(long, value_name = "SECONDS")]
    at: Option<u64>,
}

pub(super) async fn run(command: PolicyCommand, output: Output) -> Result<(), Failure> {
    match command {
        PolicyCommand::Check { file } => check(&read_definition(&file)?, output),
        PolicyCommand::Explain(args) => explain(&args, output).await,
        PolicyCommand::Simulate(args) => simulate(&args, output),
    }
}

#[derive(Serialize)]
struct Checked {
    digest: String,
    policy: String,
    approvers: usize,
    veto_holders: usize,
    rules: Vec<RuleView>,
    /// What is allowed and may not be meant.
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct RuleView {
    name: String,
    asks_for: Vec<String>,
}

fn check(definition: &Definition, output: Output) -> Result<(), Failure> {
    let policy = &definition.policy;
    let count = |role: Role| policy.people.values().filter(|person| person.roles.contains(&role)).count();
    let checked = Checked {
        digest: definition.digest().to_string(),
        policy: policy.digest().to_string(),
        approvers: count(Role::Approver),
        veto_holders: count(Role::VetoHolder),
        rules: policy
            .rules
            .iter()
            .map(|(name, rule)| RuleView { name: name.clone(), asks_for: asks_for(rule) })
            .collect(),
        warnings: warnings(definition),
    };
    print(output, &document("firn.policy-check.v1", &checked), || {
        let mut text = format!(
            "digest   {}\npolicy   {}\npeople   {} approve, {} may veto\n",
            checked.digest, checked.policy, checked.approvers, checked.veto_holders
        );
        for rule in &checked.rules {
            let _ = writeln!(text, "rule     {}: {}", rule.name, rule.asks_for.join(", "));
        }
        checked.warnings.iter().for_each(|warning| _ = writeln!(text, "WARNING  {warning}"));
        text
    })
}

/// The names of its conditions, as network.toml has them, with their numbers.
fn asks_for(rule: &Rule) -> Vec<String> {
    let Rule { scope: _, wad_min, wad_max, lifetime_seconds_max, hours, approvals, .. } = rule;
    let Rule { budget, cooldown, delay_seconds, rate, .. } = rule;
    let conditions = [
        wad_min.map(|wad| format!("wad_min {wad}")),
        wad_max.map(|wad| format!("wad_max {wad}")),
        lifetime_seconds_max.map(|seconds| format!("lifetime_seconds_max {seconds}")),
        hours.as_ref().map(|hours| format!("hours {} to {}, {} days a week", hours.from, hours.to, hours.days.len())),
        approvals.map(|needed| format!("approvals {} people of {} organisations", needed.people, needed.organisations)),
        budget.map(|budget| format!("budget {} in {} s per {}", budget.wad_max, budget.seconds, budget.per.as_str())),
        cooldown.map(|pause| format!("cooldown {} s per {}", pause.seconds, pause.per.as_str())),
        delay_seconds.map(|seconds| format!("delay_seconds {seconds}")),
        rate.map(|rate| format!("rate {} requests in {} s", rate.requests, rate.seconds)),
    ];
    conditions.into_iter().flatten().collect()
}

fn warnings(definition: &Definition) -> Vec<String> {
    let policy = &definition.policy;
    let mut warnings = Vec::new();
    if !policy.people.values().any(|person| person.roles.contains(&Role::VetoHolder)) {
        warnings.push("nobody may veto".to_owned());
    }
    warnings.extend(pause_warnings(definition));
    let idle = policy.rules.iter().filter(|(_, rule)| asks_for(rule).is_empty());
    warnings.extend(idle.map(|(name, _)| format!("rule `{name}` asks for nothing")));
    for set in &definition.operator_sets {
        let binds_all = |rule: &&Rule| {
            let scope = &rule.scope;
            (scope.avs.is_empty() || scope.avs.contains(&set.avs))
                && (scope.operator_sets.is_empty() || scope.operator_sets.contains(&set.id))
                && scope.operators.is_empty()
                && scope.requesters.is_empty()
                && scope.wad_over.is_none()
        };
        if !policy.rules.values().filter(binds_all).any(|rule| rule.wad_max.is_some()) {
            warnings.push(format!("no rule sets a ceiling (wad_max) for all slashes in set {} of {}", set.id, set.avs));
        }
    }
    warnings
}

fn pause_warnings(definition: &Definition) -> Vec<String> {
    let mut warnings = Vec::new();
    match definition.policy.pause {
        None => warnings.push("nobody may pause the network: there is no [pause]".to_owned()),
        Some(quorums) if quorums.stop == quorums.resume => {
            warnings.push("the network is resumed by as few organisations as pause it".to_owned());
        }
        Some(_) => {}
    }
    for organisation in &definition.organisations {
        let own = definition.nodes.iter().find(|(_, node)| node.organisation == *organisation);
        let people = own.map(|(node, _)| witnesses(definition, *node).count()).filter(|people| *people < 2);
        warnings.extend(people.map(|people| {
            format!("a paused node of {organisation} resumes with {people} of its people: two should have a say")
        }));
    }
    warnings
}

#[derive(Serialize)]
struct Explanation {
    id: String,
    state: String,
    code: Option<String>,
    conditions: Vec<Explained>,
    /// People who may approve and have not, where the definition is at hand.
    may_approve: Vec<String>,
}

#[derive(Serialize)]
struct Explained {
    #[serde(flatten)]
    finding: FindingView,
    /// What would change the answer.
    remedy: Option<&'static str>,
}

async fn explain(args: &ExplainArgs, output: Output) -> Result<(), Failure> {
    let view = args.node.client()?.request(&args.id).await?;
    let definition = definition_of(args.network.as_deref(), &args.node).ok();
    let may_approve = definition.map(|definition| may_approve(&view, &definition)).unwrap_or_default();
    let explained = |finding: &FindingView| {
        let remedy = finding.code.as_deref().and_then(remedy).filter(|_| !finding.holds);
        Explained { finding: finding.clone(), remedy }
    };
    let conditions = view.policy.iter().map(explained).collect();
    let (id, state, code) = (view.id.clone(), view.state.clone(), view.code.clone());
    let explanation = Explanation { id, state, code, conditions, may_approve };
    print(output, &document("firn.policy-explanation.v1", &explanation), || explanation_text(&explanation))
}

fn explanation_text(explanation: &Explanation) -> String {
    let code = explanation.code.as_deref().map(|code| format!(" ({code})")).unwrap_or_default();
    let mut text = format!("{}\n{}{code}\n", explanation.id, explanation.state);
    if explanation.conditions.is_empty() {
        text.push_str("no rule binds it\n");
    }
    for Explained { finding, remedy } in &explanation.conditions {
        let word = if finding.holds { "holds" } else { "LACKS" };
        let _ = writeln!(text, "  {word}  rule `{}` {}", finding.rule, finding.detail);
        remedy.iter().for_each(|remedy| _ = writeln!(text, "         {remedy}"));
    }
    if let Some(remedy) = explanation.code.as_deref().and_then(remedy) {
        let _ = writeln!(text, "  {remedy}");
    }
    if explanation.conditions.iter().any(|explained| explained.remedy.is_some()) && !explanation.may_approve.is_empty()
    {
        let _ = writeln!(text, "  may still approve: {}", explanation.may_approve.join(", "));
    }
    text
}

fn remedy(code: &str) -> Option<&'static str> {
    Code::all().find(|known| known.as_str() == code).map(Code::next_step)
}

/// Approvers who have not approved, without those of the slashed operator's organisation.
fn may_approve(view: &RequestView, definition: &Definition) -> Vec<String> {
    let policy = &definition.policy;
    let operation = Operation::from_json(&view.operation).ok();
    let slash = operation.as_ref().and_then(|operation| operation.slash());
    let own = slash.and_then(|slash| policy.operators.get(&slash.operator));
    let approved = |name: &str| view.opinions.iter().any(|said| said.person == *name && said.decision == "approve");
    let people = policy.people.iter().filter(|(name, person)| {
        person.roles.contains(&Role::Approver) && Some(&person.organisation) != own && !approved(name)
    });
    people.map(|(name, person)| format!("{name} of {}", person.organisation)).collect()
}

#[derive(Serialize)]
struct Simulation {
    /// By the network.toml to try.
    definition: String,
    at: u64,
    requests: Vec<Simulated>,
    /// Requests that are answered otherwise than under the definition that they were signed for.
    changed: usize,
}

#[derive(Serialize)]
struct Simulated {
    id: String,
    title: String,
    verdict: Verdict,
    before: Verdict,
    /// What does not hold.
    lacks: Vec<FindingView>,
}

/// What a node would do with a request that nobody has approved yet.
#[derive(Clone, PartialEq, Eq, Serialize)]
struct Verdict {
    /// sign, wait or refuse.
    answer: &'static str,
    code: Option<String>,
}

fn simulate(args: &SimulateArgs, output: Output) -> Result<(), Failure> {
    let (old, new) = (read_definition(&args.network)?, read_definition(&args.file)?);
    let at = args.at.map_or_else(wall_time, WallTime);
    let requests: Vec<_> =
        read_requests(&args.requests, &old)?.iter().map(|request| simulated(request, &old, &new, at)).collect();
    let changed = requests.iter().filter(|request| request.verdict != request.before).count();
    let simulation = Simulation { definition: new.digest().to_string(), at: at.0, requests, changed };
    print(output, &document("firn.policy-simulation.v1", &simulation), || simulation_text(&simulation))
}

fn simulation_text(simulation: &Simulation) -> String {
    let mut text = String::new();
    for request in &simulation.requests {
        let word = |verdict: &Verdict| match &verdict.code {
            Some(code) => format!("{} ({code})", verdict.answer),
            None => verdict.answer.to_owned(),
        };
        let before = format!("; before: {}", word(&request.before));
        let before = if request.before == request.verdict { "" } else { &before };
        let _ = writeln!(text, "{}  {}{before}\n  {}", request.id, word(&request.verdict), request.title);
        request.lacks.iter().for_each(|lacks| _ = writeln!(text, "  rule `{}` {}", lacks.rule, lacks.detail));
    }
    let _ = writeln!(text, "{} of {} answered otherwise than before", simulation.changed, simulation.requests.len());
    text
}

fn simulated(request: &Request, old: &Definition, new: &Definition, at: WallTime) -> Simulated {
    let nobody = Opinions::default();
    let findings = new.policy.findings(new, request, &nobody, Moment::of_arrival(at));
    Simulated {
        id: request.id().to_string(),
        title: request.operation().render(new).title,
        verdict: verdict(request, new, at),
        before: verdict(request, old, at),
        lacks: findings.iter().filter(|finding| !finding.holds).map(FindingView::from).collect(),
    }
}

fn verdict(request: &Request, definition: &Definition, at: WallTime) -> Verdict {
    let code = |code: Code| Some(code.as_str().to_owned());
    if let Err(refusal) = request.operation().may_be_asked_by(request.requester(), definition) {
        return Verdict { answer: "refuse", code: code(refusal.code) };
    }
    if let Some((refused, _)) = definition.policy.refuses(definition, request, Moment::of_arrival(at)) {
        return Verdict { answer: "refuse", code: code(refused) };
    }
    // Of no organisation: nobody's own people have rejected anything.
    match definition.policy.permits(definition, request, &Opinions::default(), "", Moment::of_arrival(at)) {
        Ok(()) | Err(Status::Willing) => Verdict { answer: "sign", code: None },
        Err(Status::NotYet(reason)) => Verdict { answer: "wait", code: code(reason) },
        Err(Status::Declined(reason)) => Verdict { answer: "refuse", code: code(reason) },
    }
}

/// Every line's request, checked against the definition that it was signed under.
fn read_requests(path: &Path, definition: &Definition) -> Result<Vec<Request>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::new("REQUESTS_FILE", format!("{}: {error}", path.display()), "name a file", Exit::Failure)
    })?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let read = |(index, line): (usize, &str)| {
        let wrong = |what: String| {
            let cause = format!("{}, line {}: {what}", path.display(), index.saturating_add(1));
            let next = "put one body of POST /v1/requests on each line, and name the network.toml it was signed under";
            Failure::new("REQUESTS_FILE", cause, next, Exit::Refused)
        };
        let body: RequestBody = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
        let refused = |refusal: Refusal| wrong(refusal.to_string());
        body.to_signed().map_err(refused)?.verify(definition).map_err(refused)
    };
    lines.map(read).collect()
}
