//! Joins the parts of the capture script to the one file that its users get.

use std::{env, fs, path::Path};

fn main() {
    let folder = Path::new("script");
    println!("cargo::rerun-if-changed={}", folder.display());
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let parts: Vec<String> = read("order.txt").lines().map(read).collect();
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&out).join("heaplake_dump.py"), parts.join("\n\n")).expect("OUT_DIR can be written");
}
