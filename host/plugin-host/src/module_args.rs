//! The arguments that say which modules may run beside the embedded one.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use modules::{CacheSettings, Digest, EngineTrust, PublicKey, RegistrySettings, Scoped, TrustPolicy};

use crate::cache_key::{self, CACHE_KEY_VARIABLE};
use crate::component::EMBEDDED_ENGINE;

/// Which modules may run beside the embedded one. Without a directory, none.
#[derive(Args, Clone, Debug, Default)]
pub struct ModuleArgs {
    /// Run modules from this directory: files named `<engine>-<version>.wasm`.
    ///
    /// A file runs only if it is pinned by `--module-sha256`, or signed (`<file>.sig`) by keys that `--trust-key`
    /// names. A new file goes live without a restart.
    #[arg(long, value_name = "DIR")]
    pub modules_dir: Option<PathBuf>,

    /// Which modules of the directory may run.
    #[command(flatten)]
    pub trust: TrustArgs,

    /// Keep compiled modules in this directory, so that a restart is fast.
    ///
    /// Takes a key in the environment variable MODULE_CACHE_KEY (32 random bytes, as 64 hexadecimal digits or in
    /// base64), which seals them; without it, nothing is kept.
    #[arg(long, value_name = "DIR")]
    pub module_cache_dir: Option<PathBuf>,
}

/// Which modules of a directory may run, for each engine. Without `ENGINE=`, the engine that this program carries.
#[derive(Args, Clone, Debug, Default)]
pub struct TrustArgs {
    /// Let the module of this engine with this SHA-256 run, signed or not; may be given several times.
    #[arg(long, value_name = "ENGINE=SHA256")]
    pub module_sha256: Vec<Scoped<Digest>>,

    /// Let modules of this engine run that this key signed: `ed25519:` and the key in base64; may be given several times.
    #[arg(long, value_name = "ENGINE=KEY")]
    pub trust_key: Vec<Scoped<PublicKey>>,

    /// How many different keys of those trusted for this engine must have signed its module [default: 1].
    #[arg(long, value_name = "ENGINE=NUMBER")]
    pub trust_threshold: Vec<Scoped<usize>>,
}

impl TrustArgs {
    /// Names no module and no key.
    pub(crate) fn is_empty(&self) -> bool {
        self.module_sha256.is_empty() && self.trust_key.is_empty()
    }

    /// # Errors
    /// When a threshold cannot be meant.
    pub(crate) fn policy(&self) -> Result<TrustPolicy, String> {
        let mut policy = TrustPolicy::default();
        for engine in self.engines() {
            let pins = values_for(engine, &self.module_sha256).copied();
            let keys = values_for(engine, &self.trust_key).copied();
            let thresholds: Vec<usize> = values_for(engine, &self.trust_threshold).copied().collect();
            let threshold = match thresholds[..] {
                [] => 1,
                [threshold] => threshold,
                [..] => return Err(format!("--trust-threshold: given more than once for engine `{engine}`")),
            };
            let trust = EngineTrust::new(pins, keys, threshold);
            policy.trust(engine, trust.map_err(|error| format!("--trust-threshold: {error} for engine `{engine}`"))?);
        }
        Ok(policy)
    }

    /// The engines that an argument is about.
    fn engines(&self) -> BTreeSet<&str> {
        let pins = self.module_sha256.iter().map(|pin| pin.engine(EMBEDDED_ENGINE));
        let keys = self.trust_key.iter().map(|key| key.engine(EMBEDDED_ENGINE));
        let thresholds = self.trust_threshold.iter().map(|threshold| threshold.engine(EMBEDDED_ENGINE));
        pins.chain(keys).chain(thresholds).collect()
    }

    /// Warns of arguments that name no engine: whoever gave such a key may have meant another engine's modules.
    pub(crate) fn log(&self) {
        let pins = self.module_sha256.iter().map(|pin| ("--module-sha256", pin.engine.is_none()));
        let keys = self.trust_key.iter().map(|key| ("--trust-key", key.engine.is_none()));
        let thresholds = self.trust_threshold.iter().map(|threshold| ("--trust-threshold", threshold.engine.is_none()));
        let unscoped: BTreeSet<&str> = pins
            .chain(keys)
            .chain(thresholds)
            .filter(|(_, unscoped)| *unscoped)
            .map(|(argument, _)| argument)
            .collect();
        for argument in unscoped {
            tracing::warn!(
                argument,
                "this argument names no engine, so it counts for modules of the engine `{EMBEDDED_ENGINE}` only: write \
                 `{argument}={EMBEDDED_ENGINE}=…`, or name the engine that it is about"
            );
        }
    }
}

/// The values that arguments give for this engine.
fn values_for<'a, T>(engine: &'a str, arguments: &'a [Scoped<T>]) -> impl Iterator<Item = &'a T> {
    arguments.iter().filter(move |given| given.engine(EMBEDDED_ENGINE) == engine).map(|given| &given.value)
}

impl ModuleArgs {
    /// The settings of the module registry. Takes the key of the cache out of the environment, so the process must have
    /// no other threads yet.
    ///
    /// # Errors
    /// Names the arguments that contradict each other.
    pub(crate) fn take_settings(&self) -> Result<RegistrySettings, String> {
        self.settings_with(cache_key::take().as_ref().map(|key| key.as_str()))
    }

    /// Logs what is unusual about these settings, once for each start.
    pub(crate) fn log(&self, settings: &RegistrySettings) {
        self.trust.log();
        if self.module_cache_dir.is_some() && settings.cache.is_none() {
            tracing::warn!(%CACHE_KEY_VARIABLE, "--module-cache-dir is not used: its key is not in the environment");
        }
    }

    fn settings_with(&self, cache_key: Option<&str>) -> Result<RegistrySettings, String> {
        self.check()?;
        let (directory, trust) = (self.modules_dir.clone(), self.trust.policy()?);
        Ok(RegistrySettings { directory, trust, cache: self.cache(cache_key)? })
    }

    fn check(&self) -> Result<(), String> {
        let Some(directory) = &self.modules_dir else {
            let without = [
                (!self.trust.module_sha256.is_empty(), "--module-sha256"),
                (!self.trust.trust_key.is_empty(), "--trust-key"),
                (!self.trust.trust_threshold.is_empty(), "--trust-threshold"),
                (self.module_cache_dir.is_some(), "--module-cache-dir"),
            ];
            return match without.into_iter().find(|(given, _)| *given) {
                Some((_, argument)) => Err(format!("{argument} requires --modules-dir")),
                None => Ok(()),
            };
        };
        for (argument, path) in
            [("--modules-dir", Some(directory)), ("--module-cache-dir", self.module_cache_dir.as_ref())]
        {
            if let Some(path) = path.filter(|path| !path.is_absolute()) {
                return Err(format!(
                    "{argument}={}: the path must be absolute, for the server starts the plugin in a folder of its choice",
                    path.display()
                ));
            }
        }
        if self.trust.is_empty() {
            let directory = directory.display();
            return Err(format!(
                "no module of --modules-dir={directory} could run: name some by --module-sha256, or a key by --trust-key"
            ));
        }
        Ok(())
    }

    fn cache(&self, key: Option<&str>) -> Result<Option<CacheSettings>, String> {
        let Some(directory) = self.module_cache_dir.clone() else { return Ok(None) };
        let Some(key) = key else { return Ok(None) };
        let wrong = || format!("{CACHE_KEY_VARIABLE}: expected 32 bytes, as 64 hexadecimal digits or in base64");
        let key = CacheSettings::key_from_text(key).ok_or_else(wrong)?;
        Ok(Some(CacheSettings { directory, key }))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use clap::Parser;
    use modules::{ModuleId, Statement};

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        modules: ModuleArgs,
    }

    const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const KEY: &str = "ed25519:Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";

    fn settings(args: &[String], cache_key: Option<&str>) -> Result<RegistrySettings, String> {
        let line = std::iter::once("plugin".to_owned()).chain(args.iter().cloned());
        let line = Line::try_parse_from(line).map_err(|error| error.to_string())?;
        line.modules.settings_with(cache_key)
    }

    /// The arguments for a directory of modules, and these.
    fn with(more: &[&str]) -> Vec<String> {
        let args = ["--modules-dir=/modules".to_owned(), format!("--trust-key={KEY}")];
        args.into_iter().chain(more.iter().map(|arg| (*arg).to_owned())).collect()
    }

    #[test]
    fn without_arguments_there_is_no_directory_and_nothing_is_trusted() {
        let settings = settings(&[], Some("not even looked at")).unwrap();
        assert!(settings.directory.is_none() && settings.cache.is_none() && settings.trust.is_empty());
    }

    #[test]
    fn the_registry_gets_the_arguments() {
        let args = with(&["--module-cache-dir=/cache", &format!("--module-sha256={SHA256}"), "--trust-threshold=1"]);
        for key in ["00".repeat(32), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned()] {
            let settings = settings(&args, Some(&key)).unwrap();
            assert_eq!(settings.directory, Some("/modules".into()));
            assert_eq!(settings.cache.unwrap().directory, PathBuf::from("/cache"));
            assert!(!settings.trust.is_empty());
        }
    }

    #[test]
    fn an_argument_counts_for_the_engine_that_it_names_and_else_for_the_embedded_one() {
        let wasm = Digest::of(b"wasm");
        let is_pinned = |argument: &str, engine: &str| {
            let args = with(&[&format!("--module-sha256={argument}")]);
            let module = Statement { id: ModuleId::new(engine, "1.2.3").unwrap(), digest: wasm };
            settings(&args, None).unwrap().trust.approve(&module, None).is_ok()
        };
        assert!(is_pinned(&wasm.to_string(), "astra"));
        assert!(!is_pinned(&wasm.to_string(), "toy"));
        assert!(is_pinned(&format!("toy={wasm}"), "toy"));
        assert!(!is_pinned(&format!("toy={wasm}"), "astra"));
    }

    #[test]
    fn without_its_key_there_is_no_cache() {
        assert!(settings(&with(&["--module-cache-dir=/cache"]), None).unwrap().cache.is_none());
    }

    #[test]
    fn contradictions_are_refused_by_name_and_value() {
        let alone = |arg: &str| vec![arg.to_owned()];
        let rows = [
            (alone(&format!("--module-sha256={SHA256}")), "--module-sha256 requires --modules-dir"),
            (alone(&format!("--trust-key={KEY}")), "--trust-key requires --modules-dir"),
            (alone("--trust-threshold=1"), "--trust-threshold requires --modules-dir"),
            (alone("--module-cache-dir=/c"), "--module-cache-dir requires --modules-dir"),
            (
                with(&["--module-cache-dir=cache"]),
                "--module-cache-dir=cache: the path must be absolute, for the server starts the plugin in a folder of its choice",
            ),
            (
                alone("--modules-dir=modules"),
                "--modules-dir=modules: the path must be absolute, for the server starts the plugin in a folder of its choice",
            ),
            (alone("--modules-dir=/m"), "no module of --modules-dir=/m could run"),
            (with(&["--trust-threshold=0"]), "--trust-threshold: a threshold of 0 would trust"),
            (with(&["--trust-threshold=2"]), "--trust-threshold: a threshold of 2 cannot be reached with 1 different"),
            (with(&[&format!("--trust-key={KEY}"), "--trust-threshold=2"]), "cannot be reached with 1 different keys"),
            (
                with(&["--trust-threshold=toy=2"]),
                "a threshold of 2 cannot be reached with 0 different keys for engine `toy`",
            ),
            (with(&["--trust-threshold=1", "--trust-threshold=astra=1"]), "given more than once for engine `astra`"),
            (with(&["--trust-key=rsa:x"]), "`rsa:x` is no public key"),
            (with(&["--trust-key=toy=rsa:x"]), "`rsa:x` is no public key"),
            (with(&["--trust-key=Toy=rsa:x"]), "engine `Toy`"),
            (with(&["--module-sha256=abc"]), "`abc` is no SHA-256"),
        ];
        for (args, expected) in rows {
            let text = settings(&args, None).unwrap_err();
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn a_wrong_cache_key_is_refused_and_not_shown() {
        for key in ["", "secret", &"0".repeat(63)] {
            let text = settings(&with(&["--module-cache-dir=/cache"]), Some(key)).unwrap_err();
            assert_eq!(text, "MODULE_CACHE_KEY: expected 32 bytes, as 64 hexadecimal digits or in base64");
        }
    }
}
