//! `heaplake path --merge`: the paths of a pattern as a tree, what is alike folded.

use std::{io::Write as _, path::Path};

use anyhow::{Result, bail};
use heaplake_answers::{
    PathBranch, PathMerge, PathShape, Session, path_clusters, path_clusters_statement, path_lines, path_tree,
    path_tree_statement, paths_of_tree,
    report::{ReportContent, ReportPaths, ReportSource},
    size_of_tree, why_not,
};
use heaplake_draw::{Heading, Tile, Tone, WIDTH, flame_graph};
use heaplake_model::shortened;

use super::{
    pages::{self, ChartFormat},
    tree::prefixes,
};
use crate::{
    console::{Console, shell_quoted},
    escape, human,
    output::{Format, Plan, Sink, wrapped},
    query,
};

/// Lines of a tree.
const MAX_LINES: usize = 100;
/// The room that a line of a deep branch has at least.
const MIN_LINE: usize = 20;
/// Characters of the pattern in a picture, and of names and types in a line.
const MAX_CHARS: usize = 200;
/// Characters of the way to what paths have in common; --format csv has it whole.
const MAX_WAY_CHARS: usize = 1000;

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
            self.draw(&tree, session, path, console)?;
        }
        if plan.format != Format::Table {
            return Ok(());
        }
        if tree.is_empty() {
            return no_path(self.pattern, session, sink);
        }
        let n_paths = paths_of_tree(&tree);
        let size = size_of_tree(&tree);
        writeln!(sink, "{} to {}", human::counted(n_paths, "path"), human::signed_bytes(size))?;
        let named = query::with_short_types(plan, session, &["current"])?;
        for branch in &mut tree {
            branch.type_name = named.types().name(&branch.type_name).to_owned();
        }
        let lines = path_lines(&tree);
        let depths: Vec<usize> = lines.iter().map(|line| line.depth).collect();
        for (line, prefix) in lines.iter().zip(prefixes(&depths, true)).take(MAX_LINES) {
            let text = format!(
                "{} of {}: {}",
                human::count(line.paths),
                human::count(n_paths),
                escape::line(&line.words)
            );
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
    fn draw(&self, tree: &[PathBranch], session: &Session, path: &Path, console: &Console) -> Result<()> {
        if path == Path::new("-") {
            bail!("the picture goes to a file; standard output has the tree");
        }
        let format = ChartFormat::of(path)?;
        let paths = human::counted(paths_of_tree(tree), "path");
        let heading = Heading {
            title: "Paths, merged from their beginning".to_owned(),
            subtitle: escape::line(&shortened(self.pattern, MAX_CHARS)).into_owned(),
            notes: vec![format!("{paths}; each branch is as wide as the number of its paths.")],
        };
        let drawn = match format {
            ChartFormat::Svg => flame_graph(&heading, &tiles(tree), WIDTH),
            ChartFormat::Html => {
                let dump = session.dump()?.id.to_string();
                let command = format!(
                    "{} path {} --merge {} --dump {dump} --chart paths.html",
                    console.command(),
                    shell_quoted(self.pattern),
                    self.merge.name()
                );
                let source =
                    ReportSource { command, sql: path_tree_statement(self.pattern, self.merge), dump };
                let content = ReportContent::Paths(ReportPaths::new(self.pattern, tree));
                // The page says the rest.
                pages::page(Heading { notes: Vec::new(), ..heading }, "Merged paths", source, content)?
            }
        };
        pages::write(&drawn, path, &paths, console)
    }
}

/// Prints the clusters of paths of one dump, or their rows.
pub fn print_clusters(
    pattern: &str,
    shape: PathShape,
    session: &Session,
    plan: &Plan,
    sink: &mut Sink,
) -> Result<()> {
    if shape != PathShape::Paths {
        bail!("REACH, DOMINATED and TYPES give no paths, which have nothing in common");
    }
    if plan.format != Format::Table {
        query::run(session, &path_clusters_statement(pattern), plan, sink)?;
        return Ok(());
    }
    let clusters = path_clusters(pattern, session)?;
    if clusters.is_empty() {
        return no_path(pattern, session, sink);
    }
    let n_paths: u64 = clusters.iter().map(|cluster| cluster.paths).sum();
    let size = clusters.iter().map(|cluster| cluster.size).fold(0, i64::saturating_add);
    let n_clusters = clusters.iter().filter(|cluster| cluster.common.is_some()).count() as u64;
    writeln!(
        sink,
        "{} to {}, {}",
        human::counted(n_paths, "path"),
        human::signed_bytes(size),
        human::counted(n_clusters, "cluster")
    )?;
    let named = query::with_short_types(plan, session, &["current"])?;
    let number_width = n_clusters.to_string().len();
    let further = " ".repeat(number_width + 2);
    let room =
        plan.table_width().map_or(usize::MAX, |width| width.saturating_sub(further.len()).max(MIN_LINE));
    for (i, cluster) in clusters.iter().enumerate() {
        let share = format!(
            "{} of {}, {}",
            human::count(cluster.paths),
            human::count(n_paths),
            human::signed_bytes(cluster.size)
        );
        let (number, texts) = match &cluster.common {
            Some(common) => {
                let type_name = shortened(named.types().name(&common.type_name), MAX_CHARS);
                let address = human::address(common.address);
                let object = match &common.name {
                    Some(name) => format!("{}, a {type_name} at {address}", shortened(name, MAX_CHARS)),
                    None => format!("a {type_name} at {address}"),
                };
                let way = shortened(&common.signature, MAX_WAY_CHARS).into_owned();
                (format!("{:>number_width$}", i + 1), vec![format!("{share}: all through {object}"), way])
            }
            None => (
                " ".repeat(number_width),
                vec![format!("{share}: in no cluster, such as that to {}", human::address(cluster.example))],
            ),
        };
        for (n, text) in texts.iter().flat_map(|text| wrapped(&escape::line(text), room)).enumerate() {
            let before = if n == 0 { format!("{number}  ") } else { further.clone() };
            writeln!(sink, "{before}{text}")?;
        }
    }
    Ok(())
}

/// Says that there is no path, and why.
fn no_path(pattern: &str, session: &Session, sink: &mut Sink) -> Result<()> {
    writeln!(sink, "no path")?;
    for line in why_not(pattern, session)? {
        writeln!(sink, "  {}", escape::line(&line))?;
    }
    Ok(())
}

/// The branches as tiles.
fn tiles(tree: &[PathBranch]) -> Vec<Tile> {
    let n_paths = paths_of_tree(tree);
    let paths = human::counted(n_paths, "path");
    let whole = Tile { parent: None, label: paths.clone(), title: paths, value: n_paths, tone: Tone::Plain };
    let tile = |branch: &PathBranch| {
        let word = escape::line(&branch.words()).into_owned();
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
    std::iter::once(whole).chain(tree.iter().map(tile)).collect()
}
