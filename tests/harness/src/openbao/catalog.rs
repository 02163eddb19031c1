//! Registrations of the plugin, with its SHA-256, arguments and environment.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use serde_json::json;

use super::Server;
use super::server::PLUGIN_FILE;
use crate::programs::place_script;
use crate::sha256_hex;

impl Server {
    /// Registers the plugin under a name, by its SHA-256, with arguments.
    ///
    /// # Panics
    /// When the server refuses the registration.
    #[track_caller]
    pub fn register(&self, name: &str, arguments: &[String]) {
        self.register_with(name, arguments, &[]);
    }

    /// As [`Self::register`], with an environment.
    ///
    /// # Panics
    /// When the server refuses the registration.
    #[track_caller]
    pub fn register_with(&self, name: &str, arguments: &[String], environment: &[String]) {
        self.put_in_catalog(name, PLUGIN_FILE, &self.plugin_sha256(), arguments, environment);
    }

    /// Registers the plugin from a file of another name, which [`Self::rename_plugin`] gave it.
    ///
    /// # Panics
    /// When the server refuses the registration.
    #[track_caller]
    pub fn register_renamed(&self, name: &str, file: &str, arguments: &[String]) {
        self.put_in_catalog(name, file, &self.plugin_sha256(), arguments, &[]);
    }

    /// Renames the plugin's file in the server's folder of plugins. Earlier registrations then find no file.
    ///
    /// # Panics
    /// When there is no such file.
    #[track_caller]
    pub fn rename_plugin(&self, file: &str) {
        let plugins = self.folder().join("plugins");
        let renamed = fs::rename(plugins.join(PLUGIN_FILE), plugins.join(file));
        renamed.unwrap_or_else(|error| panic!("the plugin was not renamed to `{file}`: {error}"));
    }

    /// Registers a shell script that runs these lines and then becomes the plugin.
    ///
    /// # Panics
    /// When the server refuses the registration, or the script cannot be written.
    #[track_caller]
    pub fn register_behind(&self, shell: &str, name: &str, arguments: &[String], environment: &[String]) {
        let (file, plugins) = (format!("{name}.sh"), self.folder().join("plugins"));
        let script = format!("#!/bin/sh\n{shell}\nexec '{}' \"$@\"\n", plugins.join(PLUGIN_FILE).display());
        place_script(&script, &plugins.join(&file));
        self.put_in_catalog(name, &file, &sha256_hex(script.as_bytes()), arguments, environment);
    }

    #[track_caller]
    fn put_in_catalog(&self, name: &str, command: &str, sum: &str, arguments: &[String], environment: &[String]) {
        let body = json!({ "sha256": sum, "command": command, "args": arguments, "env": environment });
        self.client().must("PUT", &format!("sys/plugins/catalog/secret/{name}"), &body);
    }

    /// SHA-256 of the plugin, in hex.
    pub fn plugin_sha256(&self) -> String {
        static SUMS: Mutex<BTreeMap<PathBuf, String>> = Mutex::new(BTreeMap::new());
        let mut sums = SUMS.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = || sha256_hex(&fs::read(self.plugin()).unwrap_or_default());
        sums.entry(self.plugin().to_owned()).or_insert_with(sum).clone()
    }
}
