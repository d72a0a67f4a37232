//! How the tables are encoded.

use arrow::datatypes::DataType;
use heaplake_model::schema::Table;
use parquet::{
    basic::{Compression, Encoding, ZstdLevel},
    file::{
        metadata::SortingColumn,
        properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder},
    },
    schema::types::ColumnPath,
};

fn properties() -> WriterPropertiesBuilder {
    WriterProperties::builder().set_compression(zstd()).set_dictionary_enabled(false)
}

/// Level 1: level 3 takes a third more time for a few percent of size.
fn zstd() -> Compression {
    Compression::ZSTD(ZstdLevel::try_new(1).unwrap_or_default())
}

fn sorted_by(columns: &[i32]) -> Vec<SortingColumn> {
    columns
        .iter()
        .map(|&column_idx| SortingColumn { column_idx, descending: false, nulls_first: false })
        .collect()
}

/// The properties of `obj`.
pub(crate) fn obj() -> WriterProperties {
    let column = |name: &str| ColumnPath::from(name);
    let dictionaries = ["type", "name", "size", "len", "root_kind", "distance", "retained", "retained_count"];
    let dictionaries = dictionaries.into_iter().chain(["refcount", "external"]);
    let properties = dictionaries
        .fold(properties(), |properties, name| properties.set_column_dictionary_enabled(column(name), true));
    properties
        .set_column_encoding(column("address"), Encoding::DELTA_BINARY_PACKED)
        .set_column_encoding(column("idom"), Encoding::BYTE_STREAM_SPLIT)
        .set_column_statistics_enabled(column("value"), EnabledStatistics::None)
        .set_sorting_columns(Some(sorted_by(&[1, 0])))
        .build()
}

/// The properties of `root`.
pub(crate) fn root() -> WriterProperties {
    properties()
        .set_column_dictionary_enabled(ColumnPath::from("kind"), true)
        .set_sorting_columns(Some(sorted_by(&[0])))
        .build()
}

/// The properties of `field`.
pub(crate) fn field() -> WriterProperties {
    let texts = ["type", "name", "kind", "integer", "float", "text"];
    texts
        .into_iter()
        .fold(properties(), |properties, name| {
            properties.set_column_dictionary_enabled(ColumnPath::from(name), true)
        })
        .set_column_encoding(ColumnPath::from("address"), Encoding::DELTA_BINARY_PACKED)
        .build()
}

/// The properties of `thread`.
pub(crate) fn thread() -> WriterProperties {
    properties().set_dictionary_enabled(true).build()
}

/// The properties of a summary.
pub(crate) fn summary(table: Table) -> WriterProperties {
    let fields = table.schema();
    // The types of a thousand dumps are read together, and setting up zstd for each file would take longest.
    let compression = if table == Table::TypeStat { Compression::UNCOMPRESSED } else { zstd() };
    // A few thousand numbers are smallest in the plain encoding.
    let texts = fields.fields().iter().filter(|field| field.data_type() == &DataType::Utf8);
    texts
        .fold(properties().set_compression(compression), |properties, field| {
            properties
                .set_column_encoding(ColumnPath::from(field.name().as_str()), Encoding::DELTA_BYTE_ARRAY)
        })
        .build()
}

/// The properties of `edge`.
pub(crate) fn edge() -> WriterProperties {
    let column = |name: &str| ColumnPath::from(name);
    properties()
        .set_column_encoding(column("parent"), Encoding::DELTA_BINARY_PACKED)
        .set_column_encoding(column("child"), Encoding::BYTE_STREAM_SPLIT)
        .set_column_encoding(column("idx"), Encoding::DELTA_BINARY_PACKED)
        .set_column_dictionary_enabled(column("label"), true)
        .set_column_dictionary_enabled(column("kind"), true)
        .set_column_statistics_enabled(column("child"), EnabledStatistics::Chunk)
        .set_column_statistics_enabled(column("idx"), EnabledStatistics::None)
        .set_sorting_columns(Some(sorted_by(&[0, 2])))
        .build()
}
