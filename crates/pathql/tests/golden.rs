//! Scripts of patterns and what becomes of them, stage by stage: `tests/golden/*.txt`.
//!
//! `[tokens]`, `[ast]`, `[automaton]` or `[error]` and a pattern on one line, then the expected lines up to an empty
//! one. `HEAPLAKE_BLESS=1` writes the answers anew; a person reads the difference.

use std::{env, fs, path::Path};

use heaplake_pathql::{Automaton, TokenKind, parse, tokens};

fn answer(tag: &str, pattern: &str) -> String {
    match tag {
        "tokens" => match tokens(pattern) {
            Ok(tokens) => {
                let line = |kind: &TokenKind, text: &str| format!("{kind:?} {text}\n");
                tokens.iter().map(|token| line(&token.kind, &pattern[token.span.clone()])).collect()
            }
            Err(error) => format!("{}..{}: {error}\n", error.span.start, error.span.end),
        },
        "ast" => match parse(pattern) {
            Ok(query) => format!("{query}\n"),
            Err(error) => format!("{}..{}: {error}\n", error.span.start, error.span.end),
        },
        "automaton" => {
            let query = parse(pattern).expect(pattern);
            Automaton::new(&query)
                .map_or_else(|error| format!("{error}\n"), |automaton| automaton.to_string())
        }
        "error" => {
            let error =
                parse(pattern).and_then(|query| Automaton::new(&query).map(|_| ())).expect_err(pattern);
            let mark = "^".repeat(pattern[error.span.clone()].chars().count().max(1));
            format!(
                "{}{mark} {error}\n",
                " ".repeat("[error] ".len() + pattern[..error.span.start].chars().count())
            )
        }
        tag => panic!("there is no tag [{tag}]"),
    }
}

fn rewritten(script: &str) -> String {
    let mut written = String::new();
    let mut lines = script.lines();
    while let Some(line) = lines.next() {
        written += line;
        written.push('\n');
        let Some((tag, pattern)) = line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) else {
            continue;
        };
        for old in lines.by_ref() {
            if old.is_empty() {
                break;
            }
        }
        written += &answer(tag, pattern);
        written.push('\n');
    }
    written
}

#[test]
fn scripts_say_what_they_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut n_scripts = 0;
    for entry in fs::read_dir(&folder).expect("the scripts") {
        let path = entry.expect("a script").path();
        let script = fs::read_to_string(&path).expect("a script");
        let now = rewritten(&script);
        n_scripts += 1;
        if env::var_os("HEAPLAKE_BLESS").is_some() {
            fs::write(&path, now).expect("written");
        } else {
            assert_eq!(script.trim_end(), now.trim_end(), "{}", path.display());
        }
    }
    assert!(n_scripts >= 3, "{n_scripts} scripts in {}", folder.display());
}
