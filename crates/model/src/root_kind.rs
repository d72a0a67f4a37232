//! The kinds of roots that the index finds; the names of all others are those that a dump records.

/// A module.
pub const MODULE: &str = "module";
/// A frame that runs.
pub const FRAME: &str = "frame";
/// No object refers to it, and something outside of the dump may.
pub const UNREFERENCED: &str = "unreferenced";
/// The first object of a cycle to which no other object refers, and perhaps something outside of the dump.
pub const CYCLE: &str = "cycle";
/// There are more references to it than the dump has.
pub const EXTERNAL: &str = "external";
/// Nothing holds it: neither an object, unless it is part of the same cycle, nor anything outside of the dump.
pub const GARBAGE: &str = "garbage";

/// Whether roots of this kind are found by the index and not recorded in the dump.
pub fn is_found(kind: &str) -> bool {
    [MODULE, FRAME, UNREFERENCED, CYCLE, EXTERNAL, GARBAGE].contains(&kind)
}

/// Whether a kind of root is that of objects that no other root reaches: they only hold each other, as far as is known.
pub fn is_cut_off(kind: &str) -> bool {
    [CYCLE, GARBAGE].contains(&kind)
}
