//! Calling into a process with `sys.remote_exec`, which Python has since 3.14.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use super::{Error, target::Target};

/// The first version with `sys.remote_exec`.
const SINCE: (u32, u32) = (3, 14);

/// Whether the process can be asked in this way: by its own program, started again.
pub(super) fn is_possible(target: &Target) -> bool {
    let is_python = target.program.to_str().and_then(super::target::python_version).is_some();
    target.version.is_some_and(|version| version >= SINCE)
        && target.sees_our_files
        && is_python
        && target.program.exists()
}

/// Lets a Python of the same version hand over a file; the process runs it at the next safe moment.
pub(super) fn call(target: &Target, file: &Path) -> Result<(), Error> {
    let code = "import sys; sys.remote_exec(int(sys.argv[1]), sys.argv[2])";
    let output = Command::new(&target.program)
        .args(["-I", "-c", code, &target.pid.to_string()])
        .arg(file)
        .stdin(Stdio::null())
        .output();
    let attach = |what| Error::Attach { pid: target.pid, what };
    let output = output.map_err(|error| attach(format!("{}: {error}", target.program.display())))?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    let last = message.lines().last().unwrap_or("it said nothing");
    match message.contains("PermissionError") {
        true => Err(target.not_permitted(last)),
        false => Err(attach(format!("sys.remote_exec: {last}"))),
    }
}
