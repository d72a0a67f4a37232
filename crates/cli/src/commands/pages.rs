//! Pictures alone as pages: one HTML file each, with the components of the report.

use std::{io::Write as _, path::Path};

use anyhow::{Result, bail};
use heaplake_answers::{
    FrameMeasure, FrameQuestion, FramesBy,
    report::{ReportContent, ReportPart, ReportPicture, ReportSource, TreePicture},
};
use heaplake_draw::Heading;

use crate::{
    console::{Console, shell_quoted},
    output::Sink,
};

/// What a picture in a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChartFormat {
    /// A picture without a script.
    Svg,
    /// A page.
    Html,
}

impl ChartFormat {
    /// By the ending of the file.
    pub fn of(path: &Path) -> Result<Self> {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        match ending.to_ascii_lowercase().as_str() {
            "svg" => Ok(Self::Svg),
            "html" | "htm" => Ok(Self::Html),
            _ => bail!("the ending of {} names no format of a picture; .svg and .html do", path.display()),
        }
    }
}

/// A picture as a page, with what stands above it and how to get its figures.
pub fn page(
    heading: Heading,
    part_title: &str,
    source: ReportSource,
    content: ReportContent,
) -> Result<String> {
    let Heading { title, subtitle, notes } = heading;
    let part = ReportPart { id: "picture".to_owned(), title: part_title.to_owned(), source, content };
    Ok(heaplake_report::picture_html(&ReportPicture::new(title, subtitle, notes, part))?)
}

/// Writes a picture to its file, and says so.
pub fn write(picture: &str, path: &Path, what: &str, console: &Console) -> Result<()> {
    let mut sink = Sink::file(path)?;
    sink.write_all(picture.as_bytes())?;
    sink.commit()?;
    console.note(&format!("{}: {what}", path.display()));
    Ok(())
}

/// The command that draws frames of a dump as a page.
pub fn frames_command(
    question: &FrameQuestion,
    picture: TreePicture,
    dump: &str,
    layer: Option<&str>,
    console: &Console,
) -> String {
    let name = match picture {
        TreePicture::Flame => "flamegraph",
        TreePicture::Treemap => "treemap",
    };
    let mut words = match &question.compared {
        Some((before, after)) => format!("{name} --diff {} {}", shell_quoted(before), shell_quoted(after)),
        None => format!("{name} {}", shell_quoted(dump)),
    };
    if let Some(layer) = layer {
        words += &format!(" --layer {}", shell_quoted(layer));
    }
    if question.by == FramesBy::Dominator {
        words += " --by dominator";
    }
    if question.measure == FrameMeasure::Objects {
        words += " --count";
    }
    if question.depth < u32::MAX {
        words += &format!(" --depth {}", question.depth);
    }
    if let Ok(n) = u32::try_from(question.max_frames) {
        words += &format!(" -n {n}");
    }
    // Shares are what was given as percent.
    let percent = (question.min_share * 1e8).round() / 1e6;
    format!("{} {words} --min {percent} -o {name}.html", console.command())
}
