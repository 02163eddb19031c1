//! The paths below each mount that the host serves itself: which module serves, which one should, and the metrics.
//!
//! The guest never sees requests to these paths, or to anything else below `module/`. Policies govern them like any
//! other path.

mod help;
mod metrics;
mod status;
mod table;

use std::sync::Arc;

use component_runtime::{METRICS_PATH, Mount, RESERVED_PATH};
use envelope::{Error, Operation, Request, Response, SystemView};
use modules::Rejection;
use modules::controller::{CallError, Done, ModuleController, SelectRequest, UnreadableStorage, VersionSelector};
use secrets_framework as framework;
use secrets_framework::FieldData;
use serde_json::{Map, Value, json};

use self::table::TABLE;
use crate::limits::HOST_PATH_DATA_BYTES_MAX;
use crate::metrics::MountMetrics;

pub(crate) use help::merge;

/// Is this path the host's?
pub(crate) fn is_host_path(path: &str) -> bool {
    path.split('/').next().is_some_and(|first| first == RESERVED_PATH || first == METRICS_PATH)
}

/// What the host knows of a mount.
pub(crate) struct HostView<'a> {
    /// What decides which module serves the mount.
    pub(crate) controller: &'a Arc<ModuleController>,
    /// The counts of its requests.
    pub(crate) metrics: &'a MountMetrics,
    /// The mount in the runtime.
    pub(crate) mount: &'a Mount,
    /// The server's view of the mount.
    pub(crate) system_view: &'a dyn SystemView,
}

/// Serves a request to a path of the host.
pub(crate) async fn handle(view: &HostView<'_>, request: &Request) -> Result<Option<Response>, Error> {
    let checked = to_framework(request).and_then(|request| match request.operation {
        framework::Operation::Help => TABLE.help(&request).map(Err),
        _ => TABLE.check(&request).map(Ok),
    });
    let checked = match checked {
        Ok(Ok(checked)) => checked,
        Ok(Err(help)) => return Ok(Some(Response { data: help.data, ..Response::default() })),
        Err(framework::Error::BadRequest(text)) => return Ok(Some(refused(&text))),
        Err(framework::Error::UnsupportedPath) => return Err(Error::UnsupportedPath),
        Err(framework::Error::UnsupportedOperation) => return Err(Error::UnsupportedOperation),
        Err(other) => return Err(Error::Internal(other.to_string())),
    };
    let mut response = serve(view, request, &checked.fields).await.or_else(not_changed)?;
    response.warnings.extend(checked.warnings);
    Ok(Some(response))
}

/// The request as the framework's table takes it.
fn to_framework(request: &Request) -> Result<framework::Request, framework::Error> {
    let operation = match request.operation {
        Operation::Read => framework::Operation::Read,
        Operation::Update => framework::Operation::Update,
        Operation::Help => framework::Operation::Help,
        _ => return Err(framework::Error::UnsupportedOperation),
    };
    let bytes = request.data.len();
    if bytes > HOST_PATH_DATA_BYTES_MAX {
        let text = format!("the data has {bytes} bytes, and this path takes {HOST_PATH_DATA_BYTES_MAX} at most");
        return Err(framework::Error::BadRequest(text));
    }
    let data: Option<Map<String, Value>> = serde_json::from_str(&request.data)
        .map_err(|_| framework::Error::BadRequest("the data is no JSON object".to_owned()))?;
    Ok(framework::Request {
        id: request.id.clone().unwrap_or_default(),
        operation,
        path: request.path.clone(),
        data: data.unwrap_or_default(),
        mount_point: request.mount_point.clone(),
        identity: framework::Identity::default(),
        lease: None,
    })
}

async fn serve(view: &HostView<'_>, request: &Request, fields: &FieldData) -> Result<Response, CallError> {
    let controller = view.controller;
    let force = || fields.bool("force").unwrap_or_default();
    match request.path.as_str() {
        METRICS_PATH => return Ok(read_metrics(view, request, fields.text("format").unwrap_or_default()).await),
        "module/reload" => controller.reload().await?,
        "module/rollback" => {
            let unreadable = if force() { UnreadableStorage::Accept } else { UnreadableStorage::Refuse };
            return Ok(done(controller.revert(unreadable).await?));
        }
        "module/use" => match select_request(fields, force()) {
            Ok(select_request) => return Ok(done(controller.use_module(select_request).await?)),
            Err(text) => return Ok(refused(&text)),
        },
        _ => {}
    }
    Ok(data(&status::of(&controller.report())))
}

/// The metrics of the host and of the engine. An engine that has none, or fails, hides none of the host's.
async fn read_metrics(view: &HostView<'_>, request: &Request, format: &str) -> Response {
    let form = match format {
        "" | "json" => metrics::as_json,
        "prometheus" => metrics::as_text,
        other => return refused(&format!("`format` is `{}`: it must be `json` or `prometheus`", other.escape_debug())),
    };
    let of_engine = Request {
        id: request.id.clone(),
        mount_point: request.mount_point.clone(),
        ..Request::new(Operation::Read, METRICS_PATH, "{}")
    };
    let answer = view.controller.handle_request(of_engine).await;
    let of_engine = metrics::of_engine(answer.ok().flatten().as_ref());
    let report = view.controller.report();
    let mut families = metrics::of_host(&metrics::Snapshot {
        metrics: view.metrics,
        mount: view.mount,
        report: &report,
        automatic_reverts: view.controller.automatic_reverts(),
        node: view.system_view.replication_state().await,
        has_engines: of_engine.is_some(),
    });
    families.extend(metrics::counted(view.mount.counted()));
    families.extend(of_engine.unwrap_or_default());
    form(&metrics::without_repeats(families))
}

fn select_request(fields: &FieldData, force: bool) -> Result<SelectRequest, String> {
    let text = |name| fields.text(name).map(str::trim).filter(|text| !text.is_empty());
    let digest = text("digest").map(str::parse).transpose().map_err(|error| format!("`digest`: {error}"))?;
    let version = match text("version") {
        None if digest.is_none() => {
            return Err("`version` is missing: a version such as `3.1.0`, or `latest`, or else a `digest`".to_owned());
        }
        None | Some("latest") => VersionSelector::Latest,
        Some(text) => {
            VersionSelector::Exactly(text.parse().map_err(|error| format!("`version` is `{text}`: {error}"))?)
        }
    };
    let accepted = fields.strings("accept_capabilities").unwrap_or_default().iter().cloned().collect();
    Ok(SelectRequest { version, digest, force, accepted })
}

fn done(done: Done) -> Response {
    let (id, live, warnings) = match done {
        Done::Serves(id) => (Some(id), true, Vec::new()),
        Done::NeedsReload(id) => {
            let text = format!(
                "{id} has other special paths than the server was told when it loaded this mount: the module is \
                 activated with the mount's next `plugin reload`"
            );
            (Some(id), false, vec![text])
        }
        Done::Unpinned { serves, passed_over } => {
            let live = serves.is_some();
            (serves, live, passed_over)
        }
    };
    let (engine, version) = id.map(|id| (id.engine, id.version.to_string())).unzip();
    Response { warnings, ..data(&json!({ "engine": engine, "version": version, "live": live })) }
}

fn data(value: &Value) -> Response {
    Response { data: Some(value.to_string()), ..Response::default() }
}

/// The answer to a change that failed. Only a permanent reason is the caller's mistake: a client repeats a 503 and no 400.
fn not_changed(error: CallError) -> Result<Response, Error> {
    match error {
        CallError::ReadOnly(text) => Err(Error::Plain(text)),
        CallError::Rejected(Rejection::Permanent(text)) => Ok(refused(&text)),
        CallError::Rejected(Rejection::Transient(message)) => Err(Error::Coded { code: 503, message }),
        late @ CallError::Late => Err(Error::Coded { code: 504, message: late.to_string() }),
    }
}

/// The caller's mistake: the server answers 400.
fn refused(text: &str) -> Response {
    data(&json!({ "error": text }))
}

#[cfg(test)]
pub(crate) mod tests;
