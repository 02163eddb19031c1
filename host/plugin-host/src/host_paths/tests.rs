#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::time::Duration;

use component_runtime::capability::Nothing;
use component_runtime::{Limits, MountSettings, Runtime, RuntimeSettings};
use modules::controller::ControllerSettings;
use modules::{ModuleId, ModuleRegistry, RegistrySettings};
use plugin_protocol::Identity;

use super::*;
use crate::component;

/// A mount as it is without a directory of modules.
async fn controller() -> Arc<ModuleController> {
    let settings = RuntimeSettings {
        egress: Vec::new().into(),
        upstream_read_only: false,
        wal_minimum_age: Duration::from_secs(600),
        limits: Limits { requests_in_flight_max: 4, requests_in_flight_per_mount_max: 2, ..Limits::default() },
    };
    let runtime = Runtime::new(settings).unwrap();
    let registry = ModuleRegistry::new(runtime.clone(), component::embedded(), RegistrySettings::default());
    let mount = runtime.mount(MountSettings {
        backend_uuid: "uuid".to_owned(),
        name: "test/".to_owned(),
        options: BTreeMap::new(),
        storage: Arc::new(Nothing),
        system_view: Arc::new(Nothing),
    });
    let settings = ControllerSettings { mount, storage: Some(Arc::new(Nothing)), options: BTreeMap::new() };
    ModuleController::open(registry, runtime, settings).await.unwrap()
}

fn request(operation: Operation, path: &str, data: &str) -> Request {
    Request {
        id: "request-1".to_owned(),
        operation,
        path: path.to_owned(),
        data: data.to_owned(),
        mount_point: "test/".to_owned(),
        mount_accessor: String::new(),
        identity: Identity::default(),
        lease: None,
        headers: BTreeMap::new(),
        timeout: None,
    }
}

async fn answer(operation: Operation, path: &str, data: &str) -> Result<(Value, Vec<String>), Error> {
    let response = handle(&controller().await, &request(operation, path, data)).await?.unwrap();
    Ok((serde_json::from_str(response.data.as_deref().unwrap()).unwrap(), response.warnings))
}

#[test]
fn the_hosts_paths_are_these_and_all_below() {
    for path in ["module", "module/use", "module/anything", "module/"] {
        assert!(is_host_path(path), "{path}");
    }
    for path in ["", "modules", "module_x", "a/module", "config"] {
        assert!(!is_host_path(path), "{path}");
    }
}

#[tokio::test]
async fn what_serves_a_mount_is_read_below_it() {
    let (status, _) = answer(Operation::Read, "module", "null").await.unwrap();
    assert_eq!(status["state"], "serves");
    assert_eq!(status["engine"], "astra");
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["digest"], modules::Digest::of(component::ASTRA_WASM).to_string());
    assert_eq!((&status["origin"], &status["approval"]), (&json!("embedded"), &json!("embedded")));
    assert!(status["since"].as_str().unwrap().ends_with('Z'));
    // The table says of each field what it is, and of no other.
    let mut told: Vec<_> = status.as_object().unwrap().keys().map(String::as_str).collect();
    let mut described: Vec<_> = table::find("module").unwrap().response.iter().map(|field| field.name).collect();
    told.sort_unstable();
    described.sort_unstable();
    assert_eq!(told, described);
}

#[test]
fn what_a_change_came_to_is_told_with_what_is_still_to_do() {
    let id = || ModuleId::new("toy", "2.0.0").unwrap();
    let free = |serves| Done::Unpinned { serves, passed_over: vec!["toy 3.0.0: no".to_owned()] };
    let rows = [
        (Done::Serves(id()), json!({ "engine": "toy", "version": "2.0.0", "live": true }), None),
        (Done::NeedsReload(id()), json!({ "engine": "toy", "version": "2.0.0", "live": false }), Some("plugin reload")),
        (free(Some(id())), json!({ "engine": "toy", "version": "2.0.0", "live": true }), Some("toy 3.0.0: no")),
        (free(None), json!({ "engine": null, "version": null, "live": false }), Some("toy 3.0.0: no")),
    ];
    for (outcome, expected, warning) in rows {
        let Response { data, warnings, .. } = done(outcome);
        assert_eq!(serde_json::from_str::<Value>(&data.unwrap()).unwrap(), expected);
        assert_eq!(warnings.len(), usize::from(warning.is_some()));
        assert!(warnings.iter().all(|text| warning.is_some_and(|warning| text.contains(warning))), "{warnings:?}");
    }
}

#[tokio::test]
async fn without_a_directory_there_is_nothing_to_change() {
    let by_digest = json!({ "digest": "0".repeat(64) }).to_string();
    let rows = [
        ("module/reload", "{}"),
        ("module/rollback", "{}"),
        ("module/use", r#"{"version":"9.0.0"}"#),
        ("module/use", &by_digest),
    ];
    for (path, data) in rows {
        let (answer, _) = answer(Operation::Update, path, data).await.unwrap();
        assert!(answer["error"].as_str().unwrap().contains("`--modules-dir`"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn fields_are_checked_before_anything_happens() {
    let rows = [
        (r#"{}"#, "`version` is missing"),
        (r#"{"version":"two"}"#, "`version` is `two`"),
        (r#"{"digest":"ab"}"#, "`digest`: `ab` is no SHA-256"),
        (r#"{"version":"2.0.0","digest":"ab"}"#, "`digest`: `ab` is no SHA-256"),
        (
            r#"{"version":"2.0.0","force":"maybe"}"#,
            "Field validation failed: error converting input for field \"force\"",
        ),
    ];
    for (data, expected) in rows {
        let (answer, _) = answer(Operation::Update, "module/use", data).await.unwrap();
        assert!(answer["error"].as_str().unwrap().contains(expected), "{data}: {answer}");
    }
    let (_, warnings) = answer(Operation::Read, "module", r#"{"typo":1}"#).await.unwrap();
    assert_eq!(warnings, ["Endpoint ignored these unrecognized parameters: [typo]"]);
}

#[tokio::test]
async fn other_operations_and_other_paths_below_are_nobodys() {
    assert_eq!(answer(Operation::Update, "module", "{}").await.unwrap_err(), Error::UnsupportedOperation);
    assert_eq!(answer(Operation::Read, "module/use", "{}").await.unwrap_err(), Error::UnsupportedOperation);
    assert_eq!(answer(Operation::Delete, "module", "{}").await.unwrap_err(), Error::UnsupportedOperation);
    assert_eq!(answer(Operation::Read, "module/other", "{}").await.unwrap_err(), Error::UnsupportedPath);
    assert_eq!(answer(Operation::Help, "module/other", "{}").await.unwrap_err(), Error::UnsupportedPath);
    assert_eq!(check_existence(&request(Operation::Update, "module/use", "{}")), Ok(None));
    assert_eq!(check_existence(&request(Operation::Update, "module/x", "{}")), Err(Error::UnsupportedPath));
}

#[tokio::test]
async fn each_of_them_has_help() {
    for path in &table::PATHS {
        let (help, _) = answer(Operation::Help, path.name, "{}").await.unwrap();
        let text = help["help"].as_str().unwrap();
        assert!(text.contains(&format!("Matching Route: ^{}$", path.name)), "{text}");
        assert!(help["openapi"]["paths"].get(format!("/{}", path.name)).is_some());
    }
}
