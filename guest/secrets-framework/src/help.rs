//! Help: the text of a path or of the whole backend, beside the OpenAPI
//! document. The shapes are those of the server's framework, so that
//! `path-help` looks the same for all engines.

use serde_json::{Value, json};

use crate::{Backend, Error, Field, FieldType, Path, Request, Response, openapi};

/// Help of the whole backend, and the document that the server merges into its own.
pub(crate) fn of_backend(backend: &Backend, request: &Request) -> Result<Response, Error> {
    let mut routes: Vec<(String, &Path)> = backend.paths.iter().map(|path| (path.route(), path)).collect();
    routes.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut text = format!("## DESCRIPTION\n\n{}\n\n## PATHS\n\n{PATHS_INTRODUCTION}\n\n", backend.help.trim());
    for (route, path) in routes {
        let synopsis = indent(8, path.synopsis.trim());
        text.push_str(&format!("    {route}\n{synopsis}\n\n"));
    }
    answer(&text, backend, backend.paths.iter(), request)
}

/// Help of one path.
pub(crate) fn of_path(backend: &Backend, path: &Path, request: &Request) -> Result<Response, Error> {
    let synopsis = or(path.synopsis, "<no synopsis>");
    let mut text = format!("Request:        {}\nMatching Route: {}\n\n{synopsis}\n\n", request.path, path.route());
    let mut fields: Vec<&Field> = path.fields.iter().collect();
    fields.sort_by_key(|field| field.name);
    if !fields.is_empty() {
        text.push_str("## PARAMETERS\n");
    }
    for field in fields {
        let description = indent(8, or(field.description, "<no description>"));
        text.push_str(&format!("\n    {} ({})\n\n{description}\n", field.name, field.kind.name()));
    }
    text.push_str(&format!("\n## DESCRIPTION\n\n{}\n", or(path.description, "<no description>")));
    answer(&text, backend, std::iter::once(path), request)
}

fn answer<'a>(
    text: &str,
    backend: &Backend,
    paths: impl Iterator<Item = &'a Path>,
    request: &Request,
) -> Result<Response, Error> {
    // The server says here under which name the plugin is registered.
    let prefix = request.data.get("requestResponsePrefix").and_then(Value::as_str).unwrap_or(backend.name);
    let document = openapi::document(backend, paths, prefix);
    Response::json(&json!({ "help": text.trim(), "see_also": null, "openapi": document }))
}

fn or(text: &'static str, instead: &'static str) -> &'static str {
    match text.trim() {
        "" => instead,
        text => text,
    }
}

fn indent(width: usize, text: &str) -> String {
    let margin = " ".repeat(width);
    let lines: Vec<String> = text.lines().map(|line| format!("{margin}{line}")).collect();
    lines.join("\n")
}

impl FieldType {
    /// The server's name of the type.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::LowerCaseString => "lowercase string",
            Self::Int64 => "int64",
            Self::Bool => "bool",
            Self::DurationSecond | Self::SignedDurationSecond => "duration (sec)",
            Self::CommaStringSlice | Self::Slice => "slice",
            Self::KvPairs => "keypair",
            Self::Map => "map",
        }
    }
}

const PATHS_INTRODUCTION: &str = "\
These are the paths of this secrets engine, as patterns. To read the help of
one of them, ask for help on any path that matches its pattern. Which of them
your token may use is decided by its policies.";
