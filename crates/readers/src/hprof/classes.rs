//! Classes with all that is needed to read their instances: where references are and what they are called, what says the
//! value, name and length, and how large an instance is.

use std::{
    fs::File,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use hashbrown::{HashMap, HashSet};
use heaplake_model::{EdgeKind, Issue, IssueKind, LayoutOverride};

use super::{
    dialect::{BasicType, Bytes, SubRecord},
    file::read_range,
    layout::{ClassFields, Evidence, FieldPacker, ObjectLayout, weigh},
    names,
    rules::{FIELDS, LASTING_LOADERS, LenRule, REFERENCE, REFERENCES, REFERENT, Role, StateRule, ValueRule},
    scanned::{DumpedClass, Scan, ScannedClass},
};
use crate::{Error, ReadOptions, TypeId, TypeTable};

/// The classes of a dump.
pub(super) struct Classes {
    /// In the order of the scan.
    pub(super) list: Vec<Class>,
    /// The labels of references: names of fields, after a dot.
    pub(super) labels: Vec<Box<str>>,
    /// The position of the label of each name, by id of the string.
    label_of: HashMap<u64, u32>,
    pub(super) layout: ObjectLayout,
    /// The layout and why it is assumed.
    pub(super) layout_evidence: String,
    /// Whether the VM keeps texts of 16 bits in big-endian order.
    pub(super) is_big_endian: bool,
    /// Number of fields with values of their own, over all classes.
    pub(super) n_values: u32,
    /// What was missing, or more than once.
    pub(super) issues: Vec<Issue>,
}

/// A class.
pub(super) struct Class {
    pub(super) name: Box<str>,
    /// The name as the file has it, where `name` is shorter.
    pub(super) written_name: Option<Box<str>>,
    pub(super) type_id: TypeId,
    pub(super) loader: u64,
    /// References of an instance, in the order of its data.
    pub(super) references: Vec<ReferenceField>,
    /// Other fields of an instance, where they are asked for.
    pub(super) values: Vec<ValueField>,
    /// The number of the first of these among those of all classes.
    pub(super) first_value: u32,
    /// Bytes of all its fields in the file.
    pub(super) n_bytes: u32,
    /// Shallow size of an instance.
    pub(super) size: u32,
    /// Shallow size of the class itself.
    pub(super) own_size: u32,
    /// The class can be unloaded, so that its instances keep it.
    pub(super) is_kept_by_instances: bool,
    pub(super) value: Option<ValueRule>,
    /// Where the name is: a string.
    pub(super) name_at: Option<u32>,
    pub(super) len: Option<LenRule>,
    /// Where the state of a thread is.
    pub(super) state: Option<StateRule>,
    pub(super) is_virtual_thread: bool,
}

/// A field that is a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReferenceField {
    /// Byte of the instance's data.
    pub(super) at: u32,
    pub(super) label: u32,
    pub(super) kind: EdgeKind,
}

/// A field with a value of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ValueField {
    /// Byte of the instance's data.
    pub(super) at: u32,
    pub(super) basic: BasicType,
    /// The name; after that of its class and a dot where a subclass has a field of the same name.
    pub(super) name: Arc<str>,
}

/// Where the parts of a text are, as far as they were met.
#[derive(Debug, Clone, Copy, Default)]
struct TextFields {
    array: Option<u32>,
    coder: Option<u32>,
    start: Option<u32>,
    len: Option<u32>,
}

impl TextFields {
    /// Where the text is, if there is one.
    fn rule(self) -> Option<ValueRule> {
        Some(ValueRule::Text { array: self.array?, coder: self.coder, part: self.start.zip(self.len) })
    }
}

/// Superclasses that are followed at most.
const MAX_SUPERCLASSES: usize = 256;
/// Bytes of a name that are read at most.
const MAX_NAME_BYTES: u32 = 1 << 12;
/// So many instances with one distance to the next object are proof of their size, where none is nearer.
const MANY_NEIGHBOURS: u32 = 16;
/// So few are proof that a size is too large.
const SOME_NEIGHBOURS: u32 = 1;
/// The distance may be more than the size of an instance by what the VM adds to fields, but not by more than this.
const MAX_INJECTED: u32 = 1 << 10;
/// A class that neither a dump nor a name tells.
const UNKNOWN_CLASS: &str = "(unknown class)";

/// Reads what the strings of a dump say.
struct Strings<'s> {
    scan: &'s Scan,
    file: &'s File,
    buffer: Vec<u8>,
}

impl Strings<'_> {
    /// The bytes of a string, at most [`MAX_NAME_BYTES`]; `None` if there is none with this id.
    fn bytes(&mut self, id: u64) -> Result<Option<&[u8]>, Error> {
        let Some((at, len)) = self.scan.strings.get(&id) else { return Ok(None) };
        read_range(self.file, &mut self.buffer, *at, (*len).min(MAX_NAME_BYTES) as usize)?;
        Ok(Some(&self.buffer))
    }
}

/// What a string says, for roots; lossy. `None` if there is no such string.
pub(super) fn text(scan: &Scan, file: &File, id: u64) -> Result<Option<String>, Error> {
    let mut strings = Strings { scan, file, buffer: Vec::new() };
    Ok(strings.bytes(id)?.map(|bytes| names::modified_utf8(bytes).0))
}

impl Classes {
    /// Makes the classes of a scan. Issues are in no order.
    pub(super) fn new(
        scan: &Scan,
        file: &File,
        types: &TypeTable,
        options: &ReadOptions<'_>,
    ) -> Result<Self, Error> {
        let given = options.layout;
        if given.reference.is_some_and(|bytes| bytes as usize > scan.dialect.id_bytes) {
            return Err(Error::WrongLayout("its ids have 4 bytes, and so have references".to_owned()));
        }
        let mut builder = Builder {
            scan,
            strings: Strings { scan, file, buffer: Vec::new() },
            names: Vec::new(),
            supers: Vec::new(),
            believes_distances: false,
            keeps_values: options.fields,
            given,
            classes: Classes {
                list: Vec::new(),
                labels: Vec::new(),
                label_of: HashMap::new(),
                layout: ObjectLayout::usual(scan.dialect, &given),
                layout_evidence: String::new(),
                is_big_endian: false,
                n_values: 0,
                issues: Vec::new(),
            },
        };
        builder.read_names()?;
        builder.find_supers();
        builder.choose_layout();
        builder.build(types, options.cancel)?;
        builder.find_endian()?;
        Ok(builder.classes)
    }

    /// The label of a name of a field.
    pub(super) fn label(&self, name: u64) -> Option<u32> {
        self.label_of.get(&name).copied()
    }

    /// The loaders of classes that can be unloaded. `class_of` finds the position of the class of an object.
    pub(super) fn unloadable(&self, mut class_of: impl FnMut(u64) -> Option<u32>) -> HashSet<u64> {
        let loaders: HashSet<u64> =
            self.list.iter().map(|class| class.loader).filter(|id| *id != 0).collect();
        let mut lasts = |loader: u64| {
            let class = class_of(loader).map(|class| &*self.list[class as usize].name);
            class.is_some_and(|name| LASTING_LOADERS.contains(&name))
        };
        loaders.into_iter().filter(|loader| !lasts(*loader)).collect()
    }

    /// Marks the classes of loaders that can be collected with all that they loaded.
    pub(super) fn mark_unloadable(&mut self, loaders: &HashSet<u64>) {
        for class in &mut self.list {
            class.is_kept_by_instances |= loaders.contains(&class.loader);
        }
    }
}

struct Builder<'s> {
    scan: &'s Scan,
    strings: Strings<'s>,
    /// By class, its name as written; empty where it has none.
    names: Vec<String>,
    /// By class, the position of its superclass.
    supers: Vec<Option<u32>>,
    /// Whether the distances of objects tell their sizes.
    believes_distances: bool,
    /// Whether fields with values of their own are asked for.
    keeps_values: bool,
    /// What the user knows of the layout.
    given: LayoutOverride,
    classes: Classes,
}

impl Builder<'_> {
    fn issue(&mut self, kind: IssueKind, offset: u64, what: String) {
        self.classes.issues.push(Issue { kind, line: None, offset, what });
    }

    fn read_names(&mut self) -> Result<(), Error> {
        for class in &self.scan.classes {
            let mut name = String::new();
            let mut was_valid = true;
            if let Some(id) = self.scan.class_names.get(&class.address)
                && let Some(bytes) = self.strings.bytes(*id)?
            {
                (name, was_valid) = names::modified_utf8(bytes);
            }
            if !was_valid {
                let what = "the name of a class is not modified UTF-8; its bytes became U+FFFD".to_owned();
                self.issue(IssueKind::InvalidUtf8, class.offset, what);
            }
            if name.is_empty() {
                let what = format!(
                    "the class 0x{:x} has no name; its objects are of the type {UNKNOWN_CLASS}",
                    class.address
                );
                self.issue(IssueKind::BadType, class.offset, what);
            }
            if class.dump.is_none() {
                let what = format!(
                    "the class 0x{:x} of {} objects is not in the dump; they have no references",
                    class.address, class.n_objects
                );
                self.issue(IssueKind::BadReference, class.offset, what);
            }
            self.names.push(name);
        }
        self.read_labels()
    }

    /// The labels of all fields, also of those that are not references: statics ask for them.
    fn read_labels(&mut self) -> Result<(), Error> {
        for class in &self.scan.classes {
            let Some(dump) = &class.dump else { continue };
            let fields = dump.fields.iter().map(|(name, _)| *name);
            let names: Vec<u64> = fields.chain(dump.reference_statics.iter().copied()).collect();
            for name in names {
                if self.classes.label_of.contains_key(&name) {
                    continue;
                }
                let Some(bytes) = self.strings.bytes(name)? else {
                    let what = format!(
                        "the name 0x{name:x} of a field is not in the dump; its references have no label"
                    );
                    self.issue(IssueKind::BadLabel, dump.offset, what);
                    continue;
                };
                let (text, was_valid) = names::modified_utf8(bytes);
                if !was_valid {
                    let what =
                        "the name of a field is not modified UTF-8; its bytes became U+FFFD".to_owned();
                    self.issue(IssueKind::InvalidUtf8, dump.offset, what);
                }
                let position = self.classes.labels.len() as u32;
                self.classes.labels.push(format!(".{text}").into());
                self.classes.label_of.insert(name, position);
            }
        }
        Ok(())
    }

    /// Finds superclasses, without cycles and endless chains.
    fn find_supers(&mut self) {
        let classes = &self.scan.classes;
        let position_of = |id: &u64| self.scan.positions.get(id).copied();
        let supers: Vec<Option<u32>> = classes
            .iter()
            .map(|class| class.dump.as_ref().and_then(|dump| position_of(&dump.super_class)))
            .collect();
        // The number of superclasses of each; none is known yet.
        let mut depths: Vec<Option<usize>> = vec![None; classes.len()];
        let mut is_cut = vec![false; classes.len()];
        for start in 0..classes.len() {
            let mut chain = vec![start];
            let mut is_in_chain: HashMap<usize, ()> = HashMap::from([(start, ())]);
            let mut depth = loop {
                let last = chain[chain.len() - 1];
                if let Some(depth) = depths[last] {
                    chain.pop();
                    break depth + 1;
                }
                match supers[last].map(|position| position as usize) {
                    None => break 0,
                    Some(above) if is_in_chain.insert(above, ()).is_some() => {
                        is_cut[last] = true;
                        break 0;
                    }
                    Some(above) => chain.push(above),
                }
            };
            for class in chain.into_iter().rev() {
                if depth > MAX_SUPERCLASSES {
                    is_cut[class] = true;
                    depth = 0;
                }
                depths[class] = Some(depth);
                depth += 1;
            }
        }
        for (position, class) in classes.iter().enumerate() {
            let Some(dump) = &class.dump else { continue };
            let super_class = dump.super_class;
            if is_cut[position] {
                let what = format!(
                    "the class 0x{:x} is its own superclass, or has more than {MAX_SUPERCLASSES} of them; the fields of the superclass 0x{super_class:x} are left out",
                    class.address
                );
                self.issue(IssueKind::BadReference, dump.offset, what);
            } else if super_class != 0
                && supers[position].is_none_or(|above| classes[above as usize].dump.is_none())
            {
                let what = format!(
                    "the superclass 0x{super_class:x} of the class 0x{:x} is not in the dump; its fields are left out",
                    class.address
                );
                self.issue(IssueKind::BadReference, dump.offset, what);
            }
        }
        self.supers =
            supers.into_iter().zip(is_cut).map(|(above, is_cut)| above.filter(|_| !is_cut)).collect();
    }

    /// The class and its superclasses.
    fn chain(&self, position: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(position), |position| self.supers[*position].map(|above| above as usize))
    }

    /// The shallow size of an instance by its fields.
    fn computed_size(&self, layout: ObjectLayout, position: usize) -> FieldPacker {
        let mut packer = FieldPacker::new(layout);
        let chain: Vec<usize> = self.chain(position).collect();
        for class in chain.into_iter().rev() {
            let Some(dump) = &self.scan.classes[class].dump else { continue };
            let name = names::class_name(&self.names[class]);
            let fields = dump.fields.iter().filter_map(|(field, number)| {
                let label = self.classes.label(*field).map(|label| &*self.classes.labels[label as usize]);
                Some((
                    label.map_or("", |label| label.trim_start_matches('.')),
                    BasicType::of_number(*number)?,
                ))
            });
            packer.add_class(&name, ClassFields::count(&name, fields));
        }
        packer
    }

    fn choose_layout(&mut self) {
        let scan = self.scan;
        let (arrays, evidence_of_arrays) = ObjectLayout::of_arrays(scan.dialect, &scan.arrays, &self.given);
        let with_neighbours: Vec<(usize, u32)> = scan
            .classes
            .iter()
            .enumerate()
            .filter_map(|(position, class)| {
                Some((position, class.distance?.0)).filter(|_| class.dump.is_some())
            })
            .collect();
        let mut best: Option<(ObjectLayout, Evidence, i64)> = None;
        for layout in arrays.with_instances(&self.given) {
            let comparisons = with_neighbours
                .iter()
                .map(|(position, distance)| self.computed_size(layout, *position).size().cmp(distance));
            let (evidence, weight) = weigh(comparisons);
            if best.is_none_or(|(.., least)| weight > least && evidence_of_arrays.counts()) {
                best = Some((layout, evidence, weight));
            }
        }
        let (layout, evidence, _) = best.unwrap_or((arrays, Evidence::default(), 0));
        self.classes.layout = layout;
        self.classes.layout_evidence = layout.describe(evidence_of_arrays, evidence, &self.given);
        // A user who gives a layout wants the sizes that follow from it.
        self.believes_distances = evidence_of_arrays.counts() && self.given.is_empty();
    }

    fn size(&self, position: usize) -> u32 {
        let scanned = &self.scan.classes[position];
        let layout = self.classes.layout;
        if self.scan.dialect.is_android
            && let Some(dump) = &scanned.dump
            && dump.instance_bytes >= layout.header
        {
            return dump.instance_bytes.saturating_add(layout.alignment - 1) / layout.alignment
                * layout.alignment;
        }
        let computed = self.computed_size(layout, position).size();
        match scanned.distance.filter(|_| self.believes_distances) {
            Some((distance, n))
                if distance < computed && n >= SOME_NEIGHBOURS && distance >= layout.header =>
            {
                distance
            }
            Some((distance, n))
                if distance > computed && n >= MANY_NEIGHBOURS && distance - computed <= MAX_INJECTED =>
            {
                distance
            }
            _ => computed,
        }
    }

    fn build(&mut self, types: &TypeTable, cancel: &AtomicBool) -> Result<(), Error> {
        let of_class_itself = self
            .names
            .iter()
            .position(|name| matches!(names::class_name(name).as_str(), "java.lang.Class"))
            .map(|position| self.computed_size(self.classes.layout, position));
        let scan = self.scan;
        for (position, scanned) in scan.classes.iter().enumerate() {
            if position.is_multiple_of(1024) && cancel.load(Ordering::Relaxed) {
                return Err(Error::Cancelled);
            }
            let written = std::mem::take(&mut self.names[position]);
            let name =
                if written.is_empty() { UNKNOWN_CLASS.to_owned() } else { names::class_name(&written) };
            self.names[position] = written;
            let type_id = if scanned.n_objects > 0 { types.intern(&name) } else { TypeId::MAX };
            let own_size = of_class_itself
                .as_ref()
                .map_or(0, |packer| self.own_size(packer.clone(), scanned.dump.as_ref()));
            let mut class = Class {
                written_name: None,
                type_id,
                loader: scanned.dump.as_ref().map_or(0, |dump| dump.loader),
                references: Vec::new(),
                values: Vec::new(),
                first_value: self.classes.n_values,
                n_bytes: 0,
                size: self.size(position),
                own_size,
                is_kept_by_instances: names::is_hidden(&self.names[position]),
                value: None,
                name_at: None,
                len: None,
                state: None,
                is_virtual_thread: false,
                name: name.into(),
            };
            if class.is_kept_by_instances {
                class.written_name = Some(self.names[position].replace('/', ".").into());
            }
            if scanned.n_objects > 0 {
                self.lay_out(&mut class, position, scanned);
            }
            self.classes.n_values = self.classes.n_values.saturating_add(class.values.len() as u32);
            self.classes.list.push(class);
        }
        Ok(())
    }

    /// The shallow size of a class: its static fields follow those of every class.
    fn own_size(&self, mut packer: FieldPacker, dump: Option<&DumpedClass>) -> u32 {
        if let Some(dump) = dump {
            let [eight, four, two, one] = dump.n_statics;
            // Others than fields of the program are in brackets.
            let is_field = |name: &&u64| {
                let label = self.classes.label(**name).map(|label| &self.classes.labels[label as usize]);
                !label.is_some_and(|label| label.starts_with(".<"))
            };
            let references = dump.reference_statics.iter().filter(is_field).count() as u32;
            packer.add_statics([references, eight, four, two, one]);
        }
        packer.size()
    }

    /// Finds out where the fields of an instance are, which come before those of the superclass.
    fn lay_out(&self, class: &mut Class, position: usize, scanned: &ScannedClass) {
        let id_bytes = self.scan.dialect.id_bytes;
        let mut at = 0_u64;
        let mut text = TextFields::default();
        let mut kind = None;
        let mut names_of_values: HashSet<Arc<str>> = HashSet::new();
        for above in self.chain(position) {
            let name = names::class_name(&self.names[above]);
            class.is_virtual_thread |=
                name == "java.lang.BaseVirtualThread" || name == "java.lang.VirtualThread";
            kind =
                kind.or_else(|| REFERENCES.iter().find(|(class, _)| *class == name).map(|(_, kind)| *kind));
            let known: Vec<&(&str, &str, Role)> =
                FIELDS.iter().filter(|(class, ..)| *class == name).collect();
            let Some(dump) = &self.scan.classes[above].dump else { continue };
            for (field, number) in &dump.fields {
                // The type of a field that cannot be told ends what can be read.
                let Some(basic) = BasicType::of_number(*number) else { return };
                let end = at + basic.bytes(id_bytes) as u64;
                if end > u64::from(scanned.max_bytes) {
                    class.n_bytes = u32::try_from(end).unwrap_or(u32::MAX);
                    class.value = text.rule().or(class.value);
                    return;
                }
                let (here, label) = (at as u32, self.classes.label(*field));
                let name_of_field =
                    label.map_or("", |label| self.classes.labels[label as usize].trim_start_matches('.'));
                if basic == BasicType::Object {
                    let kind = match kind {
                        Some(kind) if name == REFERENCE && name_of_field == REFERENT => kind,
                        _ => EdgeKind::Strong,
                    };
                    class.references.push(ReferenceField {
                        at: here,
                        label: label.unwrap_or(u32::MAX),
                        kind,
                    });
                } else if self.keeps_values && !name_of_field.is_empty() {
                    let mut field: Arc<str> = name_of_field.into();
                    if !names_of_values.insert(field.clone()) {
                        field = format!("{name}.{name_of_field}").into();
                    }
                    class.values.push(ValueField { at: here, basic, name: field });
                }
                for (.., role) in known.iter().filter(|(_, field, _)| *field == name_of_field) {
                    match role {
                        Role::Value if basic == BasicType::Object => text.array = Some(here),
                        Role::Value => class.value = Some(ValueRule::Number { at: here, basic }),
                        Role::Coder => text.coder = Some(here),
                        Role::PartStart if basic == BasicType::Int => text.start = Some(here),
                        Role::PartLen if basic == BasicType::Int => text.len = Some(here),
                        Role::StringValue if basic == BasicType::Object => {
                            class.value = Some(ValueRule::String { at: here });
                        }
                        Role::Name if basic == BasicType::Object => class.name_at = Some(here),
                        Role::Len if matches!(basic, BasicType::Int | BasicType::Long) => {
                            class.len = class.len.or(Some(LenRule::Number { at: here, basic }));
                        }
                        Role::State if basic == BasicType::Int => {
                            class.state = Some(StateRule::Number { at: here });
                        }
                        Role::StateOf if basic == BasicType::Object => {
                            class.state = Some(StateRule::Of { at: here });
                        }
                        Role::LenOf if basic == BasicType::Object => {
                            class.len = class.len.or(Some(LenRule::Of { at: here }));
                        }
                        _ => {}
                    }
                }
                at = end;
            }
        }
        class.n_bytes = u32::try_from(at).unwrap_or(u32::MAX);
        class.value = text.rule().or(class.value);
    }

    /// `java.lang.StringUTF16` says in which order it keeps the bytes of a character.
    fn find_endian(&mut self) -> Result<(), Error> {
        let found = self
            .names
            .iter()
            .position(|name| matches!(name.as_str(), "java/lang/StringUTF16" | "java.lang.StringUTF16"));
        let Some(dump) = found.and_then(|position| self.scan.classes[position].dump.as_ref()) else {
            return Ok(());
        };
        let mut bytes = Vec::new();
        read_range(self.strings.file, &mut bytes, dump.offset, 1 << 16)?;
        let Ok(sized) = self.scan.dialect.sub_record(&bytes) else { return Ok(()) };
        let SubRecord::Class(class) = sized.record else { return Ok(()) };
        for (name, basic, value) in class.statics() {
            if basic == BasicType::Int && self.strings.bytes(name)? == Some(b"HI_BYTE_SHIFT") {
                self.classes.is_big_endian = Bytes(value).u4() == Some(8);
            }
        }
        Ok(())
    }
}
