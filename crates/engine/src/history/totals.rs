//! The totals of a dump by type, holder or module, from its summaries.

use std::collections::HashMap;

use datafusion::arrow::{
    array::{Array as _, AsArray as _, RecordBatch},
    datatypes::Int64Type,
};
use heaplake_model::{Runtime, TypeRole, schema::Table};
use heaplake_store::{Lake, Manifest};

use super::naming::TypeNaming;
use crate::{Error, Result};

/// What totals are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Type,
    Holder,
    Module,
    /// The module at the top of a holder: for dumps that have no totals per module, as older versions wrote them.
    HolderModule,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metric {
    Count,
    Size,
    Retained,
}

/// The totals of one type, holder or module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Total {
    pub(crate) count: i64,
    pub(crate) size: i64,
    /// None where the dump has no graph index.
    pub(crate) retained: Option<i64>,
    /// Of a holder, the one above it.
    pub(crate) held_by: Option<String>,
    /// Of a holder, the last element of its path.
    pub(crate) element: Option<String>,
}

/// Where a holder is in the tree of holders; empty for everything else.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct HolderPlace<'r> {
    /// The holder above.
    pub(crate) held_by: Option<&'r str>,
    /// The last element of the path.
    pub(crate) element: Option<&'r str>,
}

impl Total {
    /// Adds another; what was not measured stays unknown only where nothing was.
    fn add(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.size = self.size.saturating_add(other.size);
        if let Some(bytes) = other.retained {
            self.retained = Some(self.retained.unwrap_or(0).saturating_add(bytes));
        }
    }

    pub(crate) fn get(&self, metric: Metric) -> Option<i64> {
        match metric {
            Metric::Count => Some(self.count),
            Metric::Size => Some(self.size),
            Metric::Retained => self.retained,
        }
    }
}

impl By {
    /// The name of the column of what totals are of.
    pub(crate) fn column(self) -> &'static str {
        match self {
            By::Type => "type",
            By::Holder => "holder",
            By::Module | By::HolderModule => "module",
        }
    }

    /// What totals of these dumps can be of. Dumps are compared by one rule: if one of them has no totals per module, all are
    /// asked for the module at the top of their holders.
    pub(crate) fn known_of<'m>(self, mut dumps: impl Iterator<Item = &'m Manifest>) -> Self {
        let is_old = |dump: &Manifest| dump.files_of(Table::ModuleStat).next().is_none();
        if self == By::Module && dumps.any(is_old) { By::HolderModule } else { self }
    }

    /// Makes sure that a dump has the summary.
    pub(crate) fn check(self, manifest: &Manifest) -> Result<()> {
        let table = self.table();
        match manifest.files_of(table).next() {
            Some(_) => Ok(()),
            None => Err(Error::NotIndexed {
                dump: manifest.id.to_string(),
                what: format!("dump {} has no {}, which the graph index gives", manifest.id, table.name()),
            }),
        }
    }

    fn table(self) -> Table {
        match self {
            By::Type => Table::TypeStat,
            By::Module => Table::ModuleStat,
            By::Holder | By::HolderModule => Table::HolderStat,
        }
    }

    /// The rows of the summary of a dump.
    pub(crate) fn summary(self, lake: &Lake, manifest: &Manifest) -> Result<Vec<RecordBatch>> {
        Ok(lake.summary(manifest, self.table())?)
    }

    /// The totals of a dump by what they are of. Hostile names can make two holders read the same; they are added up.
    pub(crate) fn totals(
        self,
        lake: &Lake,
        manifest: &Manifest,
        naming: &TypeNaming,
    ) -> Result<HashMap<String, Total>> {
        let mut totals: HashMap<String, Total> = HashMap::new();
        self.each(manifest.runtime(), &self.summary(lake, manifest)?, |name, total, place| {
            let renamed = |holder: &str| naming.name(self, holder).into_owned();
            let sum = totals.entry(renamed(name)).or_default();
            sum.add(total);
            sum.held_by = place.held_by.map(renamed);
            sum.element = place.element.map(renamed);
        });
        Ok(totals)
    }

    /// Calls `take` with what the rows of a summary add to which name, and with its place in the tree of holders.
    pub(crate) fn each(
        self,
        runtime: &Runtime,
        batches: &[RecordBatch],
        mut take: impl FnMut(&str, Total, HolderPlace<'_>),
    ) {
        let mut modules = Modules { runtime, of_holder: HashMap::new() };
        for rows in batches {
            let (name, held_by) = (texts(rows, self.table_column()), texts(rows, "held_by"));
            let (count, size) = (numbers(rows, "count"), numbers(rows, "size"));
            let retained = numbers(rows, "retained");
            let element = texts(rows, "type");
            for row in 0..rows.num_rows() {
                let (name, above) = (name(row).unwrap_or_default(), held_by(row));
                let mut total = Total {
                    count: count(row).unwrap_or(0),
                    size: size(row).unwrap_or(0),
                    retained: retained(row),
                    held_by: None,
                    element: None,
                };
                if self == By::HolderModule {
                    // What a holder retains is in what the one above it retains.
                    total.retained = total.retained.map(|bytes| if above.is_none() { bytes } else { 0 });
                    take(modules.of(name, above), total, HolderPlace::default());
                } else {
                    let element = element(row).filter(|_| self == By::Holder);
                    take(name, total, HolderPlace { held_by: above, element });
                }
            }
        }
    }

    /// The column of the summary that has the names.
    fn table_column(self) -> &'static str {
        match self {
            By::Type => "type",
            By::Module => "module",
            By::Holder | By::HolderModule => "holder",
        }
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

/// What starts the path of what no module holds.
const NO_MODULE: &str = "(no module)";

/// Which holder is below which module.
struct Modules<'r> {
    runtime: &'r Runtime,
    of_holder: HashMap<String, String>,
}

impl Modules<'_> {
    /// The name of the module at the top of a holder's path. What several hold, cycles, and what else no module holds have
    /// groups of their own.
    fn of(&mut self, holder: &str, held_by: Option<&str>) -> &str {
        // A holder comes after the one above it.
        let module = match held_by.and_then(|above| self.of_holder.get(above)) {
            Some(module) => module.clone(),
            None => match self.module_name(holder) {
                Some(name) => name.to_owned(),
                None if holder.starts_with('(') && !holder.contains("->") => holder.to_owned(),
                None => NO_MODULE.to_owned(),
            },
        };
        self.of_holder.entry(holder.to_owned()).or_insert(module)
    }

    /// The name of the module that a path without further elements is of.
    fn module_name<'h>(&self, holder: &'h str) -> Option<&'h str> {
        let types = self.runtime.types_with(TypeRole::Module).iter();
        types.filter_map(|name| holder.strip_prefix(name)?.strip_prefix(' ')).next()
    }
}
