//! Where bytes go: standard output, or a file that appears under its name only when it is complete.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::{Context as _, Result, bail};
use tempfile::NamedTempFile;

use super::pager::Paged;
use crate::{
    escape::{Escaping, Style},
    receiving,
};

const BUFFER_BYTES: usize = 64 * 1024;

// The encoders of arrow and parquet wrap errors of their writer, some as text, so that the kind is lost on the way
// up. There is one standard output, hence one flag.
static STDOUT_CLOSED: AtomicBool = AtomicBool::new(false);

/// Whether the reader of our standard output has gone away, as `head` does when it has seen enough.
pub fn stdout_is_closed() -> bool {
    STDOUT_CLOSED.load(Ordering::Relaxed)
}

/// Forgets that a reader has gone away: the next command of a shell has another.
pub fn reopen_stdout() {
    STDOUT_CLOSED.store(false, Ordering::Relaxed);
    receiving::resume();
}

/// Whether the path is there but no ordinary file: a device or a named pipe.
pub fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// An open destination. Dropped before [`Sink::commit`], it leaves no file behind.
pub struct Sink {
    out: Out,
}

enum Out {
    Stdout(BufWriter<Stdout>),
    Terminal(Escaping<BufWriter<Stdout>>),
    Paged(Paged),
    Special(BufWriter<File>),
    File { temporary: BufWriter<NamedTempFile>, path: PathBuf },
}

impl Sink {
    /// Standard output, as it is. For what is safe already, and for programs.
    pub fn stdout() -> Self {
        Self { out: Out::Stdout(BufWriter::with_capacity(BUFFER_BYTES, Stdout)) }
    }

    /// Standard output that is a terminal: unsafe characters are escaped.
    pub fn terminal(style: Style) -> Self {
        let out = BufWriter::with_capacity(BUFFER_BYTES, Stdout);
        Self { out: Out::Terminal(Escaping::new(out, style)) }
    }

    /// Standard output that is a terminal, through a pager where it is longer than the screen.
    pub fn paged() -> Self {
        Self { out: Out::Paged(Paged::new()) }
    }

    /// A file; an existing one is replaced on commit, a device or pipe is written to directly.
    pub fn file(path: &Path) -> Result<Self> {
        if path.is_dir() {
            bail!("{} is a folder", path.display());
        }
        let cannot = || format!("cannot write {}", path.display());
        if is_special(path) {
            let file = File::options().write(true).open(path).with_context(cannot)?;
            return Ok(Self { out: Out::Special(BufWriter::with_capacity(BUFFER_BYTES, file)) });
        }
        // What a symbolic link points to is replaced, not the link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        if !folder.is_dir() {
            bail!("cannot write {}: there is no folder {}", path.display(), folder.display());
        }
        let temporary = temporary_file(folder).with_context(cannot)?;
        Ok(Self { out: Out::File { temporary: BufWriter::with_capacity(BUFFER_BYTES, temporary), path } })
    }

    /// Writes what is buffered; a file gets its name.
    pub fn commit(self) -> Result<()> {
        match self.out {
            Out::Stdout(mut out) => out.flush().context("cannot write to standard output"),
            Out::Terminal(mut out) => out.flush().context("cannot write to standard output"),
            Out::Paged(out) => out.end().context("cannot write to standard output"),
            Out::Special(mut out) => Ok(out.flush()?),
            Out::File { temporary, path } => {
                let cannot = || format!("cannot write {}", path.display());
                let temporary =
                    temporary.into_inner().map_err(|error| error.into_error()).with_context(cannot)?;
                temporary.as_file().sync_all().with_context(cannot)?;
                temporary.persist(&path).map_err(|error| error.error).with_context(cannot)?;
                Ok(())
            }
        }
    }
}

#[cfg(unix)]
fn temporary_file(folder: &Path) -> io::Result<NamedTempFile> {
    use std::os::unix::fs::PermissionsExt as _;
    // What an ordinary new file has; the umask takes away its part.
    let permissions = fs::Permissions::from_mode(0o666);
    tempfile::Builder::new().prefix(".heaplake-").permissions(permissions).tempfile_in(folder)
}

#[cfg(not(unix))]
fn temporary_file(folder: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(".heaplake-").tempfile_in(folder)
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.out {
            Out::Stdout(out) => out.write(bytes),
            Out::Terminal(out) => out.write(bytes),
            Out::Paged(out) => out.write(bytes),
            Out::Special(out) => out.write(bytes),
            Out::File { temporary, .. } => temporary.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.out {
            Out::Stdout(out) => out.flush(),
            Out::Terminal(out) => out.flush(),
            Out::Paged(out) => out.flush(),
            Out::Special(out) => out.flush(),
            Out::File { temporary, .. } => temporary.flush(),
        }
    }
}

/// Standard output that remembers when its reader has gone.
pub(super) struct Stdout;

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        receiving::give_way();
        remember_closed(io::stdout().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        remember_closed(io::stdout().flush())
    }
}

pub(super) fn remember_closed<T>(result: io::Result<T>) -> io::Result<T> {
    if let Err(error) = &result
        && error.kind() == io::ErrorKind::BrokenPipe
    {
        STDOUT_CLOSED.store(true, Ordering::Relaxed);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_file_appears_when_it_is_complete() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.csv");
        let mut sink = Sink::file(&path).expect("a sink");
        sink.write_all(b"a\n").expect("written");
        assert!(!path.exists());
        sink.commit().expect("committed");
        assert_eq!(fs::read(&path).expect("the file"), b"a\n");
        assert_eq!(names(folder.path()), ["x.csv"]);
    }

    #[test]
    fn an_abandoned_file_leaves_nothing_and_keeps_the_old_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.csv");
        fs::write(&path, "old").expect("written");
        let mut sink = Sink::file(&path).expect("a sink");
        sink.write_all(b"new").expect("written");
        drop(sink);
        assert_eq!(fs::read(&path).expect("the file"), b"old");
        assert_eq!(names(folder.path()), ["x.csv"]);
    }

    #[test]
    fn a_folder_or_a_place_that_is_not_there_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(Sink::file(folder.path()).is_err());
        assert!(Sink::file(&folder.path().join("no/such/x.csv")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_written_to_and_stays() {
        let null = Path::new("/dev/null");
        let mut sink = Sink::file(null).expect("a sink");
        sink.write_all(b"x").expect("written");
        sink.commit().expect("committed");
        assert!(is_special(null));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().expect("a folder");
        let (target, link) = (folder.path().join("target.csv"), folder.path().join("link.csv"));
        fs::write(&target, "old").expect("written");
        std::os::unix::fs::symlink(&target, &link).expect("linked");
        let mut sink = Sink::file(&link).expect("a sink");
        sink.write_all(b"new").expect("written");
        sink.commit().expect("committed");
        assert!(link.is_symlink());
        assert_eq!(fs::read(&target).expect("the file"), b"new");
    }
}
