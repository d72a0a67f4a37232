//! Any bytes after the header of an HPROF file: no panic, with damage refused and with damage skipped.

#![no_main]

use std::{io::Cursor, sync::atomic::AtomicBool};

use heaplake_readers::{ReadOptions, Source, TypeTable, read};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let version = [b'1', b'2', b'3'][bytes.first().map_or(0, |byte| usize::from(*byte % 3))];
    let id_bytes = if bytes.len().is_multiple_of(2) { 4 } else { 8 };
    let header = [b"JAVA PROFILE 1.0.", &[version, 0, 0, 0, 0, id_bytes][..], &[0; 8]].concat();
    for keep_going in [false, true] {
        let options = ReadOptions {
            keep_going,
            threads: 1,
            block_bytes: 1 << 10,
            max_object_bytes: 1 << 20,
            fields: true,
            part: [None, Some(1), Some(2)][bytes.last().map_or(0, |byte| usize::from(*byte % 3))],
            layout: Default::default(),
            work_folder: &std::env::temp_dir(),
            cancel: &AtomicBool::new(false),
            bytes_read: Default::default(),
        };
        let source = Source::stream(Cursor::new([&header, bytes].concat()));
        let types = TypeTable::default();
        let _ = read(source, None, &options, &types, &mut |records| {
            for (_, record) in records.iter() {
                assert!((record.type_id as usize) < types.names().len());
            }
            Ok(())
        });
    }
});
