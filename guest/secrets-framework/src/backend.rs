//! The way of a request through the tables of an engine, step by step as the server's framework goes
//! (`sdk/framework/backend.go`).

use serde_json::Value;

use crate::host::{Host, LogLevel};
use crate::pattern::Captures;
use crate::{
    Backend, Context, Error, Field, FieldData, Operation, OperationSpec, Outcome, Path, Request, Response, help,
    rollback,
};

/// A request to a path, checked against the table.
pub struct Checked {
    /// The operation of the path.
    pub operation: &'static OperationSpec,
    /// The fields of the request.
    pub fields: FieldData,
    /// The names of parameters that have no effect, in the server's words.
    pub warnings: Vec<String>,
    path: &'static Path,
}

impl Backend {
    /// Serves one request.
    pub fn handle(&self, host: &dyn Host, request: &Request) -> Result<Option<Response>, Error> {
        let context = Context { host, request };
        match request.operation {
            Operation::Renew | Operation::Revoke => self.handle_lease(&context),
            Operation::Rollback => rollback::handle(self, &context).map(|()| None),
            Operation::Help => self.help(request).map(Some),
            _ => self.handle_path(&context),
        }
    }

    /// The help of a path, or of the whole backend, with the OpenAPI document.
    pub fn help(&self, request: &Request) -> Result<Response, Error> {
        if request.path.is_empty() {
            return help::of_backend(self, request);
        }
        let (path, _) = self.route(&request.path).ok_or(Error::UnsupportedPath)?;
        help::of_path(self, path, request)
    }

    /// Checks a request against the table, as far as that is possible without the handler.
    pub fn check(&self, request: &Request) -> Result<Checked, Error> {
        let (path, captures) = self.route(&request.path).ok_or(Error::UnsupportedPath)?;
        let operation = path.operations.iter().find(|spec| spec.operation == request.operation);
        let operation = operation.ok_or(Error::UnsupportedOperation)?;
        let fields = FieldData::new(path.fields, &request.data, &captures)
            .map_err(|detail| Error::BadRequest(format!("Field validation failed: {detail}")))?;
        let warnings = data_warnings(path, request, &captures);
        Ok(Checked { operation, fields, warnings, path })
    }

    /// The paths for which `check_existence` may have an answer, as patterns: `{name}` is one segment.
    #[must_use]
    pub fn checked_paths(&self) -> Vec<String> {
        let checked = self.paths.iter().filter(|path| path.existence_check.is_some());
        checked.flat_map(|path| [Some(path.template()), path.list.then(|| path.template() + "/")]).flatten().collect()
    }

    /// Does the thing that a write names exist? None = its path has no check, or the check cannot be answered.
    ///
    /// The server hides the text of an error here and answers 500, so there is none: the request tells its own. And
    /// "not there" would be wrong, for it makes an update a create, which another permission is for.
    pub fn check_existence(&self, host: &dyn Host, request: &Request) -> Option<bool> {
        let (path, captures) = self.route(&request.path)?;
        let check = path.existence_check?;
        let fields = FieldData::new(path.fields, &request.data, &captures).ok()?;
        match check(&Context { host, request }, &fields) {
            Ok(exists) => Some(exists),
            Err(error) => {
                let fields = [("path", request.path.as_str()), ("error", &error.to_string())];
                let message = "an existence check failed, so the write counts as an update";
                host.log().log(LogLevel::Warn, message, &fields);
                None
            }
        }
    }

    fn handle_path(&self, context: &Context<'_>) -> Result<Option<Response>, Error> {
        let Checked { operation, fields, warnings, path } = match self.check(context.request) {
            Ok(checked) => checked,
            Err(error) => return answered(Err(error)),
        };
        refuse_stray_update(path, context, &fields)?;
        let response = answered((operation.handler)(context, &fields))?;
        // A read or a list without a response says that nothing is there; a write or a delete, that all is done.
        let is_done = matches!(context.request.operation, Operation::Create | Operation::Update | Operation::Delete);
        Ok(match response {
            None if warnings.is_empty() || !is_done => None,
            response => Some(warnings.into_iter().fold(response.unwrap_or_default(), Response::warn)),
        })
    }

    fn handle_lease(&self, context: &Context<'_>) -> Result<Option<Response>, Error> {
        let lease = context.request.lease.as_ref();
        let lease = lease.ok_or_else(|| Error::Plain("request has no secret".to_owned()))?;
        let kind = lease.internal_data.get("secret_type").and_then(Value::as_str);
        let secret = kind.and_then(|kind| self.secrets.iter().find(|secret| secret.kind == kind));
        let secret = secret.ok_or_else(|| Error::Plain("secret is unsupported by this backend".to_owned()))?;
        if context.request.operation == Operation::Revoke {
            return answered((secret.revoke)(context, lease));
        }
        answered(secret.renew.ok_or(Error::UnsupportedOperation)?(context, lease))
    }

    /// The first path that matches, and what it captured.
    fn route<'a>(&self, request_path: &'a str) -> Option<(&'static Path, Captures<'a>)> {
        self.paths.iter().find_map(|path| Some((path, path.captures(request_path)?)))
    }
}

/// A mistake of the caller goes to the server as an answer, as the server's own framework sends it.
fn answered(outcome: Outcome) -> Outcome {
    match outcome {
        Err(Error::BadRequest(message)) => Ok(Some(Response::error(message))),
        outcome => outcome,
    }
}

/// A write whose existence check could not be answered comes as an update. If nothing is there, the caller may
/// have the permission to update only, so nothing is made.
fn refuse_stray_update(path: &Path, context: &Context<'_>, fields: &FieldData) -> Result<(), Error> {
    let check = path.existence_check.filter(|_| context.request.operation == Operation::Update);
    match check.map(|check| check(context, fields)) {
        Some(Ok(false)) => Err(Error::coded(
            503,
            format!(
                "`{}` does not exist, and the server could not know that when it took this write for an update: \
                 nothing was written, send the request again",
                context.request.path
            ),
        )),
        // What fails here fails in the handler, too, which has its own words for it.
        _ => Ok(()),
    }
}

/// What the client sent in vain, in the server's words.
fn data_warnings(path: &Path, request: &Request, captures: &Captures<'_>) -> Vec<String> {
    let Request { data, operation, .. } = request;
    let mut warnings = Vec::new();
    let is_read = |field: &Field| !field.of_lists || *operation == Operation::List;
    let is_field = |name: &str| path.fields.iter().any(|field| field.takes(name) && is_read(field));
    let ignored: Vec<&str> = data.keys().map(String::as_str).filter(|name| !is_field(name)).collect();
    if !ignored.is_empty() {
        let names = go_list(ignored);
        warnings.push(format!("Endpoint ignored these unrecognized parameters: {names}"));
    }
    let is_sent = |name: &str| data.get(name).is_some_and(|value| !value.is_null());
    let replaced: Vec<&str> = captures.iter().map(|(name, _)| *name).filter(|name| is_sent(name)).collect();
    if !replaced.is_empty() {
        let names = go_list(replaced);
        warnings.push(format!(
            "Endpoint replaced the value of these parameters with the values captured from the endpoint's path: {names}"
        ));
    }
    warnings
}

/// Sorted, as Go prints a list: `[a b]`.
fn go_list(mut names: Vec<&str>) -> String {
    names.sort_unstable();
    format!("[{}]", names.join(" "))
}
