//! Tiles: what flame graphs and treemaps are made of.

/// A part of a whole, which may have parts itself.
#[derive(Debug, Clone)]
pub struct Tile {
    /// The position of the tile that it is a part of, which is smaller; `None` for a whole.
    pub parent: Option<usize>,
    /// What is written on it.
    pub label: String,
    /// What is said of it in full.
    pub title: String,
    /// How large it is, its parts included; a tile is no smaller than its parts together.
    pub value: u64,
    /// What decides its colour.
    pub tone: Tone,
}

/// What decides a colour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tone {
    /// The label: tiles of the same label have the same colour.
    Label,
    /// Growth from -1 (there is nothing left) over 0 (the same) to 1 (all of it is new).
    Growth(f64),
    /// It stands for others, or for the whole: grey.
    Plain,
}

/// The levels of tiles, 0 for a whole. A parent that does not come before its part is as good as none.
pub(crate) fn depths(tiles: &[Tile]) -> Vec<usize> {
    let mut depths: Vec<usize> = Vec::with_capacity(tiles.len());
    for tile in tiles {
        let above = tile.parent.and_then(|parent| depths.get(parent));
        depths.push(above.map_or(0, |depth| depth + 1));
    }
    depths
}

/// The note on tiles that are too small for the picture.
pub(crate) fn note_on_small(n: usize, what: &str) -> Option<String> {
    match n {
        0 => None,
        1 => Some(format!("1 {what} is too small for this picture and not drawn.")),
        n => Some(format!("{n} {what}s are too small for this picture and not drawn.")),
    }
}
