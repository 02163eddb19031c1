//! `visitors/:name`: what the upstream knows about a visitor.

use std::time::Duration;

use secrets_framework::host::{HttpError, HttpMethod, HttpRequest};
use secrets_framework::{
    Context, Error, Field, FieldData, FieldType, Operation, OperationSpec, Outcome, Path, Response, Segment, Sensitive,
    escape,
};
use serde::Deserialize;
use serde_json::json;

use crate::config::{self, Config};
use crate::greeting::NAME;

const VISITS: Field = Field::new("visits", FieldType::Int64, "How often the visitor was there.");

pub(crate) const VISITOR: Path = Path {
    pattern: &[Segment::Literal("visitors"), Segment::Capture("name")],
    list: false,
    fields: &[NAME],
    operations: &[OperationSpec::new(Operation::Read, read, "Ask the upstream about a visitor.").answering(&[VISITS])],
    existence_check: None,
    synopsis: "Ask the upstream about a visitor.",
    description: "The upstream answers `GET /visitors/:name` below the configured URL.",
};

/// What the engine reads of the upstream's answer.
#[derive(Deserialize)]
struct Visitor {
    visits: u64,
}

fn read(context: &Context<'_>, data: &FieldData) -> Outcome {
    let name = data.text("name").unwrap_or_default();
    let Some(config) = config::load(context)? else {
        return Err(Error::mistake("there is no config: write `config` first"));
    };
    let (origin, path) = config.origin_and_path();
    let request = HttpRequest {
        method: HttpMethod::Get,
        origin: origin.to_owned(),
        // A name of any characters stays one segment.
        path_and_query: format!("{path}/visitors/{}", escape::path_segment(name)),
        bearer: Sensitive::new(config.token.clone()),
        body: None,
        timeout: TIMEOUT,
        total_timeout: TIMEOUT,
    };
    let answer = context.host.http().send(request).map_err(|error| unanswered(&config, &error))?;
    match answer.status {
        200 => {
            let visitor: Result<Visitor, _> = serde_json::from_slice(answer.body.expose());
            let Visitor { visits } = visitor.map_err(|_| failed(&config, "answered something else than a visitor"))?;
            Response::json(&json!({ "visits": visits })).map(Some)
        }
        404 => Ok(None),
        status => Err(failed(&config, &format!("answered with status {status}"))),
    }
}

fn unanswered(config: &Config, error: &HttpError) -> Error {
    match error {
        // The sentence names the setting that would allow the request.
        HttpError::Denied(sentence) => Error::mistake(sentence.clone()),
        error => failed(config, &format!("could not be asked ({error})")),
    }
}

fn failed(config: &Config, what: &str) -> Error {
    Error::coded(502, format!("the upstream at `{}` {what}: try again later, or check `config`", config.url))
}

const TIMEOUT: Duration = Duration::from_secs(10);
