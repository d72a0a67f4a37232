//! Names of objects and texts, which stay in the lake, and commands about the shell itself.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow, bail};
use arrow::array::RecordBatch;
use heaplake_answers::{AnswerColumns, Direction, address_set, addresses_of, browse, quoted};
use heaplake_store::Named;

use super::{
    Flow, Shell,
    commands::{self, By},
    lines::words_of,
    references::{Known, Reference, Value, is_name, rewrite},
};
use crate::{
    args, escape, human,
    output::{Columns, Shape, Sink, address_name},
    selection,
};

impl Shell {
    pub(super) fn set(&mut self, rest: &str) -> Result<()> {
        if rest.is_empty() {
            let value = |named: &Named| match named {
                Named::Addresses(addresses) => match addresses.as_slice() {
                    [address] => human::address(*address),
                    addresses => human::counted(addresses.len() as u64, "object"),
                },
                Named::Number(number) => number.to_string(),
                Named::Text(text) => quoted(text),
            };
            let batch = Columns::default()
                .text("name", self.names.keys().map(|name| format!("${name}")))
                .text("value", self.names.values().map(value))
                .batch()?;
            return self.print(&batch);
        }
        let (name, value) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let (name, value) = (name.trim_start_matches('$'), value.trim().trim_start_matches('=').trim_start());
        if !is_name(name) {
            bail!("{name:?} is no name; a name is a letter or _, then letters, digits and _");
        }
        if value.is_empty() {
            bail!(
                "set {name} to what? An address, a reference such as #2.5 or #2.address, a condition over obj, a query, a \
                 path pattern, a number, or a text in '...'"
            );
        }
        let named = self.value_of(value)?;
        let kept = match &named {
            Named::Addresses(addresses) => match addresses.as_slice() {
                [address] => format!("object {}", human::address(*address)),
                addresses => human::counted(addresses.len() as u64, "object"),
            },
            Named::Number(number) => format!("number {number}"),
            Named::Text(text) => format!("text {}", human::shortened(&quoted(text), MAX_SHOWN)),
        };
        self.change_names(|names| {
            names.insert(name.to_owned(), named);
        })?;
        self.console.note(&format!("${name}: {kept}"));
        Ok(())
    }

    /// What a name is to stand for: a number, objects, or a text.
    fn value_of(&mut self, value: &str) -> Result<Named> {
        if let Ok(number) = value.parse() {
            return Ok(Named::Number(number));
        }
        if let Some(text) = value.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
            return Ok(Named::Text(text.replace("''", "'")));
        }
        let items: Vec<&str> = value.split([',', ' ']).filter(|item| !item.is_empty()).collect();
        let references: Option<Vec<Reference>> = items.iter().map(|item| Reference::parse(item)).collect();
        if let Some(references) = references {
            let mut addresses = Vec::new();
            for reference in &references {
                match reference.value(self)? {
                    Value::Text(text) if references.len() == 1 => return Ok(Named::Text(text)),
                    _ => addresses.extend(reference.addresses(self)?),
                }
            }
            return Ok(Named::Addresses(addresses));
        }
        self.session()?;
        if browse::is_query(value) {
            return self.value_of_query(value);
        }
        let objects = self.objects_of(value).map(Named::Addresses);
        // What has no sign of a condition is rather a text.
        let are_words = value.chars().all(|c| c.is_alphanumeric() || "_-. /:".contains(c));
        match are_words {
            true => objects.with_context(|| format!("a text needs quotes: {}", quoted(value))),
            false => objects,
        }
    }

    /// The objects that a condition over `obj`, a path pattern or the name of a type stands for.
    fn objects_of(&mut self, text: &str) -> Result<Vec<u64>> {
        let set = self.set_of(text)?;
        self.session()?.check_types_of_set(&set)?;
        within_limit(browse::objects(&set, MAX_OBJECTS, self.session()?)?)
    }

    /// The objects of the rows of a query, or its only value.
    fn value_of_query(&mut self, query: &str) -> Result<Named> {
        let query = rewrite(query.trim_end_matches(';'), self)?;
        let rows = browse::first_rows(&query, MAX_OBJECTS + 1, self.session()?)?;
        let first = rows.first().context("a query has columns")?;
        if let Some(name) = address_name(first) {
            let mut addresses = within_limit(addresses_of(&rows, name)?)?;
            addresses.sort_unstable();
            addresses.dedup();
            return Ok(Named::Addresses(addresses));
        }
        let n_rows: usize = rows.iter().map(RecordBatch::num_rows).sum();
        let names: Vec<&str> =
            first.schema_ref().fields().iter().map(|field| field.name().as_str()).collect();
        let ([name], 1) = (names.as_slice(), n_rows) else {
            bail!(
                "the query has no column of addresses and more than one value: {}, with the columns {}",
                human::counted(n_rows as u64, "row"),
                names.join(", ")
            );
        };
        let text = AnswerColumns::new(&rows)?.texts(name)?.pop().unwrap_or_default();
        let is_number = first.schema_ref().field(0).data_type().is_numeric();
        Ok(match text.parse().ok().filter(|_| is_number) {
            Some(number) => Named::Number(number),
            None => Named::Text(text),
        })
    }

    pub(super) fn unset(&mut self, rest: &str) -> Result<()> {
        let name = rest.trim_start_matches('$').to_owned();
        if !self.names.contains_key(&name) {
            return Err(self.no_name(&name));
        }
        self.change_names(|names| {
            names.remove(&name);
        })
    }

    fn change_names(&mut self, change: impl FnOnce(&mut BTreeMap<String, Named>)) -> Result<()> {
        let lake = self.console.open_lake()?;
        let manifest = selection::one(&lake.snapshot(), None, &self.console)?;
        self.names = lake.change_names(&manifest, change)?;
        self.show_names();
        Ok(())
    }

    fn no_name(&self, name: &str) -> anyhow::Error {
        let names: Vec<&str> = self.names.keys().map(String::as_str).collect();
        let hint = heaplake_engine::nearest(name, names.iter().copied());
        let hint = hint.map(|near| format!("; did you mean ${near}?")).unwrap_or_default();
        anyhow!("there is no name ${name}{hint}")
    }

    pub(super) fn echo(&mut self, rest: &str) -> Result<()> {
        let mut text = String::new();
        for (at, word) in rest.split(' ').enumerate() {
            if at > 0 {
                text.push(' ');
            }
            match Reference::parse(word)
                .filter(|_| word.starts_with(['#', '$']) || word.ends_with(['^', '&']))
            {
                Some(reference) => match reference.value(self)? {
                    Value::Text(value) => text += &value,
                    Value::Column(rows, name) => {
                        let rows = AnswerColumns::new(&rows)?.texts(&name)?;
                        text += &rows.join(", ");
                    }
                    _ => {
                        let addresses = reference.addresses(self)?;
                        text +=
                            &addresses.iter().map(|at| human::address(*at)).collect::<Vec<_>>().join(", ");
                    }
                },
                None => text += word,
            }
        }
        let mut sink = self.console.plan(Shape::default(), None)?.open()?;
        writeln!(sink, "{}", escape::line(&text))?;
        sink.commit()
    }

    /// Writes commands that make the names and edits again.
    pub(super) fn save(&mut self, rest: &str) -> Result<()> {
        let path = file_argument(rest)?;
        let dump = self.session()?.dump()?.id.to_string();
        let mut text = format!("use {dump}\n");
        for (name, named) in &self.names {
            match named {
                Named::Addresses(addresses) => {
                    writeln!(text, "set {name} {}", address_set(addresses))?;
                }
                Named::Number(number) => writeln!(text, "set {name} {number}")?,
                Named::Text(value) if value.contains(['\n', '\r']) => {
                    self.console.warn(&format!("${name} has line breaks and was not saved"));
                }
                Named::Text(value) => writeln!(text, "set {name} {}", quoted(value))?,
            }
        }
        for edit in self.edits.get(&dump).into_iter().flatten() {
            writeln!(text, "{}", edit.command.replace(['\n', '\r'], " "))?;
        }
        let mut sink = Sink::file(&path)?;
        sink.write_all(text.as_bytes())?;
        sink.commit()
    }

    pub(super) fn load(&mut self, rest: &str) -> Result<Flow> {
        let path = file_argument(rest)?;
        let path = path.canonicalize().with_context(|| format!("cannot read {}", path.display()))?;
        if self.loading.contains(&path) {
            bail!("{} loads itself", path.display());
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        self.loading.push(path);
        let flow = self.run_lines(&lines);
        self.loading.pop();
        flow
    }

    pub(super) fn width(&mut self, rest: &str) -> Result<()> {
        match rest {
            "" => {
                let width =
                    self.chosen().screen.width.map_or_else(|| "auto".to_owned(), |width| width.to_string());
                self.console.note(&format!("width {width}"));
            }
            "auto" => self.chosen_mut().screen.width = None,
            number => {
                let width = number.parse().ok().filter(|width| (20..=10_000).contains(width));
                let width = width
                    .with_context(|| format!("a number of columns from 20 on is expected, not {number}"))?;
                self.chosen_mut().screen.width = Some(width);
            }
        }
        Ok(())
    }

    pub(super) fn show_history(&self, rest: &str) -> Result<()> {
        let n = match rest {
            "" => usize::MAX,
            number => {
                number.parse().with_context(|| format!("a number of lines is expected, not {number}"))?
            }
        };
        let mut sink = self.console.plan(Shape::default(), None)?.open()?;
        for line in self.history.iter().skip(self.history.len().saturating_sub(n)) {
            writeln!(sink, "{}", escape::message(line))?;
        }
        sink.commit()
    }

    pub(super) fn help(&self, rest: &str) -> Result<()> {
        let mut sink = self.console.plan(Shape::default(), None)?.open()?;
        if rest.is_empty() {
            for (group, commands) in commands::GROUPS {
                writeln!(sink, "{group}")?;
                for command in commands {
                    let usage = format!("{} {}", command.name, command.usage);
                    let usage = usage.trim_end();
                    // A long one has the line for itself.
                    let gap = if usage.len() > USAGE_WIDTH {
                        format!("\n  {:USAGE_WIDTH$}", "")
                    } else {
                        String::new()
                    };
                    writeln!(sink, "  {usage:USAGE_WIDTH$}{gap} {}", command.summary)?;
                }
            }
            writeln!(sink, "\n{STATEMENTS}")?;
            return sink.commit();
        }
        let Some(command) = commands::by_name(rest) else {
            let near = heaplake_engine::nearest(rest, commands::names());
            let hint = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            bail!("there is no command {rest}{hint}");
        };
        if command.by == By::Heaplake {
            let help = args::parse_in_shell(&[command.name.to_owned(), "--help".to_owned()]);
            if let Err(help) = help {
                write!(sink, "{help}")?;
            }
            return sink.commit();
        }
        writeln!(sink, "{} {}\n{}", command.name, command.usage, command.summary)?;
        if !command.more.is_empty() {
            writeln!(sink, "\n{}", command.more)?;
        }
        sink.commit()
    }
}

/// The objects, if they are not too many to be kept under a name.
fn within_limit(addresses: Vec<u64>) -> Result<Vec<u64>> {
    if addresses.len() > MAX_OBJECTS {
        bail!("a name stands for {} objects at most", human::count(MAX_OBJECTS as u64));
    }
    Ok(addresses)
}

/// Objects that a name can stand for: they are written into a file of the lake.
const MAX_OBJECTS: usize = 1_000_000;
/// Characters of a text that are shown when it got a name.
const MAX_SHOWN: usize = 60;

/// Columns that a command has in the list of all.
const USAGE_WIDTH: usize = 34;

const STATEMENTS: &str = "\
Anything else is SQL or a path pattern. A statement ends with its line when it is complete, or with ; or an empty line.
  select type, count, size from type_stat order by size desc limit 20
  root ..> (x: Session WHERE size > 1000)
  select * from later.obj | csv > big.csv      also tsv, json, ndjson, markdown, parquet, arrow

Results are numbered, their rows labelled. #2.5 is the object of a row, #2.address a column, #2 the table;
$name is what set has named; ^ behind one of them are its parents, & its children, and again: $leak^^, 0& are the roots.
  select * from obj where address in (#2.address)
  #2.5 <.. root

help COMMAND says more.";

fn file_argument(rest: &str) -> Result<PathBuf> {
    match words_of(rest).unwrap_or_default().as_slice() {
        [file] => Ok(Path::new(file).to_owned()),
        _ => bail!("one file is expected; write '...' around a name with blanks"),
    }
}

impl Shell {
    /// An address means another object in another dump.
    fn note_other_dump(&self, number: usize) {
        if let (Some(other), Some(dump)) =
            (self.chosen().screen.results.other_dump(number), &self.chosen().dump)
        {
            self.console.note(&format!("result {number} is of {other}, and {dump} is asked"));
        }
    }
}

impl Known for Shell {
    fn rows(&self, number: usize) -> Result<Vec<RecordBatch>> {
        self.note_other_dump(number);
        self.chosen().screen.results.rows(number)
    }

    fn addresses(&self, number: usize) -> Result<Vec<u64>> {
        self.note_other_dump(number);
        self.chosen().screen.results.addresses(number)
    }

    fn address(&self, number: usize, row: usize) -> Result<u64> {
        self.note_other_dump(number);
        self.chosen().screen.results.address(number, row)
    }

    fn named(&self, name: &str) -> Result<Named> {
        self.names.get(name).cloned().ok_or_else(|| self.no_name(name))
    }

    fn step(&self, from: &[u64], direction: Direction) -> Result<Vec<u64>> {
        let session = self.session.as_ref().context("the lake has no dumps yet")?;
        let mut found = Vec::new();
        if from.contains(&0) && direction == Direction::Children {
            found = browse::roots(session)?;
        }
        let objects: Vec<u64> = from.iter().copied().filter(|at| *at != 0).collect();
        found.extend(browse::neighbours(&objects, direction, session)?);
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    fn show(&self, name: &str, rows: &[RecordBatch]) -> Result<()> {
        Ok(self.session.as_ref().context("the lake has no dumps yet")?.show(name, rows)?)
    }
}
