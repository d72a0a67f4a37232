//! What leaks.

use heaplake_model::shortened;

use super::{Builder, section};
use crate::{
    Result, Suspect, Suspects,
    report::{
        MAX_CHARS, ReportCommand, ReportContent, ReportPart, ReportSection, ReportSuspect, ReportSuspects,
    },
    words,
};

/// What is less sure than this is not said to leak.
const MIN_CONFIDENCE: f64 = 0.5;
/// Suspects that are described.
const N_SUSPECTS: usize = 10;
/// Dumps that are nearer to each other say nothing of the growth in an hour.
const LEAST_SPAN_SECONDS: i64 = 60;

impl Builder<'_> {
    pub(super) fn verdict(&self, asked: &str) -> Result<(ReportSection, Vec<Suspect>)> {
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
}
