//! What the first pass over a file finds ([`super::scan`]): classes, names, roots, and where objects are.

use hashbrown::HashMap;
use heaplake_model::Issue;

use super::dialect::{BasicType, ClassDump, Dialect, RootRecord};

/// What the first pass found.
pub(super) struct Scan {
    pub(super) dialect: Dialect,
    /// Where the text of each string is, and how many bytes it has.
    pub(super) strings: HashMap<u64, (u64, u32)>,
    /// The id of the name of each class that was loaded, by id of the class.
    pub(super) class_names: HashMap<u64, u64>,
    /// The class that was loaded with a serial number.
    pub(super) class_of_serial: HashMap<u32, u64>,
    pub(super) frames: HashMap<u64, Frame>,
    /// By serial number.
    pub(super) traces: HashMap<u32, Trace>,
    /// The ids of names of threads that a record names, by serial number.
    pub(super) thread_names: HashMap<u32, u64>,
    /// Classes that were dumped or have instances, in the order in which they were met.
    pub(super) classes: Vec<ScannedClass>,
    /// The position of each class in `classes`, by id.
    pub(super) positions: HashMap<u64, u32>,
    pub(super) roots: Vec<RootRecord>,
    pub(super) runs: Vec<Run>,
    pub(super) blocks: Vec<BlockSpan>,
    pub(super) arrays: Vec<ArraySample>,
    /// The addresses of instances of some classes of the JDK, in the order of the file.
    pub(super) soft_references: Vec<u64>,
    pub(super) reflection_data: Vec<u64>,
    pub(super) class_repositories: Vec<u64>,
    pub(super) issues: Vec<Issue>,
    /// Number of classes, instances and arrays.
    pub(super) n_objects: u64,
    /// Number of arrays of values, by the number of the type of their elements.
    pub(super) n_arrays: [u64; 12],
}

/// A frame of a stack.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    /// Ids of strings.
    pub(super) method: u64,
    pub(super) source: u64,
    pub(super) class_serial: u32,
    /// 0 and -1: not known, -2: compiled, -3: native.
    pub(super) line: i32,
}

/// A stack: its frames from the top.
#[derive(Debug)]
pub(super) struct Trace {
    /// The serial number of its thread, 0 where it is of none.
    pub(super) thread: u32,
    pub(super) frames: Vec<u64>,
}

/// A class as it was met.
#[derive(Debug)]
pub(super) struct ScannedClass {
    pub(super) address: u64,
    /// Its dump; `None` if there is none.
    pub(super) dump: Option<DumpedClass>,
    /// Instances and arrays of the class.
    pub(super) n_objects: u64,
    /// Bytes of the longest instance in the file.
    pub(super) max_bytes: u32,
    /// The distance from an instance to the next object in memory: the smallest, and how often it was met.
    pub(super) distance: Option<(u32, u32)>,
    /// Where it was met first.
    pub(super) offset: u64,
    /// Which list keeps the addresses of its instances.
    pub(super) listed: Option<ListedClass>,
    /// Whether the file has more than one dump of it.
    pub(super) is_repeated: bool,
}

/// A reference of a class that no file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ClassField {
    pub(super) class: u64,
    pub(super) label: &'static str,
    pub(super) child: u64,
}

/// A class whose instances are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListedClass {
    SoftReference,
    ReflectionData,
    ClassRepository,
}

/// What a class dump says.
#[derive(Debug)]
pub(super) struct DumpedClass {
    pub(super) super_class: u64,
    pub(super) loader: u64,
    pub(super) instance_bytes: u32,
    /// The fields of the class itself: id of the name, number of the type.
    pub(super) fields: Vec<(u64, u8)>,
    /// The names of static fields that are references.
    pub(super) reference_statics: Vec<u64>,
    /// Number of other static fields of 8, 4, 2 and 1 bytes.
    pub(super) n_statics: [u32; 4],
    /// Where the dump is.
    pub(super) offset: u64,
}

/// Objects that follow each other in memory and in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    /// The addresses of the first and the last object.
    pub(super) first: u64,
    pub(super) last: u64,
    /// Where the first one is.
    pub(super) offset: u64,
}

/// A part of the file that begins with a sub-record and consists of sub-records; the body of the last one may be missing
/// if it is a primitive array.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockSpan {
    pub(super) offset: u64,
    pub(super) len: usize,
}

/// How far the next object is from an array.
#[derive(Debug, Clone, Copy)]
pub(super) struct ArraySample {
    pub(super) count: u32,
    /// Bytes of an element; 0 for references.
    pub(super) element_bytes: u8,
    pub(super) distance: u32,
}

impl Scan {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            strings: HashMap::new(),
            class_names: HashMap::new(),
            class_of_serial: HashMap::new(),
            frames: HashMap::new(),
            traces: HashMap::new(),
            thread_names: HashMap::new(),
            classes: Vec::new(),
            positions: HashMap::new(),
            roots: Vec::new(),
            runs: Vec::new(),
            blocks: Vec::new(),
            arrays: Vec::new(),
            soft_references: Vec::new(),
            reflection_data: Vec::new(),
            class_repositories: Vec::new(),
            issues: Vec::new(),
            n_objects: 0,
            n_arrays: [0; 12],
        }
    }
}

impl DumpedClass {
    pub(super) fn of(class: &ClassDump<'_>) -> Self {
        let (mut n_statics, mut reference_statics) = ([0; 4], Vec::new());
        for (name, basic, value) in class.statics() {
            match (basic, value.len()) {
                (BasicType::Object, _) => reference_statics.push(name),
                (_, 8) => n_statics[0] += 1,
                (_, 4) => n_statics[1] += 1,
                (_, 2) => n_statics[2] += 1,
                _ => n_statics[3] += 1,
            }
        }
        Self {
            super_class: class.super_class,
            loader: class.loader,
            instance_bytes: class.instance_bytes,
            fields: class.fields().collect(),
            reference_statics,
            n_statics,
            offset: 0,
        }
    }
}
