//! The parts of a golden script.
//!
//! ````text
//! ```fixture NAME        a heap in the language of heap-fixture, becomes the file NAME
//! ```dump NAME           lines of a dump, become the file NAME as they are
//! ```console             commands and what they print, standard output and error together
//! $ command              run by bash; lines that begin with "> " directly below it belong to it
//! output
//! [exit 2]               where the exit code is not 0
//! ```
//! ````
//!
//! Other blocks and the text between them are for the reader.

/// A parsed file. Printed with other outputs it is the same file otherwise, byte for byte.
pub struct Script {
    pub parts: Vec<Part>,
}

/// A piece of the file.
pub enum Part {
    /// Lines that mean nothing to the runner, with their line ends.
    Text(String),
    /// A file to write.
    File { info: String, name: String, is_fixture: bool, content: String },
    /// Commands of one console block.
    Console(Vec<Step>),
}

/// A command with what it should print.
pub struct Step {
    /// The lines of the command as they stand in the file, without `$ ` and `> `.
    pub command: Vec<String>,
}

const FENCE: &str = "```";

impl Script {
    /// Finds the blocks of a file.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut lines = text.split_inclusive('\n');
        while let Some(line) = lines.next() {
            let info = line.strip_prefix(FENCE).map(str::trim_end);
            let Some(info) = info.filter(|info| !info.is_empty()) else {
                push_text(&mut parts, line);
                continue;
            };
            let body: Vec<&str> = lines.by_ref().take_while(|line| line.trim_end() != FENCE).collect();
            let words: Vec<&str> = info.split_whitespace().collect();
            match words.as_slice() {
                ["console"] => parts.push(Part::Console(steps(&body)?)),
                [kind @ ("fixture" | "dump"), name] => parts.push(Part::File {
                    info: info.to_owned(),
                    name: (*name).to_owned(),
                    is_fixture: *kind == "fixture",
                    content: body.concat(),
                }),
                [first, ..] if matches!(*first, "console" | "fixture" | "dump") => {
                    return Err(format!("what is {FENCE}{info}?"));
                }
                _ => {
                    push_text(&mut parts, line);
                    body.iter().for_each(|line| push_text(&mut parts, line));
                    push_text(&mut parts, &format!("{FENCE}\n"));
                }
            }
        }
        Ok(Self { parts })
    }

    /// Number of commands in it.
    pub fn n_commands(&self) -> usize {
        self.parts.iter().map(|part| if let Part::Console(steps) = part { steps.len() } else { 0 }).sum()
    }
}

fn push_text(parts: &mut Vec<Part>, line: &str) {
    match parts.last_mut() {
        Some(Part::Text(text)) => text.push_str(line),
        _ => parts.push(Part::Text(line.to_owned())),
    }
}

fn steps(body: &[&str]) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    let mut in_command = false;
    for line in body.iter().map(|line| line.trim_end_matches('\n')) {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { command: vec![command.to_owned()] });
            in_command = true;
        } else if let (true, Some(more)) = (in_command, line.strip_prefix("> ")) {
            steps.last_mut().ok_or("a block begins with >")?.command.push(more.to_owned());
        } else if steps.is_empty() {
            return Err(format!("a console block begins with {line:?} and no command"));
        } else {
            in_command = false;
        }
    }
    Ok(steps)
}
