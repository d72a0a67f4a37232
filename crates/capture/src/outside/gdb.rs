//! Calling into a process with gdb, which stops all of its threads for some hundred milliseconds.
//!
//! gdb calls into a thread only where that is safe: in one that waits in the kernel directly, in one that computes by
//! leaving a call that the interpreter makes between two instructions.

use std::{
    fs, io,
    process::{Command, Output, Stdio},
};

use super::{Error, target::Target};

/// Bytes of the memory that holds the text of a call.
const PAGE: usize = 1 << 15;

/// Lets the interpreter run a text. The address of the memory that is to be given back once the call was made.
pub(super) fn call(target: &Target, text: &str) -> Result<Option<u64>, Error> {
    if text.len() >= PAGE {
        return Err(Error::Attach { pid: target.pid, what: "the path of the folder is too long".to_owned() });
    }
    let quoted = quoted(text);
    let computes = if cfg!(target_arch = "x86_64") { "$orig_rax == -1" } else { computes(target.pid) };
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
        n_bytes = text.len() + 1,
    );
    let output = run(target, &script)?;
    let said = String::from_utf8_lossy(&output.stdout);
    let mut words =
        said.lines().filter_map(|line| line.strip_prefix("heaplake ")).flat_map(str::split_whitespace);
    match (words.next(), words.next(), words.next()) {
        (Some("done"), Some("0"), _) => Ok(None),
        (Some("page"), Some(page), Some("0")) => Ok(page.parse().ok()),
        (Some(_), ..) => Err(Error::Attach { pid: target.pid, what: "it did not run the script".to_owned() }),
        (None, ..) => Err(failed(target, &output)),
    }
}

/// Gives the memory back that [`call`] took. What goes wrong costs the process some pages.
pub(super) fn unmap(target: &Target, page: u64) {
    let script = format!("handle all nostop noprint pass\ncall (int)munmap({page}L, {PAGE}L)\n");
    let _ = run(target, &script);
}

/// Runs gdb with a script, from a file that only we can write.
fn run(target: &Target, script: &str) -> Result<Output, Error> {
    let failed = |source| Error::Output { path: std::env::temp_dir(), source };
    let file = tempfile::NamedTempFile::new().map_err(failed)?;
    fs::write(&file, script).map_err(failed)?;
    let gdb = Command::new("gdb")
        .args(["-nx", "-batch", "-iex", "set debuginfod enabled off", "-iex", "set auto-load no"])
        .args(["-p", &target.pid.to_string(), "-x"])
        .arg(file.path())
        .env_remove("DEBUGINFOD_URLS")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output();
    gdb.map_err(|source: io::Error| Error::NoGdb { source })
}

fn failed(target: &Target, output: &Output) -> Error {
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    if said.contains("ptrace") || said.contains("not permitted") {
        return target.not_permitted("ptrace: Operation not permitted");
    }
    if said.contains("No symbol \"Py") {
        return Error::NotPython { pid: target.pid, program: target.program.clone() };
    }
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    Error::Attach { pid: target.pid, what: format!("gdb: {last}") }
}

/// Whether the main thread computes, as an expression for gdb, where no register says so.
fn computes(pid: u32) -> &'static str {
    let call = fs::read_to_string(format!("/proc/{pid}/task/{pid}/syscall")).unwrap_or_default();
    if call.starts_with("running") { "1" } else { "0" }
}

/// A text as it stands between the quotes of gdb.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_leave_its_quotes() {
        assert_eq!(quoted("a\\x27\n\"b\""), "a\\\\x27\\n\\\"b\\\"");
    }
}
