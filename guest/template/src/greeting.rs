//! `greetings` and `greetings/:name`: a text for each visitor.

use secrets_framework::host::StorageEntry;
use secrets_framework::{
    Context, Error, Field, FieldData, FieldType, Operation, OperationSpec, Path, Response, Segment,
};
use serde_json::json;

pub(crate) const NAME: Field = Field::new("name", FieldType::String, "Name of the visitor.").required();
const TEXT: Field = Field::new("text", FieldType::String, "What the visitor is told.").required();

pub(crate) const GREETINGS: Path = Path {
    pattern: &[Segment::Literal("greetings")],
    list: true,
    fields: &[],
    operations: &[OperationSpec::new(Operation::List, list, "List the visitors that have a greeting.")],
    existence_check: None,
    synopsis: "List the visitors that have a greeting.",
    description: "The keys are names of visitors.",
};

pub(crate) const GREETING: Path = Path {
    pattern: &[Segment::Literal("greetings"), Segment::Capture("name")],
    list: false,
    fields: &[NAME, TEXT],
    operations: &[
        OperationSpec::new(Operation::Create, write, "Store a greeting."),
        OperationSpec::new(Operation::Update, write, "Change a greeting."),
        OperationSpec::new(Operation::Read, read, "Read a greeting.").answering(&[TEXT]),
        OperationSpec::new(Operation::Delete, delete, "Delete a greeting."),
    ],
    existence_check: Some(exists),
    synopsis: "Manage the greeting of a visitor.",
    description: "A visitor with a greeting may have passes.",
};

/// `None` means no response: status 204 for a write, 404 for a read or a list.
type Answer = Result<Option<Response>, Error>;

/// The stored greeting of a visitor.
pub(crate) fn find(context: &Context<'_>, name: &str) -> Result<Option<String>, Error> {
    let entry = context.host.storage().get(&key(name))?;
    Ok(entry.map(|entry| String::from_utf8_lossy(&entry.value).into_owned()))
}

fn write(context: &Context<'_>, data: &FieldData) -> Answer {
    // A mistake of the client becomes a response with status 400 and this text.
    let Some(text) = data.text("text").filter(|text| !text.is_empty()) else {
        return Ok(Some(Response::error("missing `text`: say what the visitor is told")));
    };
    let value = text.as_bytes().to_vec();
    context.host.storage().put(StorageEntry { key: key(name(data)), value, seal_wrap: false })?;
    Ok(None)
}

fn read(context: &Context<'_>, data: &FieldData) -> Answer {
    find(context, name(data))?.map(|text| Response::json(&json!({ "text": text }))).transpose()
}

fn delete(context: &Context<'_>, data: &FieldData) -> Answer {
    context.host.storage().delete(&key(name(data)))?;
    Ok(None)
}

fn list(context: &Context<'_>, _: &FieldData) -> Answer {
    let keys = context.host.storage().list(PREFIX)?;
    if keys.is_empty() { Ok(None) } else { Response::json(&json!({ "keys": keys })).map(Some) }
}

/// Tells a create from an update. The server calls this before it checks policies, so it must change nothing.
fn exists(context: &Context<'_>, data: &FieldData) -> Result<bool, Error> {
    Ok(find(context, name(data))?.is_some())
}

fn name(data: &FieldData) -> &str {
    data.text("name").unwrap_or_default()
}

fn key(name: &str) -> String {
    format!("{PREFIX}{name}")
}

const PREFIX: &str = "greeting/";
