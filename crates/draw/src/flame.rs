//! Flame graphs that hang: a whole at the top, its parts below, each as wide as it is large.

use crate::{
    Heading, Tile,
    palette::class,
    svg::{MARGIN, Rect, Svg},
    tile::{depths, note_on_small},
};

/// Height of a level in pixels.
const ROW: f64 = 19.0;
/// What is narrower is not drawn.
const NARROWEST: f64 = 0.4;

/// Draws tiles as a flame graph. Siblings stand in the order in which they come.
pub fn flame_graph(heading: &Heading, tiles: &[Tile], width: u32) -> String {
    let rects = layout(tiles, f64::from(width) - 2.0 * MARGIN);
    let deepest = rects.iter().flatten().map(|rect| rect.y + rect.height).fold(0.0, f64::max);
    let n_small = rects.iter().filter(|rect| rect.is_none()).count();
    let small = note_on_small(n_small, "frame");
    let (mut svg, top) = Svg::new(width, deepest, heading, usize::from(small.is_some()));
    for (tile, rect) in tiles.iter().zip(&rects) {
        if let Some(rect) = rect {
            let rect = Rect { x: rect.x + MARGIN, y: rect.y + top, ..*rect };
            svg.labelled(class(tile.tone, &tile.label), rect, &tile.title, Some(&tile.label));
        }
    }
    svg.finish(top + deepest, heading.notes.iter().chain(&small))
}

/// Where tiles are; `None` for those that are too narrow.
fn layout(tiles: &[Tile], width: f64) -> Vec<Option<Rect>> {
    let depths = depths(tiles);
    let whole: u128 =
        tiles.iter().zip(&depths).filter(|(_, depth)| **depth == 0).map(|(t, _)| u128::from(t.value)).sum();
    let scale = if whole == 0 { 0.0 } else { width / whole as f64 };
    // By tile, where its next part begins, and where it ends; wholes stand beside each other.
    let mut ends: Vec<(f64, f64)> = Vec::with_capacity(tiles.len());
    let mut next_whole = 0.0;
    let mut rects = Vec::with_capacity(tiles.len());
    for (tile, depth) in tiles.iter().zip(depths) {
        let (begin, end) = match tile.parent.filter(|_| depth > 0) {
            Some(parent) => ends[parent],
            None => (next_whole, width),
        };
        let this = (tile.value as f64 * scale).min(end - begin).max(0.0);
        match tile.parent.filter(|_| depth > 0) {
            Some(parent) => ends[parent].0 = begin + this,
            None => next_whole = begin + this,
        }
        ends.push((begin, begin + this));
        let rect = Rect { x: begin, y: depth as f64 * ROW, width: this, height: ROW - 1.0 };
        rects.push((this >= NARROWEST).then_some(rect));
    }
    rects
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tone;

    fn tile(parent: Option<usize>, value: u64) -> Tile {
        Tile { parent, label: String::new(), title: String::new(), value, tone: Tone::Label }
    }

    #[test]
    fn parts_lie_in_their_whole() {
        let tiles =
            [tile(None, 100), tile(Some(0), 60), tile(Some(1), 20), tile(Some(0), 40), tile(Some(3), 40)];
        let rects = layout(&tiles, 200.0);
        let found: Vec<_> = rects.into_iter().flatten().map(|r| (r.x, r.width, (r.y / ROW) as u32)).collect();
        assert_eq!(
            found,
            [(0.0, 200.0, 0), (0.0, 120.0, 1), (0.0, 40.0, 2), (120.0, 80.0, 1), (120.0, 80.0, 2)]
        );
    }

    #[test]
    fn what_is_too_narrow_is_counted() {
        let tiles = [tile(None, 1_000_000), tile(Some(0), 999_999), tile(Some(0), 1)];
        assert_eq!(layout(&tiles, 1000.0)[2], None);
        let picture = flame_graph(&Heading::default(), &tiles, 1020);
        assert!(picture.contains("1 frame is too small"), "{picture}");
        assert!(!flame_graph(&Heading::default(), &tiles[..2], 1020).contains("too small"));
    }

    #[test]
    fn nothing_at_all_and_parts_larger_than_the_whole_are_drawn() {
        for tiles in
            [vec![], vec![tile(None, 0)], vec![tile(None, 1), tile(Some(0), u64::MAX), tile(Some(7), 1)]]
        {
            let picture = flame_graph(&Heading::default(), &tiles, 100);
            assert!(picture.ends_with("</svg>\n") && !picture.contains("NaN") && !picture.contains("inf"));
        }
    }
}
