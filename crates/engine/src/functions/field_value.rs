//! `field_value`: what a field of an object is, as text.
//!
//! ```sql
//! SELECT address, CAST(field_value(address, 'size') AS BIGINT) AS n FROM obj WHERE type = 'java.util.HashMap'
//! ```

use std::collections::{BTreeSet, HashMap};

use datafusion::arrow::array::{Array as _, AsArray as _};
use heaplake_model::schema::Table;
use heaplake_store::with_index;

use crate::{
    Error,
    function::{ArgumentDoc, ArgumentKind, ColumnType, FunctionDoc, FunctionGroup, ResultDoc, column},
    object_function::{ObjectAnswers, ObjectFunction, ObjectsQuestion},
};

pub(super) static FIELD_VALUE: ObjectFunction = ObjectFunction {
    doc: FunctionDoc {
        name: "field_value",
        group: FunctionGroup::Value,
        usage: "field_value(address, 'name' [, dump])",
        purpose: "What a field of an object is, for every format: the number, truth value or character that the field itself \
                  has (where the import kept fields), or the `value` of the object that it refers to, as the `int` behind an \
                  attribute of Python or the text of a `java.lang.String`.",
        arguments: &[
            ArgumentDoc::required("address", ArgumentKind::Number, "address of the object"),
            ArgumentDoc::required("name", ArgumentKind::Text, "name of the field, without a dot"),
            ArgumentDoc::DUMP,
        ],
        result: ResultDoc::Value(column("field_value", ColumnType::Text, "the value").null(
            "where the object has no such field, where its value was not kept, where it refers to an object that has no value, \
             and where there is no such address",
        )),
        cost: "For each batch of rows the row groups of `field` that may have the field, and what `field` costs for the \
               remaining objects.",
        source: None,
    },
    answer,
};

fn answer(question: &ObjectsQuestion<'_>) -> Result<ObjectAnswers, Error> {
    let (open, lake) = (question.open, question.lake);
    let nodes = question.distinct_nodes(0);
    let asked: BTreeSet<&str> = question.texts.iter().copied().flatten().collect();
    let mut found: HashMap<(&str, usize), String> = HashMap::new();
    for field in asked {
        let mut rest = nodes.clone();
        // Nodes are numbered by address.
        let (addresses, types): (Vec<u64>, BTreeSet<u32>) = with_index!(&*open.index, |index| {
            nodes.iter().map(|node| (index.addresses()[*node], index.types().at(*node))).unzip()
        });
        let types = types.into_iter().map(|rank| open.type_name(rank)).collect();
        let mut values = lake.field_values(&open.manifest, field, &types, &addresses)?;
        if !values.is_empty() {
            rest.clear();
            for (node, address) in nodes.iter().zip(&addresses) {
                match values.remove(address) {
                    Some(value) => drop(found.insert((field, *node), value)),
                    None => rest.push(*node),
                }
            }
        }
        if rest.is_empty() || !question.labels.exist() {
            continue;
        }
        let children = with_index!(&*open.index, |index| {
            index.fields(question.labels, open.manifest.runtime(), &rest, field)?
        });
        let children: Vec<(usize, usize)> =
            rest.into_iter().zip(children).filter_map(|(node, child)| Some((node, child?))).collect();
        let rows = open.obj_rows(&children.iter().map(|(_, child)| *child).collect::<Vec<_>>());
        let batch = lake.rows_at(&open.manifest, Table::Obj, &["value"], &rows)?;
        let values = batch.column(0).as_string::<i32>();
        for (i, (node, _)) in children.into_iter().enumerate().filter(|(i, _)| values.is_valid(*i)) {
            found.insert((field, node), values.value(i).to_owned());
        }
    }
    let rows = question.nodes[0].iter().zip(&question.texts);
    Ok(ObjectAnswers::Texts(rows.map(|(node, field)| found.get(&((*field)?, (*node)?)).cloned()).collect()))
}
