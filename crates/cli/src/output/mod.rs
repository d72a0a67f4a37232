//! Where rows go and what they look like there: tables for people, and the encodings of `answers` for programs.
//!
//! Nothing here collects a whole result; a table keeps a chunk of rows to find the widths of its columns.

mod blocks;
mod cells;
mod numbered;
mod pager;
mod sink;
mod table;

use std::{
    io::{IsTerminal as _, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Result, bail};
use arrow::{array::RecordBatch, datatypes::SchemaRef};
use clap::{Args, ValueEnum};
pub use heaplake_answers::encode::{Columns, Encoder, Encoding, Written};
use heaplake_model::ShortTypeNames;

use self::numbered::Numbered;
pub use self::{
    blocks::bar,
    numbered::{Results, address_name},
    sink::{Sink, reopen_stdout, stdout_is_closed},
    table::wrapped,
};
use crate::escape::Style;

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
    /// An Arrow IPC stream, for pipes
    ArrowStream,
}

impl Format {
    /// The format that the ending of a file's name stands for.
    pub fn of_path(path: &Path) -> Option<Self> {
        if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("txt")) {
            return Some(Format::Table);
        }
        Encoding::of_path(path).map(Format::from)
    }

    /// The ending of a file in this format.
    pub fn ending(self) -> &'static str {
        self.encoding().map_or("txt", Encoding::ending)
    }

    /// How it is encoded for programs; `None` for tables.
    pub fn encoding(self) -> Option<Encoding> {
        Some(match self {
            Format::Table => return None,
            Format::Csv => Encoding::Csv,
            Format::Tsv => Encoding::Tsv,
            Format::Json => Encoding::Json,
            Format::Ndjson => Encoding::Ndjson,
            Format::Markdown => Encoding::Markdown,
            Format::Parquet => Encoding::Parquet,
            Format::Arrow => Encoding::Arrow,
            Format::ArrowStream => Encoding::ArrowStream,
        })
    }

    /// Whether it is for files and not for eyes.
    pub fn is_binary(self) -> bool {
        self.encoding().is_some_and(Encoding::is_binary)
    }

    /// Whether columns of the same name would be lost to a reader.
    pub fn needs_distinct_names(self) -> bool {
        self.encoding().is_some_and(Encoding::needs_distinct_names)
    }

    /// Whether a cell can be a list or a structure.
    pub fn is_nested(self) -> bool {
        self.encoding().is_some_and(Encoding::is_nested)
    }

    /// Whether results of several statements need an empty line between them to be told apart.
    fn needs_gap(self) -> bool {
        matches!(self, Format::Table | Format::Markdown | Format::Csv | Format::Tsv)
    }
}

impl From<Encoding> for Format {
    fn from(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Csv => Format::Csv,
            Encoding::Tsv => Format::Tsv,
            Encoding::Json => Format::Json,
            Encoding::Ndjson => Format::Ndjson,
            Encoding::Markdown => Format::Markdown,
            Encoding::Parquet => Format::Parquet,
            Encoding::Arrow => Format::Arrow,
            Encoding::ArrowStream => Format::ArrowStream,
        }
    }
}

/// Text that is cut to this is still read; rather than cut it further, a table leaves columns out that can be spared.
const READABLE: usize = 24;
/// What the numbers of rows take in a shell, `#12.345` and a frame.
const ROW_NUMBER: usize = 10;

/// How rows are written.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Shape {
    /// Format of the rows [default: table, or what the ending of a file says]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// Do not fit tables to the terminal, nor fold repetitions of a path
    #[arg(long)]
    pub full: bool,
}

/// What a shell has chosen for the rows of its commands.
#[derive(Debug, Clone, Default)]
pub struct Screen {
    /// Where results are kept and numbered.
    pub results: Results,
    /// Format and file of the rows, where the user said so.
    pub redirected: Option<(Format, Option<PathBuf>)>,
    /// Columns of the screen, where the user said so.
    pub width: Option<usize>,
    /// Whether long output goes through a pager.
    pub paged: bool,
}

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
    /// How types are named on a terminal.
    types: Arc<ShortTypeNames>,
}

impl Plan {
    /// The plan for what the user asked for; `file` is the argument of `-o`, `screen` that of a shell.
    pub fn new(shape: Shape, file: Option<&Path>, screen: Option<&Screen>) -> Result<Self> {
        let redirected = screen.and_then(|screen| screen.redirected.clone());
        let (redirected_to, redirected_file) = redirected.unzip();
        let file = file.or(redirected_file.as_ref().and_then(Option::as_deref));
        let file = file.filter(|path| path.as_os_str() != "-");
        let to_terminal = file.is_none() && std::io::stdout().is_terminal();
        let format = match (shape.format.or(redirected_to), file) {
            (Some(format), _) => format,
            (None, Some(path)) => format_of_file(path)?,
            (None, None) => Format::Table,
        };
        if format.is_binary() && to_terminal {
            bail!(
                "{} is not for a terminal; write it to a file with -o FILE, or into a pipe",
                name_of(format)
            );
        }
        let of_table = screen.filter(|_| file.is_none() && format == Format::Table);
        Ok(Self {
            format,
            file: file.map(Path::to_owned),
            full: shape.full,
            to_terminal,
            width: of_table.and_then(|screen| screen.width),
            results: of_table.map(|screen| screen.results.clone()),
            paged: to_terminal && screen.is_some_and(|screen| screen.paged),
            types: Arc::default(),
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
        if let Some(encoding) = self.format.encoding() {
            return Ok(encoding.encoder(schema, out)?);
        }
        let look = |remedy| table::Look {
            width: self.table_width(),
            on_terminal: self.is_seen(),
            remedy,
            types: self.types.clone(),
        };
        Ok(match self.results.as_ref().filter(|_| !table::is_plan(schema)) {
            Some(results) => Box::new(Numbered::new(results, schema, |schema| {
                Box::new(table::Table::new(schema, look("| csv"), out))
            })),
            None => Box::new(table::Table::new(schema, look("--full"), out)),
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

    /// Whether it is a table for people that goes where no terminal shows it: a log, a pipe.
    pub fn is_logged(&self) -> bool {
        self.format == Format::Table && self.file.is_none() && !self.to_terminal
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
        Ok(encoder.finish()?)
    }

    /// Writes batches as one result to an open sink; there is at least one.
    pub fn print_all_to(&self, batches: &[RecordBatch], sink: &mut Sink) -> Result<()> {
        let Some(first) = batches.first() else { return Ok(()) };
        let mut encoder = self.encoder(&first.schema(), sink)?;
        batches.iter().try_for_each(|batch| encoder.write(batch))?;
        encoder.finish()?;
        Ok(())
    }

    /// Whether rows are shown to a person right now.
    pub fn is_on_terminal(&self) -> bool {
        self.to_terminal
    }

    /// Whether types are shown by their short names: in what people read on a terminal, unless nothing is to be cut.
    pub fn shortens_types(&self) -> bool {
        self.format == Format::Table && self.is_seen() && !self.full
    }

    /// The same with short names of types where it shows such.
    pub fn with_types(self, types: ShortTypeNames) -> Self {
        match self.shortens_types() {
            true => Self { types: Arc::new(types), ..self },
            false => self,
        }
    }

    /// How types are named.
    pub fn types(&self) -> &ShortTypeNames {
        &self.types
    }

    /// Whether text for people may have bars of block characters.
    pub fn has_bars(&self) -> bool {
        self.to_terminal && blocks::are_shown(|name| std::env::var(name).ok())
    }

    /// Whether text for people may have sparklines. Files and pipes have them, as they have the lines of tables.
    pub fn has_sparks(&self) -> bool {
        !self.to_terminal || self.has_bars()
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

    /// Whether a terminal shows the rows, or a shell whose user has said how wide its screen is.
    fn is_seen(&self) -> bool {
        self.to_terminal || self.width.is_some()
    }

    /// The width that text should keep to: that of the terminal, if it is on one.
    pub fn table_width(&self) -> Option<usize> {
        let cut = self.is_seen() && !self.full;
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

#[cfg(test)]
mod tests {
    use arrow::{
        array::{ArrayRef, Int64Array, StringArray, UInt64Array},
        datatypes::{Field, Schema},
    };

    use super::*;

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

    /// A table of any width of two rows with every sort of trouble, or of none.
    fn shown(has_rows: bool) -> String {
        let columns: [(&str, ArrayRef); 3] = [
            ("address", Arc::new(UInt64Array::from(vec![u64::MAX, 7]))),
            ("value", Arc::new(StringArray::from(vec![Some("a,\"b\"\t\\|\u{1b}[1m\n"), None]))),
            ("size", Arc::new(Int64Array::from(vec![None, Some(-1)]))),
        ];
        let fields: Vec<_> =
            columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
        let schema = Arc::new(Schema::new(fields));
        let arrays = columns.into_iter().map(|(_, array)| array).collect();
        let batch = RecordBatch::try_new(schema.clone(), arrays).expect("columns of one length");
        let (width, results) = (None, None);
        let format = Format::Table;
        let types = Arc::default();
        let plan =
            Plan { format, file: None, full: false, to_terminal: false, width, results, paged: false, types };
        let mut out = Vec::new();
        let mut encoder = plan.encoder(&schema, &mut out).expect("an encoder");
        if has_rows {
            encoder.write(&batch).expect("written");
        }
        encoder.finish().expect("finished");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_table_shows_what_would_act_on_a_terminal() {
        assert_eq!(
            shown(true),
            "\
╭─────────────────────┬────────────────────┬──────╮
│             address │ value              │ size │
├─────────────────────┼────────────────────┼──────┤
│ @0xffffffffffffffff │ a,\"b\"\\t\\|\\x1b[1m\\n │      │
│                @0x7 │                    │ -1 B │
╰─────────────────────┴────────────────────┴──────╯
"
        );
        assert!(shown(false).contains("│ address │") && shown(false).ends_with("╯\n"));
    }
}
