//! When a node begins a refresh, and when it leaves that be.

use super::*;
use crate::testing::definition;
use firn_proto::{Digest, Epoch, NodeId};

/// Three in the morning.
const NOW: u64 = 20_000 * 86_400 + 3 * 3_600;

/// A view of the key `slash` as the definition lists it.
fn key(epoch: u32, state: &'static str, since: u64) -> KeyView {
    let definition = definition();
    let listed = definition.key("slash").unwrap();
    KeyView {
        key_id: KeyId(Digest([u8::try_from(epoch).unwrap(); 32])),
        name: "slash".to_owned(),
        state,
        proposer: NodeId(1),
        epoch: Epoch(epoch),
        threshold: listed.threshold,
        since,
        members: listed.members.clone(),
        group_key: None,
        account: None,
        certified_by: Vec::new(),
        waiting_for: Vec::new(),
        code: None,
        culprit: None,
    }
}

/// What a node begins at a time whose shares are refreshed when they are 1,000 seconds old.
struct Case {
    refreshes: Refreshes,
    me: u16,
    connected: Vec<u16>,
    now: u64,
    safe: Option<BTreeSet<KeyId>>,
}

impl Case {
    fn new() -> Self {
        let window = Window::try_from("02:00-04:00".to_owned()).unwrap();
        let refreshes = Refreshes { after: 1_000, window, asked: BTreeMap::new() };
        Self { refreshes, me: 1, connected: (1..=5).collect(), now: NOW, safe: None }
    }

    fn begins(&mut self, keys: &[KeyView]) -> bool {
        let connected = self.connected.iter().map(|node| NodeId(*node)).collect();
        let (definition, me, now) = (&definition(), NodeId(self.me), self.now);
        let facts = Facts { now, definition, me, keys, connected: &connected, block: 0 };
        let begun = self.refreshes.begin(&facts, self.safe.as_ref());
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
    for state in ["aborted", "abandoned"] {
        assert!(Case::new().begins(&[key(1, "active", 1), key(2, state, 0)]), "one has failed: {state}");
    }
    let mut other = key(1, "active", 1);
    other.threshold -= 1;
    assert!(!Case::new().begins(&[other]), "this would be a resharing");
}

#[test]
fn r53_a_refresh_begins_only_where_the_shares_of_now_are_backed_up() {
    let keys = [key(0, "retired", 1), key(1, "active", NOW - 1_000)];
    let safe = |of: &[usize]| Case { safe: Some(of.iter().map(|key| keys[*key].key_id).collect()), ..Case::new() };
    assert!(!safe(&[]).begins(&keys), "there is no backup");
    assert!(!safe(&[0]).begins(&keys), "the backup is of the epoch before");
    assert!(safe(&[1]).begins(&keys));
}

#[test]
fn members_begin_one_after_the_other_and_not_again_and_again() {
    let at = |me: u16, age: u64| Case { me, ..Case::new() }.begins(&[key(1, "active", NOW - age)]);
    assert_eq!((at(2, 1_599), at(2, 1_600), at(5, 3_399), at(5, 3_400)), (false, true, false, true));
    let (mut case, keys) = (Case::new(), [key(1, "active", NOW - 1_000)]);
    assert!(case.begins(&keys));
    case.now += 899;
    assert!(!case.begins(&keys));
    case.now += 1;
    assert!(case.begins(&keys));
}
