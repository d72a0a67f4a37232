//! How objects are reached: paths from the roots to what leaks, and chains.

use heaplake_engine::type_term;
use heaplake_model::shortened;

use super::{Asked, Builder, section};
use crate::{
    Chains, PathMerge, Result, Suspect, path_clusters_statement, path_statement, path_tree,
    path_tree_statement,
    report::{ReportCommand, ReportContent, ReportPart, ReportPaths, ReportSection},
    rows::{AnswerColumns, quoted},
    words,
};

/// How often a motif repeats at least to be a chain.
const MIN_REPEATS: u32 = 10;
/// Suspects whose paths are shown.
const N_SUSPECTS: usize = 3;
/// Paths that are merged, at most: a second and more for each million that is looked for.
const N_PATHS: i64 = 100_000;
/// Characters of a type in a title.
const TITLE_CHARS: usize = 60;

impl Builder<'_> {
    pub(super) fn paths(&self, suspects: &[Suspect]) -> Result<ReportSection> {
        let mut section = section("paths", "Paths from the roots to what leaks");
        for suspect in suspects.iter().filter(|suspect| suspect.holder.is_some()).take(N_SUSPECTS) {
            let holder = words::address(suspect.holder.unwrap_or_default());
            let pattern = format!("root ..> {holder}");
            let title = shortened(&suspect.holder_type, TITLE_CHARS);
            let id = format!("path-{}", suspect.rank);
            let title = format!("The shortest path to suspect {}, a {title}", suspect.rank);
            let path = Asked::new(&id, &title, ReportCommand::Path(&pattern), path_statement(&pattern, None));
            self.table(path.missing("No root reaches it."), &mut section)?;
            self.merged_paths(suspect, &holder, &mut section)?;
        }
        if section.parts.is_empty() {
            section.missing = Some("No object is suspected, so that there is no path to show.".to_owned());
        } else {
            section.summary = "How the program keeps each suspect, hop by hop, and how it keeps what the suspect holds: the \
                               shortest paths to all of it, merged."
                .to_owned();
        }
        Ok(section)
    }

    /// The paths to what a suspect holds, merged, and what they have in common. If the suspect holds most of its type, they are those to all of the type,
    /// so that it is seen what else holds the others; otherwise those to what would be freed with it.
    fn merged_paths(&self, suspect: &Suspect, holder: &str, section: &mut ReportSection) -> Result<()> {
        if suspect.type_name.is_empty() || (suspect.type_name == suspect.holder_type && suspect.count <= 1) {
            return Ok(());
        }
        // Of a type that is named without its module there is no number: it is the program's own, and the suspect holds most.
        let all = self.known(self.objects_of(&suspect.type_name))?.unwrap_or(i64::MAX);
        let is_most = all / 2 <= suspect.count;
        let (held, n) = match is_most {
            true => (String::new(), all.max(suspect.count)),
            false => {
                let held = format!(" WHERE address IN (SELECT address FROM dominated('{holder}'))");
                (held, suspect.count)
            }
        };
        let limit = if n > N_PATHS { format!(" LIMIT {N_PATHS}") } else { String::new() };
        let pattern = format!("root ..> (x: {}{held}) PER x{limit}", type_term(&suspect.type_name));
        let missing = match is_most {
            true => "No root reaches them.",
            false => {
                "Nothing of that type would be freed with the suspect: something else holds all of it as well."
            }
        };
        let paths = match self.known(path_tree(&pattern, PathMerge::Type, self.session))? {
            Ok(tree) if tree.is_empty() => ReportPaths::none(&pattern, missing.to_owned()),
            Ok(tree) => ReportPaths::new(&pattern, &tree),
            Err(why) => ReportPaths::none(&pattern, why),
        };
        let has_paths = paths.missing.is_none();
        let statement = path_tree_statement(&pattern, PathMerge::Type);
        let what = shortened(&suspect.type_name, TITLE_CHARS);
        let every = match n {
            ..=N_PATHS => "every".to_owned(),
            _ => format!("{} of {}", words::signed_count(N_PATHS), words::signed_count(n)),
        };
        let held = if is_most { "" } else { " that would be freed with it" };
        section.parts.push(ReportPart {
            id: format!("paths-{}", suspect.rank),
            title: format!("Suspect {}: the paths to {every} {what}{held}, merged", suspect.rank),
            source: self.source(ReportCommand::PathTree(&pattern, PathMerge::Type), &statement),
            content: ReportContent::Paths(paths),
        });
        if !has_paths {
            return Ok(());
        }
        let id = format!("clusters-{}", suspect.rank);
        let title = format!("Suspect {}: what these paths have in common", suspect.rank);
        let command = ReportCommand::PathClusters(&pattern);
        self.table(Asked::new(&id, &title, command, path_clusters_statement(&pattern)), section)
    }

    /// How many objects of a type there are.
    fn objects_of(&self, type_name: &str) -> Result<i64> {
        let statement = format!(
            "SELECT coalesce(sum(count), 0) AS count FROM type_stat WHERE type = {}",
            quoted(type_name)
        );
        let counts = AnswerColumns::new(&self.session.collect(&statement)?)?.numbers("count")?;
        Ok(counts.first().copied().unwrap_or(0))
    }

    pub(super) fn chains(&self) -> Result<ReportSection> {
        let mut section = section("chains", "Chains");
        let title = "Types that repeat along chains of objects";
        let statement = Chains { min_repeats: MIN_REPEATS }.statement();
        let chains = Asked::new("chain-table", title, ReportCommand::Chains(MIN_REPEATS), statement)
            .missing("No types repeat ten times or more along a chain of objects.");
        self.table(chains, &mut section)?;
        Ok(section)
    }
}
