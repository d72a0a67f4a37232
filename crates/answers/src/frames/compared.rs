//! What the objects of a dominator tree had in an earlier dump.
//!
//! The tree is that of the later dump. An object of it is found in the earlier tree if it is the same object (docs/identity.md)
//! and stands below the same object there; what stands elsewhere has grown where it is and is gone where it was. So amounts
//! sum up in both dumps: what remains below an object of the earlier tree is counted by type, and frames of types that are
//! gone are added.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Frame, FrameAmount, FrameAmounts, FrameKind, FrameQuestion, objects::Objects};
use crate::{
    Result, Session,
    rows::{AnswerColumns, quoted, quoted_name},
};

/// Addresses in a statement.
const N_ADDRESSES: usize = 2000;

/// An object of the earlier dump.
struct Earlier {
    /// What dominates it; `None` at the top.
    above: Option<u64>,
    own: FrameAmount,
    total: FrameAmount,
}

/// Number and amount of the objects of each type below an object of the earlier dump; `None` is the top.
type Below = HashMap<Option<u64>, BTreeMap<String, (i64, FrameAmount)>>;

impl FrameQuestion {
    /// The objects of the later of two dumps, with what they had in the earlier one.
    pub(super) fn compared_objects(&self, dumps: &[String; 2], session: &Session) -> Result<Vec<Frame>> {
        let Objects { mut frames, types } = self.objects(session)?;
        let shown: HashSet<u64> = frames.iter().filter_map(|frame| frame.address).collect();
        let pairs = pairs(dumps, &shown, session)?;
        let found: Vec<u64> = pairs.values().copied().collect();
        let earlier = earlier(&dumps[0], &found, session)?;
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); frames.len()];
        for (i, frame) in frames.iter().enumerate() {
            if let Some(parent) = frame.parent {
                children[parent].push(i);
            }
        }
        let same = same(&frames, &pairs, &earlier);
        let opened = |i: &usize| children[*i].iter().any(|child| !is_more(&frames[*child]));
        let opened: Vec<Option<u64>> = (0..frames.len()).filter(opened).filter_map(|i| same[i]).collect();
        let mut below = below(&dumps[0], &opened, session)?;
        let has_objects = session.select(&dumps[0])?.iter().any(|dump| dump.counts.objects > 0);
        if has_objects && below.get(&None).is_some_and(BTreeMap::is_empty) {
            let dump = dumps[0].clone();
            let what = format!("dump {dump} does not say what objects retain, which the graph index gives");
            return Err(heaplake_engine::Error::NotIndexed { dump, what }.into());
        }
        for frame in &mut frames {
            frame.before = Some(FrameAmounts::default());
        }
        let mut gone: Vec<Frame> = Vec::new();
        for i in 0..frames.len() {
            let Some(object) = same[i] else { continue };
            let earlier_object = object.and_then(|address| earlier.get(&address));
            if let Some(object) = earlier_object {
                set_own(&mut frames[i], object.own);
            }
            let left = match (below.remove(&object), earlier_object) {
                (Some(mut rest), _) => {
                    for child in &children[i] {
                        let taken = same[*child].flatten().and_then(|address| earlier.get(&address));
                        take(&mut frames[*child], types[*child].as_deref(), taken, &mut rest);
                    }
                    let others =
                        children[i].iter().find(|child| is_others(&frames[**child], &types[**child]));
                    match others {
                        Some(others) => {
                            let mut sum = FrameAmount::default();
                            rest.into_values().for_each(|(_, amount)| sum.add(amount));
                            set_own(&mut frames[*others], sum);
                            Vec::new()
                        }
                        None => rest.into_iter().map(gone_type).collect(),
                    }
                }
                // What it holds is not shown one by one.
                (None, Some(object)) => match children[i].first() {
                    Some(more) => {
                        set_own(&mut frames[*more], object.held());
                        Vec::new()
                    }
                    None => {
                        let more = Frame::of_kind(FrameKind::More { frames: None }, String::new());
                        vec![(more, object.held())]
                    }
                },
                (None, None) => Vec::new(),
            };
            let depth = frames[i].depth + 1;
            for (frame, amount) in left.into_iter().filter(|(_, amount)| amount.objects > 0) {
                gone.push(Frame { parent: Some(i), depth, before: Some(own_only(amount)), ..frame });
            }
        }
        frames.extend(gone);
        Ok(frames)
    }
}

impl Earlier {
    /// What it holds.
    fn held(&self) -> FrameAmount {
        FrameAmount {
            bytes: self.total.bytes.saturating_sub(self.own.bytes),
            objects: self.total.objects.saturating_sub(self.own.objects),
        }
    }
}

/// By frame the object of the earlier tree that it is: the whole is the top, `Some(None)`.
fn same(
    frames: &[Frame],
    pairs: &HashMap<u64, u64>,
    earlier: &HashMap<u64, Earlier>,
) -> Vec<Option<Option<u64>>> {
    let mut same: Vec<Option<Option<u64>>> = vec![None; frames.len()];
    same[0] = Some(None);
    for (i, frame) in frames.iter().enumerate().skip(1) {
        let Some(above) = frame.parent.and_then(|parent| same[parent]) else { continue };
        let before = frame.address.and_then(|address| pairs.get(&address)).copied();
        let is_there = |before: &u64| earlier.get(before).is_some_and(|object| object.above == above);
        same[i] = before.filter(is_there).map(Some);
    }
    same
}

/// The frame of objects of a type that are not there any more, without its amount.
fn gone_type((type_name, (n, amount)): (String, (i64, FrameAmount))) -> (Frame, FrameAmount) {
    (Frame::of_kind(FrameKind::Objects, format!("{n} x {type_name}")), amount)
}

/// An amount before the frames below are added.
fn own_only(own: FrameAmount) -> FrameAmounts {
    FrameAmounts { own, total: FrameAmount::default() }
}

fn is_more(frame: &Frame) -> bool {
    matches!(frame.kind, FrameKind::More { .. })
}

/// Whether a frame stands for objects of several types.
fn is_others(frame: &Frame, type_name: &Option<String>) -> bool {
    frame.kind == FrameKind::Objects && type_name.is_none()
}

fn set_own(frame: &mut Frame, own: FrameAmount) {
    frame.before = Some(own_only(own));
}

/// Takes what a child has of the objects below its parent: an object itself, or all remaining objects of its type.
fn take(
    child: &mut Frame,
    type_name: Option<&str>,
    object: Option<&Earlier>,
    rest: &mut BTreeMap<String, (i64, FrameAmount)>,
) {
    let Some(type_name) = type_name else { return };
    match (object, child.kind) {
        (Some(object), FrameKind::Object) => {
            if let Some((n, amount)) = rest.get_mut(type_name) {
                *n -= 1;
                amount.add(FrameAmount { bytes: -object.total.bytes, objects: -object.total.objects });
            }
        }
        (_, FrameKind::Objects) => {
            if let Some((_, amount)) = rest.remove(type_name) {
                set_own(child, amount);
            }
        }
        _ => {}
    }
}

/// By address in the later dump the address in the earlier one, of the objects that are shown and were there.
fn pairs(dumps: &[String; 2], shown: &HashSet<u64>, session: &Session) -> Result<HashMap<u64, u64>> {
    let statement = format!(
        "SELECT address_before, address_after FROM diff_objects({}, {}) \
         WHERE address_before IS NOT NULL AND address_after IS NOT NULL",
        quoted(&dumps[0]),
        quoted(&dumps[1])
    );
    let mut pairs = HashMap::new();
    session.for_each(&statement, |batch| {
        let rows = AnswerColumns::new(std::slice::from_ref(batch))?;
        let (before, after) = (rows.addresses("address_before")?, rows.addresses("address_after")?);
        pairs.extend(after.into_iter().zip(before).filter(|(after, _)| shown.contains(after)));
        Ok::<_, crate::Error>(())
    })?;
    Ok(pairs)
}

/// Objects of a dump.
fn earlier(dump: &str, addresses: &[u64], session: &Session) -> Result<HashMap<u64, Earlier>> {
    let mut found = HashMap::new();
    for some in addresses.chunks(N_ADDRESSES) {
        let statement = format!(
            "SELECT address, idom, size, retained, retained_count FROM {}.obj \
             WHERE retained IS NOT NULL AND address IN ({})",
            quoted_name(dump),
            list(some)
        );
        let rows = AnswerColumns::new(&session.collect(&statement)?)?;
        let (found_addresses, above) = (rows.addresses("address")?, rows.optional_addresses("idom")?);
        let (sizes, retained) = (rows.numbers("size")?, rows.numbers("retained")?);
        let counts = rows.numbers("retained_count")?;
        for (i, address) in found_addresses.into_iter().enumerate() {
            let own = FrameAmount { bytes: sizes[i], objects: 1 };
            let total = FrameAmount { bytes: retained[i], objects: counts[i] };
            found.insert(address, Earlier { above: above[i], own, total });
        }
    }
    Ok(found)
}

/// What is below some objects of a dump, by type. Each of them is in the answer, also if nothing is below it.
fn below(dump: &str, objects: &[Option<u64>], session: &Session) -> Result<Below> {
    let mut below: Below = objects.iter().map(|object| (*object, BTreeMap::new())).collect();
    let addresses: Vec<u64> = objects.iter().copied().flatten().collect();
    let conditions = addresses.chunks(N_ADDRESSES).map(|some| format!("idom IN ({})", list(some)));
    for condition in conditions.chain(["idom IS NULL AND retained IS NOT NULL".to_owned()]) {
        let statement = format!(
            "SELECT idom, type, count(*) AS count, sum(retained) AS retained, sum(retained_count) AS retained_count \
             FROM {}.obj WHERE {condition} GROUP BY idom, type",
            quoted_name(dump)
        );
        let rows = AnswerColumns::new(&session.collect(&statement)?)?;
        let (above, types) = (rows.optional_addresses("idom")?, rows.texts("type")?);
        let (counts, retained) = (rows.numbers("count")?, rows.numbers("retained")?);
        let objects = rows.numbers("retained_count")?;
        for (i, type_name) in types.into_iter().enumerate() {
            let amount = FrameAmount { bytes: retained[i], objects: objects[i] };
            if let Some(of_object) = below.get_mut(&above[i]) {
                of_object.insert(type_name, (counts[i], amount));
            }
        }
    }
    Ok(below)
}

fn list(addresses: &[u64]) -> String {
    addresses.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}
