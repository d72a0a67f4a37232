//! The progress of an import: what is being done, how far it is, how fast, how long still. On terminals only.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use heaplake_store::{ImportProgress, Phase};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{console::Console, escape};

const READING: u8 = Phase::Reading as u8;
const SORTING: u8 = Phase::Sorting as u8;
const WRITING: u8 = Phase::Writing as u8;
const INDEXING: u8 = Phase::Indexing as u8;
const COPYING: u8 = Phase::Copying as u8;

/// The bars of imports that run at the same time.
pub struct Bars {
    bars: MultiProgress,
}

impl Bars {
    /// None yet.
    pub fn new(console: &Console) -> Self {
        let target = if console.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        Self { bars: MultiProgress::with_draw_target(target) }
    }

    /// A bar named `name`, which may be any text.
    pub fn add(&self, name: &str) -> Bar {
        let bar = ProgressBar::no_length().with_prefix(escape::line(name).into_owned());
        Bar { bar: self.bars.add(bar), phase: None }
    }

    /// Does what prints while no bar is shown.
    pub fn suspend(&self, print: impl FnOnce()) {
        self.bars.suspend(print);
    }
}

/// The bar of one import. It disappears when it is dropped.
pub struct Bar {
    bar: ProgressBar,
    phase: Option<(u8, bool)>,
}

impl Bar {
    /// Shows the present state.
    pub fn update(&mut self, progress: &ImportProgress) {
        let phase = progress.phase.load(Relaxed);
        let (done, total) = match phase {
            READING | COPYING => (progress.bytes_read.load(Relaxed), progress.total_bytes.load(Relaxed)),
            WRITING => (progress.rows_written.load(Relaxed), progress.rows_total.load(Relaxed)),
            _ => (0, 0),
        };
        if total > 0 {
            self.bar.set_length(total.max(done));
        }
        self.begin(phase, total > 0);
        self.bar.set_position(done);
    }

    fn begin(&mut self, phase: u8, has_total: bool) {
        if self.phase == Some((phase, has_total)) {
            return;
        }
        self.bar.set_style(style(phase, has_total));
        // The first phase began with the bar, and its rate counts from there.
        if self.phase.is_some_and(|(before, _)| before != phase) {
            self.bar.reset();
        }
        self.phase = Some((phase, has_total));
        self.bar.enable_steady_tick(Duration::from_millis(120));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(phase: u8, has_total: bool) -> ProgressStyle {
    let template = match (phase, has_total) {
        (READING, true) => {
            "{prefix}: reading [{bar:30}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left"
        }
        (COPYING, true) => {
            "{prefix}: copying [{bar:30}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left"
        }
        (COPYING, false) => "{prefix}: copying {spinner} {bytes}",
        (READING, false) => "{prefix}: reading {spinner} {bytes}, {bytes_per_sec}",
        (SORTING, _) => "{prefix}: sorting {spinner} {elapsed}",
        (WRITING, true) => "{prefix}: writing [{bar:30}] {human_pos} of {human_len} rows, {eta} left",
        (INDEXING, _) => "{prefix}: building the graph index {spinner} {elapsed}",
        (WRITING, false) => "{prefix}: writing {spinner} {elapsed}",
        _ => "{prefix}: committing {spinner}",
    };
    // The templates are constant and valid; a bar that looks wrong would still be no reason to fail.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_valid() {
        for phase in 0..=COPYING {
            for has_total in [false, true] {
                style(phase, has_total);
            }
        }
    }

    #[test]
    fn shows_any_name_and_any_state() {
        let console = Console {
            lake: crate::console::LakeChoice::Default,
            quiet: true,
            stats: false,
            shell: None,
            stores: crate::stores::OpenStores::default(),
            workers: None,
            cluster: None,
            parts: None,
        };
        let mut bar = Bars::new(&console).add("{bytes}\x1b[2J");
        assert_eq!(bar.bar.prefix(), "{bytes}\\x1b[2J");
        let progress = ImportProgress::default();
        for phase in 0..=COPYING + 1 {
            progress.phase.store(phase, Relaxed);
            progress.bytes_read.store(u64::MAX, Relaxed);
            bar.update(&progress);
        }
    }
}
