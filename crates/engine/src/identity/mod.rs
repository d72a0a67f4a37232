//! Which object of one dump is which of another, as table functions: `diff_objects`, `growing_containers`, `survivors`.
//!
//! ```text
//! call --table.rs--> IdentityExec over a scan of each dump's obj --facts.rs--> Facts of each dump
//!      Facts of two dumps --pair.rs--> Pairs, by address or by path --rows.rs, growing.rs, survivors.rs--> rows
//! ```
//!
//! What references tell comes from the graph indexes, names, values and lengths from the tables. The rule and its known
//! errors are in docs/identity.md; what of it concerns graphs alone is in the crate `graph`.

mod exec;
mod facts;
mod growing;
mod nature;
mod pair;
mod rows;
mod survivors;
mod table;

use std::sync::Arc;

use datafusion::{
    arrow::datatypes::{DataType, Field, Schema, SchemaRef},
    prelude::SessionContext,
};

use crate::snapshot::Snapshot;
use table::IdentityFunction;

/// A question about several dumps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What became of every object.
    Diff,
    /// What has grown from each dump to the next.
    Growing,
    /// What came with the second dump and is still there in the third.
    Survivors,
}

/// Every table function of this module.
pub(crate) const FUNCTIONS: [(&str, Kind); 3] =
    [("diff_objects", Kind::Diff), ("growing_containers", Kind::Growing), ("survivors", Kind::Survivors)];

/// Makes the functions known.
pub(crate) fn register(context: &SessionContext, snapshot: &Arc<Snapshot>) {
    for (name, kind) in FUNCTIONS {
        context.register_udtf(name, Arc::new(IdentityFunction::new(name, kind, snapshot.clone())));
    }
}

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

impl Kind {
    /// How it is called, for messages.
    fn usage(self) -> &'static str {
        match self {
            Kind::Diff => "diff_objects('before', 'after' [, 'auto' | 'address' | 'path'])",
            Kind::Growing => {
                "growing_containers('first', 'second' [, 'third']...) or growing_containers('*')"
            }
            Kind::Survivors => "survivors('first', 'second', 'third')",
        }
    }

    /// The columns of the answer.
    fn schema(self) -> SchemaRef {
        let text = |name| Field::new(name, DataType::Utf8View, false);
        let text_or_null = |name| Field::new(name, DataType::Utf8View, true);
        let address = |name| Field::new(name, DataType::UInt64, false);
        let number = |name| Field::new(name, DataType::Int64, false);
        let number_or_null = |name| Field::new(name, DataType::Int64, true);
        Arc::new(Schema::new(match self {
            Kind::Diff => vec![
                text("status"),
                text("confidence"),
                text("why"),
                text("identity"),
                text("type"),
                text_or_null("name"),
                Field::new("address_before", DataType::UInt64, true),
                Field::new("address_after", DataType::UInt64, true),
                number_or_null("size_before"),
                number_or_null("size_after"),
                number_or_null("size_delta"),
                number_or_null("len_before"),
                number_or_null("len_after"),
                number_or_null("refs_before"),
                number_or_null("refs_after"),
                number_or_null("retained_before"),
                number_or_null("retained_after"),
            ],
            Kind::Growing => vec![
                address("address"),
                text("type"),
                text_or_null("name"),
                text("confidence"),
                number("growth"),
                number_or_null("len_first"),
                number_or_null("len_last"),
                number("refs_first"),
                number("refs_last"),
                number_or_null("size_first"),
                number_or_null("size_last"),
                number("retained_first"),
                number("retained_last"),
                Field::new("held_by", DataType::UInt64, true),
                text_or_null("held_by_type"),
            ],
            Kind::Survivors => vec![
                address("address"),
                text("type"),
                text_or_null("name"),
                text("confidence"),
                number_or_null("size"),
                number_or_null("len"),
                number("refs"),
                number("retained"),
                Field::new("held_by", DataType::UInt64, true),
                text_or_null("held_by_type"),
            ],
        }))
    }
}
