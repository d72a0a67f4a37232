//! Any bytes as one block of a meliae dump: no panic, and rows whose texts and references are where they say.

#![no_main]

use heaplake_readers::{TypeTable, meliae};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let types = TypeTable::default();
    let batch = meliae::parse(bytes, &types);
    let names = types.names();
    for row in &batch.rows {
        assert!((row.type_id as usize) < names.len());
        assert!((row.offset as usize) < bytes.len());
        let _ = batch.refs(row);
        for text in [batch.name(row), batch.value(row)].into_iter().flatten() {
            assert!(std::str::from_utf8(text).is_ok());
        }
    }
});
