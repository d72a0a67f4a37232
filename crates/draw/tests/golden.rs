//! Pictures as they are drawn: a change of any byte of them is seen. `HEAPLAKE_BLESS=1` writes them anew.

use std::{env, fs, path::Path};

use heaplake_draw::{
    Bar, Chart, ChartKind, ChartSeries, Heading, TickUnit, Tile, Tone, bars, chart, flame_graph, sparkline,
    treemap,
};

/// Texts that would act if they were not escaped.
const ATTACKS: [&str; 4] =
    ["</title><script>alert(1)</script>", "\" onload=\"alert(1)", "]]><!--", "&lt;b&gt;\u{1b}[31m\0"];

fn compare(name: &str, picture: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if env::var_os("HEAPLAKE_BLESS").is_some() {
        fs::write(&path, picture).expect("written");
    }
    let golden = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(picture == golden, "{name} is drawn differently; HEAPLAKE_BLESS=1 writes it anew:\n{picture}");
    // Whatever the texts say, only these elements are there.
    for tag in picture.split('<').skip(1).filter(|tag| !tag.starts_with('/')) {
        let element = tag.split([' ', '>', '/']).next().unwrap_or_default();
        let known = ["svg", "title", "desc", "style", "rect", "g", "text", "path", "line", "circle"];
        assert!(known.contains(&element), "{name} has the element {element:?}");
    }
    assert!(!picture.contains('\u{1b}') && !picture.contains('\0'));
}

fn heading() -> Heading {
    let notes = vec!["a note".to_owned(), ATTACKS[0].to_owned()];
    Heading { title: "A picture".to_owned(), subtitle: ATTACKS[1].to_owned(), notes }
}

fn tiles(tone: impl Fn(usize) -> Tone) -> Vec<Tile> {
    let rows: [(Option<usize>, &str, u64); 9] = [
        (None, "whole", 1000),
        (Some(0), "module shop", 620),
        (Some(1), "dict SESSIONS", 500),
        (Some(2), ATTACKS[0], 300),
        (Some(2), ATTACKS[1], 150),
        (Some(0), ATTACKS[2], 200),
        (Some(5), ATTACKS[3], 200),
        (Some(0), "3 more", 100),
        (Some(0), "tiny", 0),
    ];
    let tile = |(i, (parent, label, value)): (usize, (Option<usize>, &str, u64))| Tile {
        parent,
        label: label.to_owned(),
        title: format!("{label}: {value} B"),
        value,
        tone: tone(i),
    };
    rows.into_iter().enumerate().map(tile).collect()
}

#[test]
fn flame_graphs() {
    compare(
        "flame.svg",
        &flame_graph(&heading(), &tiles(|i| if i == 0 { Tone::Plain } else { Tone::Label }), 600),
    );
    compare(
        "flame-growth.svg",
        &flame_graph(&heading(), &tiles(|i| Tone::Growth(i as f64 / 4.0 - 1.0)), 600),
    );
}

#[test]
fn treemaps() {
    compare("treemap.svg", &treemap(&heading(), &tiles(|_| Tone::Label), 600, 300));
}

#[test]
fn charts() {
    let moments: Vec<(String, f64)> = [("before", 0.0), ("between", 1.0), ("after", 2.0), (ATTACKS[0], 4.0)]
        .map(|(id, at)| (id.to_owned(), at))
        .to_vec();
    let series = |label: &str, values: [i64; 4]| ChartSeries {
        label: label.to_owned(),
        title: format!("{label}, growing"),
        values: values.map(|value| (value >= 0).then_some(value)).to_vec(),
    };
    let series = [
        series("dict", [1000, 2000, 4000, 9000]),
        series(ATTACKS[1], [500, -1, 700, 800]),
        series("set", [10; 4]),
    ];
    for (name, kind) in [("lines.svg", ChartKind::Lines), ("stacked.svg", ChartKind::Stacked)] {
        let words = |n: i64| format!("{n} B");
        let drawn = Chart { kind, moments: &moments, series: &series, unit: TickUnit::Binary, words };
        compare(name, &chart(&heading(), &drawn, 800));
    }
    compare("spark.svg", &sparkline(ATTACKS[2], &[Some(1), Some(5), None, Some(3)], 80, 16));
}

#[test]
fn differences() {
    let bar = |label: &str, value: i64| Bar {
        label: label.to_owned(),
        title: format!("{label}: {value}"),
        value,
        words: format!("{value:+}"),
    };
    let drawn = [bar("module shop -> dict SESSIONS -> list", 4096), bar(ATTACKS[0], 100), bar("gone", -2000)];
    compare("bars.svg", &bars(&heading(), &drawn, 600));
}
