//! Modules of an operator: files of any version, a directory for them, keys that sign them.

mod signing;

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::settings::{component_wasm, http_passwords_wasm, toy_wasm};
use crate::sha256_hex;

pub use signing::SigningKey;

/// A module's bytes, with their engine and version.
#[derive(Clone)]
pub struct ModuleFile {
    /// The engine.
    pub engine: &'static str,
    /// Version of the engine.
    pub version: String,
    /// The component.
    pub wasm: Vec<u8>,
}

/// The version of the embedded Astra engine: the workspace's.
pub const ASTRA_VERSION: &str = env!("CARGO_PKG_VERSION");
/// The engine of the toys.
pub(crate) const TOY: &str = "toy";
/// Version of all toy engines.
const TOY_VERSION: &str = "10.20.30";

impl ModuleFile {
    /// The real Astra engine with another version of the same length.
    ///
    /// # Panics
    /// When the component is not built, or contains its version not exactly once.
    pub fn astra(version: &str) -> Self {
        Self::renamed("astra", &component_wasm(), ASTRA_VERSION, version)
    }

    /// The engine `http-passwords`, which has the workspace's version, too.
    ///
    /// # Panics
    /// When the component is not built, or does not say its version in one place.
    pub fn http_passwords() -> Self {
        Self::renamed("http-passwords", &http_passwords_wasm(), ASTRA_VERSION, ASTRA_VERSION)
    }

    /// A variant of the toy engine, with a version of the length of `10.20.30`.
    ///
    /// # Panics
    /// When the variant is not built, or contains its version not exactly once.
    pub fn toy(variant: &str, version: &str) -> Self {
        Self::renamed(TOY, &toy_wasm(variant), TOY_VERSION, version)
    }

    /// The version is a text in the component: another text of its length makes the same engine another version.
    fn renamed(engine: &'static str, built: &Path, from: &str, to: &str) -> Self {
        let mut wasm = fs::read(built).unwrap_or_else(|error| panic!("{}: {error}", built.display()));
        assert_eq!(from.len(), to.len(), "`{to}` is not as long as `{from}`");
        let places: Vec<usize> = (0..wasm.len()).filter(|&at| wasm[at..].starts_with(from.as_bytes())).collect();
        let [place] = places[..] else { panic!("{} says `{from}` at {places:?}, not once", built.display()) };
        wasm[place..place + to.len()].copy_from_slice(to.as_bytes());
        Self { engine, version: to.to_owned(), wasm }
    }

    /// Overwrites a part of the bytes, at all its places, by another of its length.
    ///
    /// # Panics
    /// When the part does not occur.
    #[must_use]
    pub fn with(mut self, part: &str, other: &str) -> Self {
        assert_eq!(part.len(), other.len(), "`{other}` is not as long as `{part}`");
        let places: Vec<usize> =
            (0..self.wasm.len()).filter(|&at| self.wasm[at..].starts_with(part.as_bytes())).collect();
        assert!(!places.is_empty(), "`{part}` is not in {}", self.name());
        for place in places {
            self.wasm[place..place + part.len()].copy_from_slice(other.as_bytes());
        }
        self
    }

    /// The required name of the file.
    pub fn name(&self) -> String {
        format!("{}-{}.wasm", self.engine, self.version)
    }

    /// SHA-256 of the bytes.
    pub fn sha256(&self) -> String {
        sha256_hex(&self.wasm)
    }

    /// The argument of a registration that pins the module.
    pub fn pin(&self) -> String {
        format!("--module-sha256={}={}", self.engine, self.sha256())
    }
}

/// A directory of modules.
pub struct ModulesDir {
    folder: TempDir,
}

impl Default for ModulesDir {
    fn default() -> Self {
        Self::new()
    }
}

impl ModulesDir {
    /// An empty directory.
    ///
    /// # Panics
    /// When the folder cannot be created.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("modules").tempdir();
        let folder = folder.unwrap_or_else(|error| panic!("no folder for modules: {error}"));
        fs::create_dir(folder.path().join("modules")).unwrap_or_else(|error| panic!("no folder for modules: {error}"));
        Self { folder }
    }

    /// Path of the directory, which a test can move away and back.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("modules")
    }

    /// The argument of a registration that names the directory.
    pub fn argument(&self) -> String {
        format!("--modules-dir={}", self.path().display())
    }

    /// Adds a module under its own name.
    ///
    /// # Panics
    /// When the write fails.
    pub fn drop_in(&self, module: &ModuleFile) {
        self.put(&module.name(), &module.wasm);
    }

    /// Adds a module with its signatures. The signatures come first, so that the module is never there without them.
    ///
    /// # Panics
    /// When a write fails.
    pub fn drop_in_signed(&self, module: &ModuleFile, keys: &[&SigningKey]) {
        self.put(&format!("{}.sig", module.name()), &self.signatures(module, keys));
        self.drop_in(module);
    }

    /// The signature file of a module, made outside the directory.
    ///
    /// # Panics
    /// When the plugin's program fails.
    pub fn signatures(&self, module: &ModuleFile, keys: &[&SigningKey]) -> Vec<u8> {
        let signed = self.folder.path().join(module.name());
        fs::write(&signed, &module.wasm).unwrap_or_else(|error| panic!("{}: {error}", signed.display()));
        let signatures = signed.with_extension("wasm.sig");
        for key in keys {
            key.sign(&signed);
        }
        let text = fs::read(&signatures).unwrap_or_else(|error| panic!("{}: {error}", signatures.display()));
        // Another test's module of the same name must not find these signatures.
        fs::remove_file(&signatures).unwrap_or_else(|error| panic!("{}: {error}", signatures.display()));
        text
    }

    /// Adds a file atomically, as `mv` does.
    ///
    /// # Panics
    /// When the write fails.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let unfinished = self.folder.path().join("unfinished");
        let put = fs::write(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, self.path().join(name)));
        put.unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// Removes a file.
    ///
    /// # Panics
    /// When the removal fails.
    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// Moves the whole directory away, or back.
    ///
    /// # Panics
    /// When the move fails.
    pub fn vanish(&self, away: bool) {
        let elsewhere = self.folder.path().join("elsewhere");
        let (from, to) = if away { (self.path(), elsewhere) } else { (elsewhere, self.path()) };
        fs::rename(from, to).unwrap_or_else(|error| panic!("the directory of modules: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_another_file_and_differs_in_its_version_only() {
        let (one, two) = (ModuleFile::toy("good", "10.20.31"), ModuleFile::toy("good", "10.20.32"));
        assert_eq!(one.name(), "toy-10.20.31.wasm");
        assert_ne!(one.sha256(), two.sha256());
        let differ = one.wasm.iter().zip(&two.wasm).filter(|(one, two)| one != two).count();
        assert_eq!((one.wasm.len() - two.wasm.len(), differ), (0, 1));
        assert_eq!(
            ModuleFile::astra(ASTRA_VERSION).sha256(),
            sha256_hex(&fs::read(component_wasm()).unwrap_or_default())
        );
    }
}
