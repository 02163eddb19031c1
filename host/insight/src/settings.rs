//! Settings of the connection to the server: the flags and environment variables of the server's own command line.
//!
//! The value of a setting is the flag, or else `BAO_<NAME>`, or else `VAULT_<NAME>`. There is no flag for the token,
//! because every user of the machine sees arguments: the token comes from the environment, or from the file that a
//! login writes.

#![expect(clippy::disallowed_types, reason = "the files are the user's, named by the user")]

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use reqwest::{Certificate, Identity};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::limits::FILE_BYTES_MAX;

/// Values of the flags, and the environment.
#[derive(Debug, Default)]
pub struct Sources {
    /// `--address`.
    pub address: Option<String>,
    /// `--namespace`.
    pub namespace: Option<String>,
    /// `--ca-cert`.
    pub ca_cert: Option<PathBuf>,
    /// `--ca-path`.
    pub ca_path: Option<PathBuf>,
    /// `--client-cert`.
    pub client_cert: Option<PathBuf>,
    /// `--client-key`.
    pub client_key: Option<PathBuf>,
    /// `--tls-skip-verify`.
    pub tls_skip_verify: bool,
}

/// Settings of the connection to the server.
pub struct Settings {
    pub(crate) address: String,
    pub(crate) token: Secret,
    pub(crate) namespace: Option<String>,
    pub(crate) authorities: Vec<Certificate>,
    pub(crate) identity: Option<Identity>,
    pub(crate) skip_verify: bool,
}

/// A text that cannot be printed.
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

/// An unusable setting. No text shows a token.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The user has not logged in.
    #[error("there is no token: set VAULT_TOKEN or BAO_TOKEN, or log in with `vault login` or `bao login`")]
    NoToken,
    /// The token has characters that an HTTP header cannot have.
    #[error("the token of {0} holds characters that no token has: log in again")]
    BadToken(String),
    /// The address is not a URL of HTTP.
    #[error("the address `{0}` must begin with `https://` or `http://`: set `--address`, VAULT_ADDR or BAO_ADDR")]
    BadAddress(String),
    /// The file cannot be used.
    #[error("{what} `{path}` cannot be used: {reason}")]
    BadFile {
        /// Purpose of the file.
        what: &'static str,
        /// Path of the file.
        path: String,
        /// Mistake in the file. The text never quotes the file.
        reason: String,
    },
    /// A client certificate without its key, or a key without its certificate.
    #[error("a client certificate needs its key: set both `--client-cert` and `--client-key`, or neither")]
    HalfIdentity,
    /// A switch has another value than `true` or `false`.
    #[error("{name} is `{value}`: set it to `true` or `false`")]
    BadSwitch {
        /// Name of the variable.
        name: String,
        /// Value of the variable.
        value: String,
    },
}

/// The server's own default.
const DEFAULT_ADDRESS: &str = "https://127.0.0.1:8200";

impl Settings {
    /// Settings from the flags, the environment and the home directory.
    ///
    /// # Errors
    /// Names the setting, and the next step.
    pub fn resolve(sources: Sources, environment: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let of = |name: &str| variable(&environment, name);
        let address = sources.address.or_else(|| of("ADDR")).unwrap_or_else(|| DEFAULT_ADDRESS.to_owned());
        let address = address.trim_end_matches('/').to_owned();
        if !(address.starts_with("https://") || address.starts_with("http://")) {
            return Err(SettingsError::BadAddress(address));
        }
        let path = |flag: Option<PathBuf>, name: &str| flag.or_else(|| of(name).map(PathBuf::from));
        // A file takes precedence over a directory, as in the server's own command line.
        let authorities = match (path(sources.ca_cert, "CACERT"), path(sources.ca_path, "CAPATH")) {
            (Some(file), _) => certificates(&file)?,
            (None, Some(directory)) => certificates_of_directory(&directory)?,
            (None, None) => Vec::new(),
        };
        let certificate = path(sources.client_cert, "CLIENT_CERT");
        let key = path(sources.client_key, "CLIENT_KEY");
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => Some(identity(&certificate, &key)?),
            (None, None) => None,
            _ => return Err(SettingsError::HalfIdentity),
        };
        Ok(Self {
            address,
            token: token(&environment)?,
            namespace: sources.namespace.or_else(|| of("NAMESPACE")).filter(|namespace| !namespace.is_empty()),
            authorities,
            identity,
            skip_verify: sources.tls_skip_verify || switch(&environment, "SKIP_VERIFY")?,
        })
    }

    /// The address of the server.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

/// An environment variable of the server's command line. An empty one counts as not set.
fn variable(environment: impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    ["BAO", "VAULT"]
        .iter()
        .find_map(|vendor| environment(&format!("{vendor}_{name}")).filter(|value| !value.is_empty()))
}

fn switch(environment: impl Fn(&str) -> Option<String>, name: &str) -> Result<bool, SettingsError> {
    let Some(value) = variable(environment, name) else { return Ok(false) };
    match value.to_ascii_lowercase().as_str() {
        "1" | "t" | "true" => Ok(true),
        "0" | "f" | "false" => Ok(false),
        _ => Err(SettingsError::BadSwitch { name: format!("VAULT_{name} or BAO_{name}"), value }),
    }
}

fn token(environment: impl Fn(&str) -> Option<String>) -> Result<Secret, SettingsError> {
    if let Some(token) = variable(&environment, "TOKEN") {
        return checked(&token, "VAULT_TOKEN or BAO_TOKEN");
    }
    let file = environment("BAO_TOKEN_PATH").map(PathBuf::from);
    let file = file.or_else(|| Some(Path::new(&environment("HOME")?).join(".vault-token")));
    match file.filter(|file| file.exists()) {
        Some(file) => checked(&Zeroizing::new(text_of("the token file", &file)?), &format!("`{}`", file.display())),
        None => Err(SettingsError::NoToken),
    }
}

fn checked(token: &str, origin: &str) -> Result<Secret, SettingsError> {
    let token = token.trim();
    match token.bytes().all(|byte| byte.is_ascii_graphic()) {
        _ if token.is_empty() => Err(SettingsError::NoToken),
        true => Ok(Secret(Zeroizing::new(token.to_owned()))),
        false => Err(SettingsError::BadToken(origin.to_owned())),
    }
}

fn certificates(file: &Path) -> Result<Vec<Certificate>, SettingsError> {
    const WHAT: &str = "the file of authorities";
    let bytes = bytes_of(WHAT, file)?;
    match Certificate::from_pem_bundle(&bytes) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(unusable(WHAT, file, "it holds no certificate in PEM")),
        Err(error) => Err(unusable(WHAT, file, error)),
    }
}

fn certificates_of_directory(directory: &Path) -> Result<Vec<Certificate>, SettingsError> {
    const WHAT: &str = "the directory of authorities";
    let mut certificates = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| unusable(WHAT, directory, error))? {
        let path = entry.map_err(|error| unusable(WHAT, directory, error))?.path();
        if path.is_file() {
            certificates.extend(self::certificates(&path)?);
        }
    }
    match certificates.is_empty() {
        true => Err(unusable(WHAT, directory, "it holds no file")),
        false => Ok(certificates),
    }
}

fn identity(certificate: &Path, key: &Path) -> Result<Identity, SettingsError> {
    let mut pem = Zeroizing::new(bytes_of("the client certificate", certificate)?);
    pem.push(b'\n');
    pem.extend_from_slice(&Zeroizing::new(bytes_of("the client key", key)?));
    Identity::from_pem(&pem).map_err(|_| unusable("the client certificate", certificate, "it does not fit its key"))
}

fn text_of(what: &'static str, file: &Path) -> Result<String, SettingsError> {
    String::from_utf8(bytes_of(what, file)?).map_err(|_| unusable(what, file, "it is not text"))
}

fn bytes_of(what: &'static str, file: &Path) -> Result<Vec<u8>, SettingsError> {
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(|error| unusable(what, file, error))?;
    opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| unusable(what, file, error))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(unusable(what, file, format!("it has more than {} MiB", FILE_BYTES_MAX >> 20)));
    }
    Ok(bytes)
}

fn unusable(what: &'static str, path: &Path, reason: impl ToString) -> SettingsError {
    SettingsError::BadFile { what, path: path.display().to_string(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

    use super::*;

    fn resolve(sources: Sources, variables: &[(&str, &str)]) -> Result<Settings, String> {
        let of = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Settings::resolve(sources, of).map_err(|error| error.to_string())
    }

    #[test]
    fn a_flag_wins_over_bao_and_bao_over_vault() {
        let variables =
            [("VAULT_ADDR", "http://vault:1"), ("BAO_ADDR", "http://bao:2/"), ("VAULT_TOKEN", "hvs.canary")];
        assert_eq!(resolve(Sources::default(), &variables).unwrap().address, "http://bao:2");
        assert_eq!(resolve(Sources::default(), &[variables[0], variables[2]]).unwrap().address, "http://vault:1");
        let flag = Sources { address: Some("https://flag".to_owned()), ..Sources::default() };
        assert_eq!(resolve(flag, &variables).unwrap().address, "https://flag");
        assert_eq!(resolve(Sources::default(), &[variables[2]]).unwrap().address, DEFAULT_ADDRESS);
    }

    #[test]
    fn a_token_comes_from_the_environment_or_from_the_file_of_a_login() {
        let home = tempfile::tempdir().unwrap();
        let home_text = home.path().to_str().unwrap();
        assert!(resolve(Sources::default(), &[("HOME", home_text)]).err().unwrap().contains("vault login"));
        fs::write(home.path().join(".vault-token"), "hvs.file\n").unwrap();
        assert_eq!(resolve(Sources::default(), &[("HOME", home_text)]).unwrap().token.expose(), "hvs.file");
        let both = [("HOME", home_text), ("VAULT_TOKEN", "hvs.variable")];
        assert_eq!(resolve(Sources::default(), &both).unwrap().token.expose(), "hvs.variable");
        let error = resolve(Sources::default(), &[("BAO_TOKEN", "hvs.can\nary")]).err().unwrap();
        assert!(error.contains("BAO_TOKEN") && !error.contains("hvs"), "{error}");
    }

    #[test]
    fn an_unusable_setting_is_refused_by_name() {
        let token = ("VAULT_TOKEN", "t");
        let missing = Sources { ca_cert: Some("none.pem".into()), ..Sources::default() };
        assert!(resolve(missing, &[token]).err().unwrap().contains("`none.pem`"));
        let half = Sources { client_cert: Some("none.pem".into()), ..Sources::default() };
        assert!(resolve(half, &[token]).err().unwrap().contains("`--client-key`"));
        assert!(resolve(Sources::default(), &[token, ("VAULT_SKIP_VERIFY", "maybe")]).err().unwrap().contains("maybe"));
        assert!(resolve(Sources::default(), &[token, ("VAULT_ADDR", "unix:/x")]).err().unwrap().contains("unix:/x"));
        let empty = tempfile::NamedTempFile::new().unwrap();
        let empty = Sources { ca_cert: Some(empty.path().to_owned()), ..Sources::default() };
        assert!(resolve(empty, &[token]).err().unwrap().contains("holds no certificate"));
    }
}
