//! The commands of the shell, as `help` tells them. What is in no other command of heaplake is done by the shell itself.

/// A command.
#[derive(Debug, Clone, Copy)]
pub struct Command {
    /// The word it begins with.
    pub name: &'static str,
    /// What may stand behind it.
    pub usage: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// What more there is to say, and examples.
    pub more: &'static str,
    /// Who does it.
    pub by: By,
}

/// Who does a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The shell.
    Shell,
    /// The command of heaplake of that name, with its options.
    Heaplake,
}

const fn own(name: &'static str, usage: &'static str, summary: &'static str, more: &'static str) -> Command {
    Command { name, usage, summary, more, by: By::Shell }
}

const fn outer(name: &'static str, usage: &'static str, summary: &'static str) -> Command {
    Command { name, usage, summary, more: "", by: By::Heaplake }
}

/// Groups of commands, in the order of `help`.
pub const GROUPS: [(&str, &[Command]); 6] = [
    (
        "Dumps",
        &[
            outer("dumps", "[DUMPS]", "list the dumps of the lake"),
            own("use", "DUMP", "ask this dump from now on: an id, or a selector such as latest~1", "\
use                 says which dump is asked
use before          its tables are obj, edge, ... from now on
use latest~1        the one before the newest; docs/warehouse.md has all selectors"),
            outer("capture", "python --pid N -o FILE", "dump a running Python process"),
            outer("import", "FILE...", "import dumps into the lake"),
            own("stats", "", "how much there is: objects, bytes, types, references, roots", "stats               of what the edits have left"),
            outer("top", "", "the biggest objects and types, and what holds them"),
            outer("tag", "DUMPS KEY=VALUE...", "say more of dumps"),
            outer("rm", "DUMP...", "remove dumps from the lake"),
            outer("verify", "[DUMP...]", "compare the files of dumps with their checksums"),
        ],
    ),
    (
        "Objects",
        &[
            own("info", "OBJECTS | DUMP", "an object with its parents and children, or a dump", "\
info #2.5           the object of row 5 of result 2
info 0x7f95a1b0c8d0
info before         a dump"),
            own("parents", "OBJECTS", "who refers to it", "\
OBJECTS is an address, a reference such as #2.5 or $leak, a condition in SQL over obj, or a path pattern.

parents #2.5
parents type = 'Session' and size > 1000
parents root ..> Session"),
            own("children", "OBJECTS", "what it refers to", "children $leak"),
            own("kids", "OBJECTS", "what it refers to and nobody else does, and so on down", "kids #2.5"),
            own(
                "ancestor_types",
                "OBJECTS [levels N]",
                "the types above it, level by level",
                "ancestor_types type = 'Session'
ancestor_types #2.5 levels 30          10 where nothing is said",
            ),
            outer("tree", "[OBJECT]", "what holds what: the dominator tree"),
            outer("chains", "", "cycles of types that repeat along chains of objects"),
            outer("graph", "OBJECTS -o FILE", "draw objects with what refers to them"),
        ],
    ),
    (
        "Paths",
        &[
            own("path", "from \"COND\" to \"COND\" [reversed] | PATTERN", "a shortest path", "\
The conditions are SQL over obj. The pattern that is asked is shown; it can be typed without `path`.

path from \"name = 'shop'\" to \"type = 'Session'\"
path from \"address = #2.5\" to \"root_kind is not null\" reversed
root ..> (Session -> dict? ->)+ Payload"),
        ],
    ),
    (
        "Over time",
        &[
            outer("suspects", "[DUMPS]", "what leaks, what holds it, and how sure that is"),
            outer("report", "[DUMPS] [-o FILE]", "all that is found out, as one file to send"),
            outer("diff", "[BEFORE AFTER] [--by type|holder|module|object]", "compare two dumps"),
            outer("trend", "[DUMPS] [--by type|holder|module]", "how types or holders grow over many dumps"),
            outer("run", "[NAME | FILE.sql]", "a query that comes with heaplake, or one of your own"),
            outer("check", "[CHECK...]", "checks, as in CI"),
        ],
    ),
    (
        "What if",
        &[
            own("cut", "OBJECTS | REFERENCES", "ask as if objects, or references, were gone", "\
Exact: what no root reaches any more goes as well. Nothing in the lake changes. REFERENCES is a condition over edge:
parent, child, idx, label, kind, parent_type, child_type.

cut type = 'Session'
cut label = '.descriptor_runtime'
cut #2.5"),
            own("pin", "OBJECTS", "ask as if these were roots, so that cuts leave them", "pin $cache"),
            own("gc", "", "ask as if what only cycles hold were collected", "gc                  what stats counts as held by cycles only goes"),
            own("undo", "[all]", "take the last edit back, or all", "undo\nundo all"),
            own("edits", "", "the edits so far", "edits               with what each took away"),
            outer("whatif", "--cut COND", "only say what would be freed"),
            outer("layers", "", "layers that were saved with whatif --save"),
        ],
    ),
    (
        "The shell",
        &[
            own("set", "NAME VALUE", "name objects, a number or a text; $NAME stands for them", "\
Names stay in the lake, with the dump. An address that has a name is shown as $NAME.

set leak #2.5
set sessions #2.address
set sessions type = 'Session' and size > 1000
set holders root ..> Session
set big select address from obj where retained > 1000000
set wanted 'CombinedSystem'
set                 all names"),
            own("unset", "NAME", "forget a name", "unset leak"),
            own("echo", "TEXT", "print a text with what its references stand for", "echo $leak^^"),
            own("save", "FILE", "write names and edits as commands that make them again", "save mine.txt       then, in another session: load mine.txt"),
            own("load", "FILE", "run the commands of a file", "load mine.txt"),
            own("width", "[N | auto]", "columns of the screen that tables keep to", "width 120\nwidth auto          that of the terminal"),
            own("pager", "[on | off]", "whether long results go through $PAGER (less)", "pager off"),
            own("timing", "[on | off]", "whether it is said how long a statement took", "timing on"),
            own("debug", "[on | off]", "whether statements are shown as they run, with values for references", "debug on"),
            own("history", "[N]", "what was typed", "history 20          the last 20 lines; Up and Ctrl-R find them, too"),
            own("help", "[COMMAND]", "this, or more of one command", ""),
            own("quit", "", "leave; so does Ctrl-D", ""),
        ],
    ),
];

/// Other words for commands.
const OTHER_NAMES: [(&str, &str); 3] = [("exit", "quit"), ("?", "help"), ("\\q", "quit")];

/// All words that commands begin with.
pub fn names() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().flat_map(|(_, commands)| commands.iter().map(|command| command.name))
}

/// A command by its name.
pub fn by_name(name: &str) -> Option<&'static Command> {
    let name = OTHER_NAMES.iter().find(|(other, _)| *other == name).map_or(name, |(_, name)| name);
    GROUPS.iter().flat_map(|(_, commands)| *commands).find(|command| command.name.eq_ignore_ascii_case(name))
}

/// Splits a text after its first word, as it was typed: `?` is the word of the command `help`.
pub fn first_word(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| c.is_whitespace() || c == ';').unwrap_or(text.len()))
}

/// The command that a text begins with, and the text after its word. A type of that name before an arrow is not a command.
pub fn find(text: &str) -> Option<(&'static Command, &str)> {
    let (word, rest) = first_word(text.trim_start());
    let command = by_name(word)?;
    let rest = rest.trim();
    let next = rest.split_whitespace().next().unwrap_or_default();
    let is_arrow = ["->", "..", "<-"].iter().any(|arrow| next.starts_with(arrow))
        || (next.starts_with('-') && next.contains("->"));
    (!is_arrow).then(|| (command, rest.trim_end_matches(';').trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_statements() {
        for (text, expected) in [
            ("stats;", Some(("stats", ""))),
            ("  parents  #2.5 ", Some(("parents", "#2.5"))),
            ("exit", Some(("quit", ""))),
            ("tree -> dict", None),
            ("set ..> dict", None),
            ("set -['a']-> dict", None),
            ("top -n 5", Some(("top", "-n 5"))),
            ("select 1", None),
            ("", None),
            ("HELP", Some(("help", ""))),
            ("?", Some(("help", ""))),
            (" ? cut", Some(("help", "cut"))),
            ("\\q;", Some(("quit", ""))),
        ] {
            assert_eq!(find(text).map(|(command, rest)| (command.name, rest)), expected, "{text}");
        }
    }

    #[test]
    fn every_command_has_one_place() {
        let mut all: Vec<_> = names().collect();
        let n = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), n);
    }
}
