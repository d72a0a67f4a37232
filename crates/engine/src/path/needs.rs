//! What a pattern asks of the tables before its search: objects that pass a predicate, references with a label.
//!
//! Each becomes an ordinary plan below the operator, so that it prunes and shows in EXPLAIN.

use std::sync::Arc;

use datafusion::{error::Result, execution::SessionState, physical_plan::ExecutionPlan};

use super::compile::{Compiled, EdgeRule, NodeTest, literal};
use crate::graph::Set;

/// One question to the tables.
#[derive(Debug, Clone)]
pub(super) enum Need {
    /// A query for the column address.
    Objects(String),
    /// A query for parent and idx.
    Edges(String),
    /// A predicate over `edge`.
    EdgesWhere(String),
}

/// The questions of a pattern to the index form: by test, by test of EXCEPT, by label, by rule of EXCEPT EDGES.
pub(super) fn needs(compiled: &Compiled, schema: &str, types: &dyn Fn(usize) -> String) -> Vec<Need> {
    let mut needs = Vec::new();
    let of_test = |test: &NodeTest, needs: &mut Vec<Need>| {
        if let Some(filter) = &test.filter {
            let alias = test.alias();
            let only_types = !test.any && !test.roots && test.addresses.is_empty();
            let pruning = match only_types {
                true => {
                    let names: Vec<String> = test.types.iter().map(|rank| literal(&types(rank))).collect();
                    match names.is_empty() {
                        true => "false AND ".to_owned(),
                        false => format!("type IN ({}) AND ", names.join(", ")),
                    }
                }
                false => String::new(),
            };
            needs.push(Need::Objects(format!(
                "SELECT address FROM {schema}.obj AS {alias} WHERE {pruning}({filter})"
            )));
        }
    };
    let of_label = |label: &str| Need::Edges(format!("SELECT parent, idx FROM {schema}.edge WHERE {label}"));
    compiled.tests.iter().chain(&compiled.except).for_each(|test| of_test(test, &mut needs));
    needs.extend(compiled.labels.iter().map(|label| of_label(label)));
    for rule in &compiled.except_edges {
        match rule {
            EdgeRule::Filter(filter) => needs.push(Need::EdgesWhere(filter.clone())),
            EdgeRule::Hop { parent, label, child } => {
                parent.iter().for_each(|test| of_test(test, &mut needs));
                needs.extend(label.iter().map(|label| of_label(label)));
                child.iter().for_each(|test| of_test(test, &mut needs));
            }
        }
    }
    needs
}

impl Need {
    /// A plan for the rows.
    pub(super) async fn plan(&self, state: &SessionState, dump: &str) -> Result<Arc<dyn ExecutionPlan>> {
        let query = match self {
            Need::Objects(query) | Need::Edges(query) => query.clone(),
            Need::EdgesWhere(predicate) => Set::edges_query(predicate, dump),
        };
        let logical = state.create_logical_plan(&query).await?;
        state.create_physical_plan(&logical).await
    }

    /// The set that the rows are of.
    pub(super) fn set(&self) -> Set {
        match self {
            Need::Objects(_) => Set::Objects(String::new()),
            Need::Edges(_) | Need::EdgesWhere(_) => Set::Edges(String::new()),
        }
    }
}
