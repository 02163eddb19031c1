//! The mount's options that select a module.

use std::collections::BTreeMap;

use semver::Version;

use crate::{LoadedModule, Rejection};

/// The engine that a mount's options select; `None` stands for the engine of the embedded module.
#[must_use]
pub fn engine_option(options: &BTreeMap<String, String>) -> Option<&str> {
    given(options, "module")
}

fn given<'a>(options: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    options.get(name).map(String::as_str).filter(|value| !value.is_empty())
}

/// The mount's options that select a module.
pub(super) struct Options {
    /// `None` stands for the engine of the embedded module.
    pub(super) engine: Option<String>,
    pub(super) version: Option<Version>,
}

impl Options {
    /// # Errors
    /// When the value of an option is not valid.
    pub(super) fn parse(options: &BTreeMap<String, String>) -> Result<Self, Rejection> {
        let parse = |text: &str| {
            let wrong =
                |error| Rejection::Permanent(format!("the mount's option `module_version` is `{text}`: {error}"));
            Version::parse(text).map_err(wrong)
        };
        let version = given(options, "module_version").map(parse).transpose()?;
        Ok(Self { engine: engine_option(options).map(ToOwned::to_owned), version })
    }

    /// Checks the options of a mount that has only the embedded module.
    ///
    /// # Errors
    /// When the options select another module.
    pub(super) fn refuse_all_but(&self, embedded: &LoadedModule) -> Result<(), Rejection> {
        let engine = self.engine.as_ref().filter(|engine| **engine != embedded.id.engine);
        let version = self.version.as_ref().filter(|version| **version != embedded.id.version);
        let asked = match (engine, version) {
            (None, None) => return Ok(()),
            (Some(engine), _) => format!("`module` asks for `{engine}`"),
            (None, Some(version)) => format!("`module_version` asks for {version}"),
        };
        let text = format!("the mount's option {asked}, and there is only {}", embedded.id);
        Err(Rejection::Permanent(format!("{text}: the plugin's registration names no `--modules-dir`")))
    }
}
