//! HPROF: heap dumps of the JVM, of Android, and of native images of GraalVM.
//!
//! The file is read twice. The first pass ([`scan`]) finds classes, names, roots and where objects are; then sizes and layouts of
//! classes are known ([`classes`], [`layout`]). The second pass ([`emit`]) makes rows of the objects, block by block, on
//! several threads; texts and lengths are in other objects, which are read wherever they are ([`objects`]).
//! docs/formats/hprof.md says what becomes of what.

mod classes;
mod dialect;
mod emit;
mod file;
mod layout;
mod names;
mod objects;
mod reflection;
mod roots;
mod rules;
mod scan;
mod scanned;

use std::{
    fs::File,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use chrono::{DateTime, Utc};
use crossbeam_channel::{Receiver, Sender, bounded};
use heaplake_model::{Process, Runtime};

use crate::{
    Consume, DumpContent, Error, Format, ReadOptions, Recognition, Records, SeekableSource, SourceNeed,
    SourceReader, TypeId, TypeTable,
};
use classes::Classes;
use dialect::{BasicType, Header, HeaderError, MAGIC};
use emit::{BlockParser, TypeIds};
use objects::{Model, ObjectReader};
use roots::RootNamer;
use scan::{ScanOptions, scan};
use scanned::BlockSpan;

/// The format of the JVM's heap dumps.
#[derive(Debug)]
pub(crate) struct Hprof;

impl Format for Hprof {
    fn name(&self) -> &'static str {
        "hprof"
    }

    fn description(&self) -> &'static str {
        "Heap dumps of the JVM and of Android (HPROF), as jcmd GC.heap_dump and jmap write them"
    }

    fn needs(&self) -> SourceNeed {
        SourceNeed::Seekable
    }

    fn infers_sizes(&self) -> bool {
        true
    }

    fn has_parts(&self) -> bool {
        true
    }

    fn recognise(&self, head: &[u8]) -> Recognition {
        if head.starts_with(MAGIC) { Recognition::Yes } else { Recognition::No }
    }

    fn read(
        &self,
        source: SourceReader,
        options: &ReadOptions<'_>,
        types: &TypeTable,
        consume: Consume<'_>,
    ) -> Result<DumpContent, Error> {
        let header = match Header::parse(source.head()) {
            Ok(header) => header,
            Err(HeaderError::Short) => {
                return Err(Error::Empty(": the file ends inside its header".to_owned()));
            }
            Err(HeaderError::Version) => return Err(unsupported("its version is not 1.0.1, 1.0.2 or 1.0.3")),
            Err(HeaderError::IdBytes(n)) => {
                return Err(unsupported(&format!("an id has {n} bytes, not 4 or 8")));
            }
        };
        let source = source.seekable(options.work_folder, options.cancel)?;
        let layout = read_objects(&source, header, options, types, consume)?;
        let runtime = Runtime::of_format(self.name()).map(|runtime| runtime.name.to_owned());
        Ok(DumpContent {
            provenance: source.provenance(options.cancel)?,
            process: Process { runtime, layout: Some(layout), ..Process::default() },
            taken: taken(header.time_ms),
        })
    }
}

fn unsupported(what: &str) -> Error {
    let what = format!("it is an HPROF file, and {what}");
    Error::OtherFile { what, is_heap_dump: true, remedy: None }
}

/// When the header says that the dump was taken; some writers have no time.
fn taken(ms: u64) -> Option<DateTime<Utc>> {
    i64::try_from(ms).ok().filter(|ms| *ms > 0).and_then(DateTime::from_timestamp_millis)
}

/// Blocks that a parsing thread has ready at most.
const MAX_READY: usize = 2;

/// Hands over the objects of a file; returns the layout of objects and its evidence, in words.
fn read_objects(
    source: &SeekableSource,
    header: Header,
    options: &ReadOptions<'_>,
    types: &TypeTable,
    consume: Consume<'_>,
) -> Result<String, Error> {
    let file = &source.file;
    let scan_options = ScanOptions {
        keep_going: options.keep_going,
        block_bytes: options.block_bytes,
        max_object_bytes: options.max_object_bytes.min(MAX_OBJECT_BYTES),
        part: options.part,
        cancel: options.cancel,
    };
    let range = (header.len as u64, file.metadata()?.len());
    let scan = scan(file, header.dialect, range, source.cut.as_deref(), &scan_options)?;
    if scan.n_objects == 0 {
        return Err(Error::Empty(String::new()));
    }
    let classes = Classes::new(&scan, file, types, options)?;
    let mut model = Model::new(scan, classes, file);
    let unloadable = {
        let mut reader = ObjectReader::new(&model, file);
        model.classes.unloadable(|loader| reader.class_of(loader))
    };
    model.classes.mark_unloadable(&unloadable);
    model.reflection = reflection::of_classes(&model, file, options.cancel)?;
    let mut first = Records::default();
    first.issues = std::mem::take(&mut model.scan.issues);
    first.issues.append(&mut model.classes.issues);
    let mut namer = RootNamer::new(&model, file);
    first.roots = namer.roots(options.cancel)?;
    hand_over(first, options, consume)?;
    namer.each_threads(|threads| {
        let mut records = Records::default();
        records.threads = threads;
        hand_over(records, options, consume)
    })?;
    let type_ids = TypeIds {
        class: types.intern("java.lang.Class"),
        arrays: std::array::from_fn(|number| {
            let basic = u8::try_from(number).ok().and_then(BasicType::of_number);
            basic
                .filter(|_| model.scan.n_arrays[number] > 0)
                .map_or(TypeId::MAX, |basic| types.intern(basic.array_name()))
        }),
    };
    let parsing = Parsing {
        model: &model,
        file,
        types: &type_ids,
        fields: options.fields,
        cancel: options.cancel,
        failed: AtomicBool::new(false),
    };
    let n_threads = options.threads.max(1);
    thread::scope(|scope| {
        let receivers: Vec<Receiver<Result<Records, Error>>> = (0..n_threads)
            .map(|number| {
                let (sender, receiver) = bounded(MAX_READY);
                let parsing = &parsing;
                scope.spawn(move || parsing.every(number, n_threads, &sender));
                receiver
            })
            .collect();
        let result = (0..model.scan.blocks.len()).try_for_each(|block| {
            let records = receivers[block % n_threads].recv().map_err(|_| Error::Cancelled)??;
            hand_over(records, options, consume)
        });
        parsing.failed.store(result.is_err(), Ordering::Relaxed);
        // Threads that wait to send end when nobody receives.
        drop(receivers);
        result
    })?;
    Ok(model.classes.layout_evidence)
}

/// The largest object to take; more does not fit the positions in a batch.
const MAX_OBJECT_BYTES: usize = 1 << 30;

/// Hands over records, unless there is damage that ends the reading.
fn hand_over(records: Records, options: &ReadOptions<'_>, consume: Consume<'_>) -> Result<(), Error> {
    if options.cancel.load(Ordering::Relaxed) {
        return Err(Error::Cancelled);
    }
    let lossy = records.issues.iter().find(|issue| issue.kind.is_lossy());
    match lossy.filter(|_| !options.keep_going) {
        Some(issue) => Err(Error::Damaged(issue.clone())),
        None => consume(records),
    }
}

/// What parsing threads share.
struct Parsing<'m> {
    model: &'m Model,
    file: &'m File,
    types: &'m TypeIds,
    /// Whether fields with values of their own are asked for.
    fields: bool,
    cancel: &'m AtomicBool,
    failed: AtomicBool,
}

impl Parsing<'_> {
    /// Parses every `n`th block from the one with this number on.
    fn every(&self, number: usize, n: usize, sender: &Sender<Result<Records, Error>>) {
        let mut parser = BlockParser::new(self.model, self.file, self.types, self.fields);
        let (mut bytes, mut packed) = (Vec::new(), Vec::new());
        for span in self.model.scan.blocks.iter().skip(number).step_by(n) {
            if self.failed.load(Ordering::Relaxed) || self.cancel.load(Ordering::Relaxed) {
                return;
            }
            let records = self.block(&mut parser, *span, &mut bytes, &mut packed);
            if sender.send(records).is_err() {
                return;
            }
        }
    }

    fn block(
        &self,
        parser: &mut BlockParser<'_>,
        span: BlockSpan,
        bytes: &mut Vec<u8>,
        packed: &mut Vec<u8>,
    ) -> Result<Records, Error> {
        file::read_range(self.file, bytes, span.offset, span.len)?;
        let batch = parser.parse(span.offset, bytes);
        let mut records = Records::pack(batch, packed);
        records.first_offset = span.offset;
        records.issues.iter_mut().for_each(|issue| issue.offset += span.offset);
        Ok(records)
    }
}

#[cfg(test)]
mod tests;
