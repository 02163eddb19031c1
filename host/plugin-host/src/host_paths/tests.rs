#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use component_runtime::capability::Nothing;
use component_runtime::egress::{EgressSettings, Policy};
use component_runtime::{CompilePriority, Limits, Mount, MountSettings, Runtime, RuntimeSettings};
use modules::controller::ControllerSettings;
use modules::{Embedded, ModuleId, ModuleRegistry, RegistrySettings};

use super::*;
use crate::component;

/// The embedded module, compiled once for all tests: the slot of the test program is empty.
fn embedded() -> Embedded {
    static CODE: OnceLock<Vec<u8>> = OnceLock::new();
    let precompiled = CODE.get_or_init(|| Runtime::precompile(component::ASTRA_WASM).unwrap());
    Embedded { precompiled, ..component::embedded() }
}

/// A mount without modules.
pub(crate) fn mount(limits: Limits) -> (Runtime, Arc<Mount>) {
    let settings = RuntimeSettings {
        egress: EgressSettings::default(),
        upstream_read_only: false,
        wal_minimum_age: Duration::from_secs(600),
        compile_priority: CompilePriority::Background,
        memory_limit: None,
        limits: Limits { requests_in_flight_max: 4, requests_guaranteed_per_mount: 1, ..limits },
    };
    let runtime = Runtime::new(settings).unwrap();
    let mount = runtime.mount(MountSettings {
        backend_uuid: Some("uuid".to_owned()),
        name: "test/".to_owned(),
        options: BTreeMap::new(),
        egress: Policy::default(),
        storage: Arc::new(Nothing),
        system_view: Arc::new(Nothing),
    });
    (runtime, mount)
}

/// A mount with these modules.
async fn controller(modules: RegistrySettings) -> (Arc<ModuleController>, Arc<Mount>) {
    let (runtime, mount) = mount(Limits::default());
    let registry = ModuleRegistry::new(runtime.clone(), embedded(), modules);
    let settings =
        ControllerSettings { mount: Arc::clone(&mount), storage: Some(Arc::new(Nothing)), options: BTreeMap::new() };
    (ModuleController::open(registry, runtime, settings).await.unwrap(), mount)
}

fn request(operation: Operation, path: &str, data: &str) -> Request {
    Request { id: Some("request-1".to_owned()), mount_point: "test/".to_owned(), ..Request::new(operation, path, data) }
}

/// The answer of a mount without a directory of modules.
async fn answer(operation: Operation, path: &str, data: &str) -> Result<(Value, Vec<String>), Error> {
    answer_with(RegistrySettings::default(), operation, path, data).await
}

async fn answer_with(
    modules: RegistrySettings,
    operation: Operation,
    path: &str,
    data: &str,
) -> Result<(Value, Vec<String>), Error> {
    let ((controller, mount), metrics) = (controller(modules).await, MountMetrics::default());
    let view = HostView { controller: &controller, metrics: &metrics, mount: &mount, system_view: &Nothing };
    let response = handle(&view, &request(operation, path, data)).await?.unwrap();
    Ok((serde_json::from_str(response.data.as_deref().unwrap()).unwrap(), response.warnings))
}

#[test]
fn the_hosts_paths_are_these_and_all_below() {
    for path in ["module", "module/use", "module/anything", "module/", "metrics", "metrics/x"] {
        assert!(is_host_path(path), "{path}");
    }
    for path in ["", "modules", "module_x", "a/module", "config", "a/metrics", "metric"] {
        assert!(!is_host_path(path), "{path}");
    }
}

#[tokio::test]
async fn a_read_of_module_names_the_module_that_serves() {
    let (status, _) = answer(Operation::Read, "module", "null").await.unwrap();
    assert_eq!(status["state"], "serves");
    assert_eq!(status["engine"], "astra");
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["digest"], modules::Digest::of(component::ASTRA_WASM).to_string());
    assert_eq!((&status["origin"], &status["approval"]), (&json!("embedded"), &json!("embedded")));
    assert!(status["since"].as_str().unwrap().ends_with('Z'));
    // The table says of each field what it is, and of no other.
    let mut told: Vec<_> = status.as_object().unwrap().keys().map(String::as_str).collect();
    let mut described: Vec<_> = TABLE.paths[1].operations[0].response.iter().map(|field| field.name).collect();
    told.sort_unstable();
    described.sort_unstable();
    assert_eq!(told, described);
}

#[tokio::test]
async fn metrics_are_read_as_data_and_as_text() {
    let (data, _) = answer(Operation::Read, "metrics", "{}").await.unwrap();
    let names: Vec<&str> =
        data["families"].as_array().unwrap().iter().map(|family| family["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"secrets_engine_requests_total"), "{names:?}");
    let (raw, _) = answer(Operation::Read, "metrics", r#"{"format":"prometheus"}"#).await.unwrap();
    assert_eq!((&raw["http_status_code"], raw["http_raw_body"].is_string()), (&json!(200), true));
    let (refused, _) = answer(Operation::Read, "metrics", r#"{"format":"xml"}"#).await.unwrap();
    assert!(refused["error"].as_str().unwrap().contains("`format` is `xml`"), "{refused}");
}

#[test]
fn the_answer_to_a_change_says_what_is_left_to_do() {
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
async fn a_change_that_is_impossible_at_present_is_a_503() {
    for path in ["module/reload", "module/rollback"] {
        // The storage of this mount does not answer.
        let modules = RegistrySettings { directory: Some("/nowhere".into()), ..RegistrySettings::default() };
        match answer_with(modules, Operation::Update, path, "{}").await {
            Err(Error::Coded { code: 503, message }) => assert!(message.contains("cannot be read"), "{message}"),
            other => panic!("{path}: {other:?}"),
        }
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
    let long = json!({ "version": "9".repeat(HOST_PATH_DATA_BYTES_MAX) }).to_string();
    for (data, expected) in rows.into_iter().chain([(&*long, "this path takes 65536 at most")]) {
        let (answer, _) = answer(Operation::Update, "module/use", data).await.unwrap();
        assert!(answer["error"].as_str().unwrap().contains(expected), "{data}: {answer}");
    }
    let (_, warnings) = answer(Operation::Read, "module", r#"{"typo":1}"#).await.unwrap();
    assert_eq!(warnings, ["Endpoint ignored these unrecognized parameters: [typo]"]);
}

#[tokio::test]
async fn other_operations_and_other_paths_below_module_are_unsupported() {
    assert_eq!(answer(Operation::Update, "module", "{}").await.unwrap_err(), Error::UnsupportedOperation);
    assert_eq!(answer(Operation::Read, "module/use", "{}").await.unwrap_err(), Error::UnsupportedOperation);
    assert_eq!(answer(Operation::Delete, "module", "{}").await.unwrap_err(), Error::UnsupportedOperation);
    assert_eq!(answer(Operation::Read, "module/other", "{}").await.unwrap_err(), Error::UnsupportedPath);
    assert_eq!(answer(Operation::Help, "module/other", "{}").await.unwrap_err(), Error::UnsupportedPath);
}

#[tokio::test]
async fn each_path_of_the_host_has_help() {
    for path in ["metrics", "module", "module/reload", "module/rollback", "module/use"] {
        let (help, _) = answer(Operation::Help, path, "{}").await.unwrap();
        let text = help["help"].as_str().unwrap();
        assert!(text.contains(&format!("Matching Route: ^{path}$")), "{text}");
        assert!(help["openapi"]["paths"].get(format!("/{path}")).is_some());
    }
}

#[test]
fn each_path_has_help_of_its_own() {
    let help = TABLE.help(&to_framework(&request(Operation::Help, "module/use", "{}")).unwrap()).unwrap();
    let help: Value = serde_json::from_str(help.data.as_deref().unwrap()).unwrap();
    insta::assert_snapshot!(help["help"].as_str().unwrap());
}

/// The check of a request to `module/use`.
fn check(data: &str) -> Result<framework::Checked, String> {
    let request = to_framework(&request(Operation::Update, "module/use", data));
    request.and_then(|request| TABLE.check(&request)).map_err(|error| error.to_string())
}

#[test]
fn fields_come_as_text_numbers_and_lists() {
    let data = r#"{"version":" 3.1.0 ","force":"true","accept_capabilities":"clock, outbound-http","zeta":1,"a":2}"#;
    let checked = check(data).unwrap();
    assert_eq!(checked.warnings, ["Endpoint ignored these unrecognized parameters: [a zeta]"]);
    let selected = select_request(&checked.fields, checked.fields.bool("force").unwrap()).unwrap();
    assert_eq!(selected.version, VersionSelector::Exactly("3.1.0".parse().unwrap()));
    assert!(selected.digest.is_none() && selected.force);
    assert_eq!(selected.accepted.iter().collect::<Vec<_>>(), ["clock", "outbound-http"]);
    let checked = check(r#"{"force":1,"accept_capabilities":["clock"],"version":null}"#).unwrap();
    assert_eq!(checked.fields.bool("force"), Some(true));
    assert_eq!(checked.fields.strings("accept_capabilities"), Some(&["clock".to_owned()][..]));
    assert!(check("null").unwrap().warnings.is_empty());
}

#[test]
fn a_value_that_does_not_fit_is_refused_in_the_frameworks_words() {
    let rows = [
        (
            r#"{"version":[1]}"#,
            r#"field "version": '' expected type 'string', got unconvertible type '[]interface {}'"#,
        ),
        (
            r#"{"force":"maybe"}"#,
            r#"field "force": '' cannot parse value as 'bool': strconv.ParseBool: invalid syntax"#,
        ),
        (
            r#"{"accept_capabilities":[{}]}"#,
            r#"field "accept_capabilities": '[0]' expected type 'string', got unconvertible type 'map[string]interface {}'"#,
        ),
    ];
    for (data, expected) in rows {
        let error = check(data).err().unwrap();
        assert_eq!(error, format!("Field validation failed: error converting input for {expected}"));
    }
    assert_eq!(check("[]").err().as_deref(), Some("the data is no JSON object"));
}
