//! `capacity` and `unused_bytes`: how many items a container has room for, and what the room that is not used takes.
//!
//! ```sql
//! SELECT type, sum(unused_bytes(dump, type, size, len)) FROM obj GROUP BY type
//! ```

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use datafusion::{
    arrow::{
        array::{AsArray as _, Int64Array},
        compute::cast,
        datatypes::{DataType, Int64Type},
    },
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};
use heaplake_model::Capacity;
use heaplake_store::{Manifest, Manifests};

use super::ValueFunction;
use crate::{
    Error,
    function::{ArgumentDoc, ArgumentKind, ColumnType, FunctionDoc, FunctionGroup, ResultDoc, column},
    summary::saturating,
};

const ARGUMENTS: &[ArgumentDoc] = &[
    ArgumentDoc::required("dump", ArgumentKind::Text, "id of the dump that the container is of"),
    ArgumentDoc::required("type", ArgumentKind::Text, "its type"),
    ArgumentDoc::required("size", ArgumentKind::Number, "its shallow size in bytes"),
    ArgumentDoc::required("len", ArgumentKind::Number, "number of its items"),
];
const NULL: &str = "for types other than dict, list, set and frozenset, where the dump does not say the version of Python, and \
                    for a size that no such container has";
const COST: &str = "A few numbers for each row.";

pub(super) static CAPACITY: ValueFunction = ValueFunction {
    doc: FunctionDoc {
        name: "capacity",
        group: FunctionGroup::Value,
        usage: "capacity(dump, type, size, len)",
        purpose: "How many items a container has room for before it must grow, from its shallow size and the rules of the version \
                  of Python (crates/model/src/cpython_capacity.rs has them). Where a size can be that of two tables, the \
                  smaller one that the items fit into.",
        arguments: ARGUMENTS,
        result: ResultDoc::Value(
            column("capacity", ColumnType::Int64, "items, those that it has included").null(NULL),
        ),
        cost: COST,
        source: None,
    },
    implementation: |manifests| Capacities::function("capacity", |capacity, _| capacity.items, manifests),
};

pub(super) static UNUSED_BYTES: ValueFunction = ValueFunction {
    doc: FunctionDoc {
        name: "unused_bytes",
        group: FunctionGroup::Value,
        usage: "unused_bytes(dump, type, size, len)",
        purpose: "The bytes that a container has set aside for items that it does not have: those that it has room for \
                  (`capacity`) without those that it has, each with the bytes of one.",
        arguments: ARGUMENTS,
        result: ResultDoc::Value(
            column("unused", ColumnType::Int64, "room that is not used").unit("bytes").null(NULL),
        ),
        cost: COST,
        source: None,
    },
    implementation: |manifests| Capacities::function("unused_bytes", Capacity::unused_bytes, manifests),
};

/// A number about the capacity of the container of a row.
#[derive(Debug)]
struct Capacities {
    name: &'static str,
    /// The number, given the number of items.
    number: fn(Capacity, u64) -> u64,
    signature: Signature,
    manifests: Arc<Manifests>,
}

impl Capacities {
    fn function(
        name: &'static str,
        number: fn(Capacity, u64) -> u64,
        manifests: &Arc<Manifests>,
    ) -> ScalarUDF {
        let signature = Signature::any(4, Volatility::Immutable);
        ScalarUDF::new_from_impl(Self { name, number, signature, manifests: manifests.clone() })
    }
}

impl PartialEq for Capacities {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.manifests, &other.manifests)
    }
}

impl Eq for Capacities {}

impl Hash for Capacities {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Capacities {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let column =
            |i: usize, data_type: &DataType| cast(&args.args[i].to_array(args.number_rows)?, data_type);
        let [dumps, types] = [column(0, &DataType::Utf8View)?, column(1, &DataType::Utf8View)?];
        let [sizes, lens] = [column(2, &DataType::Int64)?, column(3, &DataType::Int64)?];
        let texts = dumps.as_string_view().iter().zip(types.as_string_view());
        let numbers = sizes.as_primitive::<Int64Type>().iter().zip(lens.as_primitive::<Int64Type>());
        // Rows of a dump follow each other.
        let mut last: Option<(&str, Option<Arc<Manifest>>)> = None;
        let mut found = Int64Array::builder(args.number_rows);
        for ((dump, type_name), (size, len)) in texts.zip(numbers) {
            let Some(dump) = dump else {
                found.append_null();
                continue;
            };
            if last.as_ref().is_none_or(|(last, _)| *last != dump) {
                last = Some((dump, self.manifests.find(dump).map_err(Error::from)?));
            }
            let manifest = last.as_ref().and_then(|(_, manifest)| manifest.as_ref());
            found.append_option(manifest.and_then(|manifest| {
                let (size, len) = (u64::try_from(size?).ok()?, u64::try_from(len?).ok()?);
                let version = manifest.process.version.as_deref()?;
                let capacity = manifest.runtime().capacity(version, type_name?, size, len)?;
                Some(saturating((self.number)(capacity, len)))
            }));
        }
        Ok(ColumnarValue::Array(Arc::new(found.finish())))
    }
}
