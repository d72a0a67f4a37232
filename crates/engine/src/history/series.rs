//! What a series of measurements over time comes to: whether it grows, how fast, and since when.
//!
//! One measurement that is off must not decide. The one that is most off the median of its neighbours and itself (Tukey,
//! *Exploratory Data Analysis*, 1977, "3" with the end-point rule) is taken to be that median; what only rises is as it
//! was. The slope is the median of the slopes of all pairs (Theil 1950, Sen 1968).

/// How a series goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SeriesShape {
    /// Higher after some point than ever before, and still rising in the last third; no fall of half a climb.
    Growing,
    /// The same, but not rising in the last third.
    Stopped,
    /// Up and down.
    Unsteady,
    /// The same all the time.
    Flat,
    /// Lower after some point than ever before.
    Falling,
}

impl SeriesShape {
    pub(crate) fn name(self) -> &'static str {
        match self {
            SeriesShape::Growing => "growing",
            SeriesShape::Stopped => "stopped",
            SeriesShape::Unsteady => "unsteady",
            SeriesShape::Flat => "flat",
            SeriesShape::Falling => "falling",
        }
    }
}

/// What is said of a series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) shape: SeriesShape,
    /// The first measurement from which on all are higher than all before.
    pub(crate) began: Option<usize>,
    /// Whether it never falls.
    pub(crate) is_monotone: bool,
    /// By how much the end is above the beginning.
    pub(crate) rise: i64,
}

/// Judges a series of at least one value.
pub(crate) fn judge(values: &[i64]) -> Verdict {
    let values = without_most_off(values);
    let (first, last) = (values[0], values[values.len() - 1]);
    let began = step_up(&values);
    let late = values.len() - values.len().div_ceil(3);
    let most = |values: &[i64]| values.iter().copied().max().unwrap_or(i64::MIN);
    let (climb, fall) = swings(&values);
    let fell = || step_up(&values.iter().map(|value| value.saturating_neg()).collect::<Vec<_>>());
    let shape = if values.iter().all(|value| *value == first) {
        SeriesShape::Flat
    } else if began.is_some() && climb / 2 >= fall {
        if most(&values[late..]) > most(&values[..late]) {
            SeriesShape::Growing
        } else {
            SeriesShape::Stopped
        }
    } else if fall / 2 >= climb && fell().is_some() {
        SeriesShape::Falling
    } else {
        SeriesShape::Unsteady
    };
    Verdict {
        shape,
        began: began.filter(|_| matches!(shape, SeriesShape::Growing | SeriesShape::Stopped)),
        is_monotone: values.windows(2).all(|pair| pair[0] <= pair[1]),
        rise: last.saturating_sub(first),
    }
}

/// The series with the value that is most off put right.
fn without_most_off(values: &[i64]) -> Vec<i64> {
    let smooth = medians_of_three(values);
    let mut values = values.to_vec();
    if let Some(off) = (0..values.len()).max_by_key(|i| values[*i].abs_diff(smooth[*i])) {
        values[off] = smooth[off];
    }
    values
}

/// The highest climb and the deepest fall of a series.
fn swings(values: &[i64]) -> (u64, u64) {
    let (mut least, mut most) = (i64::MAX, i64::MIN);
    let (mut climb, mut fall) = (0, 0);
    for value in values {
        (least, most) = (least.min(*value), most.max(*value));
        climb = climb.max(value.abs_diff(least));
        fall = fall.max(most.abs_diff(*value));
    }
    (climb, fall)
}

/// The first place from which on every value is higher than all before it.
fn step_up(values: &[i64]) -> Option<usize> {
    let mut least_from = values.to_vec();
    for i in (0..values.len().saturating_sub(1)).rev() {
        least_from[i] = least_from[i].min(least_from[i + 1]);
    }
    let mut most = *values.first()?;
    for i in 1..values.len() {
        if least_from[i] > most {
            return Some(i);
        }
        most = most.max(values[i]);
    }
    None
}

fn medians_of_three(values: &[i64]) -> Vec<i64> {
    let n = values.len();
    if n < 3 {
        return values.to_vec();
    }
    let mut smooth: Vec<i64> = values.to_vec();
    for i in 1..n - 1 {
        smooth[i] = median([values[i - 1], values[i], values[i + 1]]);
    }
    // What the neighbours, going on as they go, would put at the end.
    let beyond = |near: i64, far: i64| near.saturating_mul(3).saturating_sub(far.saturating_mul(2));
    if n > 3 {
        smooth[0] = median([values[0], smooth[1], beyond(smooth[1], smooth[2])]);
        smooth[n - 1] = median([values[n - 1], smooth[n - 2], beyond(smooth[n - 2], smooth[n - 3])]);
    }
    smooth
}

fn median(mut of: [i64; 3]) -> i64 {
    of.sort_unstable();
    of[1]
}

/// Series longer than this are first made as long, by medians of neighbours, so that there are not too many pairs.
const MAX_POINTS: usize = 64;

/// The slope of `values` over `times`, both of one length: the median of the slopes of all pairs. None where no two
/// times differ.
pub(crate) fn slope(times: &[f64], values: &[f64]) -> Option<f64> {
    let n = times.len();
    let n_points = n.min(MAX_POINTS);
    let middle = |of: &[f64]| {
        let mut of = of.to_vec();
        of.sort_unstable_by(f64::total_cmp);
        of[of.len() / 2]
    };
    let bounds = |i: usize| i * n / n_points..(i + 1) * n / n_points;
    let points: Vec<(f64, f64)> =
        (0..n_points).map(|i| (middle(&times[bounds(i)]), middle(&values[bounds(i)]))).collect();
    let mut slopes = Vec::with_capacity(n_points * n_points.saturating_sub(1) / 2);
    for (i, (time, value)) in points.iter().enumerate() {
        let later = points[i + 1..].iter().filter(|(other, _)| other > time);
        slopes.extend(later.map(|(other_time, other)| (other - value) / (other_time - time)));
    }
    if slopes.is_empty() {
        return None;
    }
    let (n, at) = (slopes.len(), slopes.len() / 2);
    let (below, upper, _) = slopes.select_nth_unstable_by(at, f64::total_cmp);
    let lower = below.iter().copied().max_by(f64::total_cmp).filter(|_| n.is_multiple_of(2));
    Some(lower.map_or(*upper, |lower| f64::midpoint(lower, *upper)))
}

/// Characters of a sparkline, at most.
const SPARK_WIDTH: usize = 24;

/// A series as a line of bars, `▁` for the least and `█` for the most; `·` where there is no value. A long series is
/// drawn by the most of every stretch.
pub(crate) fn spark(values: &[Option<i64>]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let n = values.len().min(SPARK_WIDTH);
    let stretches = (0..n).map(|i| {
        let bounds = i * values.len() / n..(i + 1) * values.len() / n;
        values[bounds].iter().flatten().copied().max()
    });
    let stretches: Vec<Option<i64>> = stretches.collect();
    let least = stretches.iter().flatten().min().copied().unwrap_or(0);
    let most = stretches.iter().flatten().max().copied().unwrap_or(0);
    let height = (i128::from(most) - i128::from(least)).max(1);
    stretches
        .into_iter()
        .map(|value| {
            let Some(value) = value else { return '·' };
            let bar = (i128::from(value) - i128::from(least)) * (BARS.len() as i128 - 1) / height;
            BARS[bar.clamp(0, 7) as usize]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(values: &[i64]) -> (&'static str, Option<usize>) {
        let verdict = judge(values);
        (verdict.shape.name(), verdict.began)
    }

    #[test]
    fn shapes_are_told_apart() {
        for (values, wanted) in [
            // Steady, and with one measurement that is off, wherever it is.
            (&[7, 7, 7, 7, 7][..], ("flat", None)),
            (&[7, 7, 90, 7, 7], ("flat", None)),
            (&[90, 7, 7, 7, 7], ("flat", None)),
            (&[7, 7, 7, 7, 90], ("flat", None)),
            (&[7], ("flat", None)),
            // Leaks, from the start and later, and with one measurement that is off.
            (&[1, 2, 3, 4, 5], ("growing", Some(1))),
            (&[1, 2], ("growing", Some(1))),
            (&[1, 2, 3], ("growing", Some(1))),
            (&[10, 10, 10, 10, 15, 20, 25, 30, 35], ("growing", Some(4))),
            (&[10, 10, 99, 10, 15, 20, 25, 30, 35], ("growing", Some(4))),
            (&[10, 10, 10, 10, 15, 20, 1, 30, 35], ("growing", Some(4))),
            // A leak below a sawtooth.
            (&[10, 15, 12, 17, 14, 19, 16, 21, 18, 23], ("growing", Some(1))),
            // Warm-up that stops.
            (&[10, 40, 60, 60, 60, 60, 60, 60, 60], ("stopped", Some(1))),
            // Sawtooth.
            (&[10, 20, 30, 10, 20, 30, 10, 20, 30], ("unsteady", None)),
            (&[10, 30, 10, 30, 10, 30, 10], ("unsteady", None)),
            (&[10, 20, 30, 40, 10, 20, 30, 40, 10, 20], ("unsteady", None)),
            (&[9, 8, 7, 7, 6], ("falling", None)),
            (&[2, 1], ("falling", None)),
        ] {
            assert_eq!(shape(values), wanted, "{values:?}");
        }
    }

    #[test]
    fn what_only_rises_is_monotone_but_for_one_measurement() {
        assert!(judge(&[1, 2, 2, 3, 9]).is_monotone);
        assert!(judge(&[1, 2, 0, 3, 4]).is_monotone);
        assert!(!judge(&[1, 5, 3, 1, 9]).is_monotone);
        assert_eq!(judge(&[10, 20, 30, 400, 50]).rise, 40);
    }

    #[test]
    fn the_slope_is_the_median_of_the_slopes_of_pairs() {
        let times = [0.0, 1.0, 2.0, 3.0, 4.0];
        assert_eq!(slope(&times, &[0.0, 2.0, 4.0, 6.0, 8.0]), Some(2.0));
        assert_eq!(slope(&times, &[0.0, 2.0, 400.0, 6.0, 8.0]), Some(2.0));
        assert_eq!(slope(&[0.0, 1.0, 3.0], &[0.0, 1.0, 9.0]), Some(3.0));
        assert_eq!(slope(&[5.0, 5.0], &[1.0, 9.0]), None);
        assert_eq!(slope(&[5.0], &[1.0]), None);
        let long: Vec<f64> = (0..1000).map(f64::from).collect();
        let found = slope(&long, &long.iter().map(|x| x * 3.0).collect::<Vec<_>>()).expect("a slope");
        assert!((found - 3.0).abs() < 1e-9, "{found}");
    }

    #[test]
    fn extremes_do_not_overflow() {
        for values in [[i64::MAX, i64::MIN, i64::MAX, i64::MIN], [i64::MIN, 0, i64::MAX, i64::MAX]] {
            judge(&values);
            let line = spark(&values.map(Some));
            assert_eq!(line.chars().count(), 4);
        }
    }

    #[test]
    fn sparklines_have_a_bar_per_value_or_stretch() {
        assert_eq!(spark(&[Some(0), Some(7), None, Some(14)]), "▁▄·█");
        assert_eq!(spark(&[Some(3), Some(3)]), "▁▁");
        assert_eq!(spark(&[]), "");
        let long: Vec<Option<i64>> = (0..1000).map(Some).collect();
        let line = spark(&long);
        assert_eq!((line.chars().count(), line.chars().last()), (SPARK_WIDTH, Some('█')));
    }
}
