//! The simulator as a process, for the demo and for trying things by hand. Prints where it
//! listens and the bootstrap tokens, then serves until it is told to end.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use astra_simulator::{ClockSettings, OrganizationHandle, Settings, Simulator};
use clap::Parser;
use serde_json::{Value, json};

/// Simulates the Astra DevOps API on a loopback address.
///
/// The first line on standard output is `READY http://127.0.0.1:PORT`; the second is one JSON
/// object with the organizations and their bootstrap tokens, unless `--state` names a file for
/// it. The control interface is under `/_sim/`.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen; loopback addresses only, port 0 takes a free port.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// How many organizations there are.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1000))]
    organizations: u16,
    /// Seed of every ID, secret, order and chance.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How far the simulator's clock is ahead of the machine's.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    clock_skew_seconds: i64,
    /// Write the JSON object to this file, readable by its owner only, instead of printing it.
    #[arg(long)]
    state: Option<PathBuf>,
    /// End when standard input closes, so that no process is left behind.
    #[arg(long)]
    exit_with_stdin: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let settings = Settings {
        seed: arguments.seed,
        listen: arguments.listen,
        clock: ClockSettings::Running { skew_seconds: arguments.clock_skew_seconds },
        ..Settings::with_organizations(arguments.organizations.into())
    };
    let simulator = Simulator::start(settings).context("failed to start the simulator")?;
    let state = json!({
        "url": simulator.url(),
        "organizations": simulator.organizations().iter().map(describe).collect::<Vec<Value>>(),
    });
    // The file is complete before READY is printed, so that whoever reads the line can read it.
    if let Some(path) = &arguments.state {
        write_private(path, &state.to_string())
            .with_context(|| format!("failed to write the state to `{}`", path.display()))?;
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "READY {}", simulator.url())?;
    if arguments.state.is_none() {
        writeln!(out, "{state}")?;
    }
    out.flush()?;
    drop(out);
    if arguments.exit_with_stdin {
        let mut rest = [0; 1024];
        while std::io::stdin().read(&mut rest).is_ok_and(|count| count > 0) {}
        return Ok(());
    }
    loop {
        std::thread::park();
    }
}

fn describe(organization: &OrganizationHandle) -> Value {
    json!({
        "id": organization.id,
        "name": organization.name,
        "client_id": organization.bootstrap.client_id,
        "token": organization.bootstrap.token,
    })
}

/// The file holds tokens that work, if only against this simulator.
fn write_private(path: &PathBuf, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;

    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    writeln!(options.open(path)?, "{text}")
}
