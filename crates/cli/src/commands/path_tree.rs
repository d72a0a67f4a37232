//! `heaplake path --merge`: the paths of a pattern as a tree, what is alike folded.

use std::{io::Write as _, path::Path};

use anyhow::{Result, bail};
use heaplake_answers::{PathBranch, PathMerge, PathShape, Session, path_tree, path_tree_statement, why_not};
use heaplake_draw::{Heading, Tile, Tone, WIDTH, flame_graph};
use heaplake_engine::fold;

use super::tree::prefixes;
use crate::{
    console::Console,
    escape, human,
    output::{Format, Plan, Sink, wrapped},
    query,
};

/// Branches below a line; what less paths go through is folded.
const MAX_CHILDREN: usize = 8;
/// Lines of a tree.
const MAX_LINES: usize = 100;
/// Repetitions are folded from so many rounds on.
const MIN_FOLDED_ROUNDS: usize = 3;
/// The room that a line of a deep branch has at least.
const MIN_LINE: usize = 20;
/// Characters of a type.
const MAX_CHARS: usize = 200;

/// What is printed, and where a picture of it goes.
#[derive(Debug, Clone, Copy)]
pub struct TreeOfPaths<'a> {
    /// The pattern.
    pub pattern: &'a str,
    /// What is one branch.
    pub merge: PathMerge,
    /// The file of a picture.
    pub chart: Option<&'a Path>,
}

impl TreeOfPaths<'_> {
    /// Prints the tree of one dump, or its rows.
    pub fn print(
        &self,
        shape: PathShape,
        session: &Session,
        plan: &Plan,
        sink: &mut Sink,
        console: &Console,
    ) -> Result<()> {
        if shape != PathShape::Paths {
            bail!("REACH, DOMINATED and TYPES give no paths that could be merged");
        }
        if plan.format != Format::Table {
            query::run(session, &path_tree_statement(self.pattern, self.merge), plan, sink)?;
            if self.chart.is_none() {
                return Ok(());
            }
        }
        let mut tree = path_tree(self.pattern, self.merge, session)?;
        if let Some(path) = self.chart {
            self.draw(&tree, path, console)?;
        }
        if plan.format != Format::Table {
            return Ok(());
        }
        if tree.is_empty() {
            writeln!(sink, "no path")?;
            for line in why_not(self.pattern, session)? {
                writeln!(sink, "  {}", escape::line(&line))?;
            }
            return Ok(());
        }
        let n_paths = all_paths(&tree);
        let size = tree.iter().filter(|branch| branch.above.is_none()).map(|branch| branch.size);
        let size = size.fold(0, i64::saturating_add);
        writeln!(sink, "{} to {}", human::counted(n_paths, "path"), human::signed_bytes(size))?;
        let named = query::with_short_types(plan, session, &["current"])?;
        for branch in &mut tree {
            branch.type_name = named.types().name(&branch.type_name).to_owned();
        }
        let lines = lines(&tree);
        let depths: Vec<usize> = lines.iter().map(|line| line.depth).collect();
        for (line, prefix) in lines.iter().zip(prefixes(&depths, true)).take(MAX_LINES) {
            let text = format!("{} of {}: {}", human::count(line.paths), human::count(n_paths), line.words);
            let room = plan
                .table_width()
                .map_or(usize::MAX, |width| width.saturating_sub(prefix.chars().count()).max(MIN_LINE));
            let further = prefix.replace("├─", "│ ").replace("└─", "  ");
            for (i, text) in wrapped(&text, room).into_iter().enumerate() {
                writeln!(sink, "{}{text}", if i == 0 { &prefix } else { &further })?;
            }
        }
        if lines.len() > MAX_LINES {
            writeln!(
                sink,
                "and {}; --format csv has every branch",
                human::counted((lines.len() - MAX_LINES) as u64, "more line")
            )?;
        }
        Ok(())
    }

    /// Draws the tree: a branch is as wide as the number of its paths.
    fn draw(&self, tree: &[PathBranch], path: &Path, console: &Console) -> Result<()> {
        if path == Path::new("-") {
            bail!("the picture goes to a file; standard output has the tree");
        }
        let n_paths = all_paths(tree);
        let paths = human::counted(n_paths, "path");
        let whole = Tile {
            parent: None,
            label: paths.clone(),
            title: paths.clone(),
            value: n_paths,
            tone: Tone::Plain,
        };
        let tile = |branch: &PathBranch| {
            let word = word(branch);
            let share = format!("{} of {}", human::count(branch.paths), human::count(n_paths));
            let ends = human::count(branch.ends);
            let size = human::signed_bytes(branch.size);
            Tile {
                parent: Some(branch.above.map_or(0, |above| above + 1)),
                title: format!("{word}\n{share} paths, {ends} end here\nto {size}"),
                label: word,
                value: branch.paths,
                tone: Tone::Label,
            }
        };
        let tiles: Vec<Tile> = std::iter::once(whole).chain(tree.iter().map(tile)).collect();
        let heading = Heading {
            title: "Paths, merged from their beginning".to_owned(),
            subtitle: escape::line(&heaplake_model::shortened(self.pattern, MAX_CHARS)).into_owned(),
            notes: vec![format!("{paths}; each branch is as wide as the number of its paths.")],
        };
        let mut sink = Sink::file(path)?;
        sink.write_all(flame_graph(&heading, &tiles, WIDTH).as_bytes())?;
        sink.commit()?;
        console.note(&format!("{}: {paths}", path.display()));
        Ok(())
    }
}

fn all_paths(tree: &[PathBranch]) -> u64 {
    tree.iter().filter(|branch| branch.above.is_none()).map(|branch| branch.paths).sum()
}

/// A line of the tree: branches after each other that do not part.
#[derive(Debug, PartialEq, Eq)]
struct TreeLine {
    depth: usize,
    paths: u64,
    words: String,
}

/// The lines of a tree, depth first. A stack instead of recursion: paths may be long.
fn lines(tree: &[PathBranch]) -> Vec<TreeLine> {
    enum Next {
        Branch(usize),
        Folded { branches: u64, paths: u64 },
    }
    let mut below: Vec<Vec<usize>> = vec![Vec::new(); tree.len()];
    let mut first = Vec::new();
    for (i, branch) in tree.iter().enumerate() {
        match branch.above.and_then(|above| below.get_mut(above)) {
            Some(children) => children.push(i),
            None => first.push(i),
        }
    }
    // The first of siblings has most paths.
    let next = |children: &[usize], depth: usize, waiting: &mut Vec<(usize, Next)>| {
        let n_shown = if children.len() > MAX_CHILDREN + 1 { MAX_CHILDREN } else { children.len() };
        let (shown, others) = children.split_at(n_shown);
        if !others.is_empty() {
            let paths = others.iter().map(|child| tree[*child].paths).sum();
            waiting.push((depth, Next::Folded { branches: others.len() as u64, paths }));
        }
        waiting.extend(shown.iter().rev().map(|child| (depth, Next::Branch(*child))));
    };
    let mut lines = Vec::new();
    let mut waiting = Vec::new();
    next(&first, 0, &mut waiting);
    while let Some((depth, what)) = waiting.pop() {
        let mut at = match what {
            Next::Branch(at) => at,
            Next::Folded { branches, paths } => {
                lines.push(TreeLine {
                    depth,
                    paths,
                    words: format!("{} more branches", human::count(branches)),
                });
                continue;
            }
        };
        let paths = tree[at].paths;
        let mut run = vec![at];
        while let [only] = below[at].as_slice() {
            at = *only;
            run.push(at);
        }
        lines.push(TreeLine { depth, paths, words: in_words(tree, &run, !below[at].is_empty()) });
        next(&below[at], depth + 1, &mut waiting);
    }
    lines
}

/// A run of branches: their types with the arrows between them, repetitions folded, and how many paths end on the way.
fn in_words(tree: &[PathBranch], run: &[usize], goes_on: bool) -> String {
    let arrow_after = |i: usize| run.get(i + 1).map(|next| tree[*next].arrow.as_deref().unwrap_or("->"));
    // The first says how it is reached, if it has not begun the path.
    let arrow = tree[run[0]].arrow.as_deref().map(|arrow| format!("{arrow} ")).unwrap_or_default();
    let steps: Vec<String> = (0..run.len())
        .map(|i| match arrow_after(i) {
            Some(arrow) => format!("{} {arrow}", word(&tree[run[i]])),
            None => word(&tree[run[i]]),
        })
        .collect();
    let parts: Vec<String> = fold(&steps)
        .into_iter()
        .map(|segment| match segment.times {
            MIN_FOLDED_ROUNDS.. => {
                format!("({}){{{}}}", steps[segment.unit].join(" "), segment.times)
            }
            _ => steps[segment.whole()].join(" "),
        })
        .collect();
    let (last, before) = run.split_last().map_or((0, run), |(last, before)| (*last, before));
    let on_the_way: u64 = before.iter().map(|branch| tree[*branch].ends).sum();
    let ends = match (on_the_way, tree[last].ends) {
        (0, ends) if ends > 0 && goes_on => format!(", where {} end", human::count(ends)),
        (0, _) => String::new(),
        (n, _) => format!(", {} of them end on the way", human::count(n)),
    };
    format!("{arrow}{}{ends}", parts.join(" "))
}

/// `dict @0x8c (root: module)`, `640 x Session`.
fn word(branch: &PathBranch) -> String {
    let type_name = heaplake_model::shortened(&branch.type_name, MAX_CHARS);
    let type_name = escape::line(&type_name);
    let kind = branch
        .root_kind
        .as_deref()
        .map(|kind| format!(" (root: {})", escape::line(kind)))
        .unwrap_or_default();
    match branch.address {
        Some(address) if !kind.is_empty() => format!("{type_name} {}{kind}", human::address(address)),
        Some(_) => type_name.into_owned(),
        None => format!("{} x {type_name}", human::count(branch.objects)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn branch(above: Option<usize>, type_name: &str, paths: u64, ends: u64) -> PathBranch {
        PathBranch {
            above,
            arrow: above.map(|_| "->".to_owned()),
            type_name: type_name.to_owned(),
            address: Some(1),
            root_kind: None,
            objects: 1,
            paths,
            ends,
            size: 8,
        }
    }

    fn words(tree: &[PathBranch]) -> Vec<(usize, u64, String)> {
        lines(tree).into_iter().map(|line| (line.depth, line.paths, line.words)).collect()
    }

    #[test]
    fn what_does_not_part_is_one_line() {
        let mut tree = vec![branch(None, "a", 9, 0), branch(Some(0), "b", 9, 0), branch(Some(1), "c", 6, 6)];
        tree.push(branch(Some(1), "d", 3, 1));
        tree.push(branch(Some(3), "e", 2, 2));
        let expected = [(0, 9, "a -> b"), (1, 6, "-> c"), (1, 3, "-> d -> e, 1 of them end on the way")];
        assert_eq!(words(&tree), expected.map(|(depth, paths, words)| (depth, paths, words.to_owned())));
    }

    #[test]
    fn a_long_chain_is_one_line() {
        let mut tree = vec![branch(None, "m", 100_000, 0)];
        for i in 0..100_000_u64 {
            tree.push(branch(Some(tree.len() - 1), "A", 100_000 - i, 0));
            tree.push(branch(Some(tree.len() - 1), "B", 100_000 - i, 1));
        }
        let found = words(&tree);
        assert_eq!(found.len(), 1);
        assert!(found[0].2.starts_with("m -> (A -> B ->){99999} A -> B, 99,999 of them"), "{found:?}");
    }

    #[test]
    fn many_branches_are_folded() {
        let mut tree = vec![branch(None, "m", 30, 0)];
        tree.extend((0..30).map(|i| branch(Some(0), &format!("t{i}"), 1, 1)));
        let found = words(&tree);
        assert_eq!(found.len(), 1 + MAX_CHILDREN + 1);
        assert_eq!(found[MAX_CHILDREN + 1], (1, 22, "22 more branches".to_owned()));
    }
}
