//! A pattern as SQL over `obj` and `edge`, for engines that know neither paths nor our index.
//!
//! A few hops are written out, each as a subquery of its own, since there are engines without recursion (Spark 3), or with one that
//! has to be by UNION ALL (Spark 4, Trino) and does not end on a cycle. More of them are `WITH RECURSIVE`.
//!
//! Standard SQL ends a recursion only when no row is new. The pairs of object and state are finite, so REACH ends by
//! itself; with the number of hops in a row, which every other selector needs, it ends only where hops are bounded: by
//! the pattern, or by WITHIN. What cannot be said is an error and not another query.

use std::fmt::Write as _;

use heaplake_graph::search::Transition;
use heaplake_model::EdgeKind;
use heaplake_pathql::Selector;
use heaplake_store::Dump;

use super::compile::{Compiled, EdgeRule};
use crate::{Error, Result, mistake};

/// Most transitions that are written out.
const MAX_TRANSITIONS: usize = 500;

/// Most hops that are written out: an engine that repeats a subquery wherever it is named does work by the square of them.
const MAX_WRITTEN_HOPS: u32 = 12;

/// The query as SQL, one statement without the `;`.
pub(crate) fn emit(compiled: &Compiled, manifest: &Dump) -> Result<String> {
    let emitting = Emitting { compiled, manifest };
    emitting.check()?;
    emitting.statement()
}

/// The predicate of references that keep their child alive.
pub fn keeping_alive(kind_column: &str) -> String {
    let others = EdgeKind::ALL.into_iter().filter(|kind| !kind.keeps_alive());
    let others: Vec<String> = others.map(|kind| format!("'{}'", kind.name())).collect();
    format!("{kind_column} NOT IN ({})", others.join(", "))
}

struct Emitting<'e> {
    compiled: &'e Compiled,
    manifest: &'e Dump,
}

fn cannot(what: &str) -> Error {
    Error::query(format!("standard SQL cannot say this: {what}"))
}

impl Emitting<'_> {
    fn check(&self) -> Result<()> {
        let compiled = self.compiled;
        if compiled.selector == Selector::Dominated {
            return Err(cannot("dominators are no join; ask for REACH"));
        }
        if compiled.per.is_some() {
            return Err(cannot(
                "PER needs a search for each object; leave it out, or name one object with @ADDRESS",
            ));
        }
        let n_transitions = compiled.next.iter().map(Vec::len).sum::<usize>() + compiled.starts.len();
        if n_transitions > MAX_TRANSITIONS {
            return Err(cannot(&format!(
                "written out, the pattern has {n_transitions} steps, more than {MAX_TRANSITIONS}; use smaller numbers of repetitions"
            )));
        }
        let counts_hops = compiled.selector != Selector::Reach || compiled.limit.is_some();
        if counts_hops && self.most_hops().is_none() {
            return Err(cannot(&format!(
                "a recursion that counts hops does not end on a cycle, and the pattern sets no bound; add WITHIN 10, \
                 or ask for REACH{}",
                if compiled.selector == Selector::Reach { " without LIMIT" } else { "" }
            )));
        }
        if !self.manifest.indexed && compiled.tests.iter().chain(&compiled.except).any(|test| test.roots) {
            return Err(Error::NotIndexed {
                dump: self.manifest.id.to_string(),
                what: format!("obj of dump {} has no roots yet", self.manifest.id),
            });
        }
        Ok(())
    }

    /// The most hops that a path can have, where there is a bound.
    fn most_hops(&self) -> Option<u32> {
        let longest = self.longest_way();
        match (self.compiled.within, longest) {
            (Some(within), Some(longest)) => Some(within.min(longest)),
            (within, longest) => within.or(longest),
        }
    }

    /// The longest way through the automaton; none where it has loops. O(states + transitions), by Kahn's order.
    fn longest_way(&self) -> Option<u32> {
        let next = &self.compiled.next;
        let accept = next.len();
        let mut n_before = vec![0_usize; accept + 1];
        next.iter().flatten().for_each(|transition| n_before[transition.to as usize] += 1);
        let mut ready: Vec<usize> = (0..=accept).filter(|state| n_before[*state] == 0).collect();
        let mut longest = vec![0_u32; accept + 1];
        let mut n_done = 0;
        while let Some(state) = ready.pop() {
            n_done += 1;
            for transition in next.get(state).into_iter().flatten() {
                let to = transition.to as usize;
                longest[to] = longest[to].max(longest[state] + 1);
                n_before[to] -= 1;
                if n_before[to] == 0 {
                    ready.push(to);
                }
            }
        }
        (n_done == accept + 1).then_some(longest[accept])
    }

    fn statement(&self) -> Result<String> {
        let mut sql = String::new();
        for line in self.compiled.text.lines() {
            let _ = writeln!(sql, "-- {}", mistake::escape(line));
        }
        let is_plain_reach = self.compiled.selector == Selector::Reach
            && self.compiled.limit.is_none()
            && self.compiled.within.is_none();
        let bound = self.most_hops().filter(|most| !is_plain_reach || *most <= MAX_WRITTEN_HOPS);
        let is_recursive = bound.is_none_or(|most| most > MAX_WRITTEN_HOPS)
            || matches!(self.compiled.selector, Selector::AnyShortest | Selector::AllShortest);
        sql += if is_recursive { "WITH RECURSIVE\n" } else { "WITH\n" };
        sql += &self.objects();
        sql += &self.references();
        sql += &self.steps();
        sql += &self.seeds();
        let accept = self.compiled.accept();
        let limit = self.compiled.limit.map(|n| format!("\nLIMIT {n}")).unwrap_or_default();
        let Some(most) = bound else {
            let _ = write!(
                sql,
                "reached(address, state) AS (\n  SELECT address, state FROM seed\n  UNION\n  SELECT step.target, \
                 step.next_state FROM reached JOIN step ON step.source = reached.address AND step.state = \
                 reached.state\n)\nSELECT DISTINCT address FROM reached WHERE state = {accept} ORDER BY address"
            );
            return Ok(sql);
        };
        match self.compiled.selector {
            Selector::Shortest(k) => {
                sql += &walks(most, false);
                let k = self.compiled.limit.map_or(u64::from(k), |limit| limit.min(u64::from(k)));
                let _ = write!(
                    sql,
                    "SELECT DISTINCT hop AS hops, path FROM walk WHERE state = {accept}\nORDER BY hops, path\nLIMIT {k}"
                );
            }
            Selector::AllAcyclic => {
                sql += &walks(most, true);
                let _ = write!(
                    sql,
                    "SELECT DISTINCT hop AS hops, path FROM walk WHERE state = {accept}\nORDER BY hops, path{limit}"
                );
            }
            Selector::AnyShortest | Selector::AllShortest => {
                sql += &reached(most);
                sql += &shortest(accept);
                let any = self.compiled.selector == Selector::AnyShortest && self.compiled.limit != Some(0);
                let _ = write!(
                    sql,
                    "SELECT DISTINCT hop AS hops, path FROM walk WHERE state = {accept}\nORDER BY hops, path{}",
                    if any { "\nLIMIT 1" } else { &limit }
                );
            }
            Selector::Types => {
                sql += &reached(most);
                sql.push('\n');
                let _ = write!(
                    sql,
                    "SELECT nearest.hop, obj.type, count(*) AS objects, sum(CASE WHEN obj.size > 0 THEN obj.size ELSE 0 \
                     END) AS size\nFROM nearest JOIN obj ON obj.address = nearest.address\nWHERE nearest.state = \
                     {accept}\nGROUP BY nearest.hop, obj.type\nORDER BY nearest.hop, objects DESC, obj.type{limit}"
                );
            }
            Selector::Reach | Selector::Dominated => {
                sql += &reached(most);
                sql.push('\n');
                let _ = write!(
                    sql,
                    "SELECT address FROM nearest WHERE state = {accept}\nORDER BY hop, address{limit}"
                );
            }
        }
        Ok(sql)
    }

    /// Objects that may be on a path, with a column for each test.
    fn objects(&self) -> String {
        let mut from = "obj".to_owned();
        let mut columns = String::new();
        for (i, test) in self.compiled.tests.iter().enumerate() {
            // Each predicate calls the object by its own name.
            from = format!(
                "(SELECT *, ({}) AS passes_{i} FROM {from} AS {})",
                test.sql(self.manifest),
                test.alias()
            );
            let _ = write!(columns, ", passes_{i}");
        }
        let mut except = Vec::new();
        for (i, test) in self.compiled.except.iter().enumerate() {
            from = format!(
                "(SELECT *, ({}) AS excepted_{i} FROM {from} AS {})",
                test.sql(self.manifest),
                test.alias()
            );
            except.push(format!("excepted_{i} IS NOT TRUE"));
        }
        let where_ =
            if except.is_empty() { String::new() } else { format!(" WHERE {}", except.join(" AND ")) };
        format!("object AS (\n  SELECT address{columns} FROM {from} AS tested{where_}\n),\n")
    }

    /// References that may be taken.
    fn references(&self) -> String {
        let mut from = "edge".to_owned();
        let mut keep = vec![keeping_alive("kind")];
        if !self.compiled.except_edges.is_empty() {
            let (mut of_parent, mut of_child) = (String::new(), String::new());
            for (i, rule) in self.compiled.except_edges.iter().enumerate() {
                match rule {
                    EdgeRule::Filter(predicate) => keep.push(format!("({predicate}) IS NOT TRUE")),
                    EdgeRule::Hop { parent, label, child } => {
                        let mut parts = Vec::new();
                        for (test, columns, end) in
                            [(parent, &mut of_parent, "parent"), (child, &mut of_child, "child")]
                        {
                            if let Some(test) = test {
                                let _ = write!(columns, ", ({}) AS {end}_{i}", test.sql(self.manifest));
                                parts.push(format!("{end}_{i}"));
                            }
                        }
                        parts.extend(label.clone());
                        let parts = if parts.is_empty() { "true".to_owned() } else { parts.join(" AND ") };
                        keep.push(format!("({parts}) IS NOT TRUE"));
                    }
                }
            }
            from += &format!(
                "\n  JOIN (SELECT address AS parent_address, type AS parent_type{of_parent} FROM obj) AS parent_object \
                 ON parent_address = parent\n  JOIN (SELECT address AS child_address, type AS child_type{of_child} FROM \
                 obj) AS child_object ON child_address = child"
            );
        }
        format!(
            "reference AS (\n  SELECT parent, child, label FROM {from}\n  WHERE {}\n),\n",
            keep.join(" AND ")
        )
    }

    /// The moves of the automaton.
    fn steps(&self) -> String {
        let mut moves = Vec::new();
        for (state, (hop, transitions)) in self.compiled.hops.iter().zip(&self.compiled.next).enumerate() {
            let (source, target) = match hop.way {
                heaplake_graph::Walk::Down => ("parent", "child"),
                heaplake_graph::Walk::Up => ("child", "parent"),
            };
            for transition in transitions {
                let mut tests = passed(transition, "object.");
                tests.extend(hop.label.map(|label| self.compiled.labels[label].clone()));
                let where_ =
                    if tests.is_empty() { String::new() } else { format!(" WHERE {}", tests.join(" AND ")) };
                moves.push(format!(
                    "  SELECT {source} AS source, {state} AS state, {target} AS target, {to} AS next_state FROM reference \
                     JOIN object ON object.address = {target}{where_}",
                    to = transition.to
                ));
            }
        }
        if moves.is_empty() {
            moves.push(
                "  SELECT parent AS source, 0 AS state, child AS target, 0 AS next_state FROM reference WHERE false"
                    .to_owned(),
            );
        }
        format!("step AS (\n{}\n),\n", moves.join("\n  UNION ALL\n"))
    }

    /// Where paths begin.
    fn seeds(&self) -> String {
        let seeds = self.compiled.starts.iter().map(|transition| {
            let tests = passed(transition, "");
            let where_ =
                if tests.is_empty() { String::new() } else { format!(" WHERE {}", tests.join(" AND ")) };
            format!("  SELECT address, {} AS state FROM object{where_}", transition.to)
        });
        format!("seed AS (\n{}\n),\n", seeds.collect::<Vec<_>>().join("\n  UNION ALL\n"))
    }
}

/// The columns of a transition's tests.
fn passed(transition: &Transition, object: &str) -> Vec<String> {
    transition.tests.iter().map(|test| format!("{object}passes_{test}")).collect()
}

/// An address as text that sorts like the number.
fn padded(address: &str) -> String {
    format!("lpad(CAST({address} AS VARCHAR(20)), 20, '0')")
}

/// All walks up to some hops, with their addresses; with `acyclic` those that visit no object twice.
fn walks(most: u32, acyclic: bool) -> String {
    let (seed, target) = (padded("address"), padded("step.target"));
    let is_new = |walk: &str| format!("position({target} IN {walk}.path) = 0");
    if most > MAX_WRITTEN_HOPS {
        let and = if acyclic { format!(" AND {}", is_new("walk")) } else { String::new() };
        return format!(
            "walk(address, state, hop, path) AS (\n  SELECT address, state, 0, {seed} FROM seed\n  UNION\n  SELECT \
             step.target, step.next_state, walk.hop + 1, walk.path || '/' || {target}\n  FROM walk JOIN step ON \
             step.source = walk.address AND step.state = walk.state\n  WHERE walk.hop < {most}{and}\n)\n"
        );
    }
    let next = |walk: &str| {
        let where_ = if acyclic { format!("\n  WHERE {}", is_new(walk)) } else { String::new() };
        format!(
            "SELECT DISTINCT step.target AS address, step.next_state AS state, {walk}.path || '/' || {target} AS path\n  \
             FROM {walk} JOIN step ON step.source = {walk}.address AND step.state = {walk}.state{where_}"
        )
    };
    let first = format!("SELECT DISTINCT address, state, {seed} AS path FROM seed");
    written_out("walk", "address, state", ", path", most, &first, next) + "\n"
}

/// Pairs of object and state with their fewest hops.
fn reached(most: u32) -> String {
    let reached = if most > MAX_WRITTEN_HOPS {
        format!(
            "reached(address, state, hop) AS (\n  SELECT address, state, 0 FROM seed\n  UNION\n  SELECT step.target, \
             step.next_state, reached.hop + 1\n  FROM reached JOIN step ON step.source = reached.address AND \
             step.state = reached.state\n  WHERE reached.hop < {most}\n)"
        )
    } else {
        let next = |reached: &str| {
            format!(
                "SELECT DISTINCT step.target AS address, step.next_state AS state\n  FROM {reached} JOIN step ON \
                 step.source = {reached}.address AND step.state = {reached}.state"
            )
        };
        let first = "SELECT DISTINCT address, state FROM seed";
        written_out("reached", "address, state", "", most, first, next)
    };
    reached
        + ",\nnearest AS (\n  SELECT address, state, min(hop) AS hop FROM reached GROUP BY address, state\n)"
}

/// A subquery for each number of hops up to `most`, and one of the given name that has all their rows and the hops. `next` makes a
/// subquery of the name of the one before it.
fn written_out(
    name: &str,
    columns: &str,
    more_columns: &str,
    most: u32,
    first: &str,
    next: impl Fn(&str) -> String,
) -> String {
    let mut sql = format!("{name}_0 AS (\n  {first}\n),\n");
    let mut all = Vec::new();
    for hop in 0..=most {
        if let Some(before) = hop.checked_sub(1) {
            let _ = write!(sql, "{name}_{hop} AS (\n  {}\n),\n", next(&format!("{name}_{before}")));
        }
        all.push(format!("  SELECT {columns}, {hop} AS hop{more_columns} FROM {name}_{hop}"));
    }
    sql + &format!("{name} AS (\n{}\n)", all.join("\n  UNION ALL\n"))
}

/// Of those the ones on shortest paths, and the paths.
fn shortest(accept: u32) -> String {
    format!(
        ",\nbest AS (\n  SELECT min(hop) AS hop FROM nearest WHERE state = {accept}\n),\nuseful(address, state, hop) AS \
         (\n  SELECT address, state, nearest.hop FROM nearest JOIN best ON best.hop = nearest.hop WHERE state = \
         {accept}\n  UNION\n  SELECT nearest.address, nearest.state, nearest.hop\n  FROM useful JOIN step ON step.target \
         = useful.address AND step.next_state = useful.state\n  JOIN nearest ON nearest.address = step.source AND \
         nearest.state = step.state AND nearest.hop = useful.hop - 1\n),\nwalk(address, state, hop, path) AS (\n  SELECT \
         address, state, 0, {seed} FROM useful WHERE hop = 0\n  UNION\n  SELECT useful.address, useful.state, useful.hop, \
         walk.path || '/' || {target}\n  FROM walk JOIN step ON step.source = walk.address AND step.state = walk.state\n  \
         JOIN useful ON useful.address = step.target AND useful.state = step.next_state AND useful.hop = walk.hop + \
         1\n)\n",
        seed = padded("address"),
        target = padded("useful.address"),
    )
}
