//! `fields`: the objects of a type as a table with a column for each of their fields.
//!
//! ```sql
//! SELECT * FROM fields('java.util.HashMap') WHERE threshold > 100
//! ```

use std::{collections::BTreeMap, sync::Arc};

use datafusion::{
    arrow::datatypes::DataType,
    catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider, view::ViewTable},
    common::metadata::FieldMetadata,
    datasource::provider_as_source,
    error::Result,
    functions_aggregate::expr_fn::first_value,
    logical_expr::{Expr, ExprFunctionExt as _, LogicalPlanBuilder, cast, expr::NullTreatment, ident, lit},
    prelude::{SessionContext, coalesce},
};
use heaplake_model::schema::{DESCRIPTION, PROGRAM_VALUE, Table};
use heaplake_store::Dump;

use crate::{
    Error,
    error::Thing,
    function::{
        ArgumentDoc, ArgumentKind, ColumnType, Function, FunctionDoc, FunctionGroup, ResultDoc, RowsDoc,
        column,
    },
    mistake,
    snapshot::Snapshot,
    table::LakeTable,
    type_names::{AskedType, nearest_types},
};

pub(super) static FIELDS: FieldsFunction = FieldsFunction {
    doc: FunctionDoc {
        name: "fields",
        group: FunctionGroup::Value,
        usage: "fields('type' [, dump])",
        purpose: "The objects of a type, a row each, with a column for each field that has a value of its own: numbers, truth \
                  values, characters. The columns have the names of the fields, so that one with capital letters is written in \
                  quotes (`\"modCount\"`). For a dump whose fields were kept at its import; references are what \
                  `field(address, 'name')` is for.",
        arguments: &[
            ArgumentDoc::required(
                "type",
                ArgumentKind::Text,
                "the type; without a dot the part of its name after the last dot",
            ),
            ArgumentDoc::DUMP,
        ],
        result: ResultDoc::Rows(&[RowsDoc::always(&[&[column(
            "address",
            ColumnType::UInt64,
            "address of the object; after it there is a column for each field, null where an object has no such field. One \
             that is called address itself is `.address`",
        )]])]),
        cost: "The row groups of `field` that may have the type, once to find its fields and once for their values.",
        source: None,
    },
};

/// The columns of a table at most: `java.lang.Class` has every static field of the program.
const MAX_COLUMNS: usize = 500;

/// The function.
#[derive(Debug)]
pub(super) struct FieldsFunction {
    doc: FunctionDoc,
}

impl Function for FieldsFunction {
    fn doc(&'static self) -> &'static FunctionDoc {
        &self.doc
    }

    fn register(&'static self, context: &SessionContext, snapshot: &Arc<Snapshot>) {
        let function = FieldsTableFunction { doc: &self.doc, snapshot: snapshot.clone() };
        context.register_udtf(self.doc.name, Arc::new(function));
    }
}

/// The function, over the dumps of a session.
#[derive(Debug)]
struct FieldsTableFunction {
    doc: &'static FunctionDoc,
    snapshot: Arc<Snapshot>,
}

impl TableFunctionImpl for FieldsTableFunction {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let texts = self.doc.texts(args.exprs())?;
        let (asked, dump) = match texts.as_slice() {
            [asked] => (*asked, None),
            [asked, dump] => (*asked, Some(*dump)),
            _ => return Err(self.doc.misuse("it needs a type").into()),
        };
        let dump = self.snapshot.dump(dump)?;
        let type_name = only_type(asked, &dump).map_err(|error| self.doc.with_usage(error))?;
        let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let found = self.snapshot.lake().fields_of_type(&dump, type_name).map_err(Error::from)?;
        for field in found {
            kinds.entry(field.name).or_default().push(field.kind);
        }
        if kinds.len() > MAX_COLUMNS {
            let what = format!(
                "{} has {} fields, and a table has {MAX_COLUMNS} columns at most; the table field has them as rows",
                mistake::escape(type_name),
                kinds.len()
            );
            return Err(Error::Failed(what).into());
        }
        let manifest = Arc::new(dump.manifest.clone());
        let table = LakeTable::new(self.snapshot.lake().clone(), Table::Field, vec![manifest], false);
        let value = |name: &str, column: &str| {
            let is_field = ident("name").eq(lit(name));
            // An object has a field once, so that the first value is the only one; `max` of a group begins with a number, and so
            // has no -Infinity. With an order, which says nothing here, the values of all groups are in arrays.
            first_value(ident(column), vec![ident("name").sort(true, false)])
                .filter(is_field)
                .null_treatment(NullTreatment::IgnoreNulls)
                .build()
                .map(|value| value.alias(format!("{name} {column}")))
        };
        let of_program =
            FieldMetadata::from(BTreeMap::from([(DESCRIPTION.to_owned(), PROGRAM_VALUE.to_owned())]));
        let (mut values, mut columns) = (Vec::new(), vec![ident("address")]);
        for (name, kinds) in &kinds {
            let parts = Parts::of(kinds);
            for (column, _) in parts.columns() {
                values.push(value(name, column)?);
            }
            let shown = if name == "address" { ".address" } else { name };
            columns.push(parts.joined(name).alias_with_metadata(shown, Some(of_program.clone())));
        }
        let plan = LogicalPlanBuilder::scan("field", provider_as_source(Arc::new(table)), None)?
            .filter(ident("type").eq(lit(type_name)))?
            .aggregate(vec![ident("address")], values)?
            .project(columns)?
            .build()?;
        Ok(Arc::new(ViewTable::new(plan, None)))
    }
}

/// The one type that is meant.
fn only_type<'d>(asked: &str, dump: &'d Dump) -> crate::Result<&'d str> {
    let names = || dump.types.iter().map(|stat| stat.name.as_str());
    if let Some(exact) = names().find(|name| *name == asked) {
        return Ok(exact);
    }
    let wanted = AskedType { name: asked.to_owned(), is_exact: false };
    let meant: Vec<&str> = names().filter(|name| wanted.matches(name)).collect();
    match meant.as_slice() {
        [name] => Ok(name),
        [] => {
            let what = format!("dump {} has no type {}", dump.id, mistake::quoted(asked));
            Err(Error::not_found(Thing::Type, asked, what, &nearest_types(asked, false, dump)))
        }
        several => {
            let several: Vec<String> = several.iter().map(|name| mistake::quoted(name)).collect();
            Err(Error::query(format!("{} may be {}", mistake::quoted(asked), several.join(" or "))))
        }
    }
}

/// Which columns of the table have values of a field: one, unless classes of one name differ.
struct Parts {
    is_boolean: bool,
    has: [bool; 3],
}

impl Parts {
    fn of(kinds: &[String]) -> Self {
        let column = |kind: &String| match kind.as_str() {
            "float" | "double" => 1,
            "char" => 2,
            _ => 0,
        };
        let has = |position| kinds.iter().any(|kind| column(kind) == position);
        Self { is_boolean: kinds.iter().all(|kind| kind == "boolean"), has: [has(0), has(1), has(2)] }
    }

    fn columns(&self) -> impl Iterator<Item = (&'static str, bool)> {
        let names = ["integer", "float", "text"];
        names.into_iter().zip(self.has).filter(|(_, has)| *has)
    }

    /// The value of a field, from those of the columns.
    fn joined(&self, name: &str) -> Expr {
        let value = |column: &str| ident(format!("{name} {column}"));
        let data_type = match self.has {
            _ if self.is_boolean => return cast(value("integer"), DataType::Boolean),
            [_, _, true] => DataType::Utf8View,
            [_, true, _] => DataType::Float64,
            _ => DataType::Int64,
        };
        let mut parts: Vec<Expr> =
            self.columns().map(|(column, _)| cast(value(column), data_type.clone())).collect();
        if parts.len() == 1 { parts.remove(0) } else { coalesce(parts) }
    }
}
