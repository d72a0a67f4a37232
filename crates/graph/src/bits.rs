//! Sets of small numbers, one bit each.

/// A set of indexes below a bound.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BitSet {
    words: Vec<u64>,
}

impl BitSet {
    /// The empty set of indexes below `len`.
    pub fn new(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(64)] }
    }

    /// The set of some indexes below `len`.
    pub fn of(len: usize, indexes: impl IntoIterator<Item = usize>) -> Self {
        let mut set = Self::new(len);
        indexes.into_iter().for_each(|index| set.insert(index));
        set
    }

    /// Adds an index below the bound.
    #[inline]
    pub fn insert(&mut self, index: usize) {
        self.words[index / 64] |= 1 << (index % 64);
    }

    /// Removes an index.
    #[inline]
    pub fn remove(&mut self, index: usize) {
        self.words[index / 64] &= !(1 << (index % 64));
    }

    /// Adds an index; true if it is new.
    #[inline]
    pub fn set(&mut self, index: usize) -> bool {
        let (word, bit) = (&mut self.words[index / 64], 1 << (index % 64));
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Whether an index is in the set.
    #[inline]
    pub fn contains(&self, index: usize) -> bool {
        self.view().contains(index)
    }

    /// Adds another set of the same bound; true if that adds any index.
    pub fn unite(&mut self, other: Bits<'_>) -> bool {
        let mut new = 0;
        for (word, more) in self.words.iter_mut().zip(other.words) {
            new |= more & !*word;
            *word |= more;
        }
        new != 0
    }

    /// Keeps the indexes that are in another set, too.
    pub fn intersect(&mut self, other: Bits<'_>) {
        for (i, word) in self.words.iter_mut().enumerate() {
            *word &= other.words.get(i).copied().unwrap_or(0);
        }
    }

    /// Removes the indexes of another set.
    pub fn subtract(&mut self, other: Bits<'_>) {
        for (word, less) in self.words.iter_mut().zip(other.words) {
            *word &= !less;
        }
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Number of indexes in the set.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The indexes in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.view().iter()
    }

    /// The set, borrowed.
    #[inline]
    pub fn view(&self) -> Bits<'_> {
        Bits { words: &self.words }
    }

    /// The bits, 64 to a word, lowest first.
    #[inline]
    pub fn words(&self) -> &[u64] {
        &self.words
    }
}

/// A borrowed set. Without any words it is the empty set.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bits<'b> {
    words: &'b [u64],
}

impl<'b> Bits<'b> {
    /// The set of the bits of `words`, lowest first.
    pub fn new(words: &'b [u64]) -> Self {
        Self { words }
    }

    /// Whether an index is in the set.
    #[inline]
    pub fn contains(self, index: usize) -> bool {
        self.words.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 != 0)
    }

    /// The indexes in ascending order.
    pub fn iter(self) -> impl Iterator<Item = usize> + 'b {
        self.words.iter().enumerate().flat_map(|(i, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros() as usize;
                rest &= rest.wrapping_sub(1);
                (bit < 64).then_some(i * 64 + bit)
            })
        })
    }
}
