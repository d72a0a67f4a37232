//! The settings of mimalloc, the memory allocator of both binaries.

use libmimalloc_sys::{mi_option_set, mi_option_t};

/// `mi_option_purge_delay` of mimalloc's `mi_option_t`, a name that the crate lacks.
const PURGE_DELAY: mi_option_t = 15;

/// Returns memory to the system when it is freed. Without this it is kept for a second, in case it is needed
/// again: that is a little faster, but what is kept comes on top of what a memory limit counts.
#[allow(unsafe_code)]
pub fn give_back_at_once() {
    // SAFETY: the function stores a number in an array of mimalloc, and ignores an option that it does not know. While the
    // command line is read there is no other thread, which could read the number at the same time.
    unsafe { mi_option_set(PURGE_DELAY, 0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(unsafe_code)]
    fn the_option_is_the_one_that_mimalloc_begins_with_a_second() {
        // SAFETY: it reads a number, which no thread of this test changes.
        assert_eq!(unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) }, 1000);
    }
}
