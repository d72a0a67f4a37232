//! What is in the dumps, and what the memory of their process consists of.

use std::sync::Arc;

use heaplake_store::Manifest;

use super::{Asked, Builder, N_TOP, section};
use crate::{
    Result, Top, TopBy,
    report::{ChartLine, ReportChart, ReportCommand, ReportContent, ReportPart, ReportSection},
    words,
};

impl Builder<'_> {
    pub(super) fn content(&self) -> Result<ReportSection> {
        let mut section = section("content", "What is in it");
        let newest = &self.newest;
        section.summary = format!(
            "{} has {} of {}, {} in all, and {}.",
            newest.id,
            words::counted(newest.counts.objects, "object"),
            words::counted(newest.counts.types, "type"),
            words::signed_bytes(newest.counts.bytes),
            words::counted(newest.counts.edges, "reference")
        );
        if self.dumps.len() > 1 {
            let statement = format!(
                "SELECT id, taken, objects, edges, bytes, types, tags FROM history.dump WHERE id IN ({}) ORDER BY taken, id",
                Self::ids(self.dumps)
            );
            self.table(Asked::sql("dumps", "The dumps", statement), &mut section)?;
        }
        let types = Asked::query("types", "Types by size", "histogram", &[])?;
        self.table(types.missing("The dump has no types."), &mut section)?;
        let top = Top { by: TopBy::Module, n: N_TOP };
        let command = ReportCommand::Top(TopBy::Module, N_TOP);
        let modules = Asked::new("modules", "Modules by size", command, top.statement())
            .missing("Nothing in the dump says which module an object belongs to.");
        self.table(modules, &mut section)?;
        Ok(section)
    }

    pub(super) fn memory(&self) -> Result<ReportSection> {
        let mut section = section("memory", "Memory of the process");
        let Some(account) = crate::account(&self.newest) else {
            section.missing = Some(
                "The dump does not say what the memory of its process consists of; captures do, of Linux processes."
                    .to_owned(),
            );
            return Ok(section);
        };
        let largest = account.parts().max_by_key(|(_, bytes)| *bytes);
        section.summary = format!(
            "The process has {}{}.",
            words::bytes(account.total),
            largest.map_or_else(String::new, |(part, bytes)| {
                format!(", {} of it {}", words::bytes(bytes), part.description())
            })
        );
        if account.absent > 0 {
            section.notes.push(format!(
                "{} of objects are beyond that: never touched, or counted twice.",
                words::bytes(account.absent)
            ));
        }
        let known: Vec<&Arc<Manifest>> =
            self.dumps.iter().filter(|dump| crate::account(dump).is_some()).collect();
        let statement = format!(
            "SELECT m.dump, m.total, m.objects, m.pools_free, m.malloc_free, m.code, m.mapped, m.stacks, m.native, m.absent \
             FROM history.process_memory m JOIN history.dump d ON d.id = m.dump WHERE m.dump IN ({}) ORDER BY d.taken, d.id",
            Self::ids(known.iter().copied())
        );
        if known.len() > 1 {
            let lines = heaplake_model::MemoryPart::ALL.map(|part| ChartLine {
                name: part.description().to_owned(),
                values: known
                    .iter()
                    .map(|dump| crate::account(dump).map(|a| i64::try_from(a.part(part)).unwrap_or(i64::MAX)))
                    .collect(),
            });
            let chart = ReportChart {
                unit: "bytes",
                stacked: true,
                dumps: known.iter().map(|dump| dump.id.to_string()).collect(),
                times: known.iter().map(|dump| dump.taken.timestamp()).collect(),
                lines: lines.into(),
            };
            section.parts.push(ReportPart {
                id: "memory-chart".to_owned(),
                title: "Memory over time".to_owned(),
                source: self.source(ReportCommand::Sql(&statement), &statement),
                content: ReportContent::Chart(chart),
            });
        }
        let before = section.parts.len();
        self.table(Asked::sql("account", "What it consists of, in bytes", statement), &mut section)?;
        // Every column but the name of the dump is of bytes, whatever it is called.
        for part in &mut section.parts[before..] {
            if let ReportContent::Table(table) = &mut part.content {
                table
                    .columns
                    .iter_mut()
                    .filter(|column| column.kind == "number")
                    .for_each(|c| c.kind = "bytes");
            }
        }
        Ok(section)
    }
}
