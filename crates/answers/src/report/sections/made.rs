//! What the imports met, and how the report was made.

use super::{Asked, Builder, N_ROWS, section};
use crate::{
    Result,
    report::{MAX_CHARS, ReportCommand, ReportSection},
    words,
};

impl Builder<'_> {
    pub(super) fn issues(&self) -> Result<ReportSection> {
        let mut section = section("issues", "Import issues");
        let n: u64 = self.newest.issues.values().sum();
        if n == 0 {
            section.missing =
                Some(format!("The import of {} met nothing to repair or to skip.", self.newest.id));
            return Ok(section);
        }
        section.summary = format!(
            "The import of {} met {}, which were repaired or skipped.",
            self.newest.id,
            words::counted(n, "issue")
        );
        let by_kind = "SELECT kind, count(*) AS count FROM issue GROUP BY kind ORDER BY count DESC, kind";
        self.table(Asked::sql("issues-by-kind", "By kind", by_kind.to_owned()), &mut section)?;
        let first = "SELECT kind, line, \"offset\", what FROM issue ORDER BY \"offset\" LIMIT 100";
        self.table(Asked::sql("issue-table", "The first", first.to_owned()), &mut section)?;
        Ok(section)
    }

    pub(super) fn made(&self, asked: &str) -> Result<ReportSection> {
        let mut section = section("made", "How it was made");
        section.summary = format!(
            "By heaplake {} on {}. {asked} Questions about one dump ask {}.",
            env!("CARGO_PKG_VERSION"),
            self.options.made.format("%Y-%m-%d %H:%M UTC"),
            self.newest.id
        );
        let statement = format!(
            "SELECT id, taken, imported, format, source, source_bytes, sha256, tags FROM history.dump WHERE id IN ({}) ORDER BY taken, id",
            Self::ids(self.dumps)
        );
        section.notes.push(format!("The command: {}", (self.words.command)(&ReportCommand::Report)));
        section.notes.push(format!(
            "Tables have at most {N_ROWS} rows and say how many there are; texts are cut at {MAX_CHARS} characters. \
             Statements over bare table names mean {}: give its name with the statement.",
            self.newest.id
        ));
        self.table(Asked::sql("sources", "The files", statement), &mut section)?;
        Ok(section)
    }
}
