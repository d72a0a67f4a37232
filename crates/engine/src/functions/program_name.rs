//! `program_name`: what the program calls an object that has no name of its own.

use std::collections::HashMap;

use heaplake_store::with_index;

use crate::{
    Error,
    function::{ArgumentDoc, ArgumentKind, ColumnType, FunctionDoc, FunctionGroup, ResultDoc, column},
    object_function::{ObjectAnswers, ObjectFunction, ObjectsQuestion},
};

pub(super) static PROGRAM_NAME: ObjectFunction = ObjectFunction {
    doc: FunctionDoc {
        name: "program_name",
        group: FunctionGroup::Value,
        usage: "program_name(address [, dump])",
        purpose: "What the program calls an object, as in the paths of holders: for the dictionary of a module the name of the \
                  module; else the attribute, global or local variable by which its immediate dominator refers to it; where no \
                  single object holds it, the best way to it with its owner, as `shop.cache.SESSIONS` or `Server.queue`.",
        arguments: &[
            ArgumentDoc::required("address", ArgumentKind::Number, "address of the object"),
            ArgumentDoc::DUMP,
        ],
        result: ResultDoc::Value(
            column("name", ColumnType::Text, "the name")
                .null("where the program has no name for it, and where the dump has no labels"),
        ),
        cost: "For each batch of rows the references of the immediate dominators, and all referrers of objects that no single \
               object holds; pages of `edge` without those that are asked for are not read.",
        source: None,
    },
    answer,
};

fn answer(question: &ObjectsQuestion<'_>) -> Result<ObjectAnswers, Error> {
    if !question.labels.exist() {
        return Ok(ObjectAnswers::Texts(vec![None; question.nodes[0].len()]));
    }
    let nodes = question.distinct_nodes(0);
    let of = (question.lake, &*question.open.manifest);
    let names = with_index!(&*question.open.index, |index| index.program_names(of, question.labels, &nodes))?;
    let names: HashMap<usize, Option<String>> = nodes.into_iter().zip(names).collect();
    let name = |node: &Option<usize>| node.and_then(|node| names.get(&node).cloned().flatten());
    Ok(ObjectAnswers::Texts(question.nodes[0].iter().map(name).collect()))
}
