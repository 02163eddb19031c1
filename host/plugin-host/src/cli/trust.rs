//! `module keygen`, `sign`, `verify`: keys, signatures, and whether a registration would let a module run.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use component_runtime::limits::WASM_BYTES_MAX;
use modules::limits::SIGNATURE_FILE_BYTES_MAX;
use modules::{Approval, Digest, ModuleId, SIGNATURE_SUFFIX, SignatureFile, SigningKey, Statement};
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

/// `module sign --key FILE MODULE …`
#[derive(Debug, clap::Args)]
pub struct Sign {
    /// The private key that `keygen` wrote.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
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
        let key = SigningKey::generate().map_err(|error| Failure::Not(error.to_string()))?;
        let pem = key.to_pem().map_err(|error| Failure::Not(error.to_string()))?;
        files::write_new_private(&self.out, pem.as_bytes())?;
        let public_key = key.public_key().to_string();
        self.output.print(&NewKey { file: self.out.display().to_string(), public_key })?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Sign {
    /// Signs the modules, up to the first one that cannot be signed.
    pub(crate) fn execute(&self) -> Result<ExitCode, Failure> {
        let named = |error: &dyn std::fmt::Display| Failure::Not(format!("`{}`: {error}", self.key.display()));
        let pem = files::read_secret(&self.key, KEY_FILE_BYTES_MAX)?;
        let pem = std::str::from_utf8(&pem).map_err(|error| named(&error))?;
        let key = SigningKey::from_pem(pem).map_err(|error| named(&error))?;
        let signed = self.modules.iter().map(|path| sign(path, &key)).collect::<Result<_, _>>()?;
        self.output.print(&Signed { public_key: key.public_key().to_string(), signed })?;
        Ok(ExitCode::SUCCESS)
    }
}

fn sign(path: &Path, key: &SigningKey) -> Result<SignedModule, Failure> {
    let read = Read::new(path)?;
    read.check_description().map_err(|text| Failure::Not(format!("`{}`: {text}", path.display())))?;
    let statement = read.statement;
    let signature_path = signature_path(path);
    let named = |error: &dyn std::fmt::Display| Failure::Not(format!("`{}`: {error}", signature_path.display()));
    let known = files::read_if_there(&signature_path, SIGNATURE_FILE_BYTES_MAX)?;
    let known = known.map(|bytes| SignatureFile::parse(&bytes)).transpose().map_err(|error| named(&error))?;
    // Signatures of other bytes do not count for these.
    let known = known.filter(|file| file.statement == statement);
    let mut file = known.unwrap_or_else(|| SignatureFile::new(statement.clone()));
    file.sign(key).map_err(|error| named(&error))?;
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
        let id = ModuleId::from_file_name(&name).map_err(|error| Failure::Not(error.to_string()))?;
        let wasm = files::read(path, WASM_BYTES_MAX)?;
        Ok(Self { statement: Statement { id, digest: Digest::of(&wasm) }, wasm })
    }

    /// Fails if the module's own description differs from its file name.
    fn check_description(&self) -> Result<(), String> {
        let loaded = sandbox::closed(async |runtime| Ok(sandbox::load(runtime, &self.wasm).await));
        let module = match loaded {
            Ok(Ok(module)) => module,
            Ok(Err(error)) => return Err(error.to_string()),
            Err(Failure::Not(text) | Failure::Usage(text)) => return Err(text),
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
        if self.trust.is_empty() {
            return Err(Failure::Usage(
                "name a key or a module that you trust: `--trust-key` or `--module-sha256`".to_owned(),
            ));
        }
        let policy = self.trust.policy().map_err(Failure::Usage)?;
        let read = Read::new(&self.file)?;
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
