//! What a user knows of how objects lie in memory, for formats that leave the sizes of objects to the reader.

use std::str::FromStr;

/// Parts of the layout of objects that are given, in bytes; `None` for what is to be found out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LayoutOverride {
    /// Bytes before the first field of an object.
    pub header: Option<u32>,
    /// Bytes before the first element of an array.
    pub array_header: Option<u32>,
    /// Bytes of a reference.
    pub reference: Option<u32>,
    /// Sizes are multiples of it.
    pub alignment: Option<u32>,
    /// Where the fields of a class go.
    pub packing: Option<FieldPacking>,
}

/// Where the fields of a class go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldPacking {
    /// Into gaps between the fields of superclasses, too: HotSpot since JDK 15.
    Gaps,
    /// After those of the superclass: HotSpot before.
    After,
}

/// Why a text is no layout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLayout {
    /// A part of it is not `KEY=VALUE`, or its key is not one of a layout.
    #[error(
        "{0:?} is not a part of a layout; the parts are header=BYTES, arrays=BYTES, references=BYTES, \
         alignment=BYTES and fields=gaps or fields=after"
    )]
    Part(String),
    /// A key is given twice.
    #[error("{0} is given twice")]
    Twice(String),
    /// No VM has such a value.
    #[error("{key}={value} is not possible; {possible}")]
    Value {
        /// The key.
        key: &'static str,
        /// The value, as it was given.
        value: String,
        /// What is possible, in words.
        possible: &'static str,
    },
}

/// The parts whose values are bytes: their keys, what is possible, and what it is in words.
type Possible = (&'static str, fn(u32) -> bool, &'static str);
const HEADER: Possible = ("header", |n| (4..=16).contains(&n) && n % 4 == 0, "it is 4, 8, 12 or 16");
const ARRAYS: Possible = ("arrays", |n| (8..=24).contains(&n) && n % 4 == 0, "it is 8, 12, 16, 20 or 24");
const REFERENCES: Possible = ("references", |n| n == 4 || n == 8, "it is 4 or 8");
const ALIGNMENT: Possible =
    ("alignment", |n| (8..=256).contains(&n) && n.is_power_of_two(), "it is 8, 16, 32, 64, 128 or 256");

impl LayoutOverride {
    /// Whether nothing is given.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The keys of what is given.
    pub fn keys(&self) -> Vec<&'static str> {
        let keys = [
            self.header.map(|_| HEADER.0),
            self.array_header.map(|_| ARRAYS.0),
            self.reference.map(|_| REFERENCES.0),
            self.alignment.map(|_| ALIGNMENT.0),
            self.packing.map(|_| "fields"),
        ];
        keys.into_iter().flatten().collect()
    }
}

impl FromStr for LayoutOverride {
    type Err = InvalidLayout;

    /// `header=16,arrays=24,references=8,alignment=8,fields=gaps`, each of them optional.
    fn from_str(text: &str) -> Result<Self, InvalidLayout> {
        let mut layout = Self::default();
        for part in text.split(',').map(str::trim) {
            let (key, value) = part.split_once('=').ok_or_else(|| InvalidLayout::Part(part.to_owned()))?;
            let was_given = match key {
                "header" => layout.header.replace(bytes(HEADER, value)?).is_some(),
                "arrays" => layout.array_header.replace(bytes(ARRAYS, value)?).is_some(),
                "references" => layout.reference.replace(bytes(REFERENCES, value)?).is_some(),
                "alignment" => layout.alignment.replace(bytes(ALIGNMENT, value)?).is_some(),
                "fields" => layout.packing.replace(packing(value)?).is_some(),
                _ => return Err(InvalidLayout::Part(part.to_owned())),
            };
            if was_given {
                return Err(InvalidLayout::Twice(key.to_owned()));
            }
        }
        Ok(layout)
    }
}

fn bytes((key, is_possible, possible): Possible, value: &str) -> Result<u32, InvalidLayout> {
    let number = value.parse().ok().filter(|number| is_possible(*number));
    number.ok_or_else(|| InvalidLayout::Value { key, value: value.to_owned(), possible })
}

fn packing(value: &str) -> Result<FieldPacking, InvalidLayout> {
    match value {
        "gaps" => Ok(FieldPacking::Gaps),
        "after" => Ok(FieldPacking::After),
        _ => {
            let possible = "it is gaps or after";
            Err(InvalidLayout::Value { key: "fields", value: value.to_owned(), possible })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_optional() {
        let all =
            "header=16, arrays=24,references=8,alignment=16,fields=after".parse::<LayoutOverride>().unwrap();
        let expected = LayoutOverride {
            header: Some(16),
            array_header: Some(24),
            reference: Some(8),
            alignment: Some(16),
            packing: Some(FieldPacking::After),
        };
        assert_eq!(all, expected);
        assert_eq!(all.keys(), ["header", "arrays", "references", "alignment", "fields"]);
        let one = "references=4".parse::<LayoutOverride>().unwrap();
        assert_eq!(one, LayoutOverride { reference: Some(4), ..LayoutOverride::default() });
        assert!(!one.is_empty() && LayoutOverride::default().is_empty());
    }

    #[test]
    fn what_no_vm_has_is_refused() {
        let why = |text: &str| text.parse::<LayoutOverride>().unwrap_err().to_string();
        assert!(why("").starts_with("\"\" is not a part of a layout"));
        assert!(why("head=8").starts_with("\"head=8\" is not a part"));
        assert_eq!(why("header=8,header=12"), "header is given twice");
        assert_eq!(why("references=16"), "references=16 is not possible; it is 4 or 8");
        assert_eq!(why("fields=x"), "fields=x is not possible; it is gaps or after");
        for text in
            ["header=0", "header=13", "header=-8", "arrays=4", "alignment=24", "alignment=99999999999"]
        {
            assert!(why(text).contains("is not possible"), "{text}");
        }
    }
}
