//! Any bytes as a whole input, small blocks, with and without going on after damage: no panic, no hang.

#![no_main]

use std::{io::Cursor, sync::atomic::AtomicBool};

use heaplake_readers::{ReadOptions, Source, TypeTable, read};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let cancel = AtomicBool::new(false);
    for keep_going in [false, true] {
        let options = ReadOptions {
            keep_going,
            threads: 1,
            block_bytes: 64,
            max_object_bytes: 1 << 16,
            fields: true,
            part: None,
            layout: Default::default(),
            work_folder: &std::env::temp_dir(),
            cancel: &cancel,
            bytes_read: Default::default(),
        };
        let source = Source::stream(Cursor::new(bytes.to_vec()));
        let _ = read(source, None, &options, &TypeTable::default(), &mut |_| Ok(()));
    }
});
