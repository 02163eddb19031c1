//! The command line: serving where no command is named, which is how the server starts us, and commands for people.
//!
//! Exit codes: 0 all is well, 1 the thing is not so, 2 the module answered with an error (as the server's own
//! command line does), 64 wrong usage.

mod diff;
pub(crate) mod files;
mod inspect;
mod module_file;
mod output;
mod run;
mod sandbox;
mod trust;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::Config;
use crate::config::{EXIT_USAGE, report, without_legacy_flags};

/// A secrets engine for DataStax Astra tokens: a plugin of Vault and OpenBao.
///
/// The server starts this program without a command, to serve. These options
/// go into its registration:
///
///   vault plugin register -sha256=SUM -args=--log-level=debug secret vault-plugin-secrets-datastax-astra
///
/// The commands are for people, and need no server.
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
    /// Look into modules, compare, sign and verify them.
    #[command(subcommand)]
    Module(ModuleCommand),
    /// Send one request to a module, in the sandbox that it has when serving, without a server.
    Run(Box<run::Arguments>),
}

/// What is done with modules.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub enum ModuleCommand {
    /// Make a key that signs modules; print its public half.
    Keygen(trust::Keygen),
    /// Sign modules: write or extend the signature beside each.
    Sign(trust::Sign),
    /// Would these arguments of a registration let this module run?
    Verify(trust::Verify),
    /// What a module is, and what it may do.
    Inspect(inspect::Arguments),
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
        // The old plugin's flags come from old registrations, which name no command.
        let by_hand = args.get(1).is_some_and(|first| first == "module" || first == "run");
        let (args, dropped) = if by_hand { (args, Vec::new()) } else { without_legacy_flags(args) };
        // A server waits for the start, and need not wait for the parsers of commands; wrong arguments may.
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

/// Why arguments lead to nothing that runs.
#[derive(Debug)]
pub struct Stop {
    pub(crate) error: clap::Error,
    by_hand: bool,
}

impl Stop {
    /// Ends. Help and version are no fault and go to stdout, where a server that started us reads no handshake.
    /// A server logs one line; people read several.
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

/// Why a command did not do what it was asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It is not so, or did not work: exit 1.
    Not(String),
    /// It was asked for in the wrong way: exit 64.
    Usage(String),
}

impl Failure {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Not(text) | Self::Usage(text) => text,
        }
    }
}

/// Does what was asked.
#[must_use]
pub fn execute(command: Command) -> ExitCode {
    let done = match command {
        Command::Module(ModuleCommand::Keygen(arguments)) => arguments.execute(),
        Command::Module(ModuleCommand::Sign(arguments)) => arguments.execute(),
        Command::Module(ModuleCommand::Verify(arguments)) => arguments.execute(),
        Command::Module(ModuleCommand::Inspect(arguments)) => arguments.execute(),
        Command::Module(ModuleCommand::Diff(arguments)) => arguments.execute(),
        Command::Run(arguments) => arguments.execute(),
    };
    let (code, text) = match done {
        Ok(code) => return code,
        Err(Failure::Not(text)) => (ExitCode::FAILURE, text),
        Err(Failure::Usage(text)) => (ExitCode::from(EXIT_USAGE), text),
    };
    // Nobody is left to tell when stderr is gone.
    let _ = writeln!(std::io::stderr(), "error: {text}");
    code
}

#[cfg(test)]
mod tests;
