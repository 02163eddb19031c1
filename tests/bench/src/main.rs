//! Measures speed and memory, and prints one table: each figure beside its target, or beside the server's own engine in
//! the same run. Asserts nothing, because a figure depends on the machine.
//!
//! Everything runs on this machine at once, including load generator and simulator, so figures can only be compared
//! with each other.

#![expect(clippy::print_stderr, reason = "says what is being measured; the table goes to stdout")]

mod component;
mod flood_clients;
mod floods;
mod handshake;
mod in_process;
mod languages;
mod load;
mod long_list;
mod many_tokens;
mod memory;
mod mints;
mod modules;
mod native;
mod raw_client;
mod samples;
mod sealed;
mod server;
mod switch;
mod table;
mod tenants;
mod through_server;
mod versus;

use std::io::Write;

use anyhow::bail;

use crate::table::Table;

/// The measurements in their order, with the names of the arguments.
const MEASUREMENTS: [(&str, Measure); 14] = [
    ("starts", handshake::measure),
    ("in-process", in_process::measure),
    ("seal", sealed::measure),
    ("many-tokens", many_tokens::measure),
    ("memory", memory::measure),
    ("modules", modules::measure),
    ("languages", languages::measure),
    ("switches", switch::measure),
    ("floods", floods::measure),
    ("server", through_server::measure),
    ("base", versus::measure),
    ("mints", mints::measure),
    ("long-list", long_list::measure),
    ("tenants", tenants::measure),
];

type Measure = fn(&mut Table) -> anyhow::Result<()>;

/// Runs the measurements that the arguments name; all without arguments.
fn main() -> anyhow::Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_known = |name: &String| MEASUREMENTS.iter().any(|(known, _)| known == name);
    if let Some(unknown) = wanted.iter().find(|name| !is_known(name)) {
        let names = MEASUREMENTS.map(|(name, _)| name).join(", ");
        bail!("there is no measurement `{unknown}`; there are {names}");
    }
    let machine = machine();
    let mut table = Table::default();
    for (name, measure) in MEASUREMENTS {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            progress(name);
            measure(&mut table)?;
        }
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{machine}")?;
    write!(out, "{table}")?;
    Ok(())
}

/// Prints the current measurement, because all of them take minutes.
fn progress(what: &str) {
    eprintln!("measuring: {what}");
}

/// The machine of the measurement. Other load makes every figure worse, and ratios the least.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("unknown");
    format!(
        "cores: {cores}; load of the machine before the start: {load} (well below 1, or the figures are not the product's)"
    )
}
