use super::*;
use crate::random::Source;

fn committee(labels: &[(u64, u64)], threshold: usize, organisations_min: usize, regions_min: usize) -> Committee {
    Committee {
        nodes: (1..).take(labels.len()).map(NodeId).collect(),
        organisations: labels.iter().map(|(organisation, _)| format!("o{organisation}")).collect(),
        regions: labels.iter().map(|(_, region)| format!("r{region}")).collect(),
        threshold,
        organisations_min,
        regions_min,
    }
}

/// Whether some t of `set` meet the rule, by trying all.
fn eligible_by_force(committee: &Committee, set: Members) -> bool {
    (0..1u128 << committee.nodes.len()).map(Members).any(|chosen| {
        let distinct = |labels: &[String]| chosen.positions().map(|p| labels[p].clone()).collect::<BTreeSet<_>>().len();
        chosen.and(set) == chosen
            && usize::from(chosen.len()) == committee.threshold
            && distinct(&committee.organisations) >= committee.organisations_min
            && distinct(&committee.regions) >= committee.regions_min
    })
}

#[test]
fn eligibility_is_what_trying_all_subsets_says() {
    let mut both = [0, 0];
    for case in 0..400 {
        let draw = |bound, what, index| Source::new(case).below(bound, what, &[index]);
        let n = 3 + draw(5, "n", 0);
        let labels: Vec<_> = (0..n).map(|i| (draw(4, "organisation", i), draw(4, "region", i))).collect();
        let t = 1 + usize::try_from(draw(n, "t", 0)).unwrap();
        let minimum = |what| 1 + usize::try_from(draw(4, what, 0)).unwrap();
        let committee = committee(&labels, t, minimum("organisations"), minimum("regions"));
        let set = Members(u128::from(draw(1 << n, "set", 0)));
        let expected = eligible_by_force(&committee, set);
        both[usize::from(expected)] += 1;
        assert_eq!(committee.is_eligible(set), expected, "{committee:?} {set:?}");
    }
    assert!(both.iter().all(|count| *count > 40), "both answers occur: {both:?}");
}

#[test]
fn cliques_are_what_trying_all_subsets_says() {
    for case in 0..200 {
        let source = Source::new(case);
        let n = 1 + usize::try_from(source.below(7, "n", &[])).unwrap();
        let graph = Graph::new(n, |a, b| {
            let (low, high) = (a.min(b) as u64, a.max(b) as u64);
            source.below(4, "edge", &[low, high]) > 0
        });
        let is_clique = |set: Members| set.positions().all(|member| graph.of(member).and(set) == set);
        let all: Vec<_> = (1..1u128 << n).map(Members).filter(|set| is_clique(*set)).collect();
        let maximal = |set: &Members| !all.iter().any(|other| other != set && other.and(*set) == *set);
        let expected: BTreeSet<_> = all.iter().copied().filter(maximal).collect();
        let found = graph.cliques();
        assert_eq!(found.len(), expected.len(), "each once");
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected, "{graph:?}");
    }
}

#[test]
fn a_hundred_members_in_two_halves_and_a_bridge_are_searched_at_once() {
    let graph = Graph::new(100, |a, b| a == b || (a < 50) == (b < 50) || a == 99 || b == 99);
    let mut sizes: Vec<_> = graph.cliques().into_iter().map(Members::len).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [50, 51], "the bridge is in both");
}
