//! Markdown from an OpenAPI document, the help texts and recorded exchanges.

use std::fmt::Write as _;

use harness::Stage;
use serde_json::Value;

use super::exchanges::Exchange;

/// The head of the page.
pub(super) const HEAD: &str = "\
# API

This page lists every path of a mount at `astra/`, with samples. Tests write and check the page (`make bless` rewrites it): the tables
are the path table of the engine, and the samples are real exchanges with an Astra simulator. The samples show fixed times, and secrets
are cut.

- A request carries the client's token in the header `X-Vault-Token`. The samples expect the address of the server in `VAULT_ADDR`.
- On `GET`, `LIST` and `DELETE`, the parameters that are not part of the path go into the query.
- A duration is a number of seconds or a text such as `1h30m`.
- An error has the form `{\"errors\": [\"…\"]}`. Each path lists the mistakes of a client; what can go wrong between the mount and
  Astra is in [operations.md](operations.md#errors).
- A sample answer leaves out the fields that every answer of the server has, such as `request_id`.
- A path of the Go plugin that names the organization in the body is an alias: see [Policies](operations.md#policies).

";

/// Items of a list in a sample.
const ITEMS_MAX: usize = 3;

/// One path.
pub(super) struct PathPage {
    /// The path as in the document, without a leading slash: `config/{org}`.
    pub(super) path: String,
    synopsis: String,
    description: String,
    pub(super) operations: Vec<Operation>,
    parameters: Vec<Parameter>,
    answers: Vec<Parameter>,
}

/// One method of a path.
pub(super) struct Operation {
    pub(super) method: &'static str,
    summary: String,
}

/// A parameter, or a field of an answer.
struct Parameter {
    name: String,
    kind: String,
    default: String,
    meaning: String,
    in_path: bool,
}

/// The paths of a document, in its order.
pub(super) fn of_document(stage: &Stage, document: &Value) -> Vec<PathPage> {
    let schemas = &document["components"]["schemas"];
    let paths = document["paths"].as_object().unwrap();
    paths.iter().map(|(path, item)| path_page(stage, path.trim_start_matches('/'), item, schemas)).collect()
}

fn path_page(stage: &Stage, path: &str, item: &Value, schemas: &Value) -> PathPage {
    let concrete = path.replace(['{', '}'], "");
    let help = stage.help(&concrete).expect(200).text("help").to_owned();
    let (_, description) = help.split_once("## DESCRIPTION\n\n").unwrap();
    let mut operations = Vec::new();
    let (mut parameters, mut answers) = (Vec::new(), Vec::new());
    collect_parameters(item, &mut parameters);
    for (verb, method) in [("post", "POST"), ("get", "GET"), ("delete", "DELETE")] {
        let Some(operation) = item.get(verb) else { continue };
        let summary = operation["summary"].as_str().unwrap_or_default().to_owned();
        let listing = operation["parameters"].as_array().is_some_and(|all| all.iter().any(|one| one["name"] == "list"));
        let lists_only = listing && operation["parameters"][0]["required"] == true;
        if !lists_only {
            operations.push(Operation { method, summary: summary.clone() });
        }
        if listing {
            let summary = if lists_only { summary } else { "List.".to_owned() };
            operations.push(Operation { method: "LIST", summary });
        }
        collect_parameters(operation, &mut parameters);
        collect_fields(schema_of(&operation["requestBody"], schemas), &mut parameters);
        collect_fields(schema_of(&operation["responses"]["200"], schemas), &mut answers);
    }
    parameters.sort_by_key(|parameter| !parameter.in_path);
    PathPage {
        path: path.to_owned(),
        synopsis: item["description"].as_str().unwrap_or_default().to_owned(),
        description: description.trim().to_owned(),
        operations,
        parameters,
        answers,
    }
}

fn schema_of<'a>(part: &Value, schemas: &'a Value) -> &'a Value {
    let schema = &part["content"]["application/json"]["schema"];
    let reference = schema["$ref"].as_str().or_else(|| schema["ref"].as_str()).unwrap_or_default();
    &schemas[reference.rsplit('/').next().unwrap_or_default()]
}

fn collect_parameters(item: &Value, found: &mut Vec<Parameter>) {
    let all = item["parameters"].as_array().into_iter().flatten();
    for parameter in all.filter(|parameter| parameter["name"] != "list") {
        let in_path = parameter["in"] == "path";
        let name = parameter["name"].as_str().unwrap();
        let meaning = parameter["description"].as_str().unwrap_or_default();
        found.push(parameter_of(name, &parameter["schema"], meaning, in_path, in_path));
    }
}

fn collect_fields(schema: &Value, found: &mut Vec<Parameter>) {
    let required = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        if !found.iter().any(|known| known.name == *name) {
            let meaning = field["description"].as_str().unwrap_or_default();
            found.push(parameter_of(name, field, meaning, required(name), false));
        }
    }
}

fn parameter_of(name: &str, schema: &Value, meaning: &str, required: bool, in_path: bool) -> Parameter {
    let default = match (&schema["default"], required) {
        (_, true) => "required".to_owned(),
        (Value::Null, false) => "–".to_owned(),
        (Value::String(text), false) => format!("`{text}`"),
        (value, false) => format!("`{value}`"),
    };
    Parameter { name: name.to_owned(), kind: kind_of(schema), default, meaning: meaning.to_owned(), in_path }
}

fn kind_of(schema: &Value) -> String {
    let text = |name: &str| schema[name].as_str().unwrap_or_default();
    match (text("type"), text("format")) {
        ("integer", "seconds") => "duration".to_owned(),
        ("object", "kvpairs") => "map of strings".to_owned(),
        ("object", _) => "map".to_owned(),
        ("array", _) => format!("list of {}s", schema["items"]["type"].as_str().unwrap_or("string")),
        ("string", "lowercase") => "string, lower case".to_owned(),
        (kind, _) => kind.to_owned(),
    }
}

/// All paths with their samples.
pub(super) fn render(pages: &[PathPage], exchanges: &[Exchange]) -> String {
    let mut text = String::new();
    for page in pages {
        render_path(page, exchanges, &mut text);
    }
    text
}

fn render_path(page: &PathPage, exchanges: &[Exchange], text: &mut String) {
    let path = shown(&page.path);
    let _ = writeln!(text, "## `{path}`\n");
    if page.synopsis != page.description {
        let _ = writeln!(text, "{}\n", page.synopsis);
    }
    let _ = writeln!(text, "{}\n", wrapped(&escaped(&page.description)));
    let _ = writeln!(text, "| method | path | purpose |\n| --- | --- | --- |");
    for operation in &page.operations {
        let _ = writeln!(text, "| `{}` | `/astra/{path}` | {} |", operation.method, operation.summary);
    }
    text.push('\n');
    if !page.parameters.is_empty() {
        let _ = writeln!(
            text,
            "### Parameters of `{path}`\n\n| name | type | default | meaning |\n| --- | --- | --- | --- |"
        );
        for Parameter { name, kind, default, meaning, .. } in &page.parameters {
            let _ = writeln!(text, "| `{name}` | {kind} | {default} | {} |", cell(meaning));
        }
        text.push('\n');
    }
    if !page.answers.is_empty() {
        let _ = writeln!(text, "### Answer of `{path}`\n\n| field | type | meaning |\n| --- | --- | --- |");
        for Parameter { name, kind, meaning, .. } in &page.answers {
            let _ = writeln!(text, "| `{name}` | {kind} | {} |", cell(meaning));
        }
        text.push('\n');
    }
    let of_path = || exchanges.iter().filter(|exchange| exchange.path == page.path);
    let _ = writeln!(text, "### Samples of `{path}`\n");
    of_path().filter(|exchange| exchange.is_success()).for_each(|exchange| render_sample(exchange, text));
    let mut errors = of_path().filter(|exchange| !exchange.is_success()).peekable();
    if errors.peek().is_some() {
        let _ = writeln!(text, "### Errors of `{path}`\n\n| status | request | text |\n| --- | --- | --- |");
        for error in errors {
            let told = error.errors.join(" ");
            let told = if told.is_empty() { "`errors` is empty".to_owned() } else { told };
            let _ = writeln!(text, "| {} | {} | {} |", error.status, cell(&error.title), cell(&told));
        }
        text.push('\n');
    }
}

fn render_sample(exchange: &Exchange, text: &mut String) {
    let _ = writeln!(text, "{}:\n\n```sh", exchange.title);
    let _ = writeln!(text, "curl --header \"X-Vault-Token: $VAULT_TOKEN\" --request {} \\", exchange.method());
    if let Some(payload) = exchange.payload() {
        let _ = writeln!(text, "    --data '{}' \\", payload.to_string().replace('\'', "'\\''"));
    }
    let _ = writeln!(text, "    \"$VAULT_ADDR/v1/astra/{}\"\n```\n", exchange.address);
    match &exchange.answer {
        Value::Null => {
            let _ = writeln!(text, "Status {}, no body.\n", exchange.status);
        }
        answer => {
            let answer = serde_json::to_string_pretty(&shortened(answer)).unwrap();
            let _ = writeln!(text, "```json\n{answer}\n```\n");
        }
    }
}

/// Cuts a long list; its last item says how many are missing.
fn shortened(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut shown: Vec<Value> = items.iter().take(ITEMS_MAX).map(shortened).collect();
            if items.len() > ITEMS_MAX {
                shown.push(format!("… and {} more", items.len() - ITEMS_MAX).into());
            }
            shown.into()
        }
        Value::Object(object) => {
            let is_map_of_names = object.len() > 2 * ITEMS_MAX && object.values().all(Value::is_object);
            let shown = if is_map_of_names { ITEMS_MAX } else { object.len() };
            let mut short: serde_json::Map<String, Value> =
                object.iter().take(shown).map(|(name, value)| (name.clone(), shortened(value))).collect();
            if shown < object.len() {
                short.insert("…".to_owned(), format!("{} more", object.len() - shown).into());
            }
            short.into()
        }
        other => other.clone(),
    }
}

/// `config/{org}` as the documents write it: `config/:org`.
fn shown(path: &str) -> String {
    path.replace('{', ":").replace('}', "")
}

fn cell(text: &str) -> String {
    escaped(text).replace('|', "\\|").replace('\n', " ")
}

/// Outside of code, a name in angle brackets would be read as HTML.
fn escaped(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let parts: Vec<String> =
        parts.map(|(at, part)| if at % 2 == 0 { part.replace('<', "&lt;") } else { part.to_owned() }).collect();
    parts.join("`")
}

/// Lines of at most this many characters.
const WIDTH_MAX: usize = 132;

fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().unwrap();
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + word.chars().count() < WIDTH_MAX {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n")
}
