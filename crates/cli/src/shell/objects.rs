//! Commands about objects: who refers to them, what they refer to, paths.

use anyhow::{Context as _, Result, bail};
use heaplake_answers::{Direction, PathShape, address_set, browse, path_shape};
use heaplake_engine::{is_pattern, is_type_name};

use super::{
    Shell,
    references::{Reference, rewrite, rewrite_for_good},
};
use crate::{
    commands::info,
    human,
    output::{Columns, Format, Shape},
};

impl Shell {
    /// Objects as graph functions take them: addresses, a condition, or a path pattern.
    pub(super) fn set_of(&self, text: &str) -> Result<String> {
        let text = unquoted(text.trim());
        if text.is_empty() {
            bail!(
                "which objects? An address, a reference such as #2.5, a condition over obj, or a path pattern"
            );
        }
        let items: Vec<&str> = text.split([',', ' ', '\n', '\t']).filter(|item| !item.is_empty()).collect();
        let references: Option<Vec<Reference>> = items.iter().map(|item| Reference::parse(item)).collect();
        if let Some(references) = references {
            let mut addresses = Vec::new();
            for reference in references {
                addresses.extend(reference.addresses(self)?);
            }
            if self.known_objects(&addresses)? == 0 {
                bail!("{text} is no object of {}", self.chosen().dump.as_deref().unwrap_or("any dump"));
            }
            return Ok(address_set(&addresses));
        }
        let rewritten = rewrite_for_good(text, self)?;
        if !is_pattern(&rewritten) {
            return Ok(rewritten);
        }
        Ok(match path_shape(&rewritten)? {
            PathShape::Objects => rewritten,
            PathShape::Paths => format!("REACH {rewritten}"),
            PathShape::Types => bail!("TYPES gives types and no objects; write REACH"),
        })
    }

    /// How much there is: counts, and bytes with a unit where people read them.
    pub(super) fn stats(&mut self) -> Result<()> {
        let plan = self.console.plan(Shape::default(), None)?;
        if plan.format != Format::Table {
            return self.sql(browse::STATISTICS);
        }
        let rows = browse::statistics(self.session()?)?;
        let shown = |(what, number): &(String, i64)| match what.as_str() {
            "bytes" => human::signed_bytes(*number),
            _ => human::count(number.unsigned_abs()),
        };
        let table = Columns::default()
            .text("what", rows.iter().map(|(what, _)| what.clone()))
            .quantity("number", rows.iter().map(shown));
        plan.print(&table.batch()?)
    }

    /// How many of some addresses are of objects that are left.
    fn known_objects(&self, addresses: &[u64]) -> Result<i64> {
        let Some(session) = &self.session else { return Ok(0) };
        Ok(browse::count_objects(addresses, session)?)
    }

    pub(super) fn neighbours(&mut self, rest: &str, direction: Direction) -> Result<()> {
        if rest == "0" && direction == Direction::Children {
            // As in memsee, where 0 refers to the roots.
            return self.sql(browse::ROOTS);
        }
        let set = self.set_of(rest)?;
        let statement = browse::neighbours_statement(&set, direction, self.session()?)?;
        self.sql(&statement)
    }

    pub(super) fn info(&mut self, rest: &str) -> Result<()> {
        // One word that is neither an address nor a reference is a dump.
        let is_dump = !rest.contains([' ', '\'', '(']) && Reference::parse(unquoted(rest)).is_none();
        if is_dump || rest.contains("--") {
            return self.heaplake("info", rest);
        }
        let set = self.set_of(rest)?;
        let plan = self.console.plan(Shape::default(), None)?;
        info::print_objects(&set, self.session()?, &plan)
    }

    /// `from "COND" to "COND" [reversed]`, or a pattern.
    pub(super) fn path(&mut self, rest: &str) -> Result<()> {
        let pattern = match from_to(rest)? {
            Some((from, to, reversed)) => {
                let (first, arrow, last) = if reversed { (to, "<..", from) } else { (from, "..>", to) };
                let node = |set: &str| match is_type_name(set) {
                    true => set.to_owned(),
                    false => format!("(* WHERE {set})"),
                };
                let pattern = format!("{} {arrow} {}", node(first), node(last));
                let pattern = rewrite(&pattern, self)?;
                self.console.note(&pattern);
                pattern
            }
            None => rewrite(rest, self)?,
        };
        self.pattern(&pattern)
    }
}

/// The text without quotes around the whole of it.
pub(super) fn unquoted(text: &str) -> &str {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    inner.filter(|inner| !inner.contains('"')).unwrap_or(text)
}

/// The conditions of `from "COND" to "COND" [reversed]`; none where it does not begin so.
fn from_to(text: &str) -> Result<Option<(&str, &str, bool)>> {
    let Some(rest) = behind_word(text, "from").filter(|rest| rest.starts_with(['"', '\''])) else {
        return Ok(None);
    };
    let usage = "write path from \"COND\" to \"COND\", and reversed behind it to begin at the other end";
    let (from, rest) = in_quotes(rest).context(usage)?;
    let rest = behind_word(rest, "to").context(usage)?;
    let (to, rest) = in_quotes(rest).context(usage)?;
    match rest.trim().to_ascii_lowercase().as_str() {
        "" => Ok(Some((from, to, false))),
        "reversed" => Ok(Some((from, to, true))),
        _ => bail!(usage),
    }
}

/// What stands behind a word, if the text begins with it.
fn behind_word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let (first, rest) = text.trim_start().split_at_checked(word.len())?;
    first.eq_ignore_ascii_case(word).then(|| rest.trim_start())
}

/// What stands between quotes, and what follows.
fn in_quotes(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    text[1..].split_once(quote)
}
