//! Cases of lines: what comes of them, and what is reported. A case is an input, its objects, its issues.

use super::*;
use crate::{Record, Source, read};
use heaplake_fixture::{Heap, Object};
use std::{
    io::{self, Read, Write as _},
    sync::atomic::AtomicBool,
};

/// Objects as text, one a line: `address type size len name value refs`, `-` for what is not there.
fn objects(records: &Records, types: &TypeTable) -> Vec<String> {
    let names = types.names();
    let number = |n: Option<i64>| n.map_or("-".to_owned(), |n| n.to_string());
    let text = |t: Option<&[u8]>| {
        t.map_or("-".to_owned(), |t| format!("{:?}", String::from_utf8(t.to_vec()).unwrap()))
    };
    let one = |(_, record): (usize, Record<'_>)| {
        let (name, value) = (text(record.name), text(record.value));
        let type_name = &names[record.type_id as usize];
        let (size, len) = (number(record.size), number(record.len));
        let refs: Vec<u64> = record.refs.iter().collect();
        format!("{} {type_name} {size} {len} {name} {value} {refs:?}", record.address)
    };
    records.iter().map(one).collect()
}

fn issues(batch: &Records) -> Vec<String> {
    batch.issues.iter().map(|i| format!("{} {} {}", i.kind, i.line.unwrap() + 1, i.offset)).collect()
}

#[track_caller]
fn check(input: impl AsRef<[u8]>, expected: &[&str], expected_issues: &[&str]) {
    let types = TypeTable::default();
    let batch = parse(input.as_ref(), &types);
    let input = String::from_utf8_lossy(input.as_ref()).into_owned();
    assert_eq!(objects(&batch, &types), expected, "{input}");
    assert_eq!(issues(&batch), expected_issues, "{input}\n{:?}", batch.issues);
}

const A: &str = r#"{"address": 1, "type": "a", "size": 16, "refs": [2, 3]}"#;
const A_ROW: &str = "1 a 16 - - - [2, 3]";
const B: &str = r#"{"address": 2, "type": "b", "size": 32, "len": 5, "value": "hello", "refs": []}"#;
const B_ROW: &str = r#"2 b 32 5 - "hello" []"#;

#[test]
fn lines_of_the_scanner() {
    check("", &[], &[]);
    check(format!("{A}\n{B}\n"), &[A_ROW, B_ROW], &[]);
    check(
        r#"{"address": 18446744073709551615, "type": "int", "size": 24, "value": -12345678901234567890123, "refs": []}
{"address": 0, "type": "module", "size": 56, "name": "sys", "refs": [18446744073709551615]}
{"address": 3, "type": "str", "size": 40, "name": "n", "len": 0, "value": "", "refs": [0]}"#,
        &[
            r#"18446744073709551615 int 24 - - "-12345678901234567890123" []"#,
            r#"0 module 56 - "sys" - [18446744073709551615]"#,
            r#"3 str 40 0 "n" "" [0]"#,
        ],
        &[],
    );
}

#[test]
fn both_paths_agree() {
    // A space more makes the fast path give up.
    for line in
        [A, B, r#"{"address": 9, "type": "x", "size": 1, "value": "\u00e9\/\ud83d\ude00", "refs": [1]}"#]
    {
        let types = TypeTable::default();
        let fast = parse(line.as_bytes(), &types);
        let slow = parse(line.replacen("{", "{ ", 1).as_bytes(), &types);
        assert_eq!(objects(&fast, &types), objects(&slow, &types));
        assert_eq!((issues(&fast), issues(&slow)), (vec![], vec![]));
    }
}

#[test]
fn any_order_and_space() {
    check("{\t\"refs\" : [ 2 ,3 ],\r\n \"size\":16,\"type\"\n:\"a\" , \"address\":1 }", &[A_ROW], &[]);
    check(r#"{"address":1,"type":"a","size":16,"refs":[2,3]}"#, &[A_ROW], &[]);
    check(r#"{"type":"b","value":"hello","len":5,"address":2,"size":32}"#, &[B_ROW], &[]);
    check(
        r#"{"x": {"y": [1, {"z": "}]"}]}, "address": 1, "type": "a", "size": 16, "refs": [2, 3], "w": null}"#,
        &[A_ROW],
        &[],
    );
    check(
        r#"{"value": "v", "name": "n", "address": 1, "type": "a", "size": 1}"#,
        &[r#"1 a 1 - "n" "v" []"#],
        &[],
    );
    check(
        r#"{"address": 1, "type": "a", "size": 1, "value": null, "name": null, "len": null, "refs": null}"#,
        &["1 a 1 - - - []"],
        &[],
    );
    check(
        r#"{"address": 1, "type": "bool", "size": 1, "value": true, "name": 7}"#,
        &[r#"1 bool 1 - "7" "true" []"#],
        &[],
    );
    check(
        r#"{"address": 1, "type": "t", "size": 1, "value": [1, "]"]}"#,
        &[r#"1 t 1 - - "[1, \"]\"]" []"#],
        &[],
    );
}

#[test]
fn arrays_lines_and_blank_ones() {
    for input in [
        format!("[\n{A},\n{B}\n]\n"),
        format!("[{A},{B}]"),
        format!("[{A}, {B}]\n"),
        format!("{A}\r\n\r\n{B}\r\n"),
        format!("\n\n{A}\n   \n{B}"),
        format!("{A},\n{B},\n"),
        format!("{A}{B}"),
    ] {
        check(input, &[A_ROW, B_ROW], &[]);
    }
}

#[test]
fn numbers_in_other_forms_are_taken_and_reported() {
    let form = "number_form 1 0";
    check(
        r#"{"address": "0x10", "type": "a", "size": "16", "len": 5.0, "refs": ["1", 2e1]}"#,
        &["16 a 16 5 - - [1, 20]"],
        &[form; 5],
    );
    check(r#"{"address": 010, "type": "a", "size": 1}"#, &["10 a 1 - - - []"], &[form]);
}

#[test]
fn numbers_that_are_none() {
    check(r#"{"address": -1, "type": "a", "size": 1}"#, &[], &["bad_address 1 0"]);
    check(r#"{"address": 18446744073709551616, "type": "a", "size": 1}"#, &[], &["bad_address 1 0"]);
    check(r#"{"address": 1.5, "type": "a", "size": 1}"#, &[], &["bad_address 1 0"]);
    check(r#"{"type": "a", "size": 1}"#, &[], &["bad_address 1 0"]);
    check(r#"{"address": 1, "size": 1}"#, &[], &["bad_type 1 0"]);
    check(r#"{"address": 1, "type": 7, "size": 1}"#, &[], &["bad_type 1 0"]);
    check(r#"{"address": 1, "type": "a"}"#, &["1 a - - - - []"], &["bad_size 1 0"]);
    check(r#"{"address": 1, "type": "a", "size": -1}"#, &["1 a - - - - []"], &["bad_size 1 0"]);
    check(r#"{"address": 1, "type": "a", "size": "big"}"#, &["1 a - - - - []"], &["bad_size 1 0"]);
    check(
        r#"{"address": 1, "type": "a", "size": 9223372036854775808}"#,
        &["1 a - - - - []"],
        &["bad_size 1 0"],
    );
    check(r#"{"address": 1, "type": "a", "size": 1, "len": -5}"#, &["1 a 1 - - - []"], &["bad_len 1 0"]);
    check(
        r#"{"address": 1, "type": "a", "size": 1, "refs": [2, "x", -3, [4], 5]}"#,
        &["1 a 1 - - - [2, 5]"],
        &["bad_reference 1 0"; 3],
    );
    check(r#"{"address": 1, "type": "a", "size": 1, "refs": [ ]}"#, &["1 a 1 - - - []"], &[]);
    check(
        r#"{"address": 1, "type": "a", "size": 1, "refs": 2}"#,
        &["1 a 1 - - - []"],
        &["bad_reference 1 0"],
    );
}

#[test]
fn a_bad_reference_costs_no_other_one() {
    for (refs, kept, n_issues) in [
        ("[2 3]", "[2, 3]", 1),
        ("[2 3 4\t5]", "[2, 3, 4, 5]", 3),
        ("[2,,3]", "[2, 3]", 1),
        ("[2,,,, 3,,4]", "[2, 3, 4]", 2),
        ("[2,3,]", "[2, 3]", 1),
        ("[2, 3,,]", "[2, 3]", 1),
        ("[,2]", "[2]", 1),
        ("[,]", "[]", 1),
        ("[2, x, 3]", "[2, 3]", 1),
        ("[2, 3:4, 5]", "[2, 5]", 1),
        ("[2, 3;, 5]", "[2, 5]", 1),
        ("[2, {\"a\": 3}, 5]", "[2, 5]", 1),
        ("[2, {\"a\": 3}4, 5]", "[2, 5]", 1),
        ("[2, [3, [4]], 5]", "[2, 5]", 1),
        ("[2, nul\0, 5]", "[2, 5]", 1),
        // Brackets and quotes that do not match.
        ("[2, {3, 4]", "[2, 4]", 1),
        ("[2, 3}, 4]", "[2, 4]", 1),
        ("[2, [3, 4]", "[2, 4]", 1),
        ("[2, \"3, 4]", "[2, 4]", 1),
        ("[2, 3\", 4]", "[2, 4]", 1),
        ("[2, [[, {{, 4]", "[2, 4]", 2),
    ] {
        for other in ["", ", \"x\": \"y\""] {
            let input =
                format!("{{\"address\": 1, \"type\": \"a\", \"size\": 1, \"refs\": {refs}{other}}}\n{A}");
            let row = format!("1 a 1 - - - {kept}");
            check(input, &[&row, A_ROW], &vec!["bad_reference 1 0"; n_issues]);
        }
    }
    // Many are as many issues.
    let refs: Vec<String> =
        (0..2000).map(|i| if i % 2 == 0 { i.to_string() } else { format!("-{i}") }).collect();
    let input = format!(r#"{{"address": 1, "type": "a", "size": 1, "refs": [{}]}}"#, refs.join(", "));
    let batch = parse(input.as_bytes(), &TypeTable::default());
    assert_eq!(batch.issues.len(), 1000);
    assert_eq!(batch.iter().next().unwrap().1.refs.len(), 1000);
}

#[test]
fn labels_and_weak_references_stay_with_theirs() {
    let types = TypeTable::default();
    for (refs, row) in [
        ("[2, 3, 4]", "1 .a .b .c [1] -"),
        ("[2, x, 4]", "1 .a .c [] -"),
        ("[-2, 3, 4]", "1 .b .c [0] -"),
        ("[-2, 3, null]", "1 .b [0] -"),
        ("[2, {3, 4]", "1 .a .c [] -"),
        ("[2 3, 4]", "1 .a .b .c [1] -"),
    ] {
        let labels = r#""labels": [".a", ".b", ".c"], "weak": [1]"#;
        let input = format!(r#"{{"address": 1, "type": "a", "size": 16, "refs": {refs}, {labels}}}"#);
        let batch = parse(input.as_bytes(), &types);
        assert_eq!(captured(&batch), [row], "{input}");
        let kinds = issues(&batch);
        assert!(kinds.iter().all(|kind| kind == "bad_reference 1 0"), "{input} {kinds:?}");
    }
    // One too few for what the dump has.
    let input = r#"{"address": 1, "type": "a", "size": 16, "refs": [2, , 4], "labels": [".a", ".b", ".c"]}"#;
    let batch = parse(input.as_bytes(), &types);
    assert_eq!(captured(&batch), ["1 - - [] -"]);
    assert_eq!(issues(&batch), ["bad_reference 1 0", "bad_label 1 0"]);
}

#[test]
fn texts_that_need_repair() {
    let value = |v: &str| format!(r#"{{"address": 1, "type": "s", "size": 1, "value": "{v}", "refs": []}}"#);
    check(value(r"\u00ff\u0000"), &["1 s 1 - - \"ÿ\\0\" []"], &[]);
    check(value(r"\ud800"), &["1 s 1 - - \"\u{fffd}\" []"], &["lone_surrogate 1 0"]);
    check(value(r"\q"), &[r#"1 s 1 - - "\\q" []"#], &["bad_escape 1 0"]);
    let mut invalid = value("x").into_bytes();
    let x = invalid.iter().rposition(|&b| b == b'x').unwrap();
    invalid[x] = 0xff;
    check(invalid, &["1 s 1 - - \"\u{fffd}\" []"], &["invalid_utf8 1 0"]);
    check(value("a\0b"), &["1 s 1 - - \"a\\0b\" []"], &[]);
}

#[test]
fn unescaped_quotes_of_bug_876810() {
    let value = |v: &str| format!(r#"{{"address": 1, "type": "s", "size": 1, "value": "{v}", "refs": [2]}}"#);
    let at = value("").find(r#"", "refs"#).unwrap();
    let issue = format!("unescaped_quote 1 {at}");
    for (text, shown) in [
        (r#"say "hi""#, r#""say \"hi\"""#),
        (r#"a", "b"#, r#""a\", \"b""#),
        (r#"""#, r#""\"""#),
        (r#"x", "refs": [no"#, r#""x\", \"refs\": [no""#),
    ] {
        check(format!("{}\n{A}", value(text)), &[&format!("1 s 1 - - {shown} [2]"), A_ROW], &[&issue]);
    }
    check(
        r#"{"address": 1, "type": "s", "size": 1, "value": "a"b"}"#,
        &[r#"1 s 1 - - "a\"b" []"#],
        &["unescaped_quote 1 49"],
    );
}

#[test]
fn a_backslash_that_swallows_the_closing_quote() {
    check(
        r#"{"address": 1, "type": "s", "size": 1, "value": "a\", "refs": [2]}"#,
        &[r#"1 s 1 - - "a\\" [2]"#],
        &["bad_escape 1 0", "unescaped_quote 1 49"],
    );
}

#[test]
fn damage_costs_its_line_and_no_other() {
    for damaged in [
        "x",
        "{",
        "{}",
        "{]",
        "nul\0\0\0",
        r#"{"address": 1, "type": "a"#,
        r#"{"address" 1}"#,
        r#"{"address": 1 "type": "a"}"#,
        "\u{1}",
    ] {
        let input = format!("{A}\n{damaged}\n{B}\n");
        check(&input, &[A_ROW, B_ROW], &[&format!("malformed 2 {}", A.len() + 1)]);
    }
}

#[test]
fn an_object_after_a_cut_one_on_the_same_line_is_kept() {
    check(format!("{}{B}\n{A}", &A[..20]), &[B_ROW, A_ROW], &["malformed 1 0"]);
}

#[test]
fn repeated_fields_are_reported() {
    check(
        r#"{"address": 1, "type": "a", "size": 1, "size": 2}"#,
        &["1 a 1 - - - []"],
        &["repeated_field 1 0"],
    );
}

#[test]
fn every_truncation_keeps_what_is_before_and_says_so() {
    let whole = format!("{A}\n{B}\n{A}");
    for end in 0..whole.len() {
        let types = TypeTable::default();
        let batch = parse(&whole.as_bytes()[..end], &types);
        let n_whole = [A.len(), A.len() + 1 + B.len()].iter().filter(|&&length| end >= length).count();
        let cut = ![0, A.len(), A.len() + 1, A.len() + 1 + B.len(), A.len() + B.len() + 2].contains(&end);
        assert_eq!(objects(&batch, &types), [A_ROW, B_ROW][..n_whole], "{end}");
        let kinds: Vec<_> = batch.issues.iter().map(|issue| issue.kind).collect();
        assert_eq!(kinds, [IssueKind::Truncated].repeat(usize::from(cut)), "{end}");
    }
}

#[test]
fn hostile_inputs_take_linear_time() {
    // Each of these once meant a scan to the end of the block per object.
    for unit in [
        r#"{"address""#,
        "{\"a\":[\n",
        "{\"address\":[",
        "\"",
        "{",
        "[\n{\"a\":\"",
        "{\"value\": \"\", \"refs\"",
        "{\"refs\":[}",
        "{\"refs\":[\"",
        "{\"refs\":[[[{",
    ] {
        let input = unit.repeat(4_000_000 / unit.len());
        let types = TypeTable::default();
        assert_eq!(parse(input.as_bytes(), &types).len(), 0, "{unit}");
    }
    let depth = 200_000;
    let nested = format!("[{}{}]", "[,".repeat(depth), "]x".repeat(depth));
    let input = format!(r#"{{"address": 1, "type": "a", "size": 1, "refs": {nested}}}"#);
    assert_eq!(issues(&parse(input.as_bytes(), &TypeTable::default())), ["bad_reference 1 0"]);
}

/// A small fuzzer with a fixed seed; the real one is in the folder `fuzz`.
#[test]
fn mutations_of_good_lines_never_panic() {
    let seed = format!(
        "[{A},\n{B}\n{}\n{}]",
        r#"{"address": 3, "type": "module", "size": 56, "name": "a\u00e9\ud83d\ude00", "value": "say "hi"", "refs": [1]}"#,
        r#"{"x": {"y": [1, {"z": "}]"}]}, "size": 1e3, "type": "a", "address": "0x10", "refs": [2, 3], "w": null}"#,
    );
    let pieces: [&[u8]; 12] =
        [b"\"", b"\\", b"{", b"}", b"[", b"]", b",", b"\n", b"\\u", b"\xff", b"9999999999", b"{\"address\""];
    let mut state = 1_u64;
    let mut random = move |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    let types = TypeTable::default();
    for _ in 0..20_000 {
        let mut input = seed.clone().into_bytes();
        for _ in 0..1 + random(4) {
            if input.is_empty() {
                break;
            }
            let at = random(input.len());
            match random(4) {
                0 => input[at] = random(256) as u8,
                1 => drop(input.drain(at..(at + random(30)).min(input.len()))),
                2 => drop(input.splice(at..at, pieces[random(pieces.len())].iter().copied())),
                _ => input.truncate(at + 1),
            }
        }
        let batch = parse(&input, &types);
        // Reads every text and reference.
        let rows = objects(&batch, &types);
        assert!(
            !rows.is_empty() || !batch.issues.is_empty() || !input.contains(&b'{'),
            "{}",
            String::from_utf8_lossy(&input)
        );
    }
}

// The whole way: blocks, threads, compression.

#[derive(Debug, PartialEq)]
struct Outcome {
    objects: Vec<String>,
    issues: Vec<String>,
}

fn read_all(input: Vec<u8>, block_bytes: usize, keep_going: bool) -> Result<Outcome, String> {
    let types = TypeTable::default();
    let cancel = AtomicBool::new(false);
    let options = ReadOptions {
        keep_going,
        threads: 2,
        block_bytes,
        max_object_bytes: 1 << 20,
        fields: true,
        part: None,
        layout: Default::default(),
        work_folder: &std::env::temp_dir(),
        cancel: &cancel,
        bytes_read: Default::default(),
    };
    let mut outcome = Outcome { objects: Vec::new(), issues: Vec::new() };
    let summary = read(Source::stream(io::Cursor::new(input)), None, &options, &types, &mut |batch| {
        outcome.objects.extend(objects(&batch, &types));
        outcome
            .issues
            .extend(batch.issues.iter().map(|i| format!("{} {} {}", i.kind, i.line.unwrap(), i.offset)));
        Ok(())
    });
    summary.map_err(|error| error.to_string())?;
    Ok(outcome)
}

fn lines(n: usize) -> (String, Vec<String>) {
    let line = |i: usize| {
        format!(r#"{{"address": {i}, "type": "t{}", "size": {i}, "value": "v{i}", "refs": [{i}, 0]}}"#, i % 7)
    };
    let row = |i: usize| format!(r#"{i} t{} {i} - - "v{i}" [{i}, 0]"#, i % 7);
    ((0..n).map(|i| line(i) + "\n").collect(), (0..n).map(row).collect())
}

#[test]
fn blocks_of_any_size_give_the_same_rows() {
    let (text, rows) = lines(100);
    let one_line = format!("[{}]", text.trim_end().replace('\n', ", "));
    let indented = one_line.replace("{\"", "{\n  \"").replace(", \"", ",\n  \"").replace("]}", "]\n}");
    let zero_indent = indented.replace("\n  ", "\n");
    for input in
        [text.clone(), text.replace('\n', "\r\n"), one_line, indented, zero_indent, format!("\u{feff}{text}")]
    {
        for block_bytes in [1, 7, 64, 200, 1000, 1 << 20] {
            let outcome = read_all(input.clone().into_bytes(), block_bytes, false);
            assert_eq!(
                outcome,
                Ok(Outcome { objects: rows.clone(), issues: vec![] }),
                "{block_bytes} {input:.300}"
            );
        }
    }
}

#[test]
fn zero_bytes_at_the_end_are_padding() {
    let (text, rows) = lines(30);
    let zeros = |n: usize| "\0".repeat(n);
    let crlf = text.replace('\n', "\r\n");
    let array = format!("[{}]", text.trim_end().replace('\n', ", "));
    for n_zeros in [1, 511, 5_000] {
        for input in [
            format!("{text}{}", zeros(n_zeros)),
            format!("{}{}", text.trim_end(), zeros(n_zeros)),
            format!("{crlf}{}", zeros(n_zeros)),
            format!("{array}{}\r\n", zeros(n_zeros)),
            format!("{text}{}\n \n{}\n", zeros(n_zeros), zeros(7)),
        ] {
            for block_bytes in [1, 64, 1000, 1 << 20] {
                let outcome = read_all(input.clone().into_bytes(), block_bytes, false);
                let whole = Outcome { objects: rows.clone(), issues: vec![] };
                assert_eq!(outcome, Ok(whole), "{n_zeros} {block_bytes}");
            }
        }
    }
}

#[test]
fn zero_bytes_before_other_data_are_an_issue() {
    let (text, rows) = lines(30);
    let offset = text.match_indices('\n').nth(19).unwrap().0 + 1;
    for n_zeros in [1, 5_000] {
        for between in ["", "\n", "\n \0\0"] {
            let zeros = "\0".repeat(n_zeros);
            let input = format!("{}{zeros}{between}{}", &text[..offset], &text[offset..]);
            for block_bytes in [1, 64, 1000, 1 << 20] {
                let outcome = read_all(input.clone().into_bytes(), block_bytes, true).unwrap();
                assert_eq!(outcome.objects, rows);
                assert_eq!(
                    outcome.issues,
                    [format!("malformed 21 {offset}")],
                    "{n_zeros} {block_bytes} {between:?}"
                );
                let error = read_all(input.clone().into_bytes(), block_bytes, false).unwrap_err();
                assert!(error.contains("zero bytes are followed by other data"), "{error}");
            }
        }
    }
}

#[test]
fn a_dump_cut_and_padded_says_so() {
    let (text, rows) = lines(3);
    let ends = text.match_indices('\n').map(|(at, _)| at).collect::<Vec<_>>();
    for end in 1..text.len() {
        // Between two objects a cut cannot be noticed.
        let is_between = ends.iter().any(|newline| (*newline..=newline + 1).contains(&end));
        for n_zeros in [1, 5_000] {
            let input = format!("{}{}", &text[..end], "\0".repeat(n_zeros)).into_bytes();
            for block_bytes in [64, 1 << 20] {
                let strict = read_all(input.clone(), block_bytes, false);
                assert_eq!(strict.is_ok(), is_between, "{end} {n_zeros} {block_bytes}");
                if let Ok(outcome) = read_all(input.clone(), block_bytes, true) {
                    assert!(rows.starts_with(&outcome.objects), "{end}");
                    assert_eq!(outcome.issues.is_empty(), is_between, "{end} {:?}", outcome.issues);
                }
            }
        }
    }
}

#[test]
fn padding_and_crlf_of_captures_and_compressed_streams() {
    let capture =
        String::from_utf8(written("a @16 16 -.x-> b; b @32 16; root(r) a", Heap::write_capture)).unwrap();
    let crlf = capture.replace('\n', "\r\n");
    let padding = vec![0; 1024];
    for text in [capture, crlf] {
        let mut inputs = compressed(text.as_bytes());
        inputs.push(("none", text.into_bytes()));
        for (name, stream) in inputs {
            let whole = read_all(stream.clone(), 100, false).unwrap();
            assert_eq!((whole.objects.len(), whole.issues.len()), (2, 0), "{name}");
            assert_eq!(read_all([&stream[..], &padding].concat(), 100, false), Ok(whole), "{name}");
            let garbage = [&stream[..], &padding, b"garbage"].concat();
            assert!(read_all(garbage.clone(), 100, false).is_err(), "{name}");
            assert_eq!(
                read_all(garbage, 100, true).unwrap().issues.len(),
                if name == "none" { 2 } else { 1 },
                "{name}"
            );
        }
    }
}

#[test]
fn positions_count_from_the_start_of_the_input() {
    let (text, rows) = lines(50);
    let offset = text.match_indices('\n').nth(29).unwrap().0 + 1;
    let damaged = format!("{}oops\n{}", &text[..offset], &text[offset..]);
    for block_bytes in [1, 100, 1 << 20] {
        let outcome = read_all(damaged.clone().into_bytes(), block_bytes, true);
        let issues = vec![format!("malformed 31 {offset}")];
        assert_eq!(outcome, Ok(Outcome { objects: rows.clone(), issues }), "{block_bytes}");
        let error = read_all(damaged.clone().into_bytes(), block_bytes, false).unwrap_err();
        assert!(error.starts_with(&format!("line 31, byte {offset}: ")), "{error}");
    }
}

fn compressed(input: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(input).unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    xz.write_all(input).unwrap();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(input).unwrap();
    vec![
        ("gzip", gzip.finish().unwrap()),
        ("zstd", zstd::encode_all(input, 1).unwrap()),
        ("xz", xz.finish().unwrap()),
        ("bzip2", bzip2.finish().unwrap()),
    ]
}

#[test]
fn every_compression_in_one_or_two_members() {
    let (text, rows) = lines(60);
    let (head, tail) = text.split_at(text.len() / 2);
    for ((name, whole), (_, mut halves)) in
        compressed(text.as_bytes()).into_iter().zip(compressed(head.as_bytes()))
    {
        halves.extend(compressed(tail.as_bytes()).into_iter().find(|(other, _)| *other == name).unwrap().1);
        for input in [whole, halves] {
            let outcome = read_all(input, 500, false);
            assert_eq!(outcome, Ok(Outcome { objects: rows.clone(), issues: vec![] }), "{name}");
        }
    }
}

#[test]
fn a_cut_stream_is_an_error_or_an_issue_at_every_byte() {
    let (text, rows) = lines(40);
    for (name, whole) in compressed(text.as_bytes()) {
        for end in 8..whole.len() {
            let strict = read_all(whole[..end].to_vec(), 500, false);
            assert!(strict.is_err(), "{name} cut at {end} of {} went unnoticed", whole.len());
            if let Ok(outcome) = read_all(whole[..end].to_vec(), 500, true) {
                assert!(rows.starts_with(&outcome.objects), "{name} {end}");
                assert!(outcome.issues.iter().all(|issue| issue.starts_with("truncated")), "{name} {end}");
                assert_eq!(outcome.issues.len(), 1, "{name} {end}");
            }
        }
    }
}

#[test]
fn what_is_not_a_dump_is_refused() {
    for (input, what) in [
        (&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], "PNG"),
        (b"\x7fELF\x02\x01\x01", "ELF"),
        (b"SQLite format 3\0", "SQLite"),
        (b"\xff\xfe{\0\"\0", "UTF-16"),
        (b"{\0\"\0a\0", "UTF-16"),
        (b"hello\nworld\n", "not a heap dump"),
        (b"{\"a\": 1}\n", "not a heap dump"),
        (b"", "no object"),
        (b"\n\n", "no object"),
        (b"[]", "no object"),
        (b"{\"size\": 1}", "no address"),
        (&[0; 5000], "not a heap dump"),
    ] {
        for keep_going in [false, true] {
            let error = read_all(input.to_vec(), 1000, keep_going).unwrap_err();
            assert!(error.contains(what), "{error}");
        }
    }
}

#[test]
fn an_open_array_is_reported() {
    assert!(
        read_all(format!("[\n{A},\n{B}").into_bytes(), 10, false).unwrap_err().starts_with("line 3, byte")
    );
    let outcome = read_all(format!("[\n{A},\n{B}\n").into_bytes(), 10, true).unwrap();
    assert_eq!(outcome.issues, [format!("truncated 4 {}", A.len() + B.len() + 5)]);
}

#[test]
fn an_object_larger_than_allowed_is_an_error() {
    let input = format!(
        r#"{{"address": 1, "type": "s", "size": 1, "value": "{}", "refs": []}}"#,
        "x".repeat(2 << 20)
    );
    let error = read_all(input.into_bytes(), 1000, true).unwrap_err();
    assert!(error.contains("the memory limit"), "{error}");
}

#[test]
fn a_failing_disk_is_an_error_even_when_damage_is_skipped() {
    struct Failing(usize);
    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some(left) = self.0.checked_sub(1) else { return Err(io::Error::other("disk on fire")) };
            self.0 = left;
            format!("{A}\n").as_bytes().read(buffer)
        }
    }
    let cancel = AtomicBool::new(false);
    let options = ReadOptions {
        keep_going: true,
        threads: 1,
        block_bytes: 200,
        max_object_bytes: 1 << 20,
        fields: true,
        part: None,
        layout: Default::default(),
        work_folder: &std::env::temp_dir(),
        cancel: &cancel,
        bytes_read: Default::default(),
    };
    let result = read(Source::stream(Failing(10)), None, &options, &TypeTable::default(), &mut |_| Ok(()));
    assert!(result.unwrap_err().to_string().contains("disk on fire"));
}

#[test]
fn cancelling_ends_a_read_that_waits_for_input() {
    struct Waiting;
    impl Read for Waiting {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            std::thread::sleep(std::time::Duration::from_secs(3600));
            Ok(0)
        }
    }
    let cancel = AtomicBool::new(true);
    let options = ReadOptions {
        keep_going: false,
        threads: 1,
        block_bytes: 100,
        max_object_bytes: 100,
        fields: true,
        part: None,
        layout: Default::default(),
        work_folder: &std::env::temp_dir(),
        cancel: &cancel,
        bytes_read: Default::default(),
    };
    let result = read(Source::stream(Waiting), None, &options, &TypeTable::default(), &mut |_| Ok(()));
    assert!(matches!(result, Err(Error::Cancelled)));
}

/// The dump of a heap in the fixture language.
fn written(heap: &str, write: fn(&Heap, &mut Vec<u8>) -> io::Result<()>) -> Vec<u8> {
    let mut dump = Vec::new();
    write(&Heap::parse(heap).unwrap(), &mut dump).unwrap();
    dump
}

/// Labels, weak references and roots as text, a row a line.
fn captured(records: &Records) -> Vec<String> {
    let label = |label: Option<&[u8]>| {
        label.map_or("-".to_owned(), |label| String::from_utf8(label.to_vec()).unwrap())
    };
    let one = |(_, record): (usize, Record<'_>)| {
        let labels: Vec<String> =
            (0..record.refs.len()).map(|position| label(record.label(position))).collect();
        let weak: Vec<u32> = record.kinds().map(|(position, _)| position).collect();
        let root = records.roots.iter().find(|(address, _)| *address == record.address);
        format!("{} {} {weak:?} {}", record.address, labels.join(" "), root.map_or("-", |(_, kind)| kind))
    };
    records.iter().map(one).collect()
}

#[test]
fn labels_weak_references_and_roots_on_both_paths() {
    let heap =
        "a @1 16 -.x-> b -> c; b @2 16; c @3 16 ~> a -['\"']-> b ~.x~> c; d @4 16 -> a; root(r) a; root(s) b";
    let fast = String::from_utf8(written(heap, Heap::write_capture)).unwrap();
    let rows = ["1 .x - [] r", "2  [] s", "3 - ['\"'] .x [0, 2] -", "4 - [] -"];
    let types = TypeTable::default();
    for input in [
        fast.clone(),
        fast.replace("\"size\": 16", "\"size\":16"),
        fast.replace(", \"", ",\""),
        fast.replace("\"refs\": []", "\"refs\": [], \"weak\": []"),
    ] {
        let batch = parse(input.as_bytes(), &types);
        assert_eq!(captured(&batch), rows, "{input}");
        assert_eq!(issues(&batch), [""; 0], "{input}");
        assert_eq!(batch.labels().text_len(), ".x['\"']".len());
    }
}

#[test]
fn labels_that_do_not_fit_are_left_out_and_said() {
    let types = TypeTable::default();
    for (fields, row) in [
        (r#""refs": [2, 3], "labels": [".x"]"#, "1 - - [] -"),
        (r#""refs": [2], "labels": [".x", ".y"]"#, "1 - [] -"),
        (r#""refs": [2], "labels": [1]"#, "1 - [] -"),
        (r#""refs": [2], "labels": [".x",]"#, "1 - [] -"),
        (r#""refs": [2], "labels": {}"#, "1 - [] -"),
        (r#""refs": [2], "weak": [1]"#, "1 - [] -"),
        (r#""refs": [2, 3], "weak": [1, 1]"#, "1 - - [] -"),
        (r#""refs": [2], "root": []"#, "1 - [] -"),
    ] {
        let input = format!("{{\"address\": 1, \"type\": \"a\", \"size\": 16, {fields}}}");
        let batch = parse(input.as_bytes(), &types);
        assert_eq!(captured(&batch), [row], "{input}");
        assert_eq!(issues(&batch), ["bad_label 1 0"], "{input}");
    }
}

#[test]
fn random_heaps_are_read_as_they_were_written() {
    for seed in 0..40 {
        for heap in [Heap::random(seed, 25), Heap::random_capture(seed, 25)] {
            let types = TypeTable::default();
            let mut dump = Vec::new();
            heap.write(&mut dump).unwrap();
            let records = parse(&dump, &types);
            assert_eq!((issues(&records), records.len()), (vec![], heap.objects.len()), "{heap}");
            let names = types.names();
            let text = |text: Option<&[u8]>| text.map(|text| String::from_utf8(text.to_vec()).unwrap());
            let objects = records.iter().map(|(_, record)| Object {
                address: record.address,
                type_name: names[record.type_id as usize].to_string(),
                size: record.size.unwrap() as u64,
                len: record.len.map(|len| len as u64),
                name: text(record.name),
                value: text(record.value),
                refs: record.refs.iter().collect(),
                labels: (0..record.refs.len()).map(|position| text(record.label(position))).collect(),
                weak: record.kinds().map(|(position, _)| position as usize).collect(),
                root: records
                    .roots
                    .iter()
                    .find(|(address, _)| *address == record.address)
                    .map(|(_, kind)| kind.clone()),
            });
            assert_eq!(Heap { objects: objects.collect() }.to_string(), heap.to_string());
        }
    }
}

#[test]
fn captures_cut_or_changed_anywhere_never_panic() {
    let capture = written("a @16 16 -\"\\u{e9}\"-> a ~> a; root(r) a", Heap::write_capture);
    let types = TypeTable::default();
    for at in 0..capture.len() {
        parse(&capture[..at], &types);
        for byte in *b"\"\\[]{},:0 n\n\xff" {
            let mut changed = capture.clone();
            changed[at] = byte;
            for (_, record) in parse(&changed, &types).iter() {
                assert!(record.kinds().all(|(position, _)| (position as usize) < record.refs.len()));
                let labels = (0..record.refs.len()).filter_map(|position| record.label(position));
                assert!(labels.map(std::str::from_utf8).all(|label| label.is_ok()));
            }
        }
    }
}
