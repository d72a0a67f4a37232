//! Getting a dump out of a process.
//!
//! The script that is copied into Python programs is written in parts (`script/`), each with a single job, and joined in
//! the order of `script/order.txt` when this crate is built: its users get one file without dependencies.
//!
//! [`capture`] brings it into a process that runs already.

/// `heaplake_dump.py`, whole: for CPython 3.8 to 3.14.
pub const SCRIPT: &str = include_str!(concat!(env!("OUT_DIR"), "/heaplake_dump.py"));

mod outside;

pub use outside::{Error, Options, Outcome, Stage, Values, Via, capture};
