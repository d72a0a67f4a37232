//! Runs a script in a fresh folder and prints it again with what really came out.

use std::{
    env,
    fmt::Write as _,
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    script::{Part, Script, Step},
    volatile,
};

/// The script with the outputs of its commands.
pub fn run(script: &Script, repository: &Path) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path().canonicalize().expect("a folder");
    std::os::unix::fs::symlink(repository.join("datasets"), here.join("datasets")).expect("linked");
    let mut text = String::new();
    for part in &script.parts {
        match part {
            Part::Text(lines) => text += lines,
            Part::File { info, name, is_fixture, content } => {
                let bytes =
                    if *is_fixture { dump_of_fixture(content, name) } else { content.clone().into_bytes() };
                fs::write(here.join(name), bytes).expect("a file of the script");
                let _ = write!(text, "```{info}\n{content}```\n");
            }
            Part::Console(steps) => {
                text += "```console\n";
                steps.iter().for_each(|step| text += &run_step(step, &here));
                text += "```\n";
            }
        }
    }
    text
}

/// The command and its output as they stand in a script.
fn run_step(step: &Step, here: &Path) -> String {
    let (output, code) = bash(&step.command.join("\n"), here);
    let mut text = format!("$ {}\n", step.command.join("\n> "));
    for line in volatile::replaced(&output, here).lines() {
        text += line.trim_end();
        text += "\n";
    }
    if code != Some(0) {
        let _ = writeln!(text, "[exit {}]", code.map_or("by a signal".to_owned(), |code| code.to_string()));
    }
    text
}

/// What a command prints on both streams, in the order in which it does, and its exit code.
fn bash(command: &str, here: &Path) -> (String, Option<i32>) {
    let (mut reader, writer) = io::pipe().expect("a pipe");
    let mut bash = Command::new("bash");
    bash.args(["-c", command]).current_dir(here).env_clear().stdin(Stdio::null());
    bash.envs([("NO_COLOR", "1"), ("TZ", "UTC"), ("LC_ALL", "C.UTF-8")])
        .env("HOME", here)
        .env("PATH", path());
    bash.stdout(writer.try_clone().expect("a pipe")).stderr(writer);
    let mut child = bash.spawn().expect("bash");
    // It holds the writing end of the pipe.
    drop(bash);
    let mut output = Vec::new();
    reader.read_to_end(&mut output).expect("the output");
    let status = child.wait().expect("bash ends");
    (String::from_utf8_lossy(&output).into_owned(), status.code())
}

fn path() -> std::ffi::OsString {
    let heaplake = Path::new(env!("CARGO_BIN_EXE_heaplake")).parent().expect("a folder").to_owned();
    let others = env::var_os("PATH").unwrap_or_default();
    env::join_paths(std::iter::once(heaplake).chain(env::split_paths(&others))).expect("a search path")
}

/// The dump that a text in the language of heap-fixture stands for: one of the JVM where the file is called so.
fn dump_of_fixture(text: &str, name: &str) -> Vec<u8> {
    let program: PathBuf = Path::new(env!("CARGO_BIN_EXE_heaplake")).with_file_name("heap-fixture");
    let format = name.ends_with(".hprof").then_some("hprof");
    let child = Command::new(&program).args(format).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|error| {
        panic!("{}: {error}; cargo build --release --workspace makes it", program.display())
    });
    child.stdin.take().expect("its input").write_all(text.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "heap-fixture refuses:\n{text}");
    output.stdout
}
