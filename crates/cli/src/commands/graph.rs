//! `heaplake graph`: a drawing of objects with what refers to them, or what they refer to, or of paths.
//!
//! The drawing is a text in DOT, the language of Graphviz; pictures are made of it by Graphviz itself.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
    path::Path,
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context as _, Result, bail};
use heaplake_answers::{Direction, Drawing, DrawnNode};

use crate::{
    args::{GraphFormat, GraphQueryArgs},
    console::Console,
    escape, human, interrupt,
    output::Sink,
    query,
};

/// Characters of a name or value that are drawn.
const MAX_CHARS: usize = 40;

/// Draws.
pub fn run(args: &GraphQueryArgs, console: &Console) -> Result<ExitCode> {
    let format = format(args)?;
    interrupt::install()?;
    let (session, manifest) = query::of_dump(args.dump.as_deref(), &args.graph, console)?;
    let direction = if args.refs { Direction::Children } else { Direction::Parents };
    let drawing = match (&args.path, &args.objects) {
        (Some(pattern), _) => Drawing::of_paths(pattern, &session)?,
        (None, Some(objects)) => {
            Drawing::of_objects(objects, direction, args.depth, args.children, &session)?
        }
        (None, None) => bail!("which objects? An address, a condition over obj, or --path PATTERN"),
    };
    if drawing.nodes.is_empty() {
        bail!("{} has no such object", manifest.id);
    }
    let dot = dot(&drawing, manifest.id.as_str());
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

/// The drawing in DOT.
fn dot(drawing: &Drawing, dump: &str) -> String {
    let mut text = format!("digraph {} {{\n", in_dot(dump));
    text += "  graph [rankdir=TB, fontname=\"sans-serif\"];\n";
    text += "  node [shape=box, style=\"filled,rounded\", fontname=\"sans-serif\", fontsize=10];\n";
    text += "  edge [fontname=\"sans-serif\", fontsize=9];\n";
    let deepest = drawing.nodes.values().map(|node| node.depth).max().unwrap_or_default();
    for (address, node) in &drawing.nodes {
        let mut lines = words(node);
        lines.push(human::address(*address));
        let border = if !node.root_kind.is_empty() { ", penwidth=2.5" } else { "" };
        let color = color(node.depth, deepest);
        add(
            &mut text,
            &format!("  o{address:x} [label={}, fillcolor=\"{color}\"{border}];\n", label(&lines)),
        );
    }
    for ((parent, child), edge) in &drawing.edges {
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
    for (more, are_parents) in [(&drawing.more_parents, true), (&drawing.more_children, false)] {
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

/// What a node says, line by line.
fn words(node: &DrawnNode) -> Vec<String> {
    let mut lines = vec![human::shortened(&node.type_name, MAX_CHARS)];
    for word in [&node.name, &node.value] {
        if !word.is_empty() {
            lines.push(human::shortened(word, MAX_CHARS));
        }
    }
    let size = human::signed_bytes(node.size);
    lines.push(match node.retained {
        Some(retained) => format!("{size}, retains {}", human::signed_bytes(retained)),
        None => size,
    });
    if !node.root_kind.is_empty() {
        lines.push(format!("root: {}", human::shortened(&node.root_kind, MAX_CHARS)));
    }
    lines
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
