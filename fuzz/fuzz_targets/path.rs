//! Any text as a path pattern: an error within the text or a query that reads the same when it is written back.

#![no_main]

use heaplake_pathql::{Automaton, parse};

libfuzzer_sys::fuzz_target!(|text: &str| {
    match parse(text) {
        Err(error) => assert!(error.span.start <= error.span.end && error.span.end <= text.len()),
        Ok(query) => {
            let written = query.to_string();
            let again = parse(&written).unwrap_or_else(|error| panic!("{written:?}: {error}"));
            assert_eq!(again.to_string(), written);
            if let Ok(automaton) = Automaton::new(&query) {
                assert_eq!(automaton.next.len(), automaton.hops.len());
            }
        }
    }
});
