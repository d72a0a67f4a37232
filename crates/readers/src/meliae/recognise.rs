//! What an input holds first, by the same parser that will read all of it.

use super::{BOM, BlockEnd, Parser, mark::MarkKind};
use crate::{
    batch::Batch,
    types::{TypeCache, TypeTable},
};

/// What comes first in an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FirstObject {
    /// The first line of a capture.
    Header,
    /// An object of a dump.
    Object,
    /// Neither: the head is empty, white space or damaged, or it is something else.
    Unknown,
}

/// Looks at the first object of the input that begins with `head`, after what cannot be read.
pub(crate) fn first_object(head: &[u8]) -> FirstObject {
    let types = TypeTable::default();
    let mut types = TypeCache::new(&types);
    let head = head.strip_prefix(BOM).unwrap_or(head);
    Parser::new(&mut types, head, BlockEnd::More, Batch::default()).first_object()
}

impl Parser<'_, '_> {
    fn first_object(mut self) -> FirstObject {
        while self.skip_separators() {
            let read = self.object();
            if let Some(mark) = self.marks.pop() {
                match mark.kind {
                    MarkKind::Header(_) => return FirstObject::Header,
                    MarkKind::End(_) => continue,
                }
            }
            if !self.batch.rows.is_empty() {
                return FirstObject::Object;
            }
            let Err(damage) = read else { continue };
            if damage.at_end && self.begins_a_header() {
                return FirstObject::Header;
            }
            self.leave_out(damage);
        }
        FirstObject::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_object_counts() {
        let object = r#"{"address": 16, "type": "a", "size": 16, "refs": []}"#;
        let header = r#"{"address": 0, "type": "heaplake capture", "size": 0, "capture": {"format": 1}}"#;
        let end = r#"{"address": 1, "type": "heaplake capture", "size": 0, "end": {"objects": 1}}"#;
        let unclear = r#"{"address": 0, "type": "heaplake capture", "size": 0, "capture": {}}"#;
        let cut_header = &header[..header.len() - 4];
        for (head, first) in [
            (format!("{object}\n{header}"), FirstObject::Object),
            (format!("{header}\n{object}"), FirstObject::Header),
            (format!("\u{feff} [\n{header},"), FirstObject::Header),
            (format!("damage\n{header}\n"), FirstObject::Header),
            (format!("damage\n{object}\n"), FirstObject::Object),
            (format!("{end}\n{object}"), FirstObject::Object),
            (format!("{unclear}\n{object}"), FirstObject::Object),
            (cut_header.to_owned(), FirstObject::Header),
            (object[..20].to_owned(), FirstObject::Unknown),
            (r#"{"name": "left-pad"}"#.to_owned(), FirstObject::Unknown),
            ("hello\nworld".to_owned(), FirstObject::Unknown),
            (String::new(), FirstObject::Unknown),
        ] {
            assert_eq!(first_object(head.as_bytes()), first, "{head}");
        }
    }
}
