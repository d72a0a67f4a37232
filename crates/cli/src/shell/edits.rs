//! What if: cuts and pins, one over the other, and back.

use anyhow::{Result, bail};
use arrow::array::RecordBatch;
use heaplake_answers::{address_set, browse};

use super::{Edit, Shell};
use crate::{
    human,
    output::{Columns, Shape},
};

/// Characters of an edit that are shown.
const MAX_SHOWN: usize = 80;

impl Shell {
    pub(super) fn cut(&mut self, rest: &str) -> Result<()> {
        let set = self.set_of(rest)?;
        self.edit(std::slice::from_ref(&set), &[], format!("cut {set}"), "cut")
    }

    pub(super) fn pin(&mut self, rest: &str) -> Result<()> {
        let set = self.set_of(rest)?;
        self.edit(&[], std::slice::from_ref(&set), format!("pin {set}"), "pinned")
    }

    pub(super) fn gc(&mut self) -> Result<()> {
        let addresses = browse::garbage(self.session()?)?;
        if addresses.is_empty() {
            self.console.note("nothing is held by cycles alone");
            return Ok(());
        }
        let set = address_set(&addresses);
        self.edit(&[set], &[], "gc".to_owned(), "collected")
    }

    fn edit(&mut self, cuts: &[String], pins: &[String], command: String, what: &str) -> Result<()> {
        for set in cuts.iter().chain(pins) {
            self.session()?.check_types_of_set(set)?;
        }
        let before = self.session()?.totals()?;
        let edited = self.session()?.edit(cuts, pins)?;
        let left = human::signed_bytes(before.bytes.saturating_sub(edited.bytes));
        self.console.note(&format!(
            "{what}: {} of {} gone, {} of {}; {left} left (undo takes it back)",
            human::count(edited.objects),
            human::counted(before.objects.unsigned_abs(), "object"),
            human::signed_bytes(edited.bytes),
            human::signed_bytes(before.bytes),
        ));
        let dump = self.session()?.dump()?.id.to_string();
        self.chosen_mut().edited = Some(edited.clone());
        self.edits.entry(dump).or_default().push(Edit { command, edited });
        self.session = None;
        Ok(())
    }

    pub(super) fn undo(&mut self, rest: &str) -> Result<()> {
        let dump = self.session()?.dump()?.id.to_string();
        let edits = self.edits.entry(dump).or_default();
        let n_undone = match rest {
            "all" => edits.len(),
            "" => 1.min(edits.len()),
            other => bail!("undo, or undo all; not undo {other}"),
        };
        if n_undone == 0 {
            bail!("there is nothing to undo");
        }
        let undone: Vec<Edit> = edits.drain(edits.len() - n_undone..).collect();
        let edited = edits.last().map(|edit| edit.edited.clone());
        for edit in undone.iter().rev() {
            self.console.note(&format!("undone: {}", human::shortened(&edit.command, MAX_SHOWN)));
        }
        self.chosen_mut().edited = edited;
        self.session = None;
        Ok(())
    }

    pub(super) fn list_edits(&self) -> Result<RecordBatch> {
        let dump = self.chosen().dump.as_deref().unwrap_or_default();
        let edits = self.edits.get(dump).map(Vec::as_slice).unwrap_or_default();
        Ok(Columns::default()
            .text("edit", edits.iter().map(|edit| human::shortened(&edit.command, MAX_SHOWN)))
            .count("objects", edits.iter().map(|edit| edit.edited.objects))
            .number("size", edits.iter().map(|edit| Some(edit.edited.bytes)))
            .batch()?)
    }

    pub(super) fn print(&self, batch: &RecordBatch) -> Result<()> {
        self.console.plan(Shape::default(), None)?.print(batch)
    }
}
