//! What can stand between a process and its dump. Variants by what the caller can do.

use std::{io, path::PathBuf, time::Duration};

/// The reason why a capture failed. The messages name no command-line option: the caller that prints an error adds the
/// remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This operating system or processor has no way to capture a process from outside.
    #[error("capturing a process from outside works on Linux, on x86-64 and AArch64")]
    Platform,
    /// No process has the id.
    #[error("there is no process {pid}")]
    NoProcess {
        /// The id.
        pid: u32,
    },
    /// The user may not look into the process.
    #[error("this user may not look into process {pid} ({what})")]
    NotPermitted {
        /// The process.
        pid: u32,
        /// What was refused.
        what: String,
    },
    /// A debugger or tracer is attached to the process; there can be one only.
    #[error("process {pid} is traced by process {by} already ({name})")]
    Traced {
        /// The process.
        pid: u32,
        /// Its tracer.
        by: u32,
        /// The tracer's name.
        name: String,
    },
    /// The process is stopped, by SIGSTOP or a terminal: it runs no code, nor would it run ours.
    #[error("process {pid} is stopped; it has to go on before it can be captured (kill -CONT {pid})")]
    Stopped {
        /// The process.
        pid: u32,
    },
    /// The program is not CPython and does not embed it.
    #[error("process {pid} ({}) is not CPython, or its binary has no symbols (stripped)", program.display())]
    NotPython {
        /// The process.
        pid: u32,
        /// Its program.
        program: PathBuf,
    },
    /// A Python for which the script is not written.
    #[error("process {pid} runs Python {version}; a capture needs CPython 3.8 or later")]
    TooOld {
        /// The process.
        pid: u32,
        /// As far as it is known.
        version: String,
    },
    /// The program is for another processor than this one, or for 32 bits.
    #[error("process {pid} ({}) is a program of another architecture", program.display())]
    Architecture {
        /// The process.
        pid: u32,
        /// Its program.
        program: PathBuf,
    },
    /// gdb was asked for and cannot be run.
    #[error("gdb cannot be run: {source}")]
    NoGdb {
        /// Why.
        source: io::Error,
    },
    /// The process may not use the folder beside the output, nor any other that was tried.
    #[error("process {pid} (user {uid}) may not enter {}", folder.display())]
    Folder {
        /// The process.
        pid: u32,
        /// Its user.
        uid: u32,
        /// The folder that it may not enter.
        folder: PathBuf,
    },
    /// The output cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Output {
        /// A file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The process refused a step of the attachment, and was left as it was.
    #[error("cannot call into process {pid}: {what}")]
    Attach {
        /// The process.
        pid: u32,
        /// Which step, and why.
        what: String,
    },
    /// The process ran the script, and the script could not write a dump.
    #[error("process {pid} cannot write a dump: {what}")]
    Refused {
        /// The process.
        pid: u32,
        /// What the script says.
        what: String,
    },
    /// The process ended first.
    #[error("process {pid} ended before the dump was written")]
    Ended {
        /// The process.
        pid: u32,
    },
    /// No safe moment came, or no answer.
    #[error("process {pid} has not written a dump in {} s; {}", waited.as_secs(), stage.while_waiting())]
    Timeout {
        /// The process.
        pid: u32,
        /// How long the caller wanted to wait.
        waited: Duration,
        /// What was waited for.
        stage: Stage,
    },
    /// The caller stopped it.
    #[error("stopped")]
    Cancelled,
}

/// How far a capture has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Waiting for a moment at which calling into the process is safe.
    Attaching,
    /// The call is left with the interpreter, which makes it between two instructions of Python.
    Left,
    /// The script runs.
    Writing,
}

impl Stage {
    fn while_waiting(self) -> &'static str {
        match self {
            Self::Attaching | Self::Left => "it may be in a long call outside of Python",
            Self::Writing => "the script runs, but has not answered",
        }
    }
}
