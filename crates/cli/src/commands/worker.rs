//! `heaplake worker`: runs parts of the statements of others.

use std::{
    env,
    ffi::OsString,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use heaplake_remote::Location;

use crate::{
    args::WorkerArgs,
    cluster::{ClusterParts, ImportCommand, ImportRequest, Work},
    console::Console,
    interrupt,
};

/// Runs the command.
pub fn serve(args: &WorkerArgs, parts: Option<&ClusterParts>, console: &Console) -> Result<ExitCode> {
    let Some(parts) = parts else { bail!("this program has no parts for workers") };
    interrupt::install()?;
    // A lake that cannot be opened should not wait for the first question.
    console.open_lake()?;
    let for_parts = console.clone();
    let work = Work {
        open_lake: Box::new(move || for_parts.open_lake()),
        listen: args.listen,
        memory_limit: args.memory_limit,
        time_limit: args.time_limit.map(Duration::from_secs),
        threads: args.threads.map(usize::from),
        stop: interrupt::token().clone(),
        import: import_command(console, &args.import_from)?,
        ready: Box::new(|address| {
            // Where nobody reads it, it serves all the same.
            let _ = writeln!(io::stdout(), "listening on {address}");
        }),
    };
    (parts.work)(work)?;
    Ok(ExitCode::SUCCESS)
}

/// A place that a worker imports from.
enum Place {
    /// A folder without symbolic links.
    Folder(PathBuf),
    /// The beginning of addresses, with a `/` at its end.
    Addresses(String),
}

impl Place {
    fn parse(text: &str) -> Result<Self> {
        if Location::is_meant(text) {
            Location::parse(text)?;
            return Ok(Self::Addresses(format!("{}/", text.trim_end_matches('/'))));
        }
        let folder = Path::new(text).canonicalize().with_context(|| format!("--import-from {text}"))?;
        Ok(Self::Folder(folder))
    }

    /// The source, where it lies here. A file is named without symbolic links, so that what is opened is what was checked, whatever
    /// becomes of the links meanwhile.
    fn find(&self, source: &str) -> Option<OsString> {
        match self {
            Self::Addresses(beginning) => {
                let is_here = source.starts_with(beginning) && !source.split('/').any(|part| part == "..");
                is_here.then(|| source.into())
            }
            Self::Folder(folder) => {
                let path = Path::new(source).canonicalize().ok()?;
                path.starts_with(folder).then(|| path.into_os_string())
            }
        }
    }
}

/// Makes the commands that import for others, of what is in some places.
fn import_command(console: &Console, places: &[String]) -> Result<ImportCommand> {
    let places = places.iter().map(|place| Place::parse(place)).collect::<Result<Vec<_>>>()?;
    let program = env::current_exe().context("cannot find this program")?;
    let lake = console.lake.path().as_os_str().to_owned();
    Ok(Box::new(move |request| {
        let Some(source) = places.iter().find_map(|place| place.find(&request.source)) else {
            bail!(
                "cannot import {}: this worker has no such file among what --import-from lets it import",
                request.source
            );
        };
        let mut command = Command::new(&program);
        command.env_remove("HEAPLAKE_CLUSTER").arg("--lake").arg(&lake).args(arguments(request, source));
        Ok(command)
    }))
}

/// The command line of an import of the source, which is where the request's was found.
fn arguments(request: &ImportRequest, source: OsString) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = ["import", "--while-stdin"].map(Into::into).into();
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            arguments.push(format!("--{name}={value}").into());
        }
    };
    add("dump", Some(request.dump.clone()));
    add("taken", request.taken.map(|taken| taken.to_rfc3339()));
    for (key, value) in &request.tags {
        add("tag", Some(format!("{key}={value}")));
    }
    add("format", request.format.clone());
    add("part", request.part.map(|part| part.to_string()));
    add("memory-limit", request.memory_limit.map(|bytes| bytes.to_string()));
    add("on-error", request.skip.then(|| "skip".to_owned()));
    for (name, is_set) in
        [("--replace", request.replace), ("--fields", request.fields), ("--no-index", request.no_index)]
    {
        if is_set {
            arguments.push(name.into());
        }
    }
    arguments.extend(["--".into(), source]);
    arguments
}

#[cfg(all(test, unix))]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn what_is_opened_is_what_was_checked() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().canonicalize().unwrap();
        let (raw, link) = (here.join("raw"), here.join("raw/link"));
        fs::create_dir(&raw).unwrap();
        fs::write(raw.join("ours"), "").unwrap();
        fs::write(here.join("secret"), "").unwrap();
        // The place itself may be named by a link.
        symlink(&raw, here.join("place")).unwrap();
        let place = Place::parse(here.join("place").to_str().unwrap()).unwrap();
        symlink(raw.join("ours"), &link).unwrap();
        let source = link.to_str().unwrap();
        let found = place.find(source);
        assert_eq!(found, Some(raw.join("ours").into()));
        assert_eq!(place.find(here.join("place/link").to_str().unwrap()), found);
        // In between, the link comes to lead elsewhere: the import still opens what it was given.
        fs::remove_file(&link).unwrap();
        symlink(here.join("secret"), &link).unwrap();
        let request = ImportRequest {
            source: source.to_owned(),
            dump: "d".to_owned(),
            taken: None,
            tags: Vec::new(),
            format: None,
            skip: false,
            replace: false,
            fields: false,
            part: None,
            no_index: false,
            memory_limit: None,
        };
        let arguments = arguments(&request, found.unwrap());
        assert_eq!(arguments.last(), Some(&raw.join("ours").into()));
        assert!(!arguments.contains(&source.into()));
        for outside in
            [source, "/", raw.join("../secret").to_str().unwrap(), raw.join("none").to_str().unwrap()]
        {
            assert_eq!(place.find(outside), None, "{outside}");
        }
    }

    #[test]
    fn addresses_are_compared_by_whole_parts() {
        let place = Place::parse("s3://heaps/raw/").unwrap();
        let address = "s3://heaps/raw/a.dump";
        assert_eq!(place.find(address), Some(address.into()));
        for outside in
            ["s3://heaps/rawer/a.dump", "s3://heaps/raw/../a.dump", "s3://heaps/a.dump", "/raw/a.dump"]
        {
            assert_eq!(place.find(outside), None, "{outside}");
        }
    }
}
