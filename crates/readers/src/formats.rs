//! The list of formats, how one is chosen for an input, and [`read`].

use std::{sync::atomic::Ordering, thread};

use crossbeam_channel::{RecvTimeoutError, bounded};

use crate::{
    Consume, DumpContent, Error, Format, ReadOptions, Recognition, Source, SourceReader, TypeTable,
    capture::Capture, hprof::Hprof, log, meliae::Meliae, others, source::CANCEL_POLL,
};

/// Every format that can be read. A new one gets its line here; nothing else names it.
pub const FORMATS: &[&dyn Format] = &[&Meliae, &Capture, &Hprof];

/// What was read.
#[derive(Debug)]
pub struct Summary {
    /// The format.
    pub format: &'static dyn Format,
    /// What the dump says of itself, and where it came from.
    pub content: DumpContent,
}

/// The format with a name.
pub fn format_named(name: &str) -> Result<&'static dyn Format, Error> {
    let found = FORMATS.iter().find(|format| format.name() == name);
    found.copied().ok_or_else(|| unknown_format(name))
}

/// The error of a name that no format has.
pub fn unknown_format(name: &str) -> Error {
    let names = || FORMATS.iter().map(|format| format.name());
    Error::UnknownFormat {
        name: name.to_owned(),
        nearest: heaplake_model::nearest(name, names()),
        names: names().collect(),
    }
}

/// Reads a dump and hands its records to `consume`, block by block, in the order of the input.
///
/// The format is recognised unless `format` says which it must be; then another one is an error. See [`Format::read`] for
/// what else is.
pub fn read(
    source: Source,
    format: Option<&'static dyn Format>,
    options: &ReadOptions<'_>,
    types: &TypeTable,
    consume: Consume<'_>,
) -> Result<Summary, Error> {
    let source = open(source, options)?;
    let refused = log::recognise(source.head()).or_else(|| others::recognise_binary(source.head()));
    if let Some(refused) = refused {
        return Err(refused);
    }
    let format = match format {
        Some(format) => expected(format, source.head()).map(|()| format),
        None => recognised(source.head()),
    }?;
    if !options.layout.is_empty() && !format.infers_sizes() {
        return Err(Error::SizesAreKnown { format: format.name() });
    }
    if let Some(part) = options.part.filter(|part| *part != 1 && !format.has_parts()) {
        return Err(Error::NoPart { part, parts: 1 });
    }
    let content = format.read(source, options, types, consume)?;
    Ok(Summary { format, content })
}

/// Opens the source on a thread that is not waited for: it may hang in a read of standard input when the work is
/// cancelled.
fn open(source: Source, options: &ReadOptions<'_>) -> Result<SourceReader, Error> {
    let (sender, opened) = bounded(1);
    let (bytes_read, threads) = (options.bytes_read.clone(), options.threads);
    thread::spawn(move || drop(sender.send(SourceReader::open(source, bytes_read, threads))));
    loop {
        if options.cancel.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        match opened.recv_timeout(CANCEL_POLL) {
            Ok(opened) => return Ok(opened?),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(Error::ReaderLost),
        }
    }
}

/// The format of the input that begins with `head`.
fn recognised(head: &[u8]) -> Result<&'static dyn Format, Error> {
    if let Some(format) = certain(head) {
        return Ok(format);
    }
    if let Some(other) = others::recognise(head) {
        return Err(other);
    }
    let possible = FORMATS.iter().find(|format| format.recognise(head) == Recognition::Maybe);
    possible
        .copied()
        .ok_or_else(|| Error::NotADump("no format that heaplake reads begins like this".to_owned()))
}

/// The format that recognises the input without doubt.
fn certain(head: &[u8]) -> Option<&'static dyn Format> {
    FORMATS.iter().find(|format| format.recognise(head) == Recognition::Yes).copied()
}

/// An error where the input that begins with `head` is not of this format.
fn expected(format: &'static dyn Format, head: &[u8]) -> Result<(), Error> {
    let wrong = |what| Err(Error::WrongFormat { format: format.name(), what });
    let recognition = format.recognise(head);
    if recognition == Recognition::Yes {
        return Ok(());
    }
    if let Some(other) = certain(head) {
        return wrong(format!("it is in the format {}", other.name()));
    }
    if let Some(other) = others::recognise(head) {
        return Err(other);
    }
    match recognition {
        Recognition::No => wrong("it begins with something else".to_owned()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Cursor, Write as _},
        sync::atomic::AtomicBool,
    };

    use heaplake_fixture::Heap;
    use heaplake_model::Runtime;

    use super::*;

    /// A dump of a heap in the fixture language, in the simplest format that can say all of it.
    fn dump(heap: &str) -> String {
        let mut lines = Vec::new();
        Heap::parse(heap).unwrap().write(&mut lines).unwrap();
        String::from_utf8(lines).unwrap()
    }

    fn meliae() -> String {
        dump("a 16")
    }

    fn capture() -> String {
        dump("a 16; root(r) a")
    }

    /// A capture whose first line says more.
    fn capture_with(fields: &str) -> String {
        capture().replace(r#""format": 1"#, &format!(r#""format": 1, {fields}"#))
    }

    fn read_as(input: impl Into<Vec<u8>>, format: Option<&str>) -> Result<Summary, Error> {
        read_changed(input, format, |_| {})
    }

    fn read_changed(
        input: impl Into<Vec<u8>>,
        format: Option<&str>,
        change: impl Fn(&mut ReadOptions<'_>),
    ) -> Result<Summary, Error> {
        let (folder, cancel) = (std::env::temp_dir(), AtomicBool::new(false));
        let mut options = ReadOptions {
            keep_going: false,
            threads: 1,
            block_bytes: 1 << 20,
            max_object_bytes: 1 << 20,
            fields: true,
            part: None,
            layout: Default::default(),
            work_folder: &folder,
            cancel: &cancel,
            bytes_read: Default::default(),
        };
        change(&mut options);
        let format = format.map(format_named).transpose()?;
        let source = Source::stream(Cursor::new(input.into()));
        read(source, format, &options, &TypeTable::default(), &mut |_| Ok(()))
    }

    #[track_caller]
    fn refused(input: &str, format: &str) -> String {
        read_as(input, Some(format)).expect_err("another format").to_string()
    }

    #[test]
    fn every_format_has_a_name_a_description_and_a_runtime() {
        for (i, format) in FORMATS.iter().enumerate() {
            assert!(Runtime::of_format(format.name()).is_some(), "{format:?}");
            assert!(!format.description().is_empty() && !format.description().ends_with('.'), "{format:?}");
            assert!(FORMATS[..i].iter().all(|other| other.name() != format.name()), "{format:?}");
            assert_eq!(format_named(format.name()).expect("itself").name(), format.name());
        }
    }

    #[test]
    fn the_format_is_recognised_by_the_first_object() {
        let indented = meliae().replace(", ", ",\n  ");
        let late = format!("\u{feff}\n[\n  {}", capture().replace("\": ", "\"  :\n"));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(capture().as_bytes()).unwrap();
        let long = capture_with(&format!("\"command\": [\"{}\"]", "x".repeat(100_000)));
        for (input, name) in [
            (meliae().into_bytes(), "meliae"),
            (indented.into_bytes(), "meliae"),
            (capture().into_bytes(), "capture"),
            (format!("{}]", late.trim_end()).into_bytes(), "capture"),
            (gzip.finish().unwrap(), "capture"),
            (long.into_bytes(), "capture"),
        ] {
            let shown = String::from_utf8_lossy(&input).into_owned();
            assert_eq!(read_as(input.clone(), None).expect(&shown).format.name(), name);
            assert_eq!(read_as(input, Some(name)).expect(&shown).format.name(), name);
        }
        // An object of that type is one of a program, unless it says what the dump is.
        let object = dump("a: \"heaplake capture\"");
        assert_eq!(read_as(object, None).expect("a dump").format.name(), "meliae");
    }

    #[test]
    fn a_format_that_was_asked_for_is_the_one_that_is_read() {
        assert_eq!(
            refused(&capture(), "meliae"),
            "this is not in the format meliae: it is in the format capture"
        );
        assert_eq!(
            refused(&meliae(), "capture"),
            "this is not in the format capture: it is in the format meliae"
        );
        assert!(refused("\x7fELF", "meliae").ends_with("it is an ELF file (a program or a core dump)"));
        assert!(refused("JAVA PROFILE 1.0.2\0", "capture").ends_with("it is in the format hprof"));
        assert!(refused("hello", "capture").ends_with("it begins with something else"));
        assert!(refused("hello", "meliae").contains("this is not a heap dump: line 1: "));
        assert!(refused("", "meliae").contains("no object"));
    }

    #[test]
    fn parts_and_layouts_are_for_formats_that_have_them() {
        for (text, format) in [(meliae(), "meliae"), (capture(), "capture")] {
            let layout = read_changed(text.as_str(), None, |options| options.layout.reference = Some(8));
            assert!(matches!(layout, Err(Error::SizesAreKnown { format: found }) if found == format));
            assert!(read_changed(text.as_str(), None, |options| options.part = Some(1)).is_ok());
            let second = read_changed(text.as_str(), None, |options| options.part = Some(2));
            assert!(matches!(second, Err(Error::NoPart { part: 2, parts: 1 })));
        }
    }

    #[test]
    fn a_dump_in_a_log_is_refused_whatever_was_asked_for() {
        let logged = |text: String| text.lines().map(|line| format!("web_1 | {line}\n")).collect::<String>();
        for text in [logged(meliae().repeat(2)), logged(capture())] {
            for format in [None, Some("meliae"), Some("capture")] {
                let error = read_as(text.as_str(), format).expect_err("a log");
                assert!(matches!(error, Error::Logged { .. }), "{error}");
            }
        }
    }

    #[test]
    fn an_unknown_format_is_an_error_that_suggests_one() {
        assert_eq!(refused(&meliae(), "melia"), "there is no format \"melia\"; did you mean meliae?");
        assert_eq!(
            refused(&meliae(), "phd"),
            "there is no format \"phd\"; the formats are meliae, capture, hprof"
        );
    }

    #[test]
    fn a_summary_has_what_the_dump_says_and_where_it_came_from() {
        let text = capture_with(r#""pid": 7, "python": "3.12.1""#);
        let summary = read_as(text.as_str(), None).expect("a dump");
        let content = summary.content;
        assert_eq!((content.process.pid, content.process.runtime.as_deref()), (Some(7), Some("CPython")));
        assert_eq!(content.provenance.bytes, text.len() as u64);
        assert_eq!(content.provenance.sha256.len(), 64);
        assert!(read_as(meliae(), None).expect("a dump").content.process.is_empty());
    }
}
