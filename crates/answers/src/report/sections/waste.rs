//! What is wasted, what threads hold, and what nothing holds.

use super::{Asked, Builder, N_TOP, given, section};
use crate::{Result, report::ReportSection};

/// Rows of threads and their frames.
const N_THREAD_ROWS: usize = 1000;
/// For queries that are asked with their defaults.
const NO_ARGUMENTS: &[(String, String)] = &[];

impl Builder<'_> {
    pub(super) fn waste(&self) -> Result<ReportSection> {
        let mut section = section("waste", "What is wasted");
        section.summary =
            "What could be saved without anything being lost, at most; the kinds overlap.".to_owned();
        let limit = given("limit", N_TOP);
        let limit = limit.as_slice();
        for (id, title, name, given, missing) in [
            ("waste-table", "By kind", "waste", NO_ARGUMENTS, ""),
            (
                "duplicates",
                "Texts that are there more than once",
                "duplicate_strings",
                limit,
                "No text is there twice, or the dump has no texts.",
            ),
            (
                "unused",
                "Containers with room that they do not use",
                "unused_capacity",
                limit,
                "The room of containers is known of captures alone, which say the version of Python.",
            ),
            (
                "empty",
                "Containers that hold nothing",
                "empty_containers",
                NO_ARGUMENTS,
                "No container is empty.",
            ),
        ] {
            self.table(Asked::query(id, title, name, given)?.missing(missing), &mut section)?;
        }
        Ok(section)
    }

    pub(super) fn threads(&self) -> Result<ReportSection> {
        let mut section = section("threads", "Threads and what they hold");
        let threads =
            Asked::query("thread-table", "Threads, frames and local variables", "threads", NO_ARGUMENTS)?
                .rows(N_THREAD_ROWS)
                .missing("The dump says nothing of threads; captures and dumps of a JVM do.");
        self.table(threads, &mut section)?;
        Ok(section)
    }

    pub(super) fn garbage(&self) -> Result<ReportSection> {
        let mut section = section("garbage", "Garbage and references from C");
        let external = "SELECT o.address, o.type, coalesce(o.name, program_name(o.address)) AS name, o.external, o.size, o.retained \
             FROM (SELECT * FROM obj WHERE external > 0 ORDER BY retained DESC NULLS LAST, address LIMIT 50) AS o \
             ORDER BY o.retained DESC NULLS LAST, o.address";
        let title = "Objects with references that no object explains: C code holds them";
        let missing = "References from C are known of captures alone, which count the references of every object; or there are none.";
        self.table(Asked::sql("external", title, external.to_owned()).missing(missing), &mut section)?;
        let limit = given("limit", N_TOP);
        for (id, title, name, given, missing) in [
            (
                "unreachable",
                "Garbage: what only cycles of itself hold, by type",
                "unreachable",
                limit.as_slice(),
                "Roots reach every object.",
            ),
            (
                "unreferenced",
                "Objects that nothing refers to, by type",
                "unreferenced",
                NO_ARGUMENTS,
                "Something refers to every object.",
            ),
        ] {
            self.table(Asked::query(id, title, name, given)?.missing(missing), &mut section)?;
        }
        Ok(section)
    }
}
