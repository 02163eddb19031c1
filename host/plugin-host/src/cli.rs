//! The command line. Without a command the program serves, as the server starts it; the commands are for people.
//!
//! Exit codes: 0 for success, 1 for a failure, 2 if the module answered with an error (as the server's own command line
//! does), 64 for wrong usage. `check` has those of monitoring systems: 0 for healthy, 1 if something is not known, 2 if
//! something is wrong, 3 if the server could not be asked.

mod build;
mod check;
mod diff;
mod inspect;
mod module_file;
mod new;
mod oci_config;
mod output;
mod report;
mod run;
mod sandbox;
mod server;
mod trust;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::Config;
use crate::config::without_legacy_flags;
use crate::failure::{EXIT_USAGE, Failure, report};

/// A secrets engine for DataStax Astra tokens: a plugin of Vault and OpenBao.
///
/// The server starts this program without a command, to serve. These options
/// go into its registration:
///
///   vault plugin register -sha256=SUM -args=--log-level=debug secret vault-plugin-secrets-datastax-astra
///
/// The commands are for people. `report` and `check` ask a server, the others need none.
#[derive(Debug, Parser)]
#[command(name = crate::PROGRAM, version = crate::VERSION, verbatim_doc_comment)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub struct CommandLine {
    /// How to serve.
    #[command(flatten)]
    pub serving: Config,
    /// What to do instead.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What people do by hand.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Begin and build modules, look into them, compare, sign and verify them.
    #[command(subcommand)]
    Module(ModuleCommand),
    /// Send one request to a module, in the sandbox that it has when serving, without a server.
    Run(Box<run::Arguments>),
    /// Report who owns each token of a mount, what the token reaches, and whether it is used.
    Report(Box<report::Arguments>),
    /// Check organizations of a mount, for people and for monitoring.
    ///
    /// Exit codes: 0 if everything is well, 1 if something is not known, 2 if something is wrong, 3 if the server could
    /// not be asked, 64 for wrong usage.
    Check(Box<check::Arguments>),
}

/// The words by which the commands begin.
const COMMANDS: [&str; 4] = ["module", "run", "report", "check"];

/// What is done with modules.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub enum ModuleCommand {
    /// Write a project with a small engine, its tests, and all that it is built on.
    New(new::Arguments),
    /// Make a module of the core wasm file that a compiler wrote.
    Build(build::Arguments),
    /// Make a key that signs modules; print its public half.
    Keygen(trust::Keygen),
    /// Print the public half of a key, as `--trust-key` takes it or as PEM.
    PublicKey(trust::PublicKeyCommand),
    /// Print the bytes that a key signs for a module, so that another tool can sign them.
    Statement(trust::StatementCommand),
    /// Sign modules: write or extend the signature beside each.
    Sign(trust::Sign),
    /// Would these arguments of a registration let this module run?
    Verify(trust::Verify),
    /// What a module is, and what it may do.
    Inspect(inspect::Arguments),
    /// Print the config with which `oras push` makes a module an artifact of a registry.
    OciConfig(oci_config::Arguments),
    /// What changes from one module to another.
    Diff(diff::Arguments),
}

impl CommandLine {
    /// Reads the command line, program name first.
    ///
    /// # Errors
    /// Names the argument and its value; also what `--help` and `--version` print, as clap does.
    pub fn parse_args(args: impl IntoIterator<Item = OsString>) -> Result<Self, Stop> {
        let args: Vec<OsString> = args.into_iter().collect();
        // The flags of the Go plugin come from old registrations, which name no command.
        let by_hand = args.get(1).is_some_and(|first| COMMANDS.iter().any(|command| first == command));
        let (args, dropped) = if by_hand { (args, Vec::new()) } else { without_legacy_flags(args) };
        // A server waits for the start, so serving needs no parsers of commands. With wrong arguments they are used.
        if !by_hand && let Ok(Serving { mut config }) = Serving::try_parse_from(&args) {
            config.dropped_flags = dropped;
            return Ok(Self { serving: config, command: None });
        }
        Self::try_parse_from(args).map_err(|error| Stop { error, by_hand })
    }
}

/// The arguments of a start by the server.
#[derive(Parser)]
#[command(disable_help_flag = true)]
struct Serving {
    #[command(flatten)]
    config: Config,
}

/// Why the arguments start nothing.
#[derive(Debug)]
pub struct Stop {
    pub(crate) error: clap::Error,
    by_hand: bool,
}

impl Stop {
    /// Prints the reason and ends. Help and version are no fault and go to stdout, where a server would read no
    /// handshake. A server gets one line, a person several.
    #[must_use]
    pub fn end(&self) -> ExitCode {
        let is_fault = self.error.use_stderr();
        if is_fault && !self.by_hand {
            let text = self.error.to_string();
            let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            report(&lines.join("; "));
            return ExitCode::from(EXIT_USAGE);
        }
        let printed = self.error.print();
        if is_fault {
            ExitCode::from(EXIT_USAGE)
        } else if printed.is_ok() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// Executes a command.
#[must_use]
pub fn execute(command: Command) -> ExitCode {
    let done = match command {
        Command::Module(ModuleCommand::New(arguments)) => arguments.execute(),
        Command::Module(ModuleCommand::Build(arguments)) => arguments.execute(),
        Command::Module(ModuleCommand::Keygen(arguments)) => arguments.execute(),
        Command::Module(ModuleCommand::PublicKey(arguments)) => arguments.execute(),
        Command::Module(ModuleCommand::Statement(arguments)) => arguments.execute(),
        Command::Module(ModuleCommand::Sign(arguments)) => arguments.execute(),
        Command::Module(ModuleCommand::Verify(arguments)) => arguments.execute(),
        Command::Module(ModuleCommand::Inspect(arguments)) => arguments.execute(),
        Command::Module(ModuleCommand::OciConfig(arguments)) => arguments.execute(),
        Command::Module(ModuleCommand::Diff(arguments)) => arguments.execute(),
        Command::Run(arguments) => arguments.execute(),
        Command::Report(arguments) => arguments.execute(),
        Command::Check(arguments) => arguments.execute(),
    };
    let (code, text) = match done {
        Ok(code) => return code,
        Err(Failure::Failed(text)) => (ExitCode::FAILURE, text),
        Err(Failure::Usage(text)) => (ExitCode::from(EXIT_USAGE), text),
    };
    // An error on stderr has no other place to go.
    let _ = writeln!(std::io::stderr(), "error: {text}");
    code
}

#[cfg(test)]
mod tests;
