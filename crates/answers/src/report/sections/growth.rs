//! What grew from dump to dump.

use heaplake_store::Manifest;

use super::{Asked, Builder, N_TOP, section};
use crate::{
    Diff, GroupBy, Metric, Result, Trend,
    report::{ReportChart, ReportCommand, ReportContent, ReportPart, ReportSection},
    words,
};

/// Series that are drawn.
const N_LINES: usize = 8;

impl Builder<'_> {
    pub(super) fn growth(&self) -> Result<ReportSection> {
        let mut section = section("growth", "What grew");
        let (Some(first), true) = (self.dumps.first(), self.dumps.len() > 1) else {
            section.missing =
                Some("It takes two dumps or more to say what grew; this report is of one.".to_owned());
            return Ok(section);
        };
        let growth = self.newest.counts.bytes.saturating_sub(first.counts.bytes);
        let objects = |dump: &Manifest| i64::try_from(dump.counts.objects).unwrap_or(i64::MAX);
        section.summary = format!(
            "From {} to {}: {} objects, {}.",
            first.id,
            self.newest.id,
            words::growth(objects(&self.newest).saturating_sub(objects(first))),
            words::growth_bytes(growth)
        );
        match &self.selector {
            Some(selector) => {
                for (id, by, metric, title, what) in [
                    ("types-over-time", GroupBy::Type, Metric::Size, "Types over time", "types"),
                    ("holders-over-time", GroupBy::Holder, Metric::Retained, "Holders over time", "holders"),
                ] {
                    let trend = Trend {
                        dumps: selector.clone(),
                        by,
                        metric: Some(metric),
                        all: false,
                        own_growth: false,
                        limit: Some(N_TOP.into()),
                    };
                    let missing = format!("The {what} are the same in all of these dumps.");
                    let before = section.parts.len();
                    let command = ReportCommand::Trend(selector, by, metric, N_TOP);
                    let series = Asked::new(id, title, command, trend.statement()).missing(&missing);
                    self.table(series, &mut section)?;
                    for part in &mut section.parts[before..] {
                        if let ReportContent::Table(table) = &mut part.content {
                            table.measured_in_bytes();
                        }
                    }
                    self.chart_of(by, id, title, before, &mut section);
                }
                let note = self.session.note_on_type_names(&[selector.as_str()])?;
                section.notes.extend(note.map(|note| format!("{note}.")));
            }
            None => section.notes.push(
                "No selector means just these dumps, so that there are no series of all of them; a tag in common \
                 makes one possible."
                    .to_owned(),
            ),
        }
        for (id, by, title) in [
            ("types-grown", GroupBy::Type, "Types, first dump and newest"),
            ("holders-grown", GroupBy::Holder, "Holders, first dump and newest"),
        ] {
            let diff = Diff {
                before: first.id.to_string(),
                after: self.newest.id.to_string(),
                by,
                metric: None,
                all: false,
                own_growth: false,
                limit: Some(N_TOP.into()),
            };
            let grown = Asked::new(id, title, ReportCommand::Diff(by, N_TOP), diff.statement());
            self.table(grown.missing("Nothing differs between the two."), &mut section)?;
        }
        Ok(section)
    }

    /// Draws the first series of the table that was added last.
    fn chart_of(&self, by: GroupBy, id: &str, title: &str, before: usize, section: &mut ReportSection) {
        let Some(part) = section.parts.get(before) else { return };
        let ReportContent::Table(table) = &part.content else { return };
        let dumps: Vec<String> = self.dumps.iter().map(|dump| dump.id.to_string()).collect();
        let times = self.dumps.iter().map(|dump| dump.taken.timestamp()).collect();
        if let Some(chart) = ReportChart::of_series(table, by.name(), N_LINES, dumps, times, "bytes") {
            let source = part.source.clone();
            section.parts.insert(
                before,
                ReportPart {
                    id: format!("{id}-chart"),
                    title: format!("{title}: the first {}", chart.lines.len()),
                    source,
                    content: ReportContent::Chart(chart),
                },
            );
        }
    }
}
