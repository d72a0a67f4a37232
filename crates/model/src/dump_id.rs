//! The name of a dump. It becomes a folder of the lake and a SQL schema, so it is checked once, here.

use std::{fmt, str::FromStr};

/// A valid dump name: `[A-Za-z0-9][A-Za-z0-9._-]{0,62}`, and not a name that SQL reserves.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DumpId(String);

/// Names of SQL schemas and of selectors, which a dump must not hide.
const RESERVED: [&str; 6] = ["history", "current", "information_schema", "public", "latest", "baseline"];

const MAX_LEN: usize = 63;

/// Why a name cannot be a dump id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name:?} cannot name a dump: {why}; a name is a letter or digit followed by up to 62 letters, digits, \
     '.', '_' or '-'"
)]
pub struct InvalidDumpId {
    name: String,
    why: &'static str,
}

impl DumpId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Makes a valid id of a file name that SQL takes without quotes: removes endings such as `.dump.gz`, writes letters small
    /// and other characters than letters and digits as `_`. Before a digit stands `d`.
    ///
    /// If nothing remains, the id is `dump`.
    pub fn from_file_name(file_name: &str) -> Self {
        const ENDINGS: [&str; 15] = [
            ".gz", ".zst", ".zstd", ".xz", ".bz2", ".meliae", ".dump", ".json", ".jsonl", ".ndjson", ".txt",
            ".out", ".mem", ".heap", ".hprof",
        ];
        let mut stem = file_name;
        while let Some(shorter) = ENDINGS.iter().find_map(|ending| {
            let cut = stem.len().checked_sub(ending.len())?;
            let tail = stem.get(cut..)?;
            (cut > 0 && tail.eq_ignore_ascii_case(ending)).then(|| &stem[..cut])
        }) {
            stem = shorter;
        }
        let plain: String = stem
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
            .skip_while(|c| *c == '_')
            .collect();
        let mut name = match plain.as_str() {
            "" => "dump".to_owned(),
            reserved if is_reserved(reserved) => format!("{reserved}_dump"),
            digits if digits.starts_with(|c: char| c.is_ascii_digit()) => format!("d{digits}"),
            _ => plain,
        };
        name.truncate(MAX_LEN);
        Self(name)
    }
}

fn is_reserved(name: &str) -> bool {
    RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name))
}

impl FromStr for DumpId {
    type Err = InvalidDumpId;

    fn from_str(name: &str) -> Result<Self, InvalidDumpId> {
        let invalid = |why| Err(InvalidDumpId { name: name.to_owned(), why });
        match name.as_bytes() {
            [] => return invalid("it is empty"),
            [first, ..] if !first.is_ascii_alphanumeric() => {
                return invalid("it starts with another character");
            }
            bytes if bytes.len() > MAX_LEN => return invalid("it is too long"),
            bytes if !bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b)) => {
                return invalid("it holds another character");
            }
            _ => {}
        }
        if is_reserved(name) {
            return invalid("it has a meaning of its own");
        }
        Ok(Self(name.to_owned()))
    }
}

impl fmt::Display for DumpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for DumpId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl serde::Serialize for DumpId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for DumpId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_the_pattern_allows() {
        for name in ["a", "0", "before", "lms-2015.11.22_3", &"x".repeat(63)] {
            assert_eq!(name.parse::<DumpId>().map(|id| id.to_string()), Ok(name.to_owned()));
        }
    }

    #[test]
    fn refuses_everything_else() {
        for name in
            ["", ".", "..", "-a", "_a", "a/b", "a b", "ä", "a\0", "a'", &"x".repeat(64), "history", "Public"]
        {
            assert!(name.parse::<DumpId>().is_err(), "{name:?}");
        }
    }

    #[test]
    fn makes_an_id_of_any_file_name() {
        for (file, id) in [
            ("1.dump.gz", "d1"),
            ("lms-before.json.zst", "lms_before"),
            ("my dump.json", "my_dump"),
            ("..", "dump"),
            ("", "dump"),
            ("ä.json", "dump"),
            (".gz", "gz"),
            ("history.json", "history_dump"),
            ("heap.2015.DUMP.GZ", "heap_2015"),
            ("app.hprof.gz", "app"),
        ] {
            let made = DumpId::from_file_name(file);
            assert_eq!(made.as_str(), id, "{file:?}");
            assert_eq!(made.as_str().parse::<DumpId>(), Ok(made));
        }
        assert_eq!(DumpId::from_file_name(&"x".repeat(300)).as_str().len(), 63);
    }
}
