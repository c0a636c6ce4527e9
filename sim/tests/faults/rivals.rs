//! Two requests with one requester nonce, each known to a part of the members before it hears of the other.

use crate::stage::{MINUTE, alive, delivered, ready, slash_of};
use firn_proto::NodeId;

/// Messages in a minute at which nothing changes: five coordinators at most, each of which calls four members every 15 s
/// and hears from them, 4 x 5 x 8. A loop at round-trip speed takes thousands.
const QUIET_MINUTE_MESSAGES: usize = 160;

#[test]
fn rivals_that_block_each_other_leave_the_network_quiet() {
    let mut world = ready(1, 4, 5);
    let (first, second) = (slash_of(&world, 1, 80), slash_of(&world, 1, 90));
    (1..=3).for_each(|node| world.submit(NodeId(node), first.clone()));
    (4..=5).for_each(|node| world.submit(NodeId(node), second.clone()));
    world.run_until(MINUTE, |_| false);
    let before = delivered(&world);
    world.run_until(MINUTE, |_| false);
    let messages = delivered(&world) - before;
    assert!(messages <= QUIET_MINUTE_MESSAGES, "{messages} messages in a minute");
    for (node, view) in alive(&world).filter_map(|(id, node)| Some((id, node.engine.request(first.id())?))) {
        let declined = view.members.iter().filter(|member| member.status == "declined").count();
        assert_eq!(declined, 2, "n{node} knows that both holders of the rival have declined");
    }
}
