//! The path language: a regular expression over chains of objects, and what is asked of its matches.
//!
//! ```text
//! text --lexer.rs--> tokens --parser.rs--> Query (ast.rs) --automaton.rs--> Automaton
//! ```
//!
//! Nothing here knows a dump: node tests and labels are numbered, and the caller, who runs the automaton, resolves them.
//! The semantics are those of ISO SQL/PGQ (ISO/IEC 9075-16); docs/paths.md is the reference of the language.

mod ast;
mod automaton;
mod error;
mod glob;
mod lexer;
mod parser;

pub use ast::{
    Edge, EdgeTest, Filter, Group, Item, Label, LabelTerm, Node, Query, Selector, Span, Term, TermKind, Way,
};
pub use automaton::{Automaton, PatternHop, Transition};
pub use error::Error;
pub use glob::matches as glob_matches;
pub use lexer::{Token, TokenKind, tokens, tokens_of_statement};
pub use parser::parse;
