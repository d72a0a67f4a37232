//! Objects that come one by one, from something that is not a file of a format, such as tables: packed into records.

use heaplake_model::{EdgeKind, Issue, IssueKind};

use crate::{
    Error, ReadOptions, Records, TypeTable,
    batch::{Batch, Row},
    types::TypeCache,
};

/// Bytes of texts and references after which the objects so far should be taken.
const FULL_BYTES: usize = 4 << 20;
/// Positions in a batch have 32 bits.
const MAX_BYTES: usize = 1 << 30;

/// An object without its references.
#[derive(Debug, Clone, Copy)]
pub struct PlainObject<'o> {
    /// Address in the process.
    pub address: u64,
    /// Name of its type.
    pub type_name: &'o str,
    /// Shallow size in bytes; not negative.
    pub size: Option<i64>,
    /// Number of items; not negative.
    pub len: Option<i64>,
    /// Its name.
    pub name: Option<&'o str>,
    /// Its value as text.
    pub value: Option<&'o str>,
    /// References to it, as its runtime counted them; not negative.
    pub refcount: Option<i64>,
}

/// Collects objects with their references, and packs them.
#[derive(Debug)]
pub struct ObjectPacker<'t> {
    types: TypeCache<'t>,
    batch: Batch,
    scratch: Vec<u8>,
    n_objects: u64,
    keep_going: bool,
    max_object_bytes: usize,
}

impl<'t> ObjectPacker<'t> {
    /// Without any object.
    pub fn new(types: &'t TypeTable, options: &ReadOptions<'_>) -> Self {
        Self {
            types: TypeCache::new(types),
            batch: Batch::default(),
            scratch: Vec::new(),
            n_objects: 0,
            keep_going: options.keep_going,
            max_object_bytes: options.max_object_bytes.clamp(1, MAX_BYTES),
        }
    }

    /// Begins an object. References that follow are its own.
    pub fn object(&mut self, object: &PlainObject<'_>) -> Result<(), Error> {
        let text_len = |text: Option<&str>| text.map_or(0, str::len);
        if text_len(object.name).saturating_add(text_len(object.value)) > self.max_object_bytes {
            return Err(self.too_large());
        }
        let text = self.batch.text.len() as u32;
        let mut add = |text: Option<&str>| {
            let Some(text) = text else { return Row::NO_TEXT };
            self.batch.text.extend_from_slice(text.as_bytes());
            text.len() as u32
        };
        let (name_len, value_len) = (add(object.name), add(object.value));
        self.batch.rows.push(Row {
            address: object.address,
            size: object.size.unwrap_or(Row::NO_NUMBER),
            len: object.len.unwrap_or(Row::NO_NUMBER),
            type_id: self.types.intern(object.type_name),
            text,
            name_len,
            value_len,
            refcount: object.refcount.and_then(|count| u32::try_from(count).ok()).unwrap_or(0),
            refs: self.batch.refs.len() as u32,
            n_refs: 0,
            line: 0,
            offset: 0,
        });
        self.n_objects += 1;
        Ok(())
    }

    /// Adds a reference to the object that was begun last.
    ///
    /// # Panics
    ///
    /// Panics before the first object after [`take`](Self::take).
    pub fn reference(&mut self, child: u64, label: Option<&str>, kind: EdgeKind) -> Result<(), Error> {
        let at = self.batch.refs.len();
        let row = self.batch.rows.last_mut().expect("an object was begun");
        if 8 * (at - row.refs as usize) >= self.max_object_bytes {
            return Err(self.too_large());
        }
        row.n_refs += 1;
        self.batch.refs.push(child);
        if let Some(label) = label {
            self.batch.labels.set(at, label.as_bytes());
        }
        if kind != EdgeKind::Strong {
            self.batch.kinds.push((at as u32, kind));
        }
        Ok(())
    }

    /// Says that an object is a root, whether it was handed over or not.
    pub fn root(&mut self, address: u64, kind: String) {
        self.batch.roots.push((address, kind));
    }

    /// Reports something that was left out or repaired; an error where reading is strict and something is lost.
    pub fn issue(&mut self, kind: IssueKind, what: String) -> Result<(), Error> {
        if kind.is_lossy() && !self.keep_going {
            return Err(Error::DamagedTable(what));
        }
        self.batch.issues.push(Issue { kind, line: None, offset: 0, what });
        Ok(())
    }

    /// Whether there is as much as a block should hold: time to [`take`](Self::take) it, between two objects.
    pub fn is_full(&self) -> bool {
        let Batch { rows, text, refs, roots, .. } = &self.batch;
        text.len() + 8 * refs.len() + size_of_val(&rows[..]) + size_of_val(&roots[..]) >= FULL_BYTES
    }

    /// Packs what there is and begins anew.
    pub fn take(&mut self) -> Records {
        let records = Records::pack(&mut self.batch, &mut self.scratch);
        self.batch.clear();
        records
    }

    /// Objects so far, those that were taken among them.
    pub fn n_objects(&self) -> u64 {
        self.n_objects
    }

    fn too_large(&self) -> Error {
        Error::ObjectTooLarge { offset: 0, limit: self.max_object_bytes }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    /// Runs with a packer of little objects.
    fn packing<T>(keep_going: bool, run: impl FnOnce(&mut ObjectPacker<'_>) -> T) -> T {
        let options = ReadOptions {
            keep_going,
            threads: 1,
            block_bytes: 1 << 20,
            max_object_bytes: 64,
            fields: true,
            part: None,
            layout: Default::default(),
            work_folder: &std::env::temp_dir(),
            cancel: &AtomicBool::new(false),
            bytes_read: Default::default(),
        };
        let types = TypeTable::default();
        run(&mut ObjectPacker::new(&types, &options))
    }

    const ORDER: PlainObject<'static> = PlainObject {
        address: 16,
        type_name: "Order",
        size: Some(56),
        len: None,
        name: None,
        value: Some("x"),
        refcount: None,
    };

    #[test]
    fn objects_come_back_with_their_references() {
        packing(false, |packer| {
            packer.object(&ORDER).unwrap();
            packer.reference(32, Some(".lines"), EdgeKind::Strong).unwrap();
            packer.reference(40, None, EdgeKind::Soft).unwrap();
            packer
                .object(&PlainObject { address: 32, size: None, len: Some(2), value: None, ..ORDER })
                .unwrap();
            packer.root(16, "thread main".to_owned());
            let records = packer.take();
            assert_eq!((records.len(), packer.n_objects()), (2, 2));
            assert_eq!(records.roots, [(16, "thread main".to_owned())]);
            let all: Vec<_> = records.iter().map(|(_, record)| record).collect();
            assert_eq!((all[0].address, all[0].size, all[0].value), (16, Some(56), Some(&b"x"[..])));
            assert_eq!(all[0].refs.iter().collect::<Vec<_>>(), [32, 40]);
            assert_eq!((all[0].label(0), all[0].label(1)), (Some(&b".lines"[..]), None));
            assert_eq!(all[0].kinds().collect::<Vec<_>>(), [(1, EdgeKind::Soft)]);
            assert_eq!((all[1].size, all[1].len, all[1].refs.len()), (None, Some(2), 0));
            assert!(packer.take().is_empty() && !packer.is_full());
        });
    }

    #[test]
    fn an_object_beyond_the_limit_is_an_error() {
        packing(true, |packer| {
            let long = "y".repeat(65);
            assert!(packer.object(&PlainObject { value: Some(&long), ..ORDER }).is_err());
            packer.object(&ORDER).unwrap();
            let added = (0..9).map(|child| packer.reference(child, None, EdgeKind::Strong).is_ok());
            assert_eq!(added.filter(|added| *added).count(), 8);
        });
    }

    #[test]
    fn a_loss_is_an_error_unless_reading_goes_on() {
        for keep_going in [false, true] {
            packing(keep_going, |packer| {
                let lost = packer.issue(IssueKind::BadAddress, "no address".to_owned());
                assert_eq!(lost.is_ok(), keep_going);
                packer.issue(IssueKind::Duplicate, "twice".to_owned()).unwrap();
                assert_eq!(packer.take().issues.len(), 1 + usize::from(keep_going));
            });
        }
    }
}
