//! The dominators of a dump that is in a lake, timed alone: `heaplake-bench LAKE DUMP`.
//!
//! Prints the seconds that `dominator_tree` takes on the mapped graph, on one thread, and the sum of the addresses of
//! all immediate dominators, for comparison with others. `bench/run.py` runs it beside its peers.

use std::{env, path::Path, sync::atomic::AtomicBool, time::Instant};

use anyhow::{Context as _, Result, bail};
use heaplake_graph::{Id, dominator_tree};
use heaplake_store::{AnyIndex, GraphIndex, Lake, with_index};

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [lake, dump] = arguments.as_slice() else { bail!("usage: heaplake-bench LAKE DUMP") };
    let lake = Lake::open(Path::new(lake))?;
    let manifest = lake.manifest(dump)?;
    let index = AnyIndex::open(&lake, &manifest)?.context("the dump has no index")?;
    let (seconds, sum) = with_index!(&index, |index| dominators(index))?;
    println!("{seconds:.3} {sum}");
    Ok(())
}

fn dominators<I: Id>(index: &GraphIndex<I>) -> Result<(f64, u128)> {
    let start = Instant::now();
    let roots = index.roots().iter().map(|root| root.index());
    let tree = dominator_tree(index.graph(), roots, &AtomicBool::new(false))?;
    let seconds = start.elapsed().as_secs_f64();
    let addresses = tree.idom.iter().filter_map(|idom| index.addresses().get(idom.index()));
    Ok((seconds, addresses.map(|address| u128::from(*address)).sum()))
}
