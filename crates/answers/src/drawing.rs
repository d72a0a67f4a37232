//! The part of the object graph that a drawing shows: objects with what refers to them or what they refer to, or paths.

use std::collections::{BTreeMap, btree_map::Entry};

use arrow::array::RecordBatch;
use heaplake_engine::{PathShape, keeping_alive, path_shape};

use crate::{
    Error, Result, Session,
    path::path_statement,
    rows::{AnswerColumns, address_rows, quoted},
};

/// Objects that a drawing begins with, at most: nobody can look at more.
pub const MAX_STARTS: usize = 200;

/// Which way a drawing goes from the objects that it begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To what refers to an object.
    Parents,
    /// To what an object refers to.
    Children,
}

/// Objects and references, as far as they are drawn.
#[derive(Debug, Clone, Default)]
pub struct Drawing {
    /// The objects, by address.
    pub nodes: BTreeMap<u64, DrawnNode>,
    /// The references, by parent and child.
    pub edges: BTreeMap<(u64, u64), DrawnEdge>,
    /// By object, how many that refer to it are not drawn.
    pub more_parents: BTreeMap<u64, u64>,
    /// By object, how many that it refers to are not drawn.
    pub more_children: BTreeMap<u64, u64>,
}

/// An object of a drawing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DrawnNode {
    /// Hops from where the drawing begins.
    pub depth: usize,
    /// Its type.
    pub type_name: String,
    /// Its name; empty if it has none.
    pub name: String,
    /// Its value; empty if the dump does not contain it.
    pub value: String,
    /// Its shallow size in bytes.
    pub size: i64,
    /// What it retains in bytes; `None` without a graph index.
    pub retained: Option<i64>,
    /// What kind of root it is; empty if it is none.
    pub root_kind: String,
}

/// That a set has too many objects to be drawn, and how to ask for the largest. They come with those that retain most first.
fn too_many(objects: &str, starts: &[(u64, DrawnNode)]) -> Error {
    let retained = starts.get(MAX_STARTS).and_then(|(_, node)| node.retained).unwrap_or(0);
    let n_larger = starts.iter().filter(|(_, node)| node.retained > Some(retained)).count();
    let instead = match (n_larger, path_shape(objects).is_ok()) {
        (0, _) => "begin with one of them, `@` and its address, or draw the paths to them, `root ..> Type`"
            .to_owned(),
        (n, false) => format!("`({objects}) and retained > {retained}` are the {n} that retain most"),
        (n, true) => {
            format!(
                "with `WHERE retained > {retained}` in its last node the pattern finds the {n} that retain most"
            )
        }
    };
    let most = format!("these are more than {MAX_STARTS} objects, and nobody can look at such a drawing");
    Error::Invalid(format!("{most}; {instead}"))
}

/// A reference of a drawing, or several between the same objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DrawnEdge {
    /// Their labels, each once.
    pub labels: Vec<String>,
    /// Whether they do not keep the child alive.
    pub is_weak: bool,
}

/// The columns of an object that are drawn.
const OBJECT: &str = "o.type, o.name, o.value, o.size, o.retained, o.root_kind";

impl Drawing {
    /// Objects that are not drawn, though they are next to one that is.
    pub fn n_more(&self) -> u64 {
        self.more_parents.values().chain(self.more_children.values()).sum()
    }

    /// Draws objects, given as a set that graph functions take, and what is up to `depth` hops from them, level by level; of
    /// each object the `max_neighbours` neighbours that retain most. An error if they are more than [`MAX_STARTS`].
    pub fn of_objects(
        objects: &str,
        direction: Direction,
        depth: u32,
        max_neighbours: u32,
        session: &Session,
    ) -> Result<Self> {
        let statement = format!(
            "SELECT o.address, {OBJECT} FROM (SELECT address FROM reachable({}) WHERE hops = 0) s \
             JOIN obj o ON o.address = s.address ORDER BY o.retained DESC, o.address LIMIT {}",
            quoted(objects),
            MAX_STARTS + 1
        );
        let starts = nodes(&session.collect(&statement)?, "address")?;
        if starts.len() > MAX_STARTS {
            return Err(too_many(objects, &starts));
        }
        let mut drawing = Self::default();
        let mut level: Vec<u64> = starts.iter().map(|(address, _)| *address).collect();
        drawing.nodes.extend(starts);
        for depth in 1..=depth as usize {
            if level.is_empty() {
                break;
            }
            level = drawing.add_level(&level, depth, direction, max_neighbours, session)?;
        }
        Ok(drawing)
    }

    /// Adds what is one hop from some objects; returns those from which to go on.
    fn add_level(
        &mut self,
        level: &[u64],
        depth: usize,
        direction: Direction,
        max_neighbours: u32,
        session: &Session,
    ) -> Result<Vec<u64>> {
        let to_children = direction == Direction::Children;
        let (this, other) = if to_children { ("parent", "child") } else { ("child", "parent") };
        let keeping = keeping_alive("kind");
        session.show("drawn", &[address_rows(level)?])?;
        let statement = format!(
            "SELECT * FROM ( \
               SELECT e.{this} AS this, e.{other} AS other, e.label, e.is_weak, {OBJECT}, \
                 row_number() OVER (PARTITION BY e.{this} ORDER BY o.retained DESC NULLS LAST, e.{other}) AS nth, \
                 count(*) OVER (PARTITION BY e.{this}) AS n \
               FROM (SELECT parent, child, string_agg(DISTINCT label, ', ') AS label, bool_and(NOT ({keeping})) AS is_weak \
                     FROM edge WHERE {this} IN (SELECT address FROM drawn) GROUP BY parent, child) e \
               JOIN obj o ON o.address = e.{other} \
             ) WHERE nth <= {max_neighbours} ORDER BY this, nth",
        );
        let batches = session.collect(&statement)?;
        let rows = AnswerColumns::new(&batches)?;
        let (labels, weak) = (rows.texts("label")?, rows.booleans("is_weak")?);
        let (this, total) = (rows.addresses("this")?, rows.numbers("n")?);
        let mut next = Vec::new();
        for (i, (other, node)) in nodes(&batches, "other")?.into_iter().enumerate() {
            let more = total[i].unsigned_abs().saturating_sub(max_neighbours.into());
            let (parent, child) = if to_children { (this[i], other) } else { (other, this[i]) };
            if more > 0 {
                let of = if to_children { &mut self.more_children } else { &mut self.more_parents };
                of.insert(this[i], more);
            }
            let edge = self.edges.entry((parent, child)).or_default();
            edge.is_weak = weak[i];
            edge.add_label(&labels[i]);
            if let Entry::Vacant(entry) = self.nodes.entry(other) {
                let node = entry.insert(DrawnNode { depth, ..node });
                // Who asks what keeps an object alive has the answer at a root, and weak references keep nothing alive.
                if (to_children || node.root_kind.is_empty()) && !weak[i] {
                    next.push(other);
                }
            }
        }
        Ok(next)
    }

    /// Draws the paths that a pattern finds; an error if it finds objects or types instead.
    pub fn of_paths(pattern: &str, session: &Session) -> Result<Self> {
        if path_shape(pattern)? != PathShape::Paths {
            let what = "REACH, DOMINATED and TYPES give no paths that could be drawn";
            return Err(Error::Invalid(what.to_owned()));
        }
        let mut drawing = Self::default();
        let batches = session.collect(&path_statement(pattern, None))?;
        let rows = AnswerColumns::new(&batches)?;
        let (arrows, labels, hops) = (rows.texts("arrow")?, rows.texts("label")?, rows.numbers("hop")?);
        let mut before = 0;
        for (i, (address, node)) in nodes(&batches, "address")?.into_iter().enumerate() {
            let depth = usize::try_from(hops[i]).unwrap_or_default();
            drawing.nodes.entry(address).or_insert(DrawnNode { depth, ..node });
            if depth > 0 {
                let ends = if arrows[i].starts_with('<') { (address, before) } else { (before, address) };
                drawing.edges.entry(ends).or_default().add_label(&labels[i]);
            }
            before = address;
        }
        Ok(drawing)
    }
}

impl DrawnEdge {
    fn add_label(&mut self, label: &str) {
        if !label.is_empty() && !self.labels.iter().any(|known| known == label) {
            self.labels.push(label.to_owned());
        }
    }
}

/// Objects with the address in the column `address`, at depth 0.
fn nodes(batches: &[RecordBatch], address: &str) -> Result<Vec<(u64, DrawnNode)>> {
    let rows = AnswerColumns::new(batches)?;
    let addresses = rows.addresses(address)?;
    let (types, names, values) = (rows.texts("type")?, rows.texts("name")?, rows.texts("value")?);
    let (sizes, retained) = (rows.numbers("size")?, rows.optional_numbers("retained")?);
    let root_kinds = rows.texts("root_kind")?;
    let node = |i: usize| DrawnNode {
        depth: 0,
        type_name: types[i].clone(),
        name: names[i].clone(),
        value: values[i].clone(),
        size: sizes[i],
        retained: retained[i],
        root_kind: root_kinds[i].clone(),
    };
    Ok((0..rows.n_rows()).map(|i| (addresses[i], node(i))).collect())
}
