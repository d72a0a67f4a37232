//! Type names as small numbers, shared by the parsing threads.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;

/// A type of one dump: its position in the [`TypeTable`].
pub type TypeId = u32;

/// The types of one dump in the order in which they were first met, which depends on the threads.
#[derive(Debug, Default)]
pub struct TypeTable {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    ids: HashMap<Box<str>, TypeId>,
    names: Vec<Box<str>>,
    bytes: usize,
}

impl TypeTable {
    /// The id of a name; a new id when the name is new.
    pub fn intern(&self, name: &str) -> TypeId {
        let mut inner = self.lock();
        if let Some(&id) = inner.ids.get(name) {
            return id;
        }
        let id = inner.names.len() as TypeId;
        inner.names.push(name.into());
        inner.ids.insert(name.into(), id);
        inner.bytes += 2 * name.len() + 64;
        id
    }

    /// Every name, by id.
    pub fn names(&self) -> Vec<Box<str>> {
        self.lock().names.clone()
    }

    /// Bytes of memory that the table holds, about.
    pub fn memory(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One thread's view of a table: no lock for a name that it has met before.
#[derive(Debug)]
pub(crate) struct TypeCache<'t> {
    table: &'t TypeTable,
    /// Direct-mapped: the last name met with a hash, so that the usual name costs one comparison.
    recent: Vec<(Box<[u8]>, TypeId)>,
    ids: HashMap<Box<[u8]>, TypeId>,
}

const RECENT: usize = 1024;

impl<'t> TypeCache<'t> {
    pub(crate) fn new(table: &'t TypeTable) -> Self {
        Self { table, recent: vec![(Box::from(&b""[..]), TypeId::MAX); RECENT], ids: HashMap::new() }
    }

    /// The id of a name that was met before.
    #[inline]
    pub(crate) fn get(&self, name: &[u8]) -> Option<TypeId> {
        let (recent, id) = &self.recent[slot(name)];
        if **recent == *name && *id != TypeId::MAX {
            return Some(*id);
        }
        self.ids.get(name).copied()
    }

    /// The id of a name.
    pub(crate) fn intern(&mut self, name: &str) -> TypeId {
        if let Some(id) = self.get(name.as_bytes()) {
            return id;
        }
        let id = self.table.intern(name);
        self.ids.insert(name.as_bytes().into(), id);
        self.recent[slot(name.as_bytes())] = (name.as_bytes().into(), id);
        id
    }
}

/// Mixes the length and both ends of a name; enough to tell the types of a program apart.
#[inline]
fn slot(name: &[u8]) -> usize {
    let head = name.first_chunk::<4>().map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let tail =
        name.last_chunk::<4>().map_or(name.first().copied().map_or(0, u32::from), |b| u32::from_le_bytes(*b));
    let mixed = (head ^ tail.rotate_left(11) ^ name.len() as u32).wrapping_mul(0x9e37_79b1);
    (mixed >> 22) as usize % RECENT
}
