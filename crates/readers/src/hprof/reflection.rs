//! Fields of classes that no file has: HPROF has the static fields of a class, and not those that it has as an instance of
//! `java.lang.Class`.
//!
//! Without these what they refer to has no holder and is a root. The members of a class that were asked for by reflection are
//! such objects; they refer to the class and so to its loader, which hides what really holds a loader.
//!
//! A reference is put back where the content of the dump says whose it is:
//!
//! - `reflectionData`: a soft reference to a `Class$ReflectionData` is of the class whose own constructor, method or field is in
//!   there. One without members stays without holder.
//! - `genericInfo`: a `ClassRepository` is of the class that its factory is for.

use std::{
    fs::File,
    sync::atomic::{AtomicBool, Ordering},
};

use hashbrown::{HashMap, HashSet};

use super::{
    objects::{Model, ObjectReader},
    rules::{DECLARED_BY, GENERICS_FACTORY, MEMBERS, OWN_MEMBERS, REFERENT},
    scanned::ClassField,
};
use crate::Error;

/// Elements of an array of members that are looked at: the first of them says it, but for a damaged file.
const MAX_MEMBERS: usize = 16;
/// Objects between two looks at a cancellation.
const POLL: usize = 1 << 10;

/// The references whose class is known, ascending; an object is in the field of one class at most.
pub(super) fn of_classes(model: &Model, file: &File, cancel: &AtomicBool) -> Result<Vec<ClassField>, Error> {
    let scan = &model.scan;
    let mut reader = ObjectReader::new(model, file);
    let mut found = Vec::new();
    let mut classes: HashMap<u64, Option<u64>> = HashMap::new();
    let all: HashSet<u64> = scan.reflection_data.iter().copied().collect();
    let referent = format!(".{REFERENT}");
    let softs = if all.is_empty() { &[][..] } else { &scan.soft_references };
    for (i, soft) in softs.iter().enumerate() {
        check(cancel, i)?;
        let class = reader
            .instance(*soft)
            .and_then(|(class, data)| reader.child(class, &data, &referent))
            .filter(|data| all.contains(data))
            .and_then(|data| *classes.entry(data).or_insert_with(|| class_of_members(&mut reader, data)));
        found.extend(class.map(|class| ClassField { class, label: ".reflectionData", child: *soft }));
    }
    for (i, repository) in scan.class_repositories.iter().enumerate() {
        check(cancel, i)?;
        let class = class_of_repository(&mut reader, *repository);
        found.extend(class.map(|class| ClassField { class, label: ".genericInfo", child: *repository }));
    }
    // A damaged file may have an object twice, and a class: each of its dumps would have all of these references.
    let is_repeated = |field: &ClassField| {
        let position = scan.positions.get(&field.class);
        position.is_some_and(|position| scan.classes[*position as usize].is_repeated)
    };
    found.retain(|field| !is_repeated(field));
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn check(cancel: &AtomicBool, i: usize) -> Result<(), Error> {
    if i.is_multiple_of(POLL) && cancel.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
}

/// The class whose members a `Class$ReflectionData` has; `None` if it has none.
fn class_of_members(reader: &mut ObjectReader<'_>, address: u64) -> Option<u64> {
    let (class, data) = reader.instance(address)?;
    for label in OWN_MEMBERS {
        let Some(members) = reader.child(class, &data, label) else { continue };
        for member in reader.elements(members, MAX_MEMBERS) {
            let Some((class, data)) = reader.instance(member) else { continue };
            if !MEMBERS.contains(&&*class.name) {
                continue;
            }
            let declaring = reader.child(class, &data, DECLARED_BY);
            if declaring.is_some_and(|id| reader.model.scan.positions.contains_key(&id)) {
                return declaring;
            }
        }
    }
    None
}

/// The class that a `ClassRepository` is for.
fn class_of_repository(reader: &mut ObjectReader<'_>, address: u64) -> Option<u64> {
    let (class, data) = reader.instance(address)?;
    let factory = reader.child(class, &data, ".factory")?;
    let (class, data) = reader.instance(factory).filter(|(class, _)| *class.name == *GENERICS_FACTORY)?;
    reader.child(class, &data, ".decl").filter(|id| reader.model.scan.positions.contains_key(id))
}
