//! The tree behind a flame graph or treemap: what holds the memory of a dump, or of two, small frames folded.
//!
//! A frame is a holder (a path of types and names), or an object of the dominator tree. Frames sum up: the amount of a frame is
//! its own and that of the frames below it, nothing is counted twice, and the first frame is the whole dump. Frames that are
//! too small or too many are folded into one frame below their parent, which says how many they are.

mod compared;
mod objects;

use std::{cmp::Reverse, collections::HashMap};

use arrow::array::RecordBatch;

use crate::{Diff, Error, GroupBy, Result, Session, encode::Columns, rows::AnswerColumns};

/// What frames are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FramesBy {
    /// Holders: paths of types and names in the dominator tree.
    Holder,
    /// Objects of the dominator tree, those of a type together where they are small.
    Dominator,
}

/// What decides which frames are small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameMeasure {
    /// Bytes of shallow sizes.
    Bytes,
    /// Number of objects.
    Objects,
}

/// The question, about the dump of a session or about two dumps.
#[derive(Debug, Clone)]
pub struct FrameQuestion {
    /// What frames are.
    pub by: FramesBy,
    /// Selects an earlier and a later dump, which are compared. Objects are drawn of the later one, which must be the dump of
    /// the session.
    pub compared: Option<(String, String)>,
    /// What decides which frames are small.
    pub measure: FrameMeasure,
    /// Levels below the whole; what is deeper is folded.
    pub depth: u32,
    /// Frames at most, without those that stand for others; the largest are kept.
    pub max_frames: usize,
    /// Frames that are a smaller part of the whole are folded, too: 0.001 is a thousandth.
    pub min_share: f64,
}

/// Bytes and objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FrameAmount {
    /// Bytes of shallow sizes.
    pub bytes: i64,
    /// Number of objects.
    pub objects: i64,
}

/// What a frame has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FrameAmounts {
    /// Without the frames below.
    pub own: FrameAmount,
    /// With the frames below.
    pub total: FrameAmount,
}

/// What a frame stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// The whole dump.
    Whole,
    /// The objects of a holder.
    Holder,
    /// One object.
    Object,
    /// Several objects of a type, or of many types, with the same dominator.
    Objects,
    /// Frames that are not shown, and all that is below them.
    More {
        /// How many frames their parent has; `None` if the graph index, or the depth of the question, has folded some of them.
        frames: Option<u64>,
    },
}

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The position of the frame above, which is smaller; `None` for the whole.
    pub parent: Option<usize>,
    /// 0 for the whole.
    pub depth: u32,
    /// What it stands for.
    pub kind: FrameKind,
    /// The type, with a name where there is one; the dump for the whole; empty for frames that are not shown.
    pub name: String,
    /// The holder as tables have it; `None` if it is not one.
    pub holder: Option<String>,
    /// The object, if it is one.
    pub address: Option<u64>,
    /// By which attribute, key or index the frame above refers to the object.
    pub label: Option<String>,
    /// What kind of root the object is, if it is one.
    pub root_kind: Option<String>,
    /// What would be freed with it, in bytes. Unlike `total` it counts objects again that a chain has folded into a holder above.
    pub retained: Option<i64>,
    /// What it has in the dump, or in the later of two.
    pub now: FrameAmounts,
    /// What it had in the earlier dump; zero if it was not there. `None` if the question is about one dump.
    pub before: Option<FrameAmounts>,
}

/// The answer.
#[derive(Debug, Clone)]
pub struct FrameTree {
    /// The dump, or the earlier and the later one.
    pub dumps: Vec<String>,
    /// What frames are.
    pub by: FramesBy,
    /// The frames depth first, the larger of siblings first, what is not shown last.
    pub frames: Vec<Frame>,
    /// Frames that were found, with those that were folded.
    pub n_found: usize,
    /// Frames that are shown, without those that stand for others.
    pub n_shown: usize,
}

impl FrameAmount {
    /// The part that is measured.
    pub fn of(self, measure: FrameMeasure) -> i64 {
        match measure {
            FrameMeasure::Bytes => self.bytes,
            FrameMeasure::Objects => self.objects,
        }
    }

    fn add(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.objects = self.objects.saturating_add(other.objects);
    }
}

impl Frame {
    /// By how much it grew; `None` if the question is about one dump.
    pub fn growth(&self, measure: FrameMeasure) -> Option<i64> {
        Some(self.now.total.of(measure).saturating_sub(self.before?.total.of(measure)))
    }

    /// The larger of what it has and what it had.
    fn weight(&self, measure: FrameMeasure) -> i64 {
        self.now.total.of(measure).max(self.before.map_or(0, |before| before.total.of(measure)))
    }

    fn of_kind(kind: FrameKind, name: String) -> Self {
        Self {
            parent: None,
            depth: 0,
            kind,
            name,
            holder: None,
            address: None,
            label: None,
            root_kind: None,
            retained: None,
            now: FrameAmounts::default(),
            before: None,
        }
    }

    fn add_amounts(&mut self, other: &Self) {
        let add = |to: &mut FrameAmounts, from: &FrameAmounts| {
            to.own.add(from.own);
            to.total.add(from.total);
        };
        add(&mut self.now, &other.now);
        if let (Some(to), Some(from)) = (&mut self.before, &other.before) {
            add(to, from);
        }
    }
}

impl FrameQuestion {
    /// The statement whose rows become frames, for people who want to ask themselves; where objects are compared, that of the
    /// later dump.
    pub fn statement(&self) -> String {
        match (self.by, &self.compared) {
            (FramesBy::Holder, None) => {
                "SELECT holder, held_by, type AS element, count, size, retained FROM holder_stat".to_owned()
            }
            (FramesBy::Holder, Some((before, after))) => holder_diff(before, after).statement(),
            (FramesBy::Dominator, _) => self.tree().statement(),
        }
    }

    /// The frames.
    pub fn answer(&self, session: &Session) -> Result<FrameTree> {
        let (dumps, found) = match (self.by, &self.compared) {
            (FramesBy::Holder, None) => {
                let dump = session.dump()?;
                (vec![dump.id.to_string()], self.holders(session)?)
            }
            (FramesBy::Holder, Some((before, after))) => {
                (vec![one_id(before, session)?, one_id(after, session)?], self.holders(session)?)
            }
            (FramesBy::Dominator, None) => {
                (vec![session.dump()?.id.to_string()], self.objects(session)?.frames)
            }
            (FramesBy::Dominator, Some((before, after))) => {
                let dumps = [one_id(before, session)?, one_id(after, session)?];
                if session.dump()?.id.as_str() != dumps[1] {
                    let what = "objects of two dumps are compared in a session of the later one";
                    return Err(Error::Invalid(what.to_owned()));
                }
                (dumps.to_vec(), self.compared_objects(&dumps, session)?)
            }
        };
        let mut frames = found;
        frames[0].name = dumps.join(" to ");
        sum_up(&mut frames);
        let n_found = frames.len() - 1;
        let frames = self.folded(&frames);
        let is_shown = |frame: &&Frame| !matches!(frame.kind, FrameKind::More { .. } | FrameKind::Whole);
        let n_shown = frames.iter().filter(is_shown).count();
        Ok(FrameTree { dumps, by: self.by, frames, n_found, n_shown })
    }

    /// The holders below the whole, in any order, with their own amounts.
    fn holders(&self, session: &Session) -> Result<Vec<Frame>> {
        let rows = AnswerColumns::new(&session.collect(&self.statement())?)?;
        if rows.n_rows() == 0 {
            let dump = session.dump()?;
            if dump.counts.objects > 0 {
                let what = format!("dump {} has no holder_stat, which the graph index gives", dump.id);
                return Err(heaplake_engine::Error::NotIndexed { dump: dump.id.to_string(), what }.into());
            }
        }
        let (holders, above) = (rows.texts("holder")?, rows.optional_texts("held_by")?);
        let elements = rows.texts("element")?;
        let amounts = |count: &str, size: &str| {
            let (objects, bytes) = (rows.numbers(count)?, rows.numbers(size)?);
            let amount = |(objects, bytes)| FrameAmount { bytes, objects };
            Ok::<Vec<FrameAmount>, Error>(objects.into_iter().zip(bytes).map(amount).collect())
        };
        let (now, before, retained) = match self.compared {
            None => (amounts("count", "size")?, None, rows.optional_numbers("retained")?),
            Some(_) => (
                amounts("count_after", "size_after")?,
                Some(amounts("count_before", "size_before")?),
                rows.optional_numbers("retained_after")?,
            ),
        };
        let own = |own: FrameAmount| FrameAmounts { own, total: FrameAmount::default() };
        let mut frames = vec![Frame::of_kind(FrameKind::Whole, String::new())];
        frames[0].before = before.as_ref().map(|_| FrameAmounts::default());
        // Hostile names can make two holders read the same; they are added up, as `diff` does it.
        let mut known: HashMap<&str, usize> = HashMap::new();
        let mut held_by: Vec<Option<&str>> = vec![None];
        for (i, holder) in holders.iter().enumerate() {
            let frame = Frame {
                holder: Some(holder.clone()),
                retained: retained[i],
                now: own(now[i]),
                before: before.as_ref().map(|before| own(before[i])),
                ..Frame::of_kind(kind_of_holder(&elements[i]), elements[i].clone())
            };
            match known.get(holder.as_str()) {
                Some(at) => {
                    frames[*at].add_amounts(&frame);
                    frames[*at].retained =
                        frames[*at].retained.zip(frame.retained).map(|(a, b)| a.saturating_add(b));
                }
                None => {
                    known.insert(holder, frames.len());
                    held_by.push(above[i].as_deref());
                    frames.push(frame);
                }
            }
        }
        let parents: Vec<usize> = held_by
            .iter()
            .map(|above| above.and_then(|above| known.get(above)).copied().unwrap_or(0))
            .collect();
        Ok(parents_first(frames, &parents))
    }

    /// The frames that are large enough, depth first; below a frame with others one frame that stands for these.
    fn folded(&self, frames: &[Frame]) -> Vec<Frame> {
        let weight = |i: usize| frames[i].weight(self.measure);
        let is_more = |i: usize| matches!(frames[i].kind, FrameKind::More { .. });
        let smallest = weight(0).max(0) as f64 * self.min_share;
        let mut order: Vec<usize> = (1..frames.len())
            .filter(|i| !is_more(*i) && frames[*i].depth <= self.depth && weight(*i) as f64 >= smallest)
            .collect();
        // A frame is no smaller than those below it and comes before them, so that what is above a kept frame is kept.
        order.sort_by_key(|i| (Reverse(weight(*i)), *i));
        order.truncate(self.max_frames);
        let mut is_kept = vec![false; frames.len()];
        order.iter().for_each(|i| is_kept[*i] = true);
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); frames.len()];
        for (i, frame) in frames.iter().enumerate() {
            if let Some(parent) = frame.parent {
                children[parent].push(i);
            }
        }
        let mut folded: Vec<Frame> = Vec::with_capacity(order.len() + 1);
        // Frames that are to come, the next one last, with the new position of their parent.
        let mut waiting = vec![(0, None)];
        while let Some((i, parent)) = waiting.pop() {
            let position = folded.len();
            if is_more(i) || !(is_kept[i] || i == 0) {
                // Stands for its siblings, too: it was put here for all of them.
                let others = frames[i].parent.map(|parent| children[parent].as_slice()).unwrap_or_default();
                let others = others.iter().copied().filter(|other| !is_kept[*other]);
                folded.push(more(frames, others, parent));
                continue;
            }
            folded.push(Frame { parent, ..frames[i].clone() });
            let mut kept: Vec<usize> = children[i].iter().copied().filter(|child| is_kept[*child]).collect();
            kept.sort_by_key(|child| (Reverse(weight(*child)), *child));
            let first_other = children[i].iter().copied().find(|child| !is_kept[*child]);
            waiting.extend(first_other.map(|other| (other, Some(position))));
            waiting.extend(kept.into_iter().rev().map(|child| (child, Some(position))));
        }
        folded
    }
}

impl FrameTree {
    /// The frames as rows: `frame`, `parent` (null for the whole), `depth`, `kind` (`whole`, `holder`, `object`, `objects`,
    /// `more`), `name`, `holder`, `address`, `label`, `root_kind`, `own_bytes`, `own_objects`, `bytes`, `objects`, `retained`,
    /// `folded` (frames that a frame stands for, null if not known); of two dumps also `bytes_before` and `objects_before`.
    pub fn rows(&self) -> Result<RecordBatch> {
        let each = || self.frames.iter();
        let number = |of: fn(&Frame) -> i64| each().map(move |frame| Some(of(frame)));
        let mut columns = Columns::default()
            .count("frame", (0..self.frames.len()).map(|i| i as u64))
            .number("parent", each().map(|frame| frame.parent.map(|parent| parent as i64)))
            .number("depth", number(|frame| frame.depth.into()))
            .text("kind", each().map(|frame| frame.kind.name().to_owned()))
            .text("name", each().map(|frame| frame.name.clone()))
            .optional_text("holder", each().map(|frame| frame.holder.clone()))
            .address("address", each().map(|frame| frame.address))
            .optional_text("label", each().map(|frame| frame.label.clone()))
            .optional_text("root_kind", each().map(|frame| frame.root_kind.clone()))
            .number("own_bytes", number(|frame| frame.now.own.bytes))
            .number("own_objects", number(|frame| frame.now.own.objects))
            .number("bytes", number(|frame| frame.now.total.bytes))
            .number("objects", number(|frame| frame.now.total.objects))
            .number("retained", each().map(|frame| frame.retained))
            .number("folded", each().map(|frame| frame.kind.n_folded()));
        if self.dumps.len() > 1 {
            let before = |frame: &Frame| frame.before.map(|before| before.total);
            columns = columns
                .number("bytes_before", each().map(|frame| before(frame).map(|amount| amount.bytes)))
                .number("objects_before", each().map(|frame| before(frame).map(|amount| amount.objects)));
        }
        columns.batch()
    }
}

impl FrameKind {
    /// The word for it in rows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Holder => "holder",
            Self::Object => "object",
            Self::Objects => "objects",
            Self::More { .. } => "more",
        }
    }

    fn n_folded(self) -> Option<i64> {
        match self {
            Self::More { frames } => frames.and_then(|n| i64::try_from(n).ok()),
            _ => Some(0),
        }
    }
}

/// The dump that a selector means.
fn one_id(selector: &str, session: &Session) -> Result<String> {
    let dumps = session.select(selector)?;
    Ok(dumps.last().map_or_else(|| selector.to_owned(), |dump| dump.id.to_string()))
}

/// All holders of two dumps.
fn holder_diff(before: &str, after: &str) -> Diff {
    Diff {
        before: before.to_owned(),
        after: after.to_owned(),
        by: GroupBy::Holder,
        metric: None,
        all: true,
        own_growth: false,
        limit: None,
    }
}

/// The index folds small and deep holders into one whose element is this.
const FOLDED_BY_INDEX: &str = "...";

fn kind_of_holder(element: &str) -> FrameKind {
    match element {
        FOLDED_BY_INDEX => FrameKind::More { frames: None },
        _ => FrameKind::Holder,
    }
}

/// Frames in an order in which each comes after its parent, with depths. What would be above itself is below the whole.
fn parents_first(frames: Vec<Frame>, parents: &[usize]) -> Vec<Frame> {
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); frames.len()];
    parents.iter().enumerate().skip(1).for_each(|(i, parent)| children[*parent].push(i));
    let mut position: Vec<Option<usize>> = vec![None; frames.len()];
    let mut order: Vec<(usize, Option<usize>)> = Vec::with_capacity(frames.len());
    // Texts that name each other as their holder, which only hostile names do, are reached from no start but themselves.
    for start in 0..frames.len() {
        let mut waiting = vec![(start, (start > 0).then_some(0))];
        while let Some((i, parent)) = waiting.pop() {
            if position[i].is_none() {
                position[i] = Some(order.len());
                order.push((i, parent));
                waiting.extend(children[i].iter().rev().map(|child| (*child, position[i])));
            }
        }
    }
    let mut frames: Vec<Option<Frame>> = frames.into_iter().map(Some).collect();
    let mut sorted: Vec<Frame> = Vec::with_capacity(order.len());
    for (i, parent) in order {
        let depth = parent.map_or(0, |parent| sorted[parent].depth + 1);
        sorted.extend(frames[i].take().map(|frame| Frame { parent, depth, ..frame }));
    }
    sorted
}

/// Adds up what is below each frame. Frames come after their parents.
fn sum_up(frames: &mut [Frame]) {
    for i in (0..frames.len()).rev() {
        let frame = &mut frames[i];
        frame.now.total.add(frame.now.own);
        if let Some(before) = &mut frame.before {
            before.total.add(before.own);
        }
        let (now, before, parent) = (frame.now.total, frame.before.map(|before| before.total), frame.parent);
        let Some(parent) = parent.map(|parent| &mut frames[parent]) else { continue };
        parent.now.total.add(now);
        if let (Some(sum), Some(before)) = (&mut parent.before, before) {
            sum.total.add(before);
        }
    }
}

/// The frame that stands for others, which have the same parent.
fn more(frames: &[Frame], others: impl Iterator<Item = usize>, parent: Option<usize>) -> Frame {
    let mut sum = Frame::of_kind(FrameKind::More { frames: Some(0) }, String::new());
    sum.parent = parent;
    let mut n_known = Some(0_u64);
    for other in others {
        let other = &frames[other];
        let all = |amounts: FrameAmounts| FrameAmounts { own: amounts.total, total: amounts.total };
        let other = Frame { now: all(other.now), before: other.before.map(all), ..other.clone() };
        sum.depth = other.depth;
        sum.before = sum.before.or(other.before.map(|_| FrameAmounts::default()));
        sum.add_amounts(&other);
        n_known = match other.kind {
            FrameKind::More { frames } => n_known.zip(frames).map(|(a, b)| a + b),
            _ => n_known.map(|n| n + 1),
        };
    }
    sum.kind = FrameKind::More { frames: n_known };
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(parent: usize, name: &str, bytes: i64) -> Frame {
        let own = FrameAmount { bytes, objects: 1 };
        let now = FrameAmounts { own, total: FrameAmount::default() };
        Frame { parent: Some(parent), now, ..Frame::of_kind(FrameKind::Holder, name.to_owned()) }
    }

    /// `root; a (64, with b 32, c 8, d 4), e 16`.
    fn frames() -> Vec<Frame> {
        let whole = Frame::of_kind(FrameKind::Whole, "dump".to_owned());
        let mut frames =
            vec![whole, frame(0, "a", 64), frame(1, "b", 32), frame(1, "c", 8), frame(1, "d", 4)];
        frames.push(frame(0, "e", 16));
        for i in 1..frames.len() {
            frames[i].depth = frames[i].parent.map_or(0, |parent| frames[parent].depth + 1);
        }
        sum_up(&mut frames);
        frames
    }

    fn question(max_frames: usize, min_share: f64, depth: u32) -> FrameQuestion {
        let (by, measure) = (FramesBy::Holder, FrameMeasure::Bytes);
        FrameQuestion { by, compared: None, measure, depth, max_frames, min_share }
    }

    fn in_words(frames: &[Frame]) -> Vec<String> {
        let name = |frame: &Frame| match frame.kind {
            FrameKind::More { frames } => format!("{frames:?} more"),
            _ => frame.name.clone(),
        };
        let words = |frame: &Frame| format!("{} {} {}", frame.depth, name(frame), frame.now.total.bytes);
        frames.iter().map(words).collect()
    }

    #[test]
    fn what_is_folded_is_counted_and_the_sums_stay() {
        for (question, expected) in [
            (question(9, 0.0, 9), vec!["0 dump 124", "1 a 108", "2 b 32", "2 c 8", "2 d 4", "1 e 16"]),
            (question(3, 0.0, 9), vec!["0 dump 124", "1 a 108", "2 b 32", "2 Some(2) more 12", "1 e 16"]),
            (question(1, 0.0, 9), vec!["0 dump 124", "1 a 108", "2 Some(3) more 44", "1 Some(1) more 16"]),
            (
                question(9, 0.2, 9),
                vec!["0 dump 124", "1 a 108", "2 b 32", "2 Some(2) more 12", "1 Some(1) more 16"],
            ),
            (question(9, 0.0, 1), vec!["0 dump 124", "1 a 108", "2 Some(3) more 44", "1 e 16"]),
            (question(0, 0.0, 9), vec!["0 dump 124", "1 Some(2) more 124"]),
        ] {
            let folded = question.folded(&frames());
            assert_eq!(in_words(&folded), expected, "{question:?}");
            let own: i64 = folded.iter().map(|frame| frame.now.own.bytes).sum();
            assert_eq!(own, 124);
        }
    }

    #[test]
    fn frames_that_hold_each_other_are_below_the_whole() {
        let whole = Frame::of_kind(FrameKind::Whole, "dump".to_owned());
        let found = vec![whole, frame(0, "a", 1), frame(0, "b", 2), frame(0, "c", 4)];
        let mut sorted = parents_first(found, &[0, 2, 1, 3]);
        sum_up(&mut sorted);
        assert_eq!(in_words(&sorted), ["0 dump 7", "1 a 3", "2 b 2", "1 c 4"]);
    }

    #[test]
    fn a_million_levels_are_no_recursion() {
        let n = 1_000_000;
        let mut found = vec![Frame::of_kind(FrameKind::Whole, "dump".to_owned())];
        found.extend((0..n).map(|_| frame(0, "a", 1)));
        let parents: Vec<usize> = (0..=n).map(|i: usize| i.saturating_sub(1)).collect();
        let mut sorted = parents_first(found, &parents);
        sum_up(&mut sorted);
        assert_eq!(question(2, 0.0, u32::MAX).folded(&sorted).len(), 4);
    }
}
