//! Columns of texts that come in long runs, as Parquet chunks that are written run by run.
//!
//! `type` of `obj` and `kind` of `edge` have millions of rows and few runs. The general writer looks up the text of every
//! row, which took 6 % of an import; here a run is a few bytes of the dictionary encoding (Parquet format, "Encodings":
//! RLE_DICTIONARY, runs of the RLE/bit-packing hybrid). Pages, offsets and statistics are like those of the general writer,
//! but uncompressed: there is nothing left to compress.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, DictionaryArray, StringArray},
    datatypes::Int32Type,
    error::ArrowError,
};
use bytes::Bytes;
use parquet::{
    basic::{BoundaryOrder, Compression, Encoding, PageType, Type},
    column::{
        page::{CompressedPage, Page, PageWriteSpec, PageWriter},
        writer::ColumnCloseResult,
    },
    data_type::ByteArray,
    errors::ParquetError,
    file::{
        metadata::{ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats},
        statistics::Statistics,
        writer::{SerializedPageWriter, TrackedWrite},
    },
    schema::types::ColumnDescPtr,
};

/// Rows of a page: the 20,000 of the general writer, which checks this limit every 1,024 rows.
const PAGE_ROWS: usize = 20 << 10;
/// Maximum number of bytes of a text, and of all texts, for writing runs: statistics contain whole texts.
const MAX_TEXT_BYTES: usize = 256;
const MAX_DICTIONARY_BYTES: usize = 1 << 20;

/// Texts of the rows of one row group, without nulls.
#[derive(Debug)]
pub(crate) struct TextRuns {
    /// Distinct.
    texts: Vec<Box<str>>,
    /// The position of the text, and the number of rows that have it.
    runs: Vec<(u32, usize)>,
}

impl TextRuns {
    /// The runs, given by the position of their text among `texts`, which are distinct.
    pub(crate) fn new(texts: Vec<Box<str>>, runs: Vec<(u32, usize)>) -> Self {
        Self { texts, runs }
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.runs.iter().map(|(_, n)| n).sum()
    }

    /// Whether the texts are few and short enough for [`encode`](Self::encode).
    pub(crate) fn is_small(&self) -> bool {
        self.texts.iter().all(|text| text.len() <= MAX_TEXT_BYTES)
            && self.texts.iter().map(|text| 4 + text.len()).sum::<usize>() <= MAX_DICTIONARY_BYTES
    }

    /// The same as an array, a dictionary.
    pub(crate) fn array(&self) -> Result<ArrayRef, ArrowError> {
        let keys: Vec<i32> =
            self.runs.iter().flat_map(|(text, n)| std::iter::repeat_n(*text as i32, *n)).collect();
        let texts = StringArray::from_iter_values(&self.texts);
        Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys.into(), Arc::new(texts))?))
    }

    /// The bytes of a column chunk, and its metadata for the footer of the file.
    pub(crate) fn encode(&self, column: &ColumnDescPtr) -> Result<(Bytes, ColumnCloseResult), ParquetError> {
        let mut sink = TrackedWrite::new(Vec::new());
        let mut chunk = ChunkWriter { writer: SerializedPageWriter::new(&mut sink), uncompressed: 0 };
        let mut dictionary = Vec::new();
        for text in &self.texts {
            dictionary.extend_from_slice(&(text.len() as u32).to_le_bytes());
            dictionary.extend_from_slice(text.as_bytes());
        }
        let dictionary_offset = chunk
            .write(Page::DictionaryPage {
                buf: dictionary.into(),
                num_values: self.texts.len() as u32,
                encoding: Encoding::PLAIN,
                is_sorted: false,
            })?
            .offset;
        let (mut column_index, mut offset_index) =
            (ColumnIndexBuilder::new(Type::BYTE_ARRAY), OffsetIndexBuilder::new());
        let (mut text_bytes, mut first_offset) = (0, None);
        let mut pages = self.pages();
        for page in &mut pages {
            let spec = chunk.write(Page::DataPage {
                buf: std::mem::take(&mut page.bytes).into(),
                num_values: page.n_rows as u32,
                encoding: Encoding::RLE_DICTIONARY,
                def_level_encoding: Encoding::RLE,
                rep_level_encoding: Encoding::RLE,
                statistics: None,
            })?;
            offset_index.append_row_count(page.n_rows as i64);
            offset_index.append_offset_and_size(spec.offset as i64, spec.compressed_size as i32);
            offset_index.append_unencoded_byte_array_data_bytes(Some(page.text_bytes));
            column_index.append(false, page.min.into(), page.max.into(), 0);
            text_bytes += page.text_bytes;
            first_offset.get_or_insert(spec.offset);
        }
        column_index.set_boundary_order(boundary_order(&pages));
        let uncompressed = chunk.uncompressed as i64;
        let bytes = Bytes::from(sink.into_inner()?);
        let extreme = |text: Option<&str>| text.map(|text| ByteArray::from(text.as_bytes().to_vec()));
        let statistics = Statistics::byte_array(
            extreme(pages.iter().map(|page| page.min).min()),
            extreme(pages.iter().map(|page| page.max).max()),
            None,
            Some(0),
            false,
        );
        let stats = |page_type, encoding, count| PageEncodingStats { page_type, encoding, count };
        let metadata = ColumnChunkMetaData::builder(column.clone())
            .set_compression(Compression::UNCOMPRESSED)
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY])
            .set_page_encoding_stats(vec![
                stats(PageType::DICTIONARY_PAGE, Encoding::PLAIN, 1),
                stats(PageType::DATA_PAGE, Encoding::RLE_DICTIONARY, pages.len() as i32),
            ])
            .set_total_compressed_size(bytes.len() as i64)
            .set_total_uncompressed_size(uncompressed)
            .set_num_values(self.len() as i64)
            .set_dictionary_page_offset(Some(dictionary_offset as i64))
            .set_data_page_offset(first_offset.unwrap_or_default() as i64)
            .set_statistics(statistics)
            .set_unencoded_byte_array_data_bytes(Some(text_bytes))
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: self.len() as u64,
            metadata,
            bloom_filter: None,
            column_index: Some(column_index.build()?),
            offset_index: Some(offset_index.build()),
        };
        Ok((bytes, close))
    }

    /// The runs by page, each page with the bytes of its values.
    fn pages(&self) -> Vec<RunPage<'_>> {
        // A width of 0 is allowed, but saves nothing.
        let width = (usize::BITS - self.texts.len().saturating_sub(1).leading_zeros()).max(1);
        let mut pages: Vec<RunPage<'_>> = Vec::new();
        for (key, n) in &self.runs {
            let (text, mut left) = (&*self.texts[*key as usize], *n);
            while left > 0 {
                let page = match pages.last_mut() {
                    Some(page) if page.n_rows < PAGE_ROWS => page,
                    _ => {
                        pages.push(RunPage {
                            bytes: vec![width as u8],
                            n_rows: 0,
                            min: text,
                            max: text,
                            text_bytes: 0,
                        });
                        continue;
                    }
                };
                let here = left.min(PAGE_ROWS - page.n_rows);
                put_varint(&mut page.bytes, (here as u64) << 1);
                page.bytes.extend_from_slice(&key.to_le_bytes()[..width.div_ceil(8) as usize]);
                page.n_rows += here;
                page.text_bytes += (here * text.len()) as i64;
                (page.min, page.max) = (page.min.min(text), page.max.max(text));
                left -= here;
            }
        }
        pages
    }
}

/// A data page.
struct RunPage<'r> {
    /// Width of the keys in bits, and the runs.
    bytes: Vec<u8>,
    n_rows: usize,
    min: &'r str,
    max: &'r str,
    /// Bytes of the texts of all rows.
    text_bytes: i64,
}

/// Whether extremes only rise, or only fall, from page to page.
fn boundary_order(pages: &[RunPage<'_>]) -> BoundaryOrder {
    if pages.is_sorted_by(|a, b| a.min <= b.min && a.max <= b.max) {
        BoundaryOrder::ASCENDING
    } else if pages.is_sorted_by(|a, b| a.min >= b.min && a.max >= b.max) {
        BoundaryOrder::DESCENDING
    } else {
        BoundaryOrder::UNORDERED
    }
}

/// A chunk that is being written.
struct ChunkWriter<'c> {
    writer: SerializedPageWriter<'c, Vec<u8>>,
    uncompressed: usize,
}

impl ChunkWriter<'_> {
    fn write(&mut self, page: Page) -> Result<PageWriteSpec, ParquetError> {
        let len = page.buffer().len();
        let spec = self.writer.write_page(CompressedPage::new(page, len))?;
        self.uncompressed += spec.uncompressed_size;
        Ok(spec)
    }
}

/// An unsigned number in groups of seven bits, the lowest first.
fn put_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

#[cfg(test)]
mod tests {
    use crate::lake::{WorkFile, WorkFolder};

    use arrow::{
        array::AsArray,
        datatypes::{DataType, Field, Schema},
    };
    use parquet::{
        arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
        file::{metadata::PageIndexPolicy, properties::WriterProperties},
    };

    use super::*;
    use crate::parquet_file::{self, Column};

    /// What a reader finds in a file with the runs as row groups: the texts of all rows, and per row group the statistics
    /// and the extremes and rows of its pages.
    fn read_back(file: &WorkFile) -> (Vec<String>, Vec<String>) {
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
        let reader =
            ParquetRecordBatchReaderBuilder::try_new_with_options(file.open().unwrap(), options).unwrap();
        let metadata = reader.metadata().clone();
        let about = (0..metadata.num_row_groups()).map(|group| {
            let column = metadata.row_group(group).column(0);
            let statistics = column.statistics().unwrap();
            let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
            let index = &metadata.column_index().unwrap()[group][0];
            let offsets = &metadata.offset_index().unwrap()[group][0];
            let rows: Vec<i64> = offsets.page_locations().iter().map(|page| page.first_row_index).collect();
            format!(
                "{} {} {} {:?} {:?} {index:?} {rows:?} {:?}",
                column.num_values(),
                text(statistics.min_bytes_opt()),
                text(statistics.max_bytes_opt()),
                statistics.null_count_opt(),
                column.unencoded_byte_array_data_bytes(),
                offsets.unencoded_byte_array_data_bytes(),
            )
        });
        let about = about.collect();
        let batches = reader.build().unwrap().map(Result::unwrap);
        let texts = batches.flat_map(|batch| {
            let column = arrow::compute::cast(batch.column(0), &DataType::Utf8).unwrap();
            column.as_string::<i32>().iter().map(|text| text.unwrap().to_owned()).collect::<Vec<_>>()
        });
        (texts.collect(), about)
    }

    fn write(to: &WorkFile, groups: Vec<Column>) {
        let schema = Arc::new(Schema::new(vec![Field::new("kind", DataType::Utf8, false)]));
        let properties = WriterProperties::builder().build();
        let mut groups = Some(groups);
        let columns = |groups: Vec<Column>| Ok(groups.into_iter().map(|column| vec![column]).collect());
        parquet_file::write(to, schema, properties, 2, || Ok(groups.take()), columns, |_| {}).unwrap();
    }

    fn runs(texts: &[&str], runs: &[(u32, usize)]) -> TextRuns {
        TextRuns::new(texts.iter().map(|text| Box::from(*text)).collect(), runs.to_vec())
    }

    #[test]
    fn readers_find_what_the_general_writer_would_have_written() {
        let many: Vec<String> = (0..3000).map(|i| format!("type{i:04}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let one_each: Vec<(u32, usize)> = (0..3000).map(|i| (i, 1 + i as usize % 90)).collect();
        let cases = [
            runs(&["strong", "weak"], &[(0, 262_144)]),
            runs(&["strong", "weak"], &[(0, 5), (1, 1), (0, 50_000), (1, 20_000), (0, 1)]),
            runs(&["a"], &[(0, 1)]),
            runs(&["", "\u{e9}\u{10ffff}"], &[(1, 20_479), (0, 1), (1, 20_480)]),
            runs(&many, &one_each),
            runs(&["z", "a"], &[(0, 30_000), (1, 30_000)]),
        ];
        let folder = WorkFolder::outside().unwrap();
        let (ours, theirs) = (folder.file("ours"), folder.file("theirs"));
        let arrays = cases.iter().map(|case| Column::Array(case.array().unwrap())).collect();
        write(&theirs, arrays);
        assert!(cases.iter().all(TextRuns::is_small));
        let n_rows = cases.iter().map(TextRuns::len).sum::<usize>();
        write(&ours, cases.into_iter().map(Column::Runs).collect());
        let ((texts, about), (their_texts, their_about)) = (read_back(&ours), read_back(&theirs));
        assert_eq!(texts.len(), n_rows);
        assert!(texts == their_texts);
        assert_eq!(about, their_about);
    }

    #[test]
    fn long_texts_are_left_to_the_general_writer() {
        let long = "x".repeat(MAX_TEXT_BYTES + 1);
        let case = runs(&[&long, "b"], &[(0, 3), (1, 30_000), (0, 1)]);
        assert!(!case.is_small());
        let many: Vec<String> = (0..20_000).map(|i| format!("{i:060}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(!runs(&many, &[(0, 1)]).is_small());
        let folder = WorkFolder::outside().unwrap();
        let path = folder.file("long");
        write(&path, vec![Column::Runs(case)]);
        let texts = read_back(&path).0;
        assert_eq!(
            (texts.len(), &texts[2], &texts[3], &texts[30_003]),
            (30_004, &long, &"b".to_owned(), &long)
        );
    }
}
