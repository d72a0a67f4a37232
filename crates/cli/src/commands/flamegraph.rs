//! `heaplake flamegraph` and `heaplake treemap`: what holds the memory of a dump, or what grew, as a picture or as a file for
//! the tools that people have for profiles.

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::Path,
    process::ExitCode,
};

use anyhow::{Result, bail};
use heaplake_answers::{
    Frame, FrameKind, FrameMeasure, FrameQuestion, FrameTree, FramesBy, Session,
    encode::Encoding,
    report::{ReportContent, ReportSource, ReportTree, TreePicture},
    stacks,
};
use heaplake_draw::{Heading, Tile, Tone, WIDTH, flame_graph, treemap};

use super::pages;
use crate::{
    args::{FlamegraphArgs, FramesArgs, FramesFormat, TreemapArgs, TreemapFormat},
    console::Console,
    escape, human, interrupt,
    output::Sink,
    query, selection,
};

/// Frames of a picture, where nobody asks for another number.
const FRAMES_OF_PICTURE: u32 = 2000;
/// Percent of the whole below which a frame of a picture is folded.
const MIN_OF_PICTURE: f64 = 0.05;
/// Levels of objects: below so many there is little, and each costs a search for names.
const DEPTH_OF_OBJECTS: u32 = 12;
/// Height of a treemap in pixels.
const TREEMAP_HEIGHT: u32 = 640;
/// Characters of a name that a picture has in a title, and of a holder.
const MAX_CHARS: usize = 200;
const MAX_HOLDER_CHARS: usize = 1000;

/// Draws a flame graph, or writes its frames for another tool.
pub fn run(args: &FlamegraphArgs, console: &Console) -> Result<ExitCode> {
    let output = args.frames.output.as_deref();
    let format = match (args.format, output.and_then(Path::file_name).and_then(|name| name.to_str())) {
        (Some(format), _) => format,
        (None, Some(name)) => format_of(name)?,
        (None, None) => FramesFormat::Svg,
    };
    let is_picture = matches!(format, FramesFormat::Svg | FramesFormat::Html);
    refuse_terminal(output, is_picture || format == FramesFormat::Pprof)?;
    let (tree, question) = frames(&args.frames, args.diff.as_deref(), is_picture, console)?;
    let bytes = match format {
        FramesFormat::Svg => {
            let (heading, tiles) = picture(&tree, &question);
            flame_graph(&heading, &tiles, WIDTH).into_bytes()
        }
        FramesFormat::Html => page(&tree, &question, TreePicture::Flame, &args.frames, console)?,
        FramesFormat::Folded => stacks::folded(&tree, question.measure).into_bytes(),
        FramesFormat::Speedscope => stacks::speedscope(&tree)?.into_bytes(),
        FramesFormat::Pprof => stacks::pprof(&tree)?,
        FramesFormat::Json => json(&tree)?,
    };
    write(&bytes, output, &tree, console)
}

/// Draws a treemap, or writes its tiles as data.
pub fn run_treemap(args: &TreemapArgs, console: &Console) -> Result<ExitCode> {
    let output = args.frames.output.as_deref();
    let format = match (args.format, output.and_then(Path::file_name).and_then(|name| name.to_str())) {
        (Some(format), _) => format,
        (None, Some(name)) => match format_of(name)? {
            FramesFormat::Svg => TreemapFormat::Svg,
            FramesFormat::Html => TreemapFormat::Html,
            FramesFormat::Json => TreemapFormat::Json,
            FramesFormat::Folded | FramesFormat::Speedscope | FramesFormat::Pprof => {
                bail!("{name:?} names a format of flame graphs; a treemap is written as .svg, .html or .json")
            }
        },
        (None, None) => TreemapFormat::Svg,
    };
    let is_picture = format != TreemapFormat::Json;
    refuse_terminal(output, is_picture)?;
    let (tree, question) = frames(&args.frames, args.diff.as_deref(), is_picture, console)?;
    let bytes = match format {
        TreemapFormat::Svg => {
            let (heading, tiles) = picture(&tree, &question);
            treemap(&heading, &tiles, WIDTH, TREEMAP_HEIGHT).into_bytes()
        }
        TreemapFormat::Html => page(&tree, &question, TreePicture::Treemap, &args.frames, console)?,
        TreemapFormat::Json => json(&tree)?,
    };
    write(&bytes, output, &tree, console)
}

fn format_of(name: &str) -> Result<FramesFormat> {
    let name = name.to_ascii_lowercase();
    let has = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    Ok(match () {
        // Standard output.
        () if name == "-" => FramesFormat::Svg,
        () if has(&[".svg"]) => FramesFormat::Svg,
        () if has(&[".html", ".htm"]) => FramesFormat::Html,
        () if has(&[".folded", ".collapsed", ".txt"]) => FramesFormat::Folded,
        () if has(&[".speedscope.json"]) => FramesFormat::Speedscope,
        () if has(&[".json"]) => FramesFormat::Json,
        () if has(&[".pb.gz", ".pprof"]) => FramesFormat::Pprof,
        () => bail!(
            "the ending of {name:?} names no format; .svg, .html, .folded, .speedscope.json, .pb.gz and .json do, or --format"
        ),
    })
}

fn refuse_terminal(output: Option<&Path>, is_for_files: bool) -> Result<()> {
    let to_stdout = output.is_none_or(|path| path == Path::new("-"));
    if is_for_files && to_stdout && io::stdout().is_terminal() {
        bail!("a picture is not for a terminal; write it to a file with -o FILE");
    }
    Ok(())
}

/// Asks for the frames.
fn frames(
    args: &FramesArgs,
    diff: Option<&[String]>,
    is_picture: bool,
    console: &Console,
) -> Result<(FrameTree, FrameQuestion)> {
    interrupt::install()?;
    let by = FramesBy::from(args.by);
    let compared = match diff {
        Some([before, after]) => Some((before.clone(), after.clone())),
        _ => None,
    };
    let depth = if by == FramesBy::Dominator { DEPTH_OF_OBJECTS } else { u32::MAX };
    let session = session(args, compared.as_ref(), by, console)?;
    let (most, least) = if is_picture { (FRAMES_OF_PICTURE, MIN_OF_PICTURE) } else { (u32::MAX, 0.0) };
    let question = FrameQuestion {
        by,
        compared,
        measure: if args.count { FrameMeasure::Objects } else { FrameMeasure::Bytes },
        depth: args.depth.unwrap_or(depth),
        max_frames: args.n.unwrap_or(most) as usize,
        min_share: args.min.unwrap_or(least) / 100.0,
    };
    Ok((question.answer(&session)?, question))
}

fn session(
    args: &FramesArgs,
    compared: Option<&(String, String)>,
    by: FramesBy,
    console: &Console,
) -> Result<Session> {
    if args.graph.layer.is_some() && by == FramesBy::Holder {
        bail!("a layer has no totals by holder; draw its objects with --by dominator");
    }
    match compared {
        Some(_) if by == FramesBy::Holder => {
            query::of_lake(&selection::open(console)?, args.graph.memory_limit, console)
        }
        // The objects are those of the later dump.
        Some((_, after)) => Ok(query::of_dump(Some(after), &args.graph, console)?.0),
        None => Ok(query::of_dump(args.dump.as_deref(), &args.graph, console)?.0),
    }
}

fn json(tree: &FrameTree) -> Result<Vec<u8>> {
    let rows = tree.rows()?;
    let mut bytes = Vec::new();
    let mut encoder = Encoding::Json.encoder(rows.schema_ref(), &mut bytes)?;
    encoder.write(&rows)?;
    encoder.finish()?;
    Ok(bytes)
}

fn write(bytes: &[u8], output: Option<&Path>, tree: &FrameTree, console: &Console) -> Result<ExitCode> {
    let mut sink = match output {
        Some(path) if path != Path::new("-") => Sink::file(path)?,
        _ => Sink::stdout(),
    };
    sink.write_all(bytes)?;
    sink.commit()?;
    if let Some(path) = output {
        console.note(&format!("{}: {}", path.display(), shown(tree)));
    }
    Ok(ExitCode::SUCCESS)
}

/// `300 of 1,200 holders; the others are folded`.
fn shown(tree: &FrameTree) -> String {
    let what = match tree.by {
        FramesBy::Holder => "holder",
        FramesBy::Dominator => "frame",
    };
    let found = human::counted(tree.n_found as u64, what);
    match tree.frames.iter().any(|frame| matches!(frame.kind, FrameKind::More { .. })) {
        true => {
            format!("{} of {found}; the others are folded into \"more\"", human::count(tree.n_shown as u64))
        }
        false => format!("all of {found}"),
    }
}

/// The frames as tiles, with what stands above and below them. Widths are those of the later dump.
fn picture(tree: &FrameTree, question: &FrameQuestion) -> (Heading, Vec<Tile>) {
    let measure = question.measure;
    // What is gone has no width; neither has anything below it.
    let mut position: Vec<Option<usize>> = Vec::with_capacity(tree.frames.len());
    let mut tiles: Vec<Tile> = Vec::new();
    for frame in &tree.frames {
        let value = u64::try_from(frame.now.total.of(measure)).unwrap_or(0);
        let parent = frame.parent.and_then(|parent| position[parent]);
        let is_drawn = value > 0 || frame.parent.is_none();
        position.push(is_drawn.then_some(tiles.len()));
        if is_drawn {
            tiles.push(Tile {
                parent,
                label: label(frame),
                title: title(frame, tree),
                value,
                tone: tone(frame, measure),
            });
        }
    }
    let n_gone = tree.frames.len() - tiles.len();
    (heading(tree, question, n_gone), tiles)
}

/// The frames as a page.
fn page(
    tree: &FrameTree,
    question: &FrameQuestion,
    picture: TreePicture,
    args: &FramesArgs,
    console: &Console,
) -> Result<Vec<u8>> {
    let dump = tree.dumps.last().cloned().unwrap_or_default();
    let kind = match picture {
        TreePicture::Flame => "Flame graph",
        TreePicture::Treemap => "Treemap",
    };
    let what = match question.by {
        FramesBy::Holder => "holders",
        FramesBy::Dominator => "the dominator tree",
    };
    let source = ReportSource {
        command: pages::frames_command(question, picture, &dump, args.graph.layer.as_deref(), console),
        sql: question.statement(),
        dump,
    };
    let content = ReportContent::Tree(ReportTree::new(tree, picture, question.measure));
    let page = pages::page(heading(tree, question, 0), &format!("{kind} of {what}"), source, content)?;
    Ok(page.into_bytes())
}

fn heading(tree: &FrameTree, question: &FrameQuestion, n_gone: usize) -> Heading {
    let is_diff = tree.dumps.len() > 1;
    let whole = &tree.frames[0];
    let (bytes, objects) = (whole.now.total.bytes, whole.now.total.objects);
    let sizes = match question.measure {
        FrameMeasure::Bytes => "as large as the bytes of its objects",
        FrameMeasure::Objects => "as large as the number of its objects",
    };
    let grew = match whole.before {
        Some(before) => format!(" ({})", human::growth_bytes(bytes.saturating_sub(before.total.bytes))),
        None => String::new(),
    };
    let objects = human::counted(objects.unsigned_abs(), "object");
    let mut notes = vec![format!("Drawn: {}.", shown(tree))];
    if is_diff {
        notes.push(
            "Orange: more than before. Blue: less than before. The darker, the larger the part that changed."
                .to_owned(),
        );
    }
    if n_gone > 0 {
        notes.push(format!(
            "Not drawn, because nothing remains of them: {}.",
            human::counted(n_gone as u64, "frame")
        ));
    }
    Heading {
        title: match is_diff {
            true => format!("What grew from {}", escape::line(&tree.dumps.join(" to "))),
            false => format!("What holds the memory of {}", escape::line(&tree.dumps.join(", "))),
        },
        subtitle: format!("{}{grew} in {objects}; each is {sizes}", human::signed_bytes(bytes)),
        notes,
    }
}

/// What is written on a frame.
fn label(frame: &Frame) -> String {
    let name = heaplake_model::shortened(&frame.name, MAX_CHARS);
    match (frame.kind, &frame.label) {
        (FrameKind::More { frames: Some(n) }, _) => format!("{} more", human::count(n)),
        (FrameKind::More { frames: None }, _) => "more".to_owned(),
        (_, Some(label)) => {
            let label = heaplake_model::shortened(label, MAX_CHARS);
            format!("{} -> {}", escape::line(&label), escape::line(&name))
        }
        _ => escape::line(&name).into_owned(),
    }
}

/// What is said of a frame in full, in lines.
fn title(frame: &Frame, tree: &FrameTree) -> String {
    let mut lines = vec![label(frame)];
    if let Some(holder) = &frame.holder {
        let holder = heaplake_model::shortened(holder, MAX_HOLDER_CHARS);
        if frame.depth > 1 {
            lines.push(escape::line(&holder).into_owned());
        }
    }
    if let Some(address) = frame.address {
        let kind = frame.root_kind.as_deref().map(|kind| format!(", root: {}", escape::line(kind)));
        lines.push(format!("{}{}", human::address(address), kind.unwrap_or_default()));
    }
    let whole = tree.frames[0].now.total.bytes;
    let share = match whole {
        1.. => format!(" ({:.1} %)", frame.now.total.bytes as f64 * 100.0 / whole as f64),
        _ => String::new(),
    };
    let amount = |bytes: i64, objects: i64| {
        format!("{} in {}", human::signed_bytes(bytes), human::counted(objects.unsigned_abs(), "object"))
    };
    lines.push(format!("{}{share}", amount(frame.now.total.bytes, frame.now.total.objects)));
    let own = frame.now.own;
    if own != frame.now.total && frame.parent.is_some() {
        lines.push(format!("itself {}", amount(own.bytes, own.objects)));
    }
    if let Some(before) = frame.before {
        let (bytes, objects) = (before.total.bytes, before.total.objects);
        lines.push(format!(
            "before {}: {}, {}",
            amount(bytes, objects),
            human::growth_bytes(frame.now.total.bytes.saturating_sub(bytes)),
            human::growth(frame.now.total.objects.saturating_sub(objects))
        ));
    }
    lines.join("\n")
}

fn tone(frame: &Frame, measure: FrameMeasure) -> Tone {
    match (frame.before, frame.kind) {
        (Some(before), _) => {
            let (before, now) = (before.total.of(measure), frame.now.total.of(measure));
            let largest = before.max(now).max(1);
            Tone::Growth(now.saturating_sub(before) as f64 / largest as f64)
        }
        (None, FrameKind::Whole | FrameKind::More { .. }) => Tone::Plain,
        (None, _) => Tone::Label,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_name_formats() {
        for (name, format) in [
            ("a.svg", FramesFormat::Svg),
            ("A.SVG", FramesFormat::Svg),
            ("a.folded", FramesFormat::Folded),
            ("a.speedscope.json", FramesFormat::Speedscope),
            ("a.html", FramesFormat::Html),
            ("a.json", FramesFormat::Json),
            ("a.pb.gz", FramesFormat::Pprof),
        ] {
            assert_eq!(format_of(name).expect("a format"), format, "{name}");
        }
        assert!(format_of("a.png").is_err());
    }
}
