//! Random texts for tests: what people type, in pieces that were never meant to stand beside each other.

/// A source of numbers that needs no crate; xorshift64.
pub(super) struct Random(u64);

/// Words, signs and characters of one to four bytes, of no width and of two columns.
const PARTS: [&str; 64] = [
    "?",
    "\\q",
    "help",
    "select",
    "from",
    "where",
    "type",
    "=",
    "'",
    "''",
    "\"",
    "`",
    " ",
    "  ",
    "\t",
    "\n",
    "\r",
    "\u{a0}",
    "\u{3000}",
    "\u{2028}",
    ";",
    ";;",
    "|",
    "| csv",
    ">",
    "#",
    "#2",
    "#2.",
    "#2.5",
    "$",
    "$leak",
    "^",
    "&",
    "0&",
    "@",
    "@140",
    "0x7f",
    "root",
    "..>",
    "->",
    "-",
    "--",
    "/*",
    "*/",
    "/",
    "(",
    ")",
    "{1,",
    "}",
    "e\u{301}",
    "é",
    "ß",
    "İ",
    "漢字",
    "😀",
    "👩\u{200d}👧",
    "\u{202e}",
    "\u{0}",
    "\u{7f}",
    "\u{1b}[31m",
    "use",
    "set x",
    "\\",
    "import",
];

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(0x2545_f491_4f6c_dd1d ^ (seed << 17))
    }

    /// A number below `n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 1).unwrap_or(usize::MAX) % n
    }

    /// A text of up to `n` pieces.
    pub(super) fn text(&mut self, n: usize) -> String {
        (0..self.below(n + 1)).map(|_| PARTS[self.below(PARTS.len())]).collect()
    }
}
