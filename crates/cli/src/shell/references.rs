//! References to earlier results and to names: `#2.5`, `#2.address`, `$leak`, and `^` (parents) and `&` (children) behind
//! them. What they stand for takes their place in a statement, never within texts or comments.

use anyhow::{Context as _, Result, bail};
use arrow::{
    array::{Array as _, RecordBatch},
    datatypes::DataType,
    util::display::{ArrayFormatter, FormatOptions},
};
use heaplake_answers::{Direction, address_rows, addresses_of, column_of_table, quoted};
use heaplake_engine::{PieceKind, address, pieces};
use heaplake_store::Named;

use crate::{human, output::address_name};

/// Values that are written out; more than that are a table of their own.
const MAX_WRITTEN: usize = 1000;
/// Objects that a pattern is written with.
const MAX_OBJECTS: usize = 10_000;

/// A reference as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    base: Base,
    /// Parents and children, one after the other.
    steps: Vec<Direction>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Base {
    /// `#2`
    Result(usize),
    /// `#2.5`
    Row(usize, usize),
    /// `#2.type`
    Column(usize, String),
    /// `$leak`
    Name(String),
    /// `@140`, `140`, `0x7f00`
    Address(u64),
}

/// What a reference stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Objects.
    Addresses(Vec<u64>),
    /// The table of a result.
    Table(Vec<RecordBatch>),
    /// A column of a result.
    Column(Vec<RecordBatch>, String),
    /// A text.
    Text(String),
}

/// What knows the values of references.
pub trait Known {
    /// The rows of a result.
    fn rows(&self, number: usize) -> Result<Vec<RecordBatch>>;
    /// The addresses of a result.
    fn addresses(&self, number: usize) -> Result<Vec<u64>>;
    /// The address of a row of a result.
    fn address(&self, number: usize, row: usize) -> Result<u64>;
    /// What a name stands for.
    fn named(&self, name: &str) -> Result<Named>;
    /// Parents or children of objects; of 0 the roots.
    fn step(&self, addresses: &[u64], direction: Direction) -> Result<Vec<u64>>;
    /// Lets a table name mean some rows, for the statement that comes.
    fn show(&self, name: &str, rows: &[RecordBatch]) -> Result<()>;
}

impl Reference {
    /// Reads a reference, the whole text.
    pub fn parse(text: &str) -> Option<Self> {
        let base_text = text.trim_end_matches(['^', '&']);
        let steps = text[base_text.len()..].chars();
        let steps = steps.map(|c| if c == '^' { Direction::Parents } else { Direction::Children }).collect();
        let base = if let Some(rest) = base_text.strip_prefix('#') {
            match rest.split_once('.') {
                None => Base::Result(rest.parse().ok()?),
                Some((number, item)) => {
                    let number = number.parse().ok()?;
                    match item.parse() {
                        Ok(row) => Base::Row(number, row),
                        Err(_) if is_name(item) => Base::Column(number, item.to_owned()),
                        Err(_) => return None,
                    }
                }
            }
        } else if let Some(name) = base_text.strip_prefix('$') {
            Base::Name(Some(name).filter(|name| is_name(name))?.to_owned())
        } else {
            Base::Address(address(base_text)?)
        };
        Some(Self { base, steps })
    }

    /// What it stands for.
    pub fn value(&self, known: &dyn Known) -> Result<Value> {
        if self.steps.is_empty() {
            return Ok(match &self.base {
                Base::Result(number) => Value::Table(known.rows(*number)?),
                Base::Column(number, name) => {
                    let rows = known.rows(*number)?;
                    check_column(&rows, *number, name)?;
                    Value::Column(rows, name.clone())
                }
                Base::Row(number, row) => Value::Addresses(vec![known.address(*number, *row)?]),
                Base::Address(address) => Value::Addresses(vec![*address]),
                Base::Name(name) => match known.named(name)? {
                    Named::Addresses(addresses) => Value::Addresses(addresses),
                    Named::Number(number) => Value::Addresses(vec![number]),
                    Named::Text(text) => Value::Text(text),
                },
            });
        }
        let mut addresses = match &self.base {
            Base::Result(number) => known.addresses(*number)?,
            Base::Column(number, name) => {
                let rows = known.rows(*number)?;
                check_column(&rows, *number, name)?;
                addresses_of(&rows, name)?
            }
            Base::Row(number, row) => vec![known.address(*number, *row)?],
            Base::Address(address) => vec![*address],
            Base::Name(name) => match known.named(name)? {
                Named::Addresses(addresses) => addresses,
                Named::Number(number) => vec![number],
                Named::Text(_) => bail!("${name} is a text; only objects have parents and children"),
            },
        };
        for step in &self.steps {
            addresses = known.step(&addresses, *step)?;
        }
        Ok(Value::Addresses(addresses))
    }

    /// The objects that it stands for.
    pub fn addresses(&self, known: &dyn Known) -> Result<Vec<u64>> {
        match self.value(known)? {
            Value::Addresses(addresses) => Ok(addresses),
            Value::Column(rows, name) => Ok(addresses_of(&rows, &name)?),
            Value::Table(_) => match self.base {
                Base::Result(number) => known.addresses(number),
                _ => Ok(Vec::new()),
            },
            Value::Text(text) => bail!("{text:?} is a text and no object"),
        }
    }
}

/// Whether a text can name a value.
pub fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

fn check_column(rows: &[RecordBatch], number: usize, name: &str) -> Result<()> {
    let schema = rows.first().map(RecordBatch::schema).context("a result has columns")?;
    if schema.column_with_name(name).is_none() {
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        bail!("result {number} has no column {name}; it has {}", names.join(", "));
    }
    Ok(())
}

/// The statement with values in the place of its references. What is long becomes a table that is shown.
pub fn rewrite(text: &str, known: &dyn Known) -> Result<String> {
    rewrite_as(text, known, false)
}

/// The same for a text that is to mean the same later, without the results: all values are written out.
pub fn rewrite_for_good(text: &str, known: &dyn Known) -> Result<String> {
    rewrite_as(text, known, true)
}

fn rewrite_as(text: &str, known: &dyn Known, for_good: bool) -> Result<String> {
    let mut rewritten = String::with_capacity(text.len());
    let mut end = 0;
    for piece in pieces(text) {
        if !matches!(piece.kind, PieceKind::Reference | PieceKind::Object) {
            continue;
        }
        let written = &text[piece.span.clone()];
        // In SQL, $1 and the like are not ours; what is no reference stays for the parser to complain of.
        let Some(reference) = Reference::parse(written) else { continue };
        let value = reference.value(known)?;
        let replacement = match piece.kind {
            PieceKind::Object => object(written, &value)?,
            _ => {
                let place = Place::of(&text[..piece.span.start], &text[piece.span.end..]);
                in_sql(written, &value, place, known, for_good)?
            }
        };
        rewritten += &text[end..piece.span.start];
        rewritten += &replacement;
        end = piece.span.end;
    }
    Ok(rewritten + &text[end..])
}

/// Where a reference stands in SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Alone between parentheses; whether IN is before them.
    InParentheses(bool),
    /// Behind IN, without parentheses.
    BehindIn,
    /// Behind FROM or JOIN.
    Table,
    /// Behind a comparison, which takes one value.
    Compared,
    /// Anywhere else.
    Value,
}

impl Place {
    fn of(before: &str, behind: &str) -> Self {
        let last_word = |text: &str| {
            let word = text.trim_end().rsplit(|c: char| !c.is_ascii_alphanumeric()).next();
            word.unwrap_or_default().to_ascii_lowercase()
        };
        let (before, behind) = (before.trim_end(), behind.trim_start());
        match (before.strip_suffix('('), last_word(before).as_str()) {
            (Some(before), _) if behind.starts_with(')') => Place::InParentheses(last_word(before) == "in"),
            (_, "in") => Place::BehindIn,
            (_, "from" | "join") => Place::Table,
            _ if before.ends_with(['=', '<', '>']) => Place::Compared,
            _ => Place::Value,
        }
    }
}

/// A value in SQL. What is long becomes a table with the name of the reference, unless it is written for good.
fn in_sql(written: &str, value: &Value, place: Place, known: &dyn Known, for_good: bool) -> Result<String> {
    let table = format!("\"{written}\"");
    let is_list = matches!(place, Place::InParentheses(true) | Place::BehindIn);
    let (rows, column) = match value {
        Value::Table(rows) if is_list => match rows.first().and_then(address_name) {
            Some(name) => (rows.clone(), name.to_owned()),
            None => bail!("{written} has no column of addresses; write {written}.COLUMN"),
        },
        Value::Table(rows) => {
            known.show(written, rows)?;
            return Ok(table);
        }
        Value::Text(text) => return Ok(quoted(text)),
        Value::Addresses(addresses) => match (addresses.as_slice(), place) {
            ([address], Place::BehindIn) => return Ok(format!("({address})")),
            ([address], place) if place != Place::Table => return Ok(address.to_string()),
            (addresses, _) => (vec![address_rows(addresses)?], "address".to_owned()),
        },
        Value::Column(rows, name) => (rows.clone(), name.clone()),
    };
    let n_rows: usize = rows.iter().map(RecordBatch::num_rows).sum();
    let select = column_of_table(written, &column);
    match place {
        Place::Compared if n_rows != 1 => {
            bail!("{written} stands for {n_rows} values; write IN ({written})")
        }
        Place::Table => known.show(written, &rows).map(|()| table),
        Place::BehindIn if for_good => Ok(format!("({})", literals(&rows, &column)?)),
        Place::InParentheses(_) if for_good => literals(&rows, &column),
        Place::InParentheses(_) => known.show(written, &rows).map(|()| select),
        Place::BehindIn => known.show(written, &rows).map(|()| format!("({select})")),
        Place::Value | Place::Compared if n_rows > MAX_WRITTEN => {
            bail!(
                "{written} has {n_rows} values, too many to stand here; let it be the only one: IN ({written})"
            )
        }
        Place::Value | Place::Compared => literals(&rows, &column),
    }
}

/// The values of a column, as a list.
fn literals(rows: &[RecordBatch], column: &str) -> Result<String> {
    let mut list = Vec::new();
    for batch in rows {
        let values = batch.column_by_name(column).context("the column is there")?;
        let formatter = ArrayFormatter::try_new(values.as_ref(), &FormatOptions::default())?;
        for row in 0..values.len() {
            list.push(match values.data_type() {
                _ if values.is_null(row) => "NULL".to_owned(),
                data_type if data_type.is_numeric() || *data_type == DataType::Boolean => {
                    formatter.value(row).try_to_string()?
                }
                DataType::Timestamp(..) => {
                    format!("TIMESTAMP {}", quoted(&formatter.value(row).try_to_string()?))
                }
                _ => quoted(&formatter.value(row).try_to_string()?),
            });
        }
    }
    Ok(if list.is_empty() { "NULL".to_owned() } else { list.join(", ") })
}

/// A value as an object of a path pattern.
fn object(written: &str, value: &Value) -> Result<String> {
    let exactly = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let names = match value {
        Value::Addresses(addresses) => {
            return in_pattern(
                written,
                addresses.len(),
                addresses.iter().map(|address| human::address(*address)),
            );
        }
        Value::Text(text) => return Ok(exactly(text)),
        Value::Table(rows) => return object(written, &Value::Column(rows.clone(), "address".to_owned())),
        Value::Column(rows, name) => {
            if let Ok(addresses) = addresses_of(rows, name) {
                return object(written, &Value::Addresses(addresses));
            }
            let mut names = Vec::new();
            for batch in rows {
                let values =
                    batch.column_by_name(name).with_context(|| format!("{written} has no column {name}"))?;
                let formatter = ArrayFormatter::try_new(values.as_ref(), &FormatOptions::default())?;
                for row in (0..values.len()).filter(|row| values.is_valid(*row)) {
                    names.push(exactly(&formatter.value(row).try_to_string()?));
                }
            }
            names
        }
    };
    in_pattern(written, names.len(), names.into_iter())
}

fn in_pattern(written: &str, n: usize, items: impl Iterator<Item = String>) -> Result<String> {
    match n {
        0 => bail!("{written} stands for no object"),
        1..=MAX_OBJECTS => Ok(items.collect::<Vec<_>>().join("|")),
        n => bail!("{written} stands for {n} objects; in a pattern write (* WHERE address IN ({written}))"),
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, sync::Arc};

    use arrow::{
        array::{ArrayRef, StringArray, UInt64Array},
        datatypes::{Field, Schema},
    };

    use super::{super::random::Random, *};

    /// Result 2 has two rows; `$leak` is an object, `$many` are two, `$text` is a text. The parent of n is n + 1.
    #[derive(Default)]
    struct Test {
        shown: RefCell<Vec<String>>,
    }

    impl Known for Test {
        fn rows(&self, number: usize) -> Result<Vec<RecordBatch>> {
            if number != 2 {
                bail!("there is no result {number}");
            }
            let columns: [ArrayRef; 2] = [
                Arc::new(UInt64Array::from(vec![7, 8])),
                Arc::new(StringArray::from(vec![Some("a'b"), None])),
            ];
            let schema = Schema::new(vec![
                Field::new("address", DataType::UInt64, false),
                Field::new("type", DataType::Utf8, true),
            ]);
            Ok(vec![RecordBatch::try_new(Arc::new(schema), columns.to_vec())?])
        }
        fn addresses(&self, number: usize) -> Result<Vec<u64>> {
            Ok(addresses_of(&self.rows(number)?, "address")?)
        }
        fn address(&self, number: usize, row: usize) -> Result<u64> {
            self.addresses(number)?.get(row - 1).copied().context("no such row")
        }
        fn named(&self, name: &str) -> Result<Named> {
            match name {
                "leak" => Ok(Named::Addresses(vec![140])),
                "many" => Ok(Named::Addresses(vec![1, 2])),
                "text" => Ok(Named::Text("it's".to_owned())),
                name => bail!("there is no name {name}"),
            }
        }
        fn step(&self, addresses: &[u64], direction: Direction) -> Result<Vec<u64>> {
            Ok(addresses
                .iter()
                .map(|at| if direction == Direction::Parents { at + 1 } else { at.saturating_sub(1) })
                .collect())
        }
        fn show(&self, name: &str, _rows: &[RecordBatch]) -> Result<()> {
            self.shown.borrow_mut().push(name.to_owned());
            Ok(())
        }
    }

    #[test]
    fn values_take_the_place_of_references() {
        for (text, expected) in [
            ("select * from obj where address = #2.1", "select * from obj where address = 7"),
            ("select #2.2^^, $leak&", "select 10, 139"),
            (
                "select * from obj where address in (#2.address)",
                "select * from obj where address in (SELECT \"address\" FROM \"#2.address\")",
            ),
            ("select 1 where 1 in $many", "select 1 where 1 in (SELECT \"address\" FROM \"$many\")"),
            ("select 1 where 1 in $leak", "select 1 where 1 in (140)"),
            ("select 1 where 1 in (#2)", "select 1 where 1 in (SELECT \"address\" FROM \"#2\")"),
            ("select 1 where 1 in (#2.address, $leak)", "select 1 where 1 in (7, 8, 140)"),
            ("select 1 where '' in (0, #2.type)", "select 1 where '' in (0, 'a''b', NULL)"),
            (
                "select * from #2 join #2 b using (address)",
                "select * from \"#2\" join \"#2\" b using (address)",
            ),
            ("select $text, '$text', \"$text\" -- $text", "select 'it''s', '$text', \"$text\" -- $text"),
            ("#2.1 ..> A", "@0x7 ..> A"),
            ("#2^ ..> A", "@0x8|@0x9 ..> A"),
            ("#2 ..> $text", "@0x7|@0x8 ..> \"it's\""),
            (
                "root ..> (x: A WHERE address in (#2.address)) EXCEPT $leak",
                "root ..> (x: A WHERE address in (SELECT \"address\" FROM \"#2.address\")) EXCEPT @0x8c",
            ),
            ("#2.type -> A", "\"a'b\" -> A"),
            ("select 2^3, 5 & 3", "select 2^3, 5 & 3"),
        ] {
            assert_eq!(rewrite(text, &Test::default()).expect(text), expected, "{text}");
        }
    }

    #[test]
    fn for_good_nothing_is_left_to_look_up() {
        for (text, expected) in [
            ("address in (#2.address) or type in #2.type", "address in (7, 8) or type in ('a''b', NULL)"),
            ("address in (#2)", "address in (7, 8)"),
            ("address = $leak", "address = 140"),
        ] {
            let known = Test::default();
            assert_eq!(rewrite_for_good(text, &known).expect(text), expected, "{text}");
            assert!(known.shown.borrow().is_empty());
        }
    }

    #[test]
    fn what_is_not_there_is_said() {
        for (text, part) in [
            ("select #1.1", "no result 1"),
            ("select #2.3", "no such row"),
            ("select #2.name", "it has address, type"),
            ("select $nobody", "no name nobody"),
            ("select $text^", "is a text"),
            ("select * from obj where address = $many", "stands for 2 values; write IN ($many)"),
        ] {
            let error = rewrite(text, &Test::default()).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    /// Whatever stands in quotes or comments stays, and whatever the text, nothing panics.
    #[test]
    fn texts_are_never_touched() {
        let parts = [
            "#2.1",
            "$leak",
            "$text^",
            "#2.address",
            "'#2.1'",
            "\"$leak\"",
            "-- $leak\n",
            "/* #2.1 */",
            "'it''s #2.1'",
            "select ",
            " in (",
            ")",
            "'",
            "\"",
            "root ..> ",
            "-> ",
            "é",
            "(A WHERE ",
            "0&",
            "^",
            "&",
            "#",
            "$",
            "@7^",
            ";",
        ];
        let mut random = Random::new(3);
        for _ in 0..20_000 {
            let n_parts = 1 + random.below(8);
            let text: String = (0..n_parts).map(|_| parts[random.below(parts.len())]).collect();
            let dead = |text: &str| -> Vec<String> {
                let dead = pieces(text).into_iter();
                let dead = dead.filter(|piece| matches!(piece.kind, PieceKind::Text | PieceKind::Comment));
                dead.map(|piece| text[piece.span].to_owned()).collect()
            };
            let Ok(rewritten) = rewrite(&text, &Test::default()) else { continue };
            for kept in dead(&text) {
                assert!(rewritten.contains(kept.trim_end()), "{text:?} became {rewritten:?}");
            }
        }
    }
}
