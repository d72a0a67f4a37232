//! The answers of one pattern in several dumps, side by side.
//!
//! Of paths the ways are compared, which are their types with what repeats folded, and how many objects each leads to: all
//! equally short ways of an object count, because which of its paths is first may depend on addresses. Objects are told apart
//! by their type, types by hop and name. So the answers of dumps of different processes can be compared.

use std::{cmp::Reverse, collections::BTreeMap};

use heaplake_engine::PathShape;

use crate::{
    Result, Session,
    rows::{AnswerColumns, quoted},
};

/// An answer, and how much of it each dump has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparedAnswer {
    /// The signature of the paths, the type of the objects, or hop and type.
    pub name: String,
    /// By dump, in the order in which the dumps were given.
    pub by_dump: Vec<AnswerAmount>,
}

/// How much of an answer a dump has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AnswerAmount {
    /// Objects; of a way, those that it leads to.
    pub n: i64,
    /// Bytes of the objects; `None` for ways.
    pub bytes: Option<i64>,
    /// How often the folded part of the longest path repeats; `None` for objects.
    pub repeats: Option<i64>,
}

impl ComparedAnswer {
    /// Whether it is the same in all dumps.
    pub fn is_same(&self) -> bool {
        self.by_dump.windows(2).all(|pair| pair[0] == pair[1])
    }

    /// By how much the last dump has more than the first, of some part.
    pub fn delta(&self, part: fn(&AnswerAmount) -> i64) -> i64 {
        let of = |amount: Option<&AnswerAmount>| amount.map_or(0, part);
        of(self.by_dump.last()).saturating_sub(of(self.by_dump.first()))
    }
}

/// Asks every dump. What the last dump has most more of than the first comes first.
pub fn compare_paths(
    pattern: &str,
    shape: PathShape,
    dumps: &[String],
    session: &Session,
) -> Result<Vec<ComparedAnswer>> {
    let mut answers: BTreeMap<String, Vec<AnswerAmount>> = BTreeMap::new();
    for (position, dump) in dumps.iter().enumerate() {
        let rows = AnswerColumns::new(&session.collect(&statement(pattern, shape, dump))?)?;
        let (names, n) = (rows.texts("answer")?, rows.numbers("n")?);
        let (bytes, repeats) = (rows.optional_numbers("bytes")?, rows.optional_numbers("repeats")?);
        for (i, name) in names.into_iter().enumerate() {
            let amount = AnswerAmount { n: n[i], bytes: bytes[i], repeats: repeats[i] };
            answers.entry(name).or_insert_with(|| vec![AnswerAmount::default(); dumps.len()])[position] =
                amount;
        }
    }
    let answers = answers.into_iter().map(|(name, by_dump)| ComparedAnswer { name, by_dump });
    let mut answers: Vec<ComparedAnswer> = answers.collect();
    answers.sort_by_key(|answer| {
        Reverse((answer.delta(|amount| amount.n), answer.delta(|amount| amount.bytes.unwrap_or(0))))
    });
    Ok(answers)
}

fn statement(pattern: &str, shape: PathShape, dump: &str) -> String {
    let arguments = format!("{}, {}", quoted(pattern), quoted(dump));
    match shape {
        PathShape::Paths => format!(
            "SELECT signature AS answer, objects AS n, NULL AS bytes, repeats FROM path_ways({arguments})"
        ),
        PathShape::Objects => format!(
            "SELECT type AS answer, count(*) AS n, sum(size) AS bytes, NULL AS repeats \
             FROM path_nodes({arguments}) GROUP BY type"
        ),
        PathShape::Types => format!(
            "SELECT concat('hop ', hop, ': ', type) AS answer, sum(objects) AS n, sum(size) AS bytes, NULL AS repeats \
             FROM path({arguments}) GROUP BY 1"
        ),
    }
}
