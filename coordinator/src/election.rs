//! Who coordinates: the node that received the request, then the members by hash rank.

use firn_proto::digest::CanonicalHasher;
use firn_proto::{Epoch, NodeId, SubjectId};

/// The members in the order in which they coordinate `subject`: `origin` first if it is a member, then ascending by
/// hash(subject, epoch, member). Everybody computes the same order, and nobody can choose its rank.
#[must_use]
pub fn order(subject: SubjectId, epoch: Epoch, origin: NodeId, members: impl Iterator<Item = NodeId>) -> Vec<NodeId> {
    let mut ranked: Vec<_> = members
        .map(|member| {
            let hash =
                CanonicalHasher::new("firn/election/v1").field(subject.0.0).number(epoch.0).number(member.0).finish();
            (member != origin, hash, member)
        })
        .collect();
    ranked.sort_unstable();
    ranked.into_iter().map(|(_, _, member)| member).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use firn_proto::Digest;

    #[test]
    fn origin_leads_and_the_rest_do_not_depend_on_it() {
        let members = || (1..=7).map(NodeId);
        let subject = SubjectId(Digest([9; 32]));
        let without = |first: u16| {
            let order = order(subject, Epoch(0), NodeId(first), members());
            assert_eq!(order[0], NodeId(first));
            order.into_iter().filter(|node| node.0 > 2).collect::<Vec<_>>()
        };
        assert_eq!(without(1), without(2), "rank does not depend on who received the request");
        assert_eq!(order(subject, Epoch(0), NodeId(99), members()).len(), 7, "an origin that is no member has no rank");
    }

    #[test]
    fn ranks_differ_between_subjects() {
        let first = |seed: u8| order(SubjectId(Digest([seed; 32])), Epoch(0), NodeId(0), (1..=5).map(NodeId))[0];
        let leaders: std::collections::BTreeSet<_> = (0..64).map(first).collect();
        assert_eq!(leaders.len(), 5, "every member leads some subject");
    }
}
