//! Measures speed and memory, and prints one table: each figure beside its target or beside the
//! server's own engine in the same run. Asserts nothing: a figure depends on the machine.
//!
//! Everything runs on this machine at once, load generator and simulator included, so that
//! figures are worth comparing only with each other.

#![expect(clippy::print_stderr, reason = "says what is being measured; the table goes to stdout")]

mod component;
mod floods;
mod handshake;
mod in_process;
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
mod through_server;
mod versus;

use std::io::Write;
use std::path::Path;

use crate::server::TestServer;
use crate::table::Table;

fn main() -> anyhow::Result<()> {
    let machine = machine();
    let mut table = Table::default();
    progress("starts of the plugin");
    handshake::measure(&mut table)?;
    progress("one request in this process");
    in_process::measure(&mut table)?;
    progress("the seal of secrets");
    sealed::measure(&mut table)?;
    progress("100,000 tokens");
    many_tokens::measure(&mut table)?;
    progress("memory of the plugin");
    memory::measure(&mut table)?;
    progress("modules");
    modules::measure(&mut table)?;
    progress("switches of the module under load");
    switch::measure(&mut table)?;
    progress("floods of another mount");
    floods::measure(&mut table)?;
    progress("requests through the server");
    let server = TestServer::start()?;
    through_server::measure(&server, &mut table)?;
    if let Some(base) = std::env::var_os("BASE_PLUGIN") {
        progress("requests to this plugin and to that of BASE_PLUGIN, in turns");
        versus::measure(Path::new(&base), &mut table)?;
    }
    progress("3,000 mints, 30 at once");
    mints::measure(&server, &mut table)?;
    progress("200,000 tokens in Astra");
    long_list::measure(&server, &mut table)?;
    drop(server);
    let mut out = std::io::stdout().lock();
    writeln!(out, "{machine}")?;
    write!(out, "{table}")?;
    Ok(())
}

/// What is being measured now: the whole takes a minute or two.
fn progress(what: &str) {
    eprintln!("measuring: {what}");
}

/// What was measured on. Other work on the machine makes every figure worse, ratios the least.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("unknown");
    format!(
        "cores: {cores}; load of the machine before the start: {load} (well below 1, or the figures are not the product's)"
    )
}
