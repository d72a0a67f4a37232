//! Captures a process: `cargo run -p heaplake-capture --example outside -- PID FILE [gdb]`.

use std::{sync::atomic::AtomicBool, time::Duration};

use heaplake_capture::{Options, Values, Via, capture};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (pid, output) = (args.next().ok_or("PID")?.parse()?, args.next().ok_or("FILE")?.into());
    let via = if args.next().is_some() { Via::Gdb } else { Via::Best };
    let timeout = Duration::from_secs(60);
    let options = Options { pid, output, values: Values::Short, redact: false, fork: true, timeout, via };
    let outcome = capture(&options, &mut |stage| println!("{stage:?}"), &AtomicBool::new(false))?;
    println!("{outcome:?}");
    Ok(())
}
