//! Masks what a program kept in its objects: values, names, keys.
//!
//! What a programmer wrote stays: types, modules, functions that run, attributes, variables. The same text has the same mask
//! everywhere, so that what is alike is still seen to be alike. A text whose parts cannot be told apart is masked as a whole;
//! sentences are masked from their first quote or bracket to the last, and wherever a masked text or the name of a thread is in them
//! as a whole word.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use heaplake_model::{Runtime, TypeRole, short_type_name, shortened};
use heaplake_store::Manifest;
use serde_json::Value;

use super::{Report, ReportContent, ReportNode, ReportPaths, ReportSuspect, ReportTable};
use crate::{
    Result, Session,
    rows::{AnswerColumns, quoted},
};

const SAID: &str = "Values, names of objects and threads, keys, command lines, hosts, files and tags are masked: the same text has the same \
     number. Types, modules, functions and attributes are not.";
/// Texts as short as this are not looked for in sentences, where they may be words or counts, unless they are names of threads.
const SHORT: usize = 3;
/// Characters of a type in the path of a holder.
const HOLDER_CHARS: usize = 100;

/// Masks a report on these dumps.
pub(super) fn mask(report: &mut Report, session: &Session, dumps: &[Arc<Manifest>]) -> Result<()> {
    let ids: Vec<String> = dumps.iter().map(|dump| quoted(dump.id.as_str())).collect();
    let statement = format!("SELECT DISTINCT type FROM history.type_stat WHERE dump IN ({})", ids.join(", "));
    let types = AnswerColumns::new(&session.collect(&statement)?)?.texts("type")?;
    let mut masks = Masks::new(types, dumps);
    // Holders are named by attributes as well as by names of objects: what is one is known by the references of the report.
    for part in report.sections.iter().flat_map(|section| &section.parts) {
        match &part.content {
            ReportContent::Tree(tree) => {
                tree.nodes.iter().filter_map(|node| node.label.as_deref()).for_each(|l| masks.attribute(l));
            }
            ReportContent::Suspects(found) => {
                let labels = found.suspects.iter().chain(&found.others).flat_map(|s| labels_of_way(&s.path));
                labels.for_each(|label| masks.attribute(label));
            }
            _ => {}
        }
    }
    for section in &mut report.sections {
        for part in &mut section.parts {
            match &mut part.content {
                ReportContent::Suspects(_) => {}
                ReportContent::Table(table) => masks.table(table),
                ReportContent::Chart(chart) if part.id == "memory-chart" => debug_assert!(chart.stacked),
                ReportContent::Chart(chart) => {
                    chart.lines.iter_mut().for_each(|line| line.name = masks.holder(&line.name));
                }
                ReportContent::Paths(paths) => masks.paths(paths),
                ReportContent::Bars(bars) => {
                    bars.bars.iter_mut().for_each(|bar| bar.name = masks.holder(&bar.name));
                }
                ReportContent::Tree(tree) => {
                    for node in &mut tree.nodes {
                        node.label = node.label.as_deref().map(|label| masks.label(label));
                        node.root_kind = node.root_kind.as_deref().map(|kind| masks.root_kind(kind));
                        node.detail = ReportNode::detail(node.label.as_deref(), node.root_kind.as_deref());
                        node.name = masks.box_name(&node.name);
                    }
                }
            }
        }
    }
    // Sentences come last: what is masked in rows may be said in them.
    for section in &mut report.sections {
        for text in section.notes.iter_mut().chain([&mut section.summary]).chain(&mut section.missing) {
            *text = masks.sentence(text);
        }
        for part in &mut section.parts {
            match &mut part.content {
                ReportContent::Suspects(found) => {
                    found.suspects.iter_mut().chain(&mut found.others).for_each(|s| masks.suspect(s));
                }
                ReportContent::Table(table) => {
                    table.missing = table.missing.as_deref().map(|text| masks.sentence(text));
                }
                ReportContent::Paths(paths) => {
                    paths.missing = paths.missing.as_deref().map(|text| masks.sentence(text));
                }
                ReportContent::Chart(_) | ReportContent::Tree(_) | ReportContent::Bars(_) => {}
            }
        }
    }
    report.verdict = masks.sentence(&report.verdict);
    report.redacted = Some(SAID.to_owned());
    Ok(())
}

struct Masks {
    /// The number of each masked text.
    numbers: HashMap<String, usize>,
    /// Masked texts that sentences may contain, and their masks.
    said: BTreeSet<(std::cmp::Reverse<usize>, String)>,
    /// Types with and without their modules: ways have the short names.
    types: HashSet<String>,
    /// Names of attributes and variables.
    attributes: HashSet<String>,
    runtimes: Vec<&'static Runtime>,
}

impl Masks {
    fn new(types: Vec<String>, dumps: &[Arc<Manifest>]) -> Self {
        let runtimes = dumps.iter().map(|dump| Runtime::of_any_format(&dump.source.format)).collect();
        let short: Vec<String> = types.iter().map(|name| short_type_name(name).to_owned()).collect();
        let cut: Vec<String> =
            types.iter().chain(&short).map(|name| shortened(name, HOLDER_CHARS).into_owned()).collect();
        let types = types.into_iter().chain(short).chain(cut).collect();
        let mut masks = Self {
            numbers: HashMap::new(),
            said: BTreeSet::new(),
            types,
            attributes: HashSet::new(),
            runtimes,
        };
        for dump in dumps {
            let threads = dump.roots.keys().filter_map(|kind| dump.runtime().thread_of_root(kind));
            let of_process = [&dump.process.host, &dump.process.command].into_iter().flatten();
            let threads: Vec<&str> = threads.map(|thread| thread.name).collect();
            threads.into_iter().for_each(|name| drop(masks.thread(name)));
            of_process.chain([&dump.source.file]).for_each(|text| drop(masks.whole(text)));
        }
        masks
    }

    /// A mask in the place of a whole text.
    fn whole(&mut self, text: &str) -> String {
        let next = self.numbers.len() + 1;
        let number = *self.numbers.entry(text.to_owned()).or_insert(next);
        if number == next && text.chars().count() > SHORT && !self.attributes.contains(text) {
            self.look_for(text);
        }
        format!("‹{number}›")
    }

    /// A mask in the place of the name of a thread, which sentences say however short it is.
    fn thread(&mut self, name: &str) -> String {
        if name.chars().any(char::is_alphabetic) {
            self.look_for(name);
        }
        self.whole(name)
    }

    /// Notes the name of an attribute or variable; other labels are keys.
    fn attribute(&mut self, label: &str) {
        if let Some(name) = attribute_name(label) {
            self.attributes.insert(name.to_owned());
        }
    }

    /// Sentences may contain this text.
    fn look_for(&mut self, text: &str) {
        if !self.types.contains(text) {
            self.said.insert((std::cmp::Reverse(text.chars().count()), text.to_owned()));
        }
    }

    /// A text with masks where a masked text is in it between the boundaries of words, the longest one where there are several.
    fn without_said(&mut self, text: &str) -> String {
        let said: Vec<String> =
            self.said.iter().filter(|(_, said)| text.contains(said)).map(|(_, said)| said.clone()).collect();
        let (mut masked, mut rest, mut before) = (String::with_capacity(text.len()), text, None);
        // In one pass, so that nothing is looked for in a mask.
        while let Some(c) = rest.chars().next() {
            let found = said.iter().find(|said| is_whole_word(before, rest, said));
            let len = match found {
                Some(said) => {
                    masked += &self.whole(said);
                    said.len()
                }
                None => {
                    masked.push(c);
                    c.len_utf8()
                }
            };
            before = rest[..len].chars().next_back();
            rest = &rest[len..];
        }
        masked
    }

    /// A sentence without what is masked elsewhere, and with a mask from its first quote or bracket to the last: what is between
    /// may have quotes of its own.
    fn sentence(&mut self, text: &str) -> String {
        let text = self.without_said(text);
        // An apostrophe within a word is not a quote.
        let is_in_word = |at: usize| {
            let is_letter = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphabetic());
            is_letter(text[..at].chars().next_back()) && is_letter(text[at + 1..].chars().next())
        };
        let marks: Vec<(usize, char)> = text
            .char_indices()
            .filter(|(_, c)| matches!(c, '\'' | '"' | '[' | ']' | '‘' | '’' | '“' | '”' | '`'))
            .filter(|(at, c)| *c != '\'' || !is_in_word(*at))
            .collect();
        let (Some((start, _)), Some((end, c))) = (marks.first().copied(), marks.last().copied()) else {
            return text;
        };
        let end = end + c.len_utf8();
        let between = &text[start..end];
        if !between.contains(char::is_alphanumeric) {
            return text;
        }
        let mask = self.whole(between);
        format!("{}{mask}{}", &text[..start], &text[end..])
    }

    /// A path of types and names: all but the types is masked, unless a type is one of code.
    fn holder(&mut self, path: &str) -> String {
        let elements: Vec<String> = path.split(" -> ").map(|element| self.element(element)).collect();
        elements.join(" -> ")
    }

    /// `type name`, perhaps the first or the last of a repetition, `(type -> type ->)+`.
    fn element(&mut self, element: &str) -> String {
        let (open, inner) = match element.strip_prefix('(') {
            Some(inner) if !matches!(element, "(several)" | "(cycle)" | "(garbage)") => ("(", inner),
            _ => ("", element),
        };
        let (inner, close) = match inner.strip_suffix(" ->)+") {
            Some(inner) => (inner, " ->)+"),
            None => (inner, ""),
        };
        if self.types.contains(inner)
            || matches!(inner, "(several)" | "(cycle)" | "(garbage)" | "..." | "…" | "root")
        {
            return element.to_owned();
        }
        // A type may have blanks: the longest that is one.
        let ends = inner.char_indices().rev().filter(|(_, c)| *c == ' ').map(|(at, _)| at);
        let type_name = ends.map(|end| &inner[..end]).find(|name| self.types.contains(*name));
        let masked = match type_name {
            Some(type_name) if self.is_code(type_name) => inner.to_owned(),
            Some(type_name) => {
                let name = &inner[type_name.len() + 1..];
                let is_said = self.said.contains(&(std::cmp::Reverse(name.chars().count()), name.to_owned()));
                match self.attributes.contains(name) && !is_said {
                    true => inner.to_owned(),
                    false => format!("{type_name} {}", self.whole(name)),
                }
            }
            None => self.whole(inner),
        };
        format!("{open}{masked}{close}")
    }

    /// A way with labels, `type name -label-> type`: all but the types, what is of code, and attributes is masked.
    fn way(&mut self, way: &str) -> String {
        let steps: Vec<&str> = way.split("-> ").collect();
        let last = steps.len() - 1;
        let masked: Vec<String> =
            steps.into_iter().enumerate().map(|(i, step)| self.step(step, i < last)).collect();
        masked.join("-> ")
    }

    /// `type name -label`, or `type name ` where there is no label; the last step of a way has none.
    fn step(&mut self, step: &str, has_arrow: bool) -> String {
        let ends = step.char_indices().filter(|(_, c)| *c == ' ').map(|(at, _)| at);
        let ends: Vec<usize> = ends.chain([step.len()]).collect();
        let is_type = |end: &&usize| self.types.contains(&step[..**end]);
        let Some(end) = ends.iter().rev().find(is_type).copied() else {
            return if step.trim().is_empty() { step.to_owned() } else { self.whole(step) };
        };
        let (type_name, rest) = step.split_at(end);
        let (name, label) = match rest.split_once(" -") {
            Some((name, label)) if has_arrow => (name, Some(label)),
            _ => (rest.trim_end(), None),
        };
        let name = match name.trim() {
            "" => String::new(),
            name if self.is_code(type_name) => format!(" {name}"),
            name => format!(" {}", self.whole(name)),
        };
        match label {
            Some(label) => {
                let label = self.label(label);
                format!("{type_name}{name} -{label}")
            }
            None if has_arrow => format!("{type_name}{name} "),
            None => format!("{type_name}{name}"),
        }
    }

    /// The text of a box: an element of a path, or how many there are of something.
    fn box_name(&mut self, name: &str) -> String {
        let is_number = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == ',');
        match name.split_once(' ') {
            Some((n, "more" | "objects of other types")) if is_number(n) => name.to_owned(),
            Some((n, rest))
                if is_number(n) && rest.strip_prefix("x ").is_some_and(|of| self.types.contains(of)) =>
            {
                name.to_owned()
            }
            Some(("more:", rest)) if rest.ends_with("object") || rest.ends_with("objects") => name.to_owned(),
            _ => self.element(name),
        }
    }

    /// A label: the name of an attribute or variable stays, a key does not.
    fn label(&mut self, text: &str) -> String {
        let is_index = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
            .is_some_and(|text| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit()));
        if is_index || attribute_name(text).is_some() { text.to_owned() } else { self.whole(text) }
    }

    fn is_code(&self, type_name: &str) -> bool {
        const CODE: [TypeRole; 2] = [TypeRole::Module, TypeRole::Frame];
        let has = |role| self.runtimes.iter().any(|runtime| runtime.has_role(type_name, role));
        CODE.into_iter().any(has)
    }

    fn suspect(&mut self, suspect: &mut ReportSuspect) {
        suspect.headline = self.sentence(&suspect.headline);
        suspect.held_by = suspect.held_by.as_deref().map(|text| self.sentence(text));
        suspect.accepted = suspect.accepted.as_deref().map(|text| self.sentence(text));
        suspect.holder_path = self.holder(&suspect.holder_path);
        suspect.path = self.way(&suspect.path);
        suspect.advice = self.sentence(&suspect.advice);
        suspect.evidence.iter_mut().for_each(|fact| *fact = self.sentence(fact));
    }

    /// A kind of root without the name of its thread.
    fn root_kind(&mut self, text: &str) -> String {
        let thread = self.runtimes.iter().find_map(|runtime| runtime.thread_of_root(text));
        match thread.map(|thread| thread.name).filter(|name| !name.is_empty()) {
            Some(name) => {
                // The name is a part of the text; it may be in other parts as well.
                let start = (name.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
                let mask = self.thread(name);
                let (before, after) = (text.get(..start), text.get(start + name.len()..));
                format!("{}{mask}{}", before.unwrap_or_default(), after.unwrap_or_default())
            }
            None => text.to_owned(),
        }
    }

    /// Types, which merged paths consist of, stay.
    fn paths(&mut self, paths: &mut ReportPaths) {
        for branch in &mut paths.branches {
            branch.detail = branch.detail.as_deref().map(|kind| self.root_kind(kind));
        }
        for line in &mut paths.lines {
            for kind in std::mem::take(&mut line.root_kinds) {
                let masked = self.root_kind(&kind);
                line.words = line.words.replace(&format!("(root: {kind})"), &format!("(root: {masked})"));
            }
        }
    }

    fn table(&mut self, table: &mut ReportTable) {
        let type_of_name = |name: &str| match name {
            "name" => Some("type"),
            "held_by_name" => Some("held_by_type"),
            _ => None,
        };
        let of_type: Vec<Option<usize>> = table
            .columns
            .iter()
            .map(|column| type_of_name(&column.name).and_then(|name| table.position(name)))
            .collect();
        let names: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
        for row in &mut table.rows {
            for (i, name) in names.iter().enumerate() {
                let Some(text) = row[i].as_str().map(str::to_owned) else { continue };
                let is_code =
                    of_type[i].and_then(|at| row[at].as_str()).is_some_and(|name| self.is_code(name));
                let masked = match name.as_str() {
                    "name" | "held_by_name" if is_code => text,
                    "thread" => self.thread(&text),
                    "value" | "name" | "held_by_name" | "what" | "source" | "tags" | "variable" => {
                        self.whole(&text)
                    }
                    "holder" | "held_by" | "element" | "root_path" => self.holder(&text),
                    "label" | "local" => self.label(&text),
                    "root_kind" => self.root_kind(&text),
                    _ => text,
                };
                row[i] = Value::String(masked);
            }
        }
    }
}

/// The name of the attribute or variable that a label is; `None` for keys and indexes.
fn attribute_name(label: &str) -> Option<&str> {
    let name = label.strip_prefix('.').unwrap_or(label);
    let inner = name.strip_prefix('<').and_then(|name| name.strip_suffix('>')).unwrap_or(name);
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$');
    inner.chars().all(is_name).then_some(inner)
}

/// The labels of a way, `type name -label-> type`.
fn labels_of_way(way: &str) -> impl Iterator<Item = &str> {
    way.split("-> ").filter_map(|step| step.rsplit_once(" -")).map(|(_, label)| label)
}

/// Whether a text begins with `said`, which is not a part of a longer word. `before` is the character before the text.
fn is_whole_word(before: Option<char>, text: &str, said: &str) -> bool {
    let Some(after) = text.strip_prefix(said) else { return false };
    let is_in_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let begins_inside = is_in_word(before) && is_in_word(said.chars().next());
    let ends_inside = is_in_word(said.chars().next_back()) && is_in_word(after.chars().next());
    !begins_inside && !ends_inside
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masks() -> Masks {
        Masks::new(["module", "dict", "str", "a b"].map(str::to_owned).into(), &[])
    }

    #[test]
    fn what_is_alike_has_one_mask() {
        let mut masks = Masks { runtimes: vec![Runtime::of_any_format("meliae")], ..masks() };
        let [first, second] = ["alice", "bob"].map(|text| masks.whole(text));
        assert_ne!(first, second);
        assert_eq!(masks.whole("alice"), first);
        assert_eq!(masks.sentence("it grew below alice"), format!("it grew below {first}"));
    }

    #[test]
    fn short_names_of_threads_are_masked_as_words() {
        let mut masks = Masks { runtimes: vec![Runtime::of_any_format("hprof")], ..masks() };
        for (kind, shown) in [
            ("thread bob", "thread ‹1›"),
            ("thread a", "thread ‹2›"),
            ("thread 12", "thread ‹3›"),
            ("thread a, com.shop.Cart.add(Cart.java:41)", "thread ‹2›, com.shop.Cart.add(Cart.java:41)"),
            ("JNI local, thread 例", "JNI local, thread ‹4›"),
            ("system class", "system class"),
        ] {
            assert_eq!(masks.root_kind(kind), shown);
        }
        masks.whole("lock");
        for (text, shown) in [
            ("bob retains it, finally blocked", "‹1› retains it, finally blocked"),
            ("bobby, bob_2 and the bob-worker", "bobby, bob_2 and the ‹1›-worker"),
            ("(bob)", "(‹1›)"),
            ("12 of 12 and 2 locks", "12 of 12 and 2 locks"),
            ("the lock 例, 例外", "the ‹5› ‹4›, 例外"),
        ] {
            assert_eq!(masks.sentence(text), shown);
        }
    }

    #[test]
    fn of_two_masked_texts_the_longer_one_counts() {
        let mut masks = Masks { runtimes: vec![Runtime::of_any_format("hprof")], ..masks() };
        let [pool, worker] = ["pool", "pool-1 worker"].map(|name| masks.thread(name));
        assert_eq!(masks.sentence("pool, pool-1 worker"), format!("{pool}, {worker}"));
    }

    #[test]
    fn attributes_that_name_holders_stay() {
        let mut masks = masks();
        let way = "module shop -.carts-> dict -['bob']-> str";
        assert_eq!(labels_of_way(way).collect::<Vec<_>>(), [".carts", "['bob']"]);
        labels_of_way(way).for_each(|label| masks.attribute(label));
        masks.attribute(".eve");
        masks.thread("eve");
        for (path, shown) in [
            ("dict carts -> str", "dict carts -> str"),
            ("dict bob -> str", "dict ‹2› -> str"),
            // The name of a thread is masked wherever it is.
            ("dict eve -> str", "dict ‹1› -> str"),
        ] {
            assert_eq!(masks.holder(path), shown);
        }
        assert_eq!(masks.whole("carts"), "‹3›");
        assert_eq!(masks.sentence("shop.carts of eve"), "shop.carts of ‹1›");
    }

    #[test]
    fn types_without_their_modules_stay() {
        let types = ["java.util.HashMap$Node[]", "com.shop.Cart"].map(str::to_owned).into();
        let mut masks = Masks { runtimes: vec![Runtime::of_any_format("hprof")], ..Masks::new(types, &[]) };
        assert_eq!(
            masks.way("Cart -.table-> HashMap$Node[] -[3]-> Cart alice"),
            "Cart -.table-> HashMap$Node[] -[3]-> Cart ‹1›"
        );
        assert_eq!(masks.box_name("com.shop.Cart bob"), "com.shop.Cart ‹2›");
    }

    #[test]
    fn keys_are_masked_and_attributes_stay() {
        let mut masks = Masks { runtimes: vec![Runtime::of_any_format("meliae")], ..masks() };
        assert_eq!(masks.sentence("shop.carts['a]b'].items grew"), "shop.carts‹1›.items grew");
        assert_eq!(masks.sentence("nothing to mask"), "nothing to mask");
        for (label, shown) in
            [(".x", ".x"), ("[12]", "[12]"), ("<key>", "<key>"), ("['bob']", "‹2›"), ("bob smith", "‹3›")]
        {
            assert_eq!(masks.label(label), shown);
        }
    }

    #[test]
    fn of_a_way_the_types_and_attributes_stay() {
        let mut masks = Masks { runtimes: vec![Runtime::of_any_format("meliae")], ..masks() };
        for (way, shown) in [
            ("module shop -.__dict__-> dict -['bob']-> str", "module shop -.__dict__-> dict -‹1›-> str"),
            ("dict -> a b -[3]-> dict alice", "dict -> a b -[3]-> dict ‹2›"),
            ("dict -x-> y-> str", "dict -x-> ‹3›-> str"),
        ] {
            assert_eq!(masks.way(way), shown);
        }
        assert_eq!(masks.sentence("it's the program's bound"), "it's the program's bound");
    }

    #[test]
    fn of_a_holder_the_types_stay() {
        let mut masks = Masks { runtimes: vec![Runtime::of_any_format("meliae")], ..masks() };
        for (path, shown) in [
            ("module shop -> dict alice smith -> str", "module shop -> dict ‹1› -> str"),
            ("(dict bob -> a b c ->)+ -> ...", "(dict ‹2› -> a b ‹3› ->)+ -> ..."),
            ("dict x -> secret -> str", "dict ‹4› -> ‹5› -> str"),
            ("(several) -> dict", "(several) -> dict"),
        ] {
            assert_eq!(masks.holder(path), shown);
        }
    }
}
