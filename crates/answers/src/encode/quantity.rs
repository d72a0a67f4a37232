//! What the numbers of a column are: addresses, bytes, counts, or something else.
//!
//! It is known by the name of a column and, where it is one of the lake's own, by its description: a query may rename a
//! column, and an aggregate loses the description.

use arrow::datatypes::{DataType, Field};
use heaplake_model::schema::{DESCRIPTION, PROGRAM_VALUE};

/// What the numbers of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// Addresses of objects.
    Address,
    /// Bytes.
    Bytes,
    /// How many of something there are.
    Count,
    /// Something else.
    Other,
}

/// Names of columns that have addresses, and words of such names.
const ADDRESSES: [&str; 7] = ["parent", "child", "idom", "held_by", "head", "start", "end"];
/// Words in the name of a column of bytes.
const BYTES: [&str; 3] = ["bytes", "retained", "size"];
/// Words in the name of a column that counts something.
const COUNTS: [&str; 18] = [
    "capacity",
    "count",
    "dangling",
    "edges",
    "issues",
    "items",
    "keys",
    "len",
    "n",
    "objects",
    "paths",
    "records",
    "references",
    "roots",
    "rows",
    "threads",
    "types",
    "unreferenced",
];
/// Words that make it something else: objects that are retained, a quotient.
const NO_BYTES: [&str; 4] = ["count", "kind", "objects", "percent"];

impl Quantity {
    /// What a column has.
    pub fn of(field: &Field) -> Self {
        let name = field.name().to_ascii_lowercase();
        let words: Vec<&str> = name.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        let has = |list: &[&str]| words.iter().any(|word| list.contains(word));
        let description = field.metadata().get(DESCRIPTION).map(String::as_str);
        if description == Some(PROGRAM_VALUE) {
            return Self::Other;
        }
        let is_described = || description.is_some_and(|text| text.starts_with("address"));
        match field.data_type() {
            DataType::UInt64 if has(&["address"]) || ADDRESSES.contains(&name.as_str()) || is_described() => {
                Self::Address
            }
            data_type if data_type.is_numeric() && has(&BYTES) && !has(&NO_BYTES) && !name.contains('/') => {
                Self::Bytes
            }
            data_type
                if data_type.is_integer() && has(&COUNTS) && !has(&["percent"]) && !name.contains('/') =>
            {
                Self::Count
            }
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_known_by_its_name_or_its_description() {
        for (name, data_type, quantity) in [
            ("address", DataType::UInt64, Quantity::Address),
            ("address_before", DataType::UInt64, Quantity::Address),
            ("min(address)", DataType::UInt64, Quantity::Address),
            ("held_by", DataType::UInt64, Quantity::Address),
            ("line", DataType::UInt64, Quantity::Other),
            ("row_number", DataType::UInt64, Quantity::Other),
            ("size", DataType::Int64, Quantity::Bytes),
            ("sum(size)", DataType::Int64, Quantity::Bytes),
            ("retained_delta", DataType::Int64, Quantity::Bytes),
            ("wasted_bytes", DataType::Int64, Quantity::Bytes),
            ("retained_count", DataType::Int64, Quantity::Count),
            ("count(size)", DataType::Int64, Quantity::Count),
            ("count(*)", DataType::UInt64, Quantity::Count),
            ("count_delta", DataType::Int64, Quantity::Count),
            ("count_percent", DataType::Float64, Quantity::Other),
            ("year", DataType::Int64, Quantity::Other),
            ("pid", DataType::UInt32, Quantity::Other),
            ("size / len", DataType::Int64, Quantity::Other),
            ("resized", DataType::Int64, Quantity::Other),
            ("size", DataType::Utf8, Quantity::Other),
            ("held_by", DataType::Utf8, Quantity::Other),
        ] {
            assert_eq!(Quantity::of(&Field::new(name, data_type, true)), quantity, "{name}");
        }
        let described = Field::new("x", DataType::UInt64, true)
            .with_metadata([(DESCRIPTION.to_owned(), "address of the object".to_owned())].into());
        assert_eq!(Quantity::of(&described), Quantity::Address);
        let field = Field::new("size", DataType::Int64, true)
            .with_metadata([(DESCRIPTION.to_owned(), PROGRAM_VALUE.to_owned())].into());
        assert_eq!(Quantity::of(&field), Quantity::Other);
    }
}
