//! The way of a file from the directory to a loaded module, and every failure on it.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "tests lay out directories")]

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use component_runtime::{Capability, Limits};
use modules::{
    Approval, Candidate, Digest, EngineTrust, ModuleRegistry, Origin, RegistrySettings, Rejection, Source as _,
    TrustPolicy,
};

use crate::support::{Stage, candidate, embedded, refused, runtime, wasm};

#[tokio::test]
async fn without_a_directory_there_is_the_embedded_module_only() {
    let registry = ModuleRegistry::new(runtime(Limits::default()), embedded(), RegistrySettings::default());
    let [only] = registry.candidates().await.unwrap().try_into().unwrap();
    assert_eq!((only.origin.clone(), only.approval.clone()), (Origin::Embedded, Ok(Approval::Embedded)));
    let loaded = registry.load(&only).await.unwrap();
    assert_eq!(loaded.id.to_string(), "keep_state 0.0.0");
    assert!(Arc::ptr_eq(&loaded, &registry.embedded().await.unwrap()));
}

#[tokio::test]
async fn a_signed_file_is_loaded_with_its_capabilities() {
    let stage = Stage::new();
    let registry = stage.registry();
    stage.drop_in("good-0.0.0.wasm", &wasm("good"));
    let candidate = candidate(&registry, "good-0.0.0.wasm").await;
    assert_eq!(candidate.approval, Ok(Approval::Signed(vec![stage.signer()])));
    let loaded = registry.load(&candidate).await.unwrap();
    assert_eq!((loaded.id.clone(), loaded.digest), (candidate.id, Digest::of(&wasm("good"))));
    assert_eq!(loaded.approval, Approval::Signed(vec![stage.signer()]));
    let capabilities = loaded.capabilities();
    for asked in [Capability::Storage, Capability::Locks, Capability::OutboundHttp] {
        assert!(capabilities.contains(&asked), "{capabilities:?}");
    }
    assert!(!capabilities.contains(&Capability::Metrics), "{capabilities:?}");
    assert_eq!(registry.candidates().await.unwrap()[0].origin, Origin::Embedded, "the embedded one is first");
}

#[tokio::test]
async fn a_pinned_file_needs_no_signature() {
    let stage = Stage::new();
    let good = wasm("good");
    let mut trust = TrustPolicy::default();
    trust.trust("good", EngineTrust::new([Digest::of(&good)], [], 1).unwrap());
    let registry =
        ModuleRegistry::new(runtime(Limits::default()), embedded(), RegistrySettings { trust, ..stage.settings() });
    fs::write(stage.path().join("good-0.0.0.wasm"), &good).unwrap();
    let loaded = registry.load(&candidate(&registry, "good-0.0.0.wasm").await).await.unwrap();
    assert_eq!(loaded.approval, Approval::AllowListed);
}

#[tokio::test]
async fn an_unsigned_file_is_listed_and_never_loaded() {
    let stage = Stage::new();
    let registry = stage.registry();
    fs::write(stage.path().join("good-0.0.0.wasm"), wasm("good")).unwrap();
    let listed = candidate(&registry, "good-0.0.0.wasm").await;
    let reason = listed.approval.unwrap_err();
    assert!(reason.to_string().starts_with("it has no signature file"), "{reason}");
    assert_eq!(refused(&registry, "good-0.0.0.wasm").await, reason.to_string());
}

#[tokio::test]
async fn the_bytes_that_are_read_are_checked_again() {
    let stage = Stage::new();
    let registry = stage.registry();
    stage.drop_in("good-0.0.0.wasm", &wasm("good"));
    let listed = candidate(&registry, "good-0.0.0.wasm").await;
    // The file is replaced between listing and load, by another signed file.
    stage.drop_in("good-0.0.0.wasm", &wasm("trap"));
    let reason = passing(&registry, &listed).await;
    assert_eq!(reason, format!("`good-0.0.0.wasm` changed since it was listed with SHA-256 {}", listed.digest));
    // The signature is removed between listing and load.
    stage.drop_in("good-0.0.0.wasm", &wasm("good"));
    let listed = candidate(&registry, "good-0.0.0.wasm").await;
    fs::remove_file(stage.path().join("good-0.0.0.wasm.sig")).unwrap();
    assert!(passing(&registry, &listed).await.starts_with("it has no signature file"));
    // The file is removed.
    fs::remove_file(stage.path().join("good-0.0.0.wasm")).unwrap();
    assert!(passing(&registry, &listed).await.starts_with("`good-0.0.0.wasm` cannot be read: "));
}

/// The transient reason why the candidate cannot be loaded.
async fn passing(registry: &ModuleRegistry, candidate: &Candidate) -> String {
    match registry.load(candidate).await.err().unwrap() {
        Rejection::Transient(text) => text,
        Rejection::Permanent(text) => panic!("nothing permanent is wrong with it: {text}"),
    }
}

#[tokio::test]
async fn a_module_that_loops_fails_permanently_and_a_slow_one_does_not() {
    let stage = Stage::new();
    let limits = Limits {
        describe_deadline: Duration::from_millis(200),
        processor_time: Duration::from_millis(20),
        ..Limits::default()
    };
    let registry = ModuleRegistry::new(runtime(limits), embedded(), stage.settings());
    for name in ["spin_in_describe", "sleep_in_describe"] {
        stage.drop_in(&format!("{name}-0.0.0.wasm"), &wasm(name));
    }
    let slow = candidate(&registry, "sleep_in_describe-0.0.0.wasm").await;
    let reason = passing(&registry, &slow).await;
    assert!(reason.contains("took longer than 200ms"), "{reason}");
    let looping = candidate(&registry, "spin_in_describe-0.0.0.wasm").await;
    let failure = registry.load(&looping).await.err().unwrap();
    assert!(matches!(&failure, Rejection::Permanent(text) if text.contains("processor time")), "{failure}");
}

#[tokio::test]
async fn files_that_are_not_engines_are_refused_with_their_mistake() {
    let stage = Stage::new();
    let registry = stage.registry();
    let good = wasm("good");
    let rows: [(&[u8], &str); 5] = [
        (b"", "not a component that can run here"),
        (b"nonsense", "not a component that can run here"),
        (b"\0asm\x01\0\0\0", "not a component that can run here"),
        (&good[..good.len() / 2], "not a component that can run here"),
        // An empty component has none of our worlds.
        (b"\0asm\x0d\0\x01\0", "not of the world `secrets-engine:world/engine`"),
    ];
    for (wasm, expected) in rows {
        stage.drop_in("good-0.0.0.wasm", wasm);
        let reason = refused(&registry, "good-0.0.0.wasm").await;
        assert!(reason.starts_with(expected), "{reason}");
    }
}

#[tokio::test]
async fn a_file_that_is_not_a_candidate_is_reported_with_its_reason() {
    let stage = Stage::new();
    let limits = Limits { wasm_bytes_max: 1024, ..Limits::default() };
    // The embedded module is loaded from its precompiled form, to which the limit does not apply.
    let registry = ModuleRegistry::new(runtime(limits), embedded(), stage.settings());
    stage.drop_in("good-0.0.0.wasm", &wasm("good"));
    fs::write(stage.path().join("good.wasm"), "").unwrap();
    assert_eq!(registry.candidates().await.unwrap().len(), 1);
    let told: Vec<String> = registry.rejected_files().into_iter().map(|file| file.reason.to_string()).collect();
    let size = wasm("good").len();
    let expected = [
        format!("`good-0.0.0.wasm` cannot be read: it has {size} bytes; at most 1024"),
        "`good.wasm` is not named `<engine>-<version>.wasm`, for example `astra-1.2.3.wasm`".to_owned(),
    ];
    assert_eq!(told, expected);
    fs::remove_dir_all(stage.path()).unwrap();
    fs::create_dir(stage.path()).unwrap();
    registry.candidates().await.unwrap();
    assert_eq!(registry.rejected_files(), []);
}

#[tokio::test]
async fn a_module_is_what_its_file_is_named() {
    let stage = Stage::new();
    let registry = stage.registry();
    for name in ["astra-0.0.0.wasm", "good-1.0.0.wasm"] {
        stage.drop_in(name, &wasm("good"));
        let expected = format!("it describes itself as good 0.0.0, and its file is named `{name}`");
        assert_eq!(refused(&registry, name).await, expected);
    }
}

#[tokio::test]
async fn a_module_that_cannot_describe_itself_is_refused() {
    let stage = Stage::new();
    let limits = Limits { processor_time: std::time::Duration::from_millis(50), ..Limits::default() };
    let registry = ModuleRegistry::new(runtime(limits), embedded(), stage.settings());
    stage.drop_in("spin_in_describe-0.0.0.wasm", &wasm("spin_in_describe"));
    let reason = refused(&registry, "spin_in_describe-0.0.0.wasm").await;
    assert_eq!(reason, "the component could not describe itself: the component used its 50ms of processor time");
}

#[tokio::test]
async fn mounts_share_a_loaded_module_until_the_last_mount_drops_it() {
    let stage = Stage::new();
    let registry = stage.registry();
    stage.drop_in("good-0.0.0.wasm", &wasm("good"));
    let listed = candidate(&registry, "good-0.0.0.wasm").await;
    let (one, two) = tokio::join!(registry.load(&listed), registry.load(&listed));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert!(Arc::ptr_eq(&one.module, &two.module), "compiled once");
    let module = Arc::downgrade(&one.module);
    drop((one, two));
    assert_eq!(module.strong_count(), 0, "an unused module is dropped");
    registry.load(&listed).await.unwrap();
}

#[tokio::test]
async fn a_module_that_cannot_be_loaded_is_tried_once_for_all_mounts() {
    let stage = Stage::new();
    let registry = stage.registry();
    for (name, wasm) in [("good-0.0.0.wasm", b"\0asm\x0d\0\x01\0".to_vec()), ("good-1.0.0.wasm", wasm("good"))] {
        stage.drop_in(name, &wasm);
        let listed = candidate(&registry, name).await;
        let reason = registry.load(&listed).await.err().unwrap();
        // The known failure needs neither the file nor a compilation.
        fs::remove_file(stage.path().join(name)).unwrap();
        assert_eq!(registry.load(&listed).await.err(), Some(reason));
    }
    // The same bytes under the right name are another candidate.
    stage.drop_in("good-0.0.0.wasm", &wasm("good"));
    registry.load(&candidate(&registry, "good-0.0.0.wasm").await).await.unwrap();
}

#[tokio::test]
async fn a_transient_failure_is_tried_again() {
    let stage = Stage::new();
    let registry = stage.registry();
    stage.drop_in("good-0.0.0.wasm", &wasm("good"));
    let listed = candidate(&registry, "good-0.0.0.wasm").await;
    let aside = stage.dir.path().join("aside");
    fs::rename(stage.path(), &aside).unwrap();
    assert!(registry.load(&listed).await.is_err());
    fs::rename(&aside, stage.path()).unwrap();
    registry.load(&listed).await.unwrap();
}

#[tokio::test]
async fn a_copy_of_the_embedded_module_is_the_embedded_module() {
    let stage = Stage::new();
    let registry = stage.registry();
    stage.drop_in("keep_state-0.0.0.wasm", embedded().wasm);
    let copy = registry.load(&candidate(&registry, "keep_state-0.0.0.wasm").await).await.unwrap();
    assert!(Arc::ptr_eq(&copy.module, &registry.embedded().await.unwrap().module));
    assert_eq!(copy.origin, Origin::File("keep_state-0.0.0.wasm".to_owned()));
}

#[tokio::test]
async fn a_change_of_the_directory_is_reported() {
    let stage = Stage::new();
    let registry = stage.registry();
    let mut changes = registry.changes();
    changes.changed().await.unwrap();
    stage.drop_in("good-0.0.0.wasm", &wasm("good"));
    tokio::time::timeout(std::time::Duration::from_secs(60), changes.changed()).await.unwrap().unwrap();
    let quiet = ModuleRegistry::new(runtime(Limits::default()), embedded(), RegistrySettings::default());
    assert!(
        !quiet.changes().has_changed().unwrap(),
        "without a directory there are no changes, and the channel stays open"
    );
}

#[tokio::test]
async fn a_directory_that_vanishes_leaves_the_loaded_modules() {
    let stage = Stage::new();
    let registry = stage.registry();
    stage.drop_in("good-0.0.0.wasm", &wasm("good"));
    let listed = candidate(&registry, "good-0.0.0.wasm").await;
    let loaded = registry.load(&listed).await.unwrap();
    let aside = stage.dir.path().join("aside");
    fs::rename(stage.path(), &aside).unwrap();
    let reason = registry.candidates().await.unwrap_err().to_string();
    assert!(reason.starts_with("the directory of modules `") && reason.contains("cannot be read"), "{reason}");
    assert!(registry.load(&listed).await.is_err());
    assert_eq!(loaded.module.description().name, "good");
    registry.embedded().await.unwrap();
    fs::rename(&aside, stage.path()).unwrap();
    assert_eq!(registry.candidates().await.unwrap().len(), 2);
}
