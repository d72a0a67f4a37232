//! A table of Parquet files of one or more dumps, as the manifests name them.
//!
//! Rows and bytes are known from the manifest, so planning reads no file. A filter on `dump` alone is decided here and
//! drops whole files; every other filter goes into the scan, which skips row groups and pages by it.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::{
    arrow::{
        array::{AsArray as _, StringViewArray},
        compute::SortOptions,
        datatypes::{DataType, Field, FieldRef, Schema, SchemaRef},
        record_batch::RecordBatch,
    },
    catalog::{Session, TableProvider},
    common::{ColumnStatistics, DFSchema, Statistics, stats::Precision},
    config::TableParquetOptions,
    datasource::{
        TableType,
        listing::PartitionedFile,
        physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource},
        source::DataSourceExec,
        table_schema::TableSchema,
    },
    error::{DataFusionError, Result},
    execution::object_store::ObjectStoreUrl,
    logical_expr::{Expr, TableProviderFilterPushDown},
    physical_expr::{LexOrdering, PhysicalSortExpr, expressions::Column},
    physical_plan::{ExecutionPlan, empty::EmptyExec},
    scalar::ScalarValue,
};
use heaplake_model::schema::{DUMP, Table};
use heaplake_store::{FileEntry, Lake, Manifest};

use crate::files::{LakeFile, LakeFiles, MAX_HELD, ReadingMode};

/// A table over the files of some dumps.
#[derive(Debug)]
pub(crate) struct LakeTable {
    lake: Lake,
    table: Table,
    manifests: Vec<Arc<Manifest>>,
    is_view: bool,
    /// Whether it is over all dumps, of which some may have no rows any more.
    is_history: bool,
    file_schema: SchemaRef,
    schema: SchemaRef,
}

impl LakeTable {
    /// A Parquet table of the dumps.
    pub(crate) fn new(lake: Lake, table: Table, manifests: Vec<Arc<Manifest>>, is_history: bool) -> Self {
        Self::with_columns(lake, table, manifests, &table.schema(), (false, is_history))
    }

    /// `ref`, the name that memsee gave to `edge`: parent and child only.
    pub(crate) fn reference(lake: Lake, manifests: Vec<Arc<Manifest>>, is_history: bool) -> Self {
        let edge = Table::Edge.schema();
        let columns =
            edge.fields().iter().filter(|field| matches!(field.name().as_str(), "parent" | "child"));
        let schema = Schema::new(columns.cloned().collect::<Vec<_>>());
        Self::with_columns(lake, Table::Edge, manifests, &schema, (true, is_history))
    }

    fn with_columns(
        lake: Lake,
        table: Table,
        manifests: Vec<Arc<Manifest>>,
        schema: &Schema,
        (is_view, is_history): (bool, bool),
    ) -> Self {
        let file_schema = Arc::new(views(schema));
        let schema = Arc::new(views(&heaplake_model::schema::with_dump(&file_schema)));
        Self { lake, table, manifests, is_view, is_history, file_schema, schema }
    }

    fn dump_field(&self) -> FieldRef {
        self.schema.fields()[0].clone()
    }

    /// The files of the dumps that the filters on `dump` leave.
    fn files(&self, state: &dyn Session, filters: &[Expr]) -> Result<Vec<(&Manifest, &FileEntry)>> {
        let kept = self.kept_dumps(state, filters)?;
        let manifests =
            self.manifests.iter().zip(kept).filter(|(_, kept)| *kept).map(|(manifest, _)| manifest);
        let files =
            manifests.flat_map(|manifest| manifest.files_of(self.table).map(|file| (&**manifest, file)));
        Ok(files.collect())
    }

    fn kept_dumps(&self, state: &dyn Session, filters: &[Expr]) -> Result<Vec<bool>> {
        let schema = Arc::new(Schema::new(vec![self.dump_field()]));
        let ids =
            StringViewArray::from_iter_values(self.manifests.iter().map(|manifest| manifest.id.as_str()));
        let ids = RecordBatch::try_new(schema.clone(), vec![Arc::new(ids)])?;
        let df_schema = DFSchema::try_from(schema)?;
        let mut kept = vec![true; self.manifests.len()];
        for filter in filters.iter().filter(|filter| is_on_dump(filter)) {
            let expr = state.create_physical_expr((*filter).clone(), &df_schema)?;
            let matches = expr.evaluate(&ids)?.into_array(ids.num_rows())?;
            let matches = matches.as_boolean_opt().ok_or_else(|| {
                DataFusionError::Plan(format!("{filter} is no condition, it is neither true nor false"))
            })?;
            for (kept, matches) in kept.iter_mut().zip(matches) {
                *kept &= matches == Some(true);
            }
        }
        Ok(kept)
    }

    /// How to read files that are not here. Summaries are small. Of other tables a question that wants most of all rows takes the whole.
    fn mode(&self, projection: Option<&Vec<usize>>, filters: &[Expr], limit: Option<usize>) -> ReadingMode {
        let is_stored = |column: &usize| self.schema.field(*column).name() != DUMP;
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let n_wanted = projection.unwrap_or(&all).iter().filter(|column| is_stored(column)).count();
        let wants_most_columns = n_wanted * 2 > self.table.schema().fields().len();
        let wants_all_rows = limit.is_none() && filters.iter().all(is_on_dump);
        match self.table.is_summary() || wants_most_columns && wants_all_rows {
            true => ReadingMode::Whole,
            false => ReadingMode::Parts,
        }
    }

    fn groups(
        &self,
        files: &[(&Manifest, &FileEntry)],
        mode: ReadingMode,
        n_partitions: usize,
    ) -> Result<Vec<FileGroup>> {
        let entries: Vec<&FileEntry> = files.iter().map(|(_, entry)| *entry).collect();
        self.lake.prefetch(&entries, mode == ReadingMode::Parts);
        let parts = files.iter().enumerate().map(|(idx, (manifest, entry))| {
            let file = LakeFile::new(&self.lake, manifest.id.as_str(), entry, mode, idx < MAX_HELD)?;
            let dump = ScalarValue::Utf8View(Some(manifest.id.as_str().to_owned()));
            let statistics = statistics(std::iter::once(*entry), self.file_schema.fields().len());
            Ok(PartitionedFile::new(entry.path.as_str(), entry.bytes)
                .with_partition_values(vec![dump])
                .with_extension(Arc::new(file))
                .with_statistics(Arc::new(statistics)))
        });
        let parts = parts.collect::<Result<Vec<_>, crate::Error>>()?;
        Ok(FileGroup::new(parts).split_files(n_partitions.max(1)))
    }

    /// The order of the rows within a file.
    fn ordering(&self, schema: &Schema) -> Option<LexOrdering> {
        let names = self.table.spec().order;
        let present = names.iter().map_while(|name| schema.index_of(name).ok().map(|idx| (*name, idx)));
        LexOrdering::new(present.map(|(name, idx)| {
            let options = SortOptions { descending: false, nulls_first: false };
            PhysicalSortExpr::new(Arc::new(Column::new(name, idx)), options)
        }))
    }
}

fn statistics<'a>(files: impl Iterator<Item = &'a FileEntry>, n_columns: usize) -> Statistics {
    let (mut n_rows, mut n_bytes) = (0_u64, 0_u64);
    for file in files {
        n_rows = n_rows.saturating_add(file.rows);
        n_bytes = n_bytes.saturating_add(file.bytes);
    }
    Statistics {
        num_rows: usize::try_from(n_rows).map_or(Precision::Absent, Precision::Exact),
        total_byte_size: usize::try_from(n_bytes).map_or(Precision::Absent, Precision::Inexact),
        column_statistics: vec![ColumnStatistics::new_unknown(); n_columns],
    }
}

/// Whether nothing but the dump decides a filter.
fn is_on_dump(filter: &Expr) -> bool {
    let columns = filter.column_refs();
    !columns.is_empty() && columns.iter().all(|column| column.name == DUMP) && !filter.is_volatile()
}

/// The schema with text as views, which the Parquet reader makes without copying the text of a dictionary per row.
fn views(schema: &Schema) -> Schema {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 => Arc::new(Field::clone(field).with_data_type(DataType::Utf8View)),
        _ => field.clone(),
    });
    Schema::new(fields.collect::<Vec<_>>())
}

#[async_trait]
impl TableProvider for LakeTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        if self.is_view { TableType::View } else { TableType::Base }
    }

    fn statistics(&self) -> Option<Statistics> {
        let files = self.manifests.iter().flat_map(|manifest| manifest.files_of(self.table));
        Some(statistics(files, self.schema.fields().len()))
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let kinds = filters.iter().map(|filter| match is_on_dump(filter) {
            true => TableProviderFilterPushDown::Exact,
            // The scan takes these too, but that is settled when the physical plan is made.
            false => TableProviderFilterPushDown::Inexact,
        });
        Ok(kinds.collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if !self.is_history && !self.table.is_summary() {
            self.manifests
                .iter()
                .try_for_each(|manifest| manifest.check_whole())
                .map_err(crate::Error::from)?;
        }
        if !self.is_history && self.table == Table::Field {
            self.manifests
                .iter()
                .try_for_each(|manifest| manifest.check_fields())
                .map_err(crate::Error::from)?;
        }
        let files = self.files(state, filters)?;
        if files.is_empty() {
            let schema = match projection {
                Some(columns) => Arc::new(self.schema.project(columns)?),
                None => self.schema(),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let mode = self.mode(projection, filters, limit);
        let groups = self.groups(&files, mode, state.config().target_partitions())?;
        let schema = TableSchema::builder(self.file_schema.clone())
            .with_table_partition_cols(vec![self.dump_field()])
            .build();
        let options = TableParquetOptions {
            global: state.config_options().execution.parquet.clone(),
            ..TableParquetOptions::default()
        };
        let n_columns = schema.table_schema().fields().len();
        let statistics = statistics(files.iter().map(|(_, file)| *file), n_columns);
        // Files in one group follow each other, so that their rows are in order only file by file.
        let is_ordered = groups.iter().all(|group| group.len() == 1);
        let ordering = if is_ordered { self.ordering(schema.table_schema()) } else { None };
        let source = ParquetSource::new(schema)
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(LakeFiles));
        // `dump` comes first in SQL and, being no column of the file, last in the scan.
        let n_file_columns = self.file_schema.fields().len();
        let in_scan = |column: &usize| column.checked_sub(1).unwrap_or(n_file_columns);
        let columns = match projection {
            Some(columns) => columns.iter().map(in_scan).collect(),
            None => (0..n_columns).map(|column| in_scan(&column)).collect(),
        };
        // The store of this address is never asked: the files come from `LakeFiles`.
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_output_ordering(ordering.into_iter().collect())
            .with_projection_indices(Some(columns))?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}
