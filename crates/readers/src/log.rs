//! Dumps that went through a log: each line begins with a time, the name of a container or the like, or is wrapped in JSON.
//!
//! Taking the prefix off is left to a command, because logs also split long lines and mix the lines of several programs.

use memchr::memmem;

use crate::{Error, json::FirstFields, text::shown};

/// What each object of a dump begins with.
const OBJECT: &[u8] = b"{\"address\"";
/// The same inside a JSON string.
const ESCAPED_OBJECT: &[u8] = b"{\\\"address\\\"";
/// Objects whose prefixes are compared.
const MAX_OBJECTS: usize = 64;
/// Bytes of the longest prefix.
const MAX_PREFIX: usize = 300;

/// Takes off everything before the first brace.
const STRIP: &str = "sed 's/^[^{]*//' FILE > CLEAN";
/// Takes off the prefix of a container runtime, and joins the parts (P) of lines that it split.
const STRIP_CRI: &str =
    r#"awk '{ORS = $3 == "P" ? "" : "\n"; sub(/^[^ ]+ [^ ]+ [^ ]+ /, ""); print}' FILE > CLEAN"#;
/// Takes off everything before the first object, where a prefix has braces.
const STRIP_BRACES: &str = r#"LC_ALL=C grep -ao '{"address".*' FILE > CLEAN"#;

/// The error of the input that begins with `head`, if its objects come from a log.
pub(crate) fn recognise(head: &[u8]) -> Option<Error> {
    wrapped(head).or_else(|| prefixed(head))
}

/// Lines `{"log": "{\"address\": ..."`.
fn wrapped(head: &[u8]) -> Option<Error> {
    let first = FirstFields::of(head)?;
    let is_object =
        |value: &[u8]| value.strip_prefix(b"\"").is_some_and(|text| text.starts_with(ESCAPED_OBJECT));
    let (name, _) = first.fields.iter().find(|(_, value)| is_object(value))?;
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let name = std::str::from_utf8(name).ok().filter(|name| name.bytes().all(|byte| is_plain(&byte)))?;
    // The field `log` of Docker has the newlines, and only those of the program.
    let option = if name == "log" { "-j" } else { "-r" };
    Some(Error::Logged {
        what: format!("each line is an entry of a log, with the line of the dump in its field {name}"),
        command: format!("jq {option} .{name} FILE > CLEAN"),
    })
}

/// Lines `2026-03-01T12:00:00Z stdout F {"address": ...`.
fn prefixed(head: &[u8]) -> Option<Error> {
    let mut prefixes = head.split(|byte| *byte == b'\n').filter_map(prefix_of).take(MAX_OBJECTS);
    let first = prefixes.next()??;
    let is_cri_log = is_cri(first);
    let first_shape = shape(first);
    let mut n_others = 0;
    for prefix in prefixes {
        let prefix = prefix?;
        if shape(prefix) != first_shape && !(is_cri_log && is_cri(prefix)) {
            return None;
        }
        n_others += 1;
    }
    if n_others == 0 {
        return None;
    }
    let command = match first {
        _ if is_cri_log => STRIP_CRI,
        _ if first.contains(&b'{') => STRIP_BRACES,
        _ => STRIP,
    };
    Some(Error::Logged {
        what: format!("each line begins with the prefix of a log, {}", shown(first)),
        command: command.to_owned(),
    })
}

/// What a line has before its object: `None` for a line without one, `Some(None)` where that is not the prefix of a log.
fn prefix_of(line: &[u8]) -> Option<Option<&[u8]>> {
    let prefix = &line[..memmem::find(line, OBJECT)?];
    let prefix = prefix.strip_prefix(b"\xef\xbb\xbf").unwrap_or(prefix);
    let is_json = |byte: &u8| b" \t\r,[]".contains(byte);
    let first = prefix.iter().find(|byte| !is_json(byte));
    let is_prefix = prefix.len() <= MAX_PREFIX && first.is_some_and(|byte| *byte != b'{');
    Some(is_prefix.then_some(prefix))
}

/// A prefix with each number as one digit and each run of spaces as one.
fn shape(prefix: &[u8]) -> Vec<u8> {
    let class = |byte: &u8| if byte.is_ascii_digit() { b'0' } else { *byte };
    let mut shape: Vec<u8> = prefix.iter().map(class).collect();
    shape.dedup_by(|a, b| a == b && matches!(*a, b'0' | b' '));
    shape
}

/// Whether this is `TIME stdout F `, as containerd and CRI-O write it.
fn is_cri(prefix: &[u8]) -> bool {
    let mut words = prefix.split(|byte| *byte == b' ');
    let time = words.next().is_some_and(|time| time.contains(&b'T') && time.contains(&b':'));
    let stream = matches!(words.next(), Some(b"stdout" | b"stderr"));
    let part = matches!(words.next(), Some(b"F" | b"P"));
    time && stream && part && words.next() == Some(b"") && words.next().is_none()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const LINES: [&str; 3] = [
        r#"{"address": 1, "type": "dict", "size": 64, "refs": [2, 3]}"#,
        r#"{"address": 2, "type": "str", "size": 32, "value": "a {\"address\": \\ b", "refs": []}"#,
        r#"{"address": 3, "type": "list", "size": 16, "refs": [1]}"#,
    ];

    /// A log, with the number of a line for each `#` of the prefix.
    fn log(prefix: &str) -> String {
        let line =
            |(i, line): (usize, &&str)| format!("{}{line}\n", prefix.replace('#', &(9 + i).to_string()));
        LINES.iter().enumerate().map(line).collect()
    }

    #[track_caller]
    fn recognised(text: &str) -> (String, String) {
        match recognise(text.as_bytes()) {
            Some(Error::Logged { what, command }) => (what, command),
            other => panic!("{other:?} of {text}"),
        }
    }

    /// What the command makes of a log.
    fn stripped(text: &str, command: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("FILE"), text).unwrap();
        let status = Command::new("sh").arg("-c").arg(command).current_dir(folder.path()).status().unwrap();
        assert!(status.success(), "{command}");
        std::fs::read_to_string(folder.path().join("CLEAN")).unwrap()
    }

    #[test]
    fn a_prefix_is_named_with_the_command_that_takes_it_off() {
        for (prefix, words) in [
            ("2026-03-01T12:00:00.#Z stdout F ", "stdout F "),
            ("web_1  | ", "`web_1  | `"),
            ("\u{1b}[36mweb_1  | \u{1b}[0m", "web_1"),
            ("Mar # 12:00:00 host app[4711]: ", "app[4711]: "),
            ("<13>Mar # 12:00:00 host app: ", "<13>"),
            ("[2026-03-01 12:00:#] INFO root: ", "INFO root"),
            ("INFO {worker-#} ", "INFO"),
            ("[web.#] ", "[web.9] "),
        ] {
            let text = log(prefix);
            let (what, command) = recognised(&text);
            assert!(what.contains(words), "{what}");
            assert_eq!(stripped(&text, &command), LINES.join("\n") + "\n", "{command}");
        }
        let (what, command) = recognised(&log("web_1 | "));
        assert_eq!(what, "each line begins with the prefix of a log, `web_1 | `");
        assert_eq!(command, "sed 's/^[^{]*//' FILE > CLEAN");
    }

    #[test]
    fn lines_of_others_do_not_hide_it() {
        let text = format!("web_1 | starting\n\n{}web_1 | done {{}}\n", log("web_1 | "));
        recognised(&text);
    }

    #[test]
    fn parts_of_lines_are_joined() {
        let [first, second, third] = LINES;
        let (head, tail) = second.split_at(40);
        let text = format!(
            "2026-03-01T12:00:00.1Z stdout F {first}\n2026-03-01T12:00:00.2Z stdout P {head}\n\
             2026-03-01T12:00:00.34Z stdout F {tail}\n2026-03-01T12:00:01Z stdout F {third}\n"
        );
        let (_, command) = recognised(&text);
        assert_eq!(stripped(&text, &command), LINES.join("\n") + "\n");
    }

    #[test]
    fn entries_in_json_are_taken_out() {
        let entry =
            |line: &&str| serde_json::json!({"log": format!("{line}\n"), "stream": "stdout"}).to_string();
        let text = LINES.iter().map(entry).collect::<Vec<_>>().join("\n");
        assert_eq!(recognised(&text).1, "jq -j .log FILE > CLEAN");
        let text = text.replace("\\n\",", "\",").replace("\"log\"", "\"message\"");
        let (what, command) = recognised(&text);
        assert!(what.ends_with("in its field message"), "{what}");
        assert_eq!(command, "jq -r .message FILE > CLEAN");
    }

    #[test]
    fn a_dump_is_not_a_log() {
        let lines = LINES.join("\n");
        for text in [
            lines.clone(),
            format!("[{}]", LINES.join(", ")),
            format!("[\n  {}\n]", LINES.join(",\n  ")),
            format!("\u{feff}{lines}"),
            format!("web_1 | {lines}"),
            format!("{}{lines}", log("web_1 | ")),
            format!("damage {}\nother damage {}", LINES[0], LINES[1]),
            format!("damage {}\n", LINES[0]),
            lines.replace("{\"address\"", "{\"x\": 1, \"address\""),
            lines.replace("{\"address\"", "{\"x\": 1}, {\"address\""),
            format!("{} {{\"address\"\n", "x".repeat(400)).repeat(2),
            "hello\nworld\n".to_owned(),
            String::new(),
        ] {
            assert!(recognise(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn no_head_panics() {
        let text = log("2026-03-01T12:00:00.#Z stdout F ");
        for end in 0..text.len() {
            recognise(&text.as_bytes()[..end]);
            recognise(&text.as_bytes()[end..]);
        }
    }
}
