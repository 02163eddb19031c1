//! Proves that `src/gen` is what the files in `proto` generate.
//!
//! `UPDATE_GEN=1 cargo test -p plugin-protocol --test generated` rewrites it.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test that works on files")]

use std::fs;
use std::path::Path;

const PROTOS: [&str; 5] = ["plugin.proto", "health.proto", "multiplexing.proto", "logical.proto", "backend.proto"];

#[test]
fn generated_code_is_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fresh = tempfile::tempdir().unwrap();
    let descriptors = protox::compile(PROTOS, [root.join("proto")]).unwrap();
    tonic_prost_build::configure()
        .build_transport(false)
        .generate_default_stubs(true)
        .btree_map(".")
        // Most messages can hold secrets; what has no `Debug` cannot be logged by accident.
        .skip_debug(["."])
        .out_dir(fresh.path())
        .compile_fds(descriptors)
        .unwrap();

    let kept = root.join("src/gen");
    if std::env::var_os("UPDATE_GEN").is_some() {
        for (name, text) in files(fresh.path()) {
            fs::write(kept.join(name), text).unwrap();
        }
    }
    let (fresh, kept) = (files(fresh.path()), files(&kept));
    let names = |files: &[(String, String)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&fresh), names(&kept), "run this test with UPDATE_GEN=1 and remove what is left over");
    for ((name, fresh), (_, kept)) in fresh.iter().zip(&kept) {
        assert!(fresh == kept, "`src/gen/{name}` is stale: run this test with UPDATE_GEN=1");
    }
}

/// Name and text of each file of a directory, sorted by name.
fn files(directory: &Path) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}
