//! The command `heaplake-cluster`: everything of `heaplake`, and workers.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    heaplake_cli::run(Some(heaplake_cluster::PARTS))
}
