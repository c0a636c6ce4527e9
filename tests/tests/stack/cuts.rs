//! Links cut while a round is under way, and links that carry nothing in one direction.

use std::time::Duration;

use crate::lab::Lab;
use crate::process::{step, until, until_at};

pub(crate) fn coordinator_in_mid_round() {
    let lab = Lab::start();
    let others = [1, 2, 3, 4];
    let before = (lab.net.chain.shares(), lab.net.chain.slash_count());
    let id = step("cut off when the first share is on its way: another member takes over", || {
        let id = lab.net.ask(0, &lab.net.slash(8));
        until_at(Duration::from_millis(1), "a share to leave", || {
            let released = |log: String| log.lines().any(|line| line.contains(&id) && line.contains("share_released"));
            others.iter().any(|node| released(lab.net.log(*node))).then_some(()).ok_or_else(|| "none".to_owned())
        });
        lab.partition(&[&[0], &others]);
        for node in others {
            until(&format!("a signature at {}", lab.net.name(node)), || {
                let view = lab.net.request(node, &id)?;
                view["signature"].is_string().then_some(()).ok_or_else(|| view.to_string())
            });
        }
        id
    });
    assert!(others.iter().any(|node| lab.counts(*node, 0).lost > 0), "nothing was cut");
    step("healed: it learns the outcome, relays it as it is the first to, and coordinates again", || {
        lab.heal();
        lab.net.executed_once(0, &id, 8, before);
        lab.net.connected(&[0, 1, 2, 3, 4]);
        lab.net.slash_once(0, 5);
    });
}

pub(crate) fn one_way() {
    let lab = Lab::start();
    step("one direction between two members: requests at either are executed", || {
        lab.cut(&[0], &[1]);
        lab.net.slash_once(0, 4);
        lab.net.slash_once(1, 4);
    });
    let id = step("a member that hears everybody and reaches nobody: the others sign, its own request waits", || {
        lab.cut(&[0], &[1, 2, 3, 4]);
        let id = lab.net.ask(0, &lab.net.slash(4));
        lab.net.slash_once(2, 4);
        id
    });
    assert!((1..5).all(|node| lab.counts(0, node).lost > 0), "nothing was cut");
    step("healed: it is executed once", || {
        let before = (lab.net.chain.shares(), lab.net.chain.slash_count());
        assert!(lab.net.request(0, &id).expect("its view")["signature"].is_null(), "it reached nobody");
        lab.heal();
        lab.net.executed_once(0, &id, 4, before);
        lab.net.all().for_each(|node| drop(lab.net.in_state(node, &id, "executed")));
    });
}
