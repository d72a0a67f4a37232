//! `tag`: a tag of a dump.
//!
//! ```sql
//! SELECT id, tag('build') FROM dump                                   -- of the column tags
//! SELECT sum(size) FROM history.obj WHERE tag(dump, 'service') = 'lms' -- of the dump of a row
//! ```
//!
//! Tags are those of when the session began, so that a condition on them decides which files are read.

use std::{
    collections::{HashMap, hash_map::Entry},
    ops::ControlFlow,
    sync::Arc,
};

use datafusion::{
    arrow::{
        array::{Array as _, ArrayRef, AsArray as _, StringViewArray, StringViewBuilder},
        compute::cast,
        datatypes::DataType,
    },
    error::{DataFusionError, Result},
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
    sql::{
        parser::Statement,
        sqlparser::ast::{
            Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, VisitMut as _, VisitorMut,
        },
    },
};
use heaplake_store::Manifests;

use super::ValueFunction;
use crate::{
    Error,
    function::{ArgumentDoc, ArgumentKind, ColumnType, FunctionDoc, FunctionGroup, ResultDoc, column},
};

/// The name of the function.
const TAG: &str = "tag";
/// The column that a call with a key alone is about.
const TAGS: &str = "tags";

pub(super) static TAG_FUNCTION: ValueFunction = ValueFunction {
    doc: FunctionDoc {
        name: TAG,
        group: FunctionGroup::Value,
        usage: "tag('key') where there is a column tags, or as tag(dump, 'key')",
        purpose: "A tag of a dump: of the dump that a row is of, or from the column `tags` of the table `dump`. Tags are those \
                  of when the session began, so that a condition on them decides which files are read.",
        arguments: &[
            ArgumentDoc::optional(
                "dump",
                ArgumentKind::TextOrMap,
                "the column `tags`",
                "id of a dump, or a map of tags",
            ),
            ArgumentDoc::required("key", ArgumentKind::Text, "name of the tag"),
        ],
        result: ResultDoc::Value(
            column("tag", ColumnType::Text, "the tag as text")
                .null("where the dump has no such tag, and where there is no such dump"),
        ),
        cost: "A look into the manifest for every dump and key; each manifest is read once.",
        source: None,
    },
    implementation: |manifests| {
        let signature = Signature::any(2, Volatility::Immutable);
        ScalarUDF::new_from_impl(Tag { signature, manifests: manifests.clone() })
    },
};

/// Gives calls with a key alone the column `tags`.
pub(crate) fn add_column(statement: &mut Statement) {
    match statement {
        Statement::Statement(sql) => {
            let _ = sql.visit(&mut Calls);
        }
        Statement::Explain(explain) => add_column(&mut explain.statement),
        _ => {}
    }
}

struct Calls;

impl VisitorMut for Calls {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr
            && function.name.to_string().eq_ignore_ascii_case(TAG)
            && let FunctionArguments::List(list) = &mut function.args
            && list.args.len() == 1
        {
            let column = Expr::Identifier(Ident::new(TAGS));
            list.args.insert(0, FunctionArg::Unnamed(FunctionArgExpr::Expr(column)));
        }
        ControlFlow::Continue(())
    }
}

#[derive(Debug)]
struct Tag {
    signature: Signature,
    manifests: Arc<Manifests>,
}

impl PartialEq for Tag {
    fn eq(&self, other: &Self) -> bool {
        self.signature == other.signature && Arc::ptr_eq(&self.manifests, &other.manifests)
    }
}

impl Eq for Tag {}

impl std::hash::Hash for Tag {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.signature.hash(state);
    }
}

impl ScalarUDFImpl for Tag {
    fn name(&self) -> &str {
        TAG
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [
                DataType::Map(..)
                | DataType::Utf8
                | DataType::Utf8View
                | DataType::LargeUtf8
                | DataType::Null,
                _,
            ] => Ok(DataType::Utf8View),
            _ => Err(misuse()),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let n_rows = args.number_rows;
        let [of, keys] = args.args.as_slice() else { return Err(misuse()) };
        let of = of.to_array(n_rows)?;
        let keys = cast(&keys.to_array(n_rows)?, &DataType::Utf8View)?;
        let keys = keys.as_string_view();
        let values = match of.data_type() {
            DataType::Map(..) => of_maps(&of, keys)?,
            _ => self.of_dumps(&of, keys)?,
        };
        Ok(ColumnarValue::Array(Arc::new(values)))
    }
}

impl Tag {
    fn of_dumps(&self, dumps: &ArrayRef, keys: &StringViewArray) -> Result<StringViewArray> {
        let dumps = cast(dumps, &DataType::Utf8View)?;
        // Few dumps and keys, many rows.
        let mut found: HashMap<(&str, &str), Option<String>> = HashMap::new();
        let mut rows = StringViewBuilder::with_capacity(keys.len());
        for (dump, key) in dumps.as_string_view().iter().zip(keys) {
            let Some((dump, key)) = dump.zip(key) else {
                rows.append_null();
                continue;
            };
            let tag = match found.entry((dump, key)) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(vacant) => {
                    let manifest = self.manifests.find(dump).map_err(Error::from)?;
                    vacant.insert(manifest.and_then(|manifest| manifest.tag(key)))
                }
            };
            rows.append_option(tag.as_deref());
        }
        Ok(rows.finish())
    }
}

fn of_maps(maps: &ArrayRef, keys: &StringViewArray) -> Result<StringViewArray> {
    let maps = maps.as_map();
    let names = cast(maps.keys(), &DataType::Utf8View)?;
    let values = cast(maps.values(), &DataType::Utf8View)?;
    let (names, values) = (names.as_string_view(), values.as_string_view());
    let mut found = StringViewBuilder::new();
    for row in 0..maps.len() {
        let entries = maps.value_offsets()[row] as usize..maps.value_offsets()[row + 1] as usize;
        let wanted = |entry: &usize| {
            maps.is_valid(row) && keys.is_valid(row) && names.value(*entry) == keys.value(row)
        };
        let entry = entries.clone().find(wanted).filter(|entry| values.is_valid(*entry));
        found.append_option(entry.map(|entry| values.value(entry)));
    }
    Ok(found.finish())
}

fn misuse() -> DataFusionError {
    Error::query(format!("{TAG} is called as {}", TAG_FUNCTION.doc.usage)).into()
}
