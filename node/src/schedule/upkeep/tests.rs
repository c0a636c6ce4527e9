//! When a node begins a refresh, and when it leaves that be.

use super::*;
use crate::testing::definition;

/// Three in the morning.
const NOW: u64 = 20_000 * 86_400 + 3 * 3_600;

/// A view of the key `slash` as the definition lists it.
fn key(epoch: u32, state: &'static str, since: u64) -> KeyView {
    let definition = definition();
    let listed = definition.key("slash").unwrap();
    let (threshold, members) = (listed.threshold, listed.members.clone());
    KeyView { threshold, members, ..super::super::tests::epoch(&definition, state, epoch, since, 0) }
}

/// What a node begins at a time whose shares are refreshed when they are 1,000 seconds old.
struct Case {
    refreshes: Refreshes,
    me: u16,
    connected: Vec<u16>,
    now: u64,
}

impl Case {
    fn new() -> Self {
        let window = Window::try_from("02:00-04:00".to_owned()).unwrap();
        let refreshes = Refreshes { after: 1_000, window, asked: BTreeMap::new() };
        Self { refreshes, me: 1, connected: (1..=5).collect(), now: NOW }
    }

    fn begins(&self, keys: &[KeyView]) -> bool {
        let connected = self.connected.iter().map(|node| NodeId(*node)).collect();
        let (definition, me, now) = (&definition(), NodeId(self.me), self.now);
        let begun = self.refreshes.due(&Facts { now, definition, me, keys, connected: &connected, block: 0 });
        assert!(begun.is_empty() || begun == ["slash"], "{begun:?}");
        !begun.is_empty()
    }
}

#[test]
fn r56_a_refresh_begins_in_its_hours_when_shares_are_old_and_all_are_there() {
    let old = || [key(0, "retired", 1), key(1, "active", NOW - 1_000)];
    assert!(Case::new().begins(&old()));
    assert!(!Case::new().begins(&[key(1, "active", NOW - 999)]), "it is not old enough");
    assert!(!Case::new().begins(&[key(1, "active", 0)]), "nobody knows how old it is");
    assert!(!Case::new().begins(&[key(1, "certified", NOW - 2_000)]), "nothing signs yet");
    for outside in [NOW - 3_601, NOW + 3_600] {
        let keys = [key(1, "active", outside - 5_000)];
        assert!(!Case { now: outside, ..Case::new() }.begins(&keys), "outside its hours");
    }
    assert!(!Case { connected: vec![1, 2, 3, 4], ..Case::new() }.begins(&old()), "one is away");
    for state in ["proposed", "accepting", "certifying", "undecided", "certified"] {
        assert!(!Case::new().begins(&[key(1, "active", 1), key(2, state, 0)]), "one is under way: {state}");
    }
    for state in ["aborted", "abandoned", "given-up"] {
        assert!(Case::new().begins(&[key(1, "active", 1), key(2, state, 0)]), "one has failed: {state}");
    }
    let mut other = key(1, "active", 1);
    other.threshold -= 1;
    assert!(!Case::new().begins(&[other]), "this would be a resharing");
}

#[test]
fn members_begin_one_after_the_other_and_once_while_the_window_is_open() {
    // Shares that came of age in the window, and shares that were old when it opened an hour ago.
    let at = |me: u16, age: u64| Case { me, ..Case::new() }.begins(&[key(1, "active", NOW - age)]);
    assert_eq!((at(2, 1_599), at(2, 1_600), at(5, 3_399), at(5, 3_400)), (false, true, false, true));
    let opened = |me: u16, seconds: u64| {
        Case { me, now: NOW - 3_600 + seconds, ..Case::new() }.begins(&[key(1, "active", NOW - 90_000)])
    };
    assert_eq!((opened(1, 0), opened(2, 599), opened(2, 600), opened(5, 2_400)), (true, false, true, true));
    let (mut case, keys) = (Case::new(), [key(1, "active", NOW - 90_000)]);
    case.refreshes.asked.insert("slash".to_owned(), NOW - 3_600);
    assert!(!case.begins(&keys), "it was begun since the window opened");
    case.now += 86_400;
    assert!(case.begins(&keys), "the next day");
}

#[test]
fn r53_what_a_node_is_to_have_a_share_of_is_what_its_backup_has_to_hold() {
    let keys = [key(0, "retired", 1), key(1, "active", 1), key(2, "certified", 0), key(3, "aborted", 0)];
    assert_eq!(ours(&keys, NodeId(1)), [keys[1].key_id, keys[2].key_id].into());
    assert_eq!(ours(&keys, NodeId(9)), BTreeSet::new(), "it is no member");
}
