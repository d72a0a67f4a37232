//! Finds objects by their addresses, and reads what they say: texts, numbers, lengths.

use std::fs::File;

use super::{
    classes::{Class, Classes, ReferenceField},
    dialect::{BasicType, Bytes, Sized, SubRecord},
    file::{MAX_RANGE, Pages},
    rules::{LenRule, StateRule, ValueRule},
    scanned::{ClassField, Run, Scan},
};

/// All that the first pass found out.
pub(super) struct Model {
    pub(super) scan: Scan,
    pub(super) classes: Classes,
    /// Where objects are: ascending by address, no two overlap.
    runs: Vec<Run>,
    /// What classes have in fields that no file has; ascending.
    pub(super) reflection: Vec<ClassField>,
}

impl Model {
    pub(super) fn new(mut scan: Scan, classes: Classes, file: &File) -> Self {
        let runs = std::mem::take(&mut scan.runs);
        let runs = ordered(runs, &scan, file);
        Self { scan, classes, runs, reflection: Vec::new() }
    }

    /// The class with an id.
    #[inline]
    pub(super) fn class(&self, id: u64) -> Option<&Class> {
        let position = *self.scan.positions.get(&id)?;
        self.classes.list.get(position as usize)
    }
}

/// Sorts runs by address. What overlaps becomes runs of one object each.
fn ordered(mut runs: Vec<Run>, scan: &Scan, file: &File) -> Vec<Run> {
    if !runs.is_sorted_by_key(|run| run.first) {
        runs.sort_by_key(|run| run.first);
    }
    let mut end = None;
    let mut overlaps = vec![false; runs.len()];
    for (i, run) in runs.iter().enumerate() {
        if end.is_some_and(|end| run.first <= end) {
            overlaps[i] = true;
        }
        if runs.get(i + 1).is_some_and(|next| next.first <= run.last) {
            overlaps[i] = true;
        }
        end = end.max(Some(run.last));
    }
    if !overlaps.contains(&true) {
        return runs;
    }
    let mut apart = Vec::with_capacity(runs.len());
    let mut pages = Pages::new(file);
    for (run, overlaps) in runs.into_iter().zip(overlaps) {
        if !overlaps {
            apart.push(run);
            continue;
        }
        let mut at = run.offset;
        loop {
            let mut found = scan.dialect.sub_record(pages.at(at, HEAD_BYTES));
            if found.is_err() {
                found = scan.dialect.sub_record(pages.at(at, MAX_RANGE));
            }
            let Ok(sized) = found else { break };
            if let Some(address) = address_of(&sized) {
                apart.push(Run { first: address, last: address, offset: at });
                if address == run.last {
                    break;
                }
            }
            at += sized.len();
        }
    }
    // Of two objects with one address the first counts.
    apart.sort_by_key(|run| (run.first, run.offset));
    apart.dedup_by_key(|run| run.first);
    apart
}

fn address_of(sized: &Sized<'_>) -> Option<u64> {
    match sized.record {
        SubRecord::Instance { address, .. }
        | SubRecord::ObjectArray { address, .. }
        | SubRecord::PrimitiveArray { address, .. } => Some(address),
        SubRecord::Class(_) | SubRecord::Root(_) | SubRecord::HeapInfo => None,
    }
}

/// Bytes of most sub-records without the body of an instance or array.
const HEAD_BYTES: usize = 32;

/// Objects that are followed from one to the next where one has the length of another.
const MAX_STEPS: usize = 4;
/// Elements of an array that are read for a text.
const MAX_TEXT_UNITS: usize = 1000;

/// Reads objects anywhere in the file.
pub(super) struct ObjectReader<'m> {
    pub(super) model: &'m Model,
    pages: Pages<'m>,
    /// A part of the file that is in memory: where it begins.
    block: (u64, &'m [u8]),
    /// The run that was found last.
    run: usize,
    text: String,
    units: Vec<u16>,
}

/// An object that was found: what it is and where its body is.
#[derive(Debug, Clone, Copy)]
enum Found {
    Instance { class: u64, body: u64, n_bytes: u32 },
    ObjectArray { count: u32, body: u64 },
    PrimitiveArray { element: BasicType, count: u32, body: u64, n_bytes: u64 },
}

impl<'m> ObjectReader<'m> {
    pub(super) fn new(model: &'m Model, file: &'m File) -> Self {
        Self {
            model,
            pages: Pages::new(file),
            block: (0, &[]),
            run: 0,
            text: String::new(),
            units: Vec::new(),
        }
    }

    /// The same with a part of the file in memory.
    pub(super) fn with_block<'b>(self, offset: u64, bytes: &'b [u8]) -> ObjectReader<'b>
    where
        'm: 'b,
    {
        ObjectReader { block: (offset, bytes), ..self }
    }

    /// `n` bytes of the file, or fewer at its end; at most [`MAX_RANGE`].
    #[inline]
    fn bytes(&mut self, position: u64, n: usize) -> &[u8] {
        let (start, bytes) = self.block;
        if let Some(at) = position.checked_sub(start)
            && at + n as u64 <= bytes.len() as u64
        {
            return &bytes[at as usize..at as usize + n];
        }
        self.pages.at(position, n)
    }

    fn find(&mut self, address: u64) -> Option<Found> {
        let runs = &self.model.runs;
        let holds = |run: &Run| run.first <= address && address <= run.last;
        let near = (self.run..runs.len().min(self.run + 3)).find(|i| holds(&runs[*i]));
        self.run = match near {
            Some(run) => run,
            None => {
                let after = runs.partition_point(|run| run.first <= address);
                let found = after.checked_sub(1)?;
                if !holds(&runs[found]) {
                    return None;
                }
                found
            }
        };
        let mut at = runs[self.run].offset;
        let last = runs[self.run].last;
        let dialect = self.model.scan.dialect;
        loop {
            let mut found = dialect.sub_record(self.bytes(at, HEAD_BYTES));
            if found.is_err() {
                found = dialect.sub_record(self.pages.at(at, MAX_RANGE));
            }
            let sized = found.ok()?;
            let body = at + sized.head as u64;
            let (here, found) = match sized.record {
                SubRecord::Instance { address, class } => {
                    (address, Found::Instance { class, body, n_bytes: sized.body as u32 })
                }
                SubRecord::ObjectArray { address, count, .. } => {
                    (address, Found::ObjectArray { count, body })
                }
                SubRecord::PrimitiveArray { address, element, count } => {
                    (address, Found::PrimitiveArray { element, count, body, n_bytes: sized.body })
                }
                SubRecord::Class(_) | SubRecord::Root(_) | SubRecord::HeapInfo => {
                    at += sized.len();
                    continue;
                }
            };
            if here == address {
                return Some(found);
            }
            if here >= last {
                return None;
            }
            at += sized.len();
        }
    }

    /// The position of the class of an instance.
    pub(super) fn class_of(&mut self, address: u64) -> Option<u32> {
        match self.find(address)? {
            Found::Instance { class, .. } => self.model.scan.positions.get(&class).copied(),
            _ => None,
        }
    }

    /// The class of an instance and its data.
    pub(super) fn instance(&mut self, address: u64) -> Option<(&'m Class, Vec<u8>)> {
        let Found::Instance { class, body, n_bytes } = self.find(address)? else { return None };
        let class = self.model.class(class)?;
        let data = self.bytes(body, (n_bytes as usize).min(MAX_RANGE)).to_vec();
        Some((class, data))
    }

    /// The name of a thread, loader or class.
    pub(super) fn name_of(&mut self, address: u64) -> Option<String> {
        let (class, data) = self.instance(address)?;
        let at = class.name_at?;
        Some(self.string_at(&data, at)?.to_owned())
    }

    /// What a thread does, by the bits of its status; `None` where it does not say.
    pub(super) fn thread_state(&mut self, address: u64) -> Option<&'static str> {
        let (mut class, mut data) = self.instance(address)?;
        if let StateRule::Of { at } = class.state? {
            let holder = self.id_at(&data, at)?;
            (class, data) = self.instance(holder)?;
        }
        let StateRule::Number { at } = class.state? else { return None };
        let status = Bytes(data.get(at as usize..)?).u4()?;
        // The states of java.lang.Thread by the bits of JVM TI, in the order in which the JDK looks at them.
        let states = [
            (0x4, "RUNNABLE"),
            (0x400, "BLOCKED"),
            (0x10, "WAITING"),
            (0x20, "TIMED_WAITING"),
            (0x2, "TERMINATED"),
            (0x1, "RUNNABLE"),
        ];
        let found = states.iter().find(|(bit, _)| status & bit != 0);
        Some(found.map_or("NEW", |(_, state)| state))
    }

    /// Whether an object is a virtual thread.
    pub(super) fn is_virtual_thread(&mut self, address: u64) -> bool {
        let class = self.class_of(address).map(|class| &self.model.classes.list[class as usize]);
        class.is_some_and(|class| class.is_virtual_thread)
    }

    /// The first elements of an array of references, at most `n`, without nulls; empty if the object is something else.
    pub(super) fn elements(&mut self, address: u64, n: usize) -> Vec<u64> {
        let Some(Found::ObjectArray { count, body }) = self.find(address) else { return Vec::new() };
        let dialect = self.model.scan.dialect;
        let n_bytes = (count as usize).min(n).saturating_mul(dialect.id_bytes).min(MAX_RANGE);
        let elements = self.bytes(body, n_bytes).chunks_exact(dialect.id_bytes);
        elements.filter_map(|element| Bytes(element).id(dialect).filter(|id| *id != 0)).collect()
    }

    /// What a reference of an instance with this data refers to, by the label of its field.
    pub(super) fn child(&self, class: &Class, data: &[u8], label: &str) -> Option<u64> {
        let labels = &self.model.classes.labels;
        let is_meant =
            |field: &&ReferenceField| labels.get(field.label as usize).is_some_and(|l| **l == *label);
        let field = class.references.iter().find(is_meant)?;
        self.id_at(data, field.at)
    }

    fn id_at(&self, data: &[u8], at: u32) -> Option<u64> {
        Bytes(data.get(at as usize..)?).id(self.model.scan.dialect).filter(|id| *id != 0)
    }

    /// The text of the string, or of the characters, that a field refers to.
    pub(super) fn string_at(&mut self, data: &[u8], at: u32) -> Option<&str> {
        let address = self.id_at(data, at)?;
        match self.find(address)? {
            Found::Instance { class, body, n_bytes } => {
                let class = self.model.class(class)?;
                let rule @ ValueRule::Text { .. } = class.value? else { return None };
                let mut copy = [0; 64];
                let bytes = self.bytes(body, (n_bytes as usize).min(copy.len()));
                let n = bytes.len();
                copy[..n].copy_from_slice(bytes);
                Some(self.text(&copy[..n], rule)?.0)
            }
            // Before Java 9 a thread keeps its name itself.
            Found::PrimitiveArray { element: BasicType::Char, body, n_bytes, .. } => {
                Some(self.decode(body, n_bytes, Encoding::Utf16 { is_big_endian: true }))
            }
            _ => None,
        }
    }

    /// The text of a string whose data these are, and how many units of 16 bits it has.
    pub(super) fn text(&mut self, data: &[u8], rule: ValueRule) -> Option<(&str, u64)> {
        let ValueRule::Text { array, coder, part } = rule else { return None };
        let address = self.id_at(data, array)?;
        let Found::PrimitiveArray { element, count, body, n_bytes } = self.find(address)? else {
            return None;
        };
        let is_latin1 = coder.and_then(|coder| data.get(coder as usize)).is_none_or(|coder| *coder == 0);
        let (encoding, unit_bytes) = match element {
            BasicType::Char => (Encoding::Utf16 { is_big_endian: true }, 2),
            BasicType::Byte if is_latin1 => (Encoding::Latin1, 1),
            BasicType::Byte => (Encoding::Utf16 { is_big_endian: self.model.classes.is_big_endian }, 2),
            _ => return None,
        };
        let all = u64::from(count) * element.bytes(0) as u64 / unit_bytes;
        let number = |at: u32| Bytes(data.get(at as usize..)?).u4().map(u64::from);
        let (start, len) = match part.and_then(|(start, len)| Some((number(start)?, number(len)?))) {
            Some((start, len)) if start + len <= all => (start, len),
            _ => (0, all),
        };
        // An array without its content says only its length.
        let there = n_bytes.saturating_sub(start * unit_bytes).min(len * unit_bytes);
        if there == 0 && len > 0 {
            return None;
        }
        Some((self.decode(body + start * unit_bytes, there, encoding), len))
    }

    fn decode(&mut self, body: u64, n_bytes: u64, encoding: Encoding) -> &str {
        let (mut text, mut units) = (std::mem::take(&mut self.text), std::mem::take(&mut self.units));
        text.clear();
        let unit_bytes = if encoding == Encoding::Latin1 { 1 } else { 2 };
        let n = (n_bytes / unit_bytes).min(MAX_TEXT_UNITS as u64) as usize;
        let is_cut = n_bytes / unit_bytes > n as u64;
        let bytes = self.bytes(body, n * unit_bytes as usize);
        match encoding {
            Encoding::Latin1 => match bytes.is_ascii().then(|| std::str::from_utf8(bytes)) {
                Some(Ok(ascii)) => text.push_str(ascii),
                _ => text.extend(bytes.iter().map(|byte| char::from(*byte))),
            },
            Encoding::Utf16 { is_big_endian } => {
                let unit = |bytes: &[u8; 2]| {
                    if is_big_endian { u16::from_be_bytes(*bytes) } else { u16::from_le_bytes(*bytes) }
                };
                units.clear();
                units.extend(bytes.as_chunks().0.iter().map(unit));
                // A character of two units is not cut.
                if is_cut && units.last().is_some_and(|unit| (0xd800..0xdc00).contains(unit)) {
                    units.pop();
                }
                let chars = char::decode_utf16(units.iter().copied());
                text.extend(chars.map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
            }
        }
        if is_cut {
            text.push('…');
        }
        (self.text, self.units) = (text, units);
        &self.text
    }

    /// The number of items of an instance with this data.
    pub(super) fn len(&mut self, class: &Class, data: &[u8]) -> Option<i64> {
        let mut rule = class.len?;
        let mut data: std::borrow::Cow<'_, [u8]> = data.into();
        for _ in 0..MAX_STEPS {
            match rule {
                LenRule::Number { at, basic } => {
                    return whole_number(&data, at, basic).filter(|len| *len >= 0);
                }
                LenRule::Of { at } => {
                    let address = self.id_at(&data, at)?;
                    match self.find(address)? {
                        Found::ObjectArray { count, .. } | Found::PrimitiveArray { count, .. } => {
                            return Some(count.into());
                        }
                        Found::Instance { class, body, n_bytes } => {
                            rule = self.model.class(class)?.len?;
                            data = self.bytes(body, (n_bytes as usize).min(MAX_RANGE)).to_vec().into();
                        }
                    }
                }
            }
        }
        None
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Latin1,
    Utf16 { is_big_endian: bool },
}

fn whole_number(data: &[u8], at: u32, basic: BasicType) -> Option<i64> {
    let mut bytes = Bytes(data.get(at as usize..)?);
    match basic {
        BasicType::Int => bytes.u4().map(|number| i64::from(number as i32)),
        BasicType::Long => bytes.u8().map(|number| number as i64),
        _ => None,
    }
}

/// A number as Java prints it, or nearly.
pub(super) fn number_text(data: &[u8], at: u32, basic: BasicType) -> Option<String> {
    let mut bytes = Bytes(data.get(at as usize..)?);
    Some(match basic {
        BasicType::Boolean => if bytes.u1()? == 0 { "false" } else { "true" }.to_owned(),
        BasicType::Byte => (bytes.u1()? as i8).to_string(),
        BasicType::Char => {
            let unit = u32::from(bytes.u2()?);
            char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER).to_string()
        }
        BasicType::Short => (bytes.u2()? as i16).to_string(),
        BasicType::Int => (bytes.u4()? as i32).to_string(),
        BasicType::Long => (bytes.u8()? as i64).to_string(),
        BasicType::Float => format!("{:?}", f32::from_bits(bytes.u4()?)),
        BasicType::Double => format!("{:?}", f64::from_bits(bytes.u8()?)),
        BasicType::Object => return None,
    })
}
