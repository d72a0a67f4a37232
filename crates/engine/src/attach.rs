//! Files from outside as tables of a session: deploys beside growth, requests beside sessions. They are only read.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use datafusion::{
    arrow::{
        csv::reader::Format,
        datatypes::{DataType, Field, Schema},
    },
    catalog::TableProvider,
    dataframe::DataFrame,
    datasource::file_format::file_compression_type::FileCompressionType,
    execution::options::ArrowReadOptions,
    prelude::{CsvReadOptions, JsonReadOptions, ParquetReadOptions, SessionContext},
};

use crate::{Error, Result, catalog::is_table, explain::ErrorContext, mistake};

/// Rows that the types of a CSV file are guessed from.
const ROWS_TO_GUESS: usize = 1000;

/// A file that a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    name: String,
    file: PathBuf,
}

/// What a file holds, by the end of its name.
const ENDINGS: [(&str, FileKind); 10] = [
    ("csv", FileKind::Csv(b',')),
    ("tsv", FileKind::Csv(b'\t')),
    ("tab", FileKind::Csv(b'\t')),
    ("ndjson", FileKind::Json(true)),
    ("jsonl", FileKind::Json(true)),
    ("json", FileKind::Json(false)),
    ("parquet", FileKind::Parquet),
    ("arrow", FileKind::Arrow),
    ("feather", FileKind::Arrow),
    ("ipc", FileKind::Arrow),
];

#[derive(Debug, Clone, Copy)]
enum FileKind {
    Csv(u8),
    /// Whether every line is an object; else the file is an array of them.
    Json(bool),
    Parquet,
    Arrow,
}

impl Attached {
    /// A name and a file; the name is one that SQL takes without quotes, and no table of the lake.
    pub fn new(name: &str, file: &Path) -> Result<Self> {
        let is_name = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !is_name {
            let name = mistake::escape(name);
            return Err(Error::query(format!(
                "{name:?} cannot name a table; a name is a small letter or _, then small letters, digits and _"
            )));
        }
        if is_table(name) {
            return Err(Error::query(format!(
                "{name} is a table of the lake; attach the file by another name"
            )));
        }
        Ok(Self { name: name.to_owned(), file: file.to_owned() })
    }

    /// The name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The table; its columns are found by reading the beginning of the file.
    pub(crate) async fn open(&self, context: &SessionContext) -> Result<Arc<dyn TableProvider>> {
        let frame = open_file(context, &self.file, &|_| false).await.map_err(|what| {
            let shown = mistake::escape(&self.file.display().to_string());
            Error::Failed(format!("cannot attach {shown}: {what}"))
        })?;
        Ok(frame.into_view())
    }
}

/// A file as a table; its kind is that of its name's ending, and its columns are found by reading its beginning. Columns
/// for which `is_number` is true are read without loss: those of CSV files as texts, those of JSON as whole numbers of 64
/// bits unless they are texts there. An error says what is wrong, without the name of the file.
pub(crate) async fn open_file(
    context: &SessionContext,
    file: &Path,
    is_number: &(dyn Fn(&str) -> bool + Sync),
) -> Result<DataFrame, String> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (stem, compression) = match name.strip_suffix(".gz") {
        Some(stem) => (stem, FileCompressionType::GZIP),
        None => (name.as_str(), FileCompressionType::UNCOMPRESSED),
    };
    let ending = stem.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    let kind = ENDINGS.into_iter().find(|(known, _)| *known == ending).map(|(_, kind)| kind);
    let kind = kind.ok_or_else(|| {
        format!("its name ends in none of {}", ENDINGS.map(|(ending, _)| format!(".{ending}")).join(" "))
    })?;
    let is_packed = compression != FileCompressionType::UNCOMPRESSED;
    if is_packed && matches!(kind, FileKind::Parquet | FileKind::Arrow) {
        return Err("such a file is not packed with gzip".to_owned());
    }
    let path = file.canonicalize().map_err(|error| error.to_string())?;
    if !path.is_file() {
        return Err("it is no file".to_owned());
    }
    let Some(path) = path.to_str().filter(|path| !path.contains(['*', '?', '['])) else {
        return Err("its path has characters that stand for others: * ? [".to_owned());
    };
    // From the dot before the ending on, as the file has it.
    let extension = &name[stem.len() - ending.len() - 1..];
    let read = match kind {
        FileKind::Csv(delimiter) => {
            let schema = csv_schema(path, delimiter, compression)?;
            let schema = retyped(&schema, |field| is_number(field.name()).then_some(DataType::Utf8));
            let options = CsvReadOptions::new()
                .schema(&schema)
                .delimiter(delimiter)
                // Else large files are read in parts, which begin at any line break, also one in quotes.
                .newlines_in_values(true)
                .file_extension(extension)
                .file_compression_type(compression);
            context.read_csv(path, options).await
        }
        FileKind::Json(by_line) => {
            let options = JsonReadOptions::default()
                .newline_delimited(by_line)
                .file_extension(extension)
                .file_compression_type(compression);
            match context.read_json(path, options.clone()).await {
                Ok(guessed) => {
                    let schema = retyped(guessed.schema().as_arrow(), |field| {
                        let exact = is_number(field.name()) && field.data_type().is_numeric();
                        exact.then_some(DataType::UInt64)
                    });
                    context.read_json(path, options.schema(&schema)).await
                }
                error => error,
            }
        }
        FileKind::Parquet => {
            let options = ParquetReadOptions { file_extension: extension, ..ParquetReadOptions::default() };
            context.read_parquet(path, options).await
        }
        FileKind::Arrow => {
            let options = ArrowReadOptions { file_extension: extension, ..ArrowReadOptions::default() };
            context.read_arrow(path, options).await
        }
    };
    let frame = read.map_err(|error| match ErrorContext::default().explain(&error) {
        // No file of the lake is.
        Error::Damaged { what, .. } => what,
        error => error.to_string(),
    })?;
    match frame.schema().fields().is_empty() {
        true => Err("it has no columns".to_owned()),
        false => Ok(frame),
    }
}

/// A schema with other types for some columns.
fn retyped(schema: &Schema, kind: impl Fn(&Field) -> Option<DataType>) -> Schema {
    let fields = schema.fields().iter().map(|field| match kind(field) {
        Some(kind) => Field::new(field.name(), kind, true),
        None => field.as_ref().clone(),
    });
    Schema::new(fields.collect::<Vec<_>>())
}

/// The columns of a CSV file, guessed from its first rows. DataFusion's own guess cuts the file at line breaks in quotes.
fn csv_schema(path: &str, delimiter: u8, compression: FileCompressionType) -> Result<Schema, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let reader = compression.convert_read(file).map_err(|error| error.to_string())?;
    let format = Format::default().with_header(true).with_delimiter(delimiter);
    let (schema, _) = format.infer_schema(reader, Some(ROWS_TO_GUESS)).map_err(|error| error.to_string())?;
    // Of a column without a value nothing can be guessed.
    let guessed = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Null => Field::new(field.name(), DataType::Utf8, true),
        _ => field.as_ref().clone(),
    });
    Ok(Schema::new(guessed.collect::<Vec<_>>()))
}
