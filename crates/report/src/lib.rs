//! A report as a file that is sent: one HTML page that asks nobody for anything, or Markdown for a ticket; and a picture alone as
//! such a page.
//!
//! What it says comes from [`heaplake_answers::report`]; here it is only shown. Texts of dumps are escaped for the medium:
//! in HTML they stand in a block of JSON, from which the page's script makes text nodes.

mod html;
mod markdown;

pub use html::{html, picture_html};
pub use markdown::{MAX_CHARS, markdown};
