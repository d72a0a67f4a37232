//! What the last questions of a session found out, for the next one, which is often about the same.
//!
//! What would be freed without a cut is asked before the cut is saved, and how much a listing has before the listing. Nothing is
//! kept where memory is limited: it is not for what may never be asked for again.

use std::sync::{Arc, Mutex, PoisonError};

/// Ends of a search that are kept at most: 16 bytes each.
pub(crate) const MAX_ENDS: usize = 1 << 22;

/// The members of a set.
#[derive(Debug, Clone)]
pub(crate) enum SetRows {
    /// Addresses of objects.
    Objects(Vec<u64>),
    /// References: address of the parent and position.
    Edges(Vec<(u64, u32)>),
}

impl SetRows {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            SetRows::Objects(addresses) => addresses.len(),
            SetRows::Edges(edges) => edges.len(),
        }
    }
}

/// A question about a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemoKey {
    dump: String,
    text: String,
}

impl MemoKey {
    /// `None` for a question that may have another answer the next time: a query in it may be about tables of the session.
    pub(crate) fn new(dump: &str, text: &str) -> Option<Self> {
        let has_query = text.to_ascii_lowercase().contains("select");
        (!has_query).then(|| Self { dump: dump.to_owned(), text: text.to_owned() })
    }
}

/// The objects at the ends of paths, as nodes of the index, and the fewest hops to each.
pub(crate) type PathEnds = Arc<Vec<(usize, u32)>>;

/// The answers of the last questions.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    /// The sets of the last cut.
    cut: Mutex<Vec<(MemoKey, SetRows)>>,
    /// The ends of the last search for all ends.
    ends: Mutex<Option<(MemoKey, PathEnds)>>,
}

impl Memo {
    /// Keeps the sets of a cut.
    pub(crate) fn keep_cut(&self, sets: Vec<(MemoKey, SetRows)>) {
        *self.cut.lock().unwrap_or_else(PoisonError::into_inner) = sets;
    }

    /// The members of a set of the last cut.
    pub(crate) fn cut(&self, key: &MemoKey) -> Option<SetRows> {
        let sets = self.cut.lock().unwrap_or_else(PoisonError::into_inner);
        sets.iter().find(|(known, _)| known == key).map(|(_, rows)| rows.clone())
    }

    /// Keeps the ends that a search has found, all of them, unless they are very many.
    pub(crate) fn keep_ends(&self, key: MemoKey, ends: Vec<(usize, u32)>) {
        if ends.len() <= MAX_ENDS {
            *self.ends.lock().unwrap_or_else(PoisonError::into_inner) = Some((key, Arc::new(ends)));
        }
    }

    /// The ends of the last search, if it was this one.
    pub(crate) fn ends(&self, key: &MemoKey) -> Option<PathEnds> {
        let last = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|(known, _)| known == key).map(|(_, ends)| ends.clone())
    }
}
