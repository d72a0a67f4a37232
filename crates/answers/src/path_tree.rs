//! The paths of a pattern merged to a tree: what they have in common, where they part, and the same in lines, what does not
//! part in one.

use heaplake_engine::fold;

use crate::{
    Result, Session,
    rows::{AnswerColumns, quoted},
    words,
};

/// Branches below a line; what less paths go through is folded.
const MAX_CHILDREN: usize = 8;
/// Repetitions are folded from so many rounds on.
const MIN_FOLDED_ROUNDS: usize = 3;
/// Characters of a type in a line, and of a kind of root.
const MAX_CHARS: usize = 200;

/// What is one branch where paths are merged to a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathMerge {
    /// Objects of a type that are reached by the same types.
    Type,
    /// An object.
    Object,
}

impl PathMerge {
    /// The word for it, as the function `path_tree` and the command take it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Object => "object",
        }
    }
}

/// A branch of a tree of paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathBranch {
    /// The position of the branch above, which is smaller; `None` where paths begin.
    pub above: Option<usize>,
    /// How it is reached from there, `->` or `<-`.
    pub arrow: Option<String>,
    /// The type of its objects.
    pub type_name: String,
    /// Its object; `None` if it has several.
    pub address: Option<u64>,
    /// What kind of root that object is, if it is one.
    pub root_kind: Option<String>,
    /// Its objects, each once.
    pub objects: u64,
    /// Paths through it.
    pub paths: u64,
    /// Paths that end here.
    pub ends: u64,
    /// Bytes of shallow sizes of the objects that these paths are asked for.
    pub size: i64,
}

/// The tree of the paths of a pattern as SQL over the function `path_tree`.
pub fn path_tree_statement(pattern: &str, merge: PathMerge) -> String {
    format!("SELECT * FROM path_tree({}, '{}') ORDER BY line", quoted(pattern), merge.name())
}

/// The tree of the paths of a pattern, depth first, of siblings first that of most paths.
pub fn path_tree(pattern: &str, merge: PathMerge, session: &Session) -> Result<Vec<PathBranch>> {
    let rows = AnswerColumns::new(&session.collect(&path_tree_statement(pattern, merge))?)?;
    let (above, arrows) = (rows.optional_numbers("above")?, rows.optional_texts("arrow")?);
    let (types, addresses) = (rows.texts("type")?, rows.optional_addresses("address")?);
    let (kinds, sizes) = (rows.optional_texts("root_kind")?, rows.numbers("size")?);
    let (objects, paths, ends) = (rows.numbers("objects")?, rows.numbers("paths")?, rows.numbers("ends")?);
    let branch = |i: usize| PathBranch {
        above: above[i].and_then(|above| usize::try_from(above).ok()),
        arrow: arrows[i].clone(),
        type_name: types[i].clone(),
        address: addresses[i],
        root_kind: kinds[i].clone(),
        objects: objects[i].unsigned_abs(),
        paths: paths[i].unsigned_abs(),
        ends: ends[i].unsigned_abs(),
        size: sizes[i],
    };
    Ok((0..rows.n_rows()).map(branch).collect())
}

impl PathBranch {
    /// `dict @0x8c (root: module)`, `640 x Session`: the text of a dump, not escaped.
    pub fn words(&self) -> String {
        let type_name = words::shortened(&self.type_name, MAX_CHARS);
        let kind = self.root_kind.as_deref().map(|kind| words::shortened(kind, MAX_CHARS));
        match (self.address, kind) {
            (Some(address), Some(kind)) => format!("{type_name} {} (root: {kind})", words::address(address)),
            (Some(_), None) => type_name,
            (None, _) => format!("{} x {type_name}", words::count(self.objects)),
        }
    }
}

/// A line of the tree: branches after each other that do not part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathLine {
    /// Lines above it that part.
    pub depth: usize,
    /// Paths that take it.
    pub paths: u64,
    /// Its branches with the arrows between them, what repeats folded: the text of a dump, not escaped.
    pub words: String,
    /// The kinds of roots that the words have, as they have them: `(root: KIND)`.
    pub root_kinds: Vec<String>,
}

/// How many paths a tree is of.
pub fn paths_of_tree(tree: &[PathBranch]) -> u64 {
    tree.iter().filter(|branch| branch.above.is_none()).map(|branch| branch.paths).sum()
}

/// The bytes that the paths of a tree lead to.
pub fn size_of_tree(tree: &[PathBranch]) -> i64 {
    let sizes = tree.iter().filter(|branch| branch.above.is_none()).map(|branch| branch.size);
    sizes.fold(0, i64::saturating_add)
}

/// Paths that have their beginning in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathCluster {
    /// How many they are.
    pub paths: u64,
    /// Bytes of the objects that they are asked for.
    pub size: i64,
    /// The last object that they have in common; `None` for all paths that are in no cluster.
    pub common: Option<CommonObject>,
    /// An object that a path is asked for.
    pub example: u64,
}

/// The last object that paths have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommonObject {
    /// Its address.
    pub address: u64,
    /// Its type.
    pub type_name: String,
    /// Its name, or what the program calls it.
    pub name: Option<String>,
    /// The types on the way to it, what repeats folded.
    pub signature: String,
}

/// The clusters of the paths of a pattern as SQL over the function `path_clusters`, with the names of the objects in common: their own, or
/// what the program calls them.
pub fn path_clusters_statement(pattern: &str) -> String {
    format!(
        "SELECT c.cluster, c.paths, c.asked, c.size, c.address, c.type, coalesce(o.name, program_name(c.address)) AS name, \
         c.root_kind, c.hops, c.signature, c.example \
         FROM path_clusters({}) c LEFT JOIN obj o ON o.address = c.address ORDER BY c.cluster",
        quoted(pattern)
    )
}

/// The clusters of the paths of a pattern, those of most paths first, and in the end the paths that are in none.
pub fn path_clusters(pattern: &str, session: &Session) -> Result<Vec<PathCluster>> {
    let rows = AnswerColumns::new(&session.collect(&path_clusters_statement(pattern))?)?;
    let (paths, sizes) = (rows.numbers("paths")?, rows.numbers("size")?);
    let (addresses, types) = (rows.optional_addresses("address")?, rows.optional_texts("type")?);
    let (names, signatures) = (rows.optional_texts("name")?, rows.optional_texts("signature")?);
    let examples = rows.addresses("example")?;
    let common = |i: usize| {
        Some(CommonObject {
            address: addresses[i]?,
            type_name: types[i].clone()?,
            name: names[i].clone(),
            signature: signatures[i].clone()?,
        })
    };
    let cluster = |i: usize| PathCluster {
        paths: paths[i].unsigned_abs(),
        size: sizes[i],
        common: common(i),
        example: examples[i],
    };
    Ok((0..rows.n_rows()).map(cluster).collect())
}

/// The lines of a tree, depth first. A stack instead of recursion: paths may be long.
pub fn path_lines(tree: &[PathBranch]) -> Vec<PathLine> {
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
                let words = format!("{} more branches", words::count(branches));
                lines.push(PathLine { depth, paths, words, root_kinds: Vec::new() });
                continue;
            }
        };
        let paths = tree[at].paths;
        let mut run = vec![at];
        while let [only] = below[at].as_slice() {
            at = *only;
            run.push(at);
        }
        let kinds = run.iter().filter_map(|at| tree[*at].root_kind.as_deref());
        let root_kinds = kinds.map(|kind| words::shortened(kind, MAX_CHARS)).collect();
        let words = in_words(tree, &run, !below[at].is_empty());
        lines.push(PathLine { depth, paths, words, root_kinds });
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
            Some(arrow) => format!("{} {arrow}", tree[run[i]].words()),
            None => tree[run[i]].words(),
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
        (0, ends) if ends > 0 && goes_on => format!(", where {} end", words::count(ends)),
        (0, _) => String::new(),
        (n, _) => format!(", {} of them end on the way", words::count(n)),
    };
    format!("{arrow}{}{ends}", parts.join(" "))
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
        path_lines(tree).into_iter().map(|line| (line.depth, line.paths, line.words)).collect()
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
