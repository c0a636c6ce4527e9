//! Partitions: who can sign while they last, and that everybody agrees when they have healed.

use serde_json::Value;

use crate::asking::missing;
use crate::lab::Lab;
use crate::process::{step, until};

pub(crate) fn three_against_two() {
    let lab = Lab::start();
    let (first, second) = step("3 | 2: the three sign, the two wait and say for whom", || {
        lab.partition(&[&[0, 1, 2], &[3, 4]]);
        let before = (lab.net.chain.shares(), lab.net.chain.slash_count());
        let second = lab.net.ask(3, &lab.net.slash(5));
        let first = lab.net.ask(0, &lab.net.slash(8));
        for node in [0, 1, 2] {
            lab.net.executed_once(node, &first, 8, before);
        }
        stays_unsigned(&lab, 3, &second);
        (first, second)
    });
    assert!(lab.counts(0, 3).lost > 0 && lab.counts(3, 0).lost > 0, "nothing was cut");
    step("healed: the two learn the outcome, and their own request is executed once", || {
        let before = (lab.net.chain.shares(), lab.net.chain.slash_count());
        lab.heal();
        lab.net.executed_once(3, &second, 5, before);
        everybody_knows(&lab, &[&first, &second]);
    });
}

pub(crate) fn two_two_and_one() {
    let lab = Lab::start();
    let ids = step("2 | 2 | 1: nobody can sign, and each side says whom it misses", || {
        lab.partition(&[&[0, 1], &[2, 3], &[4]]);
        let ids = [0, 2, 4].map(|node| (node, lab.net.ask(node, &lab.net.slash(2))));
        ids.iter().for_each(|(node, id)| stays_unsigned(&lab, *node, id));
        ids
    });
    assert_eq!(lab.net.chain.slash_count(), 0);
    step("healed: each is executed once", || {
        lab.heal();
        everybody_knows(&lab, &ids.each_ref().map(|(_, id)| id.as_str()));
        assert_eq!(lab.net.chain.slash_count(), 3);
        assert_eq!(lab.net.chain.executions(lab.net.account()).len(), 3);
    });
}

/// Blocks go by, more than a chance to sign, and the node names members that it misses.
fn stays_unsigned(lab: &Lab, node: usize, id: &str) {
    let from = lab.net.chain.finalised();
    until("the missing members to be named while blocks go by", || {
        lab.net.chain.mine(1);
        let view = lab.net.request(node, id)?;
        assert_eq!(view["signature"], Value::Null, "two of three must not suffice");
        let named = view["state"] == "waiting" && !missing(&view).is_empty();
        if named && lab.net.chain.finalised() > from + 8 { Ok(()) } else { Err(view.to_string()) }
    });
}

/// Every node shows each request as executed. One that was cut off may have it from the chain before it hears of the
/// signature, which at least t others hold.
fn everybody_knows(lab: &Lab, ids: &[&str]) {
    for id in ids {
        let views: Vec<_> = lab.net.all().map(|node| lab.net.in_state(node, id, "executed")).collect();
        let holders = views.iter().filter(|view| view["signature"].is_string()).count();
        assert!(holders >= 3, "{holders} nodes hold the signature: {views:?}");
    }
}
