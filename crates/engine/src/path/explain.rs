//! Why there is no path: what was searched, whether what it leads to exists, who reaches it, what EXCEPT took away.

use std::{fmt, sync::Arc};

use datafusion::{
    arrow::{
        array::{RecordBatch, RecordBatchOptions, StringViewArray},
        datatypes::SchemaRef,
    },
    error::Result,
    physical_plan::{ExecutionPlan, execution_plan::EmissionType},
};
use futures::{StreamExt as _, stream};
use heaplake_graph::{
    Id, NO_DISTANCE,
    search::{NodeTypes, PathSearch, Pattern, Visited},
};
use heaplake_store::{Dump, GraphIndex, ImportProgress, with_index};

use super::{
    compile::{Compiled, NodeTest},
    exec::{PathForm, answers, describe, stopped},
    find::find,
    ground,
};
use crate::{
    memo::SetRows,
    mistake,
    operator::{Operator, OperatorInputs, OperatorRows, OperatorTask},
    snapshot::Snapshot,
    type_names::nearest_types,
};

/// The operator of `path_explain`.
#[derive(Debug)]
pub(super) struct ExplainOperator {
    pub(super) compiled: Arc<Compiled>,
    pub(super) manifest: Arc<Dump>,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) form: PathForm,
}

impl Operator for ExplainOperator {
    const NAME: &'static str = "PathExplainExec";
    const INPUTS: OperatorInputs = OperatorInputs::AnyOrder;
    const EMISSION: EmissionType = EmissionType::Incremental;

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&describe(&self.compiled, &self.manifest, &self.form))
    }

    fn run(self: Arc<Self>, inputs: Vec<Arc<dyn ExecutionPlan>>, task: OperatorTask) -> Result<OperatorRows> {
        let lines = async move {
            let PathForm::Index { sets } = &self.form else {
                let line = "nothing more is known without the graph index".to_owned();
                return batch(task.schema(), vec![line]);
            };
            let answers = answers(sets, inputs, task.context()).await?;
            let operator = self.clone();
            let lines = task.blocking(move |progress| {
                let open = operator.snapshot.open(&operator.manifest, progress)?;
                with_index!(&*open.index, |index| operator.lines(index, &answers, progress))
            });
            batch(task.schema(), lines.await?)
        };
        Ok(stream::once(lines).boxed())
    }
}

fn batch(schema: &SchemaRef, lines: Vec<String>) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(lines.len()));
    let lines: Arc<StringViewArray> = Arc::new(StringViewArray::from_iter_values(lines));
    let columns = schema.fields().iter().map(|_| lines.clone() as _).collect();
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}

impl ExplainOperator {
    fn lines<I: Id>(
        &self,
        index: &GraphIndex<I>,
        answers: &[SetRows],
        progress: &ImportProgress,
    ) -> Result<Vec<String>> {
        let pattern = ground::pattern(&self.compiled, index, answers);
        let (found, visited) = self.search(index, &self.compiled, &pattern, progress)?;
        let searched = format!(
            "searched {} in {}",
            counted(visited.pairs, "pair of object and state", "pairs of object and state"),
            counted(visited.levels, "level", "levels"),
        );
        if found {
            return Ok(vec![format!("there is a path; {searched}")]);
        }
        let mut lines = Vec::new();
        if let Some(missing) = self.missing(index, &pattern) {
            lines.push(missing);
        } else if visited.pairs == 0 {
            lines.push(
                "nothing was searched: by their types alone, no objects follow each other as the pattern says"
                    .to_owned(),
            );
            lines.extend(self.impossible(index, &pattern));
        } else {
            lines.push(format!("{searched}, to the end"));
        }
        if !self.compiled.except.is_empty() || !self.compiled.except_edges.is_empty() {
            let without = self.compiled.without_except();
            let n_own = own_answers(&self.compiled);
            let pattern =
                ground::pattern(&without, index, &[&answers[..n_own.0], &answers[n_own.1.clone()]].concat());
            let (found, _) = self.search(index, &without, &pattern, progress)?;
            lines.push(match found {
                true => "without EXCEPT there is a path: EXCEPT takes it away".to_owned(),
                false => "without EXCEPT there is no path either".to_owned(),
            });
        }
        if let Some(n) = self.compiled.within {
            let without = Compiled { within: None, ..(*self.compiled).clone() };
            if without.selector != heaplake_pathql::Selector::AllAcyclic {
                let (found, _) = self.search(index, &without, &pattern, progress)?;
                if found {
                    lines.push(format!("there is a path of more than {}", counted(n.into(), "hop", "hops")));
                }
            }
        }
        lines.extend(self.ends(index, &pattern));
        Ok(lines)
    }

    /// Whether there is a path.
    fn search<I: Id>(
        &self,
        index: &GraphIndex<I>,
        compiled: &Compiled,
        pattern: &Pattern<I>,
        progress: &ImportProgress,
    ) -> Result<(bool, Visited)> {
        let type_graph = ground::type_graph(index, self.manifest.types.len());
        let counts: Vec<u64> = self.manifest.types.iter().map(|stat| stat.count).collect();
        let types = NodeTypes { of: index.types(), graph: &type_graph, counts: &counts };
        let mut search = PathSearch::new(index.graph(), types, pattern);
        let any = Compiled { limit: Some(1), per: None, ..compiled.clone() };
        let mut found = false;
        let visited = find(&any, &mut search, &progress.cancel, &mut |_| {
            found = true;
            false
        });
        Ok((found, visited.map_err(stopped)?))
    }

    /// The first test of the pattern that every path needs and no object passes.
    fn missing<I: Id>(&self, index: &GraphIndex<I>, pattern: &Pattern<I>) -> Option<String> {
        let of_all = |arcs: &[Vec<u32>], test: u32| arcs.iter().all(|tests| tests.contains(&test));
        let first: Vec<Vec<u32>> = self.compiled.starts.iter().map(|arc| arc.tests.clone()).collect();
        let needed = (0..self.compiled.tests.len() as u32)
            .filter(|test| of_all(&first, *test) || of_all(&self.compiled.last, *test));
        for test in needed {
            if self.passing(index, pattern, test).next().is_none() {
                let test = &self.compiled.tests[test as usize];
                let text = mistake::escape(&test.text);
                let why = match test {
                    NodeTest { filter: Some(_), any: false, roots: false, addresses, types, .. }
                        if addresses.is_empty() && !types.is_empty() =>
                    {
                        let n: u64 = types.iter().map(|rank| self.manifest.types[rank].count).sum();
                        format!(
                            "; {} of the type, but the predicate is true of none",
                            counted(n, "object is", "objects are")
                        )
                    }
                    _ => String::new(),
                };
                return Some(self.no_instances(test).unwrap_or_else(|| {
                    format!("dump {} has no object that is {text}{why}", self.manifest.id)
                }));
            }
        }
        None
    }

    /// That the types that a test names have no instances, with types whose names contain their names or are like them;
    /// `None` if the test is about something else.
    fn no_instances(&self, test: &NodeTest) -> Option<String> {
        const MAX_SIMILAR: usize = 3;
        let asked = test.names.as_ref().filter(|names| !names.is_empty() && test.types.is_empty())?;
        let mut similar: Vec<&str> = Vec::new();
        for (name, is_exact) in asked {
            let folded = name.to_lowercase();
            let types = self.manifest.types.iter();
            let mut longer: Vec<_> =
                types.filter(|stat| stat.name.to_lowercase().contains(&folded)).collect();
            longer.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
            match longer.is_empty() {
                true => similar.extend(nearest_types(name, *is_exact, &self.manifest)),
                false => similar.extend(longer.iter().map(|stat| stat.name.as_str())),
            }
        }
        let mut known = std::collections::BTreeSet::new();
        similar.retain(|name| known.insert(*name));
        similar.truncate(MAX_SIMILAR);
        let similar: Vec<String> = similar.into_iter().map(mistake::escape).collect();
        let similar = match similar.as_slice() {
            [] => String::new(),
            names => format!(" (similar types: {})", names.join(", ")),
        };
        let asked: Vec<String> = asked.iter().map(|(name, _)| mistake::escape(name)).collect();
        Some(format!("dump {} has no instances of {}{similar}", self.manifest.id, asked.join(" or ")))
    }

    fn passing<'a, I: Id>(
        &'a self,
        index: &'a GraphIndex<I>,
        pattern: &'a Pattern<I>,
        test: u32,
    ) -> impl Iterator<Item = usize> + 'a {
        let test = &pattern.tests[test as usize];
        let types = index.types();
        (0..index.n_nodes())
            .filter(move |node| index.is_there(*node) && test.passes(*node, types.at(*node) as usize))
    }

    /// What the ends of a path could be, and who reaches those.
    fn ends<I: Id>(&self, index: &GraphIndex<I>, pattern: &Pattern<I>) -> Option<String> {
        let [test] =
            self.compiled.last.iter().filter_map(|tests| tests.first().copied()).collect::<Vec<_>>()[..]
        else {
            return None;
        };
        let named = &self.compiled.tests[test as usize];
        let (mut n, mut n_reached, mut nearest) = (0_u64, 0_u64, NO_DISTANCE);
        for node in self.passing(index, pattern, test) {
            n += 1;
            n_reached += u64::from(index.distances().at(node) != NO_DISTANCE);
            nearest = nearest.min(index.distances().at(node));
        }
        if n == 0 {
            return None;
        }
        let what = format!("{} {}", counted(n, "object is", "objects are"), mistake::escape(&named.text));
        Some(match n_reached {
            0 => format!("{what}; no root reaches any of them but garbage"),
            _ if n_reached == n => {
                format!(
                    "{what}; roots reach all of them, the nearest in {}",
                    counted(nearest.into(), "hop", "hops")
                )
            }
            _ => format!(
                "{what}; roots reach {n_reached} of them, the nearest in {}",
                counted(nearest.into(), "hop", "hops")
            ),
        })
    }

    /// Which step the types do not allow: the first test that no chain of types leads to.
    fn impossible<I: Id>(&self, index: &GraphIndex<I>, pattern: &Pattern<I>) -> Option<String> {
        let type_graph = ground::type_graph(index, self.manifest.types.len());
        let counts: Vec<u64> = self.manifest.types.iter().map(|stat| stat.count).collect();
        let types = NodeTypes { of: index.types(), graph: &type_graph, counts: &counts };
        let search = PathSearch::new(index.graph(), types, pattern);
        let test = search.first_unreached_test()?;
        if let Some(missing) = self.no_instances(&self.compiled.tests[test as usize]) {
            return Some(missing);
        }
        Some(format!(
            "no chain of references leads to {} in the way that the pattern says",
            mistake::escape(&self.compiled.tests[test as usize].text)
        ))
    }
}

/// How many answers of the tables are for the tests, and where those for the labels are, between them the ones for EXCEPT.
fn own_answers(compiled: &Compiled) -> (usize, std::ops::Range<usize>) {
    let filters = |tests: &[NodeTest]| tests.iter().filter(|test| test.filter.is_some()).count();
    let (tests, except) = (filters(&compiled.tests), filters(&compiled.except));
    (tests, tests + except..tests + except + compiled.labels.len())
}

fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}
