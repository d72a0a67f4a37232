//! Merged paths of a report: a tree, and the same in lines.

use std::cmp::Reverse;

use heaplake_model::shortened;
use serde::Serialize;

use super::MAX_CHARS;
use crate::{PathBranch, path_lines, paths_of_tree, size_of_tree, words};

/// Branches and lines at most; those of most paths are kept.
const N_BRANCHES: usize = 1200;
const N_LINES: usize = 100;
/// Characters of a line; what is longer is cut.
const LINE_CHARS: usize = 1000;

/// The paths of a pattern, merged to a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ReportPaths {
    /// The pattern.
    pub pattern: String,
    /// Paths in all.
    pub paths: u64,
    /// Bytes of shallow sizes of the objects that they lead to.
    pub bytes: i64,
    /// The branches, each after the one above it.
    pub branches: Vec<ReportBranch>,
    /// The same as people read it: what does not part is one line.
    pub lines: Vec<ReportPathLine>,
    /// What is left out, in a sentence; `None` if nothing is.
    pub folded: Option<String>,
    /// Why there are no paths; `None` if there are.
    pub missing: Option<String>,
}

/// A branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportBranch {
    /// The position of the branch above it; `None` where paths begin.
    pub above: Option<usize>,
    /// How it is reached from there, `->` or `<-`.
    pub arrow: Option<String>,
    /// The type of its objects.
    pub name: String,
    /// What kind of root its object is, if it has one alone that is a root.
    pub detail: Option<String>,
    /// Its object, `@0x...`, if it has one alone.
    pub address: Option<String>,
    /// Its objects, each once.
    pub objects: u64,
    /// Paths through it.
    pub paths: u64,
    /// Paths that end here.
    pub ends: u64,
    /// Bytes of shallow sizes of the objects that its paths lead to.
    pub bytes: i64,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportPathLine {
    /// Lines above it that part.
    pub depth: usize,
    /// Paths that take it.
    pub paths: u64,
    /// Its branches with the arrows between them, what repeats folded.
    pub words: String,
    /// The kinds of roots that the words have.
    #[serde(skip)]
    pub(super) root_kinds: Vec<String>,
}

impl ReportPaths {
    /// The tree of the paths of a pattern.
    pub fn new(pattern: &str, tree: &[PathBranch]) -> Self {
        let mut kept: Vec<usize> = (0..tree.len()).collect();
        // A branch has no fewer paths than those below it and comes before them, so that what is above a kept branch is kept.
        kept.sort_by_key(|i| (Reverse(tree[*i].paths), *i));
        kept.truncate(N_BRANCHES);
        kept.sort_unstable();
        let position = |of: usize| kept.binary_search(&of).ok();
        let branch = |i: &usize| {
            let branch = &tree[*i];
            ReportBranch {
                above: branch.above.and_then(position),
                arrow: branch.arrow.clone(),
                name: cut(&branch.type_name),
                detail: branch.root_kind.as_deref().map(cut),
                address: branch.address.map(words::address),
                objects: branch.objects,
                paths: branch.paths,
                ends: branch.ends,
                bytes: branch.size,
            }
        };
        let branches: Vec<ReportBranch> = kept.iter().map(branch).collect();
        let mut lines = path_lines(tree);
        let n_lines = lines.len();
        lines.truncate(N_LINES);
        let line = |line: crate::PathLine| ReportPathLine {
            depth: line.depth,
            paths: line.paths,
            words: cut_line(&line.words, &line.root_kinds),
            root_kinds: line.root_kinds,
        };
        let left_out = [(tree.len() - branches.len(), "branch"), (n_lines - lines.len(), "line")];
        let left_out: Vec<String> = left_out
            .into_iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, what)| match (n, what) {
                (1, what) => format!("1 {what}"),
                (n, "branch") => format!("{} branches", words::count(n as u64)),
                (n, what) => words::counted(n as u64, what),
            })
            .collect();
        Self {
            pattern: cut(pattern),
            paths: paths_of_tree(tree),
            bytes: size_of_tree(tree),
            branches,
            lines: lines.into_iter().map(line).collect(),
            folded: (!left_out.is_empty())
                .then(|| format!("Left out: {}, of the fewest paths.", left_out.join(" and "))),
            missing: None,
        }
    }

    /// Why there are no paths.
    pub(super) fn none(pattern: &str, why: String) -> Self {
        Self { pattern: cut(pattern), missing: Some(why), ..Self::default() }
    }
}

/// A line, cut where it is too long, but not within a kind of root: what has the name of a thread is masked as a whole.
fn cut_line(words: &str, root_kinds: &[String]) -> String {
    let Some((mut end, _)) = words.char_indices().nth(LINE_CHARS) else { return words.to_owned() };
    for kind in root_kinds {
        let kind = format!("(root: {kind})");
        for (at, _) in words.match_indices(&kind) {
            if at < end && end < at + kind.len() {
                end = at;
            }
        }
    }
    format!("{}…", &words[..end])
}

fn cut(text: &str) -> String {
    shortened(text, MAX_CHARS).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn branch(above: Option<usize>, type_name: &str, paths: u64, ends: u64) -> PathBranch {
        PathBranch {
            above,
            arrow: above.map(|_| "->".to_owned()),
            type_name: type_name.to_owned(),
            address: None,
            root_kind: None,
            objects: 1,
            paths,
            ends,
            size: 8,
        }
    }

    #[test]
    fn a_line_is_not_cut_within_a_kind_of_root() {
        let words = format!("{} (root: thread alice) -> dict", "x".repeat(LINE_CHARS - 8));
        let line = cut_line(&words, &["thread alice".to_owned()]);
        assert_eq!(line, format!("{} …", "x".repeat(LINE_CHARS - 8)));
        assert_eq!(
            cut_line("dict (root: thread bob)", &["thread bob".to_owned()]),
            "dict (root: thread bob)"
        );
    }

    #[test]
    fn the_branches_of_most_paths_are_kept_with_those_above_them() {
        let n = 3 * N_BRANCHES as u64;
        let mut tree = vec![branch(None, "root", 2 * n, 0)];
        for i in 0..n {
            // Every other one is one of many paths.
            let paths = if i % 2 == 0 { 1 } else { 3 };
            tree.push(branch(Some(0), &i.to_string(), paths, paths));
        }
        let shown = ReportPaths::new("p", &tree);
        assert_eq!((shown.branches.len(), shown.paths), (N_BRANCHES, 2 * n));
        assert_eq!(shown.branches[0].above, None);
        assert!(shown.branches[1..].iter().all(|branch| branch.above == Some(0) && branch.paths == 3));
        let left_out = words::count(n + 1 - N_BRANCHES as u64);
        assert_eq!(shown.folded, Some(format!("Left out: {left_out} branches, of the fewest paths.")));
    }
}
