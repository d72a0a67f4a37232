//! `heaplake capture`: the script that dumps a Python process, and the same from outside.
//!
//! ```text
//! folder beside FILE: script, entry --gdb or sys.remote_exec--> process --fork--> child: dump, answer --> FILE
//! ```
//!
//! The process reads the script from a folder that is removed afterwards, so nothing stays in it but modules of the
//! standard library that it had not imported before. gdb calls into a thread only where that is safe: in one that waits in
//! the kernel directly, in one that computes by leaving a call that the interpreter makes between two instructions.

use std::{
    fs, io,
    io::Write as _,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Output, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};
use heaplake_capture::SCRIPT;
use serde::Deserialize;

use super::import;
use crate::{
    args::{CaptureArgs, CaptureHow, CapturePythonArgs, ImportArgs},
    console::{Console, LakeChoice},
    human,
    interrupt::{self, Interrupted},
    output::Sink,
};

/// How often the answer is looked for.
const POLL: Duration = Duration::from_millis(50);
/// The first version of Python with `sys.remote_exec`.
const REMOTE_EXEC: (u32, u32) = (3, 14);

/// Prints the script, or captures a process.
pub fn run(args: CaptureArgs, console: &Console) -> Result<ExitCode> {
    match args.how {
        CaptureHow::Script => script(),
        CaptureHow::Python(args) => python(&args, console),
    }
}

fn script() -> Result<ExitCode> {
    let mut sink = Sink::stdout();
    sink.write_all(SCRIPT.as_bytes())?;
    sink.commit()?;
    Ok(ExitCode::SUCCESS)
}

fn python(args: &CapturePythonArgs, console: &Console) -> Result<ExitCode> {
    interrupt::install()?;
    let target = Target::find(args.pid)?;
    let output = std::path::absolute(&args.output)?;
    let exchange = Exchange::new(&output, args, &target)?;
    let start = Instant::now();
    let page = if target.version.is_some_and(|version| version >= REMOTE_EXEC) {
        target.remote_exec(&exchange)?;
        None
    } else {
        target.gdb(&exchange)?
    };
    let answer = exchange.wait(&target, Duration::from_secs(args.timeout));
    if let Some(page) = page {
        // The call that was left there has been made, or never will be needed.
        if answer.is_ok() {
            target.unmap(page);
        }
    }
    let answer = answer?;
    fs::rename(exchange.dump(), &output)
        .with_context(|| format!("cannot move the dump to {}", output.display()))?;
    console.note(&format!(
        "{}: {} of process {}, {}, in {}",
        args.output.display(),
        human::counted(answer.objects, "object"),
        args.pid,
        human::bytes(answer.bytes),
        human::duration(start.elapsed()),
    ));
    match &args.import_to {
        None => Ok(ExitCode::SUCCESS),
        Some(lake) => {
            let console = Console { lake: LakeChoice::Flag(lake.clone()), ..console.clone() };
            import::run(ImportArgs::of(args.output.clone()), &console)
        }
    }
}

/// The process to capture.
struct Target {
    pid: u32,
    /// Its program.
    program: PathBuf,
    /// Major and minor version of its Python; none where the program's files do not say.
    version: Option<(u32, u32)>,
    /// Its user.
    uid: u32,
}

impl Target {
    fn find(pid: u32) -> Result<Self> {
        if !cfg!(target_os = "linux") {
            bail!(
                "capturing from outside is for Linux; in the process itself the script works: heaplake capture script"
            );
        }
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let uid = fs::metadata(&folder).map_err(|_| anyhow!("there is no process {pid}"))?.uid();
        let maps = fs::read_to_string(folder.join("maps"))
            .map_err(|error| not_permitted(pid, &error.to_string()))?;
        let program =
            fs::read_link(folder.join("exe")).map_err(|error| not_permitted(pid, &error.to_string()))?;
        let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
        if namespace(&pid.to_string()) != namespace("self") {
            bail!("process {pid} is in a container, where it does not see our files; run heaplake there");
        }
        let files = maps.lines().filter_map(|line| line.find('/').map(|at| &line[at..]));
        let version = files.chain(program.to_str()).find_map(python_version);
        Ok(Self { pid, program, version, uid })
    }

    fn is_there(&self) -> bool {
        Path::new(&format!("/proc/{}", self.pid)).exists()
    }

    /// Lets a Python of the same version hand over the script; the process runs it at the next safe moment.
    fn remote_exec(&self, exchange: &Exchange) -> Result<()> {
        let code = "import sys; sys.remote_exec(int(sys.argv[1]), sys.argv[2])";
        let output = Command::new(&self.program)
            .args(["-I", "-c", code, &self.pid.to_string()])
            .arg(exchange.folder.path().join(OUTSIDE))
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot run {}", self.program.display()))?;
        if output.status.success() {
            return Ok(());
        }
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        let last = message.lines().last().unwrap_or("it said nothing");
        if message.contains("PermissionError") {
            return Err(not_permitted(self.pid, last));
        }
        bail!("process {} does not take a script: {last}", self.pid)
    }

    /// Calls the interpreter through gdb. The address of the memory that must be given back once the call was made.
    fn gdb(&self, exchange: &Exchange) -> Result<Option<u64>> {
        let source = exchange.call();
        let quoted = gdb_quoted(&source);
        let computes = if cfg!(target_arch = "x86_64") { "$orig_rax == -1" } else { self.computes() };
        let script = format!(
            "\
handle all nostop noprint pass
set unwindonsignal on
if {computes}
  set $page = (unsigned long)mmap(0L, {PAGE}L, 3L, 34L, -1L, 0L)
  set {{char[{n_bytes}]}} $page = \"{quoted}\"
  set $failed = (int)Py_AddPendingCall((long)&PyRun_SimpleString, $page)
  printf \"heaplake page %lu %d\\n\", $page, $failed
else
  set $state = (int)PyGILState_Ensure()
  set $failed = (int)PyRun_SimpleString(\"{quoted}\")
  call (void)PyGILState_Release($state)
  printf \"heaplake done %d\\n\", $failed
end
",
            n_bytes = source.len() + 1,
        );
        let output = self.run_gdb(exchange.folder.path(), &script)?;
        let said = String::from_utf8_lossy(&output.stdout);
        let mut words =
            said.lines().filter_map(|line| line.strip_prefix("heaplake ")).flat_map(str::split_whitespace);
        match (words.next(), words.next(), words.next()) {
            (Some("done"), Some("0"), _) => Ok(None),
            (Some("page"), Some(page), Some("0")) => Ok(page.parse().ok()),
            (Some(_), ..) => bail!("process {} did not run the script", self.pid),
            (None, ..) => Err(self.gdb_failed(&output)),
        }
    }

    /// Gives the memory back that [`Self::gdb`] took. What goes wrong costs the process one page.
    fn unmap(&self, page: u64) {
        if let Ok(folder) = tempfile::tempdir() {
            let script = format!("handle all nostop noprint pass\ncall (int)munmap({page}L, {PAGE}L)\n");
            let _ = self.run_gdb(folder.path(), &script);
        }
    }

    fn run_gdb(&self, folder: &Path, script: &str) -> Result<Output> {
        let file = folder.join("gdb");
        fs::write(&file, script).with_context(|| format!("cannot write {}", file.display()))?;
        let gdb = Command::new("gdb")
            .args(["-nx", "-batch", "-iex", "set debuginfod enabled off", "-iex", "set auto-load no"])
            .args(["-p", &self.pid.to_string(), "-x"])
            .arg(&file)
            .env_remove("DEBUGINFOD_URLS")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .output();
        gdb.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => anyhow!(
                "gdb is not there, and before Python 3.14 a process can only be captured from outside with it; install \
                 gdb, or let the program install the script itself: heaplake capture script"
            ),
            _ => anyhow!("cannot run gdb: {error}"),
        })
    }

    fn gdb_failed(&self, output: &Output) -> anyhow::Error {
        let said = [&output.stdout[..], &output.stderr[..]].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        if said.contains("ptrace") || said.contains("not permitted") {
            return not_permitted(self.pid, "ptrace: Operation not permitted");
        }
        if said.contains("No symbol \"Py") {
            return anyhow!(
                "process {} ({}) is no CPython, or one without the names of its functions",
                self.pid,
                self.program.display()
            );
        }
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("gdb said nothing");
        anyhow!("gdb cannot call into process {}: {last}", self.pid)
    }

    /// Whether the main thread computes, as an expression for gdb, where no register says so.
    fn computes(&self) -> &'static str {
        let call = fs::read_to_string(format!("/proc/{0}/task/{0}/syscall", self.pid)).unwrap_or_default();
        if call.starts_with("running") { "1" } else { "0" }
    }
}

/// Bytes of the memory that holds the text of a call.
const PAGE: usize = 1 << 14;

fn not_permitted(pid: u32, why: &str) -> anyhow::Error {
    anyhow!(
        "this user may not look into process {pid} ({why}); run heaplake as root or as the user of the process. Where \
         /proc/sys/kernel/yama/ptrace_scope is not 0 only root may; a container needs --cap-add SYS_PTRACE. Or let \
         the program install the script itself: heaplake capture script"
    )
}

/// The version in the name of a file of Python: `libpython3.11.so.1.0`, `python3.8`.
fn python_version(file: &str) -> Option<(u32, u32)> {
    let name = file.trim_end_matches(" (deleted)").rsplit('/').next()?;
    let rest = name.strip_prefix("lib").unwrap_or(name).strip_prefix("python")?;
    let (major, rest) = rest.split_once('.')?;
    let n_digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    Some((major.parse().ok()?, rest[..n_digits].parse().ok()?))
}

/// What the process is told, and where it answers: a folder beside the output, removed in the end.
struct Exchange {
    folder: tempfile::TempDir,
    dump: String,
}

const ENTRY: &str = "entry.py";
/// What `sys.remote_exec` runs.
const OUTSIDE: &str = "outside.py";
const ANSWER: &str = "answer.json";
/// The name by which the script knows the frames that called it.
const CODE_NAME: &str = "<heaplake>";

/// What the process says when it is done.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Said {
    Done(Answer),
    Failed { error: String },
}

#[derive(Debug, Deserialize)]
struct Answer {
    objects: u64,
    bytes: u64,
}

impl Exchange {
    fn new(output: &Path, args: &CapturePythonArgs, target: &Target) -> Result<Self> {
        let parent = output.parent().context("the output is no file")?;
        let in_folder =
            |error| anyhow::Error::new(error).context(format!("cannot write into {}", parent.display()));
        if output.is_dir() {
            bail!("{} is a folder", output.display());
        }
        let folder = tempfile::Builder::new().prefix(".heaplake-").tempdir_in(parent).map_err(in_folder)?;
        let ending = match output.extension().and_then(|ending| ending.to_str()) {
            Some("gz") => "gz",
            Some("zst") => "zst",
            _ => "dump",
        };
        let exchange = Self { folder, dump: format!("heap.{ending}") };
        let entry = format!(
            "{SCRIPT}\n\n_remote({}, {}, values={:?}, redact={}, fork={})\n",
            bytes_literal(&exchange.dump()),
            bytes_literal(&exchange.folder.path().join(ANSWER)),
            args.values.name(),
            if args.redact { "True" } else { "False" },
            if args.no_fork { "False" } else { "True" },
        );
        let path = |name| exchange.folder.path().join(name);
        fs::write(path(ENTRY), entry).map_err(in_folder)?;
        fs::write(path(OUTSIDE), exchange.call()).map_err(in_folder)?;
        // The process of another user must get in.
        if fs::metadata(exchange.folder.path()).map_err(in_folder)?.uid() != target.uid {
            let owned = std::os::unix::fs::chown(exchange.folder.path(), Some(target.uid), None);
            owned.map_err(|error| not_permitted(target.pid, &error.to_string()))?;
        }
        Ok(exchange)
    }

    fn dump(&self) -> PathBuf {
        self.folder.path().join(&self.dump)
    }

    /// The statement that the process runs. It must not fail: there is nobody to take an exception. It binds no name, and
    /// closes the file, because a warning would leave a name, too.
    fn call(&self) -> String {
        let entry = bytes_literal(&self.folder.path().join(ENTRY));
        format!(
            "try:\n exec((lambda file: (compile(file.read(), '{CODE_NAME}', 'exec'), file.close()))\
             (open({entry}, 'rb'))[0], {{'__name__': 'heaplake_dump'}})\nexcept BaseException: pass\n"
        )
    }

    /// Waits for the answer.
    fn wait(&self, target: &Target, timeout: Duration) -> Result<Answer> {
        let start = Instant::now();
        loop {
            match fs::read(self.folder.path().join(ANSWER)) {
                Ok(answer) => {
                    return match serde_json::from_slice(&answer)
                        .context("the process gave no sensible answer")?
                    {
                        Said::Done(answer) => Ok(answer),
                        Said::Failed { error } => {
                            bail!("process {} cannot write a dump: {error}", target.pid)
                        }
                    };
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).context("cannot read the answer of the process"),
            }
            if interrupt::requested() {
                return Err(Interrupted { outcome: "no dump was written" }.into());
            }
            if !target.is_there() {
                bail!("process {} ended before the dump was written", target.pid);
            }
            if start.elapsed() >= timeout {
                bail!(
                    "process {} has not written a dump in {} s; it may be in a long call outside of Python. --timeout \
                     waits longer",
                    target.pid,
                    timeout.as_secs()
                );
            }
            std::thread::sleep(POLL);
        }
    }
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

/// A text as it stands between the quotes of gdb.
fn gdb_quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_in_the_names_of_files() {
        for (file, version) in [
            ("/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0", Some((3, 11))),
            ("/opt/python3.8 (deleted)", Some((3, 8))),
            ("/usr/bin/python3.14t", Some((3, 14))),
            ("/usr/bin/python3", None),
            ("/usr/lib/libc.so.6", None),
            ("/usr/lib/python3.11/lib-dynload/_json.so", None),
        ] {
            assert_eq!(python_version(file), version, "{file}");
        }
    }

    #[test]
    fn paths_cannot_leave_their_quotes() {
        let path = Path::new("/tmp/it's \"a\\b\"\n/ä");
        assert_eq!(bytes_literal(path), "b'/tmp/it\\x27s\\x20\\x22a\\x5cb\\x22\\x0a/\\xc3\\xa4'");
        assert_eq!(gdb_quoted("a\\x27\n\"b\""), "a\\\\x27\\n\\\"b\\\"");
    }
}
