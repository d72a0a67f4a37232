//! Which addresses are of an object, and which of them something refers to.
//!
//! A hash table of pages of 4 KiB of address space with a bit per 8 bytes: on a real heap, where dozens of objects
//! share a page, ten million objects fit into the processor's cache, and a look-up is one or two cache lines. At
//! worst, with one object per page, 144 bytes an object. Addresses that are no multiple of 8 go into a sorted list.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const PAGE_BITS: u32 = 12;
const SLOT_BITS: u32 = 3;
const WORDS: usize = 1 << (PAGE_BITS - SLOT_BITS - 6);

/// A set of addresses with a mark on each. Fill it, seal it, then mark from any number of threads.
#[derive(Debug, Default)]
pub(super) struct AddressSet {
    /// Page index plus 1 by hash of the page number; 0 is free. The length is a power of two.
    table: Vec<u32>,
    pages: Vec<Page>,
    odd: Vec<u64>,
    odd_marks: Vec<AtomicU64>,
}

#[derive(Debug)]
struct Page {
    number: u64,
    present: [u64; WORDS],
    marked: [AtomicU64; WORDS],
}

impl AddressSet {
    /// Adds an address.
    pub(super) fn insert(&mut self, address: u64) {
        if !address.is_multiple_of(1 << SLOT_BITS) {
            self.odd.push(address);
            return;
        }
        let number = address >> PAGE_BITS;
        let page = match self.pages.last_mut() {
            // Addresses mostly come in order.
            Some(page) if page.number == number => page,
            _ => self.page(number),
        };
        let (word, bit) = place(address);
        page.present[word] |= bit;
    }

    /// Ends the filling.
    pub(super) fn seal(&mut self) {
        self.odd.sort_unstable();
        self.odd.dedup();
        self.odd_marks.resize_with(self.odd.len().div_ceil(64), AtomicU64::default);
        self.pages.shrink_to_fit();
    }

    /// Marks an address; false when it is not in the set.
    #[inline]
    pub(super) fn mark(&self, address: u64) -> bool {
        if !address.is_multiple_of(1 << SLOT_BITS) {
            return self.mark_odd(address);
        }
        let Some(page) = self.find(address >> PAGE_BITS) else { return false };
        let page = &self.pages[page];
        let (word, bit) = place(address);
        if page.present[word] & bit == 0 {
            return false;
        }
        // Most are marked already, and a load leaves the cache line shared.
        if page.marked[word].load(Relaxed) & bit == 0 {
            page.marked[word].fetch_or(bit, Relaxed);
        }
        true
    }

    /// The addresses without a mark, in order.
    pub(super) fn unmarked(&mut self) -> impl Iterator<Item = u64> + '_ {
        self.table = Vec::new();
        self.pages.sort_unstable_by_key(|page| page.number);
        let even = self.pages.iter().flat_map(|page| {
            (0..WORDS).flat_map(move |word| {
                let base = (page.number << PAGE_BITS) + ((word as u64) << (6 + SLOT_BITS));
                let unmarked = page.present[word] & !page.marked[word].load(Relaxed);
                (0..64).filter(move |bit| unmarked >> bit & 1 == 1).map(move |bit| base + (bit << SLOT_BITS))
            })
        });
        let odd_marked = |i: usize| self.odd_marks[i / 64].load(Relaxed) >> (i % 64) & 1 == 1;
        let odd =
            self.odd.iter().enumerate().filter(move |(i, _)| !odd_marked(*i)).map(|(_, address)| *address);
        merge(even, odd)
    }

    /// Bytes of memory that the set holds.
    pub(super) fn memory(&self) -> usize {
        self.table.capacity() * size_of::<u32>()
            + self.pages.capacity() * size_of::<Page>()
            + self.odd.capacity() * size_of::<u64>()
    }

    fn mark_odd(&self, address: u64) -> bool {
        let Ok(i) = self.odd.binary_search(&address) else { return false };
        self.odd_marks[i / 64].fetch_or(1 << (i % 64), Relaxed);
        true
    }

    #[inline]
    fn find(&self, number: u64) -> Option<usize> {
        let mask = self.table.len().checked_sub(1)?;
        let mut slot = hash(number) & mask;
        loop {
            let page = (self.table[slot] as usize).checked_sub(1)?;
            if self.pages[page].number == number {
                return Some(page);
            }
            slot = (slot + 1) & mask;
        }
    }

    /// The page of this number; a new one when it is not there yet.
    fn page(&mut self, number: u64) -> &mut Page {
        let found = self.find(number);
        let i = found.unwrap_or_else(|| {
            self.pages.push(Page { number, present: [0; WORDS], marked: Default::default() });
            if 2 * self.pages.len() > self.table.len() {
                self.rehash();
            } else {
                self.enter(self.pages.len() - 1);
            }
            self.pages.len() - 1
        });
        &mut self.pages[i]
    }

    fn rehash(&mut self) {
        self.table = vec![0; (4 * self.pages.len()).next_power_of_two()];
        (0..self.pages.len()).for_each(|page| self.enter(page));
    }

    fn enter(&mut self, page: usize) {
        let mask = self.table.len() - 1;
        let mut slot = hash(self.pages[page].number) & mask;
        while self.table[slot] != 0 {
            slot = (slot + 1) & mask;
        }
        self.table[slot] = page as u32 + 1;
    }
}

/// The word and the bit of an address within its page.
#[inline]
fn place(address: u64) -> (usize, u64) {
    let slot = (address >> SLOT_BITS) % (1 << (PAGE_BITS - SLOT_BITS));
    ((slot / 64) as usize, 1 << (slot % 64))
}

/// Fibonacci hashing; the good bits are the upper ones.
#[inline]
fn hash(number: u64) -> usize {
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize
}

/// Two sorted sequences as one.
fn merge(a: impl Iterator<Item = u64>, b: impl Iterator<Item = u64>) -> impl Iterator<Item = u64> {
    let (mut a, mut b) = (a.peekable(), b.peekable());
    std::iter::from_fn(move || match (a.peek(), b.peek()) {
        (Some(x), Some(y)) if y < x => b.next(),
        (None, Some(_)) => b.next(),
        _ => a.next(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_a_sorted_set() {
        let mut addresses = vec![0, 1, 7, 8, 4096, 4104, u64::MAX, u64::MAX - 7, 1 << 63];
        let mut state = 1_u64;
        for _ in 0..5_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            addresses.extend([state, state >> 40, (state >> 44) << 4]);
        }
        let mut set = AddressSet::default();
        addresses.iter().for_each(|&address| set.insert(address));
        set.seal();
        let mut model: std::collections::BTreeSet<u64> = addresses.iter().copied().collect();
        for &address in addresses.iter().step_by(3) {
            assert!(set.mark(address), "{address}");
            model.remove(&address);
        }
        for absent in [2, 16, 4097, 5 << 60] {
            assert_eq!(set.mark(absent), addresses.contains(&absent), "{absent}");
            model.remove(&absent);
        }
        assert_eq!(set.unmarked().collect::<Vec<_>>(), model.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn an_empty_set_holds_nothing() {
        let mut set = AddressSet::default();
        set.seal();
        assert!(!set.mark(0) && !set.mark(1));
        assert_eq!(set.unmarked().count(), 0);
    }
}
