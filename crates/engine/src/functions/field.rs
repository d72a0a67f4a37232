//! `field`: the object behind an attribute.
//!
//! ```sql
//! SELECT s.address, u.type, u.retained FROM obj s JOIN obj u ON u.address = field(s.address, 'user') WHERE s.type = 'Session'
//! ```

use std::collections::{BTreeSet, HashMap};

use heaplake_store::with_index;

use crate::{
    Error,
    function::{ArgumentDoc, ArgumentKind, ColumnType, FunctionDoc, FunctionGroup, ResultDoc, column},
    object_function::{ObjectAnswers, ObjectFunction, ObjectsQuestion},
};

pub(super) static FIELD: ObjectFunction = ObjectFunction {
    doc: FunctionDoc {
        name: "field",
        group: FunctionGroup::Value,
        usage: "field(address, 'name' [, dump])",
        purpose: "The object that a field of an object refers to: `field(address, 'user')` is what `.user` is, whether it is \
                  a slot, kept in the object itself, or an entry of its `__dict__`, so that a query works for every version \
                  of Python. What a class gives its instances (a class attribute, a property) is a field of the class. What a field \
                  is that refers to no object, as a number of Java, says `field_value`.",
        arguments: &[
            ArgumentDoc::required("address", ArgumentKind::Number, "address of the object"),
            ArgumentDoc::required("name", ArgumentKind::Text, "name of the field, without a dot"),
            ArgumentDoc::DUMP,
        ],
        result: ResultDoc::Value(
            column("field", ColumnType::UInt64, "address of the object that the field refers to").null(
                "where the object has no such field, where that object was not dumped, and where there is no such address",
            ),
        ),
        cost: "For each batch of rows the labels of the references of its objects, and of their `__dict__` where they have \
               one; pages of `edge` without these are not read. A dump without labels is an error.",
        source: None,
    },
    answer,
};

fn answer(question: &ObjectsQuestion<'_>) -> Result<ObjectAnswers, Error> {
    let dump = &question.open.manifest;
    if !question.labels.exist() {
        return Err(FIELD.doc.misuse(&format!(
            "dump {} has no labels: its format does not say by which attribute an object is referred to",
            dump.id
        )));
    }
    let nodes = question.distinct_nodes(0);
    let fields: BTreeSet<&str> = question.texts.iter().copied().flatten().collect();
    let mut found: HashMap<(&str, usize), usize> = HashMap::new();
    for field in fields {
        let values = with_index!(&*question.open.index, |index| {
            index.fields(question.labels, dump.runtime(), &nodes, field)?
        });
        let known = nodes.iter().zip(values).filter_map(|(node, value)| Some(((field, *node), value?)));
        found.extend(known);
    }
    let rows = question.nodes[0].iter().zip(&question.texts);
    Ok(ObjectAnswers::Nodes(rows.map(|(node, field)| found.get(&((*field)?, (*node)?)).copied()).collect()))
}
