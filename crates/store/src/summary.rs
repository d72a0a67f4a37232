//! Summaries: the totals of a dump by type and by holder, in small tables of their own, so that questions about many dumps
//! read nothing else.

use std::{ops::Deref, sync::Arc};

use arrow::{
    array::{Array as _, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray},
    datatypes::Int64Type,
};
use heaplake_model::schema::Table;
use parquet::arrow::{ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder};

use crate::{
    Error, FileEntry, Lake, Manifest, Result, file_names::FileNames, lake::LakeFolder, parquet_file,
    properties,
};

/// Totals of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeStat {
    /// Type name.
    pub name: String,
    /// Objects.
    pub count: u64,
    /// Sum of shallow sizes in bytes.
    pub size: i64,
    /// Largest shallow size in bytes; `None` if no object has a valid one.
    pub max_size: Option<i64>,
    /// Bytes that the objects of the type retain together, at least: of nested ones the outermost counts. `None` without an
    /// index.
    pub retained: Option<i64>,
}

/// Totals of one holder: of all objects whose paths of immediate dominators are folded to the same types and names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HolderStat {
    /// The path from the top down to the objects, as `module shop -> dict -> (Node ->)+`.
    pub holder: String,
    /// The holder above; `None` at the top.
    pub held_by: Option<String>,
    /// The last element of the path: type of the objects, with their name.
    pub last: String,
    /// Number of elements of the path.
    pub depth: u32,
    /// Objects.
    pub count: u64,
    /// Sum of shallow sizes in bytes.
    pub size: i64,
    /// Bytes that they retain together.
    pub retained: i64,
    /// Objects that they retain together.
    pub retained_count: u64,
}

/// Totals of one module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleStat {
    /// Its name; `(no module)` for what none holds.
    pub module: String,
    /// Objects.
    pub count: u64,
    /// Sum of shallow sizes in bytes.
    pub size: i64,
    /// Of these, bytes of objects that a module dominates.
    pub dominated_size: i64,
    /// Bytes of objects whose type, or that of a dominator, is of the module.
    pub typed_size: i64,
    /// Bytes of objects most of whose shortest paths come through the module.
    pub path_size: i64,
    /// Bytes that they retain together.
    pub retained: i64,
    /// Objects that they retain together.
    pub retained_count: u64,
}

/// A dump with its totals per type, which questions about its types and its graph need.
#[derive(Debug, Clone, PartialEq)]
pub struct Dump {
    /// Its manifest.
    pub manifest: Manifest,
    /// Totals per type, in byte order of the names.
    pub types: Vec<TypeStat>,
}

impl Deref for Dump {
    type Target = Manifest;

    fn deref(&self) -> &Manifest {
        &self.manifest
    }
}

impl Lake {
    /// A dump with its types.
    pub fn dump(&self, manifest: Manifest) -> Result<Dump> {
        let types = self.types(&manifest)?;
        Ok(Dump { manifest, types })
    }

    /// The totals per type of a dump, in byte order of the names.
    pub fn types(&self, manifest: &Manifest) -> Result<Vec<TypeStat>> {
        let mut types = Vec::with_capacity(usize::try_from(manifest.counts.types).unwrap_or(0).min(1 << 20));
        for rows in self.summary(manifest, Table::TypeStat)? {
            let (names, numbers) = (rows.column(0).as_string::<i32>(), Numbers::of(&rows));
            for i in 0..rows.num_rows() {
                types.push(TypeStat {
                    name: names.value(i).to_owned(),
                    count: u64::try_from(numbers.at(1, i).unwrap_or(0)).unwrap_or(0),
                    size: numbers.at(2, i).unwrap_or(0),
                    max_size: numbers.at(3, i),
                    retained: numbers.at(4, i),
                });
            }
        }
        // The position of a type in this list is its number in the index.
        if types.windows(2).any(|pair| pair[0].name >= pair[1].name) {
            return Err(self.folder_damaged(
                &LakeFolder::table(Table::TypeStat, &manifest.id),
                "its types are not in order",
            ));
        }
        Ok(types)
    }

    /// The rows of a summary table of a dump, with the columns that the table has.
    pub fn summary(&self, manifest: &Manifest, table: Table) -> Result<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        for file in manifest.files_of(table) {
            batches.extend(
                self.read_whole(file, table).map_err(|error| self.perhaps_replaced(manifest, error))?,
            );
        }
        Ok(batches)
    }

    fn read_whole(&self, entry: &FileEntry, table: Table) -> Result<Vec<RecordBatch>> {
        let stored = self.file(entry);
        let parquet_error = |source| stored.parquet_error(source);
        let file = stored.open().map_err(|source| stored.io_error(source))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(parquet_error)?;
        let schema = table.schema();
        let names = schema.fields().iter().map(|field| field.name().as_str());
        let mask = ProjectionMask::columns(builder.parquet_schema(), names);
        let reader = builder.with_projection(mask).build().map_err(parquet_error)?;
        let mut batches = Vec::new();
        for batch in reader {
            let batch = batch.map_err(|error| parquet_error(error.into()))?;
            let found = batch.schema();
            let is_same = |(a, b): (&Arc<arrow::datatypes::Field>, &Arc<arrow::datatypes::Field>)| {
                a.name() == b.name() && a.data_type() == b.data_type()
            };
            if found.fields().len() != schema.fields().len()
                || !found.fields().iter().zip(schema.fields()).all(is_same)
            {
                return Err(stored.damaged(format!("its columns are not those of {}", table.name())));
            }
            batches.push(batch);
        }
        Ok(batches)
    }

    /// Replaces the error for a missing file if the dump was replaced or removed since its manifest was read.
    pub(crate) fn perhaps_replaced(&self, manifest: &Manifest, error: Error) -> Error {
        match error {
            Error::Io { source, .. }
                if source.kind() == std::io::ErrorKind::NotFound
                    && self
                        .find_manifest(&manifest.id)
                        .is_ok_and(|found| found.is_none_or(|found| found.files != manifest.files)) =>
            {
                Error::DumpChanged(manifest.id.clone())
            }
            error => error,
        }
    }
}

/// The columns of whole numbers of a batch.
struct Numbers<'b>(Vec<Option<&'b Int64Array>>);

impl<'b> Numbers<'b> {
    fn of(rows: &'b RecordBatch) -> Self {
        Self(rows.columns().iter().map(|column| column.as_primitive_opt::<Int64Type>()).collect())
    }

    fn at(&self, column: usize, row: usize) -> Option<i64> {
        self.0[column].filter(|numbers| numbers.is_valid(row)).map(|numbers| numbers.value(row))
    }
}

/// Writes the totals per type; syncs the file.
pub(crate) fn write_types(names: &FileNames, types: &[TypeStat]) -> Result<FileEntry> {
    let number = |f: fn(&TypeStat) -> Option<i64>| -> ArrayRef {
        Arc::new(types.iter().map(f).collect::<Int64Array>())
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(types.iter().map(|stat| &stat.name))),
        number(|stat| Some(saturating(stat.count))),
        number(|stat| Some(stat.size)),
        number(|stat| stat.max_size),
        number(|stat| stat.retained),
    ];
    write(names, Table::TypeStat, columns)
}

/// Writes the totals per holder; syncs the file.
pub(crate) fn write_holders(names: &FileNames, holders: &[HolderStat]) -> Result<FileEntry> {
    let text = |f: fn(&HolderStat) -> Option<&str>| -> ArrayRef {
        Arc::new(holders.iter().map(f).collect::<StringArray>())
    };
    let number = |f: fn(&HolderStat) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(holders.iter().map(f)))
    };
    let columns: Vec<ArrayRef> = vec![
        text(|stat| Some(&stat.holder)),
        text(|stat| stat.held_by.as_deref()),
        text(|stat| Some(&stat.last)),
        number(|stat| stat.depth.into()),
        number(|stat| saturating(stat.count)),
        number(|stat| stat.size),
        number(|stat| stat.retained),
        number(|stat| saturating(stat.retained_count)),
    ];
    write(names, Table::HolderStat, columns)
}

/// Writes the totals per module; syncs the file.
pub(crate) fn write_modules(names: &FileNames, modules: &[ModuleStat]) -> Result<FileEntry> {
    let number = |f: fn(&ModuleStat) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(modules.iter().map(f)))
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(modules.iter().map(|stat| &stat.module))),
        number(|stat| saturating(stat.count)),
        number(|stat| stat.size),
        number(|stat| stat.dominated_size),
        number(|stat| stat.typed_size),
        number(|stat| stat.path_size),
        number(|stat| stat.retained),
        number(|stat| saturating(stat.retained_count)),
    ];
    write(names, Table::ModuleStat, columns)
}

fn write(names: &FileNames, table: Table, columns: Vec<ArrayRef>) -> Result<FileEntry> {
    let n_rows = columns.first().map_or(0, |column| column.len());
    let mut rows = Some(columns).filter(|_| n_rows > 0);
    let (sum, n_rows) = parquet_file::write(
        &names.file(table),
        table.schema(),
        properties::summary(table),
        1,
        || Ok(rows.take()),
        |columns| Ok(vec![columns]),
        |_| {},
    )?;
    names.synced(table, sum, n_rows)
}

fn saturating(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
