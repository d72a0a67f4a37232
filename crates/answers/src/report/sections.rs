//! The sections of a report, in the order in which they are read. A question that cannot be answered becomes a sentence that
//! says why; only being stopped ends the report.

use std::{cmp::Reverse, sync::Arc};

use heaplake_engine::{Parameters, Value};
use heaplake_model::shortened;
use heaplake_store::Manifest;

use super::{
    MAX_CHARS, REPORT_FORMAT, Report, ReportCommand, ReportContent, ReportDump, ReportOptions, ReportPart,
    ReportSection, ReportSource, ReportSuspect, ReportSuspects, ReportTree, ReportWords, chart::ReportChart,
    table::ReportTable,
};
use crate::{
    Chains, Diff, FrameMeasure, FrameQuestion, FramesBy, GroupBy, Metric, Result, Session, Suspect, Suspects,
    Top, TopBy, Trend, library::Query, path_statement, rows::quoted, words,
};

/// What is less sure than this is not said to leak.
const MIN_CONFIDENCE: f64 = 0.5;
/// Dumps that are nearer to each other say nothing of the growth in an hour.
const LEAST_SPAN_SECONDS: i64 = 60;
/// Suspects that are described.
const N_SUSPECTS: usize = 10;
/// Rows of a table.
const N_ROWS: usize = 200;
/// Rows of lists that grow with the dump and whose first rows matter.
const N_TOP: u32 = 50;
/// Rows of threads and their frames.
const N_THREAD_ROWS: usize = 1000;
/// Series that are drawn.
const N_LINES: usize = 8;
/// Levels of the pictures, boxes of each, and the part of the whole below which a box is folded.
const HOLDER_DEPTH: u32 = 24;
const TREE_DEPTH: u32 = 7;
const N_FRAMES: usize = 1200;
const MIN_SHARE: f64 = 0.0002;
/// How often a motif repeats at least to be a chain.
const MIN_REPEATS: u32 = 10;

/// For queries that are asked with their defaults.
const NO_ARGUMENTS: &[(String, String)] = &[];

/// What each statement of the report asks with.
pub(super) struct Builder<'b> {
    session: &'b Session,
    dumps: &'b [Arc<Manifest>],
    newest: Arc<Manifest>,
    /// Selects exactly the dumps; `None` if no selector does.
    selector: Option<String>,
    options: &'b ReportOptions,
    words: &'b ReportWords<'b>,
}

/// A table that is asked for.
struct Asked<'a> {
    id: &'a str,
    title: &'a str,
    command: ReportCommand<'a>,
    statement: String,
    parameters: Parameters,
    about: Vec<(String, String)>,
    max: usize,
    /// Why it may have no rows.
    missing: &'a str,
}

impl<'b> Builder<'b> {
    pub(super) fn new(
        session: &'b Session,
        dumps: &'b [Arc<Manifest>],
        options: &'b ReportOptions,
        words: &'b ReportWords<'b>,
    ) -> Result<Self> {
        let newest = dumps.last().cloned().ok_or(heaplake_engine::Error::NoDumps)?;
        let selector = selector(session, dumps, options);
        Ok(Self { session, dumps, newest, selector, options, words })
    }

    pub(super) fn report(&self, asked: &str) -> Result<Report> {
        let (verdict, found) = self.verdict(asked)?;
        let sections = vec![
            verdict,
            self.content()?,
            self.memory()?,
            self.growth()?,
            self.holders()?,
            self.biggest()?,
            self.paths(&found)?,
            self.chains()?,
            self.waste()?,
            self.threads()?,
            self.garbage()?,
            self.issues()?,
            self.made(asked)?,
        ];
        let title = self.options.title.clone();
        let dump = |dump: &Arc<Manifest>| ReportDump {
            id: dump.id.to_string(),
            taken: dump.taken,
            objects: dump.counts.objects,
            bytes: dump.counts.bytes,
        };
        Ok(Report {
            format: REPORT_FORMAT,
            title: title.unwrap_or_else(|| format!("Memory of {}", self.newest.id)),
            heaplake: env!("CARGO_PKG_VERSION"),
            made: self.options.made,
            redacted: None,
            verdict: sections[0].summary.clone(),
            newest: self.newest.id.to_string(),
            dumps: self.dumps.iter().map(dump).collect(),
            sections,
        })
    }

    fn verdict(&self, asked: &str) -> Result<(ReportSection, Vec<Suspect>)> {
        let mut section = section("verdict", "Verdict");
        let question = Suspects {
            dumps: self.dumps.iter().map(|dump| dump.id.to_string()).collect(),
            ..Suspects::default()
        };
        let found = match self.known(question.found(self.session))? {
            Ok(found) => found,
            Err(why) => {
                section.summary = "What leaks is not known.".to_owned();
                section.missing = Some(why);
                return Ok((section, Vec::new()));
            }
        };
        let is_said = |suspect: &&Suspect| suspect.confidence >= MIN_CONFIDENCE && suspect.accepted.is_none();
        let suspects: Vec<Suspect> = found.iter().filter(is_said).cloned().collect();
        let others = found.iter().filter(|suspect| !is_said(suspect)).take(N_SUSPECTS);
        section.summary = match suspects.as_slice() {
            [] => "No suspect: nothing that holds much, or that grew, is believed to leak.".to_owned(),
            [first, ..] => {
                let more = match suspects.len() - 1 {
                    0 => String::new(),
                    1 => " There is one more suspect.".to_owned(),
                    n => format!(" There are {n} more suspects."),
                };
                format!("{} ({:.0} % sure).{more}", first.headline(), first.confidence * 100.0)
            }
        };
        section.notes.push(asked.to_owned());
        if suspects.len() > N_SUSPECTS {
            section
                .notes
                .push(format!("The {N_SUSPECTS} likeliest of {} suspects are here.", suspects.len()));
        }
        let content = ReportSuspects {
            suspects: suspects.iter().take(N_SUSPECTS).map(|suspect| self.suspect(suspect)).collect(),
            others: others.map(|suspect| self.suspect(suspect)).collect(),
            candidates: found.len() as u64,
        };
        section.parts.push(ReportPart {
            id: "suspects".to_owned(),
            title: "Suspects".to_owned(),
            source: self.source(ReportCommand::Suspects, &question.statement()),
            content: ReportContent::Suspects(content),
        });
        Ok((section, suspects))
    }

    fn suspect(&self, suspect: &Suspect) -> ReportSuspect {
        let cut = |text: &str| shortened(text, 2 * MAX_CHARS).into_owned();
        ReportSuspect {
            rank: suspect.rank,
            headline: cut(&suspect.headline()),
            confidence: suspect.confidence,
            basis: if suspect.is_proved { "proved" } else { "judged" },
            accepted: suspect.accepted.as_deref().map(cut),
            idiom: suspect.idiom.clone(),
            holder: suspect.holder.map(words::address),
            holder_type: cut(&suspect.holder_type),
            held_by: suspect.held_by.as_deref().map(cut),
            holder_path: cut(&suspect.holder_path),
            type_name: cut(&suspect.type_name),
            count: suspect.count,
            count_growth: suspect.count_growth,
            retained: suspect.retained,
            retained_growth: suspect.retained_growth,
            per_hour: suspect.per_hour.filter(|_| self.is_a_pace_known()),
            shape: suspect.shape.clone(),
            evidence: suspect.evidence.iter().map(|fact| cut(fact)).collect(),
            advice: cut(&suspect.advice),
            path: cut(&suspect.path),
            commands: (self.words.suspect)(suspect, self.dumps),
        }
    }

    /// Whether the dumps are so far apart that a growth by the hour says anything.
    fn is_a_pace_known(&self) -> bool {
        let first = self.dumps.iter().map(|dump| dump.taken).min();
        first.is_some_and(|first| (self.newest.taken - first).num_seconds() >= LEAST_SPAN_SECONDS)
    }

    fn content(&self) -> Result<ReportSection> {
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
            let ids: Vec<String> = self.dumps.iter().map(|dump| quoted(dump.id.as_str())).collect();
            let statement = format!(
                "SELECT id, taken, objects, edges, bytes, types, tags FROM history.dump WHERE id IN ({}) ORDER BY taken, id",
                ids.join(", ")
            );
            self.sql("dumps", "The dumps", statement, N_ROWS, "", &mut section)?;
        }
        self.query(
            "types",
            "Types by size",
            "histogram",
            &[],
            N_ROWS,
            "The dump has no types.",
            &mut section,
        )?;
        let top = Top { by: TopBy::Module, n: N_TOP };
        self.table(
            Asked {
                id: "modules",
                title: "Modules by size",
                command: ReportCommand::Top(TopBy::Module, N_TOP),
                statement: top.statement(),
                parameters: Parameters::new(),
                about: Vec::new(),
                max: N_ROWS,
                missing: "Nothing in the dump says which module an object belongs to.",
            },
            &mut section,
        )?;
        Ok(section)
    }

    fn memory(&self) -> Result<ReportSection> {
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
        let ids: Vec<String> = known.iter().map(|dump| quoted(dump.id.as_str())).collect();
        let statement = format!(
            "SELECT m.dump, m.total, m.objects, m.pools_free, m.malloc_free, m.code, m.mapped, m.stacks, m.native, m.absent \
             FROM history.process_memory m JOIN history.dump d ON d.id = m.dump WHERE m.dump IN ({}) ORDER BY d.taken, d.id",
            ids.join(", ")
        );
        if known.len() > 1 {
            let lines = heaplake_model::MemoryPart::ALL.map(|part| super::ChartLine {
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
        self.sql("account", "What it consists of, in bytes", statement, N_ROWS, "", &mut section)?;
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

    fn growth(&self) -> Result<ReportSection> {
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
                    self.table(
                        Asked {
                            id,
                            title,
                            command: ReportCommand::Trend(selector, by, metric, N_TOP),
                            statement: trend.statement(),
                            parameters: Parameters::new(),
                            about: Vec::new(),
                            max: N_ROWS,
                            missing: &missing,
                        },
                        &mut section,
                    )?;
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
            self.table(
                Asked {
                    id,
                    title,
                    command: ReportCommand::Diff(by, N_TOP),
                    statement: diff.statement(),
                    parameters: Parameters::new(),
                    about: Vec::new(),
                    max: N_ROWS,
                    missing: "Nothing differs between the two.",
                },
                &mut section,
            )?;
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

    fn holders(&self) -> Result<ReportSection> {
        let mut section = section("holders", "Who holds it");
        let first = self.dumps.first().filter(|first| first.id != self.newest.id);
        let question = |by, depth, compared| FrameQuestion {
            by,
            compared,
            measure: FrameMeasure::Bytes,
            depth,
            max_frames: N_FRAMES,
            min_share: MIN_SHARE,
        };
        let compared = first.map(|first| (first.id.to_string(), self.newest.id.to_string()));
        for (id, title, picture, question) in [
            ("flame", "Flame graph of holders", "flame", question(FramesBy::Holder, HOLDER_DEPTH, compared)),
            (
                "treemap",
                "Treemap of the dominator tree",
                "treemap",
                question(FramesBy::Dominator, TREE_DEPTH, None),
            ),
        ] {
            let statement = question.statement();
            match self.known(question.answer(self.session))? {
                Err(why) => section.notes.push(format!("{title}: {why}.")),
                Ok(tree) => section.parts.push(ReportPart {
                    id: id.to_owned(),
                    title: title.to_owned(),
                    source: self.source(ReportCommand::Sql(&statement), &statement),
                    content: ReportContent::Tree(ReportTree::of(&tree, picture)),
                }),
            }
        }
        if section.parts.is_empty() {
            section.missing = Some("There is no graph index, which says what holds what.".to_owned());
        } else {
            section.summary =
                "What would be freed with what: the width or area of a box is its size with that of all below it.".to_owned();
        }
        let given = given("limit", N_TOP);
        let missing = "There is no graph index, which says what holds what.";
        self.query(
            "holder-table",
            "Holders by what they retain",
            "holders",
            &given,
            N_ROWS,
            missing,
            &mut section,
        )?;
        Ok(section)
    }

    fn biggest(&self) -> Result<ReportSection> {
        let mut section = section("biggest", "The biggest objects");
        section.summary =
            "Those that retain most: a big object inside of a big object is here twice.".to_owned();
        for (id, by, title) in [
            ("biggest-objects", TopBy::Object, "Objects by what they retain"),
            ("biggest-types", TopBy::Type, "Types by what they retain"),
        ] {
            self.table(
                Asked {
                    id,
                    title,
                    command: ReportCommand::Top(by, N_TOP),
                    statement: Top { by, n: N_TOP }.statement(),
                    parameters: Parameters::new(),
                    about: Vec::new(),
                    max: N_ROWS,
                    missing: "There is no graph index, which says what objects retain.",
                },
                &mut section,
            )?;
        }
        let given = given("limit", N_TOP);
        let missing = "No collection has a length.";
        self.query(
            "collections",
            "Collections by items",
            "biggest_collections",
            &given,
            N_ROWS,
            missing,
            &mut section,
        )?;
        Ok(section)
    }

    fn paths(&self, suspects: &[Suspect]) -> Result<ReportSection> {
        let mut section = section("paths", "Paths from the roots to what leaks");
        for suspect in suspects.iter().filter(|suspect| suspect.holder.is_some()).take(3) {
            let pattern = format!("root ..> {}", words::address(suspect.holder.unwrap_or_default()));
            let title = shortened(&suspect.holder_type, 60);
            self.table(
                Asked {
                    id: &format!("path-{}", suspect.rank),
                    title: &format!("The shortest path to suspect {}, a {title}", suspect.rank),
                    command: ReportCommand::Path(&pattern),
                    statement: path_statement(&pattern, None),
                    parameters: Parameters::new(),
                    about: Vec::new(),
                    max: N_ROWS,
                    missing: "No root reaches it.",
                },
                &mut section,
            )?;
        }
        if section.parts.is_empty() {
            section.missing = Some("No object is suspected, so that there is no path to show.".to_owned());
        } else {
            section.summary = "A way by which the program keeps each suspect, hop by hop.".to_owned();
        }
        Ok(section)
    }

    fn chains(&self) -> Result<ReportSection> {
        let mut section = section("chains", "Chains");
        self.table(
            Asked {
                id: "chain-table",
                title: "Types that repeat along chains of objects",
                command: ReportCommand::Chains(MIN_REPEATS),
                statement: Chains { min_repeats: MIN_REPEATS }.statement(),
                parameters: Parameters::new(),
                about: Vec::new(),
                max: N_ROWS,
                missing: "No types repeat ten times or more along a chain of objects.",
            },
            &mut section,
        )?;
        Ok(section)
    }

    fn waste(&self) -> Result<ReportSection> {
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
            self.query(id, title, name, given, N_ROWS, missing, &mut section)?;
        }
        Ok(section)
    }

    fn threads(&self) -> Result<ReportSection> {
        let mut section = section("threads", "Threads and what they hold");
        self.query(
            "thread-table",
            "Threads, frames and local variables",
            "threads",
            &[],
            N_THREAD_ROWS,
            "The dump says nothing of threads; captures and dumps of a JVM do.",
            &mut section,
        )?;
        Ok(section)
    }

    fn garbage(&self) -> Result<ReportSection> {
        let mut section = section("garbage", "Garbage and references from C");
        let external = "SELECT o.address, o.type, coalesce(o.name, program_name(o.address)) AS name, o.external, o.size, o.retained \
             FROM (SELECT * FROM obj WHERE external > 0 ORDER BY retained DESC NULLS LAST, address LIMIT 50) AS o \
             ORDER BY o.retained DESC NULLS LAST, o.address";
        self.sql(
            "external",
            "Objects with references that no object explains: C code holds them",
            external.to_owned(),
            N_ROWS,
            "References from C are known of captures alone, which count the references of every object; or there are none.",
            &mut section,
        )?;
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
            self.query(id, title, name, given, N_ROWS, missing, &mut section)?;
        }
        Ok(section)
    }

    fn issues(&self) -> Result<ReportSection> {
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
        self.sql(
            "issues-by-kind",
            "By kind",
            "SELECT kind, count(*) AS count FROM issue GROUP BY kind ORDER BY count DESC, kind".to_owned(),
            N_ROWS,
            "",
            &mut section,
        )?;
        self.sql(
            "issue-table",
            "The first",
            "SELECT kind, line, \"offset\", what FROM issue ORDER BY \"offset\" LIMIT 100".to_owned(),
            N_ROWS,
            "",
            &mut section,
        )?;
        Ok(section)
    }

    fn made(&self, asked: &str) -> Result<ReportSection> {
        let mut section = section("made", "How it was made");
        section.summary = format!(
            "By heaplake {} on {}. {asked} Questions about one dump ask {}.",
            env!("CARGO_PKG_VERSION"),
            self.options.made.format("%Y-%m-%d %H:%M UTC"),
            self.newest.id
        );
        let statement = format!(
            "SELECT id, taken, imported, format, source, source_bytes, sha256, tags FROM history.dump WHERE id IN ({}) ORDER BY taken, id",
            self.dumps.iter().map(|dump| quoted(dump.id.as_str())).collect::<Vec<_>>().join(", ")
        );
        section.notes.push(format!("The command: {}", (self.words.command)(&ReportCommand::Report)));
        section.notes.push(format!(
            "Tables have at most {N_ROWS} rows and say how many there are; texts are cut at {MAX_CHARS} characters. \
             Statements over bare table names mean {}: give its name with the statement.",
            self.newest.id
        ));
        self.sql("sources", "The files", statement, N_ROWS, "", &mut section)?;
        Ok(section)
    }

    fn sql(
        &self,
        id: &str,
        title: &str,
        statement: String,
        max: usize,
        missing: &str,
        section: &mut ReportSection,
    ) -> Result<()> {
        let command = statement.clone();
        self.table(
            Asked {
                id,
                title,
                command: ReportCommand::Sql(&command),
                statement,
                parameters: Parameters::new(),
                about: Vec::new(),
                max,
                missing,
            },
            section,
        )
    }

    #[allow(clippy::too_many_arguments)]
    fn query(
        &self,
        id: &str,
        title: &str,
        name: &str,
        given: &[(String, String)],
        max: usize,
        missing: &str,
        section: &mut ReportSection,
    ) -> Result<()> {
        let query = Query::find(name)?;
        let parameters = query.values(given)?;
        self.table(
            Asked {
                id,
                title,
                command: ReportCommand::Query(name, given),
                statement: query.text,
                parameters,
                about: query.header.columns,
                max,
                missing,
            },
            section,
        )
    }

    /// Adds a table, or the sentence that says why there is none.
    fn table(&self, asked: Asked<'_>, section: &mut ReportSection) -> Result<()> {
        let mut table: Option<ReportTable> = None;
        let answered = self.session.for_each_with(&asked.statement, &asked.parameters, |batch| {
            let table = table.get_or_insert_with(|| ReportTable::of(batch, &asked.about));
            table.push(batch, asked.max)
        });
        let mut table = match self.known(answered)? {
            Ok(()) => table.unwrap_or_default(),
            Err(why) => ReportTable { missing: Some(why), ..ReportTable::default() },
        };
        if table.rows.is_empty() && table.missing.is_none() {
            table.missing = Some(asked.missing.to_owned());
        }
        let statement = with_values(&asked.statement, &asked.parameters);
        section.parts.push(ReportPart {
            id: asked.id.to_owned(),
            title: asked.title.to_owned(),
            source: self.source(asked.command, &statement),
            content: ReportContent::Table(table),
        });
        Ok(())
    }

    fn source(&self, command: ReportCommand<'_>, statement: &str) -> ReportSource {
        ReportSource {
            command: (self.words.command)(&command),
            sql: statement.to_owned(),
            dump: self.newest.id.to_string(),
        }
    }

    /// An answer, or why there is none; an error only if the work was stopped.
    fn known<T>(&self, answer: Result<T>) -> Result<Result<T, String>> {
        match answer {
            Ok(answer) => Ok(Ok(answer)),
            Err(error) if error.is_cancelled() => Err(error),
            Err(error) => Ok(Err(shortened(&error.to_string(), 2 * MAX_CHARS).into_owned())),
        }
    }
}

fn section(id: &'static str, title: &'static str) -> ReportSection {
    ReportSection { id, title, summary: String::new(), missing: None, notes: Vec::new(), parts: Vec::new() }
}

fn given(name: &str, value: u32) -> Vec<(String, String)> {
    vec![(name.to_owned(), value.to_string())]
}

/// A selector of exactly these dumps, which are oldest first; `None` if there is none.
fn selector(session: &Session, dumps: &[Arc<Manifest>], options: &ReportOptions) -> Option<String> {
    let given = &options.dumps;
    let (first, last) = (dumps.first()?, dumps.last()?);
    let mut candidates: Vec<String> = given.iter().filter(|_| given.len() == 1).cloned().collect();
    candidates.push(format!("{}..{}", first.id, last.id));
    // A tag that all have: those with the most words tell most.
    let mut tags: Vec<(String, String)> = first.all_tags().into_iter().collect();
    if options.redact {
        tags.clear();
    }
    tags.retain(|tag| dumps.iter().all(|dump| dump.all_tags().get(&tag.0) == Some(&tag.1)));
    tags.sort_by_key(|(key, value)| (Reverse(key == "pid"), Reverse(value.len())));
    let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    tags.retain(|(key, value)| is_plain(key) && is_plain(value) && !value.is_empty());
    let conditions: Vec<String> = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    candidates.extend(conditions.iter().cloned());
    candidates.push(conditions.join(","));
    candidates.push(format!("{}..{},{}", first.id, last.id, conditions.join(",")));
    candidates.into_iter().filter(|text| !text.is_empty()).find(|text| {
        session.select(text).is_ok_and(|selected| {
            selected.len() == dumps.len() && selected.iter().zip(dumps).all(|(a, b)| a.id == b.id)
        })
    })
}

/// A statement without its header, and with the values of its parameters in their place.
fn with_values(statement: &str, parameters: &Parameters) -> String {
    let body: Vec<&str> = statement
        .lines()
        .skip_while(|line| line.trim_start().starts_with("--") || line.trim().is_empty())
        .collect();
    let body = body.join("\n");
    let mut out = String::with_capacity(body.len());
    let mut rest = body.as_str();
    while let Some(at) = rest.find('$') {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let name: String =
            after[1..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        match parameters.get(&name) {
            Some(Value::Integer(n)) => out.push_str(&n.to_string()),
            Some(Value::Number(n)) => out.push_str(&n.to_string()),
            Some(Value::Boolean(value)) => out.push_str(&value.to_string()),
            Some(Value::Text(text)) => out.push_str(&quoted(text)),
            _ => out.push_str(&after[..=name.len()]),
        }
        rest = &after[1 + name.len()..];
    }
    out.push_str(rest);
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_to_copy_has_its_values_and_no_header() {
        let text = "-- What?\n-- param limit integer = 3: n\n\nselect '$5', x from t\nwhere a = $what limit $limit\n";
        let parameters: Parameters =
            [("limit".to_owned(), Value::Integer(7)), ("what".to_owned(), Value::Text("it's".to_owned()))]
                .into();
        assert_eq!(with_values(text, &parameters), "select '$5', x from t\nwhere a = 'it''s' limit 7");
    }
}
