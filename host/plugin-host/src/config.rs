//! The arguments of the plugin's registration.
//!
//! They are parsed once, before anything starts. The TLS flags of the Go plugin are dropped, so that its catalog
//! entries work on.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser;
use component_runtime::MEMORY_CEILING_BYTES_MIN;
use tracing::level_filters::LevelFilter;

use crate::egress_args::EgressArgs;
use crate::module_args::ModuleArgs;

/// Default of `--wal-min-age`.
pub(crate) const WAL_MIN_AGE: Duration = Duration::from_secs(600);

/// Flags of the Go plugin that take a value (`api/plugin_helpers.go` of the server).
const LEGACY_VALUE_FLAGS: [&str; 5] = ["ca-cert", "ca-path", "client-cert", "client-key", "tls-server-name"];
/// The Go plugin's flag that stands alone.
const LEGACY_SWITCH: &str = "tls-skip-verify";

/// The arguments for serving.
#[derive(Debug, Args)]
pub struct Config {
    /// Where requests may go.
    #[command(flatten)]
    pub egress: EgressArgs,

    /// Least important log lines to write. The server filters by its own level, too.
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = level_parser())]
    pub log_level: LevelFilter,

    /// Age at which a write-ahead entry counts as left behind by a crash.
    ///
    /// Longer than Astra may take to show a new token in its list; below a minute only in tests.
    #[arg(long, value_name = "DURATION", default_value_t = WAL_MIN_AGE.into())]
    pub wal_min_age: humantime::Duration,

    /// Memory that all requests together may hold, such as `512MiB` or `2GiB`; one mount may hold half of it.
    ///
    /// Without this argument: half of what the container may use, or half of the machine's memory.
    #[arg(long, value_name = "SIZE", value_parser = parse_memory_limit)]
    pub memory_limit: Option<usize>,

    /// Which modules may run beside the embedded one.
    #[command(flatten)]
    pub modules: ModuleArgs,

    /// Flags of the Go plugin that were given, without their values.
    #[arg(skip)]
    pub(crate) dropped_flags: Vec<String>,
}

impl Config {
    /// Logs what is unusual about these settings, once for each start.
    pub(crate) fn log(&self) {
        if !self.dropped_flags.is_empty() {
            let arguments = self.dropped_flags.join(" ");
            tracing::warn!(
                arguments,
                "these arguments have no effect: in the Go plugin they were about the server's own API, never about \
                 Astra; to trust an authority for requests to Astra, register with --ca-file"
            );
        }
        self.egress.log();
    }
}

/// Reads the level names of the server.
pub(crate) fn level_parser() -> impl TypedValueParser<Value = LevelFilter> {
    PossibleValuesParser::new(["trace", "debug", "info", "warn", "error"]).try_map(|name| name.parse())
}

/// Reads a size: a whole number with its unit.
fn parse_memory_limit(text: &str) -> Result<usize, String> {
    let least = MEMORY_CEILING_BYTES_MIN / MIB;
    let write =
        format!("write a whole number and `MiB` or `GiB`, at least `{least}MiB`, such as `--memory-limit=1GiB`");
    let (number, unit) = match (text.strip_suffix("MiB"), text.strip_suffix("GiB")) {
        (Some(number), _) => (number, MIB),
        (_, Some(number)) => (number, 1024 * MIB),
        (None, None) => return Err(format!("it is no size: {write}")),
    };
    let number: usize = number.trim_end().parse().map_err(|_| format!("it is no size: {write}"))?;
    match number.checked_mul(unit) {
        Some(bytes) if bytes >= MEMORY_CEILING_BYTES_MIN => Ok(bytes),
        Some(_) => Err(format!("it leaves no room for a large request: {write}")),
        None => Err(format!("it is more than any machine has: {write}")),
    }
}

const MIB: usize = 1024 * 1024;

/// Drops the Go plugin's flags: one or two dashes, value joined by `=` or in the next argument. The second list names
/// the flags that were dropped.
pub(crate) fn without_legacy_flags(args: impl IntoIterator<Item = OsString>) -> (Vec<OsString>, Vec<String>) {
    let mut args = args.into_iter();
    let (mut kept, mut dropped) = (Vec::new(), Vec::new());
    while let Some(arg) = args.next() {
        let Some((name, value)) = legacy_flag(&arg) else {
            kept.push(arg);
            continue;
        };
        dropped.push(format!("-{name}"));
        if value == LegacyValue::Follows {
            drop(args.next());
        }
    }
    (kept, dropped)
}

/// Where the value of a legacy flag stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LegacyValue {
    Joined,
    Follows,
    None,
}

fn legacy_flag(arg: &OsString) -> Option<(&str, LegacyValue)> {
    let text = arg.to_str()?;
    let name = text.strip_prefix("--").or_else(|| text.strip_prefix('-'))?;
    let (name, value) = match name.split_once('=') {
        Some((name, _)) => (name, LegacyValue::Joined),
        None => (name, LegacyValue::Follows),
    };
    if name == LEGACY_SWITCH {
        return Some((name, LegacyValue::None));
    }
    LEGACY_VALUE_FLAGS.contains(&name).then_some((name, value))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::component::EMBEDDED_ENGINE;

    fn parse(args: &[&str]) -> Result<Config, clap::Error> {
        let args = std::iter::once("plugin").chain(args.iter().copied());
        crate::CommandLine::parse_args(args.map(OsString::from)).map(|line| line.serving).map_err(|stop| stop.error)
    }

    #[test]
    fn defaults_are_astra_info_and_ten_minutes() {
        let config = parse(&[]).unwrap();
        assert_eq!(config.egress.origins(EMBEDDED_ENGINE, EMBEDDED_ENGINE).unwrap().len(), 3);
        assert!(!config.egress.astra_read_only);
        assert_eq!(config.log_level, LevelFilter::INFO);
        assert_eq!(*config.wal_min_age, WAL_MIN_AGE);
    }

    #[test]
    fn the_go_plugins_flags_are_accepted_and_ignored() {
        let args = [
            "-ca-cert=/etc/ca.pem",
            "-ca-path",
            "/etc/ca",
            "-tls-skip-verify",
            "-tls-skip-verify=true",
            "--client-cert",
            "c.pem",
            "-client-key=k.pem",
            "-tls-server-name",
            "vault",
            "--wal-min-age=20m",
        ];
        let config = parse(&args).unwrap();
        assert_eq!(*config.wal_min_age, Duration::from_secs(1200));
        let dropped = [
            "-ca-cert",
            "-ca-path",
            "-tls-skip-verify",
            "-tls-skip-verify",
            "-client-cert",
            "-client-key",
            "-tls-server-name",
        ];
        assert_eq!(config.dropped_flags, dropped);
    }

    #[test]
    fn a_memory_limit_is_a_number_with_its_unit() {
        assert_eq!(parse(&[]).unwrap().memory_limit, None);
        for (text, expected) in [("128MiB", 128), ("1GiB", 1024), ("700 MiB", 700)] {
            assert_eq!(
                parse(&[&format!("--memory-limit={text}")]).unwrap().memory_limit,
                Some(expected * MIB),
                "{text}"
            );
        }
        let rows = [
            ("1", "it is no size"),
            ("1.5GiB", "it is no size"),
            ("-1GiB", "it is no size"),
            ("1GB", "it is no size"),
            ("50%", "it is no size"),
            ("127MiB", "it leaves no room for a large request"),
            ("0GiB", "it leaves no room for a large request"),
            ("99999999999999GiB", "it is more than any machine has"),
        ];
        for (text, reason) in rows {
            let error = parse(&[&format!("--memory-limit={text}")]).unwrap_err().to_string();
            let says_what_to_write = "write a whole number and `MiB` or `GiB`, at least `128MiB`";
            for part in ["--memory-limit", text, reason, says_what_to_write] {
                assert!(error.contains(part), "{part}: {error}");
            }
        }
    }

    #[test]
    fn bad_arguments_are_named_with_their_value() {
        let rows = [
            (vec!["--allow-egress=ftp://host"], "ftp://host"),
            (vec!["--allow-egress=https://host/path"], "https://host/path"),
            (vec!["--log-level=loud"], "loud"),
            (vec!["--wal-min-age=soon"], "soon"),
            (vec!["--memory-limit=much"], "much"),
            (vec!["--unknown"], "--unknown"),
            (vec!["stray"], "stray"),
        ];
        for (args, expected) in rows {
            let text = parse(&args).unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
        }
    }
}
