//! Labels of references: each text once, a number for every reference.
//!
//! Labels repeat: a list has `[0]`, every instance of a class the same attributes. So a batch keeps 4 bytes for a
//! reference, and only what differs as text. However long the labels of a dump are, a batch holds no more of them than
//! its block did.

use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

/// The labels of some references, in their order.
#[derive(Debug, Default)]
pub struct Labels {
    /// By reference; may be shorter than the references, the remaining ones have no label.
    ids: Vec<u32>,
    /// The distinct labels, UTF-8, one after the other.
    text: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<u32>,
    /// The distinct labels by their text. Not copied: a copy is read and no longer added to.
    known: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Labels {
    /// The number of a reference without label.
    pub const NONE: u32 = u32::MAX;

    /// The labels with these [`parts`](Self::parts); `None` if they do not fit each other.
    pub fn from_parts(ids: Vec<u32>, text: Vec<u8>, ends: Vec<u32>) -> Option<Self> {
        let fits = ids.iter().all(|id| *id == Self::NONE || (*id as usize) < ends.len())
            && ends.is_sorted()
            && ends.last().copied().unwrap_or(0) as usize == text.len();
        fits.then(|| Self { ids, text, ends, ..Self::default() })
    }

    /// The number of each reference's label, the distinct labels, and where each ends.
    pub fn parts(&self) -> (&[u32], &[u8], &[u32]) {
        (&self.ids, &self.text, &self.ends)
    }

    /// Whether no reference has a label.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The label of a reference.
    #[inline]
    pub fn get(&self, reference: usize) -> Option<&[u8]> {
        self.distinct(*self.ids.get(reference)?)
    }

    /// The label with a number; `None` for [`Labels::NONE`].
    #[inline]
    pub(crate) fn distinct(&self, id: u32) -> Option<&[u8]> {
        let end = *self.ends.get(id as usize)?;
        let start = id.checked_sub(1).map_or(0, |before| self.ends[before as usize]);
        Some(&self.text[start as usize..end as usize])
    }

    /// The distinct labels, by their numbers.
    pub fn distinct_labels(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.ends.len() as u32).filter_map(|id| self.distinct(id))
    }

    /// The same distinct labels, without any reference.
    pub(crate) fn distinct_only(&self) -> Self {
        Self { text: self.text.clone(), ends: self.ends.clone(), ..Self::default() }
    }

    /// Gives a reference its label. References before it that were not given one have none.
    #[inline]
    pub fn set(&mut self, reference: usize, label: &[u8]) {
        let id = self.intern(label);
        self.set_number(reference, id);
    }

    /// The same by the number of the label.
    #[inline]
    pub(crate) fn set_number(&mut self, reference: usize, id: u32) {
        self.ids.truncate(reference);
        self.ids.resize(reference, Self::NONE);
        self.ids.push(id);
    }

    /// The number of a label, a new one where it is new.
    pub(crate) fn intern(&mut self, label: &[u8]) -> u32 {
        let hash = self.hasher.hash_one(label);
        let same = |id: &u32| {
            let start = id.checked_sub(1).map_or(0, |before| self.ends[before as usize]);
            self.text[start as usize..self.ends[*id as usize] as usize] == *label
        };
        if let Some(id) = self.known.find(hash, same) {
            return *id;
        }
        let id = self.ends.len() as u32;
        self.text.extend_from_slice(label);
        self.ends.push(self.text.len() as u32);
        let Self { text, ends, known, hasher, .. } = self;
        let hash_of = |id: &u32| {
            let start = id.checked_sub(1).map_or(0, |before| ends[before as usize]);
            hasher.hash_one(&text[start as usize..ends[*id as usize] as usize])
        };
        known.insert_unique(hash, id, hash_of);
        id
    }

    /// Forgets the labels of references from `reference` on.
    pub fn truncate(&mut self, reference: usize) {
        self.ids.truncate(reference);
    }

    /// Bytes of memory.
    pub fn memory(&self) -> usize {
        (self.ids.capacity() + self.ends.capacity() + self.known.capacity()) * size_of::<u32>()
            + self.text.capacity()
    }

    /// Bytes of the distinct labels.
    pub fn text_len(&self) -> usize {
        self.text.len()
    }

    /// Empties it; the memory stays for the next use.
    pub fn clear(&mut self) {
        let Self { ids, text, ends, known, hasher: _ } = self;
        ids.clear();
        text.clear();
        ends.clear();
        known.clear();
    }
}

impl Clone for Labels {
    fn clone(&self) -> Self {
        let Self { ids, text, ends, .. } = self;
        Self { ids: ids.clone(), text: text.clone(), ends: ends.clone(), ..Self::default() }
    }
}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_is_kept_once() {
        let mut labels = Labels::default();
        for (reference, label) in [(1, "a"), (2, ""), (5, "a"), (6, "b")] {
            labels.set(reference, label.as_bytes());
        }
        let all = |labels: &Labels| {
            let text = |label: &[u8]| String::from_utf8(label.to_vec()).unwrap();
            (0..8).map(|i| labels.get(i).map_or("-".to_owned(), text)).collect::<Vec<_>>()
        };
        assert_eq!(all(&labels), ["-", "a", "", "-", "-", "a", "b", "-"]);
        assert_eq!(labels.text_len(), 2);
        assert_eq!(all(&labels.clone()), all(&labels));
        let (ids, text, ends) = labels.parts();
        let parts = Labels::from_parts(ids.to_vec(), text.to_vec(), ends.to_vec()).unwrap();
        assert_eq!(all(&parts), all(&labels));
        labels.truncate(5);
        labels.set(5, b"new");
        assert_eq!(all(&labels), ["-", "a", "", "-", "-", "new", "-", "-"]);
        labels.clear();
        assert!(labels.is_empty() && all(&labels) == ["-"; 8]);
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        assert!(Labels::from_parts(vec![1], b"a".to_vec(), vec![1]).is_none());
        assert!(Labels::from_parts(vec![0], b"a".to_vec(), vec![2]).is_none());
        assert!(Labels::from_parts(vec![0], b"ab".to_vec(), vec![2, 1]).is_none());
    }
}
