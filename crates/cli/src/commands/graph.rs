//! `heaplake graph`: a drawing of objects with what refers to them, or what they refer to, or of paths.
//!
//! The drawing is a text in DOT, the language of Graphviz; pictures are made of it by Graphviz itself.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
    path::Path,
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context as _, Result, bail};
use arrow::array::RecordBatch;
use heaplake_engine::{PathShape, path_shape};

use crate::{
    args::{GraphFormat, GraphQueryArgs},
    console::Console,
    escape, human, interrupt,
    output::Sink,
    query::Querier,
    rows::{Rows, address_rows, addresses_of, quoted},
};

/// Objects that a drawing begins with, at most: nobody can look at more.
const MAX_STARTS: usize = 200;
/// Characters of a name or value that are drawn.
const MAX_CHARS: usize = 40;

/// Draws.
pub fn run(args: &GraphQueryArgs, console: &Console) -> Result<ExitCode> {
    let format = format(args)?;
    interrupt::install()?;
    let (querier, manifest) = Querier::of_dump(args.dump.as_deref(), &args.graph, console)?;
    let mut drawing = Drawing::default();
    match (&args.path, &args.objects) {
        (Some(pattern), _) => drawing.add_paths(pattern, &querier)?,
        (None, Some(objects)) => drawing.add_neighbours(objects, args, &querier)?,
        (None, None) => bail!("which objects? An address, a condition over obj, or --path PATTERN"),
    }
    if drawing.nodes.is_empty() {
        bail!("{} has no such object", manifest.id);
    }
    let dot = drawing.dot(manifest.id.as_str());
    let bytes = match format {
        GraphFormat::Dot => dot.into_bytes(),
        GraphFormat::Svg | GraphFormat::Png => picture(&dot, format)?,
    };
    let mut sink = match &args.output {
        Some(path) if path != Path::new("-") => Sink::file(path)?,
        _ => Sink::stdout(),
    };
    sink.write_all(&bytes)?;
    sink.commit()?;
    if let Some(path) = &args.output {
        let objects = human::counted(drawing.nodes.len() as u64, "object");
        let more = match drawing.n_more() {
            0 => String::new(),
            n => format!("; {} more are left out, see --children", human::count(n)),
        };
        console.note(&format!("{}: {objects}{more}", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn format(args: &GraphQueryArgs) -> Result<GraphFormat> {
    let ending = args.output.as_deref().and_then(Path::extension).and_then(|ending| ending.to_str());
    let format = match (args.format, ending, &args.output) {
        (Some(format), ..) => format,
        (None, Some("dot" | "gv"), _) | (None, _, None) => GraphFormat::Dot,
        (None, Some("svg"), _) => GraphFormat::Svg,
        (None, Some("png"), _) => GraphFormat::Png,
        (None, _, Some(path)) if path == Path::new("-") => GraphFormat::Dot,
        (None, _, Some(path)) => {
            bail!("the ending of {} names no format; .dot, .svg and .png do, or --format", path.display())
        }
    };
    if format == GraphFormat::Png && args.output.is_none() && io::stdout().is_terminal() {
        bail!("a picture is not for a terminal; write it to a file with -o FILE");
    }
    Ok(format)
}

/// Lets Graphviz draw.
fn picture(dot: &str, format: GraphFormat) -> Result<Vec<u8>> {
    let option = if format == GraphFormat::Svg { "-Tsvg" } else { "-Tpng" };
    let mut command = Command::new("dot");
    command.arg(option).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
            "pictures are drawn by Graphviz, and there is no program `dot`; install it (apt install graphviz, brew \
             install graphviz), or write a .dot file"
        ),
        child => child.context("cannot start dot, the program of Graphviz")?,
    };
    let mut input = child.stdin.take().context("dot has no input")?;
    let text = dot.to_owned();
    // Beside the reading of its output, or both could wait for each other.
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output().context("dot has failed")?;
    let written = writer.join();
    if !output.status.success() {
        bail!("dot has failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    if !matches!(written, Ok(Ok(()))) {
        bail!("dot did not read its input");
    }
    Ok(output.stdout)
}

/// Objects and references, as far as they are drawn.
#[derive(Debug, Default)]
struct Drawing {
    nodes: BTreeMap<u64, Node>,
    /// By parent and child.
    edges: BTreeMap<(u64, u64), Edge>,
    /// By object, how many are not drawn that refer to it, and to which it refers.
    more_parents: BTreeMap<u64, u64>,
    more_children: BTreeMap<u64, u64>,
}

#[derive(Debug, Clone, Default)]
struct Node {
    /// Hops from where the drawing begins.
    depth: usize,
    text: Vec<String>,
    is_root: bool,
}

#[derive(Debug, Clone, Default)]
struct Edge {
    labels: Vec<String>,
    is_weak: bool,
}

/// The columns of an object that are drawn.
const OBJECT: &str = "o.type, o.name, o.value, o.size, o.retained, o.root_kind";

impl Drawing {
    fn n_more(&self) -> u64 {
        self.more_parents.values().chain(self.more_children.values()).sum()
    }

    /// Adds objects and, level by level, what refers to them, or what they refer to.
    fn add_neighbours(&mut self, objects: &str, args: &GraphQueryArgs, querier: &Querier) -> Result<()> {
        let query = format!(
            "SELECT o.address, {OBJECT} FROM (SELECT address FROM reachable({}) WHERE hops = 0) s \
             JOIN obj o ON o.address = s.address ORDER BY o.retained DESC, o.address LIMIT {}",
            quoted(objects),
            MAX_STARTS + 1
        );
        let starts = Found::new(&querier.collect(&query)?, "address")?;
        if starts.at.len() > MAX_STARTS {
            bail!("these are more than {MAX_STARTS} objects; nobody can look at such a drawing");
        }
        let mut level = Vec::new();
        for (row, address) in starts.at.iter().enumerate() {
            self.nodes.entry(*address).or_insert_with(|| starts.node(row, 0));
            level.push(*address);
        }
        for depth in 1..=args.depth as usize {
            if level.is_empty() {
                break;
            }
            level = self.add_level(&level, depth, args, querier)?;
        }
        Ok(())
    }

    /// Adds what is one hop from some objects; those that are new.
    fn add_level(
        &mut self,
        level: &[u64],
        depth: usize,
        args: &GraphQueryArgs,
        querier: &Querier,
    ) -> Result<Vec<u64>> {
        let (this, other) = if args.refs { ("parent", "child") } else { ("child", "parent") };
        querier.show("drawn", &[address_rows(level)?])?;
        let query = format!(
            "SELECT * FROM ( \
               SELECT e.{this} AS this, e.{other} AS other, e.label, e.is_weak, {OBJECT}, \
                 row_number() OVER (PARTITION BY e.{this} ORDER BY o.retained DESC NULLS LAST, e.{other}) AS place, \
                 count(*) OVER (PARTITION BY e.{this}) AS n \
               FROM (SELECT parent, child, string_agg(DISTINCT label, ', ') AS label, min(kind) = 'weak' AS is_weak \
                     FROM edge WHERE {this} IN (SELECT address FROM drawn) GROUP BY parent, child) e \
               JOIN obj o ON o.address = e.{other} \
             ) WHERE place <= {} ORDER BY this, place",
            args.children
        );
        let batches = querier.collect(&query)?;
        let found = Found::new(&batches, "other")?;
        let rows = Rows::new(&batches)?;
        let (labels, weak) = (rows.texts("label")?, rows.texts("is_weak")?);
        let (this, total) = (addresses_of(&batches, "this")?, rows.numbers("n")?);
        let mut new = Vec::new();
        for (row, other) in found.at.iter().enumerate() {
            let more = total[row].unwrap_or_default().unsigned_abs().saturating_sub(args.children.into());
            let (parent, child) = if args.refs { (this[row], *other) } else { (*other, this[row]) };
            if more > 0 {
                let of = if args.refs { &mut self.more_children } else { &mut self.more_parents };
                of.insert(this[row], more);
            }
            let is_weak = weak[row] == "true";
            let edge = self.edges.entry((parent, child)).or_default();
            edge.is_weak = is_weak;
            edge.add_label(&labels[row]);
            if let std::collections::btree_map::Entry::Vacant(entry) = self.nodes.entry(*other) {
                let node = entry.insert(found.node(row, depth));
                // Who asks what keeps an object alive has the answer at a root, and weak references keep nothing.
                if (args.refs || !node.is_root) && !is_weak {
                    new.push(*other);
                }
            }
        }
        Ok(new)
    }

    /// Adds the paths that a pattern finds.
    fn add_paths(&mut self, pattern: &str, querier: &Querier) -> Result<()> {
        if path_shape(pattern)? != PathShape::Paths {
            bail!("REACH, DOMINATED and TYPES give no paths that could be drawn");
        }
        let batches = querier.collect(&format!("SELECT * FROM path({})", quoted(pattern)))?;
        let found = Found::new(&batches, "address")?;
        let rows = Rows::new(&batches)?;
        let (arrows, labels, hops) = (rows.texts("arrow")?, rows.texts("label")?, rows.numbers("hop")?);
        for (row, address) in found.at.iter().enumerate() {
            let hop = hops[row].unwrap_or_default();
            self.nodes
                .entry(*address)
                .or_insert_with(|| found.node(row, usize::try_from(hop).unwrap_or_default()));
            if hop == 0 {
                continue;
            }
            let before = found.at[row - 1];
            let ends = if arrows[row].starts_with('<') { (*address, before) } else { (before, *address) };
            self.edges.entry(ends).or_default().add_label(&labels[row]);
        }
        Ok(())
    }

    /// The drawing in DOT.
    fn dot(&self, dump: &str) -> String {
        let mut text = format!("digraph {} {{\n", in_dot(dump));
        text += "  graph [rankdir=TB, fontname=\"sans-serif\"];\n";
        text += "  node [shape=box, style=\"filled,rounded\", fontname=\"sans-serif\", fontsize=10];\n";
        text += "  edge [fontname=\"sans-serif\", fontsize=9];\n";
        let deepest = self.nodes.values().map(|node| node.depth).max().unwrap_or_default();
        for (address, node) in &self.nodes {
            let mut lines = node.text.clone();
            lines.push(format!("@{address:#x}"));
            let border = if node.is_root { ", penwidth=2.5" } else { "" };
            let color = color(node.depth, deepest);
            add(
                &mut text,
                &format!("  o{address:x} [label={}, fillcolor=\"{color}\"{border}];\n", label(&lines)),
            );
        }
        for ((parent, child), edge) in &self.edges {
            let mut attributes = Vec::new();
            if !edge.labels.is_empty() {
                attributes.push(format!("label={}", label(&edge.labels)));
            }
            if edge.is_weak {
                attributes.push("style=dotted".to_owned());
            }
            let attributes = match attributes.is_empty() {
                true => String::new(),
                false => format!(" [{}]", attributes.join(", ")),
            };
            add(&mut text, &format!("  o{parent:x} -> o{child:x}{attributes};\n"));
        }
        for (more, are_parents) in [(&self.more_parents, true), (&self.more_children, false)] {
            for (address, n) in more {
                let name = format!("{}{address:x}", if are_parents { "p" } else { "c" });
                let words = label(&[format!("{} more", human::count(*n))]);
                add(&mut text, &format!("  {name} [label={words}, style=dashed, fillcolor=white];\n"));
                let (from, to) = match are_parents {
                    true => (name, format!("o{address:x}")),
                    false => (format!("o{address:x}"), name),
                };
                add(&mut text, &format!("  {from} -> {to} [style=dashed];\n"));
            }
        }
        text + "}\n"
    }
}

impl Edge {
    fn add_label(&mut self, label: &str) {
        if !label.is_empty() && !self.labels.iter().any(|known| known == label) {
            self.labels.push(label.to_owned());
        }
    }
}

fn add(text: &mut String, line: &str) {
    let written = text.write_str(line);
    debug_assert!(written.is_ok(), "a String takes everything");
}

/// Red where the drawing begins, then the darker the farther.
fn color(depth: usize, deepest: usize) -> String {
    if depth == 0 {
        return "#f6b8b0".to_owned();
    }
    let step = if deepest > 1 { (depth - 1) as f64 / (deepest - 1) as f64 } else { 0.0 };
    let shade = |light: f64, dark: f64| (light + (dark - light) * step).round() as u8;
    format!("#{:02x}{:02x}{:02x}", shade(245.0, 168.0), shade(247.0, 184.0), shade(250.0, 206.0))
}

/// Lines as a label.
fn label(lines: &[String]) -> String {
    in_dot(&lines.join("\n"))
}

/// A text as a quoted string of DOT (<https://graphviz.org/doc/info/lang.html>). Backslashes would be escapes of labels
/// (`\N`, `\G`, `\l`) and are doubled; what a terminal or a page might take for a control is written out before.
fn in_dot(text: &str) -> String {
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| escape::line(line).replace('\\', "\\\\").replace('"', "\\\"").replace('&', "&amp;"))
        .collect();
    format!("\"{}\"", lines.join("\\n"))
}

/// Objects as a query gives them.
struct Found {
    at: Vec<u64>,
    types: Vec<String>,
    names: Vec<String>,
    values: Vec<String>,
    sizes: Vec<Option<i64>>,
    retained: Vec<Option<i64>>,
    root_kinds: Vec<String>,
}

impl Found {
    fn new(batches: &[RecordBatch], address: &str) -> Result<Self> {
        let rows = Rows::new(batches)?;
        Ok(Self {
            at: addresses_of(batches, address)?,
            types: rows.texts("type")?,
            names: rows.texts("name")?,
            values: rows.texts("value")?,
            sizes: rows.numbers("size")?,
            retained: rows.numbers("retained")?,
            root_kinds: rows.texts("root_kind")?,
        })
    }

    fn node(&self, row: usize, depth: usize) -> Node {
        let mut text = vec![human::shortened(&self.types[row], MAX_CHARS)];
        for word in [&self.names[row], &self.values[row]] {
            if !word.is_empty() {
                text.push(human::shortened(word, MAX_CHARS));
            }
        }
        let size = human::signed_bytes(self.sizes[row].unwrap_or_default());
        text.push(match self.retained[row] {
            Some(retained) => format!("{size}, retains {}", human::signed_bytes(retained)),
            None => size,
        });
        let is_root = !self.root_kinds[row].is_empty();
        if is_root {
            text.push(format!("root: {}", human::shortened(&self.root_kinds[row], MAX_CHARS)));
        }
        Node { depth, text, is_root }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_a_label() {
        for (text, expected) in [
            ("a", "\"a\""),
            ("a\"];x[", "\"a\\\"];x[\""),
            ("\\N \\\"", "\"\\\\N \\\\\\\"\""),
            ("end\\", "\"end\\\\\""),
            ("<b>&lt;", "\"<b>&amp;lt;\""),
            ("\u{1b}[1m", "\"\\\\x1b[1m\""),
            ("a\nb", "\"a\\nb\""),
        ] {
            assert_eq!(in_dot(text), expected);
        }
    }

    #[test]
    fn colours_are_darker_the_farther() {
        assert_eq!(color(0, 3), "#f6b8b0");
        assert_eq!(color(1, 1), "#f5f7fa");
        assert_eq!(color(3, 3), "#a8b8ce");
    }
}
