//! Standard output through the user's pager, once it is longer than the screen.

use std::{
    env,
    io::{self, Write},
    process::{Child, ChildStdin, Command, Stdio},
};

use super::sink::{Stdout, remember_closed};
use crate::receiving;

/// The pager where the user has chosen none. It ends by itself when everything fits, and lets colours through.
const PAGER: &str = "less -RSFX";
/// Lines of the screen that the prompt and the remark below a table need.
const LINES_LEFT: usize = 2;

/// A terminal that shows what fits, and calls the pager for more.
pub struct Paged {
    /// What was written before the pager was called.
    waiting: Vec<u8>,
    n_lines: usize,
    /// Lines that need no pager.
    n_fitting: usize,
    pager: Option<(Child, ChildStdin)>,
    /// There is no pager that could be called.
    alone: bool,
}

impl Paged {
    /// Nothing is shown before there is more than fits, or the end.
    pub fn new() -> Self {
        let lines = terminal_lines().saturating_sub(LINES_LEFT);
        Self { waiting: Vec::new(), n_lines: 0, n_fitting: lines, pager: None, alone: false }
    }

    /// Shows what is left, and waits until the user has seen enough.
    pub fn end(mut self) -> io::Result<()> {
        self.finish()
    }

    fn finish(&mut self) -> io::Result<()> {
        match self.pager.take() {
            Some((mut child, input)) => {
                drop(input);
                child.wait().map(drop)
            }
            None => {
                let waiting = std::mem::take(&mut self.waiting);
                Stdout.write_all(&waiting)?;
                Stdout.flush()
            }
        }
    }

    fn call(&mut self) -> io::Result<()> {
        let chosen = ["HEAPLAKE_PAGER", "PAGER"].iter().find_map(|name| env::var(name).ok());
        let words = shlex::split(chosen.as_deref().unwrap_or(PAGER)).unwrap_or_default();
        let Some((program, arguments)) = words.split_first().filter(|(program, _)| *program != "cat") else {
            self.alone = true;
            return Ok(());
        };
        let mut command = Command::new(program);
        // Commands of the pager that write files or run programs have no place in a shell for dumps.
        command.args(arguments).env("LESSSECURE", "1").stdin(Stdio::piped());
        receiving::give_way();
        match command.spawn() {
            Ok(mut child) => {
                let input = child.stdin.take();
                self.pager = input.map(|input| (child, input));
            }
            Err(_) => self.alone = true,
        }
        Ok(())
    }
}

impl Write for Paged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some((_, input)) = &mut self.pager {
            return remember_closed(input.write(bytes));
        }
        if self.alone {
            return Stdout.write(bytes);
        }
        self.waiting.extend_from_slice(bytes);
        self.n_lines += bytes.iter().filter(|byte| **byte == b'\n').count();
        if self.n_lines > self.n_fitting {
            self.call()?;
            let waiting = std::mem::take(&mut self.waiting);
            match &mut self.pager {
                Some((_, input)) => remember_closed(input.write_all(&waiting))?,
                None => Stdout.write_all(&waiting)?,
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.pager {
            Some((_, input)) => remember_closed(input.flush()),
            None => Ok(()),
        }
    }
}

impl Drop for Paged {
    /// What was written before an error is shown, and the screen is the pager's until it ends.
    fn drop(&mut self) {
        let _ = self.finish();
    }
}

fn terminal_lines() -> usize {
    let from_terminal = || terminal_size::terminal_size().map(|(_, lines)| usize::from(lines.0));
    from_terminal().unwrap_or(24)
}
