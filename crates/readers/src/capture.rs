//! Captures: meliae's lines with labels, weak references and roots, and a first and a last line about the dump.
//!
//! heaplake's own capture script writes them; docs/formats/capture.md has the fields. `meliae` parses all of their lines.

use chrono::{DateTime, Utc};
use heaplake_model::{Process, Runtime};

use crate::{
    Consume, DumpContent, Error, Format, ReadOptions, Recognition, SourceNeed, SourceReader, TypeTable,
    meliae::{
        blocks::{Expected, LineBlocks},
        mark::Header,
        recognise::{FirstObject, first_object},
    },
};

/// The format of heaplake's own captures.
#[derive(Debug)]
pub(crate) struct Capture;

/// The newest version of the format that is read.
const VERSION: u32 = 2;
/// Characters of a text by which a dump describes its process.
const MAX_PROCESS_CHARS: usize = 1000;

impl Format for Capture {
    fn name(&self) -> &'static str {
        "capture"
    }

    fn description(&self) -> &'static str {
        "The same with labels and roots, as heaplake's own capture writes it"
    }

    fn needs(&self) -> SourceNeed {
        SourceNeed::Stream
    }

    fn recognise(&self, head: &[u8]) -> Recognition {
        match first_object(head) {
            FirstObject::Header => Recognition::Yes,
            FirstObject::Object | FirstObject::Unknown => Recognition::No,
        }
    }

    fn read(
        &self,
        source: SourceReader,
        options: &ReadOptions<'_>,
        types: &TypeTable,
        consume: Consume<'_>,
    ) -> Result<DumpContent, Error> {
        let lines = LineBlocks::new(Expected::Capture { version: VERSION });
        let (lines, provenance) = crate::blocks::read(lines, source, options, types, consume)?;
        let header = lines.header();
        Ok(DumpContent {
            provenance,
            process: header.map(|header| self.process(header)).unwrap_or_default(),
            taken: header.and_then(taken),
        })
    }
}

impl Capture {
    /// What the header says of the process.
    fn process(&self, header: &Header) -> Process {
        let Header {
            format,
            time: _,
            pid,
            host,
            python,
            command,
            rss,
            memory,
            interpreters,
            collector,
            reason,
        } = header;
        Process {
            format: Some(*format),
            runtime: Runtime::of_format(self.name()).map(|runtime| runtime.name.to_owned()),
            version: python.clone().map(shortened),
            pid: *pid,
            host: host.clone().map(shortened),
            command: command.as_ref().map(|command| shortened(command.join(" "))),
            resident_bytes: *rss,
            memory: *memory,
            layout: None,
            interpreters: interpreters.filter(|n| *n > 1),
            collector: *collector,
            reason: reason.clone().map(shortened),
        }
    }
}

/// When the header says that the dump was taken.
fn taken(header: &Header) -> Option<DateTime<Utc>> {
    let taken = DateTime::parse_from_rfc3339(header.time.as_ref()?).ok()?;
    DateTime::from_timestamp_micros(taken.timestamp_micros())
}

fn shortened(text: String) -> String {
    heaplake_model::shortened(&text, MAX_PROCESS_CHARS).into_owned()
}
