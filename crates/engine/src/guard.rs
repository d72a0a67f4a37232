//! What a statement may do: read the lake; with files allowed, also read and write files outside it.

use std::{
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use datafusion::{
    catalog::CatalogProviderList,
    common::{TableReference, tree_node::TreeNodeRecursion},
    execution::SessionState,
    logical_expr::{DdlStatement, LogicalPlan},
    sql::{parser::Statement, sqlparser::ast::Statement as Sql},
};

use heaplake_model::Remedy;

use crate::{
    Error, Result,
    catalog::{CATALOG, is_table, read_only, tables},
    error::Thing,
    mistake,
    snapshot::CURRENT,
    statements,
};

/// Refuses a statement that does something else than read.
pub(crate) fn check_kind(parsed: &Statement, text: &str) -> Result<()> {
    match parsed {
        Statement::Statement(sql) => check_sql(sql, text),
        Statement::Explain(explain) => check_kind(&explain.statement, &explain.statement.to_string()),
        Statement::CopyTo(_) | Statement::CreateExternalTable(_) | Statement::Reset(_) => Err(refused(text)),
    }
}

fn check_sql(sql: &Sql, text: &str) -> Result<()> {
    match sql {
        Sql::Query(_)
        | Sql::ShowTables { .. }
        | Sql::ShowColumns { .. }
        | Sql::ShowFunctions { .. }
        | Sql::ShowVariable { .. }
        | Sql::ShowCreate { .. }
        | Sql::ShowSchemas { .. }
        | Sql::ShowDatabases { .. }
        | Sql::ExplainTable { .. } => Ok(()),
        Sql::Explain { statement, .. } => check_sql(statement, &statement.to_string()),
        _ => Err(refused(text)),
    }
}

fn refused(text: &str) -> Error {
    let kind = mistake::escape(&statements::kind(text));
    Error::Refused {
        what: format!("{kind} is refused: queries only read the lake"),
        remedy: Some(Remedy::AllowFileStatements),
    }
}

/// Refuses a plan that does something else than read: `SELECT ... INTO` and the like.
pub(crate) fn check_reads(plan: &LogicalPlan, text: &str) -> Result<()> {
    let mut reads = true;
    let visited = plan.apply_with_subqueries(|node| {
        reads &= !matches!(
            node,
            LogicalPlan::Ddl(_) | LogicalPlan::Dml(_) | LogicalPlan::Copy(_) | LogicalPlan::Statement(_)
        );
        Ok(TreeNodeRecursion::Continue)
    });
    if reads && visited.is_ok() { Ok(()) } else { Err(refused(text)) }
}

/// Refuses a plan that would change the lake, where plans may write files.
pub(crate) fn check_spares_lake(plan: &LogicalPlan, lake: &Path) -> Result<()> {
    let mut outcome = Ok(());
    let visited = plan.apply_with_subqueries(|node| {
        let checked = match node {
            LogicalPlan::Copy(copy) => check_outside(&copy.output_url, lake),
            LogicalPlan::Dml(dml) => check_target(&dml.table_name, lake),
            LogicalPlan::Ddl(ddl) => check_ddl(ddl, lake),
            _ => Ok(()),
        };
        if outcome.is_ok() {
            outcome = checked;
        }
        Ok(TreeNodeRecursion::Continue)
    });
    visited.map_err(|error| Error::Internal(error.to_string()))?;
    outcome
}

fn check_ddl(ddl: &DdlStatement, lake: &Path) -> Result<()> {
    match ddl {
        DdlStatement::CreateExternalTable(create) => {
            check_name(&create.name)?;
            create.locations.iter().try_for_each(|location| check_outside(location, lake))
        }
        DdlStatement::CreateMemoryTable(create) => check_name(&create.name),
        DdlStatement::CreateView(create) => check_name(&create.name),
        DdlStatement::DropTable(drop) => check_name(&drop.name),
        DdlStatement::DropView(drop) => check_name(&drop.name),
        _ => Ok(()),
    }
}

fn check_target(target: &TableReference, lake: &Path) -> Result<()> {
    check_name(target)?;
    check_outside(target.table(), lake)
}

/// Refuses to make, drop or change what has the name of a table of the lake.
fn check_name(table: &TableReference) -> Result<()> {
    let is_lake = table.catalog().is_none_or(|catalog| catalog == CATALOG);
    if is_lake && is_table(table.table()) { Err(read_only(table.table())) } else { Ok(()) }
}

/// Refuses a path within the lake, through whatever links or `..` it leads there.
fn check_outside(url: &str, lake: &Path) -> Result<()> {
    let path = url.strip_prefix("file://").unwrap_or(url);
    let failed = |error: std::io::Error| Error::Failed(format!("{}: {error}", mistake::escape(path)));
    let lake = lake.canonicalize().map_err(failed)?;
    // A percent sign may stand for any character, in an address.
    let decoded = url.starts_with("file://").then(|| decode(path));
    for path in [Some(path.to_owned()), decoded].into_iter().flatten() {
        if resolve(Path::new(&path)).map_err(failed)?.starts_with(&lake) {
            let path = mistake::escape(&path);
            return Err(Error::Refused {
                what: format!(
                    "{path} is within the lake, which SQL cannot change; choose a place outside it"
                ),
                remedy: None,
            });
        }
    }
    Ok(())
}

fn decode(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = match (first, tail.get(..2)) {
            (b'%', Some(hex)) => {
                std::str::from_utf8(hex).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok())
            }
            _ => None,
        };
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The absolute path with links followed as far as it exists.
fn resolve(path: &Path) -> std::io::Result<PathBuf> {
    let mut resolved = PathBuf::new();
    for component in std::path::absolute(path)?.components() {
        match component {
            Component::ParentDir => {
                resolved.pop();
            }
            Component::CurDir => {}
            component => {
                resolved.push(component);
                if let Ok(canonical) = resolved.canonicalize() {
                    resolved = canonical;
                }
            }
        }
    }
    Ok(resolved)
}

/// Finds tables that are not there before the planner does, and says which were meant.
pub(crate) fn check_tables(state: &SessionState, parsed: &Statement, allow_files: bool) -> Result<()> {
    let Ok(references) = state.resolve_table_references(parsed) else { return Ok(()) };
    let catalogs = state.catalog_list();
    let functions = state.table_functions();
    for reference in references {
        let is_function = reference.schema().is_none() && functions.contains_key(reference.table());
        if !is_function {
            let names: Vec<&str> = functions.keys().map(String::as_str).collect();
            check_table(catalogs, &names, &reference, allow_files)?;
        }
    }
    Ok(())
}

fn check_table(
    catalogs: &Arc<dyn CatalogProviderList>,
    functions: &[&str],
    reference: &TableReference,
    allow_files: bool,
) -> Result<()> {
    let table = reference.table();
    let schema_name = reference.schema().unwrap_or(CURRENT);
    if schema_name == "information_schema" {
        return Ok(());
    }
    let Some(catalog) = catalogs.catalog(reference.catalog().unwrap_or(CATALOG)) else {
        let name = mistake::quoted(reference.catalog().unwrap_or_default());
        return Err(Error::query(format!("there is no catalog {name}")));
    };
    let looks_like_file = reference.schema().is_none() && looks_like_file(table);
    let Some(schema) = catalog.schema(schema_name) else {
        let schemas = catalog.schema_names();
        let names = schemas.iter().map(String::as_str).filter(|name| *name != CURRENT);
        let near: Vec<&str> = mistake::nearest(schema_name, names).into_iter().collect();
        let what = format!("there is no dump or schema {}", mistake::quoted(schema_name));
        let note = if near.is_empty() { "; `SELECT id FROM dump` lists the dumps" } else { "" };
        return Err(Error::not_found(Thing::Schema, schema_name, what, &near).with_note(note.to_owned()));
    };
    if schema.table_exist(table) || (looks_like_file && allow_files) {
        return Ok(());
    }
    let shown = mistake::quoted(table);
    if looks_like_file {
        return Err(Error::Refused {
            what: format!("reading the file {shown} is refused: queries read the lake only"),
            remedy: Some(Remedy::AllowReadingFiles),
        });
    }
    let names = schema.table_names();
    let candidates = names.iter().map(String::as_str).chain(tables()).chain(functions.iter().copied());
    let near: Vec<&str> = mistake::nearest(table, candidates).into_iter().collect();
    let known = if near.is_empty() { format!("\n  tables: {}", names.join(", ")) } else { String::new() };
    let place =
        reference.schema().map(|schema| format!(" in {}", mistake::quoted(schema))).unwrap_or_default();
    let what = format!("there is no table {shown}{place}");
    Err(Error::not_found(Thing::Table, table, what, &near).with_note(known))
}

fn looks_like_file(name: &str) -> bool {
    const ENDINGS: [&str; 9] =
        [".parquet", ".csv", ".tsv", ".json", ".ndjson", ".jsonl", ".arrow", ".avro", ".gz"];
    let lower = name.to_lowercase();
    name.contains(['/', '\\']) || ENDINGS.iter().any(|ending| lower.ends_with(ending))
}
