//! Lakes in object stores: `s3://bucket/prefix`, and the same with `gs://` and `az://`.
//!
//! The objects of such a lake have the paths and the bytes of the files of a lake folder ([`heaplake_store::LakePath`]), so that
//! a dump can be copied to a store and from one without being changed, and other programs read its tables where they are. What
//! differs is how a dump comes to exist: there is neither lock nor journal, since a store has something better.
//!
//! 1. The files of a dump are put under names that no other import has.
//! 2. Its manifest is put on a condition: that there is none, or the one that is to be replaced. At this moment the dump
//!    exists. Of several who do so at the same time the store lets one win.
//! 3. Removing a dump puts a tombstone in the place of its manifest, on the same condition.
//! 4. Files that no manifest names are deleted by a sweep, after a day, so that processes that read or send them can finish.
//!
//! The functions of this crate wait for their requests. docs/object-stores.md says what is promised.

mod cache;
mod copy;
mod counter;
mod download;
mod error;
mod eviction;
mod foreign;
mod lake;
mod location;
mod open;
mod parts;
mod profile;
mod pull;
mod push;
mod requests;
mod sources;
mod sweep;

pub use copy::{CopyOptions, LakeCopy, ReceiveProgress};
pub use counter::process_traffic;
pub use error::{Error, Result};
pub use lake::{RemoteDump, RemoteLake};
pub use location::Location;
pub use pull::Pulled;
pub use push::Pushed;
pub use sources::{RemoteSource, sources};
pub use sweep::Swept;
