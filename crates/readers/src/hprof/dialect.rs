//! The bytes of an HPROF file: its header, and the sub-records of a heap dump.
//!
//! ```text
//! "JAVA PROFILE 1.0.2" 0, u4 bytes of an id (4 or 8), u8 milliseconds since 1970
//! record*    = u1 tag, u4 microseconds, u4 length, body
//! body       = sub-record* where the record is a heap dump or a segment of one
//! root       = u1 tag, id object, more that depends on the tag
//! class      = 0x20, id class, u4 trace, id super, id loader, id signers, id domain, id, id, u4 instance size,
//!              u2 n, (u2 index, value)*, u2 n, (id name, value)* statics, u2 n, (id name, u1 type)* fields
//! instance   = 0x21, id object, u4 trace, id class, u4 n, u1*
//! array      = 0x22, id array, u4 trace, u4 n, id class, id*
//! primitives = 0x23, id array, u4 trace, u4 n, u1 type, values
//! value      = u1 type, as many bytes as the type has
//! ```
//!
//! All numbers are big-endian. Nothing here allocates or reads beyond the bytes that it is given.

use crate::FieldKind;

/// What a file says of itself before its first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) dialect: Dialect,
    /// Milliseconds since 1970.
    pub(super) time_ms: u64,
    /// Bytes of the header.
    pub(super) len: usize,
}

/// How a file writes ids, and whose tags it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    /// Bytes of an id, 4 or 8.
    pub(super) id_bytes: usize,
    /// Version 1.0.3, which only Android writes.
    pub(super) is_android: bool,
}

/// What every file begins with.
pub(super) const MAGIC: &[u8] = b"JAVA PROFILE 1.0.";
/// Bytes of the tag, time and length before the body of a record.
pub(super) const RECORD_HEAD: usize = 9;

/// Why the first bytes are not a header that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderError {
    /// The file ends inside it.
    Short,
    /// A version that is not known.
    Version,
    /// An id has this number of bytes.
    IdBytes(u32),
}

impl Header {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, HeaderError> {
        let version = bytes.get(MAGIC.len()).ok_or(HeaderError::Short)?;
        let mut rest = Bytes(&bytes[MAGIC.len() + 1..]);
        if !matches!(version, b'1'..=b'3') || rest.u1().is_some_and(|end| end != 0) {
            return Err(HeaderError::Version);
        }
        let id_bytes = rest.u4().ok_or(HeaderError::Short)?;
        let time_ms = rest.u8().ok_or(HeaderError::Short)?;
        if id_bytes != 4 && id_bytes != 8 {
            return Err(HeaderError::IdBytes(id_bytes));
        }
        let dialect = Dialect { id_bytes: id_bytes as usize, is_android: *version == b'3' };
        Ok(Self { dialect, time_ms, len: bytes.len() - rest.0.len() })
    }
}

/// Bytes that are taken from the front.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bytes<'b>(pub(super) &'b [u8]);

impl<'b> Bytes<'b> {
    #[inline]
    pub(super) fn take(&mut self, n: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    #[inline]
    pub(super) fn u1(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    #[inline]
    pub(super) fn u2(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline]
    pub(super) fn u4(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    #[inline]
    pub(super) fn u8(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    #[inline]
    pub(super) fn id(&mut self, dialect: Dialect) -> Option<u64> {
        if dialect.id_bytes == 8 { self.u8() } else { self.u4().map(u64::from) }
    }
}

/// The type of a field or of the elements of an array, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum BasicType {
    Object = 2,
    Boolean = 4,
    Char = 5,
    Float = 6,
    Double = 7,
    Byte = 8,
    Short = 9,
    Int = 10,
    Long = 11,
}

impl BasicType {
    pub(super) fn of_number(number: u8) -> Option<Self> {
        Some(match number {
            2 => Self::Object,
            4 => Self::Boolean,
            5 => Self::Char,
            6 => Self::Float,
            7 => Self::Double,
            8 => Self::Byte,
            9 => Self::Short,
            10 => Self::Int,
            11 => Self::Long,
            _ => return None,
        })
    }

    /// Bytes of a value where a reference has `reference_bytes`: in the file those of an id, in the VM those of a reference.
    #[inline]
    pub(super) fn bytes(self, reference_bytes: usize) -> usize {
        match self {
            Self::Object => reference_bytes,
            Self::Boolean | Self::Byte => 1,
            Self::Char | Self::Short => 2,
            Self::Float | Self::Int => 4,
            Self::Double | Self::Long => 8,
        }
    }

    /// What a field of this type is in the table of fields; `None` for a reference.
    pub(super) fn field_kind(self) -> Option<FieldKind> {
        Some(match self {
            Self::Object => return None,
            Self::Boolean => FieldKind::Boolean,
            Self::Char => FieldKind::Char,
            Self::Float => FieldKind::Float,
            Self::Double => FieldKind::Double,
            Self::Byte => FieldKind::Byte,
            Self::Short => FieldKind::Short,
            Self::Int => FieldKind::Int,
            Self::Long => FieldKind::Long,
        })
    }

    /// The name of an array of values that are not references.
    pub(super) fn array_name(self) -> &'static str {
        match self {
            Self::Object => "java.lang.Object[]",
            Self::Boolean => "boolean[]",
            Self::Char => "char[]",
            Self::Float => "float[]",
            Self::Double => "double[]",
            Self::Byte => "byte[]",
            Self::Short => "short[]",
            Self::Int => "int[]",
            Self::Long => "long[]",
        }
    }
}

/// Why the collector keeps an object, as a root record says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum RootKind {
    // The first of an object's kinds in this order is the one that is kept: those come first that say most.
    JavaFrame,
    Thread,
    JniLocal,
    NativeStack,
    ThreadBlock,
    Monitor,
    JniMonitor,
    SystemClass,
    JniGlobal,
    Interned,
    Finalizing,
    Debugger,
    ReferenceCleanup,
    VmInternal,
    Unknown,
    Unreachable,
}

/// A root record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RootRecord {
    pub(super) kind: RootKind,
    pub(super) address: u64,
    /// Serial number of the thread, 0 where the kind has none.
    pub(super) thread: u32,
    /// Position of the frame in the thread's stack, or for a thread the serial number of its stack; `u32::MAX` where
    /// there is none.
    pub(super) frame: u32,
}

/// A sub-record of a heap dump: everything but the bodies of instances and arrays.
#[derive(Debug, Clone, Copy)]
pub(super) enum SubRecord<'b> {
    Root(RootRecord),
    Class(ClassDump<'b>),
    Instance {
        address: u64,
        class: u64,
    },
    ObjectArray {
        address: u64,
        class: u64,
        count: u32,
    },
    PrimitiveArray {
        address: u64,
        element: BasicType,
        count: u32,
    },
    /// Android says to which heap the following objects belong.
    HeapInfo,
}

/// A sub-record and how long it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sized<'b> {
    pub(super) record: SubRecord<'b>,
    /// Bytes before the body of an instance or array; all of them for others.
    pub(super) head: usize,
    /// Bytes of the body: data of an instance, elements of an array.
    pub(super) body: u64,
}

impl Sized<'_> {
    /// Bytes of the sub-record.
    #[inline]
    pub(super) fn len(&self) -> u64 {
        self.head as u64 + self.body
    }
}

/// Why no sub-record begins with some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SubError {
    /// They end inside it.
    Short,
    /// There is no such tag.
    Tag(u8),
    /// There is no such type of a value.
    Type(u8),
}

impl Dialect {
    /// The sub-record at the front of `bytes`, which need not contain the body of an instance or array.
    #[inline]
    pub(super) fn sub_record<'b>(&self, bytes: &'b [u8]) -> Result<Sized<'b>, SubError> {
        let mut rest = Bytes(bytes);
        let tag = rest.u1().ok_or(SubError::Short)?;
        let (record, body) = self.after_tag(tag, &mut rest)?;
        Ok(Sized { record, head: bytes.len() - rest.0.len(), body })
    }

    #[inline]
    fn after_tag<'b>(&self, tag: u8, rest: &mut Bytes<'b>) -> Result<(SubRecord<'b>, u64), SubError> {
        let short = SubError::Short;
        match tag {
            0x21 => {
                let address = rest.id(*self).ok_or(short)?;
                rest.u4().ok_or(short)?;
                let class = rest.id(*self).ok_or(short)?;
                let n_bytes = rest.u4().ok_or(short)?;
                Ok((SubRecord::Instance { address, class }, n_bytes.into()))
            }
            0x23 | 0xc3 => {
                let address = rest.id(*self).ok_or(short)?;
                rest.u4().ok_or(short)?;
                let count = rest.u4().ok_or(short)?;
                let number = rest.u1().ok_or(short)?;
                let element = BasicType::of_number(number).filter(|element| *element != BasicType::Object);
                let element = element.ok_or(SubError::Type(number))?;
                let n_bytes = if tag == 0xc3 { 0 } else { u64::from(count) * element.bytes(0) as u64 };
                Ok((SubRecord::PrimitiveArray { address, element, count }, n_bytes))
            }
            0x22 => {
                let address = rest.id(*self).ok_or(short)?;
                rest.u4().ok_or(short)?;
                let count = rest.u4().ok_or(short)?;
                let class = rest.id(*self).ok_or(short)?;
                let n_bytes = u64::from(count) * self.id_bytes as u64;
                Ok((SubRecord::ObjectArray { address, class, count }, n_bytes))
            }
            0x20 => Ok((SubRecord::Class(ClassDump::parse(*self, rest)?), 0)),
            0xfe if self.is_android => {
                rest.take(4 + self.id_bytes).ok_or(short)?;
                Ok((SubRecord::HeapInfo, 0))
            }
            _ => Ok((SubRecord::Root(self.root(tag, rest)?), 0)),
        }
    }

    fn root(&self, tag: u8, rest: &mut Bytes<'_>) -> Result<RootRecord, SubError> {
        use RootKind::*;
        let (kind, has_thread, has_frame) = match tag {
            0xff => (Unknown, false, false),
            0x01 => (JniGlobal, false, false),
            0x02 => (JniLocal, true, true),
            0x03 => (JavaFrame, true, true),
            0x04 => (NativeStack, true, false),
            0x05 => (SystemClass, false, false),
            0x06 => (ThreadBlock, true, false),
            0x07 => (Monitor, false, false),
            0x08 => (Thread, true, true),
            0x00 if self.is_android => (SystemClass, false, false),
            0x89 if self.is_android => (Interned, false, false),
            0x8a if self.is_android => (Finalizing, false, false),
            0x8b if self.is_android => (Debugger, false, false),
            0x8c if self.is_android => (ReferenceCleanup, false, false),
            0x8d if self.is_android => (VmInternal, false, false),
            0x8e if self.is_android => (JniMonitor, true, true),
            0x90 if self.is_android => (Unreachable, false, false),
            _ => return Err(SubError::Tag(tag)),
        };
        let address = rest.id(*self).ok_or(SubError::Short)?;
        if tag == 0x01 {
            rest.id(*self).ok_or(SubError::Short)?;
        }
        let thread = if has_thread { rest.u4().ok_or(SubError::Short)? } else { 0 };
        let frame = if has_frame { rest.u4().ok_or(SubError::Short)? } else { u32::MAX };
        Ok(RootRecord { kind, address, thread, frame })
    }
}

/// A class: its references, statics and fields.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClassDump<'b> {
    pub(super) address: u64,
    pub(super) super_class: u64,
    pub(super) loader: u64,
    pub(super) signers: u64,
    pub(super) domain: u64,
    pub(super) reserved: [u64; 2],
    /// The size of an instance: with its header on Android, the bytes of its fields elsewhere.
    pub(super) instance_bytes: u32,
    dialect: Dialect,
    constants: &'b [u8],
    statics: &'b [u8],
    fields: &'b [u8],
}

impl<'b> ClassDump<'b> {
    fn parse(dialect: Dialect, rest: &mut Bytes<'b>) -> Result<Self, SubError> {
        let short = SubError::Short;
        let address = rest.id(dialect).ok_or(short)?;
        rest.u4().ok_or(short)?;
        let mut ids = [0; 6];
        for id in &mut ids {
            *id = rest.id(dialect).ok_or(short)?;
        }
        let instance_bytes = rest.u4().ok_or(short)?;
        let constants = values(dialect, rest, 2)?;
        let statics = values(dialect, rest, dialect.id_bytes)?;
        let n_fields = rest.u2().ok_or(short)?;
        let fields = rest.take(usize::from(n_fields) * (dialect.id_bytes + 1)).ok_or(short)?;
        let [super_class, loader, signers, domain, first, second] = ids;
        Ok(Self {
            address,
            super_class,
            loader,
            signers,
            domain,
            reserved: [first, second],
            instance_bytes,
            dialect,
            constants,
            statics,
            fields,
        })
    }

    /// The static fields: id of the name, type, value.
    pub(super) fn statics(&self) -> impl Iterator<Item = (u64, BasicType, &'b [u8])> + use<'b> {
        let (dialect, mut rest) = (self.dialect, Bytes(self.statics));
        std::iter::from_fn(move || {
            let name = rest.id(dialect)?;
            let basic = BasicType::of_number(rest.u1()?)?;
            Some((name, basic, rest.take(basic.bytes(dialect.id_bytes))?))
        })
    }

    /// The references of the constant pool.
    pub(super) fn constants(&self) -> impl Iterator<Item = u64> + use<'b> {
        let (dialect, mut rest) = (self.dialect, Bytes(self.constants));
        let values = std::iter::from_fn(move || {
            rest.u2()?;
            let basic = BasicType::of_number(rest.u1()?)?;
            Some((basic, rest.take(basic.bytes(dialect.id_bytes))?))
        });
        let references = values.filter(|(basic, _)| *basic == BasicType::Object);
        references.filter_map(move |(_, value)| Bytes(value).id(dialect))
    }

    /// The fields of its instances, without those of the superclass: id of the name and number of the type.
    pub(super) fn fields(&self) -> impl Iterator<Item = (u64, u8)> + use<'b> {
        let (dialect, mut rest) = (self.dialect, Bytes(self.fields));
        std::iter::from_fn(move || Some((rest.id(dialect)?, rest.u1()?)))
    }
}

/// The bytes of a counted list of values, each after a key of `key_bytes`.
fn values<'b>(dialect: Dialect, rest: &mut Bytes<'b>, key_bytes: usize) -> Result<&'b [u8], SubError> {
    let n = rest.u2().ok_or(SubError::Short)?;
    let start = *rest;
    for _ in 0..n {
        rest.take(key_bytes).ok_or(SubError::Short)?;
        let number = rest.u1().ok_or(SubError::Short)?;
        let basic = BasicType::of_number(number).ok_or(SubError::Type(number))?;
        rest.take(basic.bytes(dialect.id_bytes)).ok_or(SubError::Short)?;
    }
    Ok(&start.0[..start.0.len() - rest.0.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_or_refused() {
        let header = |version: &str, id_bytes: u32| {
            let mut bytes = format!("JAVA PROFILE {version}\0").into_bytes();
            bytes.extend(id_bytes.to_be_bytes());
            bytes.extend(7_u64.to_be_bytes());
            bytes
        };
        let dialect = |id_bytes, is_android| Dialect { id_bytes, is_android };
        for (version, id_bytes, expected) in [
            ("1.0.1", 4, Ok(dialect(4, false))),
            ("1.0.2", 8, Ok(dialect(8, false))),
            ("1.0.3", 4, Ok(dialect(4, true))),
            ("1.0.4", 4, Err(HeaderError::Version)),
            ("1.0.22", 4, Err(HeaderError::Version)),
            ("1.0.2", 16, Err(HeaderError::IdBytes(16))),
        ] {
            let bytes = header(version, id_bytes);
            let found = Header::parse(&bytes);
            assert_eq!(found.map(|header| header.dialect), expected, "{version} {id_bytes}");
            if let Ok(header) = found {
                assert_eq!((header.time_ms, header.len), (7, bytes.len()));
                for end in MAGIC.len()..bytes.len() {
                    assert_eq!(Header::parse(&bytes[..end]), Err(HeaderError::Short), "{end}");
                }
            }
        }
    }
}
