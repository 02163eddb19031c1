//! The paths below each mount that the host serves itself: which module runs, and which one should.
//!
//! The guest never sees them, nor anything else below `module/`. Policies govern them like any other path.

mod fields;
mod help;
mod status;
mod table;

use std::sync::Arc;

use component_runtime::RESERVED_PATH;
use envelope::{Error, Operation, Request, Response};
use modules::controller::{CallError, Done, ModuleController, SelectRequest, VersionSelector};
use serde_json::{Value, json};

use fields::{FieldError, Fields};
use table::HostPath;

pub(crate) use help::merge;

/// Is this path the host's?
pub(crate) fn is_host_path(path: &str) -> bool {
    path.split('/').next() == Some(RESERVED_PATH)
}

/// Serves a request to one of them.
pub(crate) async fn handle(controller: &Arc<ModuleController>, request: &Request) -> Result<Option<Response>, Error> {
    let path = table::find(&request.path).ok_or(Error::UnsupportedPath)?;
    if request.operation == Operation::Help {
        return Ok(Some(help::of_path(path, &request.data)));
    }
    if !path.serves(request.operation) {
        return Err(Error::UnsupportedOperation);
    }
    let fields = match Fields::parse(path.fields, &request.data) {
        Ok(fields) => fields,
        Err(FieldError(text)) => return Ok(Some(refused(&format!("Field validation failed: {text}")))),
    };
    let answer = serve(controller, path, &fields).await;
    let mut response = match answer {
        Ok(response) => response,
        Err(CallError::ReadOnly(text)) => return Err(Error::Plain(text)),
        Err(CallError::Rejected(rejection)) => refused(rejection.text()),
        Err(late @ CallError::Late) => return Err(Error::Coded { code: 504, message: late.to_string() }),
    };
    response.warnings.extend(fields.warning());
    Ok(Some(response))
}

/// No thing that they write can be there or not: a write is an update.
pub(crate) fn check_existence(request: &Request) -> Result<Option<bool>, Error> {
    table::find(&request.path).map(|_| None).ok_or(Error::UnsupportedPath)
}

async fn serve(controller: &Arc<ModuleController>, path: &HostPath, fields: &Fields) -> Result<Response, CallError> {
    match path.name {
        "module/reload" => {
            controller.reload().await?;
            Ok(data(&status::of(&controller.report())))
        }
        "module/rollback" => Ok(done(controller.revert(fields.flag("force")).await?)),
        "module/use" => match select_request(fields) {
            Ok(select_request) => Ok(done(controller.use_module(select_request).await?)),
            Err(text) => Ok(refused(&text)),
        },
        _ => Ok(data(&status::of(&controller.report()))),
    }
}

fn select_request(fields: &Fields) -> Result<SelectRequest, String> {
    let digest = match fields.text("digest") {
        "" => None,
        text => Some(text.parse().map_err(|error| format!("`digest`: {error}"))?),
    };
    let version = match fields.text("version") {
        "" if digest.is_none() => {
            return Err("`version` is missing: a version such as `3.1.0`, or `latest`, or else a `digest`".to_owned());
        }
        "" | "latest" => VersionSelector::Latest,
        text => VersionSelector::Exactly(text.parse().map_err(|error| format!("`version` is `{text}`: {error}"))?),
    };
    let accepted = fields.list("accept_capabilities").iter().cloned().collect();
    Ok(SelectRequest { version, digest, force: fields.flag("force"), accepted })
}

fn done(done: Done) -> Response {
    match done {
        Done::Serves(id) => data(&json!({ "engine": id.engine, "version": id.version.to_string(), "live": true })),
        Done::NeedsReload(id) => {
            let text = format!(
                "{id} has other special paths than the server was told when it loaded this mount: it goes live with \
                 the mount's next `plugin reload`"
            );
            let data = data(&json!({ "engine": id.engine, "version": id.version.to_string(), "live": false }));
            Response { warnings: vec![text], ..data }
        }
        Done::Unpinned { serves, passed_over } => {
            let (engine, version) = serves.map(|id| (id.engine, id.version.to_string())).unzip();
            let data = data(&json!({ "engine": engine, "version": version, "live": version.is_some() }));
            Response { warnings: passed_over, ..data }
        }
    }
}

fn data(value: &Value) -> Response {
    Response { data: Some(value.to_string()), ..Response::default() }
}

/// The caller's mistake: the server makes a 400 of it.
fn refused(text: &str) -> Response {
    data(&json!({ "error": text }))
}

#[cfg(test)]
mod tests;
