//! What the process is told, and where it answers: a folder that both see, removed in the end.
//!
//! It is beside the output if the process sees that place and may enter it; else in a folder for temporary files of the
//! process, which we reach through its root. A folder of another user's process is that user's, so nothing in it is
//! trusted: no link is followed, and no more is read than an answer needs.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _},
    os::{
        fd::AsRawFd as _,
        unix::{
            ffi::OsStrExt as _,
            fs::{MetadataExt as _, OpenOptionsExt as _, chown},
        },
    },
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{OFlag, OpenHow, ResolveFlag, openat2},
    unistd::geteuid,
};
use serde::Deserialize;

use super::{Error, Options, target::Target};
use crate::SCRIPT;

const ENTRY: &str = "entry.py";
/// What `sys.remote_exec` runs.
const OUTSIDE: &str = "outside.py";
/// Is there once the process has come so far as to read the entry.
const BEGUN: &str = "begun";
const ANSWER: &str = "answer.json";
/// Locked while somebody is there who will answer, where a child does.
const LOCK: &str = "answer.json.lock";
/// The name by which the script knows the frames that called it.
const CODE_NAME: &str = "<heaplake>";
/// Bytes of the longest answer.
const MAX_ANSWER: u64 = 1 << 16;

/// The folder of one capture.
pub(super) struct Exchange {
    folder: tempfile::TempDir,
    /// The same as the process sees it.
    theirs: PathBuf,
    /// What the path of `folder` goes through.
    _base: Option<File>,
    dump: String,
    output: PathBuf,
    forks: bool,
    /// The process is another user's.
    is_foreign: bool,
    pid: u32,
}

/// What the process says when it is done.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Said {
    Done(Answer),
    Failed { error: String },
}

/// How large the dump is.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Answer {
    pub objects: u64,
    pub bytes: u64,
}

impl Exchange {
    pub fn new(options: &Options, target: &Target) -> Result<Self, Error> {
        let output = std::path::absolute(&options.output)
            .map_err(|source| Error::Output { path: options.output.clone(), source })?;
        let is_a_folder = || io::Error::from(io::ErrorKind::IsADirectory);
        let parent = match output.parent() {
            Some(parent) if !output.is_dir() => parent.to_path_buf(),
            _ => return Err(Error::Output { path: output, source: is_a_folder() }),
        };
        // That the output can be written is found out now, even if the process writes elsewhere.
        let beside = new_folder(&parent).map_err(|source| Error::Output { path: parent.clone(), source })?;
        let real = fs::canonicalize(beside.path()).unwrap_or_else(|_| beside.path().to_path_buf());
        let closed = real.parent().and_then(|parent| target.cannot_enter(parent));
        let (folder, theirs, base) = match &closed {
            None if target.sees_our_files => (beside, real, None),
            _ => elsewhere(target).ok_or_else(|| Error::Folder {
                pid: target.pid,
                uid: target.user.uid,
                folder: closed.unwrap_or(parent),
            })?,
        };
        let ending = match output.extension().and_then(|ending| ending.to_str()) {
            Some("gz") => "gz",
            Some("zst") => "zst",
            _ => "dump",
        };
        let exchange = Self {
            folder,
            theirs,
            _base: base,
            dump: format!("heap.{ending}"),
            output,
            forks: options.fork,
            is_foreign: target.user.uid != geteuid().as_raw(),
            pid: target.pid,
        };
        exchange.write(options, target)?;
        Ok(exchange)
    }

    fn write(&self, options: &Options, target: &Target) -> Result<(), Error> {
        let entry = format!(
            "{SCRIPT}\n\n_remote({}, {}, values={:?}, mask={}, redact={}, fork={})\n",
            bytes_literal(&self.theirs.join(&self.dump)),
            bytes_literal(&self.theirs.join(ANSWER)),
            options.values.name(),
            masks_literal(options.masks.as_deref()),
            if options.redact { "True" } else { "False" },
            if options.fork { "True" } else { "False" },
        );
        for (name, content) in [(ENTRY, entry), (OUTSIDE, self.text())] {
            let path = self.folder.path().join(name);
            fs::write(&path, content).map_err(|source| Error::Output { path, source })?;
        }
        if self.is_foreign {
            let owned = chown(self.folder.path(), Some(target.user.uid), None);
            owned.map_err(|error| target.not_permitted(error))?;
        }
        Ok(())
    }

    /// The folder, for the process.
    pub fn theirs(&self) -> &Path {
        &self.theirs
    }

    /// The file that holds [`Self::text`], for the process.
    pub fn outside(&self) -> PathBuf {
        self.theirs.join(OUTSIDE)
    }

    /// The statement that the process runs. It must not fail: there is nobody to take an exception. So what fails is
    /// written into the answer. It binds no name in the program and uses none of its names.
    pub fn text(&self) -> String {
        let folder = bytes_literal(&self.theirs);
        format!(
            "\
try: __import__('builtins').exec(__import__('builtins').compile(r'''
import posix
try:
 open(_folder + b'/{BEGUN}', 'xb').close()
 exec((lambda file: (compile(file.read(), '{CODE_NAME}', 'exec'), file.close()))(open(_folder + b'/{ENTRY}', 'rb'))[0])
except BaseException as error:
 file = open(_folder + b'/{ANSWER}.part', 'w')
 said = type(error).__name__ + ' ' + ascii(str(error))
 file.write('{{\"error\": \"' + ''.join(c for c in said if c not in (chr(34), chr(92))) + '\"}}')
 file.close()
 posix.rename(_folder + b'/{ANSWER}.part', _folder + b'/{ANSWER}')
''', '{CODE_NAME}', 'exec'), {{'__name__': 'heaplake_dump', '_folder': {folder}}})
except BaseException: pass
"
        )
    }

    /// Whether the process has got into the folder.
    pub fn has_begun(&self) -> bool {
        fs::symlink_metadata(self.folder.path().join(BEGUN)).is_ok()
    }

    /// Whether nobody is left who could answer: the child that writes holds a lock until it has.
    pub fn is_abandoned(&self) -> bool {
        self.forks && self.open(LOCK).is_ok_and(|file| file.try_lock_shared().is_ok())
    }

    /// What the process says; `None` while it says nothing.
    pub fn answer(&self) -> Result<Option<Answer>, Error> {
        let refused = |what: String| Error::Refused { pid: self.pid, what };
        let file = match self.open(ANSWER) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(refused(error.to_string())),
        };
        let mut bytes = Vec::new();
        file.take(MAX_ANSWER).read_to_end(&mut bytes).map_err(|error| refused(error.to_string()))?;
        match serde_json::from_slice(&bytes) {
            Ok(Said::Done(answer)) => Ok(Some(answer)),
            Ok(Said::Failed { error }) => Err(refused(error)),
            Err(_) => Err(refused("its answer is not understood".to_owned())),
        }
    }

    /// Opens a file of the folder that the process wrote.
    fn open(&self, name: &str) -> io::Result<File> {
        let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(self.folder.path().join(name))?;
        let found = file.metadata()?;
        match found.is_file() && found.nlink() == 1 {
            true => Ok(file),
            false => Err(io::Error::other(format!("{name} is not an ordinary file"))),
        }
    }

    /// Brings the dump to where the caller wants it.
    pub fn fetch(&self) -> Result<(), Error> {
        let failed = |source| Error::Output { path: self.output.clone(), source };
        let mut dump = self.open(&self.dump).map_err(failed)?;
        if !self.is_foreign && fs::rename(self.folder.path().join(&self.dump), &self.output).is_ok() {
            return Ok(());
        }
        let parent = self.output.parent().unwrap_or(Path::new("/"));
        let mut copy = tempfile::Builder::new().prefix(".heaplake-").tempfile_in(parent).map_err(failed)?;
        io::copy(&mut dump, copy.as_file_mut()).map_err(failed)?;
        copy.persist(&self.output).map_err(|error| failed(error.error))?;
        Ok(())
    }
}

fn new_folder(parent: &Path) -> io::Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix(".heaplake-").tempdir_in(parent)
}

/// A new folder where the process keeps temporary files: for us, for the process, and what the former goes through.
fn elsewhere(target: &Target) -> Option<(tempfile::TempDir, PathBuf, Option<File>)> {
    let root = File::open(format!("/proc/{}/root", target.pid)).ok()?;
    ["/tmp", "/var/tmp", "/dev/shm"].into_iter().find_map(|candidate| {
        if target.cannot_enter(Path::new(candidate)).is_some() {
            return None;
        }
        // No link leads out of the root of the process, and the folder stays reachable when the process has ended.
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT);
        let base = File::from(openat2(&root, candidate, how).ok()?);
        let folder = new_folder(Path::new(&format!("/proc/self/fd/{}", base.as_raw_fd()))).ok()?;
        let theirs = Path::new(candidate).join(folder.path().file_name()?);
        Some((folder, theirs, Some(base)))
    })
}

/// The words that names of secrets contain, in Python.
fn masks_literal(more: Option<&[String]>) -> String {
    let Some(more) = more else { return "None".to_owned() };
    let words: String =
        more.iter().map(|word| format!("{}.decode(), ", bytes_literal(Path::new(word)))).collect();
    format!("(*MASKS, {words})")
}

/// A path as bytes of Python, in characters that need no escape anywhere.
fn bytes_literal(path: &Path) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    let shown = path
        .as_os_str()
        .as_bytes()
        .iter()
        .map(|&byte| if plain(byte) { char::from(byte).to_string() } else { format!("\\x{byte:02x}") });
    format!("b'{}'", shown.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_cannot_leave_their_quotes() {
        let path = Path::new("/tmp/it's \"a\\b\"\n/ä");
        assert_eq!(bytes_literal(path), "b'/tmp/it\\x27s\\x20\\x22a\\x5cb\\x22\\x0a/\\xc3\\xa4'");
    }
}
