//! Which addresses are of an object, and which of them something refers to.
//!
//! A hash table of pages of 4 KiB of address space with a bit per 8 bytes: on a real heap, where dozens of objects
//! share a page, ten million objects fit into the processor's cache, and a look-up is one or two cache lines. At
//! worst, with one object per page, 80 bytes an object and 64 more per thread that marks. Addresses that are no multiple of 8 go into a sorted list.

const PAGE_BITS: u32 = 12;
const SLOT_BITS: u32 = 3;
const WORDS: usize = 1 << (PAGE_BITS - SLOT_BITS - 6);

/// A set of addresses. Fill it, seal it, then look up from any number of threads.
#[derive(Debug, Default)]
pub(super) struct AddressSet {
    /// Page index plus 1 by hash of the page number; 0 is free. The length is a power of two.
    table: Vec<u32>,
    pages: Vec<Page>,
    odd: Vec<u64>,
}

#[derive(Debug)]
struct Page {
    number: u64,
    present: [u64; WORDS],
}

/// Which addresses of a set one thread has met. Each has its own, because a shared bit would need an atomic
/// instruction per address, which keeps the processor from waiting for several addresses at once.
#[derive(Debug, Default)]
pub(super) struct Marks {
    pages: Vec<[u64; WORDS]>,
    odd: Vec<u64>,
}

impl Marks {
    /// No mark for any address of a sealed set.
    pub(super) fn new(set: &AddressSet) -> Self {
        Self { pages: vec![[0; WORDS]; set.pages.len()], odd: vec![0; set.odd.len().div_ceil(64)] }
    }

    /// Adds the marks of another thread.
    pub(super) fn merge(&mut self, other: &Self) {
        self.pages.iter_mut().flatten().zip(other.pages.iter().flatten()).for_each(|(a, b)| *a |= b);
        self.odd.iter_mut().zip(&other.odd).for_each(|(a, b)| *a |= b);
    }
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
        self.pages.shrink_to_fit();
    }

    /// Marks an address; false when it is not in the set.
    #[inline]
    pub(super) fn mark(&self, address: u64, marks: &mut Marks) -> bool {
        if !address.is_multiple_of(1 << SLOT_BITS) {
            return self.mark_odd(address, marks);
        }
        let Some(page) = self.find(address >> PAGE_BITS) else { return false };
        let (word, bit) = place(address);
        let present = self.pages[page].present[word] & bit;
        marks.pages[page][word] |= present;
        present != 0
    }

    /// The addresses without a mark, in order.
    pub(super) fn unmarked<'s>(&'s self, marks: &'s Marks) -> impl Iterator<Item = u64> + 's {
        let mut order: Vec<usize> = (0..self.pages.len()).collect();
        order.sort_unstable_by_key(|&page| self.pages[page].number);
        let even = order.into_iter().flat_map(move |i| {
            let Page { number, present } = &self.pages[i];
            (0..WORDS).flat_map(move |word| {
                let base = (number << PAGE_BITS) + ((word as u64) << (6 + SLOT_BITS));
                let unmarked = present[word] & !marks.pages[i][word];
                (0..64).filter(move |bit| unmarked >> bit & 1 == 1).map(move |bit| base + (bit << SLOT_BITS))
            })
        });
        let odd_marked = move |i: usize| marks.odd[i / 64] >> (i % 64) & 1 == 1;
        let odd = self.odd.iter().enumerate().filter(move |(i, _)| !odd_marked(*i)).map(|(_, address)| *address);
        merge(even, odd)
    }

    /// Bytes of memory that the set holds.
    pub(super) fn memory(&self) -> usize {
        self.table.capacity() * size_of::<u32>()
            + self.pages.capacity() * size_of::<Page>()
            + self.odd.capacity() * size_of::<u64>()
    }

    fn mark_odd(&self, address: u64, marks: &mut Marks) -> bool {
        let Ok(i) = self.odd.binary_search(&address) else { return false };
        marks.odd[i / 64] |= 1 << (i % 64);
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
            self.pages.push(Page { number, present: [0; WORDS] });
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
        // Two threads' marks, put together.
        let mut marks = [Marks::new(&set), Marks::new(&set)];
        for (i, &address) in addresses.iter().step_by(3).enumerate() {
            assert!(set.mark(address, &mut marks[i % 2]), "{address}");
            model.remove(&address);
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
    fn an_empty_set_holds_nothing() {
        let mut set = AddressSet::default();
        set.seal();
        let mut marks = Marks::new(&set);
        assert!(!set.mark(0, &mut marks) && !set.mark(1, &mut marks));
        assert_eq!(set.unmarked(&marks).count(), 0);
    }
}
