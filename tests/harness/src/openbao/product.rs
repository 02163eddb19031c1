//! The product of the server under test. The suite supports OpenBao and Vault, and expects of each what it can do.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::settings::{openbao_binary, workspace_root};

/// A server that the suite knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// OpenBao.
    OpenBao,
    /// HashiCorp Vault without a licence. It has neither transactions nor pages of lists, and its standbys load no
    /// plugin.
    Vault,
}

/// An ability of a server that a scenario needs and not every server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ability {
    /// The standbys of a cluster load plugins, and serve requests that write nothing.
    StandbysServe,
    /// The server downloads plugins that its configuration names, and registers them.
    DeclarativePlugins,
}

impl Product {
    /// The product of the binary under test, which is asked once.
    ///
    /// # Panics
    /// When the binary is neither OpenBao nor Vault.
    pub fn of_binary() -> Self {
        static PRODUCT: OnceLock<Product> = OnceLock::new();
        *PRODUCT.get_or_init(|| Self::of_program(&openbao_binary()).unwrap_or_else(|text| panic!("{text}")))
    }

    fn of_program(program: &Path) -> Result<Self, String> {
        let output = Command::new(program).arg("version").output();
        let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
        let line = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Self::of_version(&line)
            .ok_or_else(|| format!("{} is neither OpenBao nor Vault: it says `{line}`", program.display()))
    }

    /// The product that prints this line for the command `version`, such as `Vault v1.21.4 (…), built …`.
    fn of_version(line: &str) -> Option<Self> {
        match line.split_once(" v")?.0 {
            "OpenBao" => Some(Self::OpenBao),
            "Vault" => Some(Self::Vault),
            _ => None,
        }
    }

    /// Has the server this ability?
    pub fn has(self, ability: Ability) -> bool {
        match ability {
            Ability::StandbysServe | Ability::DeclarativePlugins => self == Self::OpenBao,
        }
    }

    /// Does the configuration file enable audit devices? OpenBao has no API for it, and Vault ignores that part of the
    /// file.
    pub(super) fn audits_by_configuration(self) -> bool {
        self == Self::OpenBao
    }
}

/// Can the server play a scenario that needs this ability? If not, the scenario's name is recorded. `run-tests.sh`
/// prints the recorded names and compares them with the list in the repository.
///
/// # Panics
/// When the name cannot be recorded: otherwise the gap would stay unknown.
#[must_use]
pub fn can_play(scenario: &str, ability: Ability) -> bool {
    if Product::of_binary().has(ability) {
        return true;
    }
    let notes = workspace_root().join("target/not-played");
    let noted = OpenOptions::new().create(true).append(true).open(notes);
    let noted = noted.and_then(|mut notes| notes.write_all(format!("{scenario}\n").as_bytes()));
    noted.unwrap_or_else(|error| panic!("`{scenario}` was not played, and that cannot be noted: {error}"));
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_known_by_its_version_line() {
        let rows = [
            ("OpenBao v2.7.2 (0123abc), built 2026-01-01T00:00:00Z", Some(Product::OpenBao)),
            ("Vault v1.21.4 (0123abc), built 2026-01-01T00:00:00Z", Some(Product::Vault)),
            ("Vault v1.14.1+ent (0123abc)", Some(Product::Vault)),
            ("Consul v1.20.0", None),
            ("", None),
        ];
        for (line, expected) in rows {
            assert_eq!(Product::of_version(line), expected, "{line}");
        }
    }

    #[test]
    fn a_program_that_is_no_server_is_named() {
        // The program prints its argument, `version`.
        let text = Product::of_program(Path::new("/bin/echo")).err().unwrap_or_default();
        assert_eq!(text, "/bin/echo is neither OpenBao nor Vault: it says `version`");
    }

    #[test]
    fn vault_lacks_what_only_openbao_does() {
        for ability in [Ability::StandbysServe, Ability::DeclarativePlugins] {
            assert!(Product::OpenBao.has(ability) && !Product::Vault.has(ability), "{ability:?}");
        }
    }
}
