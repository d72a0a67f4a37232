//! The documentation of functions: it is complete, it is what schemas say, and docs/functions.md is made of it.
//!
//! `HEAPLAKE_BLESS=1` writes the page anew; a person reads the difference.

mod lake;

use std::{collections::BTreeSet, env, fmt::Write as _, fs, path::Path};

use datafusion::prelude::SessionContext;
use heaplake_engine::{
    ArgumentDefault, ArgumentDoc, ColumnDoc, FunctionDoc, FunctionGroup, ResultDoc, SessionOptions, functions,
};
use lake::{lake, session};

#[test]
fn the_page_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/functions.md");
    let page = page();
    if env::var_os("HEAPLAKE_BLESS").is_some() {
        fs::write(&path, page).expect("the page can be written");
        return;
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let differs = written.lines().zip(page.lines()).find(|(old, new)| old != new);
    assert_eq!(written, page, "first difference: {differs:?}; if it is as it should be: HEAPLAKE_BLESS=1");
}

#[test]
fn documentation_is_complete() {
    let mut names = BTreeSet::new();
    for doc in functions() {
        let FunctionDoc { name, usage, .. } = doc;
        assert!(names.insert(name), "{name} is there twice");
        assert!(usage.starts_with(&format!("{name}(")), "{usage}");
        for text in [doc.purpose, doc.cost].into_iter().chain(doc.source) {
            assert!(!text.is_empty() && !text.contains('\n'), "{name}: {text:?}");
        }
        let written: String = usage.split(' ').collect();
        for argument in doc.arguments {
            let kind = argument.kind.to_string();
            let is_named = written.contains(argument.name) || written.contains(&kind);
            assert!(is_named, "{usage} does not name {}", argument.name);
            assert!(!argument.meaning.is_empty(), "{name}: {}", argument.name);
        }
        // What may be left out comes last, but for the dump of tag, which is an argument before the other.
        let is_required = |argument: &ArgumentDoc| argument.default == ArgumentDefault::Required;
        assert!(
            *name == "tag" || doc.arguments.is_sorted_by_key(|argument| !is_required(argument)),
            "{usage}"
        );
        let columns: Vec<&ColumnDoc> = match &doc.result {
            ResultDoc::Value(value) => vec![value],
            ResultDoc::Rows(all) => {
                for rows in *all {
                    let names: BTreeSet<&str> = rows.columns().map(|column| column.name).collect();
                    assert_eq!(names.len(), rows.columns().count(), "{name}");
                    assert_eq!(rows.when.is_empty(), all.len() == 1, "{name}");
                }
                all.iter().flat_map(|rows| rows.columns()).collect()
            }
        };
        assert!(!columns.is_empty(), "{name}");
        assert!(columns.iter().all(|column| !column.meaning.is_empty()), "{name}");
    }
}

#[tokio::test]
async fn every_function_that_is_registered_has_documentation() {
    let folder = lake(&["one"]);
    let state = SessionContext::new().state();
    let scalar = state.scalar_functions().keys().chain(state.aggregate_functions().keys());
    let others = state.window_functions().keys().chain(state.table_functions().keys());
    let of_the_engine: BTreeSet<String> = scalar.chain(others).cloned().collect();
    let all: BTreeSet<String> = session(&folder, SessionOptions::default()).functions().into_iter().collect();
    let ours: BTreeSet<&str> = all.difference(&of_the_engine).map(String::as_str).collect();
    assert_eq!(ours, functions().map(|doc| doc.name).collect());
}

#[tokio::test]
async fn schemas_carry_the_documentation() {
    let folder = lake(&["one", "two", "three"]);
    let session = session(&folder, SessionOptions::default());
    for doc in functions() {
        let ResultDoc::Rows(all) = doc.result else { continue };
        if doc.name == "fields" {
            // Its columns are the fields of a type; this lake has none.
            continue;
        }
        let calls: &[(&str, usize)] = match doc.name {
            "whatif_cut"
            | "parents"
            | "children"
            | "kids"
            | "reachable"
            | "retained"
            | "dominated"
            | "immediate_dominators"
            | "ancestor_types" => &[("('size = 1')", 0)],
            "path" | "path_nodes" => {
                &[("('root ..> a')", 0), ("('REACH root ..> a')", 0), ("('TYPES root ..> a')", 1)]
            }
            "path_summary" | "path_ways" | "path_tree" | "path_clusters" | "path_explain" => {
                &[("('root ..> a')", 0)]
            }
            "diff" | "diff_objects" => &[("('one', 'two')", 0)],
            "trend" => &[("('*', 'type', 'size')", 0)],
            "growing_containers" => &[("('*')", 0)],
            "survivors" => &[("('one', 'two', 'three')", 0)],
            _ => &[("()", 0)],
        };
        for (arguments, which) in calls {
            let call = format!("select * from {}{arguments}", doc.name);
            let answer = session.run(&call).await.unwrap_or_else(|error| panic!("{call}: {error}"));
            let documented: Vec<&ColumnDoc> = all[*which]
                .columns()
                .filter(|column| column.only.is_none_or(|only| only == "by type"))
                .collect();
            let fields = answer.schema.fields();
            assert_eq!(fields.len(), documented.len(), "{call}");
            for (field, column) in fields.iter().zip(documented) {
                assert_eq!(
                    (field.name().as_str(), field.is_nullable()),
                    (column.name, column.null.is_some()),
                    "{call}"
                );
                let description = field.metadata().get(heaplake_model::schema::DESCRIPTION);
                assert_eq!(description, Some(&column.description()), "{call}");
            }
        }
    }
}

/// The text of docs/functions.md.
fn page() -> String {
    let mut page = "# Functions\n\nThe functions that heaplake adds to SQL, besides those of \
         [DataFusion](https://datafusion.apache.org/user-guide/sql/index.html). This page is made of their documentation in \
         `crates/engine/src/functions`; a test compares the two. Tables are in [lake.md](lake.md).\n\nA *set* is a predicate \
         over `obj` in quotes, a path pattern that begins with `REACH`, or addresses (`'@140280053449680, 0x7f00'`; one may \
         stand without quotes). Where a dump may be named, a [selector](warehouse.md#naming-dumps) may stand. Arguments in \
         brackets may be left out. Functions of tables take constants, those of values take columns as well.\n"
        .to_owned();
    for group in FunctionGroup::ALL {
        let names = || functions().filter(move |doc| doc.group == group);
        let list: Vec<String> = names().map(|doc| format!("[`{0}`](#{0})", doc.name)).collect();
        let _ = write!(page, "\n## {}\n\n{}.\n", group.title(), list.join(", "));
        names().for_each(|doc| section(&mut page, doc));
    }
    page
}

fn section(page: &mut String, doc: &FunctionDoc) {
    let _ = write!(page, "\n### {}\n\n`{}`\n\n{}\n", doc.name, doc.usage, doc.purpose);
    if !doc.arguments.is_empty() {
        *page += "\n| argument | what it is | default | meaning |\n|---|---|---|---|\n";
        for argument in doc.arguments {
            let default = match argument.default {
                ArgumentDefault::Required => String::new(),
                ArgumentDefault::Number(n) => n.to_string(),
                ArgumentDefault::Words(words) => words.to_owned(),
            };
            let repeats = if argument.repeats { ", several times" } else { "" };
            let kind = argument.kind.to_string().replace('|', " \\| ");
            let _ = writeln!(
                page,
                "| `{}` | {kind}{repeats} | {default} | {} |",
                argument.name, argument.meaning
            );
        }
    }
    match &doc.result {
        ResultDoc::Value(value) => {
            let _ = write!(page, "\nGives a {}: {}.\n", value.data_type, value.description());
        }
        ResultDoc::Rows(all) => {
            for rows in *all {
                if !rows.when.is_empty() {
                    let _ = write!(page, "\nRows of {}:\n", rows.when);
                }
                *page += "\n| column | type | meaning |\n|---|---|---|\n";
                for column in rows.columns() {
                    let only = column.only.map(|when| format!("{when} only: ")).unwrap_or_default();
                    let null = if column.null.is_some() { "?" } else { "" };
                    let meaning = column.description();
                    let _ = writeln!(
                        page,
                        "| `{}` | {}{null} | {only}{meaning} |",
                        column.name, column.data_type
                    );
                }
            }
        }
    }
    let _ = write!(page, "\nCost: {}\n", doc.cost);
    if let Some(source) = doc.source {
        let _ = write!(page, "\nSource: {source}.\n");
    }
}
