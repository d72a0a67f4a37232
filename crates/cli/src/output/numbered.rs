//! The results of a shell: numbered, every row with a label `#R.N`, kept so that later commands can refer to them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context as _, Result, bail};
use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type},
};

use heaplake_answers::encode::{Encoder, Quantity, Written, flat::align_right};

use crate::human;

/// Bytes of rows that are kept; the oldest results go first.
const KEPT_BYTES: usize = 256 << 20;
/// The column of addresses, where a result has one.
const ADDRESS: &str = "address";

/// The results that were shown so far. Clones are the same results.
#[derive(Debug, Clone, Default)]
pub struct Results {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    last: usize,
    kept: BTreeMap<usize, Kept>,
    bytes: usize,
    /// How an address is shown that has a name.
    names: HashMap<u64, String>,
    /// The dump that is asked.
    dump: Option<String>,
}

/// The rows of a result.
#[derive(Debug, Default)]
struct Kept {
    schema: Option<SchemaRef>,
    batches: Vec<RecordBatch>,
    n_rows: usize,
    bytes: usize,
    /// Rows that were shown but are not kept.
    n_lost: usize,
    /// All rows came.
    is_whole: bool,
    /// The dump that was asked.
    dump: Option<String>,
}

impl Results {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a result and returns its number.
    pub fn begin(&self, schema: &SchemaRef) -> usize {
        let mut shared = self.shared();
        shared.last += 1;
        let number = shared.last;
        let dump = shared.dump.clone();
        shared.kept.insert(number, Kept { schema: Some(schema.clone()), dump, ..Kept::default() });
        number
    }

    /// Ends a result: all its rows came.
    pub fn end(&self, number: usize) {
        if let Some(kept) = self.shared().kept.get_mut(&number) {
            kept.is_whole = true;
        }
    }

    /// Sets the dump that results are of from now on.
    pub fn set_dump(&self, dump: &str) {
        self.shared().dump = Some(dump.to_owned());
    }

    /// The dump that a result is of, where it is another than the one that is asked now.
    pub fn other_dump(&self, number: usize) -> Option<String> {
        let shared = self.shared();
        let kept = shared.kept.get(&number)?;
        kept.dump.clone().filter(|dump| Some(dump) != shared.dump.as_ref())
    }

    /// Keeps rows of a result and returns the number of the first of them.
    pub fn keep(&self, number: usize, batch: &RecordBatch) -> usize {
        let mut shared = self.shared();
        let bytes = batch.get_array_memory_size();
        while shared.bytes + bytes > KEPT_BYTES {
            let Some(oldest) = shared.kept.keys().copied().find(|kept| *kept != number) else { break };
            let gone = shared.kept.remove(&oldest).map_or(0, |kept| kept.bytes);
            shared.bytes -= gone;
        }
        let fits = shared.bytes + bytes <= KEPT_BYTES;
        let Some(kept) = shared.kept.get_mut(&number) else { return 1 };
        let first = kept.n_rows + kept.n_lost + 1;
        if fits && kept.n_lost == 0 {
            kept.n_rows += batch.num_rows();
            kept.bytes += bytes;
            kept.batches.push(batch.clone());
            shared.bytes += bytes;
        } else {
            kept.n_lost += batch.num_rows();
        }
        first
    }

    /// Sets how addresses are shown that have a name.
    pub fn set_names(&self, names: HashMap<u64, String>) {
        self.shared().names = names;
    }

    /// All rows of a result, at least one batch.
    pub fn rows(&self, number: usize) -> Result<Vec<RecordBatch>> {
        let shared = self.shared();
        let kept = shared.find(number)?;
        if kept.n_lost > 0 {
            bail!(
                "result {number} was too long to keep whole: of its {} rows the first {} can be referred to, one by one \
                 as #{number}.1",
                kept.n_rows + kept.n_lost,
                kept.n_rows
            );
        }
        if !kept.is_whole {
            bail!(
                "result {number} was not shown to its end, so that it is not kept whole; ask for it again, or refer to \
                 its {} rows one by one as #{number}.1",
                kept.n_rows
            );
        }
        let schema = kept.schema.clone().context("a result has columns")?;
        Ok(match kept.batches.as_slice() {
            [] => vec![RecordBatch::new_empty(schema)],
            batches => batches.to_vec(),
        })
    }

    /// The address of a row, counted from 1.
    pub fn address(&self, number: usize, row: usize) -> Result<u64> {
        let shared = self.shared();
        let kept = shared.find(number)?;
        let n_rows = kept.n_rows;
        if row == 0 || row > n_rows + kept.n_lost {
            bail!("result {number} has {n_rows} rows, #{number}.1 to #{number}.{n_rows}");
        }
        let mut at = row - 1;
        for batch in &kept.batches {
            if at < batch.num_rows() {
                let column = address_column(batch, number)?;
                if column.is_null(at) {
                    bail!("row {row} of result {number} has no address");
                }
                return Ok(column.as_primitive::<UInt64Type>().value(at));
            }
            at -= batch.num_rows();
        }
        bail!("result {number} was too long to keep whole: of its rows the first {n_rows} can be referred to")
    }

    /// All addresses of a result, without nulls.
    pub fn addresses(&self, number: usize) -> Result<Vec<u64>> {
        let mut addresses = Vec::new();
        for batch in self.rows(number)? {
            addresses.extend(address_column(&batch, number)?.as_primitive::<UInt64Type>().iter().flatten());
        }
        Ok(addresses)
    }

    /// The columns that a table has for rows of `schema`: their labels first.
    fn labelled(schema: &SchemaRef, names: &HashMap<u64, String>) -> SchemaRef {
        let label = align_right(Field::new("#", DataType::Utf8, false));
        let fields = schema.fields().iter().map(|field| match Quantity::of(field) {
            Quantity::Address if !names.is_empty() => {
                align_right(Field::new(field.name(), DataType::Utf8, true))
            }
            _ => field.as_ref().clone(),
        });
        Arc::new(Schema::new(std::iter::once(label).chain(fields).collect::<Vec<_>>()))
    }
}

impl Shared {
    fn find(&self, number: usize) -> Result<&Kept> {
        match self.kept.get(&number) {
            Some(kept) => Ok(kept),
            None if number == 0 || number > self.last => match self.last {
                0 => bail!("there is no result {number}; none was shown yet"),
                last => bail!("there is no result {number}; the last one is {last}"),
            },
            None => bail!("result {number} is not kept any more, to save memory; ask for it again"),
        }
    }
}

/// The name of the column that has the addresses of rows.
pub fn address_name(batch: &RecordBatch) -> Option<&str> {
    let fields = batch.schema_ref().fields();
    let is_address = |field: &&Arc<Field>| *field.data_type() == DataType::UInt64;
    let named = fields.iter().filter(is_address).find(|field| field.name() == ADDRESS);
    named.or_else(|| fields.iter().find(is_address)).map(|field| field.name().as_str())
}

/// The addresses of rows: the column of that name, else the first that may be some.
fn address_column(batch: &RecordBatch, number: usize) -> Result<&ArrayRef> {
    let column = address_name(batch).and_then(|name| batch.column_by_name(name));
    column.with_context(|| {
        let names = batch.schema_ref().fields().iter().map(|field| format!("#{number}.{}", field.name()));
        let names = names.collect::<Vec<_>>().join(", ");
        format!("result {number} has no column of addresses; it has {names}")
    })
}

/// Writes a table of a shell.
pub struct Numbered<'a> {
    inner: Box<dyn Encoder + 'a>,
    results: Results,
    number: usize,
    names: HashMap<u64, String>,
    schema: SchemaRef,
}

impl<'a> Numbered<'a> {
    /// A result of rows of `schema`; `table` makes the encoder for what is shown of them.
    pub fn new(
        results: &Results,
        schema: &SchemaRef,
        table: impl FnOnce(&SchemaRef) -> Box<dyn Encoder + 'a>,
    ) -> Self {
        let number = results.begin(schema);
        let names = results.shared().names.clone();
        let shown = Results::labelled(schema, &names);
        Self { inner: table(&shown), results: results.clone(), number, names, schema: shown }
    }
}

impl Encoder for Numbered<'_> {
    fn write(&mut self, batch: &RecordBatch) -> heaplake_answers::Result<()> {
        let first = self.results.keep(self.number, batch);
        let labels = (first..first + batch.num_rows()).map(|row| format!("#{}.{row}", self.number));
        let mut columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from_iter_values(labels))];
        for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            columns.push(match Quantity::of(field) {
                Quantity::Address if !self.names.is_empty() => {
                    let cells = column.as_primitive::<UInt64Type>().iter();
                    let cell = |address: u64| match self.names.get(&address) {
                        Some(name) => format!("${name}"),
                        None => human::address(address),
                    };
                    Arc::new(cells.map(|address| address.map(cell)).collect::<StringArray>())
                }
                _ => column.clone(),
            });
        }
        self.inner.write(&RecordBatch::try_new(self.schema.clone(), columns)?)
    }

    fn finish(self: Box<Self>) -> heaplake_answers::Result<Written> {
        self.results.end(self.number);
        self.inner.finish()
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::UInt64Array;

    use super::*;

    fn batch(addresses: &[Option<u64>]) -> RecordBatch {
        let array: ArrayRef = Arc::new(UInt64Array::from(addresses.to_vec()));
        let schema = Schema::new(vec![Field::new("head", DataType::UInt64, true)]);
        RecordBatch::try_new(Arc::new(schema), vec![array]).expect("one column")
    }

    #[test]
    fn rows_are_found_over_batches() {
        let results = Results::default();
        let number = results.begin(&batch(&[]).schema());
        assert_eq!(results.keep(number, &batch(&[Some(7), None])), 1);
        assert_eq!(results.keep(number, &batch(&[Some(9)])), 3);
        assert!(results.rows(1).expect_err("not whole").to_string().contains("not shown to its end"));
        results.end(number);
        assert_eq!(results.address(1, 1).expect("a row"), 7);
        assert_eq!(results.address(1, 3).expect("a row"), 9);
        assert_eq!(results.addresses(1).expect("a column"), [7, 9]);
        for (number, row, part) in
            [(1, 0, "has 3 rows"), (1, 4, "has 3 rows"), (1, 2, "no address"), (2, 1, "last one is 1")]
        {
            let error = results.address(number, row).expect_err("no row").to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn the_oldest_results_go_first() {
        let results = Results::default();
        let big = batch(&vec![Some(1); KEPT_BYTES / 8 / 2]);
        for _ in 0..3 {
            let number = results.begin(&big.schema());
            results.keep(number, &big);
            results.end(number);
        }
        assert!(results.rows(1).expect_err("gone").to_string().contains("not kept any more"));
        assert_eq!(results.rows(3).expect("kept").len(), 1);
        let number = results.begin(&big.schema());
        for _ in 0..4 {
            results.keep(number, &big);
        }
        assert!(results.rows(number).expect_err("too long").to_string().contains("too long to keep whole"));
        assert_eq!(results.address(number, 1).expect("a row"), 1);
    }
}
