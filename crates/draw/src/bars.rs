//! Bars to both sides of zero: what grew and what shrank.

use crate::{
    Heading, Tone,
    palette::class,
    svg::{FONT, MARGIN, Rect, Svg, escaped, fitted_end, number, text_width},
};

/// Height of a bar with the space below.
const ROW: f64 = 22.0;
/// The part of the width that labels take.
const LABELS: f64 = 0.42;

/// A bar.
#[derive(Debug, Clone)]
pub struct Bar {
    /// What is written to the left of it; of a long one the end.
    pub label: String,
    /// What is said of it in full.
    pub title: String,
    /// How long it is: to the left if it is negative.
    pub value: i64,
    /// The value as it is written.
    pub words: String,
}

/// Draws bars, the first at the top.
pub fn bars(heading: &Heading, bars: &[Bar], width: u32) -> String {
    let height = bars.len() as f64 * ROW + 6.0;
    let (mut svg, top) = Svg::new(width, height, heading, 0);
    let room = f64::from(width) - 2.0 * MARGIN;
    let labels = room * LABELS;
    let words = bars.iter().map(|bar| text_width(&bar.words, FONT)).fold(0.0, f64::max) + 10.0;
    let low = bars.iter().map(|bar| bar.value.min(0)).min().unwrap_or(0) as f64;
    let high = bars.iter().map(|bar| bar.value.max(0)).max().unwrap_or(0) as f64;
    let sides = if low < 0.0 { 2.0 } else { 1.0 };
    let scale = (room - labels - sides * words).max(1.0) / (high - low).max(1.0);
    let zero = MARGIN + labels - low * scale + (sides - 1.0) * words;
    for (i, bar) in bars.iter().enumerate() {
        let y = top + 4.0 + i as f64 * ROW;
        let label = fitted_end(&bar.label, labels - 10.0, FONT);
        svg.write(format_args!(
            "<text class=\"end\" x=\"{}\" y=\"{}\"><title>{}</title>{}</text>\n",
            number(MARGIN + labels - 8.0),
            number(y + 13.0),
            escaped(&bar.title),
            escaped(&label),
        ));
        let length = (bar.value as f64 * scale).abs();
        let x = if bar.value < 0 { zero - length } else { zero };
        let growth = Tone::Growth((bar.value.signum() as f64) * 0.3);
        svg.labelled(class(growth, ""), Rect { x, y, width: length, height: ROW - 5.0 }, &bar.title, None);
        match bar.value {
            ..0 => svg.text("end", x - 4.0, y + 13.0, &bar.words),
            _ => svg.text("", x + length + 4.0, y + 13.0, &bar.words),
        }
    }
    let x = number(zero);
    svg.write(format_args!(
        "<line class=\"axis\" x1=\"{x}\" x2=\"{x}\" y1=\"{}\" y2=\"{}\"/>\n",
        number(top),
        number(top + height)
    ));
    svg.finish(top + height, &heading.notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(value: i64) -> Bar {
        Bar { label: "a -> b".to_owned(), title: "<t>".to_owned(), value, words: value.to_string() }
    }

    #[test]
    fn extremes_are_drawn() {
        for values in [vec![], vec![0], vec![i64::MIN, i64::MAX], vec![-5, -3]] {
            let drawn: Vec<Bar> = values.into_iter().map(bar).collect();
            let picture = bars(&Heading::default(), &drawn, 400);
            assert!(
                !picture.contains("NaN") && !picture.contains("inf") && !picture.contains("width=\"-"),
                "{picture}"
            );
        }
    }

    #[test]
    fn bars_are_as_long_as_their_values() {
        let picture = bars(&Heading::default(), &[bar(200), bar(100), bar(-50)], 1000);
        let widths: Vec<f64> = picture
            .split("<rect x=")
            .skip(1)
            .filter_map(|rest| rest.split("width=\"").nth(1)?.split('"').next()?.parse().ok())
            .collect();
        assert_eq!(widths.len(), 3);
        assert!(
            (widths[0] / widths[1] - 2.0).abs() < 0.01 && (widths[1] / widths[2] - 2.0).abs() < 0.01,
            "{widths:?}"
        );
    }
}
