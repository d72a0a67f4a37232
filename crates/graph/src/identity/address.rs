//! Partners by address, and how far their references agree.

use std::{ops::Range, sync::atomic::AtomicBool};

use crate::{Bits, Cancelled, Csr, Id, Poll};

/// How much of what two nodes refer to is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shared {
    /// Unknown: at least one of them refers to nothing that counts.
    Unknown,
    /// Nothing.
    Nothing,
    /// Less than half of what the one with fewer refers to.
    Some,
    /// At least half of what the one with fewer refers to.
    Most,
}

/// How far the references of a node and its partner agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreement {
    /// Whether they refer to the same nodes in the same order, as far as these have partners.
    pub is_equal: bool,
    /// How much they share of the references that count.
    pub shared: Shared,
}

/// The partner of every node (length: nodes of `before`): the node at the same address if `may_be` accepts the two,
/// otherwise [`Id::NONE`]. Both lists of addresses ascend.
///
/// O(nodes of both), one pass.
pub fn same_addresses<J: Id>(
    before: &[u64],
    after: &[u64],
    mut may_be: impl FnMut(usize, usize) -> bool,
    cancel: &AtomicBool,
) -> Result<Vec<J>, Cancelled> {
    let mut poll = Poll::new(cancel);
    let mut partners = Vec::with_capacity(before.len());
    let mut other = 0;
    for (node, address) in before.iter().enumerate() {
        poll.step()?;
        while after.get(other).is_some_and(|found| found < address) {
            other += 1;
        }
        let is_partner = after.get(other) == Some(address) && may_be(node, other);
        partners.push(if is_partner { J::new(other) } else { J::NONE });
    }
    Ok(partners)
}

/// How far the references of each of some nodes agree with those of its partner, in order, without nodes that have none.
///
/// References to nodes of `mute` (of `before`) or of `mute_after`, such as classes, do not count: all objects of a class
/// have them. Edges that lead nowhere do not count either, and are equal to each other.
///
/// O(edges), and a sort of the references of nodes that do not agree position by position.
pub fn agreements<I: Id, J: Id>(
    (before, mute): (Csr<'_, I>, Bits<'_>),
    (after, mute_after): (Csr<'_, J>, Bits<'_>),
    partners: &[J],
    nodes: Range<usize>,
    mut say: impl FnMut(usize, Agreement),
    cancel: &AtomicBool,
) -> Result<(), Cancelled> {
    let mut poll = Poll::new(cancel);
    let (mut ours, mut theirs): (Vec<I>, Vec<J>) = (Vec::new(), Vec::new());
    for node in nodes {
        let partner = partners[node];
        if partner == J::NONE {
            continue;
        }
        let (first, second) = (before.targets(node), after.targets(partner.index()));
        poll.steps(first.len() + second.len())?;
        // An edge that leads nowhere in the second graph may lead to a node that only the first graph has.
        let fits = |(ours, theirs): (&I, &J)| *ours == I::NONE || partners[ours.index()] == *theirs;
        let is_equal = first.len() == second.len() && first.iter().zip(second).all(fits);
        let tells = |child: &&I| **child != I::NONE && !mute.contains(child.index());
        let shared = if is_equal {
            // Without sorting; the usual case.
            let is_same = |child: &I| partners[child.index()] != J::NONE;
            if first.iter().filter(tells).any(is_same) { Shared::Most } else { Shared::Unknown }
        } else {
            ours.clear();
            ours.extend(first.iter().filter(tells));
            theirs.clear();
            let tells = |child: &&J| **child != J::NONE && !mute_after.contains(child.index());
            theirs.extend(second.iter().filter(tells));
            shared(&mut ours, &mut theirs, partners)
        };
        say(node, Agreement { is_equal, shared });
    }
    Ok(())
}

/// How much of `ours` and `theirs`, as sets, is the same.
fn shared<I: Id, J: Id>(ours: &mut Vec<I>, theirs: &mut Vec<J>, partners: &[J]) -> Shared {
    ours.sort_unstable();
    ours.dedup();
    theirs.sort_unstable();
    theirs.dedup();
    let fewer = ours.len().min(theirs.len());
    if fewer == 0 {
        return Shared::Unknown;
    }
    let is_common = |child: &&I| {
        let partner = partners[child.index()];
        partner != J::NONE && theirs.binary_search(&partner).is_ok()
    };
    match ours.iter().filter(is_common).count() {
        0 => Shared::Nothing,
        common if 2 * common >= fewer => Shared::Most,
        _ => Shared::Some,
    }
}
