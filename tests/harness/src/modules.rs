//! Modules as an operator has them: files in any version, a directory to drop them in, keys that sign them.

mod signing;

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::settings::{component_wasm, http_passwords_wasm, toy_wasm};
use crate::sha256_hex;

pub use signing::SigningKey;

/// A module's bytes, with what they say of themselves.
#[derive(Clone)]
pub struct ModuleFile {
    /// The engine.
    pub engine: &'static str,
    /// Its version.
    pub version: String,
    /// The component.
    pub wasm: Vec<u8>,
}

/// The version of the embedded Astra engine: the workspace's.
pub const ASTRA_VERSION: &str = env!("CARGO_PKG_VERSION");
/// The engine of the toys.
pub(crate) const TOY: &str = "toy";
/// The version that all toys are built in.
const TOY_VERSION: &str = "10.20.30";

impl ModuleFile {
    /// The real Astra engine in another version of as many digits.
    ///
    /// # Panics
    /// When the component is not built, or does not say its version in one place.
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

    /// A variant of the toy engine, in a version of as many digits as `10.20.30`.
    ///
    /// # Panics
    /// When it is not built, or does not say its version in one place.
    pub fn toy(variant: &str, version: &str) -> Self {
        Self::renamed(TOY, &toy_wasm(variant), TOY_VERSION, version)
    }

    /// The text of the version is data of the component: with others of its length it is the same engine in another version.
    fn renamed(engine: &'static str, built: &Path, from: &str, to: &str) -> Self {
        let mut wasm = fs::read(built).unwrap_or_else(|error| panic!("{}: {error}", built.display()));
        assert_eq!(from.len(), to.len(), "`{to}` is not as long as `{from}`");
        let places: Vec<usize> = (0..wasm.len()).filter(|&at| wasm[at..].starts_with(from.as_bytes())).collect();
        let [place] = places[..] else { panic!("{} says `{from}` at {places:?}, not once", built.display()) };
        wasm[place..place + to.len()].copy_from_slice(to.as_bytes());
        Self { engine, version: to.to_owned(), wasm }
    }

    /// A part of it overwritten by another of its length, wherever it stands.
    ///
    /// # Panics
    /// When it stands nowhere.
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

    /// As its file is to be named.
    pub fn name(&self) -> String {
        format!("{}-{}.wasm", self.engine, self.version)
    }

    /// Its SHA-256.
    pub fn sha256(&self) -> String {
        sha256_hex(&self.wasm)
    }

    /// The argument of a registration that trusts it.
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
    /// An empty one.
    ///
    /// # Panics
    /// When there can be no folder.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("modules").tempdir();
        let folder = folder.unwrap_or_else(|error| panic!("no folder for modules: {error}"));
        fs::create_dir(folder.path().join("modules")).unwrap_or_else(|error| panic!("no folder for modules: {error}"));
        Self { folder }
    }

    /// Where it is. It can be moved away and back.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("modules")
    }

    /// The argument of a registration that names it.
    pub fn argument(&self) -> String {
        format!("--modules-dir={}", self.path().display())
    }

    /// Drops a module in, by its own name.
    ///
    /// # Panics
    /// When that fails.
    pub fn drop_in(&self, module: &ModuleFile) {
        self.put(&module.name(), &module.wasm);
    }

    /// Drops a module in with its signatures, which come first: it is never there without them.
    ///
    /// # Panics
    /// When that fails.
    pub fn drop_in_signed(&self, module: &ModuleFile, keys: &[&SigningKey]) {
        self.put(&format!("{}.sig", module.name()), &self.signatures(module, keys));
        self.drop_in(module);
    }

    /// The signature file of a module, made outside the directory.
    ///
    /// # Panics
    /// When that fails.
    pub fn signatures(&self, module: &ModuleFile, keys: &[&SigningKey]) -> Vec<u8> {
        let signed = self.folder.path().join(module.name());
        fs::write(&signed, &module.wasm).unwrap_or_else(|error| panic!("{}: {error}", signed.display()));
        let signatures = signed.with_extension("wasm.sig");
        for key in keys {
            key.sign(&signed);
        }
        let text = fs::read(&signatures).unwrap_or_else(|error| panic!("{}: {error}", signatures.display()));
        // Another test's module of the same name must not find these.
        fs::remove_file(&signatures).unwrap_or_else(|error| panic!("{}: {error}", signatures.display()));
        text
    }

    /// Puts a file there at once, as `mv` does.
    ///
    /// # Panics
    /// When that fails.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let unfinished = self.folder.path().join("unfinished");
        let put = fs::write(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, self.path().join(name)));
        put.unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// Takes a file away.
    ///
    /// # Panics
    /// When that fails.
    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// Moves the whole directory away, or back.
    ///
    /// # Panics
    /// When that fails.
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
