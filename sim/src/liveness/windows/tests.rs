use super::*;
use firn_proto::NodeId;

fn committee() -> Committee {
    Committee::plain((1..=5).map(NodeId), 3)
}

fn among(groups: &[&[usize]]) -> Graph {
    Graph::new(5, |a, b| groups.iter().any(|group| group.contains(&a) && group.contains(&b)))
}

fn all() -> Members {
    Members::of(0..5)
}

#[test]
fn a_set_that_stays_is_a_core_through_changes_elsewhere() {
    let mut windows = Windows::default();
    windows.change(10, &committee(), &among(&[&[0, 1, 2, 3, 4]]), all(), Members::default());
    windows.change(20, &committee(), &among(&[&[0, 1, 2], &[3, 4]]), all(), Members::default());
    windows.change(30, &committee(), &among(&[&[0, 1, 2, 3, 4]]), all(), Members::default());
    assert_eq!(windows.longest(40), 30, "0, 1 and 2 have been together since 10");
    let oldest: Vec<_> = windows.open().next().unwrap().cores.clone();
    assert_eq!(oldest, [Members::of(0..3)]);
}

#[test]
fn one_set_after_the_other_is_no_core() {
    let mut windows = Windows::default();
    windows.change(10, &committee(), &among(&[&[0, 1, 2], &[3, 4]]), all(), Members::default());
    windows.change(20, &committee(), &among(&[&[0, 1], &[2, 3, 4]]), all(), Members::default());
    assert_eq!(windows.longest(40), 20, "the second set has been together since 20");
    windows.change(50, &committee(), &among(&[&[0, 1], &[2], &[3, 4]]), all(), Members::default());
    assert_eq!(windows.longest(60), 0);
    assert_eq!(windows.open().count(), 0);
}

#[test]
fn a_core_begins_when_one_of_it_knows() {
    let mut windows = Windows::default();
    let graph = among(&[&[0, 1, 2], &[3, 4]]);
    windows.change(10, &committee(), &graph, Members::of([3]), Members::default());
    assert_eq!(windows.longest(20), 0, "who knows is not in the core");
    windows.change(30, &committee(), &graph, Members::of([1, 3]), Members::default());
    assert_eq!(windows.longest(50), 20);
}

#[test]
fn no_change_opens_no_further_window() {
    let mut windows = Windows::default();
    for at in 0..100 {
        windows.change(at, &committee(), &among(&[&[0, 1, 2, 3, 4]]), all(), Members::default());
    }
    assert_eq!(windows.open().count(), 1);
    assert_eq!(windows.longest(100), 100);
}
