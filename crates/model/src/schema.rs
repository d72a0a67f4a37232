//! The Arrow schema of every table, with a description per column.
//!
//! All tables but `dump` are Parquet files in `<table>/dump=<id>/`: the name of the folder says the dump, so the files have
//! no such column. The tables `dump` and `process_memory` are made from the manifests.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};

/// The column that says to which dump a row belongs: the hive partition in the lake, the first column in SQL.
pub const DUMP: &str = "dump";

/// The key of a column's description in the metadata of its field.
pub const DESCRIPTION: &str = "description";

/// The description of a column with what a program itself keeps: its name, which the program gave it, says nothing of its unit.
pub const PROGRAM_VALUE: &str = "a value that the program keeps";

/// The column of `obj` with the number of references to an object.
pub const REFCOUNT: &str = "refcount";
/// Columns of `obj` that files of older versions do not have; they are null there.
pub const ADDED_LATER: [&str; 2] = [REFCOUNT, "external"];

/// A table of the lake that is kept in Parquet files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    /// One row per object, clustered by type (byte order of the names), then address.
    Obj,
    /// One row per reference, ordered by parent address, then idx.
    Edge,
    /// One row per root, ordered by address.
    Root,
    /// One row per issue of the import, in the order they were met.
    Issue,
    /// One row per type, in byte order of the names.
    TypeStat,
    /// One row per folded path of the dominator tree, each after the one above it. Empty without a graph index.
    HolderStat,
    /// One row per module, the largest first. Empty without a graph index, absent from dumps of older versions.
    ModuleStat,
    /// One row per field with a value of its own, in pieces that are each ordered by type, name and address. Absent where it
    /// was not asked for.
    Field,
    /// One row per thread, in the order of the dump. Absent where the format describes no threads besides their roots.
    Thread,
}

/// The declaration of a table, from which it is written, registered in SQL, and listed.
#[derive(Debug)]
pub struct TableSpec {
    /// The table.
    pub table: Table,
    /// The name of the folder and of the SQL table.
    pub name: &'static str,
    /// The schema of its Parquet files, without `dump`.
    pub schema: fn() -> SchemaRef,
    /// The columns by which its rows are ordered; empty if they are in another order.
    pub order: &'static [&'static str],
    /// Whether the table stays when a dump is pruned: it is small, and about the dump as a whole.
    pub is_summary: bool,
}

/// The declarations, in the order of [`Table`]. This is the list of tables.
const DECLARED: [TableSpec; 9] = [
    TableSpec { table: Table::Obj, name: "obj", schema: obj, order: &["type", "address"], is_summary: false },
    TableSpec {
        table: Table::Edge,
        name: "edge",
        schema: edge,
        order: &["parent", "idx"],
        is_summary: false,
    },
    TableSpec { table: Table::Root, name: "root", schema: root, order: &["address"], is_summary: false },
    TableSpec { table: Table::Issue, name: "issue", schema: issue, order: &[], is_summary: true },
    TableSpec {
        table: Table::TypeStat,
        name: "type_stat",
        schema: type_stat,
        order: &["type"],
        is_summary: true,
    },
    TableSpec {
        table: Table::HolderStat,
        name: "holder_stat",
        schema: holder_stat,
        order: &[],
        is_summary: true,
    },
    TableSpec {
        table: Table::ModuleStat,
        name: "module_stat",
        schema: module_stat,
        order: &[],
        is_summary: true,
    },
    TableSpec { table: Table::Field, name: "field", schema: field, order: &[], is_summary: false },
    TableSpec { table: Table::Thread, name: "thread", schema: thread, order: &[], is_summary: true },
];

static SPECS: [TableSpec; DECLARED.len()] = DECLARED;

impl Table {
    /// Every Parquet table.
    pub const ALL: [Table; DECLARED.len()] = {
        let mut all = [Table::Obj; DECLARED.len()];
        let mut i = 0;
        while i < all.len() {
            all[i] = DECLARED[i].table;
            i += 1;
        }
        all
    };

    /// The declaration of the table.
    pub fn spec(self) -> &'static TableSpec {
        &SPECS[self as usize]
    }

    /// The name of the folder and of the SQL table.
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// Whether the table stays when a dump is pruned: it is small, and about the dump as a whole.
    pub fn is_summary(self) -> bool {
        self.spec().is_summary
    }

    /// The schema of its Parquet files, without `dump`.
    pub fn schema(self) -> SchemaRef {
        (self.spec().schema)()
    }
}

/// Objects: (type, address) is unique and the order of the rows. The columns from `root_kind` on are null in a dump that
/// was imported without its graph index.
pub fn obj() -> SchemaRef {
    schema([
        column("address", DataType::UInt64, false, "address in the process; unique within a dump"),
        column("type", DataType::Utf8, false, "type name as the dump gives it"),
        column(
            "name",
            DataType::Utf8,
            true,
            "name of a module, class, function or frame; null where there is none",
        ),
        column(
            "value",
            DataType::Utf8,
            true,
            "text of a string (shortened by the dumper) or number; null where there is none",
        ),
        column(
            "size",
            DataType::Int64,
            true,
            "shallow size in bytes; null where the dump gives no usable one",
        ),
        column("len", DataType::Int64, true, "number of items or characters; null where the type has none"),
        column(
            REFCOUNT,
            DataType::Int64,
            true,
            "references to the object, as the interpreter counted them; null where the dump does not say",
        ),
        column(
            "root_kind",
            DataType::Utf8,
            true,
            "why the object is a root, see the table root; null where it is none",
        ),
        column(
            "distance",
            DataType::UInt32,
            true,
            "hops from the nearest root; null where only garbage or a cycle holds the object",
        ),
        column(
            "idom",
            DataType::UInt64,
            true,
            "address of the immediate dominator, without which the object would be freed; null where no single object holds it",
        ),
        column(
            "retained",
            DataType::Int64,
            true,
            "bytes that would be freed with the object, itself included",
        ),
        column(
            "retained_count",
            DataType::Int64,
            true,
            "objects that would be freed with the object, itself included",
        ),
        column(
            "external",
            DataType::Int64,
            true,
            "references to the object that no object of the dump explains: C code holds them; null where it is not known",
        ),
    ])
}

/// References: (parent, idx) is unique and the order of the rows.
pub fn edge() -> SchemaRef {
    schema([
        column("parent", DataType::UInt64, false, "address of the object that holds the reference"),
        column(
            "child",
            DataType::UInt64,
            false,
            "address referred to; may be of an object that was never dumped",
        ),
        column("idx", DataType::UInt32, false, "position among the parent's references, from 0"),
        column("label", DataType::Utf8, true, "attribute, key or index; null where the dump does not say"),
        column(
            "kind",
            DataType::Utf8,
            false,
            "strong; soft where the reference keeps its child until memory is short; weak, phantom or final where it keeps nothing alive",
        ),
    ])
}

/// Roots: objects from which the collector starts.
pub fn root() -> SchemaRef {
    schema([
        column("address", DataType::UInt64, false, "address of the object"),
        column(
            "kind",
            DataType::Utf8,
            false,
            "why it is a root: module, frame = running, external = C code holds a reference, unreferenced = no object of \
             the dump refers to it, cycle = stands for objects that only hold each other, garbage = the same where all \
             references are known; or what the dump records",
        ),
    ])
}

/// Issues of the import.
pub fn issue() -> SchemaRef {
    schema([
        column(
            "line",
            DataType::UInt64,
            true,
            "line of the decompressed input, from 1; null where the format has no lines",
        ),
        column("offset", DataType::UInt64, false, "byte of the decompressed input, from 0"),
        column("kind", DataType::Utf8, false, "sort of issue, see docs/formats/meliae.md"),
        column("what", DataType::Utf8, false, "what was met and what was done"),
    ])
}

/// Totals per type.
pub fn type_stat() -> SchemaRef {
    schema([
        column("type", DataType::Utf8, false, "type name"),
        column("count", DataType::Int64, false, "number of objects"),
        column("size", DataType::Int64, false, "sum of shallow sizes in bytes"),
        column(
            "max_size",
            DataType::Int64,
            true,
            "largest shallow size in bytes; null where no object has a usable one",
        ),
        column(
            "retained",
            DataType::Int64,
            true,
            "bytes that the objects of the type retain together, at least, nothing counted twice; null without an index",
        ),
    ])
}

/// Totals per holder: all objects whose paths of immediate dominators have the same types and names, where a sequence
/// that repeats counts once.
pub fn holder_stat() -> SchemaRef {
    schema([
        column(
            "holder",
            DataType::Utf8,
            false,
            "types and names from the top of the dominator tree down to the objects; (A -> B ->)+ repeats",
        ),
        column("held_by", DataType::Utf8, true, "the holder above; null at the top"),
        column(
            "type",
            DataType::Utf8,
            false,
            "last element of the path: type of the objects, with their name",
        ),
        column("depth", DataType::Int64, false, "number of elements of the path"),
        column("count", DataType::Int64, false, "number of objects with this path"),
        column("size", DataType::Int64, false, "sum of their shallow sizes in bytes"),
        column("retained", DataType::Int64, false, "bytes that they retain together, nothing counted twice"),
        column("retained_count", DataType::Int64, false, "objects that they retain together"),
    ])
}

/// Totals per module. Every object is of one module, or of none.
pub fn module_stat() -> SchemaRef {
    schema([
        column("module", DataType::Utf8, false, "name of the module; (no module) for what none holds"),
        column("count", DataType::Int64, false, "number of its objects"),
        column("size", DataType::Int64, false, "sum of their shallow sizes in bytes"),
        column(
            "dominated_size",
            DataType::Int64,
            false,
            "of these, bytes of objects that the module, its namespace or one of its functions dominates",
        ),
        column(
            "typed_size",
            DataType::Int64,
            false,
            "bytes of objects that no module dominates, and whose type, or that of the nearest dominator, is of the module",
        ),
        column(
            "path_size",
            DataType::Int64,
            false,
            "bytes of other objects, most of whose shortest paths from the roots come through the module",
        ),
        column(
            "retained",
            DataType::Int64,
            false,
            "bytes that its objects retain together, nothing counted twice",
        ),
        column("retained_count", DataType::Int64, false, "objects that they retain together"),
    ])
}

/// Fields with values of their own: what is in an object and is not an object.
pub fn field() -> SchemaRef {
    schema([
        column("address", DataType::UInt64, false, "address of the object"),
        column("type", DataType::Utf8, false, "its type; java.lang.Class for static fields"),
        column(
            "name",
            DataType::Utf8,
            false,
            "name of the field; after that of its class and a dot where a subclass has a field of the same name",
        ),
        column(
            "kind",
            DataType::Utf8,
            false,
            "boolean, byte, char, short, int, long, float or double, as the program declares it",
        ),
        column(
            "integer",
            DataType::Int64,
            true,
            "value of a whole number, 0 or 1 of a boolean; null for others",
        ),
        column("float", DataType::Float64, true, "value of a float or double; null for others"),
        column("text", DataType::Utf8, true, "value of a char; null for others"),
    ])
}

/// Threads of the program.
pub fn thread() -> SchemaRef {
    schema([
        column("name", DataType::Utf8, false, "name of the thread, as in the kinds of its roots"),
        column("address", DataType::UInt64, true, "address of its object; null where the dump has none"),
        column("virtual", DataType::Boolean, false, "whether the runtime and not the system schedules it"),
        column(
            "state",
            DataType::Utf8,
            true,
            "what it does, as the runtime calls it, such as RUNNABLE or WAITING; null where the dump does not say",
        ),
        column(
            "stack",
            DataType::Utf8,
            true,
            "its frames, the innermost first, a line each; null where the dump has none",
        ),
    ])
}

/// One row per dump.
pub fn dump() -> SchemaRef {
    let time = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let tag = Field::new_struct(
        "entries",
        vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Utf8, true)],
        false,
    );
    schema([
        column("id", DataType::Utf8, false, "dump id"),
        column(
            "taken",
            time(),
            false,
            "when the process was dumped; the file's time where nothing better is known",
        ),
        column("imported", time(), false, "when the import was committed"),
        column("format", DataType::Utf8, false, "format of the source"),
        column("source", DataType::Utf8, false, "name of the source file, - for standard input"),
        column("source_bytes", DataType::Int64, false, "size of the source in bytes, as read"),
        column("sha256", DataType::Utf8, false, "SHA-256 of the source, as read, in hexadecimal"),
        column("tags", DataType::Map(Arc::new(tag), false), false, "tags given at import"),
        column("objects", DataType::Int64, false, "number of objects"),
        column("edges", DataType::Int64, false, "number of references"),
        column("dangling", DataType::Int64, false, "references to objects that were never dumped"),
        column("types", DataType::Int64, false, "number of types"),
        column("bytes", DataType::Int64, false, "sum of shallow sizes"),
        column("issues", DataType::Int64, false, "number of issues the import met"),
        column("stored_bytes", DataType::Int64, false, "size of the dump's Parquet files in bytes"),
        column(
            "index_bytes",
            DataType::Int64,
            false,
            "size of its graph index in bytes, with those of its layers",
        ),
        column("pruned", time(), true, "when objects and references were pruned; null where they are there"),
    ])
}

/// One row per dump: what the memory of its process consists of, in bytes. Null where the dump does not say.
pub fn process_memory() -> SchemaRef {
    let bytes = |name, description| column(name, DataType::Int64, true, description);
    schema([
        column(DUMP, DataType::Utf8, false, "dump id"),
        bytes("total", "resident and swapped out; the sum of the columns from objects to native"),
        bytes("objects", "shallow sizes of the objects"),
        bytes("pools_free", "free inside the pools of the runtime's own allocator"),
        bytes("malloc_free", "free inside the allocator of the C library"),
        bytes("code", "the program and its libraries"),
        bytes("mapped", "other files, and shared memory"),
        bytes("stacks", "stacks of the threads that the runtime knows"),
        bytes("native", "the remainder: allocated by C code and seen by no object"),
        bytes("absent", "shallow sizes beyond the total: never touched, or counted twice"),
        bytes("resident", "resident pages"),
        bytes("swap", "swapped out"),
        bytes("private", "resident pages that no other process has; null of a large process"),
        bytes("anonymous", "resident pages of no file"),
        bytes("file", "resident pages of files"),
        bytes("shared", "resident pages of shared memory"),
        bytes("pools", "all that the runtime's own allocator has"),
        bytes("malloc", "all that the allocator of the C library has"),
        column("threads", DataType::Int64, true, "threads"),
    ])
}

/// A copy of `schema` with `dump` in front, as SQL shows the Parquet tables.
pub fn with_dump(schema: &Schema) -> SchemaRef {
    let dump = column(DUMP, DataType::Utf8, false, "dump id");
    Arc::new(Schema::new(std::iter::once(dump).chain(schema.fields().iter().cloned()).collect::<Vec<_>>()))
}

fn schema<const N: usize>(columns: [FieldRef; N]) -> SchemaRef {
    Arc::new(Schema::new(columns.to_vec()))
}

fn column(name: &str, data_type: DataType, nullable: bool, description: &str) -> FieldRef {
    let metadata = [(DESCRIPTION.to_owned(), description.to_owned())].into();
    Arc::new(Field::new(name, data_type, nullable).with_metadata(metadata))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_declared_once() {
        for (table, spec) in Table::ALL.into_iter().zip(&SPECS) {
            assert_eq!((table, table.spec().name), (spec.table, spec.name));
            let schema = table.schema();
            assert!(spec.order.iter().all(|column| schema.index_of(column).is_ok()), "{table:?}");
        }
        let names: std::collections::BTreeSet<_> = SPECS.iter().map(|spec| spec.name).collect();
        assert_eq!(names.len(), SPECS.len());
    }
}
