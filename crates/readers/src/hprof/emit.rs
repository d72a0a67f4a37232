//! The second pass: the objects of one block, by column.

use std::{fs::File, sync::Arc};

use hashbrown::HashMap;
use heaplake_model::{EdgeKind, Issue, IssueKind};

use super::{
    classes::{self, Class},
    dialect::{BasicType, Bytes, ClassDump, SubRecord},
    objects::{Model, ObjectReader, number_text},
    rules::ValueRule,
};
use crate::{
    FieldKey, Labels, TypeId,
    batch::{Batch, Row},
};

/// What stands for the labels of a batch that are not known yet.
const UNKNOWN: u32 = u32::MAX;

/// Makes rows of the objects of one block after the other; one for each thread.
pub(super) struct BlockParser<'m> {
    model: &'m Model,
    file: &'m File,
    types: &'m TypeIds,
    batch: Batch,
    /// The numbers in the batch of the labels of fields, by their position among the labels of the classes.
    field_labels: Vec<u32>,
    /// Likewise of `[0]`, `[1]`, ...
    index_labels: Vec<u32>,
    /// The keys in the batch of the fields with values of their own, by their numbers among those of all classes.
    value_keys: Vec<u32>,
    /// The keys in the batch of such static fields, by id of the name and type.
    static_keys: HashMap<(u64, BasicType), Option<u32>>,
    /// Whether these are asked for.
    keeps_values: bool,
    /// The class that was looked up last, by id.
    last_class: (u64, Option<&'m Class>),
}

/// Types that no class of the dump stands for.
pub(super) struct TypeIds {
    pub(super) class: TypeId,
    /// Of arrays, by the number of the type of their elements.
    pub(super) arrays: [TypeId; 12],
}

impl<'m> BlockParser<'m> {
    pub(super) fn new(model: &'m Model, file: &'m File, types: &'m TypeIds, keeps_values: bool) -> Self {
        Self {
            model,
            file,
            types,
            batch: Batch::default(),
            field_labels: Vec::new(),
            index_labels: Vec::new(),
            value_keys: Vec::new(),
            static_keys: HashMap::new(),
            keeps_values,
            last_class: (0, None),
        }
    }

    /// The objects of a block. The batch is used for the next one again.
    pub(super) fn parse(&mut self, offset: u64, bytes: &[u8]) -> &mut Batch {
        self.batch.clear();
        self.field_labels.clear();
        self.field_labels.resize(self.model.classes.labels.len(), UNKNOWN);
        self.index_labels.clear();
        self.value_keys.clear();
        self.value_keys.resize(self.model.classes.n_values as usize, UNKNOWN);
        self.static_keys.clear();
        let mut reader = ObjectReader::new(self.model, self.file).with_block(offset, bytes);
        let dialect = self.model.scan.dialect;
        let mut at = 0;
        while at < bytes.len() {
            // The first pass has seen them all.
            let Ok(sized) = dialect.sub_record(&bytes[at..]) else { break };
            let body = at + sized.head;
            let end = usize::try_from(at as u64 + sized.len()).unwrap_or(usize::MAX).min(bytes.len());
            match sized.record {
                SubRecord::Instance { address, class } => {
                    self.instance(&mut reader, at, (address, class), &bytes[body.min(end)..end]);
                }
                SubRecord::ObjectArray { address, class, count } => {
                    self.object_array(at, (address, class, count), &bytes[body.min(end)..end]);
                }
                SubRecord::PrimitiveArray { address, element, count } => {
                    let size = self.model.classes.layout.array_bytes(element.bytes(0) as u32, count);
                    let type_id = self.types.arrays[element as usize];
                    self.push_row(at, address, type_id, size, Some(count.into()));
                }
                SubRecord::Class(class) => self.class(at, &class),
                SubRecord::Root(_) | SubRecord::HeapInfo => {}
            }
            at = end;
        }
        &mut self.batch
    }

    #[inline]
    fn class_named(&mut self, id: u64) -> Option<&'m Class> {
        if self.last_class.0 != id {
            self.last_class = (id, self.model.class(id));
        }
        self.last_class.1
    }

    /// Starts a row, which gets the references that are pushed before the next.
    #[inline]
    fn push_row(&mut self, at: usize, address: u64, type_id: TypeId, size: u64, len: Option<i64>) {
        self.batch.rows.push(Row {
            address,
            size: i64::try_from(size).unwrap_or(i64::MAX),
            len: len.unwrap_or(Row::NO_NUMBER),
            type_id,
            text: self.batch.text.len() as u32,
            name_len: Row::NO_TEXT,
            value_len: Row::NO_TEXT,
            refs: self.batch.refs.len() as u32,
            n_refs: 0,
            refcount: 0,
            line: 0,
            offset: at as u32,
        });
    }

    fn instance(
        &mut self,
        reader: &mut ObjectReader<'_>,
        at: usize,
        (address, class_id): (u64, u64),
        data: &[u8],
    ) {
        // The first pass knows every class that an object names.
        let Some(class) = self.class_named(class_id) else { return };
        self.push_row(at, address, class.type_id, class.size.into(), None);
        let dialect = self.model.scan.dialect;
        for field in &class.references {
            let Some(mut bytes) = data.get(field.at as usize..).map(Bytes) else { break };
            match bytes.id(dialect) {
                Some(0) => {}
                Some(child) => {
                    let label = match field.label {
                        UNKNOWN => Labels::NONE,
                        label => self.field_label(label),
                    };
                    self.push_reference(child, label, field.kind);
                }
                None => break,
            }
        }
        if data.len() < class.n_bytes as usize {
            let what = format!(
                "an instance of {} has {} bytes of fields; the class has {}; references after them were left out",
                crate::text::shown(class.name.as_bytes()),
                data.len(),
                class.n_bytes
            );
            self.issue(IssueKind::BadReference, at, what);
        }
        if class.is_kept_by_instances {
            let label = self.label(b".<class>");
            self.push_reference(class_id, label, EdgeKind::Strong);
        }
        if !class.values.is_empty() {
            self.values(address, class, data);
        }
        if class.value.is_some() || class.name_at.is_some() || class.len.is_some() {
            self.texts(reader, class, data);
        }
    }

    /// Adds the fields of an instance that have values of their own.
    fn values(&mut self, address: u64, class: &Class, data: &[u8]) {
        for (field, number) in class.values.iter().zip(class.first_value as usize..) {
            let Some(bits) = data.get(field.at as usize..).and_then(|data| bits(data, field.basic)) else {
                return;
            };
            let Some(kind) = field.basic.field_kind() else { continue };
            let fields = &mut self.batch.fields;
            let key = &mut self.value_keys[number];
            if *key == UNKNOWN {
                *key = fields.keys.len() as u32;
                fields.keys.push(FieldKey { type_id: class.type_id, name: field.name.clone(), kind });
            }
            fields.push(*key, address, bits);
        }
    }

    /// Likewise of a class.
    fn static_value(&mut self, class: u64, name: u64, basic: BasicType, value: &[u8]) {
        let (model, file, type_id) = (self.model, self.file, self.types.class);
        let fields = &mut self.batch.fields;
        let key = *self.static_keys.entry((name, basic)).or_insert_with(|| {
            // A name that cannot be read again is one that is not there.
            let name: Arc<str> = classes::text(&model.scan, file, name).ok()??.into();
            fields.keys.push(FieldKey { type_id, name, kind: basic.field_kind()? });
            Some(fields.keys.len() as u32 - 1)
        });
        if let (Some(key), Some(bits)) = (key, bits(value, basic)) {
            fields.push(key, class, bits);
        }
    }

    /// Adds what an instance says of itself to the last row.
    fn texts(&mut self, reader: &mut ObjectReader<'_>, class: &Class, data: &[u8]) {
        let Some(row) = self.batch.rows.last_mut() else { return };
        if let Some(name) = class.name_at.and_then(|name_at| reader.string_at(data, name_at)) {
            row.name_len = name.len() as u32;
            self.batch.text.extend_from_slice(name.as_bytes());
        }
        let mut add_value = |value: &str| {
            row.value_len = value.len() as u32;
            self.batch.text.extend_from_slice(value.as_bytes());
        };
        match class.value {
            Some(rule @ ValueRule::Text { .. }) => {
                if let Some((text, len)) = reader.text(data, rule) {
                    add_value(text);
                    row.len = i64::try_from(len).unwrap_or(i64::MAX);
                }
            }
            Some(ValueRule::Number { at, basic }) => {
                if let Some(number) = number_text(data, at, basic) {
                    add_value(&number);
                }
            }
            Some(ValueRule::String { at }) => {
                if let Some(text) = reader.string_at(data, at) {
                    add_value(text);
                }
            }
            None => {}
        }
        if class.len.is_some() && !matches!(class.value, Some(ValueRule::Number { .. })) {
            row.len = reader.len(class, data).unwrap_or(row.len);
        }
    }

    fn object_array(&mut self, at: usize, (address, class_id, count): (u64, u64, u32), elements: &[u8]) {
        let Some(class) = self.class_named(class_id) else { return };
        let size = self.model.classes.layout.array_bytes(self.model.classes.layout.reference, count);
        self.push_row(at, address, class.type_id, size, Some(count.into()));
        let dialect = self.model.scan.dialect;
        for (i, element) in elements.chunks_exact(dialect.id_bytes).enumerate() {
            match Bytes(element).id(dialect) {
                Some(0) | None => {}
                Some(child) => {
                    let label = self.index_label(i);
                    self.push_reference(child, label, EdgeKind::Strong);
                }
            }
        }
        if class.is_kept_by_instances {
            let label = self.label(b".<class>");
            self.push_reference(class_id, label, EdgeKind::Strong);
        }
    }

    fn class(&mut self, at: usize, dump: &ClassDump<'_>) {
        let class = self.class_named(dump.address);
        let size = class.map_or(0, |class| class.own_size);
        self.push_row(at, dump.address, self.types.class, size.into(), None);
        if let (Some(class), Some(row)) = (class, self.batch.rows.last_mut()) {
            row.name_len = class.name.len() as u32;
            self.batch.text.extend_from_slice(class.name.as_bytes());
            if let Some(written) = &class.written_name {
                row.value_len = written.len() as u32;
                self.batch.text.extend_from_slice(written.as_bytes());
            }
        }
        let [first, second] = dump.reserved;
        for (child, label) in [
            (dump.super_class, &b".<super>"[..]),
            (dump.loader, b".<loader>"),
            (dump.signers, b".<signers>"),
            (dump.domain, b".<domain>"),
            (first, b".<reserved>"),
            (second, b".<reserved>"),
        ] {
            if child != 0 {
                let label = self.label(label);
                self.push_reference(child, label, EdgeKind::Strong);
            }
        }
        for child in dump.constants().filter(|child| *child != 0) {
            let label = self.label(b".<constant>");
            self.push_reference(child, label, EdgeKind::Strong);
        }
        for (name, basic, value) in dump.statics() {
            if basic != BasicType::Object {
                if self.keeps_values {
                    self.static_value(dump.address, name, basic, value);
                }
                continue;
            }
            if let Some(child) = Bytes(value).id(self.model.scan.dialect).filter(|child| *child != 0) {
                let label =
                    self.model.classes.label(name).map_or(Labels::NONE, |label| self.field_label(label));
                self.push_reference(child, label, EdgeKind::Strong);
            }
        }
        let reflection = &self.model.reflection;
        let first = reflection.partition_point(|field| field.class < dump.address);
        for field in reflection[first..].iter().take_while(|field| field.class == dump.address) {
            let label = self.label(field.label.as_bytes());
            self.push_reference(field.child, label, EdgeKind::Strong);
        }
    }

    /// Adds a reference to the last row.
    #[inline]
    fn push_reference(&mut self, child: u64, label: u32, kind: EdgeKind) {
        let Batch { rows, refs, labels, kinds, .. } = &mut self.batch;
        if label != Labels::NONE {
            labels.set_number(refs.len(), label);
        }
        if kind != EdgeKind::Strong {
            kinds.push((refs.len() as u32, kind));
        }
        refs.push(child);
        if let Some(row) = rows.last_mut() {
            row.n_refs += 1;
        }
    }

    /// The number in the batch of a label of the classes.
    #[inline]
    fn field_label(&mut self, label: u32) -> u32 {
        let known = &mut self.field_labels[label as usize];
        if *known == UNKNOWN {
            *known = self.batch.labels.intern(self.model.classes.labels[label as usize].as_bytes());
        }
        *known
    }

    #[inline]
    fn index_label(&mut self, index: usize) -> u32 {
        if let Some(number) = self.index_labels.get(index).filter(|number| **number != UNKNOWN) {
            return *number;
        }
        let number = self.batch.labels.intern(format!("[{index}]").as_bytes());
        if index >= self.index_labels.len() {
            self.index_labels.resize(index + 1, UNKNOWN);
        }
        self.index_labels[index] = number;
        number
    }

    fn label(&mut self, label: &[u8]) -> u32 {
        self.batch.labels.intern(label)
    }

    fn issue(&mut self, kind: IssueKind, at: usize, what: String) {
        // The offset becomes that of the file with that of the block.
        self.batch.issues.push(Issue { kind, line: None, offset: at as u64, what });
    }
}

/// The bits of a value at the front of some data; `None` for a reference and where the data end.
fn bits(data: &[u8], basic: BasicType) -> Option<u64> {
    let mut bytes = Bytes(data);
    match basic.bytes(0) {
        1 => bytes.u1().map(u64::from),
        2 => bytes.u2().map(u64::from),
        4 => bytes.u4().map(u64::from),
        8 => bytes.u8(),
        _ => None,
    }
}
