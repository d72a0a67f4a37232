//! How many items the containers of CPython have room for, from their shallow sizes.
//!
//! The size of a container says how large its table is; how full a table may become before it grows is a rule of each version.
//! All on machines of 64 bits, with `H` the collector's header (16 bytes, before 3.8 32 bytes):
//!
//! | type | bytes | items |
//! |---|---|---|
//! | list | H + 40 + 8 per item | as many as there is memory for |
//! | set, frozenset, from 3.7 on | H + 200, with more than 8 slots 16 per slot besides | (3 (slots - 1) - 1) / 5 |
//! | the same, before | | (2 slots - 1) / 3 in 2.7, (2 (slots - 1) - 1) / 3 in 3.x |
//! | dict, 2.7 | H + 248, with more than 8 slots 24 per slot besides | (2 slots - 1) / 3 |
//! | dict, from 3.6 on | H + 48 without a table | 0 |
//! | | H + 48 + 40 (from 3.11 on 32) + a table of slots | 2 slots / 3 |
//! | its table | 1, 2, 4 or 8 bytes per slot and 24 per item (from 3.11 on 16 where all keys are texts) | |
//! | dict of an object that shares its keys | H + 48 + 8 per item | as many as there is memory for |
//!
//! Slots are a power of two from 8 on. Where a size can be that of two tables, it is taken for the smaller one that the items fit
//! into, so that nothing is called unused that may not be. Checked against every version in `tests/test_names.py`.

use crate::Capacity;

/// The capacity of an object of CPython `version`, such as `3.11.7`, with a shallow size in bytes and a number of items.
/// `None` for other types and versions, and for a size that no table has.
pub(crate) fn capacity(version: &str, type_name: &str, size: u64, len: u64) -> Option<Capacity> {
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().ok());
    let version = (numbers.next()??, numbers.next()??);
    let header = match version {
        (2, 7) | (3, 6..=7) => 32,
        (3, 8..=14) => 16,
        _ => return None,
    };
    let size = size.checked_sub(header)?;
    let found = match type_name {
        "list" => items(size.checked_sub(40)?, 8),
        "set" | "frozenset" => set(version, size),
        "dict" if version.0 == 2 => table(size.checked_sub(248)?, 24)
            .map(|slots| Capacity { items: (2 * slots - 1) / 3, item_bytes: 24 }),
        "dict" => dict(version, size.checked_sub(48)?, len),
        _ => None,
    };
    found.filter(|capacity| capacity.items >= len)
}

/// A plain array.
fn items(bytes: u64, item_bytes: u64) -> Option<Capacity> {
    bytes.is_multiple_of(item_bytes).then_some(Capacity { items: bytes / item_bytes, item_bytes })
}

/// The slots of a table: 8 within the object, or a power of two above that.
fn table(bytes: u64, slot_bytes: u64) -> Option<u64> {
    match (bytes, bytes / slot_bytes) {
        (0, _) => Some(8),
        (_, slots) if slots > 8 && slots.is_power_of_two() && bytes.is_multiple_of(slot_bytes) => Some(slots),
        _ => None,
    }
}

fn set(version: (u32, u32), size: u64) -> Option<Capacity> {
    let slots = table(size.checked_sub(200)?, 16)?;
    // An item is added to a table that is less full than this.
    let items = match version {
        (2, _) => (2 * slots - 1) / 3,
        (3, ..=6) => (2 * (slots - 1) - 1) / 3,
        _ => (3 * (slots - 1) - 1) / 5,
    };
    Some(Capacity { items, item_bytes: 16 })
}

fn dict(version: (u32, u32), bytes: u64, len: u64) -> Option<Capacity> {
    if bytes == 0 {
        return Some(Capacity { items: 0, item_bytes: 24 });
    }
    let (head, entries): (u64, &[u64]) = if version < (3, 11) { (40, &[24]) } else { (32, &[16, 24]) };
    let tables = (3..=40).flat_map(|log2| entries.iter().map(move |entry| (1_u64 << log2, *entry)));
    let combined = tables.filter_map(|(slots, item_bytes)| {
        let index_bytes = match slots {
            0..=0xff => 1,
            0x100..=0xffff => 2,
            0x1_0000..=0xffff_ffff => 4,
            _ => 8,
        };
        let items = 2 * slots / 3;
        (head + slots * index_bytes + items * item_bytes == bytes).then_some(Capacity { items, item_bytes })
    });
    let all = combined.chain(self::items(bytes, 8));
    all.filter(|capacity| capacity.items >= len).min_by_key(|capacity| capacity.items)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version, type, items, size as `sys.getsizeof` says, and the capacity.
    const KNOWN: &[(&str, &str, u64, u64, u64)] = &[
        ("2.7.18", "list", 1, 104, 4),
        ("2.7.18", "dict", 5, 280, 5),
        ("2.7.18", "dict", 6, 1048, 21),
        ("2.7.18", "dict", 22, 3352, 85),
        ("2.7.18", "set", 5, 232, 5),
        ("2.7.18", "set", 19, 744, 21),
        ("3.6.15", "set", 4, 232, 4),
        ("3.6.15", "set", 19, 744, 20),
        ("3.7.16", "set", 18, 744, 18),
        ("3.7.16", "dict", 1, 248, 5),
        ("3.8.18", "dict", 0, 64, 0),
        ("3.8.18", "dict", 1, 104, 5),
        ("3.8.18", "dict", 1, 232, 5),
        ("3.10.13", "dict", 11, 640, 21),
        ("3.10.13", "dict", 171, 9312, 341),
        ("3.10.13", "dict", 44_000, 2_621_536, 87_381),
        ("3.11.7", "dict", 1, 184, 5),
        ("3.11.7", "dict", 6, 184, 15),
        ("3.11.7", "dict", 5, 224, 5),
        ("3.11.7", "dict", 6, 272, 10),
        ("3.12.1", "dict", 700, 26_032, 1365),
        ("3.13.0", "dict", 700, 36_952, 1365),
        ("3.13.0", "dict", 0, 296, 29),
        ("3.13.0", "set", 4, 216, 4),
        ("3.13.0", "set", 5, 728, 18),
        ("3.13.0", "frozenset", 77, 8408, 306),
        ("3.13.0", "list", 0, 56, 0),
        ("3.13.0", "list", 17, 248, 24),
    ];

    #[test]
    fn sizes_say_how_much_there_is_room_for() {
        for (version, type_name, len, size, items) in KNOWN {
            let found = capacity(version, type_name, *size, *len).map(|capacity| capacity.items);
            assert_eq!(found, Some(*items), "{version} {type_name} of {len} items in {size} bytes");
        }
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        for (version, type_name, size, len) in [
            ("", "list", 56, 0),
            ("3", "list", 56, 0),
            ("3.99.0", "list", 56, 0),
            ("3.11.7", "tuple", 56, 0),
            ("3.11.7", "list", 55, 0),
            ("3.11.7", "list", 57, 0),
            ("3.11.7", "list", 56, 1),
            ("3.11.7", "dict", 65, 0),
            ("3.11.7", "set", 216 + 16 * 9, 0),
            ("3.11.7", "set", u64::MAX, u64::MAX),
            ("2.7.18", "dict", u64::MAX, 0),
        ] {
            assert_eq!(capacity(version, type_name, size, len), None, "{version} {type_name} {size} {len}");
        }
        assert!(capacity("3.11.7", "dict", u64::MAX - 7, 3).is_none_or(|capacity| capacity.items >= 3));
    }
}
