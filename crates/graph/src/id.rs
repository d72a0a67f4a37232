//! Node and edge numbers.

use std::{fmt::Debug, hash::Hash};

use crate::Number;

/// A node's number, or a position among the edges: `u32` while they fit, `u64` above.
pub trait Id: Number + bytemuck::Pod + Ord + Hash + Debug + Default + Send + Sync + sealed::Sealed {
    /// Stands for no node. Larger than every number in use.
    const NONE: Self;
    /// The largest number that can be in use.
    const MAX_INDEX: usize;

    /// The number of an index, which is at most [`Self::MAX_INDEX`].
    fn new(index: usize) -> Self;

    /// The index.
    fn index(self) -> usize;
}

impl Id for u32 {
    const NONE: Self = u32::MAX;
    const MAX_INDEX: usize = u32::MAX as usize - 1;

    #[inline(always)]
    fn new(index: usize) -> Self {
        debug_assert!(index <= Self::MAX_INDEX, "{index} needs wide ids");
        index as u32
    }

    #[inline(always)]
    fn index(self) -> usize {
        self as usize
    }
}

impl Id for u64 {
    const NONE: Self = u64::MAX;
    const MAX_INDEX: usize = usize::MAX - 1;

    #[inline(always)]
    fn new(index: usize) -> Self {
        index as u64
    }

    #[inline(always)]
    fn index(self) -> usize {
        self as usize
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for u32 {}
    impl Sealed for u64 {}
}
