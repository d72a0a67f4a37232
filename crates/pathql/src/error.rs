//! What is wrong with a pattern, and where.

use crate::Span;

/// A mistake in a pattern. The message is one line; the caller shows the text of the pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}{}", hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default())]
pub struct Error {
    /// The bytes of the pattern that the message is about.
    pub span: Span,
    /// What is wrong, or what was expected.
    pub what: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Error {
    /// A mistake without a remedy.
    pub fn new(span: Span, what: impl Into<String>) -> Self {
        Self { span, what: what.into(), hint: None }
    }

    /// The same with a remedy.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
