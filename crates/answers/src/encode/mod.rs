//! Rows to bytes: one encoder per format, each over a stream of record batches. No encoder collects a whole result.
//!
//! What a program reads (csv, tsv, JSON, Parquet, Arrow) is exact. Markdown is read by people as well, so that its cells
//! contain no markup and no controls.

mod arrow_ipc;
mod columns;
mod csv;
pub mod flat;
mod json;
mod markdown;
mod parquet;
mod quantity;
mod tsv;

use std::{io::Write, path::Path};

use arrow::{array::RecordBatch, datatypes::SchemaRef};

pub use self::{
    columns::Columns,
    flat::{distinct_names, row_in_words},
    quantity::Quantity,
};
use crate::Result;

/// The formats that rows can be encoded in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Comma-separated, with a header.
    Csv,
    /// Tab-separated, with a header; tab, line break and backslash as `\t`, `\n`, `\\`.
    Tsv,
    /// One JSON array of objects.
    Json,
    /// One JSON object a line.
    Ndjson,
    /// A Markdown table.
    Markdown,
    /// A Parquet file.
    Parquet,
    /// An Arrow IPC file (Feather 2), whose index is at its end: for files.
    Arrow,
    /// An Arrow IPC stream, which a reader can begin with before it is complete: for pipes.
    ArrowStream,
}

impl Encoding {
    /// The encoding that the ending of a file's name stands for.
    pub fn of_path(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        Some(match ending.as_str() {
            "csv" => Self::Csv,
            "tsv" | "tab" => Self::Tsv,
            "json" => Self::Json,
            "ndjson" | "jsonl" => Self::Ndjson,
            "md" | "markdown" => Self::Markdown,
            "parquet" => Self::Parquet,
            "arrow" | "feather" | "ipc" => Self::Arrow,
            "arrows" => Self::ArrowStream,
            _ => return None,
        })
    }

    /// The ending of a file in this encoding.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Markdown => "md",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::ArrowStream => "arrows",
        }
    }

    /// Whether it is for programs alone: bytes that are not text.
    pub fn is_binary(self) -> bool {
        matches!(self, Self::Parquet | Self::Arrow | Self::ArrowStream)
    }

    /// Whether columns of the same name would be lost to a reader.
    pub fn needs_distinct_names(self) -> bool {
        self.is_binary() || matches!(self, Self::Json | Self::Ndjson)
    }

    /// Whether a cell can be a list or a structure.
    pub fn is_nested(self) -> bool {
        self.needs_distinct_names()
    }

    /// An encoder of rows of `schema` that writes to `out`.
    pub fn encoder<'a>(
        self,
        schema: &SchemaRef,
        out: &'a mut (dyn Write + Send),
    ) -> Result<Box<dyn Encoder + 'a>> {
        Ok(match self {
            Self::Csv => Box::new(csv::Csv::new(schema, out)),
            Self::Tsv => Box::new(tsv::Tsv::new(schema, out)?),
            Self::Json => Box::new(json::Json::new(out)),
            Self::Ndjson => Box::new(json::Ndjson::new(out)),
            Self::Markdown => Box::new(markdown::Markdown::new(schema, out)?),
            Self::Parquet => Box::new(parquet::Parquet::new(schema, out)?),
            Self::Arrow => Box::new(arrow_ipc::ArrowFile::new(schema, out)?),
            Self::ArrowStream => Box::new(arrow_ipc::ArrowStream::new(schema, out)?),
        })
    }
}

/// Turns batches into one format. Every batch has the schema that the encoder was made for.
pub trait Encoder {
    /// Writes the rows of a batch, or keeps some until there are more.
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Writes the remaining rows. Without this call the output is incomplete.
    fn finish(self: Box<Self>) -> Result<Written>;
}

/// What an encoder reports when it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Cells that were shortened to fit a terminal.
    pub cut_cells: u64,
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
    fn batch() -> RecordBatch {
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

    fn encode(format: Encoding, batches: &[RecordBatch], schema: &SchemaRef) -> Vec<u8> {
        let mut out = Vec::new();
        let mut encoder = format.encoder(schema, &mut out).expect("an encoder");
        for batch in batches {
            encoder.write(batch).expect("written");
        }
        encoder.finish().expect("finished");
        out
    }

    fn text(format: Encoding) -> String {
        String::from_utf8(encode(format, &[batch()], &batch().schema())).expect("text")
    }

    #[test]
    fn text_formats_write_exactly_this() {
        assert_eq!(
            text(Encoding::Csv),
            "address,value,size,tags\n\
             18446744073709551615,\"a,\"\"b\"\"\t\\|\u{1b}[1m\n\",,\"{\"\"host\"\":\"\"web\\\"\"3\"\"}\"\n\
             7,,-1,{}\n"
        );
        assert_eq!(
            text(Encoding::Tsv),
            "address\tvalue\tsize\ttags\n\
             18446744073709551615\ta,\"b\"\\t\\\\|\u{1b}[1m\\n\t\t{\"host\":\"web\\\\\"3\"}\n\
             7\t\t-1\t{}\n"
        );
        assert_eq!(
            text(Encoding::Ndjson),
            "{\"address\":18446744073709551615,\"value\":\"a,\\\"b\\\"\\t\\\\|\\u001b[1m\\n\",\"size\":null,\
             \"tags\":{\"host\":\"web\\\"3\"}}\n\
             {\"address\":7,\"value\":null,\"size\":-1,\"tags\":{}}\n"
        );
        assert_eq!(
            text(Encoding::Markdown),
            "| address | value | size | tags |\n\
             |---:|:---|---:|:---|\n\
             | 18446744073709551615 | a,\"b\"\\\\t\\\\\\|\\\\x1b\\[1m\\\\n |  | {\"host\":\"web\\\\\"3\"} |\n\
             | 7 |  | -1 | {} |\n"
        );
    }

    #[test]
    fn json_is_one_array_of_all_batches() {
        let schema = batch().schema();
        for n_batches in 0..3 {
            let json = encode(Encoding::Json, &vec![batch(); n_batches], &schema);
            let parsed: serde_json::Value = serde_json::from_slice(&json).expect("valid JSON");
            assert_eq!(parsed.as_array().map(Vec::len), Some(n_batches * 2));
            assert!(json.ends_with(b"]\n"));
        }
    }

    #[test]
    fn no_rows_still_have_a_header() {
        let schema = batch().schema();
        let header = |format| String::from_utf8(encode(format, &[], &schema)).expect("text");
        assert_eq!(header(Encoding::Csv), "address,value,size,tags\n");
        assert_eq!(header(Encoding::Tsv), "address\tvalue\tsize\ttags\n");
        assert_eq!(header(Encoding::Ndjson), "");
        assert!(header(Encoding::Markdown).starts_with("| address |"));
    }

    #[test]
    fn parquet_comes_back_as_it_went() {
        let bytes = ::parquet::file::metadata::ParquetMetaDataReader::new().parse_and_finish(
            &bytes::Bytes::from(encode(Encoding::Parquet, &[batch(), batch()], &batch().schema())),
        );
        assert_eq!(bytes.expect("a Parquet file").file_metadata().num_rows(), 4);
    }

    #[test]
    fn arrow_comes_back_as_it_went() {
        let bytes = encode(Encoding::Arrow, &[batch(), batch()], &batch().schema());
        let reader =
            arrow::ipc::reader::FileReader::try_new(std::io::Cursor::new(bytes), None).expect("an IPC file");
        let batches: Vec<_> = reader.map(|read| read.expect("a batch")).collect();
        assert_eq!(batches, [batch(), batch()]);
    }

    #[test]
    fn an_arrow_stream_can_be_read_before_it_ends() {
        let bytes = encode(Encoding::ArrowStream, &[batch(), batch()], &batch().schema());
        let mut half = &bytes[..bytes.len() - 16];
        let mut reader = arrow::ipc::reader::StreamReader::try_new(&mut half, None).expect("a stream");
        assert_eq!(reader.next().expect("a batch").expect("whole"), batch());
        let reader = arrow::ipc::reader::StreamReader::try_new(bytes.as_slice(), None).expect("a stream");
        assert_eq!(reader.map(|read| read.expect("a batch")).collect::<Vec<_>>(), [batch(), batch()]);
    }

    #[test]
    fn the_ending_of_a_file_gives_the_format() {
        for (name, format) in [
            ("x.parquet", Some(Encoding::Parquet)),
            ("x.CSV", Some(Encoding::Csv)),
            ("a.b.md", Some(Encoding::Markdown)),
            ("x.jsonl", Some(Encoding::Ndjson)),
            ("x.xlsx", None),
            ("csv", None),
        ] {
            assert_eq!(Encoding::of_path(Path::new(name)), format, "{name}");
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
