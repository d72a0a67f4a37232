//! `label`: by which attribute, key or index an object refers to another.

use heaplake_store::with_index;

use crate::{
    Error,
    function::{ArgumentDoc, ArgumentKind, ColumnType, FunctionDoc, FunctionGroup, ResultDoc, column},
    object_function::{ObjectAnswers, ObjectFunction, ObjectsQuestion},
};

pub(super) static LABEL: ObjectFunction = ObjectFunction {
    doc: FunctionDoc {
        name: "label",
        group: FunctionGroup::Value,
        usage: "label(parent, child [, dump])",
        purpose: "The label of the first reference from an object to another that has one: what one would write after the \
                  parent in the program to come to the child, such as `.user` or `['key']`.",
        arguments: &[
            ArgumentDoc::required("parent", ArgumentKind::Number, "address of the object that refers"),
            ArgumentDoc::required("child", ArgumentKind::Number, "address of the object that is referred to"),
            ArgumentDoc::DUMP,
        ],
        result: ResultDoc::Value(column("label", ColumnType::Text, "the label").null(
            "where the parent does not refer to the child, and where the dump does not say by what it does",
        )),
        cost: "For each batch of rows the references of the parents; pages of `edge` without those that are asked for are not \
               read.",
        source: None,
    },
    answer,
};

fn answer(question: &ObjectsQuestion<'_>) -> Result<ObjectAnswers, Error> {
    let rows: Vec<Option<(usize, usize)>> = question.nodes[0]
        .iter()
        .zip(&question.nodes[1])
        .map(|(parent, child)| (*parent).zip(*child))
        .collect();
    let pairs: Vec<(usize, usize)> = rows.iter().copied().flatten().collect();
    let labels = with_index!(&*question.open.index, |index| index.labels_between(question.labels, &pairs))?;
    let mut labels = labels.into_iter();
    Ok(ObjectAnswers::Texts(rows.iter().map(|pair| pair.and_then(|_| labels.next().flatten())).collect()))
}
