//! Colours, for light and dark pages.
//!
//! Fills of labels are tints of the palette of Okabe and Ito ("Color Universal Design", 2008), growth goes from blue to
//! orange: people who cannot tell red from green can tell these apart. Text on a fill has a contrast of 4.5 or more.

use crate::Tone;

/// Number of colours for labels.
const N_LABELS: u64 = 8;

/// The style sheet of every picture.
pub(crate) const STYLE: &str = "\
text{font:11px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;fill:#1a1a1a;white-space:pre}\
.title{font-size:15px;font-weight:bold}.note{fill:#555}.end{text-anchor:end}.middle{text-anchor:middle}\
.page{fill:#fff}g rect{stroke:#fff;stroke-width:.6}g:hover>rect{stroke:#000;stroke-width:1.5}\
.k0 rect{fill:#a3cfee}.k1 rect{fill:#f3bf7d}.k2 rect{fill:#93d6ba}.k3 rect{fill:#f0e58a}\
.k4 rect{fill:#dcb0cd}.k5 rect{fill:#ecae97}.k6 rect{fill:#c0cad6}.k7 rect{fill:#cbd998}\
.plain rect{fill:#e4e4e4}\
.m4 rect{fill:#5b9bd0}.m3 rect{fill:#85b7e0}.m2 rect{fill:#a9cdec}.m1 rect{fill:#d3e5f5}.z rect{fill:#e9e9e9}\
.p1 rect{fill:#fbe3cf}.p2 rect{fill:#f6c193}.p3 rect{fill:#ee9a4d}.p4 rect{fill:#e57f22}\
.grid{stroke:#ddd}.axis{stroke:#888}.s{fill:none;stroke-width:1.8}.dot{stroke:none}\
.s0{stroke:#0072b2}.s1{stroke:#d55e00}.s2{stroke:#008a64}.s3{stroke:#b3578d}.s4{stroke:#b07a00}\
.s5{stroke:#3a9bd6}.s6{stroke:#555}.s7{stroke:#7a6a00}\
.f0{fill:#0072b2}.f1{fill:#d55e00}.f2{fill:#008a64}.f3{fill:#b3578d}.f4{fill:#b07a00}\
.f5{fill:#3a9bd6}.f6{fill:#555}.f7{fill:#7a6a00}\
@media(prefers-color-scheme:dark){text{fill:#f2f2f2}.note{fill:#aaa}.page{fill:#16181d}\
g rect{stroke:#16181d}g:hover>rect{stroke:#fff}\
.k0 rect{fill:#23587f}.k1 rect{fill:#7a4d12}.k2 rect{fill:#1d6249}.k3 rect{fill:#655c10}\
.k4 rect{fill:#73436a}.k5 rect{fill:#7d3b23}.k6 rect{fill:#47525e}.k7 rect{fill:#525c22}\
.plain rect{fill:#3a3d44}\
.m4 rect{fill:#176fb5}.m3 rect{fill:#1b5c93}.m2 rect{fill:#1f4a70}.m1 rect{fill:#24384a}.z rect{fill:#34363c}\
.p1 rect{fill:#4a3624}.p2 rect{fill:#6e4518}.p3 rect{fill:#8c500d}.p4 rect{fill:#a45806}\
.grid{stroke:#333}.axis{stroke:#888}\
.s0{stroke:#56b4e9}.s1{stroke:#ff8c42}.s2{stroke:#2fd3a5}.s3{stroke:#f0a3cf}.s4{stroke:#ffc23d}\
.s5{stroke:#9bd4ff}.s6{stroke:#bbb}.s7{stroke:#d8c84a}\
.f0{fill:#56b4e9}.f1{fill:#ff8c42}.f2{fill:#2fd3a5}.f3{fill:#f0a3cf}.f4{fill:#ffc23d}\
.f5{fill:#9bd4ff}.f6{fill:#bbb}.f7{fill:#d8c84a}}";

/// Number of colours for series.
pub(crate) const N_SERIES: usize = 8;

/// The class of a tile.
pub(crate) fn class(tone: Tone, label: &str) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Label => match fnv(label) % N_LABELS {
            0 => "k0",
            1 => "k1",
            2 => "k2",
            3 => "k3",
            4 => "k4",
            5 => "k5",
            6 => "k6",
            _ => "k7",
        },
        Tone::Growth(growth) => match growth {
            g if g >= 0.5 => "p4",
            g if g >= 0.2 => "p3",
            g if g >= 0.05 => "p2",
            g if g > 0.0 => "p1",
            g if g <= -0.5 => "m4",
            g if g <= -0.2 => "m3",
            g if g <= -0.05 => "m2",
            g if g < 0.0 => "m1",
            _ => "z",
        },
    }
}

/// A hash that is the same everywhere (Fowler, Noll, Vo: FNV-1a), of the first 64 bytes.
fn fnv(text: &str) -> u64 {
    text.bytes().take(64).fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_a_colour() {
        let mut classes: Vec<&str> = (0..100).map(|i| class(Tone::Label, &i.to_string())).collect();
        classes
            .extend([-1.0, -0.3, -0.1, -0.01, 0.0, 0.01, 0.1, 0.3, 1.0].map(|g| class(Tone::Growth(g), "")));
        classes.push(class(Tone::Plain, ""));
        classes.sort_unstable();
        classes.dedup();
        assert_eq!(classes.len(), 8 + 9 + 1);
        for class in classes {
            assert_eq!(STYLE.matches(&format!(".{class} rect{{fill:")).count(), 2, "{class}, light and dark");
        }
    }
}
