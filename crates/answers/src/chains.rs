//! Cycles of types that repeat along chains of objects.

/// The question.
#[derive(Debug, Clone, Copy)]
pub struct Chains {
    /// How often a motif repeats at least.
    pub min_repeats: u32,
}

impl Chains {
    /// The question as SQL over the function `chains`; its columns are those of the function.
    pub fn statement(&self) -> String {
        format!("SELECT * FROM chains({}) ORDER BY rank", self.min_repeats)
    }
}
