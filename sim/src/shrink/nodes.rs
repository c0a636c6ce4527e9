//! Shrinking of what a scenario says about nodes.

use crate::scenario::{Fault, FaultKind, Moment, Renewal, Scenario};
use firn_proto::NodeId;

/// Without one node, and with this threshold; nothing if that is no scenario.
pub(super) fn without(scenario: &Scenario, gone: NodeId, threshold: u16) -> Option<Scenario> {
    let mut smaller = scenario.clone();
    remove_place(&mut smaller, gone)?;
    smaller.key.threshold = threshold;
    let sets = smaller.key.renewals.iter_mut().flat_map(|renewal| [&mut renewal.add, &mut renewal.remove]);
    for set in sets.chain([&mut smaller.key.members]) {
        *set = set.iter().filter_map(|node| renumbered(*node, gone)).collect();
    }
    // All of them are nobody in particular.
    if smaller.key.members.len() == usize::from(smaller.node_count()) {
        smaller.key.members.clear();
    }
    smaller.renewals_fit().then_some(())?;
    smaller.key.organisations_min = smaller.key.organisations_min.min(threshold);
    smaller.key.regions_min = smaller.key.regions_min.min(threshold);
    smaller.key.repairs.retain(|repair| repair.node != gone);
    smaller.key.repairs.iter_mut().try_for_each(|repair| renumber(&mut repair.node, gone))?;
    smaller.byzantine.retain(|byzantine| byzantine.node != gone);
    for byzantine in &mut smaller.byzantine {
        byzantine.node = renumbered(byzantine.node, gone)?;
    }
    for workload in &mut smaller.workload {
        workload.to = workload.to.iter().filter_map(|node| renumbered(*node, gone)).collect();
    }
    smaller.workload.retain(|workload| !workload.to.is_empty());
    smaller.people.iter_mut().try_for_each(|person| renumber(&mut person.node, gone))?;
    smaller.pauses.iter_mut().try_for_each(|pause| renumber(&mut pause.node, gone))?;
    smaller.versions.iter_mut().try_for_each(|version| renumber(&mut version.node, gone))?;
    let names: Vec<_> = smaller.organisations.iter().map(|organisation| organisation.name.clone()).collect();
    let known = |name: &String| names.contains(name);
    let signs = smaller.versions.iter().all(|version| version.signers.iter().chain(&version.expels).all(known));
    (signs && smaller.people.iter().all(|person| known(&person.organisation))).then_some(())?;
    smaller.faults = smaller.faults.into_iter().filter_map(|fault| without_node(fault, gone)).collect();
    Some(smaller)
}

/// The node's new id; nothing for the one that is gone.
fn renumbered(node: NodeId, gone: NodeId) -> Option<NodeId> {
    match node.0.cmp(&gone.0) {
        std::cmp::Ordering::Less => Some(node),
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Greater => Some(NodeId(node.0 - 1)),
    }
}

/// Pauses without people that are no more.
pub(super) fn forget_strangers(scenario: &mut Scenario) {
    let names: Vec<_> = scenario.people.iter().map(|person| person.name.clone()).collect();
    scenario.pauses.retain_mut(|pause| {
        let of_network = !pause.people.is_empty();
        pause.people.retain(|name| names.contains(name));
        pause.resume.retain(|name| names.contains(name));
        !of_network || !pause.people.is_empty()
    });
}

fn renumber(node: &mut NodeId, gone: NodeId) -> Option<()> {
    *node = renumbered(*node, gone)?;
    Some(())
}

fn remove_place(scenario: &mut Scenario, gone: NodeId) -> Option<()> {
    let mut before = gone.0.checked_sub(1)?;
    let regions = scenario.organisations.iter_mut().flat_map(|organisation| &mut organisation.nodes);
    for (_, count) in regions {
        if before < *count {
            *count -= 1;
            break;
        }
        before -= *count;
    }
    for organisation in &mut scenario.organisations {
        organisation.nodes.retain(|(_, count)| *count > 0);
    }
    scenario.organisations.retain(|organisation| !organisation.nodes.is_empty());
    (!scenario.organisations.is_empty()).then_some(())
}

fn without_node(mut fault: Fault, gone: NodeId) -> Option<Fault> {
    if let Moment::When { node, .. } = &mut fault.begin {
        *node = renumbered(*node, gone)?;
    }
    if let FaultKind::Partition { groups } = &mut fault.kind {
        groups.iter_mut().for_each(|group| *group = group.iter().filter_map(|node| renumbered(*node, gone)).collect());
        groups.retain(|group| !group.is_empty());
        return (groups.len() > 1).then_some(fault);
    }
    if let Some(node) = single(&mut fault.kind) {
        *node = renumbered(*node, gone)?;
    }
    for set in sets(&mut fault.kind) {
        *set = set.iter().filter_map(|node| renumbered(*node, gone)).collect();
        if set.is_empty() {
            return None;
        }
    }
    Some(fault)
}

/// Keeps the first node of each set only.
pub(super) fn fewer(kind: &mut FaultKind) {
    sets(kind).into_iter().for_each(|set| set.truncate(1));
}

/// All nodes where the first one is: delays become short and alike.
pub(super) fn into_one_region(scenario: &mut Scenario) {
    let regions = scenario.organisations.iter().flat_map(|organisation| &organisation.nodes);
    let Some(region) = regions.map(|(region, _)| region.clone()).next() else { return };
    for organisation in &mut scenario.organisations {
        let count = organisation.nodes.iter().map(|(_, count)| count).sum();
        organisation.nodes = vec![(region.clone(), count)];
    }
}

/// All nodes in the first organisation, where they are in one region already. Ids stay what they are.
pub(super) fn into_one_organisation(scenario: &mut Scenario) {
    let reshares = scenario.key.renewals.iter().any(Renewal::is_reshare);
    if reshares || !scenario.people.is_empty() || !scenario.versions.is_empty() {
        return;
    }
    let n = scenario.node_count();
    let mut regions: Vec<_> = scenario
        .organisations
        .iter()
        .flat_map(|organisation| &organisation.nodes)
        .map(|(region, _)| region.clone())
        .collect();
    regions.dedup();
    if let ([_], Some(first)) = (regions.as_slice(), scenario.organisations.first_mut()) {
        first.nodes = regions.into_iter().map(|region| (region, n)).collect();
        first.cloud = None;
        scenario.organisations.truncate(1);
    }
}

fn single(kind: &mut FaultKind) -> Option<&mut NodeId> {
    match kind {
        FaultKind::Rollback { node, .. }
        | FaultKind::Twin { node }
        | FaultKind::Wipe { node }
        | FaultKind::BitFlip { node }
        | FaultKind::EntropyRepeat { node } => Some(node),
        _ => None,
    }
}

fn sets(kind: &mut FaultKind) -> Vec<&mut Vec<NodeId>> {
    match kind {
        FaultKind::OneWay { from, to }
        | FaultKind::Flapping { from, to, .. }
        | FaultKind::Jam { from, to }
        | FaultKind::Slow { from, to, .. }
        | FaultKind::Lossy { from, to, .. }
        | FaultKind::Bandwidth { from, to, .. }
        | FaultKind::Filter { from, to, .. }
        | FaultKind::Duplicate { from, to, .. }
        | FaultKind::Reorder { from, to, .. }
        | FaultKind::Reset { from, to } => vec![from, to],
        FaultKind::Swizzle { nodes }
        | FaultKind::Crash { nodes }
        | FaultKind::Rolling { nodes }
        | FaultKind::Pause { nodes }
        | FaultKind::SlowCpu { nodes, .. }
        | FaultKind::SlowDisk { nodes, .. }
        | FaultKind::LyingSync { nodes }
        | FaultKind::DiskFull { nodes }
        | FaultKind::ClockOffset { nodes, .. }
        | FaultKind::ClockDrift { nodes, .. }
        | FaultKind::ClockFreeze { nodes }
        | FaultKind::ChainDown { nodes }
        | FaultKind::ChainLag { nodes, .. }
        | FaultKind::LyingEndpoint { nodes, .. }
        | FaultKind::MuddledOutcomes { nodes } => vec![nodes],
        FaultKind::Partition { .. }
        | FaultKind::Rollback { .. }
        | FaultKind::Twin { .. }
        | FaultKind::Wipe { .. }
        | FaultKind::BitFlip { .. }
        | FaultKind::EntropyRepeat { .. }
        | FaultKind::Reorg { .. }
        | FaultKind::FinalityStall
        | FaultKind::GasSpike { .. } => Vec::new(),
    }
}
