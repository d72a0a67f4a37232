//! Arrays of numbers that are mostly small, with one or two bytes for each.
//!
//! The largest number of one or two bytes stands for a number that does not fit. These are in a list of their own, by
//! position; finding one is a binary search, so that an array has narrow numbers only if few do not fit ([`MAX_LARGE`]).

use std::ops::Range;

/// A type of number that arrays can have.
pub trait Number: Copy + From<u16> + TryInto<u16> {}

impl Number for u32 {}
impl Number for u64 {}

/// In how many numbers one may be too large for the narrow form.
const MAX_LARGE: usize = 64;

/// A borrowed array of numbers, narrow or not.
#[derive(Debug, Clone, Copy)]
pub struct Numbers<'n, T> {
    stored: Stored<'n, T>,
    large_at: &'n [u64],
    large: &'n [T],
}

/// How the numbers of an array are stored.
#[derive(Debug, Clone, Copy)]
pub enum Stored<'n, T> {
    /// One byte each; 255 stands for a larger number.
    One(&'n [u8]),
    /// Two bytes each; 65,535 stands for a larger number.
    Two(&'n [u16]),
    /// As they are.
    Full(&'n [T]),
}

impl<'n, T: Number> Numbers<'n, T> {
    /// Takes what is stored, and the numbers that are too large for it with their positions, ascending.
    pub fn new(stored: Stored<'n, T>, large_at: &'n [u64], large: &'n [T]) -> Self {
        Self { stored, large_at, large }
    }

    /// Number of numbers.
    #[inline]
    pub fn len(self) -> usize {
        match self.stored {
            Stored::One(numbers) => numbers.len(),
            Stored::Two(numbers) => numbers.len(),
            Stored::Full(numbers) => numbers.len(),
        }
    }

    /// Whether there are no numbers.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The number at an index; panics beyond the end.
    #[inline]
    pub fn at(self, i: usize) -> T {
        match self.stored {
            Stored::One(numbers) if numbers[i] != u8::MAX => T::from(u16::from(numbers[i])),
            Stored::Two(numbers) if numbers[i] != u16::MAX => T::from(numbers[i]),
            Stored::Full(numbers) => numbers[i],
            _ => self.large(i),
        }
    }

    /// The number at an index; `None` beyond the end.
    #[inline]
    pub fn get(self, i: usize) -> Option<T> {
        (i < self.len()).then(|| self.at(i))
    }

    /// All numbers.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = T> + ExactSizeIterator + 'n {
        self.iter_in(0..self.len())
    }

    /// The numbers at the indexes of a range.
    pub fn iter_in(self, range: Range<usize>) -> impl DoubleEndedIterator<Item = T> + ExactSizeIterator + 'n {
        range.map(move |i| self.at(i))
    }

    /// All numbers, in memory of their own.
    pub fn to_vec(self) -> Vec<T> {
        match self.stored {
            Stored::Full(numbers) => numbers.to_vec(),
            _ => (0..self.len()).map(|i| self.at(i)).collect(),
        }
    }

    #[cold]
    fn large(self, i: usize) -> T {
        let found = self.large_at.binary_search(&(i as u64)).ok();
        // A number that is not in the list, of a file that is not what heaplake writes, is the largest narrow one.
        found.and_then(|found| self.large.get(found).copied()).unwrap_or(match self.stored {
            Stored::One(_) => T::from(u8::MAX.into()),
            _ => T::from(u16::MAX),
        })
    }
}

impl<T> Default for Numbers<'_, T> {
    fn default() -> Self {
        Self { stored: Stored::Full(&[]), large_at: &[], large: &[] }
    }
}

impl<'n, T> From<&'n [T]> for Numbers<'n, T> {
    fn from(numbers: &'n [T]) -> Self {
        Self { stored: Stored::Full(numbers), large_at: &[], large: &[] }
    }
}

impl<'n, T> From<&'n Vec<T>> for Numbers<'n, T> {
    fn from(numbers: &'n Vec<T>) -> Self {
        numbers.as_slice().into()
    }
}

/// Numbers in a narrow form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NarrowNumbers<T> {
    /// The numbers.
    pub stored: NarrowStored,
    /// The positions of those that are too large, ascending.
    pub large_at: Vec<u64>,
    /// Those that are too large.
    pub large: Vec<T>,
}

/// Narrow numbers, by their bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NarrowStored {
    /// As [`Stored::One`].
    One(Vec<u8>),
    /// As [`Stored::Two`].
    Two(Vec<u16>),
}

impl<T: Number> NarrowNumbers<T> {
    /// The narrowest form of some numbers, which are run through several times; `None` if too many are large.
    pub fn of(numbers: impl ExactSizeIterator<Item = T> + Clone) -> Option<Self> {
        let two = |number: T| number.try_into().unwrap_or(u16::MAX);
        let one = |number: T| u8::try_from(two(number)).unwrap_or(u8::MAX);
        let (mut n_one, mut n_two) = (0, 0);
        for number in numbers.clone() {
            n_one += usize::from(one(number) == u8::MAX);
            n_two += usize::from(two(number) == u16::MAX);
        }
        let most = numbers.len() / MAX_LARGE;
        let (stored, is_large): (_, fn(u16) -> bool) = if n_one <= most {
            (NarrowStored::One(numbers.clone().map(one).collect()), |two| two >= u8::MAX.into())
        } else if n_two <= most {
            (NarrowStored::Two(numbers.clone().map(two).collect()), |two| two == u16::MAX)
        } else {
            return None;
        };
        let all = numbers.enumerate().filter(|(_, number)| is_large(two(*number)));
        let (large_at, large) = all.map(|(i, number)| (i as u64, number)).unzip();
        Some(Self { stored, large_at, large })
    }

    /// The numbers, borrowed.
    pub fn view(&self) -> Numbers<'_, T> {
        let stored = match &self.stored {
            NarrowStored::One(numbers) => Stored::One(numbers),
            NarrowStored::Two(numbers) => Stored::Two(numbers),
        };
        Numbers { stored, large_at: &self.large_at, large: &self.large }
    }
}

/// An array of numbers that owns its memory, in the narrowest form that the numbers have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NumbersBuf<T> {
    /// Narrow.
    Narrow(NarrowNumbers<T>),
    /// As they are.
    Full(Vec<T>),
}

impl<T: Number> NumbersBuf<T> {
    /// Takes the numbers; their memory is given back if they are kept in a narrow form.
    pub fn of(numbers: Vec<T>) -> Self {
        NarrowNumbers::of(numbers.iter().copied()).map_or(Self::Full(numbers), Self::Narrow)
    }

    /// The numbers, borrowed.
    pub fn view(&self) -> Numbers<'_, T> {
        match self {
            Self::Narrow(narrow) => narrow.view(),
            Self::Full(numbers) => numbers.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n` zeros, with some numbers from the front on.
    fn mostly_small<T: Number>(n: usize, some: &[T]) -> Vec<T> {
        let mut numbers = vec![T::from(0); n];
        numbers[..some.len()].copy_from_slice(some);
        numbers
    }

    #[track_caller]
    fn check<T: Number + PartialEq + std::fmt::Debug>(numbers: &[T], bytes: usize) {
        let buf = NumbersBuf::of(numbers.to_vec());
        let view = buf.view();
        let found = match view.stored {
            Stored::One(_) => 1,
            Stored::Two(_) => 2,
            Stored::Full(_) => size_of::<T>(),
        };
        assert_eq!(found, bytes);
        assert_eq!(view.to_vec(), numbers);
        assert!(view.iter().eq(numbers.iter().copied()));
        assert!((0..numbers.len()).all(|i| view.at(i) == numbers[i] && view.get(i) == Some(numbers[i])));
        assert_eq!(view.get(numbers.len()), None);
    }

    #[test]
    fn the_narrowest_form_that_has_few_large_numbers() {
        check::<u64>(&[], 1);
        check::<u32>(&[254, 0, 1], 1);
        check::<u32>(&[255, 0, 1], 2);
        check::<u64>(&[65_534, 0, 1], 2);
        check::<u64>(&[65_535, 0, 1], 8);
        check(&mostly_small(64, &[u64::MAX]), 1);
        check(&mostly_small(128, &[255_u32, u32::MAX]), 1);
        check(&mostly_small(128, &[256_u32, 300, 65_535]), 2);
        check(&mostly_small(128, &[65_535_u64, 1 << 40, 70_000]), 8);
        check(&mostly_small(192, &[1_u64 << 63, 255, 65_536]), 1);
    }

    #[test]
    fn a_large_number_that_is_not_in_the_list_is_the_largest_narrow_one() {
        let numbers = Numbers::<u64>::new(Stored::One(&[255, 7]), &[], &[]);
        assert_eq!((numbers.at(0), numbers.at(1)), (255, 7));
        assert_eq!(Numbers::<u64>::new(Stored::Two(&[65_535]), &[0], &[]).at(0), 65_535);
    }
}
