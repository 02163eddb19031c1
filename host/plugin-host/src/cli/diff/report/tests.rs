#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use component_runtime::{Declaration, StorageVersions};
use envelope::SpecialPaths;
use modules::Digest;
use serde_json::json;

use super::super::surface::Surface;
use super::*;

fn versions(written: u32, readable_from: u32) -> StorageVersions {
    StorageVersions { written, readable_from }
}

fn id(engine: &str, version: &str) -> ModuleId {
    ModuleId::new(engine, version).unwrap()
}

fn side(version: &str) -> Side {
    Side {
        file: format!("astra-{version}.wasm"),
        id: id("astra", version),
        digest: Digest::of(version.as_bytes()),
        description: Description {
            name: "astra".to_owned(),
            version: version.to_owned(),
            special_paths: SpecialPaths { root: vec!["config/*".to_owned()], ..SpecialPaths::default() },
            secret_kinds: vec!["astra_token".to_owned()],
            storage_versions: versions(2, 1),
        },
        capabilities: BTreeSet::from([Capability::Storage, Capability::Log]),
        secrets: Declaration::default(),
        surface: Ok(Surface::of(&json!({"paths": {"/config": {"get": {}}}}))),
    }
}

fn incompatibilities(old: &Side, new: &Side) -> String {
    Difference::between(old, new).incompatibilities.join("\n")
}

#[test]
fn a_newer_version_of_the_same_engine_is_activated_and_can_be_reverted() {
    let difference = Difference::between(&side("1.0.0"), &side("1.1.0"));
    assert!(difference.incompatibilities.is_empty() && difference.revert.possible, "{difference:?}");
    assert!(difference.text().contains("fields are the same"), "{}", difference.text());
}

#[test]
fn each_incompatibility_is_named() {
    let old = side("1.1.0");
    let changed = |change: fn(&mut Side)| {
        let mut new = side("1.2.0");
        change(&mut new);
        incompatibilities(&old, &new)
    };
    let rows = [
        (changed(|new| new.id = id("other", "1.2.0")), "`force` gives the storage to `other`"),
        (changed(|new| new.id = id("astra", "1.0.9")), "its version is lower: 1.0.9 after 1.1.0"),
        (changed(|new| new.id = id("astra", "1.1.0")), "the same version, 1.1.0, and other content"),
        (
            changed(|new| new.description.storage_versions = versions(4, 3)),
            "it reads storage from version 3 on, and the mount has storage of version 2",
        ),
        (
            changed(|new| new.description.storage_versions = versions(3, 1)),
            "it writes storage of version 3, which 1.1.0 cannot read",
        ),
        (changed(|new| new.description.secret_kinds.clear()), "leases of `astra_token` could not be"),
        (
            changed(|new| new.capabilities.extend([Capability::OutboundHttp])),
            "`accept_capabilities=outbound-http` accepts exactly that",
        ),
        (changed(|new| new.description.special_paths.root.clear()), "`accept_capabilities=no-sudo:config/*`"),
        (changed(|new| new.surface = Err("`x` has no OpenAPI document".to_owned())), "`x` has no OpenAPI document"),
        (changed(|new| new.description.special_paths.root.clear()), "`plugin reload`"),
    ];
    for (found, expected) in rows {
        assert!(found.contains(expected), "no `{expected}` in {found}");
    }
}

#[test]
fn between_two_engines_there_is_no_way_back() {
    let mut other = side("1.1.0");
    other.id = id("other", "1.1.0");
    assert!(!Difference::between(&side("1.0.0"), &other).revert.possible);
}

#[test]
fn the_same_bytes_are_said_to_be_the_same() {
    let difference = Difference::between(&side("1.0.0"), &side("1.0.0"));
    assert!(
        difference.incompatibilities.is_empty() && difference.text().contains("The same bytes"),
        "{}",
        difference.text()
    );
}

#[test]
fn an_operator_reads_what_matters_first() {
    let mut new = side("2.0.0");
    new.description.storage_versions = versions(3, 2);
    new.description.secret_kinds.push("astra_key".to_owned());
    new.description.special_paths.unauthenticated.push("ping".to_owned());
    new.capabilities = BTreeSet::from([Capability::Storage, Capability::OutboundHttp]);
    new.surface = Ok(Surface::of(&json!({"paths": {"/ping": {"get": {}}}})));
    insta::assert_snapshot!(Difference::between(&side("1.0.0"), &new).text());
}
