//! What functions share that say which object of one dump is which of another.
//!
//! ```text
//! call --table.rs--> IdentityExec over a scan of each dump's obj --facts.rs--> Facts of each dump
//!      Facts of two dumps --pair.rs--> Pairs, by address or by path --function--> rows
//! ```
//!
//! What references tell comes from the graph indexes, names, values and lengths from the tables. The rule and its known
//! errors are in docs/identity.md; what of it concerns graphs alone is in the crate `graph`. Each function is an
//! [`IdentityFunction`] in [`crate::functions`].

mod exec;
mod facts;
mod nature;
mod pair;
mod rows;
mod table;

use std::sync::Arc;

use datafusion::prelude::SessionContext;
use futures::future::BoxFuture;

use crate::{
    function::{ColumnDoc, ColumnType, Function, FunctionDoc, column},
    snapshot::Snapshot,
};
pub(crate) use exec::{IdentityAnswer, IdentityWork};
pub(crate) use facts::Facts;
pub(crate) use pair::{Confidence, Pairs};
pub(crate) use rows::of_object;
use table::IdentityTableFunction;

/// A table function over the objects of several dumps.
#[derive(Debug)]
pub(crate) struct IdentityFunction {
    pub(crate) doc: FunctionDoc,
    /// How many dumps it takes, at least and at most.
    pub(crate) n_dumps: (usize, usize),
    /// The same in words.
    pub(crate) dumps: &'static str,
    /// The answer, asked of what reads and pairs the dumps.
    pub(crate) answer: fn(IdentityWork) -> BoxFuture<'static, datafusion::error::Result<IdentityAnswer>>,
}

impl Function for IdentityFunction {
    fn doc(&'static self) -> &'static FunctionDoc {
        &self.doc
    }

    fn register(&'static self, context: &SessionContext, snapshot: &Arc<Snapshot>) {
        let function = IdentityTableFunction::new(self, snapshot.clone());
        context.register_udtf(self.doc.name, Arc::new(function));
    }
}

/// The words for [`Rule`].
pub(crate) const RULES: &[&str] = &["auto", "address", "path"];

/// By what objects are to be recognised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Rule {
    /// By address if the dumps are of one process, else by path.
    #[default]
    Auto,
    Address,
    Path,
}

impl Rule {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Rule::Auto),
            "address" => Some(Rule::Address),
            "path" => Some(Rule::Path),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Rule::Auto => "auto",
            Rule::Address => "address",
            Rule::Path => "path",
        }
    }
}

/// When a name is null.
pub(crate) const NO_NAME: &str = "where it has none";
/// When a size is null.
pub(crate) const NO_SIZE: &str = "where the dump gives none";
/// When a length is null.
pub(crate) const NO_LEN: &str = "where the type has none";

/// What of an object comes first in the rows about objects of one dump.
pub(crate) const WHICH: &[ColumnDoc] = &[
    column("address", ColumnType::UInt64, "address of the object in the last dump"),
    column("type", ColumnType::Text, "its type"),
    column("name", ColumnType::Text, "its name").null(NO_NAME),
];

/// What comes last.
pub(crate) const HOLDER: &[ColumnDoc] = &[
    column("held_by", ColumnType::UInt64, "address of its immediate dominator in the last dump")
        .null("where no single object holds it"),
    column("held_by_type", ColumnType::Text, "type of the immediate dominator")
        .null("where no single object holds it"),
];

/// What decided about an object, and how sure it is.
pub(crate) const CONFIDENCE: ColumnDoc = column(
    "confidence",
    ColumnType::Text,
    "how sure it is that it is the same object: `high`, `medium` or `low`",
);
