//! The report for a ticket or a comment: the verdict in the open, everything else folded, within the size that such places take.

use std::fmt::Write as _;

use heaplake_answers::{
    escape,
    report::{
        Report, ReportColumn, ReportContent, ReportPart, ReportPaths, ReportSuspect, ReportTable, TreePicture,
    },
    words,
};
use serde_json::Value;

/// Characters that it has at most: a comment on GitHub takes 65,536.
pub const MAX_CHARS: usize = 60_000;
/// Characters of a cell.
const CELL_CHARS: usize = 80;
/// Numbers of rows that are tried, until the report fits.
const ROWS: [usize; 6] = [20, 12, 8, 5, 3, 1];
/// Characters of a line of merged paths, and levels to which it is indented.
const PATH_CHARS: usize = 320;
const MAX_DEPTH: usize = 8;
/// Nodes of a tree that are listed.
const N_NODES: usize = 12;

/// The report as Markdown of fewer than [`MAX_CHARS`] characters.
pub fn markdown(report: &Report) -> String {
    for n_rows in ROWS {
        let text = written(report, n_rows, usize::MAX);
        if text.chars().count() < MAX_CHARS {
            return text;
        }
    }
    // Sections are left out from the end, and it says so.
    let fits = |n: &usize| written(report, 1, *n).chars().count() < MAX_CHARS;
    let n_sections = (0..report.sections.len()).rev().find(fits).unwrap_or(0);
    written(report, 1, n_sections)
}

fn written(report: &Report, n_rows: usize, n_sections: usize) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "## {}\n\n**{}**\n", text(&report.title), text(&report.verdict));
    let ids: Vec<String> = report.dumps.iter().take(5).map(|dump| text(&dump.id)).collect();
    let more = match report.dumps.len() - ids.len() {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let _ = writeln!(
        out,
        "Dumps: {}{more}. Made by heaplake {} on {}.",
        ids.join(", "),
        report.heaplake,
        report.made.format("%Y-%m-%d %H:%M UTC")
    );
    if let Some(redacted) = &report.redacted {
        let _ = writeln!(out, "\n> {}", text(redacted));
    }
    for (i, section) in report.sections.iter().take(n_sections).enumerate() {
        // The verdict is read, the details are opened.
        let is_open = i == 0;
        match is_open {
            true => out.push('\n'),
            false => {
                let _ = writeln!(out, "\n<details><summary>{}</summary>\n", text(section.title));
                if !section.summary.is_empty() {
                    let _ = writeln!(out, "{}\n", prose(&section.summary));
                }
            }
        }
        if let Some(missing) = &section.missing {
            let _ = writeln!(out, "{}\n", prose(missing));
        }
        for note in &section.notes {
            let _ = writeln!(out, "{}\n", prose(note));
        }
        section.parts.iter().for_each(|part| write_part(part, n_rows, &mut out));
        if !is_open {
            out.push_str("</details>\n");
        }
    }
    let left_out = report.sections.len().saturating_sub(n_sections);
    if left_out > 0 {
        let _ = writeln!(
            out,
            "\n{left_out} sections are left out: the report would be longer than {MAX_CHARS} characters."
        );
    }
    out
}

fn write_part(part: &ReportPart, n_rows: usize, out: &mut String) {
    match &part.content {
        ReportContent::Suspects(found) => {
            found.suspects.iter().for_each(|suspect| write_suspect(suspect, out));
            let _ = writeln!(out, "{} looked at.\n", words::counted(found.candidates, "candidate"));
        }
        ReportContent::Table(table) => {
            let _ = writeln!(out, "#### {}\n", text(&part.title));
            match &table.missing {
                Some(missing) => {
                    let _ = writeln!(out, "{}\n", prose(missing));
                }
                None => write_table(table, n_rows, out),
            }
        }
        ReportContent::Tree(tree) => {
            if tree.picture != TreePicture::Flame {
                return;
            }
            let _ = writeln!(out, "#### {}\n", text(&part.title));
            let mut largest: Vec<_> = tree.nodes.iter().enumerate().collect();
            largest.sort_by_key(|(i, node)| (std::cmp::Reverse(node.bytes), *i));
            for (_, node) in largest.into_iter().take(N_NODES.min(n_rows)) {
                let detail =
                    node.detail.as_deref().map(|detail| format!(" ({})", cut(detail))).unwrap_or_default();
                let _ = writeln!(out, "- {} {}{detail}", words::signed_bytes(node.bytes), cut(&node.name));
            }
            out.push('\n');
        }
        ReportContent::Paths(paths) => {
            let _ = writeln!(out, "#### {}\n", text(&part.title));
            write_paths(paths, n_rows, out);
        }
        // The table of the same figures is there as well; bars are no part of a report.
        ReportContent::Chart(_) | ReportContent::Bars(_) => return,
    }
    let _ = writeln!(out, "{}\n", code(&part.source.command));
}

fn write_suspect(suspect: &ReportSuspect, out: &mut String) {
    let _ = writeln!(
        out,
        "### {}. {}\n\n- sure: {:.0} %, {}, {}",
        suspect.rank,
        text(&suspect.headline),
        suspect.confidence * 100.0,
        suspect.basis,
        text(&suspect.idiom)
    );
    for fact in &suspect.evidence {
        let _ = writeln!(out, "- why: {}", prose(fact));
    }
    if !suspect.path.is_empty() {
        let _ = writeln!(out, "- way: {}", text(&suspect.path));
    }
    let _ =
        writeln!(out, "- frees: {}\n- do: {}", words::signed_bytes(suspect.retained), prose(&suspect.advice));
    for command in &suspect.commands {
        let _ = writeln!(out, "- see: {}", code(command));
    }
    out.push('\n');
}

/// The lines of merged paths, as a list in lists.
fn write_paths(paths: &ReportPaths, n_rows: usize, out: &mut String) {
    if let Some(missing) = &paths.missing {
        let _ = writeln!(out, "{}\n", prose(missing));
        return;
    }
    let all = words::count(paths.paths);
    for line in paths.lines.iter().take(n_rows) {
        let indent = "  ".repeat(line.depth.min(MAX_DEPTH));
        let words = code(&words::shortened(&line.words, PATH_CHARS));
        let _ = writeln!(out, "{indent}- {} of {all}: {words}", words::count(line.paths));
    }
    let more = paths.lines.len().saturating_sub(n_rows);
    if more > 0 {
        let _ = writeln!(out, "\nand {}", words::counted(more as u64, "more line"));
    }
    out.push('\n');
}

fn write_table(table: &ReportTable, n_rows: usize, out: &mut String) {
    // Wide rows are not read in a ticket: series are drawn elsewhere.
    let shown: Vec<usize> = (0..table.columns.len()).filter(|i| table.columns[*i].kind != "series").collect();
    let names: Vec<String> = shown.iter().map(|i| text(&table.columns[*i].name)).collect();
    let rules: Vec<&str> =
        shown.iter().map(|i| if is_number(&table.columns[*i]) { "---:" } else { ":---" }).collect();
    let _ = writeln!(out, "| {} |\n| {} |", names.join(" | "), rules.join(" | "));
    for row in table.rows.iter().take(n_rows) {
        let cells: Vec<String> = shown.iter().map(|i| cell(&row[*i], table.columns[*i].kind)).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    let more = table.total.saturating_sub(n_rows.min(table.rows.len()) as u64);
    if more > 0 {
        let _ = writeln!(out, "\nand {} more", words::count(more));
    }
    out.push('\n');
}

fn is_number(column: &ReportColumn) -> bool {
    matches!(column.kind, "bytes" | "number" | "percent")
}

fn cell(value: &Value, kind: &str) -> String {
    match (value, kind) {
        (Value::Null, _) => String::new(),
        (Value::Number(n), "bytes") => match (n.as_i64(), n.as_f64()) {
            (Some(n), _) => words::signed_bytes(n),
            (None, Some(n)) => words::signed_bytes(n.round() as i64),
            (None, None) => n.to_string(),
        },
        (Value::Number(n), "number") if n.is_i64() => {
            let n = n.as_i64().unwrap_or(0);
            let sign = if n < 0 { "-" } else { "" };
            format!("{sign}{}", words::count(n.unsigned_abs()))
        }
        (Value::String(text), _) => cut(text),
        (value, _) => cut(&value.to_string()),
    }
}

fn cut(value: &str) -> String {
    text(&words::shortened(value, CELL_CHARS))
}

/// Text that is no markup wherever it stands: nobody is mentioned by it, nothing linked, nothing formatted.
fn text(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in escape::markdown(value).chars() {
        match c {
            // A name with an at sign would notify somebody, a number sign refer to an issue, a colon begin an address.
            '@' => out.push_str("&#64;"),
            '#' => out.push_str("&#35;"),
            '~' => out.push_str("\\~"),
            '_' => out.push_str("\\_"),
            '!' => out.push_str("\\!"),
            ':' => out.push_str("&#58;"),
            c => out.push(c),
        }
    }
    match out.chars().next() {
        // What begins a list, a rule or a quote.
        Some('-' | '+' | '=') => format!("\\{out}"),
        _ => out,
    }
}

/// A sentence, in which what stands between two backquotes is code; a backquote without a second one stays.
fn prose(value: &str) -> String {
    let mut out = String::new();
    let mut rest = value;
    while let Some((before, inside, after)) = code_in(rest) {
        out.push_str(&text(before));
        out.push_str(&code(inside));
        rest = after;
    }
    out.push_str(&text(rest));
    out
}

/// The first text between two backquotes, with what is before and after.
fn code_in(value: &str) -> Option<(&str, &str, &str)> {
    let mut open = value.find('`')?;
    loop {
        let inside = &value[open + 1..];
        let length = inside.find('`')?;
        if length > 0 {
            return Some((&value[..open], &inside[..length], &inside[length + 1..]));
        }
        open += 1;
    }
}

/// Code in one line, between as many backquotes as it takes.
fn code(value: &str) -> String {
    let value = escape::line(value);
    let longest = value.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let gap = if value.starts_with('`') || value.ends_with('`') { " " } else { "" };
    format!("{fence}{gap}{value}{gap}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_no_markup() {
        for (value, shown) in [
            ("<script>", "&lt;script&gt;"),
            ("@all #1 https://x", "&#64;all &#35;1 https&#58;//x"),
            ("![x](y)", "\\!\\[x\\](y)"),
            ("- x", "\\- x"),
            ("a\nb", "a\\\\nb"),
        ] {
            assert_eq!(text(value), shown);
        }
    }

    #[test]
    fn of_prose_only_what_is_between_backquotes_is_code() {
        for (value, shown) in [
            ("take `a | b` or `*`", "take `a | b` or `*`"),
            ("x `y", "x \\`y"),
            ("a``b", "a\\`\\`b"),
            ("<b> `<i>` @all", "&lt;b&gt; `<i>` &#64;all"),
            ("", ""),
        ] {
            assert_eq!(prose(value), shown);
        }
    }

    #[test]
    fn code_keeps_its_backquotes_inside() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("a `b`` c"), "```a `b`` c```");
        assert_eq!(code("`"), "`` ` ``");
    }
}
