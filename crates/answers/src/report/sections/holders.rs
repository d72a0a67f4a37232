//! Who holds the memory: pictures, and the biggest of all kinds.

use super::{Asked, Builder, N_TOP, given, section};
use crate::{
    FrameMeasure, FrameQuestion, FramesBy, Result, Top, TopBy,
    report::{ReportCommand, ReportContent, ReportPart, ReportSection, ReportTree, TreePicture},
};

/// Levels of the pictures, boxes of each, and the part of the whole below which a box is folded.
const HOLDER_DEPTH: u32 = 24;
const TREE_DEPTH: u32 = 7;
const N_FRAMES: usize = 1200;
const MIN_SHARE: f64 = 0.0002;

impl Builder<'_> {
    pub(super) fn holders(&self) -> Result<ReportSection> {
        let mut section = section("holders", "Who holds it");
        let first = self.dumps.first().filter(|first| first.id != self.newest.id);
        let question = |by, depth, compared| FrameQuestion {
            by,
            compared,
            measure: FrameMeasure::Bytes,
            depth,
            max_frames: N_FRAMES,
            min_share: MIN_SHARE,
        };
        let compared = first.map(|first| (first.id.to_string(), self.newest.id.to_string()));
        let flame = question(FramesBy::Holder, HOLDER_DEPTH, compared);
        let treemap = question(FramesBy::Dominator, TREE_DEPTH, None);
        for (id, title, picture, question) in [
            ("flame", "Flame graph of holders", TreePicture::Flame, flame),
            ("treemap", "Treemap of the dominator tree", TreePicture::Treemap, treemap),
        ] {
            let statement = question.statement();
            match self.known(question.answer(self.session))? {
                Err(why) => section.notes.push(format!("{title}: {why}.")),
                Ok(tree) => section.parts.push(ReportPart {
                    id: id.to_owned(),
                    title: title.to_owned(),
                    source: self.source(ReportCommand::Frames(&question, picture), &statement),
                    content: ReportContent::Tree(ReportTree::new(&tree, picture, question.measure)),
                }),
            }
        }
        if section.parts.is_empty() {
            section.missing = Some("There is no graph index, which says what holds what.".to_owned());
        } else {
            section.summary =
                "What would be freed with what: the width or area of a box is its size with that of all below it.".to_owned();
        }
        let given = given("limit", N_TOP);
        let missing = "There is no graph index, which says what holds what.";
        let holders = Asked::query("holder-table", "Holders by what they retain", "holders", &given)?;
        self.table(holders.missing(missing), &mut section)?;
        Ok(section)
    }

    pub(super) fn biggest(&self) -> Result<ReportSection> {
        let mut section = section("biggest", "The biggest objects");
        section.summary =
            "Those that retain most: a big object inside of a big object is here twice.".to_owned();
        for (id, by, title) in [
            ("biggest-objects", TopBy::Object, "Objects by what they retain"),
            ("biggest-types", TopBy::Type, "Types by what they retain"),
        ] {
            let statement = Top { by, n: N_TOP }.statement();
            let top = Asked::new(id, title, ReportCommand::Top(by, N_TOP), statement)
                .missing("There is no graph index, which says what objects retain.");
            self.table(top, &mut section)?;
        }
        let given = given("limit", N_TOP);
        let collections = Asked::query("collections", "Collections by items", "biggest_collections", &given)?;
        self.table(collections.missing("No collection has a length."), &mut section)?;
        Ok(section)
    }
}
