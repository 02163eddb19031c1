//! `module keygen`, `public-key`, `statement`, `sign`, `verify`: keys, signatures, and whether a registration would let a
//! module run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use component_runtime::limits::WASM_BYTES_MAX;
use modules::limits::SIGNATURE_FILE_BYTES_MAX;
use modules::{
    Approval, Digest, KeyError, ModuleId, PublicKey, SIGNATURE_SUFFIX, Scoped, Signature, SignatureFile,
    SignatureFileError, SigningKey, Statement,
};
use serde::Serialize;

use super::output::{Output, Report, exit_code, printable};
use super::sandbox;
use crate::failure::Failure;
use crate::files;
use crate::limits::KEY_FILE_BYTES_MAX;
use crate::module_args::TrustArgs;

/// `module keygen --out FILE`
#[derive(Debug, clap::Args)]
pub struct Keygen {
    /// The file for the private key, which must not exist yet.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    output: Output,
}

/// `module public-key KEY`
#[derive(Debug, clap::Args)]
pub struct PublicKeyCommand {
    /// A public or private key in a PEM file, or `ed25519:` and a public key in base64.
    key: KeyArgument,
    /// Print the key as PEM, which `openssl pkeyutl -verify -pubin -inkey` reads.
    #[arg(long, conflicts_with = "format")]
    pem: bool,
    #[command(flatten)]
    output: Output,
}

/// `module statement MODULE`
#[derive(Debug, clap::Args)]
pub struct StatementCommand {
    /// Named `<engine>-<version>.wasm`.
    module: PathBuf,
    #[command(flatten)]
    output: Output,
}

/// `module sign --key FILE MODULE …`, or `module sign --signature FILE --public-key KEY MODULE`
#[derive(Debug, clap::Args)]
pub struct Sign {
    /// The private key: a PEM file, as `keygen` and `openssl genpkey -algorithm ed25519` write it.
    #[arg(long, value_name = "FILE", required_unless_present = "signature")]
    key: Option<PathBuf>,
    /// A signature that another tool made of what `statement` prints: 64 bytes, or these in base64.
    #[arg(long, value_name = "FILE", requires = "public_key", conflicts_with = "key")]
    signature: Option<PathBuf>,
    /// Who made that signature: a public key in a PEM file, or `ed25519:` and base64.
    #[arg(long, value_name = "KEY", requires = "signature")]
    public_key: Option<KeyArgument>,
    /// Named `<engine>-<version>.wasm`; the signature goes into `<engine>-<version>.wasm.sig`.
    #[arg(required = true, value_name = "MODULE")]
    modules: Vec<PathBuf>,
    #[command(flatten)]
    output: Output,
}

/// `module verify FILE`, with the arguments of a registration.
#[derive(Debug, clap::Args)]
pub struct Verify {
    /// The module; its signature is beside it.
    file: PathBuf,
    /// Trust this key for the engine of the module: a public key in a PEM file, or `ed25519:` and base64; may be given
    /// several times.
    #[arg(long, value_name = "KEY")]
    key: Vec<KeyArgument>,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Serialize)]
struct NewKey {
    file: String,
    public_key: String,
}

#[derive(Debug, Serialize)]
struct ShownKey {
    public_key: String,
    pem: String,
    #[serde(skip)]
    as_pem: bool,
}

#[derive(Debug, Serialize)]
struct ShownStatement {
    engine: String,
    version: String,
    sha256: String,
    /// The bytes to sign.
    statement: String,
}

#[derive(Debug, Serialize)]
struct Signed {
    public_key: String,
    signed: Vec<SignedModule>,
}

#[derive(Debug, Serialize)]
struct SignedModule {
    signature_file: String,
    engine: String,
    version: String,
    sha256: String,
    /// The number of keys that have signed the module now.
    signatures: usize,
}

#[derive(Debug, Serialize)]
struct Verified {
    file: String,
    engine: String,
    version: String,
    sha256: String,
    /// May the module run?
    approved: bool,
    /// Is the SHA-256 of the module pinned?
    pinned: bool,
    /// The trusted keys that signed the module.
    signers: Vec<String>,
    /// Why the module may not run.
    problem: Option<String>,
}

impl Keygen {
    /// Makes a key.
    pub(crate) fn execute(&self) -> Result<ExitCode, Failure> {
        let key = SigningKey::generate().map_err(|error| Failure::Failed(error.to_string()))?;
        let pem = key.to_pem().map_err(|error| Failure::Failed(error.to_string()))?;
        files::write_new_private(&self.out, pem.as_bytes())?;
        let public_key = key.public_key().to_string();
        self.output.print(&NewKey { file: self.out.display().to_string(), public_key })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A public key on the command line.
#[derive(Clone, Debug)]
enum KeyArgument {
    Text(PublicKey),
    File(PathBuf),
}

impl From<OsString> for KeyArgument {
    fn from(text: OsString) -> Self {
        // A file of that name would have to be called `./ed25519:…`.
        let key = text.to_str().and_then(|text| text.parse().ok());
        key.map_or_else(|| Self::File(text.into()), Self::Text)
    }
}

impl KeyArgument {
    fn read(&self) -> Result<PublicKey, Failure> {
        match self {
            Self::Text(key) => Ok(*key),
            Self::File(path) => read_pem(path, PublicKey::from_pem),
        }
    }
}

/// Reads a file with one key, which may be a private one.
fn read_pem<K>(path: &Path, parse: impl FnOnce(&str) -> Result<K, KeyError>) -> Result<K, Failure> {
    let named = |error: &dyn std::fmt::Display| Failure::Failed(format!("`{}`: {error}", path.display()));
    let pem = files::read_secret(path, KEY_FILE_BYTES_MAX)?;
    let pem = std::str::from_utf8(&pem).map_err(|error| named(&error))?;
    parse(pem).map_err(|error| named(&error))
}

impl PublicKeyCommand {
    /// Shows the key in both forms.
    pub(crate) fn execute(&self) -> Result<ExitCode, Failure> {
        let key = self.key.read()?;
        self.output.print(&ShownKey { public_key: key.to_string(), pem: key.to_pem(), as_pem: self.pem })?;
        Ok(ExitCode::SUCCESS)
    }
}

impl StatementCommand {
    /// Prints the bytes that a key signs, and nothing else.
    pub(crate) fn execute(&self) -> Result<ExitCode, Failure> {
        let read = Read::checked(&self.module)?;
        let text = read.statement.text();
        let Statement { id: ModuleId { engine, version }, digest } = read.statement;
        let (version, sha256) = (version.to_string(), digest.to_string());
        self.output.print(&ShownStatement { engine, version, sha256, statement: text })?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Sign {
    /// Signs the modules, up to the first one that cannot be signed.
    pub(crate) fn execute(&self) -> Result<ExitCode, Failure> {
        let (public_key, signed) = match (&self.key, &self.signature, &self.public_key) {
            (Some(key), ..) => {
                let key = read_pem(key, SigningKey::from_pem)?;
                let sign = |path: &PathBuf| add_signature(path, |file| file.sign(&key));
                (key.public_key(), self.modules.iter().map(sign).collect::<Result<_, _>>()?)
            }
            (None, Some(signature), Some(public_key)) => {
                let [module] = self.modules.as_slice() else {
                    return Err(Failure::Usage("--signature: one signature is of one module".to_owned()));
                };
                let (key, signature) = (public_key.read()?, read_signature(signature)?);
                (key, vec![add_signature(module, |file| file.add(key, signature))?])
            }
            (None, ..) => return Err(Failure::Usage("name a key by `--key`".to_owned())),
        };
        self.output.print(&Signed { public_key: public_key.to_string(), signed })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The 64 bytes of a signature, or their base64 with any blanks around it.
fn read_signature(path: &Path) -> Result<Signature, Failure> {
    let bytes = files::read(path, SIGNATURE_FILE_BYTES_MAX)?;
    if let Ok(raw) = <[u8; 64]>::try_from(bytes.as_slice()) {
        return Ok(raw.into());
    }
    let text = std::str::from_utf8(&bytes).ok().map(|text| text.split_whitespace().collect::<String>());
    text.and_then(|text| Signature::from_text(&text)).ok_or_else(|| {
        Failure::Failed(format!(
            "`{}` is no ed25519 signature: expected 64 bytes, or 88 characters of base64",
            path.display()
        ))
    })
}

fn add_signature(
    path: &Path,
    add: impl FnOnce(&mut SignatureFile) -> Result<(), SignatureFileError>,
) -> Result<SignedModule, Failure> {
    let statement = Read::checked(path)?.statement;
    let signature_path = signature_path(path);
    let named = |error: &dyn std::fmt::Display| Failure::Failed(format!("`{}`: {error}", signature_path.display()));
    let known = files::read_if_there(&signature_path, SIGNATURE_FILE_BYTES_MAX)?;
    let known = known.map(|bytes| SignatureFile::parse(&bytes)).transpose().map_err(|error| named(&error))?;
    // Signatures of other bytes do not count for these.
    let known = known.filter(|file| file.statement == statement);
    let mut file = known.unwrap_or_else(|| SignatureFile::new(statement.clone()));
    add(&mut file).map_err(|error| named(&error))?;
    let text = file.to_text().map_err(|error| named(&error))?;
    files::replace(&signature_path, text.as_bytes())?;
    Ok(SignedModule {
        signature_file: signature_path.display().to_string(),
        engine: statement.id.engine,
        version: statement.id.version.to_string(),
        sha256: statement.digest.to_string(),
        signatures: file.named_keys().len(),
    })
}

/// The bytes of a module, and the statement that its file name makes.
struct Read {
    wasm: Vec<u8>,
    statement: Statement,
}

impl Read {
    fn new(path: &Path) -> Result<Self, Failure> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let id = ModuleId::from_file_name(&name).map_err(|error| Failure::Failed(error.to_string()))?;
        let wasm = files::read(path, WASM_BYTES_MAX)?;
        Ok(Self { statement: Statement { id, digest: Digest::of(&wasm) }, wasm })
    }

    /// As `new`, of a module that is what its file name says.
    fn checked(path: &Path) -> Result<Self, Failure> {
        let read = Self::new(path)?;
        read.check_description().map_err(|text| Failure::Failed(format!("`{}`: {text}", path.display())))?;
        Ok(read)
    }

    /// Fails if the module's own description differs from its file name.
    fn check_description(&self) -> Result<(), String> {
        let loaded = sandbox::closed(async |runtime| Ok(sandbox::load(runtime, &self.wasm).await));
        let module = match loaded {
            Ok(Ok(module)) => module,
            Ok(Err(error)) => return Err(error.to_string()),
            Err(Failure::Failed(text) | Failure::Usage(text)) => return Err(text),
        };
        let description = module.description();
        let id = ModuleId::new(&description.name, &description.version).map_err(|error| error.to_string())?;
        if id == self.statement.id { Ok(()) } else { Err(format!("it is {id} and must be named `{}`", id.file_name())) }
    }
}

fn signature_path(module: &Path) -> PathBuf {
    let mut path = module.as_os_str().to_owned();
    path.push(SIGNATURE_SUFFIX);
    path.into()
}

impl Verify {
    /// Exit 1 if the module could not run.
    pub(crate) fn execute(&self) -> Result<ExitCode, Failure> {
        if self.trust.is_empty() && self.key.is_empty() {
            return Err(Failure::Usage(
                "name a key or a module that you trust: `--key`, `--trust-key` or `--module-sha256`".to_owned(),
            ));
        }
        let keys = self.key.iter().map(KeyArgument::read).collect::<Result<Vec<_>, _>>()?;
        let read = Read::new(&self.file)?;
        let mut trust = self.trust.clone();
        let engine = Some(read.statement.id.engine.clone());
        trust.trust_key.extend(keys.into_iter().map(|value| Scoped { engine: engine.clone(), value }));
        let policy = trust.policy().map_err(Failure::Usage)?;
        let signatures = files::read_if_there(&signature_path(&self.file), SIGNATURE_FILE_BYTES_MAX)?;
        // As when serving, a module that is not trusted is not even compiled.
        let approval = policy.approve(&read.statement, signatures.as_deref()).map_err(|refusal| refusal.to_string());
        let approval = approval.and_then(|approval| read.check_description().map(|()| approval));
        let statement = read.statement;
        let verified = Verified {
            file: self.file.display().to_string(),
            engine: statement.id.engine,
            version: statement.id.version.to_string(),
            sha256: statement.digest.to_string(),
            approved: approval.is_ok(),
            pinned: matches!(approval, Ok(Approval::AllowListed)),
            signers: match &approval {
                Ok(Approval::Signed(keys)) => keys.clone(),
                _ => Vec::new(),
            },
            problem: approval.err(),
        };
        self.output.print(&verified)?;
        Ok(exit_code(verified.approved))
    }
}

impl Report for NewKey {
    fn text(&self) -> String {
        format!("{}\n", self.public_key)
    }
}

impl Report for ShownKey {
    fn text(&self) -> String {
        if self.as_pem { self.pem.clone() } else { format!("{}\n", self.public_key) }
    }
}

impl Report for ShownStatement {
    fn text(&self) -> String {
        self.statement.clone()
    }
}

impl Report for Signed {
    fn text(&self) -> String {
        let line = |module: &SignedModule| {
            let SignedModule { signature_file, engine, version, signatures, .. } = module;
            let keys = if *signatures == 1 { "1 key".to_owned() } else { format!("{signatures} keys") };
            format!("{signature_file}: {engine} {version}, signed by {keys}\n")
        };
        self.signed.iter().map(line).collect()
    }
}

impl Report for Verified {
    fn text(&self) -> String {
        let Self { file, engine, version, .. } = self;
        match &self.problem {
            Some(problem) => printable(&format!("{file}: {engine} {version} may not run: {problem}\n")),
            None if self.pinned => format!("{file}: {engine} {version} may run: its SHA-256 is pinned\n"),
            None => format!("{file}: {engine} {version} may run: signed by {}\n", self.signers.join(", ")),
        }
    }
}
