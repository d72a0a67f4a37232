//! The page of a report or of a picture: one file with its script, its style and its data.
//!
//! `page/` has the sources of the script; `page/dist` what esbuild makes of them, which is committed, so that a build needs no
//! npm. The content policy allows exactly this script and this style, by their hashes: whatever a dump contains cannot run,
//! and nothing is loaded or sent.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use heaplake_answers::{
    Result,
    report::{Report, ReportPicture},
};
use sha2::{Digest as _, Sha256};

const SCRIPT: &str = include_str!("../page/dist/report.js");
const STYLE: &str = include_str!("../page/dist/report.css");

/// The report as an HTML file.
pub fn html(report: &Report) -> Result<String> {
    Ok(page("report", report.heaplake, &report.title, &report.verdict, &report.json()?))
}

/// A picture alone as an HTML file.
pub fn picture_html(picture: &ReportPicture) -> Result<String> {
    Ok(page("picture", picture.heaplake, &picture.title, &picture.about, &picture.json()?))
}

/// A page of data. `what` it is, its title and the sentence about it are there for those who run no scripts.
fn page(what: &str, heaplake: &str, title: &str, about: &str, json: &str) -> String {
    let data = in_script(json);
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
        hash(SCRIPT),
        hash(STYLE)
    );
    let (title, about) = (escaped(title), escaped(about));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"generator\" content=\"heaplake {}\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <div id=\"report\"><h1>{title}</h1><p>{about}</p>\
         <noscript><p>This {what} is drawn by a script that is part of the file; scripts are switched off.</p></noscript></div>\n\
         <script id=\"data\" type=\"application/json\">{data}</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
        escaped(heaplake)
    )
}

fn hash(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text.as_bytes()))
}

/// JSON that stays within a `script` element and within a line of it, and still means the same.
fn in_script(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + json.len() / 16);
    for c in json.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            c => out.push(c),
        }
    }
    out
}

/// Text as HTML, also inside of quotes; what turns lines around or cannot be seen is written out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in heaplake_answers::escape::line(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn data_cannot_end_its_element() {
        let text = serde_json::to_string("</script><!--<script>&\u{2028}\u{2029}").expect("JSON");
        let shown = in_script(&text);
        assert!(!shown.contains(['<', '>', '&', '\u{2028}', '\u{2029}']), "{shown}");
        let back: String = serde_json::from_str(&shown).expect("JSON");
        assert_eq!(back, "</script><!--<script>&\u{2028}\u{2029}");
    }

    #[test]
    fn a_title_is_text() {
        assert_eq!(
            escaped("<b onclick='x'>\"&\u{202e}"),
            "&lt;b onclick=&#39;x&#39;&gt;&quot;&amp;\\u{202e}"
        );
    }

    #[test]
    fn the_script_cannot_end_its_element_and_loads_nothing() {
        for text in [SCRIPT, STYLE] {
            assert!(!text.contains("</script") && !text.contains("<!--") && !text.contains("</style"));
        }
        for word in ["eval(", "new Function", "fetch(", "XMLHttpRequest", "document.write"] {
            assert!(!SCRIPT.contains(word), "{word}");
        }
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
    }

    #[test]
    fn the_page_makes_no_html_of_texts() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("page/src");
        let sources = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
        let sources: Vec<String> = sources.collect();
        assert!(sources.len() > 5);
        // The library that makes elements can set HTML where it is asked to by such a name.
        for word in ["innerHTML", "outerHTML", "InnerHTML", "insertAdjacentHTML", "createContextualFragment"]
        {
            assert!(!sources.iter().any(|text| text.contains(word)), "{word}");
        }
    }
}
