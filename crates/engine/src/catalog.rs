//! The schemas of a lake: one per dump, `history` over all, and `current` for bare names.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use datafusion::{
    arrow::record_batch::RecordBatch,
    catalog::{CatalogProvider, SchemaProvider, TableProvider},
    datasource::{MemTable, TableType},
    error::{DataFusionError, Result},
};
use heaplake_model::{DumpId, Remedy, schema::Table};
use heaplake_store::Manifest;

use crate::{
    Error, select,
    snapshot::{BASELINE, CURRENT, Snapshot},
    summary,
    table::LakeTable,
    threads,
};

/// Name of the catalog.
pub(crate) const CATALOG: &str = "heaplake";
/// The schema over all dumps.
pub(crate) const HISTORY: &str = "history";
/// The dumps of the lake, as a table.
const DUMP: &str = "dump";
/// What the memory of processes consists of, as a table.
const PROCESS_MEMORY: &str = "process_memory";
/// `edge` by the name that users of memsee know.
const REF: &str = "ref";

/// Whether every schema has a table of this name.
pub(crate) fn is_table(name: &str) -> bool {
    [DUMP, PROCESS_MEMORY, REF].contains(&name) || Table::ALL.into_iter().any(|table| table.name() == name)
}

/// The tables of every schema, in order.
pub(crate) fn tables() -> Vec<&'static str> {
    let mut names: Vec<&str> =
        Table::ALL.into_iter().map(Table::name).chain([DUMP, PROCESS_MEMORY, REF]).collect();
    names.sort_unstable();
    names
}

/// The lake as a catalog, as it was when the session began.
#[derive(Debug)]
pub(crate) struct LakeCatalog {
    snapshot: Arc<Snapshot>,
    current: Arc<LakeSchema>,
}

impl LakeCatalog {
    /// The catalog of the dumps of a session.
    pub(crate) fn new(snapshot: &Arc<Snapshot>) -> Self {
        Self { snapshot: snapshot.clone(), current: Arc::new(LakeSchema::new(snapshot, Scope::Current)) }
    }

    /// The schema of bare names.
    pub(crate) fn current(&self) -> Arc<LakeSchema> {
        self.current.clone()
    }

    fn new_schema(&self, scope: Scope) -> Arc<dyn SchemaProvider> {
        Arc::new(LakeSchema::new(&self.snapshot, scope))
    }
}

impl CatalogProvider for LakeCatalog {
    fn schema_names(&self) -> Vec<String> {
        // A manifest that cannot be read is an error of the statement that needs it.
        let dumps = self.snapshot.manifests().all().unwrap_or_default();
        let own = [CURRENT, HISTORY].into_iter().chain(self.snapshot.baseline().map(|_| BASELINE));
        let names: BTreeSet<&str> = dumps.iter().map(|manifest| manifest.id.as_str()).chain(own).collect();
        names.into_iter().map(str::to_owned).collect()
    }

    /// The schema of that name; without one, that of the dump that the name selects, or the only schema that differs in case.
    ///
    /// SQL folds names that are not quoted, so `LMS.obj` arrives here as `lms`.
    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        match (name, self.snapshot.baseline()) {
            (CURRENT, _) => return Some(self.current.clone()),
            (HISTORY, _) => return Some(self.new_schema(Scope::History)),
            (BASELINE, Some(baseline)) => return Some(self.new_schema(Scope::Dump(baseline.id.clone()))),
            _ => {}
        }
        let manifests = self.snapshot.manifests();
        // A manifest that cannot be read is an error of the statement that asks the table.
        if let (Ok(id), Ok(Some(_)) | Err(_)) = (name.parse(), manifests.find(name)) {
            return Some(self.new_schema(Scope::Dump(id)));
        }
        if select::is_selector(name) {
            let selected = select::select_one(manifests, name).ok()?;
            return Some(self.new_schema(Scope::Dump(selected.id.clone())));
        }
        let names = self.schema_names();
        let mut alike = names.iter().filter(|other| other.eq_ignore_ascii_case(name) && *other != name);
        match (alike.next(), alike.next()) {
            (Some(name), None) => self.schema(name),
            _ => None,
        }
    }
}

#[derive(Debug)]
enum Scope {
    /// The dump of that id.
    Dump(DumpId),
    /// All dumps.
    History,
    /// Bare names: like a dump, but `dump` lists all dumps, and the session's own tables live here.
    Current,
}

/// The tables of one dump, of all, or of bare names.
#[derive(Debug)]
pub(crate) struct LakeSchema {
    snapshot: Arc<Snapshot>,
    scope: Scope,
    /// What `CREATE TABLE` made, where that is allowed.
    own: Mutex<BTreeMap<String, Arc<dyn TableProvider>>>,
}

impl LakeSchema {
    fn new(snapshot: &Arc<Snapshot>, scope: Scope) -> Self {
        Self { snapshot: snapshot.clone(), scope, own: Mutex::default() }
    }

    /// Lets names mean these tables, whatever they meant before.
    pub(crate) fn show_instead(&self, tables: impl IntoIterator<Item = (String, Arc<dyn TableProvider>)>) {
        self.own().extend(tables);
    }

    fn own(&self) -> MutexGuard<'_, BTreeMap<String, Arc<dyn TableProvider>>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lake_table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if name == DUMP {
            return Ok(Some(memory(summary::dumps(&self.listed_dumps()?, self.snapshot.lake())?)?));
        }
        if !is_table(name) {
            return Ok(None);
        }
        let dumps = self.dumps()?;
        if dumps.is_empty() && matches!(self.scope, Scope::Current) {
            return Err(Error::NoDumps.into());
        }
        if name == PROCESS_MEMORY {
            return Ok(Some(memory(summary::process_memory(&dumps)?)?));
        }
        let lake = self.snapshot.manifests().lake().clone();
        let is_history = matches!(self.scope, Scope::History);
        if name == Table::Thread.name() {
            return Ok(Some(Arc::new(threads::table(&self.snapshot, dumps, is_history))));
        }
        let table = match Table::ALL.into_iter().find(|table| table.name() == name) {
            Some(table) => LakeTable::new(lake, table, dumps, is_history),
            None => LakeTable::reference(lake, dumps, is_history),
        };
        Ok(Some(Arc::new(table)))
    }

    /// The dumps whose rows the tables have.
    fn dumps(&self) -> crate::Result<Vec<Arc<Manifest>>> {
        let manifests = self.snapshot.manifests();
        Ok(match &self.scope {
            Scope::Dump(id) => manifests.find(id.as_str())?.into_iter().collect(),
            Scope::History => manifests.all()?.to_vec(),
            Scope::Current => self.snapshot.current()?.into_iter().collect(),
        })
    }

    /// The rows of the table `dump`.
    fn listed_dumps(&self) -> crate::Result<Vec<Arc<Manifest>>> {
        match &self.scope {
            Scope::Current => Ok(self.snapshot.manifests().all()?.to_vec()),
            Scope::Dump(_) | Scope::History => self.dumps(),
        }
    }
}

fn memory(rows: RecordBatch) -> Result<Arc<dyn TableProvider>> {
    Ok(Arc::new(MemTable::try_new(rows.schema(), vec![vec![rows]])?))
}

#[async_trait]
impl SchemaProvider for LakeSchema {
    fn table_names(&self) -> Vec<String> {
        let is_empty =
            matches!(self.scope, Scope::Current) && self.dumps().is_ok_and(|dumps| dumps.is_empty());
        let lake = tables().into_iter().filter(|name| !is_empty || *name == DUMP).map(str::to_owned);
        let own = self.own();
        lake.chain(own.keys().filter(|name| !is_table(name)).cloned()).collect()
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
        if !matches!(self.scope, Scope::Current) {
            return Err(Error::Refused {
                what: "the schemas of dumps and history take no new tables; leave the schema out to make a \
                       table for this session"
                    .to_owned(),
                remedy: None,
            }
            .into());
        }
        if is_table(&name) {
            return Err(read_only(&name).into());
        }
        Ok(self.own().insert(name, table))
    }

    fn deregister_table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        match is_table(name) {
            true => Err(read_only(name).into()),
            false => Ok(self.own().remove(name)),
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        is_table(name) || self.own().contains_key(name)
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        let own = self.own().get(name).map(|table| table.table_type());
        Ok(own.or_else(|| {
            is_table(name).then_some(if name == REF { TableType::View } else { TableType::Base })
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
