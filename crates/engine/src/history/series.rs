//! What a series of measurements over time comes to: whether it grows, how fast, and since when.
//!
//! A single outlier of five measurements or more must not decide: the worst one is replaced by the median of itself and its
//! two neighbours (Tukey, *Exploratory Data Analysis*, 1977, "3" with the end-point rule), which changes nothing in a series
//! that only rises. Of fewer measurements one is too much of the evidence to be put aside. The slope is the median of the
//! slopes of all pairs (Theil 1950, Sen 1968). How sure a trend is says the test of Mann (1945) and Kendall, which counts the
//! pairs that rise and those that fall: it assumes nothing of the distribution, and knows how little few measurements prove.

use std::cmp::Ordering;

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
    /// How improbable it is that a series without trend goes so far up, or down where it falls; 0 to 1.
    pub(crate) confidence: f64,
}

/// Measurements from which on the worst outlier is put aside.
const MIN_FOR_OUTLIER: usize = 5;

/// Judges a series of at least one value.
pub(crate) fn judge(values: &[i64]) -> Verdict {
    let pairs = n_rising_pairs(values);
    let values = without_outlier(values);
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
        confidence: match shape {
            SeriesShape::Flat => 0.0,
            _ => pairs.confidence(),
        },
    }
}

/// The pairs of measurements of a series: how many rise minus how many fall, and what is needed to judge that number.
struct RisingPairs {
    n: usize,
    /// Rising minus falling pairs.
    surplus: i64,
    /// Lengths of the runs of equal measurements.
    ties: Vec<usize>,
}

/// Counts pairs; a long series is first made shorter by medians of neighbours.
fn n_rising_pairs(values: &[i64]) -> RisingPairs {
    let n = values.len().min(MAX_POINTS);
    let points: Vec<i64> = (0..n)
        .map(|i| {
            let mut of = values[i * values.len() / n..(i + 1) * values.len() / n].to_vec();
            of.sort_unstable();
            of[of.len() / 2]
        })
        .collect();
    let mut surplus = 0;
    for (i, value) in points.iter().enumerate() {
        for later in &points[i + 1..] {
            surplus += match later.cmp(value) {
                Ordering::Greater => 1,
                Ordering::Equal => 0,
                Ordering::Less => -1,
            };
        }
    }
    let mut sorted = points;
    sorted.sort_unstable();
    let ties = sorted.chunk_by(|a, b| a == b).map(<[i64]>::len).filter(|run| *run > 1).collect();
    RisingPairs { n, surplus, ties }
}

/// Up to this many measurements the distribution is counted out.
const MAX_EXACT: usize = 20;

impl RisingPairs {
    /// One minus the probability that measurements in random order have such a surplus, in the direction that it has.
    fn confidence(&self) -> f64 {
        let (n, surplus) = (self.n, self.surplus.unsigned_abs() as usize);
        if n < 2 || surplus == 0 {
            return 0.0;
        }
        if n <= MAX_EXACT {
            // Orders by their number of falling pairs; each further measurement can fall below 0 to all of those before.
            let mut orders = vec![1.0_f64];
            for k in 2..=n {
                let mut more = vec![0.0; orders.len() + k - 1];
                for (falling, n_orders) in orders.iter().enumerate() {
                    more[falling..falling + k].iter_mut().for_each(|sum| *sum += n_orders);
                }
                orders = more;
            }
            let n_pairs = n * (n - 1) / 2;
            let most_falling = (n_pairs - surplus) / 2;
            let as_much: f64 = orders[..=most_falling].iter().sum();
            return 1.0 - as_much / orders.iter().sum::<f64>();
        }
        let term = |n: usize| (n * (n - 1) * (2 * n + 5)) as f64;
        let variance = (term(n) - self.ties.iter().map(|run| term(*run)).sum::<f64>()) / 18.0;
        normal_below((surplus as f64 - 1.0) / variance.sqrt())
    }
}

/// The distribution function of the standard normal distribution for `x` of 0 and more, within 1e-7 (Abramowitz and Stegun,
/// *Handbook of Mathematical Functions*, 1964, 26.2.17).
fn normal_below(x: f64) -> f64 {
    const FACTORS: [f64; 5] = [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let t = 1.0 / (1.0 + 0.231_641_9 * x);
    let sum = FACTORS.iter().rev().fold(0.0, |sum, factor| (sum + factor) * t);
    1.0 - sum * (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

/// The series with the worst outlier replaced, if there are measurements enough to call it one.
fn without_outlier(values: &[i64]) -> Vec<i64> {
    if values.len() < MIN_FOR_OUTLIER {
        return values.to_vec();
    }
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
            // Of three or four measurements none is an outlier.
            (&[14700, 1400, 15400], ("unsteady", None)),
            (&[7, 7, 90, 7], ("unsteady", None)),
            (&[90, 7, 7], ("falling", None)),
            (&[7, 90, 7], ("unsteady", None)),
            (&[10, 12, 11, 14], ("growing", Some(1))),
            (&[2, 1], ("falling", None)),
        ] {
            assert_eq!(shape(values), wanted, "{values:?}");
        }
    }

    #[test]
    fn few_measurements_prove_little() {
        let confidence = |values: &[i64]| judge(values).confidence;
        let is_near = |found: f64, wanted: f64| (found - wanted).abs() < 1e-6;
        for (values, wanted) in [
            (&[1, 2][..], 1.0 / 2.0),
            (&[1, 2, 3], 5.0 / 6.0),
            (&[3, 2, 1], 5.0 / 6.0),
            (&[1, 2, 3, 4], 23.0 / 24.0),
            (&[1, 2, 3, 4, 5], 119.0 / 120.0),
            (&[1, 3, 2, 4], 1.0 - 4.0 / 24.0),
            (&[14700, 1400, 15400], 1.0 / 2.0),
            (&[7, 7, 7], 0.0),
            (&[7], 0.0),
        ] {
            assert!(is_near(confidence(values), wanted), "{values:?}: {}", confidence(values));
        }
        // Both ways to reckon agree where they meet, and a long series is judged by its stretches.
        let rising = |n: usize| (0..n as i64).collect::<Vec<_>>();
        assert!((confidence(&rising(MAX_EXACT)) - confidence(&rising(MAX_EXACT + 1))).abs() < 1e-6);
        assert!(confidence(&rising(10_000)) > 0.999_999);
        assert!(is_near(normal_below(1.959_964), 0.975) && is_near(normal_below(0.0), 0.5));
    }

    #[test]
    fn noise_seldom_grows_and_a_leak_in_noise_does() {
        // A linear congruential generator (Knuth's MMIX): the same noise every time.
        let mut state = 42_u64;
        let mut noise = |most: i64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as i64 % most
        };
        const N: usize = 2000;
        for (n_dumps, most_sure_noise) in [(3, 0), (5, N / 20), (10, N / 20)] {
            let mut n_sure = 0;
            for _ in 0..N {
                let verdict = judge(&(0..n_dumps).map(|_| 1000 + noise(200)).collect::<Vec<_>>());
                n_sure += usize::from(verdict.shape == SeriesShape::Growing && verdict.confidence >= 0.95);
            }
            assert!(n_sure <= most_sure_noise, "{n_dumps} dumps: {n_sure} of {N}");
        }
        let n_found = (0..N)
            .filter(|_| {
                let values: Vec<i64> = (0..10).map(|i| 1000 + 100 * i + noise(200)).collect();
                let verdict = judge(&values);
                verdict.shape == SeriesShape::Growing && verdict.confidence >= 0.95
            })
            .count();
        assert!(n_found > N * 95 / 100, "{n_found} of {N}");
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
