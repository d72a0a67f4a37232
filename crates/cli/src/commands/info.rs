//! `heaplake info`: what one dump holds, or what is known of an object. Pages of text for people, rows for programs.

use std::{collections::BTreeSet, io::Write as _, process::ExitCode};

use anyhow::{Result, bail};
use arrow::array::RecordBatch;
use heaplake_answers::{Direction, Lake, Session, account, address_set, browse, dump_facts, types_by_size};
use heaplake_model::{MemoryAccount, ShortTypeNames};
use heaplake_store::{Dump, Manifest, TakenFrom};

use super::dumps::tags_in_words;
use crate::{
    args::{GraphArgs, InfoArgs},
    console::Console,
    escape, human, interrupt,
    output::{Columns, Format, Plan, Sink},
    query, selection, values,
};

/// Types shown to a person.
const N_TOP_TYPES: usize = 10;
/// Parents and children of an object shown to a person.
const N_NEIGHBOURS: usize = 15;

/// Prints the facts of one dump.
pub fn run(args: &InfoArgs, console: &Console) -> Result<ExitCode> {
    let plan = console.plan(args.shape, None)?;
    let lake = console.open_lake()?;
    let word = args.what.as_deref();
    // A dump may be named like an address.
    let is_dump = |word: &str| lake.manifest(word).is_ok();
    if let Some(address) = word.filter(|word| !is_dump(word)).and_then(|word| values::address(word).ok()) {
        interrupt::install()?;
        let graph = GraphArgs { layer: None, memory_limit: None };
        let (session, _) = query::of_dump(args.dump.as_deref(), &graph, console)?;
        return print_objects(&address_set(&[address]), &session, &plan).map(|()| ExitCode::SUCCESS);
    }
    if let (Some(word), Some(_)) = (word, &args.dump) {
        bail!("{word:?} is not an address; write for example @0x7f95a1b0c8d0");
    }
    let selector = word.or(args.dump.as_deref());
    let dump = lake.dump(selection::one(&lake.snapshot(), selector, console)?.as_ref().clone())?;
    if plan.format != Format::Table {
        plan.print(&dump_facts(&dump, &lake, plan.format.is_nested())?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut sink = plan.open()?;
    show(&dump, &lake, &plan, console, &mut sink)?;
    sink.commit()?;
    Ok(ExitCode::SUCCESS)
}

/// Prints everything that is known of the objects of a set; of a single one with its neighbours.
pub fn print_objects(set: &str, session: &Session, plan: &Plan) -> Result<()> {
    let batches = session.collect(&browse::objects_statement(set))?;
    let n_objects: usize = batches.iter().map(RecordBatch::num_rows).sum();
    if n_objects == 0 {
        bail!("{} has no such object", session.dump()?.id);
    }
    let mut sink = plan.open()?;
    plan.print_all_to(&batches, &mut sink)?;
    if n_objects == 1 && plan.format == Format::Table {
        for (direction, what) in [(Direction::Parents, "parents"), (Direction::Children, "children")] {
            let batches = session.collect(&browse::neighbours_statement(set, direction, session)?)?;
            let Some(first) = batches.first() else { continue };
            let rows = arrow::compute::concat_batches(first.schema_ref(), &batches)?;
            let n_rows = rows.num_rows();
            let shown = n_rows.min(N_NEIGHBOURS);
            let how_many = if n_rows > shown { format!("the largest {shown} of ") } else { String::new() };
            writeln!(sink, "{what}: {how_many}{}", human::count(n_rows as u64))?;
            if n_rows > 0 {
                plan.print_to(&rows.slice(0, shown), &mut sink)?;
            }
        }
    }
    sink.commit()
}

fn show(manifest: &Dump, lake: &Lake, plan: &Plan, console: &Console, sink: &mut Sink) -> Result<()> {
    writeln!(sink, "{}\n", manifest.id)?;
    let facts = facts_in_words(manifest, lake.index_bytes(manifest));
    for (name, text) in facts.into_iter().filter(|(_, text)| !text.is_empty()) {
        writeln!(sink, "  {name:<13} {}", escape::line(&text))?;
    }
    if let Some(account) = account(manifest) {
        writeln!(sink, "\n{}", memory_in_words(manifest, &account))?;
        plan.print_to(&memory_parts(&account)?, sink)?;
    }
    if !manifest.types.is_empty() {
        writeln!(sink, "\nThe largest types")?;
        let types = ShortTypeNames::of(manifest.types.iter().map(|stat| stat.name.as_str()));
        plan.clone().with_types(types).print_to(&top_types(manifest)?, sink)?;
    }
    if !manifest.issues.is_empty() {
        writeln!(
            sink,
            "\nWhat the import met; see {} sql --dump {} \"select * from issue\"",
            console.command(),
            manifest.id
        )?;
        let issues = Columns::default()
            .text("kind", manifest.issues.keys().cloned())
            .count("count", manifest.issues.values().copied());
        plan.print_to(&issues.batch()?, sink)?;
    }
    Ok(())
}

fn facts_in_words(m: &Manifest, index_bytes: u64) -> Vec<(&'static str, String)> {
    let source = &m.source;
    let compression = match source.compression.as_str() {
        "none" => String::new(),
        name => format!(", {name}"),
    };
    let part = source.part.map(|part| format!(", heap dump {part} of the file")).unwrap_or_default();
    let taken = match m.taken_from {
        TakenFrom::User => "",
        TakenFrom::Dump => ", says the dump",
        TakenFrom::File => ", the time of the file",
        TakenFrom::Import => ", the time of the import",
    };
    let time = |time: chrono::DateTime<chrono::Utc>| time.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    let tags = m.all_tags();
    let tags = if tags.is_empty() { "none".to_owned() } else { tags_in_words(&tags) };
    let stored = human::counted(m.files.len() as u64, "file");
    vec![
        ("taken", format!("{}{taken}", time(m.taken))),
        ("imported", time(m.imported)),
        (
            "source",
            format!("{}, {}, {}{compression}{part}", source.file, source.format, human::bytes(source.bytes)),
        ),
        ("sha256", source.sha256.clone()),
        ("tags", tags),
        ("objects", format!("{}, {}", human::count(m.counts.objects), human::signed_bytes(m.counts.bytes))),
        ("types", human::count(m.counts.types)),
        ("edges", human::count(m.counts.edges)),
        (
            "dangling",
            format!("{} to objects that were never dumped", human::counted(m.counts.dangling, "edge")),
        ),
        (
            "unreferenced",
            format!("{} that nothing refers to", human::counted(m.counts.unreferenced, "object")),
        ),
        ("roots", roots_in_words(m)),
        ("layout", m.process.layout.clone().unwrap_or_default()),
        (
            "stored",
            match m.pruned {
                None => format!(
                    "{} in {stored}, graph index {}",
                    human::bytes(m.stored_bytes()),
                    human::bytes(index_bytes)
                ),
                Some(at) => format!(
                    "{} in {stored}; objects and references were pruned on {}",
                    human::bytes(m.stored_bytes()),
                    at.format("%Y-%m-%d")
                ),
            },
        ),
        ("issues", human::count(m.issues.values().sum())),
    ]
}

fn roots_in_words(m: &Manifest) -> String {
    if !m.indexed {
        return format!("only those; heaplake index {} finds the others", m.id);
    }
    let runtime = m.runtime();
    let (mut of_threads, mut threads) = (0, BTreeSet::new());
    let mut kinds = Vec::new();
    for (kind, n) in &m.roots {
        // Each frame of a thread has a kind of its own.
        match runtime.thread_of_root(kind) {
            Some(thread) => {
                of_threads += n;
                threads.insert(thread.name);
            }
            None => kinds.push(format!("{} {kind}", human::count(*n))),
        }
    }
    let threads = human::counted(threads.len() as u64, "thread");
    kinds.extend((of_threads > 0).then(|| format!("{} of {threads}", human::count(of_threads))));
    kinds.join(", ")
}

/// The sums of what the process had: `The process: 153.2 MiB resident, 140.1 MiB private, 3 threads`.
fn memory_in_words(m: &Manifest, account: &MemoryAccount) -> String {
    let memory = &m.process.memory;
    let bytes = |bytes: Option<u64>, what: &str| {
        bytes.filter(|bytes| *bytes > 0).map(|bytes| format!("{} {what}", human::bytes(bytes)))
    };
    let facts = [
        bytes(m.process.resident_bytes, "resident"),
        bytes(memory.swap, "swapped out"),
        bytes(memory.private, "private"),
        memory.threads.map(|n| human::counted(n, "thread")),
        bytes(Some(account.absent), "of objects not resident"),
    ];
    format!("The process: {}", facts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

/// What the process had, part by part.
fn memory_parts(account: &MemoryAccount) -> Result<RecordBatch> {
    let parts = || account.parts().filter(|(_, bytes)| *bytes > 0);
    let share = |bytes: u64| format!("{:.1} %", bytes as f64 * 100.0 / account.total.max(1) as f64);
    Ok(Columns::default()
        .text("memory", parts().map(|(part, _)| part.description().to_owned()))
        .quantity("size", parts().map(|(_, bytes)| human::bytes(bytes)))
        .quantity("share", parts().map(|(_, bytes)| share(bytes)))
        .batch()?)
}

fn top_types(manifest: &Dump) -> Result<RecordBatch> {
    let types = types_by_size(manifest);
    let top = || types.iter().take(N_TOP_TYPES);
    let whole = manifest.counts.bytes;
    let share = |size: i64| {
        if whole > 0 { format!("{:.1} %", size as f64 * 100.0 / whole as f64) } else { String::new() }
    };
    Ok(Columns::default()
        .text("type", top().map(|t| t.name.clone()))
        .count("count", top().map(|t| t.count))
        .quantity("size", top().map(|t| human::signed_bytes(t.size)))
        .quantity("share", top().map(|t| share(t.size)))
        .quantity("retained", top().map(|t| t.retained.map(human::signed_bytes).unwrap_or_default()))
        .quantity("largest", top().map(|t| t.max_size.map(human::signed_bytes).unwrap_or_default()))
        .batch()?)
}

#[cfg(test)]
mod tests {
    use heaplake_store::{Access, Counts, Source, TypeStat};

    use super::*;

    /// A dump with a hostile type name and file name.
    fn dump() -> Dump {
        let stat = |name: &str, count, size, max_size| TypeStat {
            name: name.to_owned(),
            count,
            size,
            max_size,
            retained: None,
        };
        let manifest = Manifest {
            format_version: heaplake_store::FORMAT_VERSION,
            id: "a".parse().expect("a valid id"),
            taken: chrono::DateTime::UNIX_EPOCH,
            taken_from: TakenFrom::File,
            imported: chrono::DateTime::UNIX_EPOCH,
            source: Source {
                file: "x\x1b[2J.json".to_owned(),
                bytes: 2048,
                sha256: "00".to_owned(),
                format: "meliae".to_owned(),
                compression: "gzip".to_owned(),
                part: None,
            },
            process: Default::default(),
            tags: [("host".to_owned(), "web\u{202e}3".to_owned())].into(),
            counts: Counts { objects: 3, edges: 1, dangling: 1, unreferenced: 2, bytes: 400, types: 2 },
            roots: [("unreferenced".to_owned(), 2)].into(),
            indexed: true,
            naming: 0,
            issues: [("bad_size".to_owned(), 1)].into(),
            pruned: None,
            files: Vec::new(),
        };
        Dump { manifest, types: vec![stat("dict", 2, 100, Some(60)), stat("str\x1b", 1, 300, None)] }
    }

    #[test]
    fn the_largest_types_come_first_with_their_share() {
        let top = top_types(&dump()).expect("a batch");
        let shown = arrow::util::pretty::pretty_format_batches(&[top]).expect("text").to_string();
        assert!(shown.find("str").expect("str") < shown.find("dict").expect("dict"), "{shown}");
        assert!(shown.contains("| 75.0 % |") && shown.contains("| 25.0 % |"), "{shown}");
    }

    #[test]
    fn programs_get_one_row_and_types_where_the_format_can_hold_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let lake = Lake::open_or_create(folder.path(), Access::Private).expect("a lake");
        for (format, has_types) in [(Format::Csv, false), (Format::Markdown, false), (Format::Json, true)] {
            let facts = dump_facts(&dump(), &lake, format.is_nested()).expect("a batch");
            assert_eq!(facts.num_rows(), 1);
            assert_eq!(facts.column_by_name("type_stat").is_some(), has_types, "{format:?}");
        }
    }

    #[test]
    fn roots_of_threads_are_summed_up() {
        let mut dump = dump();
        let kinds =
            ["JNI global", "thread main", "thread main, a.B.run(B.java:3)", "thread x, a.B.run(native)"];
        dump.manifest.source.format = "hprof".to_owned();
        dump.manifest.roots = kinds.map(|kind| (kind.to_owned(), 2)).into();
        assert_eq!(roots_in_words(&dump.manifest), "2 JNI global, 6 of 2 threads");
    }

    #[test]
    fn people_see_escapes_and_units() {
        let words = facts_in_words(&dump(), 0);
        let fact = |name| {
            words.iter().find(|(found, _)| *found == name).map(|(_, text)| escape::line(text).into_owned())
        };
        assert_eq!(fact("source").as_deref(), Some("x\\x1b[2J.json, meliae, 2.0 KiB, gzip"));
        assert_eq!(fact("tags").as_deref(), Some("host=web\\u{202e}3"));
        assert_eq!(fact("taken").as_deref(), Some("1970-01-01 00:00:00 UTC, the time of the file"));
        assert_eq!(fact("dangling").as_deref(), Some("1 edge to objects that were never dumped"));
    }
}
