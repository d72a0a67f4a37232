//! Treemaps: each part has an area as large as its value, inside of its whole.
//!
//! Squarified (Bruls, Huizing, van Wijk, "Squarified Treemaps", 2000): parts are laid in rows along the shorter side, and a row
//! ends where one more part would make its tiles longer than they are wide. O(n log n).

use std::cmp::Reverse;

use crate::{
    Heading, Tile,
    palette::class,
    svg::{MARGIN, Rect, Svg},
    tile::{depths, note_on_small},
};

/// What has a shorter side is not drawn.
const SHORTEST: f64 = 1.5;
/// Height of the label of a tile that has parts.
const LABEL: f64 = 16.0;
/// Between a tile and its parts.
const PADDING: f64 = 2.0;

/// Draws tiles as a treemap of a height.
pub fn treemap(heading: &Heading, tiles: &[Tile], width: u32, height: u32) -> String {
    let frame = Rect { x: 0.0, y: 0.0, width: f64::from(width) - 2.0 * MARGIN, height: f64::from(height) };
    let rects = layout(tiles, frame);
    let small = note_on_small(rects.iter().filter(|rect| rect.is_none()).count(), "tile");
    let (mut svg, top) = Svg::new(width, frame.height, heading, usize::from(small.is_some()));
    let mut is_whole = vec![false; tiles.len()];
    for whole in tiles.iter().filter_map(|tile| tile.parent) {
        if let Some(is_whole) = is_whole.get_mut(whole) {
            *is_whole = true;
        }
    }
    for (i, (tile, rect)) in tiles.iter().zip(&rects).enumerate() {
        if let Some(rect) = rect {
            let has_room = !is_whole[i] && rect.height >= LABEL || label_height(*rect) >= LABEL;
            let rect = Rect { x: rect.x + MARGIN, y: rect.y + top, ..*rect };
            let label = has_room.then_some(tile.label.as_str());
            svg.labelled(class(tile.tone, &tile.label), rect, &tile.title, label);
        }
    }
    svg.finish(top + frame.height, heading.notes.iter().chain(&small))
}

/// Where tiles are; `None` for those that are too small.
fn layout(tiles: &[Tile], frame: Rect) -> Vec<Option<Rect>> {
    let depths = depths(tiles);
    let mut parts: Vec<Vec<usize>> = vec![Vec::new(); tiles.len()];
    let mut wholes = Vec::new();
    for (i, (tile, depth)) in tiles.iter().zip(&depths).enumerate() {
        match tile.parent.filter(|_| *depth > 0) {
            Some(parent) => parts[parent].push(i),
            None => wholes.push(i),
        }
    }
    let mut rects: Vec<Option<Rect>> = vec![None; tiles.len()];
    let place = |parts: &mut Vec<usize>, whole: u64, room: Rect, rects: &mut Vec<Option<Rect>>| {
        parts.sort_by_key(|part| (Reverse(tiles[*part].value), *part));
        let values: Vec<f64> = parts.iter().map(|part| tiles[*part].value as f64).collect();
        for (part, rect) in parts.iter().zip(squarified(&values, whole as f64, room)) {
            rects[*part] = Some(rect).filter(|rect| rect.width >= SHORTEST && rect.height >= SHORTEST);
        }
    };
    let sum = wholes.iter().fold(0, |sum: u64, whole| sum.saturating_add(tiles[*whole].value));
    place(&mut wholes, sum, frame, &mut rects);
    // A tile comes after what it is a part of.
    for i in 0..tiles.len() {
        if let Some(rect) = rects[i].filter(|_| !parts[i].is_empty()) {
            place(&mut parts[i], tiles[i].value, inside(rect), &mut rects);
        }
    }
    rects
}

/// Height of the label of a tile; of a smaller one its parts would cover it.
fn label_height(rect: Rect) -> f64 {
    if rect.height > 2.0 * LABEL && rect.width > 2.0 * LABEL { LABEL } else { PADDING }
}

/// The room for the parts of a tile.
fn inside(rect: Rect) -> Rect {
    let label = label_height(rect);
    Rect {
        x: rect.x + PADDING,
        y: rect.y + label,
        width: (rect.width - 2.0 * PADDING).max(0.0),
        height: (rect.height - label - PADDING).max(0.0),
    }
}

/// Rectangles for values in descending order, whose areas are to the room as the values are to the whole. What the values leave
/// of the whole stays free, at the end.
fn squarified(values: &[f64], whole: f64, mut room: Rect) -> Vec<Rect> {
    let mut rects = Vec::with_capacity(values.len());
    let sum: f64 = values.iter().sum();
    let whole = whole.max(sum);
    let scale = if whole > 0.0 { room.width * room.height / whole } else { 0.0 };
    let mut at = 0;
    while at < values.len() {
        let side = room.width.min(room.height);
        let mut end = at;
        let (mut area, mut worst) = (0.0, f64::INFINITY);
        // The ratio of sides of the first, which is the largest, and of the last tile of a row.
        while end < values.len() {
            let with = area + values[end] * scale;
            let thickness = if side > 0.0 { with / side } else { 0.0 };
            let ratio = |value: f64| {
                let length = if thickness > 0.0 { value * scale / thickness } else { 0.0 };
                let (long, short) = (length.max(thickness), length.min(thickness));
                if short > 0.0 { long / short } else { f64::INFINITY }
            };
            let ratio = ratio(values[at]).max(ratio(values[end]));
            if end > at && ratio > worst {
                break;
            }
            (area, worst) = (with, ratio);
            end += 1;
        }
        let thickness = if side > 0.0 { area / side } else { 0.0 };
        let is_column = room.width >= room.height;
        let mut along = 0.0;
        for value in &values[at..end] {
            let length = if thickness > 0.0 { value * scale / thickness } else { 0.0 };
            rects.push(match is_column {
                true => Rect { x: room.x, y: room.y + along, width: thickness, height: length },
                false => Rect { x: room.x + along, y: room.y, width: length, height: thickness },
            });
            along += length;
        }
        match is_column {
            true => (room.x, room.width) = (room.x + thickness, (room.width - thickness).max(0.0)),
            false => (room.y, room.height) = (room.y + thickness, (room.height - thickness).max(0.0)),
        }
        at = end;
    }
    rects
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tone;

    fn room(width: f64, height: f64) -> Rect {
        Rect { x: 0.0, y: 0.0, width, height }
    }

    #[test]
    fn the_example_of_the_paper() {
        let rects = squarified(&[6.0, 6.0, 4.0, 3.0, 2.0, 2.0, 1.0], 24.0, room(6.0, 4.0));
        let first: Vec<_> = rects[..3].iter().map(|r| (r.x, r.y, r.width, r.height)).collect();
        assert_eq!(first[..2], [(0.0, 0.0, 3.0, 2.0), (0.0, 2.0, 3.0, 2.0)]);
        assert!((rects[2].height - 7.0 / 3.0).abs() < 1e-9 && (rects[2].width - 12.0 / 7.0).abs() < 1e-9);
    }

    #[test]
    fn areas_are_as_the_values_and_none_overlap() {
        let mut seed = 7_u64;
        for _ in 0..300 {
            let mut values: Vec<f64> = (0..1 + seed % 30)
                .map(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    ((seed >> 40) % 1000) as f64
                })
                .collect();
            values.sort_by(|a, b| b.total_cmp(a));
            let sum: f64 = values.iter().sum();
            let frame = room(300.0, 1.0 + (seed >> 50) as f64 % 500.0);
            let rects = squarified(&values, sum, frame);
            for (i, (a, value)) in rects.iter().zip(&values).enumerate() {
                let area = frame.width * frame.height * value / sum.max(1.0);
                assert!((a.width * a.height - area).abs() < 1e-6 * area.max(1.0), "{a:?} for {value}");
                assert!(
                    a.x >= 0.0
                        && a.y >= 0.0
                        && a.x + a.width <= frame.width + 1e-6
                        && a.y + a.height <= frame.height + 1e-6
                );
                for b in &rects[..i] {
                    let apart = a.x + a.width <= b.x + 1e-6
                        || b.x + b.width <= a.x + 1e-6
                        || a.y + a.height <= b.y + 1e-6
                        || b.y + b.height <= a.y + 1e-6;
                    assert!(apart || a.width * a.height < 1e-6 || b.width * b.height < 1e-6, "{a:?} {b:?}");
                }
            }
        }
    }

    #[test]
    fn parts_lie_in_their_whole() {
        let tile = |parent, value| Tile {
            parent,
            label: "a".to_owned(),
            title: String::new(),
            value,
            tone: Tone::Label,
        };
        let tiles =
            [tile(None, 100), tile(Some(0), 60), tile(Some(1), 30), tile(Some(0), 10), tile(Some(2), 0)];
        let rects = layout(&tiles, room(400.0, 300.0));
        for (tile, rect) in tiles.iter().zip(&rects) {
            let (Some(whole), Some(rect)) = (tile.parent.and_then(|parent| rects[parent]), rect) else {
                continue;
            };
            assert!(
                rect.x >= whole.x && rect.x + rect.width <= whole.x + whole.width + 1e-9,
                "{rect:?} {whole:?}"
            );
            assert!(
                rect.y >= whole.y && rect.y + rect.height <= whole.y + whole.height + 1e-9,
                "{rect:?} {whole:?}"
            );
        }
        assert_eq!(rects[4], None);
        assert!(treemap(&Heading::default(), &tiles, 420, 300).contains("1 tile is too small"));
    }

    #[test]
    fn extremes_are_drawn() {
        let tile = |parent, value| Tile {
            parent,
            label: String::new(),
            title: String::new(),
            value,
            tone: Tone::Plain,
        };
        for tiles in
            [vec![], vec![tile(None, 0)], vec![tile(None, 1), tile(Some(0), u64::MAX), tile(Some(9), 3)]]
        {
            let picture = treemap(&Heading::default(), &tiles, 30, 1);
            assert!(!picture.contains("NaN") && !picture.contains("inf"), "{picture}");
        }
    }
}
