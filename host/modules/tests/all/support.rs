//! Helpers of the tests: guests, a directory of modules, keys.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "tests lay out directories")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use component_runtime::egress::EgressSettings;
use component_runtime::{CompilePriority, Limits, Runtime, RuntimeSettings, SealKey};
use modules::{
    CacheSettings, Candidate, Digest, Embedded, EngineTrust, ModuleId, ModuleRegistry, Origin, PublicKey,
    RegistrySettings, SignatureFile, SigningKey, Source as _, Statement, TrustPolicy,
};
use tempfile::TempDir;

/// A guest, whose engine has the guest's name and version 0.0.0.
pub(crate) fn wasm(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../target/component/rogue/{name}.wasm"));
    let Ok(wasm) = fs::read(&path) else {
        panic!("the guest `{name}` is not built yet: run `make rogue` first ({} is missing)", path.display())
    };
    wasm
}

/// The guest that plays the embedded module.
pub(crate) fn embedded() -> Embedded {
    static EMBEDDED: OnceLock<Embedded> = OnceLock::new();
    *EMBEDDED.get_or_init(|| {
        let wasm = wasm("keep_state").leak();
        Embedded { wasm, precompiled: Runtime::precompile(wasm).unwrap().leak() }
    })
}

pub(crate) fn runtime(limits: Limits) -> Runtime {
    let limits = Limits { requests_in_flight_max: 16, requests_guaranteed_per_mount: 2, ..limits };
    Runtime::new(RuntimeSettings {
        egress: EgressSettings::default(),
        upstream_read_only: false,
        wal_minimum_age: Duration::from_secs(600),
        compile_priority: CompilePriority::Background,
        memory_limit: None,
        limits,
    })
    .unwrap()
}

/// A directory of modules, a trusted key, and registries made from them.
pub(crate) struct Stage {
    pub(crate) dir: TempDir,
    pub(crate) key: SigningKey,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), key: SigningKey::generate().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("modules")
    }

    pub(crate) fn settings(&self) -> RegistrySettings {
        fs::create_dir_all(self.path()).unwrap();
        let mut trust = TrustPolicy::default();
        for engine in ["astra", "good", "keep_state", "sleep_in_describe", "spin_in_describe", "trap"] {
            trust.trust(engine, EngineTrust::new([], [self.key.public_key()], 1).unwrap());
        }
        RegistrySettings { directory: Some(self.path()), trust, cache: None }
    }

    pub(crate) fn cache_path(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    /// A registry as in a new process, with a cache that a key of this byte seals.
    pub(crate) fn library_with_cache(&self, key: u8) -> Arc<ModuleRegistry> {
        let cache = Some(CacheSettings { directory: self.cache_path(), key: SealKey::new([key; 32]) });
        ModuleRegistry::new(runtime(Limits::default()), embedded(), RegistrySettings { cache, ..self.settings() })
    }

    pub(crate) fn registry(&self) -> Arc<ModuleRegistry> {
        ModuleRegistry::new(runtime(Limits::default()), embedded(), self.settings())
    }

    /// Writes a module to the directory, with a signature for its name.
    pub(crate) fn drop_in(&self, name: &str, wasm: &[u8]) {
        fs::write(self.path().join(name), wasm).unwrap();
        self.sign(name, wasm);
    }

    pub(crate) fn sign(&self, name: &str, wasm: &[u8]) {
        let statement = Statement { id: ModuleId::from_file_name(name).unwrap(), digest: Digest::of(wasm) };
        let mut file = SignatureFile::new(statement);
        file.sign(&self.key).unwrap();
        fs::write(self.path().join(format!("{name}.sig")), file.to_text().unwrap()).unwrap();
    }

    pub(crate) fn signer(&self) -> String {
        PublicKey::to_string(&self.key.public_key())
    }
}

/// The candidate of this file.
pub(crate) async fn candidate(registry: &ModuleRegistry, name: &str) -> Candidate {
    let candidates = registry.candidates().await.unwrap();
    let found = candidates.into_iter().find(|candidate| candidate.origin == Origin::File(name.to_owned()));
    found.unwrap_or_else(|| panic!("`{name}` is not listed; refused: {:?}", registry.rejected_files()))
}

/// The reason why this file cannot serve.
pub(crate) async fn refused(registry: &ModuleRegistry, name: &str) -> String {
    let candidate = candidate(registry, name).await;
    registry.load(&candidate).await.err().unwrap().to_string()
}
