//! Frames for the tools that people have for profiles: folded stacks, speedscope, pprof.
//!
//! A stack is a frame with those above it, from the whole down; its value is what the frame has itself, so that values add up
//! to the whole. Frames that stand for others are stacks, too. Texts are as the dump has them, but for folded stacks, whose
//! format has no way to write a semicolon or a line break in a name.

use std::{collections::HashMap, io::Write as _};

use flate2::{Compression, write::GzEncoder};
use serde_json::json;

use crate::{Frame, FrameAmount, FrameKind, FrameMeasure, FrameTree, Result, escape};

/// The name of a frame where frames of one name are added up: that of a frame that stands for others says so.
pub fn stack_name(frame: &Frame) -> String {
    let name = match frame.kind {
        FrameKind::More { frames: Some(1) } => "(1 more)".to_owned(),
        FrameKind::More { frames: Some(n) } => format!("({n} more)"),
        FrameKind::More { frames: None } => "(others)".to_owned(),
        _ => frame.name.clone(),
    };
    match &frame.label {
        Some(label) => format!("{label} -> {name}"),
        None => name,
    }
}

/// Folded stacks, a line each: names with `;` between them and a number, as `flamegraph.pl` and inferno read them. Of two dumps
/// two numbers, before and after, as `difffolded.pl` writes them. What acts on a terminal is written out.
pub fn folded(tree: &FrameTree, measure: FrameMeasure) -> String {
    let mut out = String::new();
    // The text of each frame's stack would be quadratic; this has the names on the way to the current one.
    let mut names: Vec<String> = Vec::new();
    for frame in &tree.frames {
        names.truncate(frame.depth as usize);
        names.push(escape::line(&stack_name(frame)).replace(';', "\\x3b"));
        let now = frame.now.own.of(measure).max(0);
        let before = frame.before.map(|before| before.own.of(measure).max(0));
        if now == 0 && before.unwrap_or(0) == 0 {
            continue;
        }
        out += &names.join(";");
        out += &match before {
            Some(before) => format!(" {before} {now}\n"),
            None => format!(" {now}\n"),
        };
    }
    out
}

/// A file for speedscope (<https://www.speedscope.app/file-format-schema.json>) with a profile of bytes and one of objects, of two
/// dumps one of each.
pub fn speedscope(tree: &FrameTree) -> Result<String> {
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut names = Vec::new();
    let mut stack: Vec<usize> = Vec::new();
    let mut stacks: Vec<Vec<usize>> = Vec::with_capacity(tree.frames.len());
    for frame in &tree.frames {
        let name = stack_name(frame);
        let number = *numbers.entry(name).or_insert_with_key(|name| {
            names.push(json!({ "name": name }));
            names.len() - 1
        });
        stack.truncate(frame.depth as usize);
        stack.push(number);
        stacks.push(stack.clone());
    }
    let mut profiles = Vec::new();
    for (i, dump) in tree.dumps.iter().enumerate() {
        // The later dump comes last, and is the one that every frame has.
        let is_now = i + 1 == tree.dumps.len();
        for (measure, unit, word) in
            [(FrameMeasure::Bytes, "bytes", "bytes"), (FrameMeasure::Objects, "none", "objects")]
        {
            let own = |frame: &Frame| match (is_now, frame.before) {
                (true, _) => frame.now.own,
                (false, before) => before.map_or(FrameAmount::default(), |before| before.own),
            };
            let values = tree.frames.iter().map(|frame| own(frame).of(measure).max(0));
            let (samples, weights): (Vec<_>, Vec<i64>) =
                stacks.iter().zip(values).filter(|(_, value)| *value > 0).unzip();
            profiles.push(json!({
                "type": "sampled",
                "name": format!("{dump}: {word}"),
                "unit": unit,
                "startValue": 0,
                "endValue": weights.iter().fold(0_i64, |sum, value| sum.saturating_add(*value)),
                "samples": samples,
                "weights": weights,
            }));
        }
    }
    let file = json!({
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "exporter": concat!("heaplake ", env!("CARGO_PKG_VERSION")),
        "name": tree.dumps.join(" to "),
        "activeProfileIndex": 0,
        "shared": { "frames": names },
        "profiles": profiles,
    });
    serde_json::to_string(&file).map_err(|error| crate::Error::Internal(error.to_string()))
}

/// A profile for pprof (<https://github.com/google/pprof/blob/main/proto/profile.proto>), compressed by gzip: objects and bytes in
/// use, as a heap profile has them. Of two dumps the values are by how much they grew, and may be negative.
pub fn pprof(tree: &FrameTree) -> Result<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&pprof_message(tree))?;
    Ok(gzip.finish()?)
}

/// The field numbers of messages in profile.proto.
mod field {
    pub(super) const SAMPLE_TYPE: u32 = 1;
    pub(super) const SAMPLE: u32 = 2;
    pub(super) const LOCATION: u32 = 4;
    pub(super) const FUNCTION: u32 = 5;
    pub(super) const STRING_TABLE: u32 = 6;
    pub(super) const DEFAULT_SAMPLE_TYPE: u32 = 14;
    pub(super) const VALUE_TYPE_TYPE: u32 = 1;
    pub(super) const VALUE_TYPE_UNIT: u32 = 2;
    pub(super) const SAMPLE_LOCATION_ID: u32 = 1;
    pub(super) const SAMPLE_VALUE: u32 = 2;
    pub(super) const LOCATION_ID: u32 = 1;
    pub(super) const LOCATION_LINE: u32 = 4;
    pub(super) const LINE_FUNCTION_ID: u32 = 1;
    pub(super) const FUNCTION_ID: u32 = 1;
    pub(super) const FUNCTION_NAME: u32 = 2;
}

fn pprof_message(tree: &FrameTree) -> Vec<u8> {
    let mut strings = Strings::default();
    strings.number("");
    let mut profile = Message::default();
    for (name, unit) in [("inuse_objects", "count"), ("inuse_space", "bytes")] {
        let mut value_type = Message::default();
        value_type.varint(field::VALUE_TYPE_TYPE, strings.number(name));
        value_type.varint(field::VALUE_TYPE_UNIT, strings.number(unit));
        profile.bytes(field::SAMPLE_TYPE, &value_type.0);
    }
    // Frames of one name are one function; a location is a function here. Numbers begin with 1.
    let mut functions: HashMap<u64, u64> = HashMap::new();
    let mut names = Vec::new();
    let mut stack: Vec<u64> = Vec::new();
    for frame in &tree.frames {
        let name = strings.number(&stack_name(frame));
        let next = functions.len() as u64 + 1;
        let function = *functions.entry(name).or_insert_with(|| {
            names.push(name);
            next
        });
        stack.truncate(frame.depth as usize);
        stack.push(function);
        let before = frame.before.map_or(FrameAmount::default(), |before| before.own);
        let objects = frame.now.own.objects.saturating_sub(before.objects);
        let bytes = frame.now.own.bytes.saturating_sub(before.bytes);
        if objects != 0 || bytes != 0 {
            let mut sample = Message::default();
            // The leaf comes first.
            sample.packed(field::SAMPLE_LOCATION_ID, stack.iter().rev().copied());
            sample.packed(field::SAMPLE_VALUE, [objects.cast_unsigned(), bytes.cast_unsigned()]);
            profile.bytes(field::SAMPLE, &sample.0);
        }
    }
    for (id, name) in (1..).zip(&names) {
        let mut line = Message::default();
        line.varint(field::LINE_FUNCTION_ID, id);
        let mut location = Message::default();
        location.varint(field::LOCATION_ID, id);
        location.bytes(field::LOCATION_LINE, &line.0);
        profile.bytes(field::LOCATION, &location.0);
        let mut function = Message::default();
        function.varint(field::FUNCTION_ID, id);
        function.varint(field::FUNCTION_NAME, *name);
        profile.bytes(field::FUNCTION, &function.0);
    }
    profile.varint(field::DEFAULT_SAMPLE_TYPE, strings.number("inuse_space"));
    for text in &strings.texts {
        profile.bytes(field::STRING_TABLE, text.as_bytes());
    }
    profile.0
}

/// Texts by their position in the table of strings.
#[derive(Default)]
struct Strings {
    texts: Vec<String>,
    numbers: HashMap<String, u64>,
}

impl Strings {
    fn number(&mut self, text: &str) -> u64 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.texts.len() as u64;
        self.texts.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }
}

/// A message of protocol buffers (<https://protobuf.dev/programming-guides/encoding/>) that grows field by field.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn raw_varint(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.0.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
    }

    fn varint(&mut self, field: u32, n: u64) {
        self.raw_varint(u64::from(field) << 3);
        self.raw_varint(n);
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.raw_varint(u64::from(field) << 3 | 2);
        self.raw_varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn packed(&mut self, field: u32, numbers: impl IntoIterator<Item = u64>) {
        let mut packed = Self::default();
        numbers.into_iter().for_each(|n| packed.raw_varint(n));
        self.bytes(field, &packed.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_specification_says() {
        let mut message = Message::default();
        message.varint(1, 150);
        message.bytes(2, b"testing");
        message.packed(6, [3, 270, 86942]);
        assert_eq!(message.0, b"\x08\x96\x01\x12\x07testing\x32\x06\x03\x8e\x02\x9e\xa7\x05");
        let mut negative = Message::default();
        negative.varint(1, (-1_i64).cast_unsigned());
        assert_eq!(negative.0.len(), 11);
    }
}
