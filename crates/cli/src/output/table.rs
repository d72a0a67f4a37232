//! A table for people: rounded light borders, numbers to the right, one line per row.
//!
//! Rows are laid out in chunks, so that a result of any size streams. The widths of a chunk are those of the chunks
//! before it or more: a later, wider cell widens the table from there on, and nothing is dropped. Only on a terminal
//! are cells of text cut, in their middle, to the widest that still lets a row fit. Where that is not enough, columns are
//! left out: first those without a value, then the others from the right, then telling ones, the most telling last; a line below
//! says which.

use std::{borrow::Cow, io::Write, sync::Arc};

use arrow::{array::RecordBatch, datatypes::Schema};
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Width};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use heaplake_answers::{
    Result,
    encode::{Encoder, Written, flat},
};
use heaplake_engine::is_type_column;
use heaplake_model::ShortTypeNames;

use super::cells::cells;
use crate::escape;

/// Rounded and light, no lines between rows; comfy-table's order of parts.
const BORDERS: &str = "││──├─┼┤│    ┬┴╭╮╰╯";
/// Rows laid out together.
const CHUNK_ROWS: usize = 1000;
/// A column of text is not cut below this, however narrow the terminal.
const NARROWEST_CUT: usize = 10;
/// A text that tells what a row is of is not cut below this while other columns can be left out.
const READABLE: usize = 24;
/// Nor below this while one that tells less can be left out.
const TERSE: usize = 16;
/// What a cell needs beside its text: a border and a space on either side.
const CELL_FRAME: usize = 3;
/// Columns that are left out after all others, the first of these first.
const TELLING: [&str; 14] = [
    "address", "size", "label", "motif", "name", "objects", "count", "holder", "type", "frame", "function",
    "thread", "retained", "#",
];

/// How a table is shown.
#[derive(Debug, Clone)]
pub struct Look {
    /// Width of the terminal, where cells are to be cut to it; `None` for any width.
    pub width: Option<usize>,
    /// Whether a terminal shows it, of whatever width.
    pub on_terminal: bool,
    /// How a user sees columns that are left out for the width.
    pub remedy: &'static str,
    /// How types are named.
    pub types: Arc<ShortTypeNames>,
}
/// Columns with chains of types.
const TYPE_CHAINS: [&str; 3] = ["holder", "holder_path", "motif"];

/// Writes a table.
pub struct Table<W: Write> {
    out: W,
    columns: Vec<Column>,
    look: Look,
    rows: Vec<Vec<String>>,
    /// The lower border, once something is written.
    border: Option<String>,
    cut_cells: u64,
    /// Line breaks in cells stay: the rows are the plan of a query.
    multiline: bool,
}

struct Column {
    name: String,
    right: bool,
    /// Never cut.
    whole: bool,
    /// Widest text so far.
    width: usize,
    /// Widest text allowed.
    cap: usize,
    /// Left out, because the terminal is too narrow.
    hidden: bool,
    types: TypesInColumn,
}

/// Which types the texts of a column name.
#[derive(Clone, Copy)]
enum TypesInColumn {
    None,
    One,
    /// A chain of them, such as the path of a holder.
    Chain,
}

impl<W: Write> Table<W> {
    /// A table of rows of `schema`.
    pub fn new(schema: &Schema, look: Look, out: W) -> Self {
        let columns = flat::flat_schema(schema).fields().iter().map(|field| Column::new(field)).collect();
        let multiline = is_plan(schema);
        let look = Look { width: look.width.filter(|_| !multiline), ..look };
        Self { out, columns, look, rows: Vec::new(), border: None, cut_cells: 0, multiline }
    }

    /// Lays out the rows that were kept, after the header if they are the first.
    fn write_chunk(&mut self) -> Result<()> {
        if self.columns.is_empty() {
            self.rows.clear();
            return Ok(());
        }
        self.measure();
        if let (Some(terminal), None) = (self.look.width, &self.border) {
            hide_columns(&mut self.columns, &self.rows, terminal);
            cap_columns(&mut self.columns, terminal);
        }
        self.cut();
        let is_first = self.border.is_none();
        let mut lines: Vec<String> = self.lay_out(is_first).lines().collect();
        self.border = lines.pop();
        for line in lines.iter().skip(usize::from(!is_first)) {
            writeln!(self.out, "{line}")?;
        }
        Ok(())
    }

    fn measure(&mut self) {
        for row in &self.rows {
            for (column, cell) in self.columns.iter_mut().zip(row) {
                let width = cell.lines().map(str::width).max().unwrap_or_default();
                column.width = column.width.max(width).min(column.cap);
            }
        }
    }

    fn cut(&mut self) {
        for (idx, column) in self.columns.iter_mut().enumerate().filter(|(_, column)| !column.hidden) {
            column.width = column.width.min(column.cap);
            for cell in self.rows.iter_mut().map(|row| &mut row[idx]) {
                if cell.width() > column.cap {
                    *cell = shortened(cell, column.cap);
                    self.cut_cells += 1;
                }
            }
        }
    }

    fn lay_out(&mut self, with_header: bool) -> comfy_table::Table {
        let mut table = comfy_table::Table::new();
        table.load_preset(BORDERS).set_content_arrangement(ContentArrangement::Disabled).force_no_tty();
        let shown = || self.columns.iter().filter(|column| !column.hidden);
        if with_header {
            table.set_header(shown().map(|column| shortened(&column.name, column.cap)));
        }
        let rows = std::mem::take(&mut self.rows);
        table.add_rows(rows.into_iter().map(|row| {
            let cells = row.into_iter().zip(&self.columns).filter(|(_, column)| !column.hidden);
            cells.map(|(cell, _)| cell).collect::<Vec<_>>()
        }));
        for (column, look) in table.column_iter_mut().zip(shown()) {
            let width = u16::try_from(look.width + 2).unwrap_or(u16::MAX);
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width)));
            if look.right {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table
    }
}

impl<W: Write> Encoder for Table<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = flat::flatten(batch)?;
        for row in cells(&batch, self.look.on_terminal)? {
            let cells = self
                .columns
                .iter()
                .zip(&row)
                .map(|(column, cell)| escaped(&named(column, cell, &self.look.types), self.multiline));
            self.rows.push(cells.collect());
            if self.rows.len() >= CHUNK_ROWS {
                self.write_chunk()?;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Written> {
        if !self.rows.is_empty() || self.border.is_none() {
            self.write_chunk()?;
        }
        if let Some(border) = &self.border {
            writeln!(self.out, "{border}")?;
        }
        // What has no name says nothing that its neighbours do not say.
        let hidden = self.columns.iter().filter(|column| column.hidden && !column.name.is_empty());
        let hidden: Vec<&str> = hidden.map(|column| column.name.as_str()).collect();
        if !hidden.is_empty() {
            let names = hidden.join(", ");
            let note = format!(
                "(left out, for the width of the terminal: {names}; {} shows them)",
                self.look.remedy
            );
            for line in wrapped(&note, self.look.width.unwrap_or(usize::MAX)) {
                writeln!(self.out, "{line}")?;
            }
        }
        Ok(Written { cut_cells: self.cut_cells })
    }
}

impl Column {
    fn new(field: &arrow::datatypes::Field) -> Self {
        let name = escape::line(field.name()).into_owned();
        let (right, whole) = (flat::is_right_aligned(field), flat::is_whole(field));
        let types = match name.as_str() {
            _ if right => TypesInColumn::None,
            name if is_type_column(name) => TypesInColumn::One,
            name if TYPE_CHAINS.contains(&name) => TypesInColumn::Chain,
            _ => TypesInColumn::None,
        };
        Self { width: name.width(), name, right, whole, cap: usize::MAX, hidden: false, types }
    }
}

fn named<'c>(column: &Column, cell: &'c str, types: &ShortTypeNames) -> Cow<'c, str> {
    match column.types {
        TypesInColumn::None => Cow::Borrowed(cell),
        TypesInColumn::One => Cow::Borrowed(types.name(cell)),
        TypesInColumn::Chain => types.chain(cell),
    }
}

fn escaped(text: &str, multiline: bool) -> String {
    if multiline { escape::message(text.trim_end()).into_owned() } else { escape::line(text).into_owned() }
}

/// How wide a table of the batch would be if no cell were cut beyond `text` characters of its text.
pub fn width(batch: &RecordBatch, text: usize) -> Result<usize> {
    let rows = cells(batch, true)?;
    let mut total = batch.num_columns() * CELL_FRAME + 1;
    for (idx, field) in batch.schema_ref().fields().iter().enumerate() {
        let column = Column::new(field);
        let widest = rows.iter().map(|row| escaped(&row[idx], false).width()).max().unwrap_or_default();
        let width = column.width.max(widest);
        total += if column.whole { width } else { width.min(text) };
    }
    Ok(total)
}

/// Whether rows of this schema are what EXPLAIN answers, text of many lines that is made to be read.
pub fn is_plan(schema: &Schema) -> bool {
    schema.fields().iter().map(|field| field.name().as_str()).eq(["plan_type", "plan"])
}

/// Leaves out columns until a row fits `terminal`, when text is cut as far as it may be; the first column stays.
fn hide_columns(columns: &mut [Column], rows: &[Vec<String>], terminal: usize) {
    let telling = |column: &Column| TELLING.iter().position(|name| *name == column.name);
    let needed = |columns: &[Column], least: usize| -> usize {
        let narrowest = |column: &Column| match telling(column) {
            _ if column.whole => column.width,
            Some(_) => column.width.min(least),
            None => column.width.min(NARROWEST_CUT),
        };
        let shown = columns.iter().filter(|column| !column.hidden);
        1 + shown.map(|column| narrowest(column) + CELL_FRAME).sum::<usize>()
    };
    let is_empty = |idx: usize| rows.iter().all(|row| row[idx].is_empty());
    let mut order: Vec<(Option<usize>, usize)> = (1..columns.len())
        .rev()
        .map(|idx| (telling(&columns[idx]).filter(|_| !is_empty(idx)), idx))
        .collect();
    order.sort_by_key(|(told, idx)| (*told, !is_empty(*idx)));
    for (told, idx) in order {
        let least = if told.is_some() { TERSE } else { READABLE };
        if needed(columns, least) <= terminal {
            break;
        }
        columns[idx].hidden = true;
    }
}

/// Limits columns of text so that a row fits `terminal`: narrow ones keep their width, wide ones share the rest.
fn cap_columns(columns: &mut [Column], terminal: usize) {
    let mut columns: Vec<&mut Column> = columns.iter_mut().filter(|column| !column.hidden).collect();
    let frame = columns.len() * CELL_FRAME + 1;
    let fixed: usize = columns.iter().filter(|column| column.whole).map(|column| column.width).sum();
    let mut left = terminal.saturating_sub(frame + fixed);
    let mut widths: Vec<usize> =
        columns.iter().filter(|column| !column.whole).map(|column| column.width).collect();
    widths.sort_unstable();
    let mut n_left = widths.len();
    for width in widths {
        let share = left / n_left;
        if width > share {
            break;
        }
        left -= width;
        n_left -= 1;
    }
    // Where everything fits, what is left over is room for one wider cell further down.
    let widest_that_fits = columns.iter().map(|column| column.width).max().unwrap_or_default();
    let cap = left.checked_div(n_left).unwrap_or(widest_that_fits + left);
    for column in columns.iter_mut().filter(|column| !column.whole) {
        column.cap = cap.max(NARROWEST_CUT);
    }
}

/// The text in lines of at most `width`, broken at spaces only.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The text, cut to `width` columns of the terminal with `…` in its middle: names begin alike, and differ at the end.
fn shortened(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(1);
    let (head_room, tail_room) = (room.div_ceil(2), room / 2);
    let take = |chars: &mut dyn Iterator<Item = char>, room: usize| -> Vec<char> {
        let mut used = 0;
        chars
            .take_while(|c| {
                used += c.width().unwrap_or(0);
                used <= room
            })
            .collect()
    };
    let head = take(&mut text.chars(), head_room);
    let tail = take(&mut text.chars().rev(), tail_room);
    head.into_iter().chain(['…']).chain(tail.into_iter().rev()).collect()
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, StringArray, UInt64Array};

    use super::*;

    fn batch(texts: &[&str]) -> RecordBatch {
        let numbers: ArrayRef = Arc::new((0..texts.len() as u64).collect::<UInt64Array>());
        let texts: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        RecordBatch::try_from_iter([("n", numbers), ("text", texts)]).expect("a batch")
    }

    fn render(batches: &[RecordBatch], terminal: Option<usize>) -> (String, Written) {
        let mut out = Vec::new();
        let look = Look { width: terminal, on_terminal: false, remedy: "--full", types: Arc::default() };
        let mut table = Box::new(Table::new(batches[0].schema_ref(), look, &mut out));
        for batch in batches {
            table.write(batch).expect("written");
        }
        let written = table.finish().expect("finished");
        (String::from_utf8(out).expect("text"), written)
    }

    #[test]
    fn cells_are_cut_only_on_a_terminal() {
        let long = "x".repeat(200);
        let (piped, written) = render(&[batch(&[&long])], None);
        assert!(piped.contains(&long));
        assert_eq!(written.cut_cells, 0);
        let (shown, written) = render(&[batch(&[&long, "short"])], Some(40));
        assert_eq!(written.cut_cells, 1);
        assert!(shown.contains("x…"), "{shown}");
        assert!(shown.lines().all(|line| line.width() == 40), "{shown}");
    }

    #[test]
    fn what_fits_is_not_cut() {
        let (shown, written) = render(&[batch(&["漢字 wide", "a"])], Some(21));
        assert_eq!(written.cut_cells, 0, "{shown}");
        assert!(
            shown.lines().all(|line| line.width() == shown.lines().next().map_or(0, |line| line.width()))
        );
    }

    #[test]
    fn wide_characters_are_not_cut_in_half() {
        assert_eq!(shortened("漢字漢字", 6), "漢…字");
        assert_eq!(shortened("漢字漢字", 8), "漢字漢字");
        assert_eq!([shortened("abc", 2), shortened("abc", 1)], ["a…", "…"]);
        assert_eq!(shortened("app.models.OrderLine", 12), "app.mo…rLine");
    }

    #[test]
    fn columns_are_left_out_where_cutting_is_not_enough() {
        let column = |cells: [&str; 2]| Arc::new(StringArray::from(cells.to_vec())) as ArrayRef;
        let numbers = |cells: [u64; 2]| Arc::new(UInt64Array::from(cells.to_vec())) as ArrayRef;
        let batch = RecordBatch::try_from_iter([
            ("address", numbers([140_280_053_449_680, 1])),
            ("empty", column(["", ""])),
            ("value", column(["a long value of an object", "another"])),
            ("retained", numbers([1 << 30, 2])),
            ("other", numbers([123_456_789, 2])),
        ])
        .expect("a batch");
        let shown = |terminal| render(std::slice::from_ref(&batch), Some(terminal)).0;
        for (terminal, hidden) in [
            (66, None),
            (58, Some("empty")),
            (50, Some("empty, other")),
            (34, Some("empty, value, other")),
            (20, Some("empty, value, retained, other")),
        ] {
            let shown = shown(terminal);
            let note: Vec<&str> = shown.lines().skip_while(|line| !line.starts_with("(left out")).collect();
            let note = Some(note.join(" ")).filter(|note| !note.is_empty());
            let expected = hidden.map(|names| {
                format!("(left out, for the width of the terminal: {names}; --full shows them)")
            });
            assert_eq!(note, expected, "{terminal}: {shown}");
            assert!(shown.lines().all(|line| line.width() <= terminal), "{terminal}: {shown}");
        }
    }

    #[test]
    fn what_tells_most_is_left_out_last() {
        let column = |cell: &str| Arc::new(StringArray::from(vec![cell])) as ArrayRef;
        let number = |cell: u64| Arc::new(UInt64Array::from(vec![cell])) as ArrayRef;
        let batch = RecordBatch::try_from_iter([
            ("thread", column("http-nio-8080-exec-1")),
            ("frame", number(12)),
            ("function", column("com.shop.cart.CartService.recalculate")),
            ("line", column("CartService.java:341")),
            ("address", number(140_280_053_449_680)),
            ("type", column("com.shop.cart.CartService$Recalculation")),
            ("size", number(24)),
            ("retained", number(123_456_789)),
        ])
        .expect("a batch");
        for (terminal, hidden) in [
            (150, ""),
            (112, "line;"),
            (80, "line, address, size;"),
            (60, "line, address, type, size;"),
            (40, "frame, function, line, address, type, size;"),
        ] {
            let shown = render(std::slice::from_ref(&batch), Some(terminal)).0;
            let left_out =
                shown.split_once("terminal: ").map_or(String::new(), |(_, rest)| rest.replace('\n', " "));
            assert!(left_out.starts_with(hidden), "{terminal}: {shown}");
            assert_eq!(left_out.is_empty(), hidden.is_empty(), "{terminal}: {shown}");
            assert!(shown.lines().all(|line| line.width() <= terminal), "{terminal}: {shown}");
        }
    }

    #[test]
    fn chunks_make_one_table_and_a_wider_one_loses_nothing() {
        let texts: Vec<String> = (0..2500).map(|n| "y".repeat(if n == 2400 { 30 } else { 3 })).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let (shown, _) = render(&[batch(&texts)], None);
        assert_eq!(shown.lines().count(), 2500 + 4);
        assert!(shown.contains(&"y".repeat(30)));
        assert_eq!(shown.matches('╭').count(), 1);
        assert_eq!(shown.matches('╰').count(), 1);
    }

    #[test]
    fn a_plan_keeps_its_lines() {
        let cell = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
        let plan = cell("Filter\n  Scan \x1b\n");
        let batch =
            RecordBatch::try_from_iter([("plan_type", cell("logical")), ("plan", plan)]).expect("a batch");
        let (shown, _) = render(&[batch], Some(20));
        assert_eq!(
            shown,
            "\
╭───────────┬─────────────╮
│ plan_type │ plan        │
├───────────┼─────────────┤
│ logical   │ Filter      │
│           │   Scan \\x1b │
╰───────────┴─────────────╯
"
        );
    }
}
