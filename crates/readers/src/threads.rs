//! The threads of a program.

/// A thread as a dump describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadRecord {
    /// The address of its object; `None` where it has none.
    pub address: Option<u64>,
    /// The name, as in the kinds of its roots.
    pub name: String,
    /// Whether the runtime and not the system schedules it.
    pub is_virtual: bool,
    /// What it does, in the words of its runtime; `None` where the dump does not say.
    pub state: Option<&'static str>,
    /// The frames of its stack, the innermost first, a line each.
    pub stack: String,
}
