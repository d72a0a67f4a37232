//! Pictures as SVG: flame graphs, treemaps, charts and bars.
//!
//! A picture is drawn of plain values, and this crate does not know where they come from. The same values give the same bytes:
//! no time, no random number, no order of a hash map. Pictures need no script and load nothing, so that they can be shown in a
//! README. Each shape has a `<title>`, which browsers show and screen readers read; colours are told apart by colour-blind
//! people, mean nothing that is not also said in words, and follow `prefers-color-scheme`.
//!
//! Texts may be hostile: they cannot leave their element, and what XML does not allow is replaced. What else must be visible in
//! a text, such as marks that change its direction, is for the caller to write out before.

mod bars;
mod chart;
mod flame;
mod palette;
mod svg;
mod tile;
mod treemap;

pub use bars::{Bar, bars};
pub use chart::{Chart, ChartKind, ChartSeries, TickUnit, chart, sparkline};
pub use flame::flame_graph;
pub use svg::Heading;
pub use tile::{Tile, Tone};
pub use treemap::treemap;

/// Width of pictures in pixels, where nobody asks for another.
pub const WIDTH: u32 = 1200;
