//! The plugin binary that Vault or OpenBao starts: joins the protocol and the runtime.

mod config;

pub use config::Config;

/// Serves.
pub fn run(config: &Config) -> std::process::ExitCode {
    let _ = config;
    unimplemented!()
}
