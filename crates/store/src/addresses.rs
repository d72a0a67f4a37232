//! Sets of addresses: which addresses belong to an object, and which of these something refers to.
//!
//! One bit per 16 bytes of address space, or per 8 if objects begin at such addresses, in pages that a hash table finds by
//! their number. Pages have the size with which bits and table together are smallest: bits are read at random, by every
//! thread, and what is smaller is more often in the caches. On a heap without gaps a page covers 2 MiB, and an object takes a
//! byte or two; if objects are scattered, pages are smaller, down to 4 KiB; at worst, with one object per page, an object
//! takes 80 bytes, and 128 more per thread that marks. Addresses that are not a multiple of 16 (or 8) are in a sorted list.

use heaplake_graph::Id;

/// Bits of an address within a page, from the largest pages to the smallest.
const PAGE_BITS: [u32; 4] = [21, 18, 15, 12];
/// Low bits of an address that are always zero: CPython's allocator aligns to 16 bytes since 3.7, and to 8 before.
const SLOT_BITS: [u32; 2] = [4, 3];
/// Bytes of the table and the list of pages for each page.
const PAGE_TABLE_BYTES: usize = 8 * size_of::<(u64, u32)>() + size_of::<u64>();

/// A set of addresses. Fill it, seal it, then look up from any number of threads.
#[derive(Debug)]
pub(crate) struct AddressSet {
    page_bits: u32,
    slot_bits: u32,
    /// Page number and page index plus 1, by hash of the number; 0 is free. The length is a power of two.
    table: Vec<(u64, u32)>,
    /// The numbers of the pages, by index.
    numbers: Vec<u64>,
    /// The bits of the pages, by index.
    present: Vec<u64>,
    odd: Vec<u64>,
}

/// The addresses of a set that one thread has marked. Each thread has marks of its own, because a shared bit would need an
/// atomic instruction per address, and then cache misses would not overlap.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// The words of the set's pages, each next to the marks of its bits, so that one access finds both. The last word belongs
    /// to no page.
    pages: Vec<[u64; 2]>,
    odd: Vec<u64>,
}

impl Marks {
    /// No mark for any address of a sealed set.
    pub(crate) fn new(set: &AddressSet) -> Self {
        let pages = set.present.iter().chain([&0]).map(|present| [*present, 0]).collect();
        Self { pages, odd: vec![0; set.odd.len().div_ceil(64)] }
    }

    /// Adds the marks of another thread.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.pages.iter_mut().zip(&other.pages).for_each(|([_, a], [_, b])| *a |= b);
        self.odd.iter_mut().zip(&other.odd).for_each(|(a, b)| *a |= b);
    }
}

impl Default for AddressSet {
    /// An empty set with the smallest pages, for addresses that come one by one and in any order.
    fn default() -> Self {
        Self::with_pages(PAGE_BITS[PAGE_BITS.len() - 1], SLOT_BITS[1])
    }
}

impl AddressSet {
    fn with_pages(page_bits: u32, slot_bits: u32) -> Self {
        Self {
            page_bits,
            slot_bits,
            table: Vec::new(),
            numbers: Vec::new(),
            present: Vec::new(),
            odd: Vec::new(),
        }
    }

    /// The sealed set of sorted addresses, with pages as large as their distances allow.
    pub(crate) fn of_sorted(addresses: impl ExactSizeIterator<Item = u64> + Clone) -> Self {
        let all = addresses.clone().fold(0, |all, address| all | address);
        let slot_bits = if all.trailing_zeros() >= SLOT_BITS[0] { SLOT_BITS[0] } else { SLOT_BITS[1] };
        // The table has up to 8 slots for a page, and every thread reads it; the bits are read at random, too.
        let bytes = |bits: u32| {
            let mut last = None;
            let numbers = addresses.clone().map(|address| address >> bits);
            let n_pages = numbers.filter(|number| last.replace(*number) != Some(*number)).count();
            n_pages.saturating_mul((8 << (bits - slot_bits - 6)) + PAGE_TABLE_BYTES)
        };
        // Of several with about as few bytes the largest pages, because they have the smallest table.
        let all_bytes = PAGE_BITS.map(bytes);
        let least = all_bytes.into_iter().min().unwrap_or(0);
        let page_bits = PAGE_BITS.into_iter().zip(all_bytes).find(|(_, bytes)| *bytes <= least + least / 4);
        let page_bits = page_bits.map_or(PAGE_BITS[PAGE_BITS.len() - 1], |(bits, _)| bits);
        let mut set = Self::with_pages(page_bits, slot_bits);
        addresses.for_each(|address| set.insert(address));
        set.seal();
        set
    }

    /// Adds an address.
    pub(crate) fn insert(&mut self, address: u64) {
        if !self.is_even(address) {
            self.odd.push(address);
            return;
        }
        let number = address >> self.page_bits;
        let page = match self.numbers.last() {
            // Addresses mostly come in order.
            Some(last) if *last == number => self.numbers.len() - 1,
            _ => self.page(number),
        };
        let (word, bit) = self.word_and_bit(page, address);
        self.present[word] |= bit;
    }

    /// Ends the filling.
    pub(crate) fn seal(&mut self) {
        self.odd.sort_unstable();
        self.odd.dedup();
        self.present.shrink_to_fit();
    }

    /// Marks an address; false when it is not in the set.
    #[inline]
    pub(crate) fn mark(&self, address: u64, marks: &mut Marks) -> bool {
        self.mark_all(&[address], marks) == 1
    }

    /// Marks addresses; returns how many of them are in the set.
    pub(crate) fn mark_all(&self, addresses: &[u64], marks: &mut Marks) -> usize {
        let (mut words, mut n_found) = ([0; TOGETHER], 0);
        for addresses in addresses.chunks(TOGETHER) {
            for (word, address) in words.iter_mut().zip(addresses) {
                *word = self.word(*address);
                if !self.is_even(*address) {
                    n_found += usize::from(self.mark_odd(*address, marks));
                }
            }
            for (word, address) in words.iter().zip(addresses) {
                let [present, marked] = &mut marks.pages[*word];
                let found = *present & self.bit(*address);
                *marked |= found;
                n_found += usize::from(found != 0);
            }
        }
        n_found
    }

    /// Whether an address is in the set.
    #[inline]
    pub(crate) fn contains(&self, address: u64) -> bool {
        if !self.is_even(address) {
            return self.odd.binary_search(&address).is_ok();
        }
        self.find(address >> self.page_bits).is_some_and(|page| {
            let (word, bit) = self.word_and_bit(page, address);
            self.present[word] & bit != 0
        })
    }

    /// The addresses without a mark, in order.
    pub(crate) fn unmarked<'s>(&'s self, marks: &'s Marks) -> impl Iterator<Item = u64> + 's {
        let mut order: Vec<usize> = (0..self.numbers.len()).collect();
        order.sort_unstable_by_key(|&page| self.numbers[page]);
        let n_words = self.words();
        let even = order.into_iter().flat_map(move |page| {
            let first = self.numbers[page] << self.page_bits;
            (0..n_words).flat_map(move |i| {
                let word = page * n_words + i;
                let base = first + ((i as u64) << (6 + self.slot_bits));
                let unmarked = self.present[word] & !marks.pages[word][1];
                bits(unmarked).map(move |bit| base + (bit << self.slot_bits))
            })
        });
        let odd_marked = move |i: usize| marks.odd[i / 64] >> (i % 64) & 1 == 1;
        let odd =
            self.odd.iter().enumerate().filter(move |(i, _)| !odd_marked(*i)).map(|(_, address)| *address);
        merge(even, odd)
    }

    /// Bytes of memory that the set holds.
    pub(crate) fn memory(&self) -> usize {
        let words = self.numbers.capacity() + self.present.capacity() + self.odd.capacity();
        self.table.capacity() * size_of::<(u64, u32)>() + words * size_of::<u64>()
    }

    fn mark_odd(&self, address: u64, marks: &mut Marks) -> bool {
        let Ok(i) = self.odd.binary_search(&address) else { return false };
        marks.odd[i / 64] |= 1 << (i % 64);
        true
    }

    /// Whether a bit stands for the address, if it is in the set.
    #[inline]
    fn is_even(&self, address: u64) -> bool {
        address & ((1 << self.slot_bits) - 1) == 0
    }

    /// Words of a page.
    #[inline]
    fn words(&self) -> usize {
        1 << (self.page_bits - self.slot_bits - 6)
    }

    /// The word of all pages that has the bit for an address; where there is none, the number of all words.
    #[inline]
    fn word(&self, address: u64) -> usize {
        let page = if self.is_even(address) { self.find(address >> self.page_bits) } else { None };
        page.map_or(self.present.len(), |page| self.word_and_bit(page, address).0)
    }

    /// The word of all pages and its bit that stand for an address.
    #[inline]
    fn word_and_bit(&self, page: usize, address: u64) -> (usize, u64) {
        let word = (address >> self.slot_bits >> 6) as usize & (self.words() - 1);
        (page * self.words() + word, self.bit(address))
    }

    /// The bit of its word that stands for an address.
    #[inline]
    fn bit(&self, address: u64) -> u64 {
        1 << ((address >> self.slot_bits) % 64)
    }

    #[inline]
    fn find(&self, number: u64) -> Option<usize> {
        let mask = self.table.len().checked_sub(1)?;
        let mut slot = hash(number) & mask;
        loop {
            let (found, page) = self.table[slot];
            let page = (page as usize).checked_sub(1)?;
            if found == number {
                return Some(page);
            }
            slot = (slot + 1) & mask;
        }
    }

    /// The page of this number; a new one when it is not there yet.
    fn page(&mut self, number: u64) -> usize {
        if let Some(page) = self.find(number) {
            return page;
        }
        self.numbers.push(number);
        self.present.resize(self.present.len() + self.words(), 0);
        if 4 * self.numbers.len() > self.table.len() {
            self.table = vec![(0, 0); (8 * self.numbers.len()).next_power_of_two()];
            (0..self.numbers.len()).for_each(|page| self.enter(page));
        } else {
            self.enter(self.numbers.len() - 1);
        }
        self.numbers.len() - 1
    }

    fn enter(&mut self, page: usize) {
        let mask = self.table.len() - 1;
        let mut slot = hash(self.numbers[page]) & mask;
        while self.table[slot].1 != 0 {
            slot = (slot + 1) & mask;
        }
        self.table[slot] = (self.numbers[page], page as u32 + 1);
    }
}

/// Where every address of a sorted list is in the list.
#[derive(Debug)]
pub(crate) struct Positions<'p, I> {
    addresses: &'p [u64],
    set: AddressSet,
    /// The words of the pages, and how many addresses come before each. The last one is of no page.
    words: Vec<(u64, I)>,
}

/// Addresses that are looked up together: first their words are looked for, which needs no memory that is far away, then the
/// processor fetches many at once.
const TOGETHER: usize = 64;

impl<'p, I: Id> Positions<'p, I> {
    /// The positions of ascending addresses, without duplicates.
    pub(crate) fn new(addresses: &'p [u64]) -> Self {
        let set = AddressSet::of_sorted(addresses.iter().copied());
        let mut n_before = 0;
        let words = set.present.iter().chain([&0]).map(|word| {
            n_before += word.count_ones() as usize;
            (*word, I::new(n_before - word.count_ones() as usize))
        });
        Self { words: words.collect(), addresses, set }
    }

    /// Number of addresses.
    pub(crate) fn len(&self) -> usize {
        self.addresses.len()
    }

    /// The position of an address, [`Id::NONE`] where it is not in the list.
    #[inline]
    pub(crate) fn of(&self, address: u64) -> I {
        if !self.set.odd.is_empty() {
            return self.addresses.binary_search(&address).map_or(I::NONE, I::new);
        }
        self.at(self.set.word(address), address)
    }

    /// Appends the positions of many addresses to `to`.
    pub(crate) fn append_of(&self, addresses: &[u64], to: &mut Vec<I>) {
        if !self.set.odd.is_empty() {
            to.extend(addresses.iter().map(|address| self.of(*address)));
            return;
        }
        let mut words = [0; TOGETHER];
        for addresses in addresses.chunks(TOGETHER) {
            words.iter_mut().zip(addresses).for_each(|(word, address)| *word = self.set.word(*address));
            to.extend(words.iter().zip(addresses).map(|(word, address)| self.at(*word, *address)));
        }
    }

    #[inline]
    fn at(&self, word: usize, address: u64) -> I {
        let ((present, before), bit) = (self.words[word], self.set.bit(address));
        let lower = (present & (bit - 1)).count_ones() as usize;
        if present & bit == 0 { I::NONE } else { I::new(before.index() + lower) }
    }
}

/// The positions of the bits that are set.
fn bits(mut word: u64) -> impl Iterator<Item = u64> {
    std::iter::from_fn(move || {
        let bit = word.trailing_zeros();
        word &= word.wrapping_sub(1);
        (bit < 64).then_some(u64::from(bit))
    })
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
        let mut sorted = addresses.clone();
        sorted.sort_unstable();
        let mut unsorted = AddressSet::default();
        addresses.iter().for_each(|&address| unsorted.insert(address));
        unsorted.seal();
        check(&unsorted, &addresses);
        check(&AddressSet::of_sorted(sorted.iter().copied()), &addresses);
        // Close together: the largest pages.
        let close: Vec<u64> = (0..200_000).map(|i| 0x7f00_0000_0000 + 16 * i).collect();
        let set = AddressSet::of_sorted(close.iter().copied());
        assert_eq!(set.page_bits, PAGE_BITS[0]);
        check(&set, &close);
        // Some between them, on half the distance.
        let close: Vec<u64> = (0..100_000).map(|i| 0x7f00_0000_0000 + 8 * (i / 3 + i)).collect();
        let set = AddressSet::of_sorted(close.iter().copied());
        assert_eq!(set.slot_bits, 3);
        check(&set, &close);
        // Far apart: memory stays in proportion.
        let far: Vec<u64> = (0..20_000).map(|i| i << 30).collect();
        let set = AddressSet::of_sorted(far.iter().copied());
        assert!(set.memory() < 300 * far.len(), "{}", set.memory());
        check(&set, &far);
    }

    fn check(set: &AddressSet, addresses: &[u64]) {
        let mut model: std::collections::BTreeSet<u64> = addresses.iter().copied().collect();
        // Two threads' marks, put together.
        let mut marks = [Marks::new(set), Marks::new(set)];
        let third: Vec<u64> = addresses.iter().copied().step_by(3).collect();
        for (i, few) in third.chunks(97).enumerate() {
            assert_eq!(set.mark_all(few, &mut marks[i % 2]), few.len());
            few.iter().for_each(|address| _ = model.remove(address));
        }
        for absent in [2, 16, 4097, 5 << 60] {
            assert_eq!(set.mark(absent, &mut marks[0]), addresses.contains(&absent), "{absent}");
            model.remove(&absent);
        }
        let [mut all, other] = marks;
        all.merge(&other);
        assert_eq!(set.unmarked(&all).collect::<Vec<_>>(), model.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn positions_are_those_of_a_binary_search() {
        let even: Vec<u64> =
            (0..50_000).map(|i| 0x7f00_0000_0000 + 48 * i).chain([1 << 60, u64::MAX - 7]).collect();
        let odd: Vec<u64> = even.iter().map(|address| address + address % 5).collect();
        for addresses in [even, odd, vec![], vec![0]] {
            let positions = Positions::<u32>::new(&addresses);
            let near =
                addresses.iter().flat_map(|a| [*a, a.wrapping_add(1), a.wrapping_sub(8), a.wrapping_add(8)]);
            let asked: Vec<u64> = near.chain([0, 1, 8, u64::MAX]).collect();
            let mut all = vec![7];
            positions.append_of(&asked, &mut all);
            for (address, found) in asked.iter().zip(&all[1..]) {
                let expected = addresses.binary_search(address).map_or(u32::NONE, |i| i as u32);
                assert_eq!((positions.of(*address), *found), (expected, expected), "{address:#x}");
            }
        }
    }

    #[test]
    fn an_empty_set_holds_nothing() {
        let mut set = AddressSet::default();
        set.seal();
        let mut marks = Marks::new(&set);
        assert!(!set.mark(0, &mut marks) && !set.mark(1, &mut marks));
        assert_eq!(set.unmarked(&marks).count(), 0);
    }
}
