//! Charts over time: lines, or areas on top of each other; and lines so small that they stand in a table.

use crate::{
    Heading,
    palette::N_SERIES,
    svg::{FONT, MARGIN, Svg, escaped, fitted_end, number, text_width},
};

/// How series are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChartKind {
    /// A line for each.
    Lines,
    /// Areas on top of each other, for series that add up.
    Stacked,
}

/// What the steps of an axis are multiples of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TickUnit {
    /// 1, 2 or 5 times a power of ten.
    Decimal,
    /// The same times a power of 1024.
    Binary,
}

/// A series.
#[derive(Debug, Clone)]
pub struct ChartSeries {
    /// Its name; of a long one the end is written.
    pub label: String,
    /// What is said of it in full.
    pub title: String,
    /// A value per moment; `None` if there was none.
    pub values: Vec<Option<i64>>,
}

/// A chart.
#[derive(Debug, Clone)]
pub struct Chart<'c> {
    /// How series are drawn.
    pub kind: ChartKind,
    /// The moments: what is written below, and where they are on the axis, in any unit. Ascending.
    pub moments: &'c [(String, f64)],
    /// The series; the first is the topmost in the legend.
    pub series: &'c [ChartSeries],
    /// What the steps of the axis are.
    pub unit: TickUnit,
    /// A value as it is written.
    pub words: fn(i64) -> String,
}

/// Height of the area in which series are drawn.
const HEIGHT: f64 = 360.0;
/// Room for the words of the axis, and below it.
const LEFT: f64 = 80.0;
const BELOW: f64 = 34.0;
/// The part of the width that the legend takes.
const LEGEND: f64 = 0.36;
/// Height of a line of the legend.
const LEGEND_LINE: f64 = 16.0;
/// Between words of moments.
const GAP: f64 = 12.0;

/// How lines are broken, so that they differ by more than their colour.
const DASHES: [&str; N_SERIES] = ["", "6 3", "2 2", "8 3 2 3", "10 4", "3 3", "6 2 2 2 2 2", "1 3"];

/// Draws a chart.
pub fn chart(heading: &Heading, chart: &Chart<'_>, width: u32) -> String {
    let height = HEIGHT.max(chart.series.len() as f64 * LEGEND_LINE + 10.0) + BELOW;
    let (mut svg, top) = Svg::new(width, height, heading, 0);
    let room = f64::from(width) - 2.0 * MARGIN;
    let plot = Plot::new(chart, top + 8.0, room);
    plot.axes(chart, &mut svg);
    match chart.kind {
        ChartKind::Lines => plot.lines(chart, &mut svg),
        ChartKind::Stacked => plot.areas(chart, &mut svg),
    }
    plot.legend(chart, &mut svg);
    svg.finish(top + height, &heading.notes)
}

/// Where values are.
struct Plot {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    high: f64,
    step: f64,
    /// Where each moment is.
    xs: Vec<f64>,
}

impl Plot {
    fn new(chart: &Chart<'_>, top: f64, room: f64) -> Self {
        let (left, right) = (MARGIN + LEFT, MARGIN + room * (1.0 - LEGEND));
        let (first, last) = match chart.moments {
            [(_, first), .., (_, last)] => (*first, *last),
            _ => (0.0, 0.0),
        };
        let n = chart.moments.len();
        let x = |(i, (_, at)): (usize, &(String, f64))| match last > first {
            true => left + (right - left) * ((at - first) / (last - first)).clamp(0.0, 1.0),
            // All at one time, or one alone.
            false => left + (right - left) * (i as f64 + 0.5) / n as f64,
        };
        let largest = match chart.kind {
            ChartKind::Lines => {
                chart.series.iter().flat_map(|s| &s.values).flatten().map(|v| *v as f64).fold(0.0, f64::max)
            }
            ChartKind::Stacked => (0..n).map(|at| stack(chart, at, chart.series.len())).fold(0.0, f64::max),
        };
        let step = step(largest, chart.unit);
        let high = (largest / step).ceil().max(1.0) * step;
        Self {
            left,
            right,
            top,
            bottom: top + HEIGHT - 8.0,
            high,
            step,
            xs: chart.moments.iter().enumerate().map(x).collect(),
        }
    }

    fn y(&self, value: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * (value.max(0.0) / self.high)
    }

    fn axes(&self, chart: &Chart<'_>, svg: &mut Svg) {
        let n_steps = (self.high / self.step).round() as u32;
        for i in 0..=n_steps {
            let value = self.step * f64::from(i);
            let y = number(self.y(value));
            svg.write(format_args!(
                "<line class=\"{}\" x1=\"{}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\"/>\n",
                if i == 0 { "axis" } else { "grid" },
                number(self.left),
                number(self.right)
            ));
            svg.text("end", self.left - 6.0, self.y(value) + 4.0, &(chart.words)(value as i64));
        }
        // As many moments are named as there is room for; the last one is always.
        let mut before = f64::NEG_INFINITY;
        let last = self.xs.len().saturating_sub(1);
        let half = |i: usize| text_width(&chart.moments[i].0, FONT).min(120.0) / 2.0;
        for (i, x) in self.xs.iter().enumerate() {
            let ends_before_last = i == last || x + half(i) + GAP <= self.xs[last] - half(last);
            if x - half(i) >= before && ends_before_last {
                let words = crate::svg::fitted(&chart.moments[i].0, 120.0, FONT).into_owned();
                svg.text("middle", *x, self.bottom + 16.0, &words);
                before = x + half(i) + GAP;
            }
        }
    }

    fn lines(&self, chart: &Chart<'_>, svg: &mut Svg) {
        for (i, series) in chart.series.iter().enumerate() {
            let class = i % N_SERIES;
            svg.write(format_args!("<g><title>{}</title>", escaped(&series.title)));
            let mut path = String::new();
            let mut is_open = false;
            for (x, value) in self.xs.iter().zip(&series.values) {
                match value {
                    Some(value) => {
                        let step = if is_open { 'L' } else { 'M' };
                        path.push_str(&format!("{step}{} {}", number(*x), number(self.y(*value as f64))));
                        is_open = true;
                    }
                    None => is_open = false,
                }
            }
            svg.write(format_args!("<path class=\"s s{class}\"{} d=\"{path}\"/>", dashed(i)));
            for ((x, value), (moment, _)) in self.xs.iter().zip(&series.values).zip(chart.moments) {
                if let Some(value) = value {
                    svg.write(format_args!(
                        "<circle class=\"dot f{class}\" cx=\"{}\" cy=\"{}\" r=\"2.5\"><title>{}</title></circle>",
                        number(*x),
                        number(self.y(*value as f64)),
                        escaped(&format!("{}, {moment}: {}", series.label, (chart.words)(*value))),
                    ));
                }
            }
            svg.write(format_args!("</g>\n"));
        }
    }

    fn areas(&self, chart: &Chart<'_>, svg: &mut Svg) {
        // The first of the legend lies at the top.
        let n = chart.series.len();
        for (i, series) in chart.series.iter().enumerate() {
            let edge = |at: usize, below: usize| {
                format!("{} {}", number(self.xs[at]), number(self.y(stack(chart, at, below))))
            };
            let upper = (0..self.xs.len()).map(|at| edge(at, n - i));
            let lower = (0..self.xs.len()).rev().map(|at| edge(at, n - i - 1));
            let path = upper.chain(lower).collect::<Vec<_>>().join("L");
            svg.write(format_args!(
                "<path class=\"f{}\" stroke=\"none\" d=\"M{path}Z\"><title>{}</title></path>\n",
                i % N_SERIES,
                escaped(&series.title)
            ));
        }
    }

    fn legend(&self, chart: &Chart<'_>, svg: &mut Svg) {
        let x = self.right + 16.0;
        let end = MARGIN + (self.right - MARGIN) / (1.0 - LEGEND);
        for (i, series) in chart.series.iter().enumerate() {
            let y = self.top + i as f64 * LEGEND_LINE;
            let class = i % N_SERIES;
            match chart.kind {
                ChartKind::Lines => svg.write(format_args!(
                    "<path class=\"s s{class}\"{} d=\"M{} {y}H{}\"/>\n",
                    dashed(i),
                    number(x),
                    number(x + 26.0),
                    y = number(y)
                )),
                ChartKind::Stacked => svg.write(format_args!(
                    "<rect class=\"f{class}\" x=\"{}\" y=\"{}\" width=\"26\" height=\"10\"/>\n",
                    number(x),
                    number(y - 5.0)
                )),
            }
            let last = series.values.iter().rev().flatten().next().map(|value| (chart.words)(*value));
            let last = last.unwrap_or_default();
            let room = end - x - 32.0 - text_width(&last, FONT) - 12.0;
            let label = fitted_end(&series.label, room, FONT);
            svg.write(format_args!(
                "<text x=\"{}\" y=\"{}\"><title>{}</title>{}</text>\n",
                number(x + 32.0),
                number(y + 4.0),
                escaped(&series.title),
                escaped(&label),
            ));
            svg.text("end", end, y + 4.0, &last);
        }
    }
}

fn dashed(series: usize) -> String {
    match DASHES[series % N_SERIES] {
        "" => String::new(),
        dashes => format!(" stroke-dasharray=\"{dashes}\""),
    }
}

/// The sum of the lowest `n` series at a moment.
fn stack(chart: &Chart<'_>, at: usize, n: usize) -> f64 {
    let lowest = chart.series.iter().rev().take(n);
    lowest
        .filter_map(|series| series.values.get(at).copied().flatten())
        .map(|value| value.max(0) as f64)
        .sum()
}

/// A step that gives about five lines.
fn step(largest: f64, unit: TickUnit) -> f64 {
    let raw = (largest / 5.0).max(1.0);
    let base = match unit {
        TickUnit::Decimal => 1.0,
        TickUnit::Binary => 1024_f64.powi((raw.ln() / 1024_f64.ln() + 1e-9).floor() as i32),
    };
    let power = 10_f64.powi(((raw / base).log10() + 1e-9).floor() as i32);
    // After 500 KiB comes 1 MiB.
    let next = if unit == TickUnit::Binary && power >= 100.0 { 1024.0 / power } else { 10.0 };
    let steps = [1.0, 2.0, 5.0, next].map(|n| n * power * base);
    steps.into_iter().find(|step| *step >= raw).unwrap_or(raw)
}

/// A line without axes, as an SVG document of its own.
pub fn sparkline(title: &str, values: &[Option<i64>], width: u32, height: u32) -> String {
    let known = || values.iter().flatten().map(|value| *value as f64);
    let (low, high) = (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
    let (w, h) = (f64::from(width), f64::from(height));
    let last = values.len().saturating_sub(1).max(1) as f64;
    let mut path = String::new();
    let mut is_open = false;
    for (i, value) in values.iter().enumerate() {
        let Some(value) = value else {
            is_open = false;
            continue;
        };
        let part = if high > low { (*value as f64 - low) / (high - low) } else { 0.5 };
        let (x, y) = (1.0 + (w - 2.0) * i as f64 / last, 1.0 + (h - 2.0) * (1.0 - part));
        path.push_str(&format!("{}{} {}", if is_open { 'L' } else { 'M' }, number(x), number(y)));
        is_open = true;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\"><title>{}</title><path fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.5\" d=\"{path}\"/></svg>\n",
        escaped(title)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        const MIB: f64 = 1024.0 * 1024.0;
        for (largest, unit, expected) in [
            (0.0, TickUnit::Decimal, 1.0),
            (37.0, TickUnit::Decimal, 10.0),
            (73_000.0, TickUnit::Decimal, 20_000.0),
            (100.0 * MIB, TickUnit::Binary, 20.0 * MIB),
            (4.6 * MIB, TickUnit::Binary, MIB),
            (6000.0, TickUnit::Binary, 2048.0),
        ] {
            assert_eq!(step(largest, unit), expected, "{largest}");
        }
    }

    #[test]
    fn what_was_not_measured_breaks_the_line() {
        let line = sparkline("a & b", &[Some(1), None, Some(3), Some(2)], 100, 20);
        assert!(line.contains("d=\"M1 19M66.33 1L99 10\"") && line.contains("a &amp; b"), "{line}");
    }

    #[test]
    fn extremes_are_drawn() {
        let series = |values: &[Option<i64>]| ChartSeries {
            label: "a".to_owned(),
            title: "a".to_owned(),
            values: values.to_vec(),
        };
        let moments: Vec<(String, f64)> = (0..3).map(|i| (format!("dump{i}"), 5.0)).collect();
        for kind in [ChartKind::Lines, ChartKind::Stacked] {
            for values in [vec![], vec![None, None, None], vec![Some(i64::MIN), Some(0), Some(i64::MAX)]] {
                let drawn = [series(&values), series(&values)];
                let drawn = Chart {
                    kind,
                    moments: &moments,
                    series: &drawn,
                    unit: TickUnit::Binary,
                    words: |n| n.to_string(),
                };
                for moments in [&moments[..], &moments[..0]] {
                    let picture = chart(&Heading::default(), &Chart { moments, ..drawn.clone() }, 600);
                    assert!(!picture.contains("NaN") && !picture.contains("inf"), "{picture}");
                }
            }
        }
        assert!(!sparkline("", &[], 10, 10).contains("NaN"));
    }
}
