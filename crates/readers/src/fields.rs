//! Fields with values of their own: numbers, truth values and characters that are in an object and are not objects.
//!
//! A row is 20 bytes, because an object may have many: which field it is, of which object, and the bits of the value.

use std::sync::Arc;

use crate::TypeId;

/// Which field: the same for all objects of a type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldKey {
    /// The type of the object.
    pub type_id: TypeId,
    /// The name, unique within an object.
    pub name: Arc<str>,
    /// What its values are.
    pub kind: FieldKind,
}

/// What the values of a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FieldKind {
    /// True or false.
    Boolean,
    /// 8 bits.
    Byte,
    /// A unit of UTF-16.
    Char,
    /// 16 bits.
    Short,
    /// 32 bits.
    Int,
    /// 64 bits.
    Long,
    /// 32 bits.
    Float,
    /// 64 bits.
    Double,
}

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FieldValue {
    /// A whole number; a truth value is 0 or 1.
    Integer(i64),
    /// A number.
    Float(f64),
    /// A character; half of a surrogate pair is U+FFFD.
    Char(char),
}

impl FieldKind {
    /// Its name in the column `kind` of the table `field`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Byte => "byte",
            Self::Char => "char",
            Self::Short => "short",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
        }
    }

    /// The value that these bits are.
    pub fn value(self, bits: u64) -> FieldValue {
        match self {
            Self::Float => FieldValue::Float(f32::from_bits(bits as u32).into()),
            Self::Double => FieldValue::Float(f64::from_bits(bits)),
            Self::Char => {
                FieldValue::Char(char::from_u32(bits as u32).unwrap_or(char::REPLACEMENT_CHARACTER))
            }
            Self::Boolean => FieldValue::Integer(i64::from(bits != 0)),
            Self::Byte => FieldValue::Integer((bits as i8).into()),
            Self::Short => FieldValue::Integer((bits as i16).into()),
            Self::Int => FieldValue::Integer((bits as i32).into()),
            Self::Long => FieldValue::Integer(bits as i64),
        }
    }
}

/// The fields of the objects of one block, in the order of the input.
#[derive(Debug, Default)]
pub struct FieldRows {
    /// The fields that rows are of.
    pub keys: Vec<FieldKey>,
    /// By row, the position of its key.
    pub key_ids: Vec<u32>,
    /// By row, the address of the object.
    pub addresses: Vec<u64>,
    /// By row, the bits of the value; see [`FieldKind::value`].
    pub bits: Vec<u64>,
}

impl FieldRows {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.key_ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.key_ids.is_empty()
    }

    pub(crate) fn push(&mut self, key: u32, address: u64, bits: u64) {
        self.key_ids.push(key);
        self.addresses.push(address);
        self.bits.push(bits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_bits() {
        use FieldKind::*;
        for (kind, bits, value) in [
            (Boolean, 1, FieldValue::Integer(1)),
            (Byte, 0xff, FieldValue::Integer(-1)),
            (Short, 0x8000, FieldValue::Integer(-32_768)),
            (Int, 0xffff_ffff, FieldValue::Integer(-1)),
            (Long, u64::MAX, FieldValue::Integer(-1)),
            (Char, 0x4f8b, FieldValue::Char('例')),
            (Char, 0xd83d, FieldValue::Char(char::REPLACEMENT_CHARACTER)),
            (Float, 0x3f40_0000, FieldValue::Float(0.75)),
            (Double, 0.75_f64.to_bits(), FieldValue::Float(0.75)),
        ] {
            assert_eq!(kind.value(bits), value, "{kind:?}");
        }
    }
}
