//! The totals of a dump by type, holder or module, from its summaries.

use std::collections::{BTreeMap, HashMap};

use datafusion::arrow::{
    array::{Array as _, AsArray as _, RecordBatch},
    datatypes::Int64Type,
};
use heaplake_model::schema::Table;
use heaplake_store::{Lake, Manifest};

use crate::{Error, Result};

/// What totals are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Type,
    Holder,
    Module,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metric {
    Count,
    Size,
    Retained,
}

/// The totals of one type, holder or module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Total {
    pub(super) count: i64,
    pub(super) size: i64,
    /// None where the dump has no graph index.
    pub(super) retained: Option<i64>,
    /// Of a holder, the one above it.
    pub(super) held_by: Option<String>,
}

impl Total {
    pub(super) fn get(&self, metric: Metric) -> Option<i64> {
        match metric {
            Metric::Count => Some(self.count),
            Metric::Size => Some(self.size),
            Metric::Retained => self.retained,
        }
    }
}

impl By {
    /// The name of the column of what totals are of.
    pub(super) fn column(self) -> &'static str {
        match self {
            By::Type => "type",
            By::Holder => "holder",
            By::Module => "module",
        }
    }

    /// Makes sure that a dump has the summary.
    pub(super) fn check(self, manifest: &Manifest) -> Result<()> {
        let table = self.table();
        match manifest.files_of(table).next() {
            Some(_) => Ok(()),
            None => Err(Error::Failed(format!(
                "dump {0} has no {1}, which the graph index gives; `heaplake index {0}` makes both",
                manifest.id,
                table.name()
            ))),
        }
    }

    fn table(self) -> Table {
        if self == By::Type { Table::TypeStat } else { Table::HolderStat }
    }

    /// The totals of a dump.
    pub(super) fn totals(self, lake: &Lake, manifest: &Manifest) -> Result<HashMap<String, Total>> {
        let batches = lake.summary(manifest, self.table())?;
        Ok(match self {
            By::Type => types(&batches),
            By::Holder => holders(&batches),
            By::Module => modules(&batches),
        })
    }
}

fn numbers<'b>(rows: &'b RecordBatch, column: &str) -> impl Fn(usize) -> Option<i64> + use<'b> {
    let numbers = rows.column_by_name(column).and_then(|column| column.as_primitive_opt::<Int64Type>());
    let numbers = numbers.cloned();
    move |row| numbers.as_ref().filter(|numbers| numbers.is_valid(row)).map(|numbers| numbers.value(row))
}

fn texts<'b>(rows: &'b RecordBatch, column: &str) -> impl Fn(usize) -> Option<&'b str> {
    let texts = rows.column_by_name(column).and_then(|column| column.as_string_opt::<i32>());
    move |row| texts.filter(|texts| texts.is_valid(row)).map(|texts| texts.value(row))
}

fn types(batches: &[RecordBatch]) -> HashMap<String, Total> {
    let mut totals = HashMap::new();
    for rows in batches {
        let (name, count, size) = (texts(rows, "type"), numbers(rows, "count"), numbers(rows, "size"));
        let retained = numbers(rows, "retained");
        for row in 0..rows.num_rows() {
            let total = Total {
                count: count(row).unwrap_or(0),
                size: size(row).unwrap_or(0),
                retained: retained(row),
                held_by: None,
            };
            totals.insert(name(row).unwrap_or_default().to_owned(), total);
        }
    }
    totals
}

/// Hostile names can make two holders read the same; they are added up.
fn holders(batches: &[RecordBatch]) -> HashMap<String, Total> {
    let mut totals: HashMap<String, Total> = HashMap::new();
    for rows in batches {
        let (holder, held_by) = (texts(rows, "holder"), texts(rows, "held_by"));
        let (count, size, retained) =
            (numbers(rows, "count"), numbers(rows, "size"), numbers(rows, "retained"));
        for row in 0..rows.num_rows() {
            let total = totals.entry(holder(row).unwrap_or_default().to_owned()).or_default();
            total.count = total.count.saturating_add(count(row).unwrap_or(0));
            total.size = total.size.saturating_add(size(row).unwrap_or(0));
            total.retained = Some(total.retained.unwrap_or(0).saturating_add(retained(row).unwrap_or(0)));
            total.held_by = held_by(row).map(str::to_owned);
        }
    }
    totals
}

/// What starts the path of what no module holds.
const NO_MODULE: &str = "(no module)";

/// By the module at the top of the path: its name. What several hold, cycles, and what else no module holds have groups
/// of their own.
fn modules(batches: &[RecordBatch]) -> HashMap<String, Total> {
    let mut of_holder: BTreeMap<String, String> = BTreeMap::new();
    let mut totals: HashMap<String, Total> = HashMap::new();
    for rows in batches {
        let (holder, held_by) = (texts(rows, "holder"), texts(rows, "held_by"));
        let (count, size, retained) =
            (numbers(rows, "count"), numbers(rows, "size"), numbers(rows, "retained"));
        for row in 0..rows.num_rows() {
            let own = holder(row).unwrap_or_default();
            // A holder comes after the one above it.
            let above = held_by(row).and_then(|above| of_holder.get(above)).cloned();
            let is_top = above.is_none();
            let module = above.unwrap_or_else(|| match own.strip_prefix("module ") {
                Some(name) => name.to_owned(),
                None if own.starts_with('(') && !own.contains("->") => own.to_owned(),
                None => NO_MODULE.to_owned(),
            });
            let total = totals.entry(module.clone()).or_default();
            total.count = total.count.saturating_add(count(row).unwrap_or(0));
            total.size = total.size.saturating_add(size(row).unwrap_or(0));
            if is_top {
                total.retained = Some(total.retained.unwrap_or(0).saturating_add(retained(row).unwrap_or(0)));
            }
            of_holder.insert(own.to_owned(), module);
        }
    }
    totals
}
