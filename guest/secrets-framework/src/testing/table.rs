//! Finds in a test what is wrong in an engine's table, so that no table needs
//! checking at run time.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{Backend, Field, Operation, Path, Segment, openapi};

/// Everything wrong in the table, one sentence each; empty = all is well.
///
/// Every field and path is described and every operation summarised; captures
/// are fields; list operations have list paths; no two patterns match the same
/// path; defaults fit their types; names in the OpenAPI document are unique.
pub fn check_table(backend: &Backend) -> Vec<String> {
    let mut problems = Vec::new();
    for path in backend.paths {
        let problems_of_path = check_path(path);
        problems.extend(problems_of_path.into_iter().map(|problem| format!("{}: {problem}", path.route())));
    }
    for (index, path) in backend.paths.iter().enumerate() {
        for other in backend.paths[..index].iter().filter(|other| overlap(path, other)) {
            problems.push(format!("{}: matches what {} matches", path.route(), other.route()));
        }
    }
    let kinds = backend.secrets.iter().map(|secret| secret.kind);
    problems.extend(duplicates(kinds).into_iter().map(|kind| format!("secret kind `{kind}` is there twice")));
    let document = openapi::document(backend, backend.paths.iter(), backend.name);
    let ids = duplicates(operation_ids(&document));
    problems.extend(ids.into_iter().map(|id| format!("operation ID `{id}` is there twice: name one by `named`")));
    problems
}

fn check_path(path: &Path) -> Vec<String> {
    let mut problems = Vec::new();
    if path.pattern.is_empty() {
        problems.push("has no pattern".to_owned());
    }
    for segment in path.pattern {
        match segment {
            Segment::Literal(text) if !is_plain(text) => problems.push(format!("literal `{text}` is not plain text")),
            Segment::Capture(name) if !path.fields.iter().any(|field| field.name == *name) => {
                problems.push(format!("capture `{name}` is no field"));
            }
            _ => {}
        }
    }
    let captures = path.pattern.iter().filter_map(|segment| match segment {
        Segment::Capture(name) => Some(*name),
        Segment::Literal(_) => None,
    });
    problems.extend(duplicates(captures).into_iter().map(|name| format!("capture `{name}` is there twice")));
    if path.synopsis.trim().is_empty() || path.description.trim().is_empty() {
        problems.push("has no synopsis or no description".to_owned());
    }
    problems.extend(check_fields("field", path.fields));
    problems.extend(check_operations(path));
    problems
}

fn check_operations(path: &Path) -> Vec<String> {
    let mut problems = Vec::new();
    let has = |operation| path.operations.iter().any(|spec| spec.operation == operation);
    if path.operations.is_empty() {
        problems.push("has no operation".to_owned());
    }
    let names = path.operations.iter().map(|spec| spec.operation.name());
    problems.extend(duplicates(names).into_iter().map(|name| format!("operation {name} is there twice")));
    for spec in path.operations {
        if spec.summary.trim().is_empty() {
            problems.push(format!("operation {} has no summary", spec.operation));
        }
        if matches!(spec.operation, Operation::Help | Operation::Renew | Operation::Revoke | Operation::Rollback) {
            problems.push(format!("operation {} is not routed by path", spec.operation));
        }
        problems.extend(check_fields("response field", spec.response));
    }
    if has(Operation::List) != path.list {
        problems.push("has a list operation but is no list path, or the other way round".to_owned());
    }
    if path.existence_check.is_some() && !(has(Operation::Create) && has(Operation::Update)) {
        problems.push("has an existence check, but not both create and update".to_owned());
    }
    if path.existence_check.is_none() && has(Operation::Create) {
        problems.push("has a create operation that no request reaches without an existence check".to_owned());
    }
    problems
}

fn check_fields(what: &str, fields: &[Field]) -> Vec<String> {
    let mut problems = Vec::new();
    for field in fields {
        if field.description.trim().is_empty() {
            problems.push(format!("{what} `{}` has no description", field.name));
        }
        if field.default.is_some() && field.default_value().is_none() {
            problems.push(format!("the default of {what} `{}` does not fit its type", field.name));
        }
    }
    let names = fields.iter().map(|field| field.name);
    problems.extend(duplicates(names).into_iter().map(|name| format!("{what} `{name}` is there twice")));
    problems
}

/// Literals stand in regular expressions and URLs as they are.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Is there a path that both patterns match?
fn overlap(one: &Path, other: &Path) -> bool {
    let same = |pair: (&Segment, &Segment)| match pair {
        (Segment::Literal(one), Segment::Literal(other)) => one == other,
        _ => true,
    };
    one.pattern.len() == other.pattern.len() && one.pattern.iter().zip(other.pattern).all(same)
}

fn operation_ids(document: &Value) -> Vec<&str> {
    let items = document["paths"].as_object().into_iter().flatten();
    let operations = items.flat_map(|(_, item)| item.as_object().into_iter().flatten());
    operations.filter_map(|(_, operation)| operation["operationId"].as_str()).collect()
}

fn duplicates<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    names.into_iter().filter(|name| !seen.insert(*name)).collect()
}
