//! The workers of a cluster that a lake names: a file that people write, and that this crate only reads.
//!
//! Nothing in it is secret, and nothing in it is to be trusted: who may write to the lake can name any host.

use serde::Deserialize;

use crate::{Lake, Result, lake::LakePath};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WorkersFile {
    workers: Vec<String>,
}

impl Lake {
    /// The addresses of the workers that the lake names, as they stand there; `None` if it has no such file.
    pub fn workers(&self) -> Result<Option<Vec<String>>> {
        let file = self.read_json::<WorkersFile>(&LakePath::workers(), "it names no workers")?;
        Ok(file.map(|file| file.workers))
    }
}
