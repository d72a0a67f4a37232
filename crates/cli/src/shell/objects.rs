//! Commands about objects: who refers to them, what they refer to, paths.

use std::io::Write as _;

use anyhow::{Context as _, Result, bail};
use arrow::array::RecordBatch;
use heaplake_engine::{PathShape, address, is_pattern, path_shape};

use super::{
    INFO_ROWS, Shell,
    references::{Reference, Step, rewrite, rewrite_for_good},
};
use crate::{
    args::Shape,
    human,
    output::{Format, Plan},
    query::sum,
    rows::{address_set, quoted},
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

    /// How many of some addresses are of objects that are left.
    fn known_objects(&self, addresses: &[u64]) -> Result<i64> {
        let Some(querier) = &self.querier else { return Ok(0) };
        if addresses.is_empty() {
            return Ok(0);
        }
        let query = format!(
            "SELECT count(*) AS n FROM reachable({}) WHERE hops = 0",
            quoted(&address_set(addresses))
        );
        sum(&querier.collect(&query)?, "n")
    }

    pub(super) fn neighbours(&mut self, rest: &str, step: Step) -> Result<()> {
        if rest == "0" && step == Step::Children {
            // As in memsee, where 0 refers to the roots.
            return self.sql(
                "SELECT address, type, name, value, size, retained, root_kind FROM obj WHERE root_kind IS NOT NULL \
                 ORDER BY retained DESC, address",
            );
        }
        let set = self.set_of(rest)?;
        let query = self.neighbours_query(&set, step)?;
        self.sql(&query)
    }

    /// With labels where one object is asked and the dump has some.
    fn neighbours_query(&mut self, set: &str, step: Step) -> Result<String> {
        let (function, other, this) = match step {
            Step::Parents => ("parents", "parent", "child"),
            Step::Children => ("children", "child", "parent"),
        };
        let single = set.strip_prefix('@').and_then(address);
        let (mut label, mut join) = (String::new(), String::new());
        if let Some(at) = single.filter(|_| self.has_labels().unwrap_or(false)) {
            label = "e.label, ".to_owned();
            join = format!(
                "LEFT JOIN (SELECT {other} AS other, min(label) AS label FROM edge WHERE {this} = {at} GROUP BY {other}) e \
                 ON e.other = n.address "
            );
        }
        Ok(format!(
            "SELECT {label}n.address, n.type, o.name, o.value, n.size, n.retained, n.root_kind \
             FROM {function}({}) n LEFT JOIN obj o ON o.address = n.address {join}\
             ORDER BY n.retained DESC, n.address",
            quoted(set)
        ))
    }

    /// Whether references of the chosen dump have labels; the answer is in the statistics of its files.
    fn has_labels(&mut self) -> Result<bool> {
        let batches = self.querier()?.collect("SELECT count(label) AS labels FROM edge")?;
        Ok(sum(&batches, "labels")? > 0)
    }

    pub(super) fn info(&mut self, rest: &str) -> Result<()> {
        // One word that is neither an address nor a reference is a dump.
        let is_dump = !rest.contains([' ', '\'', '(']) && Reference::parse(unquoted(rest)).is_none();
        if is_dump || rest.contains("--") {
            return self.heaplake("info", rest);
        }
        let set = self.set_of(rest)?;
        let plan = Plan::new(Shape::default(), None, &self.console)?;
        let query = format!(
            "SELECT o.address, o.type, o.name, o.value, o.size, o.len, o.root_kind, o.distance, o.retained, \
             o.retained_count, o.idom AS held_by, h.type AS held_by_type \
             FROM (SELECT address FROM reachable({set}) WHERE hops = 0) s JOIN obj o ON o.address = s.address \
             LEFT JOIN obj h ON h.address = o.idom ORDER BY o.address",
            set = quoted(&set)
        );
        let batches = self.querier()?.collect(&query)?;
        let n_objects: usize = batches.iter().map(RecordBatch::num_rows).sum();
        if n_objects == 0 {
            bail!("{} has no such object", self.querier()?.dump_name()?);
        }
        let mut sink = plan.open()?;
        plan.print_all_to(&batches, &mut sink)?;
        if n_objects == 1 && plan.format == Format::Table {
            for (step, what) in [(Step::Parents, "parents"), (Step::Children, "children")] {
                let query = self.neighbours_query(&set, step)?;
                let batches = self.querier()?.collect(&query)?;
                let rows = arrow::compute::concat_batches(batches[0].schema_ref(), &batches)?;
                let n_rows = rows.num_rows();
                let shown = n_rows.min(INFO_ROWS);
                let how_many =
                    if n_rows > shown { format!("the largest {shown} of ") } else { String::new() };
                writeln!(sink, "{what}: {how_many}{}", human::count(n_rows as u64))?;
                if n_rows > 0 {
                    plan.print_to(&rows.slice(0, shown), &mut sink)?;
                }
            }
        }
        sink.commit()
    }

    /// `from "COND" to "COND" [reversed]`, or a pattern.
    pub(super) fn path(&mut self, rest: &str) -> Result<()> {
        let pattern = match from_to(rest)? {
            Some((from, to, reversed)) => {
                let (first, arrow, last) = if reversed { (to, "<..", from) } else { (from, "..>", to) };
                let pattern = format!("(* WHERE {first}) {arrow} (* WHERE {last})");
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
