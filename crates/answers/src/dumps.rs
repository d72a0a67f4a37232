//! Which dumps there are, which of them are meant, and what one dump holds.

use std::{cmp::Reverse, sync::Arc};

use arrow::array::RecordBatch;
use heaplake_store::{Dump, Lake, Manifest, Manifests, TakenFrom, TypeStat};

use crate::{Result, encode::Columns};

/// The dumps that selectors match, each once, in the order in which they were taken; all dumps where there is no selector.
pub fn select_dumps(manifests: &Manifests, selectors: &[String]) -> Result<Vec<Arc<Manifest>>> {
    match selectors {
        [] => Ok(manifests.all()?.to_vec()),
        selectors => Ok(heaplake_engine::select_all(manifests, selectors)?),
    }
}

/// The dump that a selector matches; the newest where there is no selector.
pub fn select_dump(manifests: &Manifests, selector: Option<&str>) -> Result<Arc<Manifest>> {
    if let Some(selector) = selector {
        return Ok(heaplake_engine::select_one(manifests, selector)?);
    }
    Ok(manifests.all()?.last().cloned().ok_or(heaplake_engine::Error::NoDumps)?)
}

/// One row per dump: `id`, `taken`, `objects`, `edges`, `bytes` (shallow sizes), `types`, `format`, `tags`, `source`,
/// `issues`, `stored_bytes` (tables), `index_bytes` (graph index, as the lake says: [`Lake::index_bytes`]), `pruned` (null
/// unless it was).
pub fn dump_rows(manifests: &[Arc<Manifest>], index_bytes: &dyn Fn(&Manifest) -> u64) -> Result<RecordBatch> {
    let each = || manifests.iter();
    let tags: Vec<_> = each().map(|m| m.all_tags()).collect();
    Columns::default()
        .text("id", each().map(|m| m.id.to_string()))
        .time("taken", each().map(|m| m.taken))
        .count("objects", each().map(|m| m.counts.objects))
        .count("edges", each().map(|m| m.counts.edges))
        .number("bytes", each().map(|m| Some(m.counts.bytes)))
        .count("types", each().map(|m| m.counts.types))
        .text("format", each().map(|m| m.source.format.clone()))
        .map("tags", &tags)?
        .text("source", each().map(|m| m.source.file.clone()))
        .count("issues", each().map(|m| m.issues.values().sum()))
        .count("stored_bytes", each().map(|m| m.stored_bytes()))
        .count("index_bytes", each().map(|m| index_bytes(m)))
        .times("pruned", each().map(|m| m.pruned))
        .batch()
}

/// What a dump holds, as one row; with `nested` also its types, roots and issues as lists.
pub fn dump_facts(dump: &Dump, lake: &Lake, nested: bool) -> Result<RecordBatch> {
    let columns = Columns::default()
        .text("id", [dump.id.to_string()])
        .time("taken", [dump.taken])
        .text("taken_from", [taken_from(dump).to_owned()])
        .time("imported", [dump.imported])
        .text("format", [dump.source.format.clone()])
        .text("source", [dump.source.file.clone()])
        .count("source_bytes", [dump.source.bytes])
        .text("compression", [dump.source.compression.clone()])
        .text("sha256", [dump.source.sha256.clone()])
        .number("part", [dump.source.part.map(i64::from)])
        .optional_text("layout", [dump.process.layout.clone()])
        .map("tags", [&dump.all_tags()])?
        .count("objects", [dump.counts.objects])
        .count("edges", [dump.counts.edges])
        .count("dangling", [dump.counts.dangling])
        .count("unreferenced", [dump.counts.unreferenced])
        .text("indexed", [dump.indexed.to_string()])
        .count("types", [dump.counts.types])
        .number("bytes", [Some(dump.counts.bytes)])
        .count("issues", [dump.issues.values().sum()])
        .count("files", [dump.files.len() as u64])
        .count("stored_bytes", [dump.stored_bytes()])
        .count("index_bytes", [lake.index_bytes(dump)]);
    if !nested {
        return columns.batch();
    }
    let types = types_by_size(dump);
    let types = Columns::default()
        .text("type", types.iter().map(|t| t.name.clone()))
        .count("count", types.iter().map(|t| t.count))
        .number("size", types.iter().map(|t| Some(t.size)))
        .number("max_size", types.iter().map(|t| t.max_size))
        .number("retained", types.iter().map(|t| t.retained));
    let issues = Columns::default()
        .text("kind", dump.issues.keys().cloned())
        .count("count", dump.issues.values().copied());
    let roots = Columns::default()
        .text("kind", dump.roots.keys().cloned())
        .count("count", dump.roots.values().copied());
    let account = crate::account(dump);
    let parts: Vec<_> = account.iter().flat_map(|account| account.parts()).collect();
    let memory = Columns::default()
        .text("part", parts.iter().map(|(part, _)| part.name().to_owned()))
        .count("size", parts.iter().map(|(_, bytes)| *bytes));
    columns
        .nested("process_memory", memory.batch()?)
        .nested("type_stat", types.batch()?)
        .nested("roots_by_kind", roots.batch()?)
        .nested("issues_by_kind", issues.batch()?)
        .batch()
}

/// The types of a dump, largest first; ties in order of the names.
pub fn types_by_size(dump: &Dump) -> Vec<&TypeStat> {
    let mut types: Vec<_> = dump.types.iter().collect();
    types.sort_by_key(|t| Reverse(t.size));
    types
}

fn taken_from(manifest: &Manifest) -> &'static str {
    match manifest.taken_from {
        TakenFrom::User => "user",
        TakenFrom::Dump => "dump",
        TakenFrom::File => "file",
        TakenFrom::Import => "import",
    }
}
