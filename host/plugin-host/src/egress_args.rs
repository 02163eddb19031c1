//! The settings of where requests may go, and what they may do there.

use std::collections::BTreeMap;

use clap::Args;
use component_runtime::egress::{
    EgressSettings, ORIGINS_OPTION, Origin, OriginError, Policy, UPSTREAM_OPTION, UPSTREAM_READ_ONLY,
};
use modules::Scoped;
use modules::controller::engine_option;

use crate::component::EMBEDDED_ENGINE;
use crate::network_args::NetworkArgs;

/// The hosts of Astra itself: production, development and test.
const ASTRA_ORIGINS: [&str; 3] =
    ["https://api.astra.datastax.com", "https://api.dev.cloud.datastax.com", "https://api.test.cloud.datastax.com"];

/// Where requests may go, and what they may do there.
#[derive(Args, Clone, Debug, Default)]
pub struct EgressArgs {
    /// Allow the modules of this engine to send requests to this origin; may be given several times.
    ///
    /// `https://host`, `https://host:port` or `https://*.host`. Plain `http` and private addresses are
    /// reached only where an origin names them exactly. Without `ENGINE=`, and for Astra's own three hosts, the
    /// engine is the one that this program carries; in `run`, the one that runs.
    #[arg(long, value_name = "ENGINE=ORIGIN")]
    pub allow_egress: Vec<Scoped<Origin>>,

    /// Allow no requests to Astra's own three hosts, unless `--allow-egress` names them.
    #[arg(long)]
    pub no_default_egress: bool,

    /// Only read from Astra: every request but GET and HEAD is refused, whatever the engine does.
    ///
    /// For a copy of a server, such as a restored snapshot: no token is made, rotated or revoked. Rollback keeps
    /// what is due until the plugin is registered without this argument.
    #[arg(long)]
    pub astra_read_only: bool,

    /// How upstreams are reached.
    #[command(flatten)]
    pub network: NetworkArgs,
}

impl EgressArgs {
    /// All origins that the modules of `engine` may send requests to. What names no engine is about `unscoped`.
    ///
    /// # Errors
    /// Never in practice: Astra's own origins parse, as a test shows.
    pub(crate) fn origins(&self, engine: &str, unscoped: &str) -> Result<Vec<Origin>, OriginError> {
        let own: &[&str] = if self.no_default_egress || engine != unscoped { &[] } else { &ASTRA_ORIGINS };
        let allowed = self.allow_egress.iter().filter(|allowed| allowed.engine(unscoped) == engine);
        own.iter().map(|text| Origin::parse(text)).chain(allowed.map(|allowed| Ok(allowed.value.clone()))).collect()
    }

    /// Where the guests of a mount with these options may send requests.
    ///
    /// # Errors
    /// Names the option, and the origin that the registration does not allow.
    pub(crate) fn policy(&self, options: &BTreeMap<String, String>) -> Result<Policy, String> {
        let engine = engine_option(options).unwrap_or(EMBEDDED_ENGINE);
        let origins = self.origins(engine, EMBEDDED_ENGINE).map_err(|error| error.to_string())?;
        let policy = Policy::new(engine, origins);
        match options.get(ORIGINS_OPTION).map(|origins| origins.trim()) {
            None | Some("") => Ok(policy),
            Some(origins) => {
                policy.narrow(origins).map_err(|error| format!("the mount's option `{ORIGINS_OPTION}`: {error}"))
            }
        }
    }

    /// What the runtime is made with. Files are read.
    ///
    /// # Errors
    /// Names the argument, and its file or value.
    pub(crate) fn settings(&self) -> Result<EgressSettings, String> {
        let network = &self.network;
        Ok(EgressSettings {
            authorities: network.authorities()?,
            identity: network.identity()?,
            proxies: network.proxies()?,
            ..EgressSettings::default()
        })
    }

    /// Logs what is unusual about these settings, once for each start.
    pub(crate) fn log(&self) {
        if self.astra_read_only {
            tracing::warn!("Astra is read-only (--astra-read-only): no token is made, rotated or revoked");
        }
        self.network.log();
        if self.no_default_egress {
            let origin = |allowed: &Scoped<Origin>| format!("{}={}", allowed.engine(EMBEDDED_ENGINE), allowed.value);
            let allowed = self.allow_egress.iter().map(origin).collect::<Vec<String>>().join(" ");
            tracing::warn!(allowed, "Astra's own hosts cannot be reached (--no-default-egress)");
        }
    }
}

/// Refuses a mount whose option `upstream` has an unknown value: whoever misspelt `read-only` relies on it.
///
/// # Errors
/// Names the option and its value.
pub(crate) fn check_mount_options(options: &BTreeMap<String, String>) -> Result<(), String> {
    match options.get(UPSTREAM_OPTION).map(String::as_str) {
        None | Some("" | UPSTREAM_READ_ONLY) => Ok(()),
        Some(value) => Err(format!(
            "the mount's option `{UPSTREAM_OPTION}` is `{value}`: set it to `{UPSTREAM_READ_ONLY}`, or to nothing"
        )),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        egress: EgressArgs,
    }

    fn parse(args: &[&str]) -> EgressArgs {
        Line::try_parse_from(std::iter::once("plugin").chain(args.iter().copied())).unwrap().egress
    }

    fn origins(args: &[&str]) -> Vec<String> {
        origins_of(EMBEDDED_ENGINE, args)
    }

    fn origins_of(engine: &str, args: &[&str]) -> Vec<String> {
        parse(args).origins(engine, EMBEDDED_ENGINE).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn astras_hosts_are_reached_unless_an_argument_takes_them_out() {
        assert_eq!(origins(&[]), ASTRA_ORIGINS);
        assert_eq!(origins(&["--no-default-egress"]), Vec::<String>::new());
        let own = "--allow-egress=https://a.example";
        assert_eq!(origins(&[own]).len(), ASTRA_ORIGINS.len() + 1);
        assert_eq!(origins(&["--no-default-egress", own]), ["https://a.example"]);
        let named = "--allow-egress=https://api.astra.datastax.com";
        assert_eq!(origins(&["--no-default-egress", named]), ["https://api.astra.datastax.com"]);
    }

    #[test]
    fn an_origin_is_allowed_for_the_engine_that_the_argument_names() {
        let args = ["--allow-egress=toy=https://a.example", "--allow-egress=https://b.example"];
        assert_eq!(origins_of("toy", &args), ["https://a.example"]);
        assert_eq!(origins(&args)[ASTRA_ORIGINS.len()..], ["https://b.example"]);
        assert!(origins_of("other", &args).is_empty());
        assert!(Line::try_parse_from(["plugin", "--allow-egress=Toy=https://a.example"]).is_err());
    }

    #[test]
    fn a_mounts_options_choose_the_engine_and_narrow_its_origins() {
        let args = parse(&["--allow-egress=toy=https://a.example", "--allow-egress=toy=https://b.example"]);
        let options = |rows: &[(&str, &str)]| {
            rows.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
        };
        let allows = |policy: &Policy, origin: &str| policy.check(origin).is_ok();
        let astra = args.policy(&options(&[])).unwrap();
        assert!(allows(&astra, ASTRA_ORIGINS[0]) && !allows(&astra, "https://a.example"));
        let toy = args.policy(&options(&[("module", "toy"), ("allowed_origins", "")])).unwrap();
        assert!(
            allows(&toy, "https://a.example") && allows(&toy, "https://b.example") && !allows(&toy, ASTRA_ORIGINS[0])
        );
        let narrowed = args.policy(&options(&[("module", "toy"), ("allowed_origins", "https://b.example")])).unwrap();
        assert!(allows(&narrowed, "https://b.example") && !allows(&narrowed, "https://a.example"));
        let refused = args.policy(&options(&[("allowed_origins", "https://a.example")])).unwrap_err();
        assert!(refused.contains("`allowed_origins`") && refused.contains("`https://a.example`"), "{refused}");
        assert!(refused.contains("--allow-egress=astra=https://a.example"), "{refused}");
    }

    #[test]
    fn astra_can_be_changed_unless_an_argument_forbids_it() {
        assert!(!parse(&[]).astra_read_only);
        assert!(parse(&["--astra-read-only"]).astra_read_only);
        // A value would look as if `false` could be given.
        assert!(Line::try_parse_from(["plugin", "--astra-read-only=false"]).is_err());
    }

    #[test]
    fn a_misspelt_mount_option_is_refused_by_name_and_value() {
        let check = |value: &str| check_mount_options(&BTreeMap::from([("upstream".to_owned(), value.to_owned())]));
        check_mount_options(&BTreeMap::new()).unwrap();
        check("").unwrap();
        check("read-only").unwrap();
        for value in ["readonly", "read-write", "READ-ONLY", "true"] {
            let text = check(value).unwrap_err();
            assert!(text.contains("`upstream`") && text.contains(&format!("`{value}`")), "{text}");
        }
    }
}
