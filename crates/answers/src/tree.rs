//! The dominator tree from the top or below an object, with small subtrees folded by type.

use arrow::array::RecordBatch;

use crate::{Error, Result, Session, rows::AnswerColumns};

/// The question.
#[derive(Debug, Clone, Copy)]
pub struct Tree {
    /// The object whose subtree is asked for; default the roots.
    pub address: Option<u64>,
    /// Levels at most.
    pub depth: u32,
    /// Children of a node that are listed one by one.
    pub children: u32,
}

/// A tree.
#[derive(Debug, Clone)]
pub struct TreeAnswer {
    /// The rows as the function `dominator_tree` has them, with the names of the objects, the labels by which they are held,
    /// and percents of the size of the dump.
    pub batches: Vec<RecordBatch>,
    /// The same, depth first.
    pub nodes: Vec<TreeNode>,
}

/// A node of the tree: an object, or the remaining objects of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeNode {
    /// Level, from 0.
    pub depth: usize,
    /// The object; `None` if the node stands for several.
    pub address: Option<u64>,
    /// The type; `None` if the objects are of several types.
    pub type_name: Option<String>,
    /// The name of the object: its own, or what the program calls it.
    pub name: Option<String>,
    /// By which attribute, key or index the node above refers to the object, if it does so itself.
    pub label: Option<String>,
    /// What kind of root the object is, if it is one.
    pub root_kind: Option<String>,
    /// Objects that the node stands for.
    pub objects: i64,
    /// Bytes of their shallow sizes.
    pub size: i64,
    /// Bytes that they retain.
    pub retained: i64,
    /// Objects that they retain.
    pub retained_count: i64,
}

impl Tree {
    /// The question as SQL.
    pub fn statement(&self) -> String {
        let start = self.address.map(|address| format!("'@{address}', ")).unwrap_or_default();
        format!(
            "SELECT t.*, coalesce(o.name, program_name(t.address)) AS name, label(t.held_by, t.address) AS label, \
                 round(100.0 * t.retained / nullif(whole.bytes, 0), 1) AS percent \
             FROM dominator_tree({start}{}, {}) t LEFT JOIN obj o ON o.address = t.address \
             CROSS JOIN (SELECT sum(size) AS bytes FROM type_stat) AS whole \
             ORDER BY t.line",
            self.depth, self.children
        )
    }

    /// The tree; an error if the dump does not contain the object.
    pub fn answer(&self, session: &Session) -> Result<TreeAnswer> {
        let batches = session.collect(&self.statement())?;
        let rows = AnswerColumns::new(&batches)?;
        if let Some(address) = self.address.filter(|_| rows.n_rows() == 0) {
            return Err(Error::NoSuchObject {
                dump: session.dump()?.id.to_string(),
                what: format!("object @{address:#x}"),
            });
        }
        let (depths, addresses) = (rows.numbers("depth")?, rows.optional_addresses("address")?);
        let texts = |name| rows.optional_texts(name);
        let (types, names, kinds) = (texts("type")?, texts("name")?, texts("root_kind")?);
        let (labels, sizes) = (texts("label")?, rows.numbers("size")?);
        let (objects, retained, counts) =
            (rows.numbers("objects")?, rows.numbers("retained")?, rows.numbers("retained_count")?);
        let node = |i: usize| TreeNode {
            depth: usize::try_from(depths[i]).unwrap_or_default(),
            address: addresses[i],
            type_name: types[i].clone(),
            name: names[i].clone(),
            label: labels[i].clone(),
            root_kind: kinds[i].clone(),
            objects: objects[i],
            size: sizes[i],
            retained: retained[i],
            retained_count: counts[i],
        };
        Ok(TreeAnswer { nodes: (0..rows.n_rows()).map(node).collect(), batches })
    }
}
