//! The answer to a path pattern in one dump: paths hop by hop, objects, or types by hop; and why there is none.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use heaplake_engine::PathShape;

use crate::{
    Error, Result, Session,
    rows::{AnswerColumns, quoted},
};

/// One hop of a path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathHop {
    /// Which of the paths, from 0.
    pub path_id: i64,
    /// The object.
    pub address: u64,
    /// Its type.
    pub type_name: String,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its value, if the dump contains it.
    pub value: Option<String>,
    /// Its shallow size in bytes.
    pub size: i64,
    /// What it retains in bytes; `None` without a graph index.
    pub retained: Option<i64>,
    /// What kind of root it is, if it is one.
    pub root_kind: Option<String>,
    /// How it was reached, `->` or `<-`; `None` for the first hop.
    pub arrow: Option<String>,
    /// The label of that reference.
    pub label: Option<String>,
    /// The variable of the pattern that it is bound to.
    pub variable: Option<String>,
}

/// The objects that a pattern with REACH or DOMINATED finds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectsFound {
    /// How many.
    pub objects: u64,
    /// Bytes of their shallow sizes.
    pub bytes: i64,
    /// By type, the largest first.
    pub types: Vec<TypeFound>,
    /// All of them, if they are no more than were asked for; otherwise empty.
    pub listed: Vec<ObjectFound>,
}

/// The objects of a type that a pattern finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeFound {
    /// The type.
    pub type_name: String,
    /// How many objects.
    pub objects: u64,
    /// Bytes of their shallow sizes.
    pub size: i64,
    /// Hops to the nearest.
    pub nearest_hop: u32,
    /// Hops to the farthest.
    pub farthest_hop: u32,
}

/// An object that a pattern finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectFound {
    /// Hops from where the pattern begins.
    pub hop: u32,
    /// Its address.
    pub address: u64,
    /// Its type.
    pub type_name: String,
    /// Its name.
    pub name: Option<String>,
    /// Its shallow size in bytes.
    pub size: i64,
    /// What it retains in bytes.
    pub retained: Option<i64>,
    /// What kind of root it is, if it is one.
    pub root_kind: Option<String>,
}

/// The answer to a pattern as SQL over the function `path`; its columns are those of the function. With `dump`, a column of
/// that name comes first.
pub fn path_statement(pattern: &str, dump: Option<&str>) -> String {
    let pattern = quoted(pattern);
    match dump {
        None => format!("SELECT * FROM path({pattern})"),
        Some(dump) => {
            format!("SELECT arrow_cast({}, 'Utf8View') AS dump, p.* FROM path({pattern}) p", quoted(dump))
        }
    }
}

/// The same with the columns that people look at.
pub fn short_path_statement(pattern: &str, shape: PathShape) -> String {
    let columns = match shape {
        PathShape::Objects => "hop, address, type, name, size, retained, root_kind",
        PathShape::Paths | PathShape::Types => "*",
    };
    format!("SELECT {columns} FROM path({})", quoted(pattern))
}

/// A way that the paths of a pattern take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathWay {
    /// Types and arrows, what repeats folded.
    pub signature: String,
    /// The fewest hops of a path by it.
    pub hops: i64,
    /// The objects that it leads to.
    pub objects: u64,
    /// How many objects are asked for; `None` where the pattern does not say it of all at once.
    pub asked: Option<u64>,
}

/// The ways that the paths of a pattern take, those of most objects first. Of `ANY SHORTEST` without `PER` these are the
/// shortest of all, and the first is the one that `path` shows. None where the shortest paths have more than `max_steps`
/// different steps.
pub fn path_ways(pattern: &str, max_steps: u32, session: &Session) -> Result<Vec<PathWay>> {
    let statement =
        format!("SELECT signature, hops, objects, asked FROM path_ways({}, {max_steps})", quoted(pattern));
    let rows = AnswerColumns::new(&session.collect(&statement)?)?;
    let (hops, objects) = (rows.numbers("hops")?, rows.numbers("objects")?);
    let asked = rows.optional_numbers("asked")?;
    let ways = rows.texts("signature")?.into_iter().enumerate().map(|(i, signature)| PathWay {
        signature,
        hops: hops[i],
        objects: u64::try_from(objects[i]).unwrap_or(0),
        asked: asked[i].and_then(|asked| u64::try_from(asked).ok()),
    });
    Ok(ways.collect())
}

/// Why there is no path, or what was found, in sentences.
pub fn why_not(pattern: &str, session: &Session) -> Result<Vec<String>> {
    let batches = session.collect(&format!("SELECT line FROM path_explain({})", quoted(pattern)))?;
    AnswerColumns::new(&batches)?.texts("line")
}

/// The hops in rows of [`path_statement`].
pub fn path_hops(batch: &RecordBatch) -> Result<Vec<PathHop>> {
    let rows = AnswerColumns::new(std::slice::from_ref(batch))?;
    let (ids, addresses) = (rows.numbers("path_id")?, rows.addresses("address")?);
    let (sizes, retained) = (rows.numbers("size")?, rows.optional_numbers("retained")?);
    let mut hops: Vec<PathHop> = (0..rows.n_rows())
        .map(|i| PathHop {
            path_id: ids[i],
            address: addresses[i],
            size: sizes[i],
            retained: retained[i],
            ..PathHop::default()
        })
        .collect();
    type Put = fn(&mut PathHop, Option<String>);
    let puts: [(&str, Put); 7] = [
        ("type", |hop, text| hop.type_name = text.unwrap_or_default()),
        ("name", |hop, text| hop.name = text),
        ("value", |hop, text| hop.value = text),
        ("root_kind", |hop, text| hop.root_kind = text),
        ("arrow", |hop, text| hop.arrow = text),
        ("label", |hop, text| hop.label = text),
        ("variable", |hop, text| hop.variable = text),
    ];
    for (name, put) in puts {
        hops.iter_mut().zip(rows.optional_texts(name)?).for_each(|(hop, text)| put(hop, text));
    }
    Ok(hops)
}

/// The objects that a pattern finds: totals by type, and the objects themselves if they are at most `max_listed`. The
/// pattern is searched for once, however many there are.
pub fn objects_found(pattern: &str, max_listed: usize, session: &Session) -> Result<ObjectsFound> {
    let mut found = ObjectsFound::default();
    let mut positions: HashMap<String, usize> = HashMap::new();
    let statement =
        format!("SELECT hop, address, type, size, retained, root_kind FROM path_nodes({})", quoted(pattern));
    session.for_each(&statement, |batch| {
        let rows = AnswerColumns::new(std::slice::from_ref(batch))?;
        let (hops, types, sizes) = (rows.numbers("hop")?, rows.texts("type")?, rows.numbers("size")?);
        for (i, type_name) in types.iter().enumerate() {
            let hop = u32::try_from(hops[i]).unwrap_or(u32::MAX);
            let position = match positions.get(type_name) {
                Some(position) => *position,
                None => {
                    positions.insert(type_name.clone(), found.types.len());
                    found.types.push(TypeFound {
                        type_name: type_name.clone(),
                        objects: 0,
                        size: 0,
                        nearest_hop: hop,
                        farthest_hop: hop,
                    });
                    found.types.len() - 1
                }
            };
            let of_type = &mut found.types[position];
            of_type.objects += 1;
            of_type.size = of_type.size.saturating_add(sizes[i]);
            of_type.nearest_hop = of_type.nearest_hop.min(hop);
            of_type.farthest_hop = of_type.farthest_hop.max(hop);
            found.bytes = found.bytes.saturating_add(sizes[i]);
        }
        found.objects += rows.n_rows() as u64;
        if found.objects <= max_listed as u64 {
            let (addresses, retained) = (rows.addresses("address")?, rows.optional_numbers("retained")?);
            let kinds = rows.optional_texts("root_kind")?;
            found.listed.extend((0..rows.n_rows()).map(|i| ObjectFound {
                hop: u32::try_from(hops[i]).unwrap_or(u32::MAX),
                address: addresses[i],
                type_name: types[i].clone(),
                name: None,
                size: sizes[i],
                retained: retained[i],
                root_kind: kinds[i].clone(),
            }));
        }
        Ok::<_, Error>(())
    })?;
    if found.objects > max_listed as u64 {
        found.listed.clear();
    }
    found.types.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.type_name.cmp(&b.type_name)));
    name_objects(&mut found.listed, session)?;
    Ok(found)
}

/// Adds the names of objects.
fn name_objects(objects: &mut [ObjectFound], session: &Session) -> Result<()> {
    if objects.is_empty() {
        return Ok(());
    }
    let addresses: Vec<u64> = objects.iter().map(|object| object.address).collect();
    let list = addresses.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let statement = format!("SELECT address, name FROM obj WHERE name IS NOT NULL AND address IN ({list})");
    let rows = AnswerColumns::new(&session.collect(&statement)?)?;
    let names: HashMap<u64, String> =
        rows.addresses("address")?.into_iter().zip(rows.texts("name")?).collect();
    for object in objects {
        object.name = names.get(&object.address).cloned();
    }
    Ok(())
}
