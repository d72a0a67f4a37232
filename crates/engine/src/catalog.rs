//! The schemas of a lake: one per dump, `history` over all, and `current` for bare names.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use datafusion::{
    arrow::record_batch::RecordBatch,
    catalog::{CatalogProvider, SchemaProvider, TableProvider},
    datasource::{MemTable, TableType},
    error::{DataFusionError, Result},
};
use heaplake_model::{Remedy, schema::Table};
use heaplake_store::Manifest;

use crate::{Error, select, summary, table::LakeTable};

/// Name of the catalog.
pub(crate) const CATALOG: &str = "heaplake";
/// The schema over all dumps.
pub(crate) const HISTORY: &str = "history";
/// The schema of bare names.
pub(crate) const CURRENT: &str = "current";
/// The schema of the dump to compare with.
pub(crate) const BASELINE: &str = "baseline";
/// The tables of every schema.
pub(crate) const TABLES: [&str; 8] =
    ["dump", "edge", "holder_stat", "issue", "obj", "ref", "root", "type_stat"];

/// The lake as a catalog, as it was when the session began.
#[derive(Debug)]
pub(crate) struct LakeCatalog {
    manifests: Vec<Arc<Manifest>>,
    schemas: BTreeMap<String, Arc<LakeSchema>>,
    current: Arc<LakeSchema>,
}

impl LakeCatalog {
    /// The catalog of the dumps; bare names are of `current`.
    pub(crate) fn new(
        lake: PathBuf,
        manifests: &[Arc<Manifest>],
        current: Option<&Arc<Manifest>>,
        baseline: Option<&Arc<Manifest>>,
    ) -> Self {
        let schema = |dumps: &[Arc<Manifest>], scope| Arc::new(LakeSchema::new(lake.clone(), dumps, scope));
        let one = manifests
            .iter()
            .map(|m| (m.id.as_str().to_owned(), schema(std::slice::from_ref(m), Scope::Dump)));
        let mut schemas: BTreeMap<_, _> = one.collect();
        if let Some(baseline) = baseline {
            schemas.insert(BASELINE.to_owned(), schema(std::slice::from_ref(baseline), Scope::Dump));
        }
        schemas.insert(HISTORY.to_owned(), schema(manifests, Scope::History));
        let current = current.map(std::slice::from_ref).unwrap_or_default();
        let current = schema(current, Scope::Current(manifests.to_vec()));
        schemas.insert(CURRENT.to_owned(), current.clone());
        Self { manifests: manifests.to_vec(), schemas, current }
    }

    /// The schema of bare names.
    pub(crate) fn current(&self) -> Arc<LakeSchema> {
        self.current.clone()
    }
}

impl CatalogProvider for LakeCatalog {
    fn schema_names(&self) -> Vec<String> {
        self.schemas.keys().cloned().collect()
    }

    /// The schema of that name; without one, that of the dump that the name selects, or the only schema that differs in case.
    ///
    /// SQL folds names that are not quoted, so `LMS.obj` arrives here as `lms`.
    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        if let Some(schema) = self.schemas.get(name) {
            return Some(schema.clone());
        }
        if select::is_selector(name) {
            let selected = select::select_one(&self.manifests, name).ok()?;
            return self.schema(self.manifests[selected].id.as_str());
        }
        let mut alike = self.schemas.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        match (alike.next(), alike.next()) {
            (Some((_, schema)), None) => Some(schema.clone()),
            _ => None,
        }
    }
}

#[derive(Debug)]
enum Scope {
    Dump,
    History,
    /// Bare names: like a dump, but `dump` lists all of these, and the session's own tables live here.
    Current(Vec<Arc<Manifest>>),
}

/// The tables of one dump, of all, or of bare names.
#[derive(Debug)]
pub(crate) struct LakeSchema {
    lake: PathBuf,
    dumps: Vec<Arc<Manifest>>,
    scope: Scope,
    /// What `CREATE TABLE` made, where that is allowed.
    own: Mutex<BTreeMap<String, Arc<dyn TableProvider>>>,
}

impl LakeSchema {
    fn new(lake: PathBuf, dumps: &[Arc<Manifest>], scope: Scope) -> Self {
        Self { lake, dumps: dumps.to_vec(), scope, own: Mutex::default() }
    }

    /// Lets names mean these tables, whatever they meant before.
    pub(crate) fn show_instead(&self, tables: impl IntoIterator<Item = (String, Arc<dyn TableProvider>)>) {
        self.own().extend(tables);
    }

    fn own(&self) -> MutexGuard<'_, BTreeMap<String, Arc<dyn TableProvider>>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lake_table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let parquet = Table::ALL.into_iter().find(|table| table.name() == name);
        let table: Arc<dyn TableProvider> = match (name, parquet) {
            ("dump", _) => memory(summary::dumps(self.listed_dumps())?)?,
            _ if !TABLES.contains(&name) => return Ok(None),
            _ if self.dumps.is_empty() && matches!(self.scope, Scope::Current(_)) => {
                return Err(Error::NoDumps.into());
            }
            (_, parquet) => self.files(parquet),
        };
        Ok(Some(table))
    }

    /// The rows of a table; `ref` where it is none.
    fn files(&self, table: Option<Table>) -> Arc<dyn TableProvider> {
        let is_history = matches!(self.scope, Scope::History);
        match table {
            Some(table) => Arc::new(LakeTable::new(self.lake.clone(), table, self.dumps.clone(), is_history)),
            None => Arc::new(LakeTable::reference(self.lake.clone(), self.dumps.clone(), is_history)),
        }
    }

    fn listed_dumps(&self) -> &[Arc<Manifest>] {
        match &self.scope {
            Scope::Current(all) => all,
            Scope::Dump | Scope::History => &self.dumps,
        }
    }
}

fn memory(rows: RecordBatch) -> Result<Arc<dyn TableProvider>> {
    Ok(Arc::new(MemTable::try_new(rows.schema(), vec![vec![rows]])?))
}

#[async_trait]
impl SchemaProvider for LakeSchema {
    fn table_names(&self) -> Vec<String> {
        let is_empty = self.dumps.is_empty() && matches!(self.scope, Scope::Current(_));
        let lake = TABLES.into_iter().filter(|name| !is_empty || *name == "dump").map(str::to_owned);
        let own = self.own();
        lake.chain(own.keys().filter(|name| !TABLES.contains(&name.as_str())).cloned()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        if let Some(own) = self.own().get(name).cloned() {
            return Ok(Some(own));
        }
        self.lake_table(name)
    }

    fn register_table(
        &self,
        name: String,
        table: Arc<dyn TableProvider>,
    ) -> Result<Option<Arc<dyn TableProvider>>> {
        if !matches!(self.scope, Scope::Current(_)) {
            return Err(Error::Refused {
                what: "the schemas of dumps and history take no new tables; leave the schema out to make a \
                       table for this session"
                    .to_owned(),
                remedy: None,
            }
            .into());
        }
        if TABLES.contains(&name.as_str()) {
            return Err(read_only(&name).into());
        }
        Ok(self.own().insert(name, table))
    }

    fn deregister_table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        match TABLES.contains(&name) {
            true => Err(read_only(name).into()),
            false => Ok(self.own().remove(name)),
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        TABLES.contains(&name) || self.own().contains_key(name)
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        let own = self.own().get(name).map(|table| table.table_type());
        Ok(own.or_else(|| {
            TABLES.contains(&name).then_some(if name == "ref" { TableType::View } else { TableType::Base })
        }))
    }
}

/// The error of a statement that would change a table of the lake.
pub(crate) fn read_only(table: &str) -> Error {
    Error::Refused {
        what: format!("{table} is a table of the lake, which SQL cannot change"),
        remedy: Some(Remedy::ImportOrRemove),
    }
}
