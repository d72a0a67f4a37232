//! Rows to text or files: one encoder per format, each over a stream of record batches.
//!
//! Nothing here collects a whole result; a table keeps a chunk of rows to find the widths of its columns.

mod columns;
mod csv;
mod flat;
mod ipc;
mod json;
mod markdown;
mod numbered;
mod pager;
mod parquet;
mod sink;
mod table;
mod tsv;

use std::{
    io::{IsTerminal as _, Write},
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};
use arrow::{array::RecordBatch, datatypes::SchemaRef};
use clap::ValueEnum;

use self::numbered::Numbered;
pub use self::{
    columns::Columns,
    flat::{distinct_names, row_in_words},
    numbered::{Results, address_name},
    sink::{Sink, reopen_stdout, stdout_is_closed},
};
use crate::{
    args::Shape,
    console::{Console, InShell},
    escape::Style,
};

/// The formats of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// Comma-separated, with a header
    Csv,
    /// Tab-separated, with a header; tab, line break and backslash as \t \n \\
    Tsv,
    /// One JSON array of objects
    Json,
    /// One JSON object a line
    #[value(alias = "jsonl")]
    Ndjson,
    /// A Markdown table
    #[value(alias = "md")]
    Markdown,
    /// A Parquet file
    Parquet,
    /// An Arrow IPC file (Feather 2)
    Arrow,
}

impl Format {
    /// The format that the ending of a file's name stands for.
    pub fn of_path(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        Some(match ending.as_str() {
            "txt" => Format::Table,
            "csv" => Format::Csv,
            "tsv" | "tab" => Format::Tsv,
            "json" => Format::Json,
            "ndjson" | "jsonl" => Format::Ndjson,
            "md" | "markdown" => Format::Markdown,
            "parquet" => Format::Parquet,
            "arrow" | "feather" | "ipc" => Format::Arrow,
            _ => return None,
        })
    }

    /// The ending of a file in this format.
    pub fn ending(self) -> &'static str {
        match self {
            Format::Table => "txt",
            Format::Csv => "csv",
            Format::Tsv => "tsv",
            Format::Json => "json",
            Format::Ndjson => "ndjson",
            Format::Markdown => "md",
            Format::Parquet => "parquet",
            Format::Arrow => "arrow",
        }
    }

    /// Whether it is for files and not for eyes.
    pub fn is_binary(self) -> bool {
        matches!(self, Format::Parquet | Format::Arrow)
    }

    /// Whether columns of the same name would be lost to a reader.
    pub fn needs_distinct_names(self) -> bool {
        self.is_binary() || matches!(self, Format::Json | Format::Ndjson)
    }

    /// Whether a cell can be a list or a structure.
    pub fn is_nested(self) -> bool {
        self.needs_distinct_names()
    }

    /// Whether results of several statements need an empty line between them to be told apart.
    fn needs_gap(self) -> bool {
        matches!(self, Format::Table | Format::Markdown | Format::Csv | Format::Tsv)
    }
}

/// Text that is cut to this is still read; rather than cut it further, a table leaves columns out that can be spared.
const READABLE: usize = 24;
/// What the numbers of rows take in a shell, `#12.345` and a frame.
const ROW_NUMBER: usize = 10;

/// Where rows go and what they look like there.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The format.
    pub format: Format,
    file: Option<PathBuf>,
    full: bool,
    to_terminal: bool,
    /// Columns that a table keeps to, whatever the terminal has.
    width: Option<usize>,
    /// Where a shell keeps the rows of tables.
    results: Option<Results>,
    paged: bool,
}

impl Plan {
    /// The plan for what the user asked for; `file` is the argument of `-o`.
    pub fn new(shape: Shape, file: Option<&Path>, console: &Console) -> Result<Self> {
        let shell = console.shell.as_ref();
        let redirected = shell.and_then(|shell| shell.redirected.clone());
        let (redirected_to, redirected_file) = redirected.unzip();
        let file = file.or(redirected_file.as_ref().and_then(Option::as_deref));
        let file = file.filter(|path| path.as_os_str() != "-");
        let to_terminal = file.is_none() && std::io::stdout().is_terminal();
        let format = match (shape.format.or(redirected_to), file) {
            (Some(format), _) => format,
            (None, Some(path)) => format_of_file(path)?,
            (None, None) if to_terminal || shell.is_some() => Format::Table,
            (None, None) => Format::Csv,
        };
        if format.is_binary() && to_terminal {
            bail!(
                "{} is not for a terminal; write it to a file with -o FILE, or into a pipe",
                name_of(format)
            );
        }
        let of_table = shell.filter(|_| file.is_none() && format == Format::Table);
        Ok(Self {
            format,
            file: file.map(Path::to_owned),
            full: shape.full,
            to_terminal,
            width: of_table.and_then(|shell: &InShell| shell.width),
            results: of_table.map(|shell| shell.results.clone()),
            paged: to_terminal && shell.is_some_and(|shell| shell.paged),
        })
    }

    /// Where a shell keeps the rows of this plan.
    pub fn results(&self) -> Option<&Results> {
        self.results.as_ref()
    }

    /// The same with another format.
    pub fn with_format(self, format: Format) -> Self {
        Self { format, ..self }
    }

    /// Opens the file or standard output. A file appears when it is committed.
    pub fn open(&self) -> Result<Sink> {
        match (&self.file, self.to_terminal, self.format) {
            (Some(path), _, _) => Sink::file(path),
            (None, true, Format::Table | Format::Markdown) if self.paged => Ok(Sink::paged()),
            (None, true, Format::Csv | Format::Tsv) => Ok(Sink::terminal(Style::Backslash)),
            (None, true, Format::Json | Format::Ndjson) => Ok(Sink::terminal(Style::Json)),
            // Tables and Markdown escape their cells.
            (None, _, _) => Ok(Sink::stdout()),
        }
    }

    /// An encoder of rows of `schema` that writes to `out`.
    pub fn encoder<'a>(
        &self,
        schema: &SchemaRef,
        out: &'a mut (dyn Write + Send),
    ) -> Result<Box<dyn Encoder + 'a>> {
        Ok(match self.format {
            Format::Table => match self.results.as_ref().filter(|_| !table::is_plan(schema)) {
                Some(results) => Box::new(Numbered::new(results, schema, |schema| {
                    Box::new(table::Table::new(schema, self.table_width(), out))
                })),
                None => Box::new(table::Table::new(schema, self.table_width(), out)),
            },
            Format::Csv => Box::new(csv::Csv::new(schema, out)),
            Format::Tsv => Box::new(tsv::Tsv::new(schema, out)?),
            Format::Json => Box::new(json::Json::new(out)),
            Format::Ndjson => Box::new(json::Ndjson::new(out)),
            Format::Markdown => Box::new(markdown::Markdown::new(schema, out)?),
            Format::Parquet => Box::new(parquet::Parquet::new(schema, out)?),
            Format::Arrow => Box::new(ipc::Ipc::new(schema, out)?),
        })
    }

    /// Writes what separates the rows of one statement from those of the next.
    pub fn write_gap(&self, out: &mut Sink) -> Result<()> {
        if self.format.needs_gap() {
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    /// Writes the name of a result above its rows, where people read them.
    pub fn write_title(&self, name: &str, out: &mut Sink) -> Result<()> {
        match self.format {
            Format::Table => writeln!(out, "{name}")?,
            Format::Markdown => writeln!(out, "## {name}\n")?,
            _ => {}
        }
        Ok(())
    }

    /// The batch without columns for which a terminal is too narrow, and the names of those. `expendable` are the positions
    /// of columns that may go: the first group of them first, and each as a whole.
    pub fn fitted(&self, batch: RecordBatch, expendable: &[&[usize]]) -> Result<(RecordBatch, Vec<String>)> {
        match self.table_width().filter(|_| self.format == Format::Table) {
            Some(width) if self.results.is_some() => fit(batch, expendable, width.saturating_sub(ROW_NUMBER)),
            Some(width) => fit(batch, expendable, width),
            None => Ok((batch, Vec::new())),
        }
    }

    /// Writes one batch as a whole result.
    pub fn print(&self, batch: &RecordBatch) -> Result<()> {
        let mut sink = self.open()?;
        self.print_to(batch, &mut sink)?;
        sink.commit()
    }

    /// Writes one batch as a whole result to an open sink.
    pub fn print_to(&self, batch: &RecordBatch, sink: &mut Sink) -> Result<Written> {
        let mut encoder = self.encoder(&batch.schema(), sink)?;
        encoder.write(batch)?;
        encoder.finish()
    }

    /// Writes batches as one result to an open sink; there is at least one.
    pub fn print_all_to(&self, batches: &[RecordBatch], sink: &mut Sink) -> Result<()> {
        let Some(first) = batches.first() else { return Ok(()) };
        let mut encoder = self.encoder(&first.schema(), sink)?;
        batches.iter().try_for_each(|batch| encoder.write(batch))?;
        encoder.finish().map(drop)
    }

    /// Whether rows are shown to a person right now.
    pub fn is_on_terminal(&self) -> bool {
        self.to_terminal
    }

    /// Whether text for people may have colours.
    pub fn has_colors(&self) -> bool {
        let choice = anstream::AutoStream::choice(&std::io::stdout());
        self.file.is_none() && choice != anstream::ColorChoice::Never
    }

    /// Whether nothing is to be cut or folded.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Whether rows go to a file of their own.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The width that text should keep to: that of the terminal, if it is on one.
    pub fn table_width(&self) -> Option<usize> {
        let cut = (self.to_terminal || self.width.is_some()) && !self.full;
        cut.then(|| self.width.unwrap_or_else(|| comfy_table::Table::new().width().map_or(100, usize::from)))
    }
}

fn fit(batch: RecordBatch, expendable: &[&[usize]], width: usize) -> Result<(RecordBatch, Vec<String>)> {
    let (mut fitted, mut gone) = (batch.clone(), Vec::new());
    for columns in expendable {
        if table::width(&fitted, READABLE)? <= width {
            break;
        }
        gone.extend_from_slice(columns);
        let kept: Vec<usize> = (0..batch.num_columns()).filter(|column| !gone.contains(column)).collect();
        fitted = batch.project(&kept)?;
    }
    let schema = batch.schema();
    Ok((fitted, gone.into_iter().map(|column| schema.field(column).name().clone()).collect()))
}

fn format_of_file(path: &Path) -> Result<Format> {
    match Format::of_path(path) {
        Some(format) => Ok(format),
        // A device or a pipe has no ending that could tell.
        None if sink::is_special(path) => Ok(Format::Csv),
        None => bail!("the ending of {} names no format; give one with --format", path.display()),
    }
}

fn name_of(format: Format) -> String {
    format.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// What an encoder tells when it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Cells that were shortened to fit the terminal.
    pub cut_cells: u64,
}

/// Turns batches into one format. Every batch has the schema that the encoder was made for.
pub trait Encoder {
    /// Writes the rows of a batch, or keeps some until there are more.
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Writes what is left. Without it the output is incomplete.
    fn finish(self: Box<Self>) -> Result<Written>;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{ArrayRef, Int64Array, MapBuilder, StringArray, StringBuilder, UInt64Array},
        datatypes::{DataType, Field, Schema},
    };

    use super::*;

    /// Two rows with every sort of trouble.
    pub fn batch() -> RecordBatch {
        let mut tags = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        tags.keys().append_value("host");
        tags.values().append_value("web\"3");
        tags.append(true).expect("one key, one value");
        tags.append(true).expect("no key, no value");
        let columns: [(&str, ArrayRef); 4] = [
            ("address", Arc::new(UInt64Array::from(vec![u64::MAX, 7]))),
            ("value", Arc::new(StringArray::from(vec![Some("a,\"b\"\t\\|\u{1b}[1m\n"), None]))),
            ("size", Arc::new(Int64Array::from(vec![None, Some(-1)]))),
            ("tags", Arc::new(tags.finish())),
        ];
        let fields: Vec<_> =
            columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
        let arrays = columns.into_iter().map(|(_, array)| array).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).expect("columns of one length")
    }

    #[test]
    fn a_narrow_terminal_gets_fewer_columns() {
        let names = |batch: &RecordBatch| -> Vec<String> {
            batch.schema().fields().iter().map(|field| field.name().clone()).collect()
        };
        let texts = |n: usize| vec!["x".repeat(n)];
        let batch = Columns::default()
            .text("a", texts(40))
            .quantity("b", texts(10))
            .quantity("c", texts(10))
            .quantity("d", texts(10))
            .batch()
            .expect("a batch");
        // Text counts up to 24 characters, a frame takes 3 for each column and 1.
        assert_eq!(table::width(&batch, READABLE).expect("a width"), 24 + 3 * 10 + 4 * 3 + 1);
        let expendable: [&[usize]; 2] = [&[2], &[1, 3]];
        let fitted = |width: usize| fit(batch.clone(), &expendable, width).expect("fitted");
        assert_eq!(names(&fitted(67).0), ["a", "b", "c", "d"]);
        assert_eq!(
            (names(&fitted(66).0), fitted(66).1),
            (vec!["a".into(), "b".into(), "d".into()], vec!["c".into()])
        );
        assert_eq!(names(&fitted(54).0), ["a", "b", "d"]);
        assert_eq!(fitted(53).1, ["c", "b", "d"]);
        assert_eq!(names(&fitted(1).0), ["a"]);
    }

    fn plan(format: Format) -> Plan {
        let (width, results) = (None, None);
        Plan { format, file: None, full: false, to_terminal: false, width, results, paged: false }
    }

    fn encode(format: Format, batches: &[RecordBatch], schema: &SchemaRef) -> Vec<u8> {
        let mut out = Vec::new();
        let mut encoder = plan(format).encoder(schema, &mut out).expect("an encoder");
        for batch in batches {
            encoder.write(batch).expect("written");
        }
        encoder.finish().expect("finished");
        out
    }

    fn text(format: Format) -> String {
        String::from_utf8(encode(format, &[batch()], &batch().schema())).expect("text")
    }

    #[test]
    fn text_formats_write_exactly_this() {
        assert_eq!(
            text(Format::Csv),
            "address,value,size,tags\n\
             18446744073709551615,\"a,\"\"b\"\"\t\\|\u{1b}[1m\n\",,\"{\"\"host\"\":\"\"web\\\"\"3\"\"}\"\n\
             7,,-1,{}\n"
        );
        assert_eq!(
            text(Format::Tsv),
            "address\tvalue\tsize\ttags\n\
             18446744073709551615\ta,\"b\"\\t\\\\|\u{1b}[1m\\n\t\t{\"host\":\"web\\\\\"3\"}\n\
             7\t\t-1\t{}\n"
        );
        assert_eq!(
            text(Format::Ndjson),
            "{\"address\":18446744073709551615,\"value\":\"a,\\\"b\\\"\\t\\\\|\\u001b[1m\\n\",\"size\":null,\
             \"tags\":{\"host\":\"web\\\"3\"}}\n\
             {\"address\":7,\"value\":null,\"size\":-1,\"tags\":{}}\n"
        );
        assert_eq!(
            text(Format::Markdown),
            "| address | value | size | tags |\n\
             |---:|:---|---:|:---|\n\
             | 18446744073709551615 | a,\"b\"\\\\t\\\\\\|\\\\x1b\\[1m\\\\n |  | {\"host\":\"web\\\\\"3\"} |\n\
             | 7 |  | -1 | {} |\n"
        );
        assert_eq!(
            text(Format::Table),
            "\
╭──────────────────────┬────────────────────┬──────┬───────────────────╮
│              address │ value              │ size │ tags              │
├──────────────────────┼────────────────────┼──────┼───────────────────┤
│ 18446744073709551615 │ a,\"b\"\\t\\|\\x1b[1m\\n │      │ {\"host\":\"web\\\"3\"} │
│                    7 │                    │   -1 │ {}                │
╰──────────────────────┴────────────────────┴──────┴───────────────────╯
"
        );
    }

    #[test]
    fn json_is_one_array_of_all_batches() {
        let schema = batch().schema();
        for n_batches in 0..3 {
            let json = encode(Format::Json, &vec![batch(); n_batches], &schema);
            let parsed: serde_json::Value = serde_json::from_slice(&json).expect("valid JSON");
            assert_eq!(parsed.as_array().map(Vec::len), Some(n_batches * 2));
            assert!(json.ends_with(b"]\n"));
        }
    }

    #[test]
    fn no_rows_still_have_a_header() {
        let schema = batch().schema();
        let header = |format| String::from_utf8(encode(format, &[], &schema)).expect("text");
        assert_eq!(header(Format::Csv), "address,value,size,tags\n");
        assert_eq!(header(Format::Tsv), "address\tvalue\tsize\ttags\n");
        assert_eq!(header(Format::Ndjson), "");
        assert!(header(Format::Markdown).starts_with("| address |"));
        assert!(header(Format::Table).contains("│ address │"));
        assert!(header(Format::Table).ends_with("╯\n"));
    }

    #[test]
    fn parquet_comes_back_as_it_went() {
        let bytes = ::parquet::file::metadata::ParquetMetaDataReader::new().parse_and_finish(
            &bytes::Bytes::from(encode(Format::Parquet, &[batch(), batch()], &batch().schema())),
        );
        assert_eq!(bytes.expect("a Parquet file").file_metadata().num_rows(), 4);
    }

    #[test]
    fn arrow_comes_back_as_it_went() {
        let bytes = encode(Format::Arrow, &[batch(), batch()], &batch().schema());
        let reader =
            arrow::ipc::reader::FileReader::try_new(std::io::Cursor::new(bytes), None).expect("an IPC file");
        let batches: Vec<_> = reader.map(|read| read.expect("a batch")).collect();
        assert_eq!(batches, [batch(), batch()]);
    }

    #[test]
    fn the_ending_of_a_file_gives_the_format() {
        for (name, format) in [
            ("x.parquet", Some(Format::Parquet)),
            ("x.CSV", Some(Format::Csv)),
            ("a.b.md", Some(Format::Markdown)),
            ("x.jsonl", Some(Format::Ndjson)),
            ("x.xlsx", None),
            ("csv", None),
        ] {
            assert_eq!(Format::of_path(Path::new(name)), format, "{name}");
        }
    }

    #[test]
    fn columns_of_the_same_name_are_told_apart() {
        let field = |name| Field::new(name, DataType::Int64, true);
        let schema =
            Arc::new(Schema::new(vec![field("type"), field("type_2"), field("type"), field("type")]));
        let names: Vec<_> =
            distinct_names(&schema).fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(names, ["type", "type_2", "type_3", "type_4"]);
    }
}
