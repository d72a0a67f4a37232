//! Random texts: no panic, no endless work, spans within the text, and what is understood reads the same when it is
//! written back. The fuzz target `path` asks the same with a tool that searches.

use heaplake_pathql::{Automaton, parse};

/// Pieces that patterns are made of, and what breaks them.
const PIECES: &[&str] = &[
    "A",
    "root",
    "*",
    "dict",
    "a.B",
    "Ty*",
    "\"x y\"",
    "\"",
    "/r/",
    "/",
    "@12",
    "@0x7f",
    "@",
    "$n",
    "#2.5",
    "->",
    "..>",
    "..{1,3}>",
    "..{2}>",
    "..{",
    "<-",
    "<..",
    "<..{,2}",
    "-.l->",
    "<-[3]-",
    "-\"q\"|b*->",
    "-",
    "<",
    ">",
    "(",
    ")",
    "?",
    "+",
    "*",
    "{2}",
    "{1,}",
    "{0,2}",
    "{",
    "|",
    ",",
    ":",
    "x: ",
    "(x: A WHERE size > 1)",
    "WHERE",
    "EXCEPT",
    "EDGES",
    "PER x",
    "WITHIN 3",
    "LIMIT 2",
    "SHORTEST 2",
    "ALL SHORTEST",
    "ALL ACYCLIC",
    "REACH",
    "TYPES",
    "DOMINATED",
    "é",
    "\u{202e}",
    " ",
    "\n",
    "'",
    "..",
    ".",
    "12",
    "999999999999999999999",
];

/// xorshift64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }
}

#[test]
fn any_text_is_a_query_or_an_error_with_a_place() {
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let mut n_queries = 0;
    for _ in 0..200_000 {
        let n_pieces = 1 + chance.below(9);
        let pieces: Vec<&str> = (0..n_pieces).map(|_| PIECES[chance.below(PIECES.len())]).collect();
        let text = pieces.join(if chance.below(2) == 0 { " " } else { "" });
        match parse(&text) {
            Err(error) => {
                let span = error.span.clone();
                assert!(text.get(span).is_some(), "{text:?}: {error:?}");
            }
            Ok(query) => {
                n_queries += 1;
                let written = query.to_string();
                let again =
                    parse(&written).unwrap_or_else(|error| panic!("{text:?} as {written:?}: {error}"));
                assert_eq!(again.to_string(), written, "{text:?}");
                let automaton = Automaton::new(&query).unwrap_or_else(|error| panic!("{text:?}: {error}"));
                assert_eq!(automaton.next.len(), automaton.hops.len(), "{text:?}");
            }
        }
    }
    assert!(n_queries > 1000, "only {n_queries} texts were queries");
}
