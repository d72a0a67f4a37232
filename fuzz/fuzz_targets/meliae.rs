//! Any bytes as one block of a meliae dump: no panic, and records whose texts and references are where they say.

#![no_main]

use heaplake_readers::{TypeTable, meliae};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let types = TypeTable::default();
    let records = meliae::parse(bytes, &types);
    let names = types.names();
    let mut n_refs = 0;
    for (position, record) in records.iter() {
        assert!((record.type_id as usize) < names.len());
        assert!((record.offset as usize) < bytes.len());
        assert_eq!(records.get(position).address, record.address);
        n_refs += record.refs.iter().count();
        for text in [record.name, record.value].into_iter().flatten() {
            assert!(std::str::from_utf8(text).is_ok());
        }
    }
    assert_eq!(n_refs, records.n_refs());
});
