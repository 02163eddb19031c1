//! `metrics`: what lies in the mount's storage, as numbers that can be alerted on. The host serves this path: it asks the engine
//! for these families, adds what it counts itself, and writes the text form.

use secrets_framework::{
    Context, Error, Field, FieldData, FieldType, Operation, OperationSpec, Outcome, Path, Response, Segment,
};
use serde::Serialize;

use crate::metrics::{self, Family};

/// `metrics`.
pub(crate) const METRICS: Path = Path {
    pattern: &[Segment::Literal("metrics")],
    list: false,
    fields: &[],
    operations: &[OperationSpec::new(Operation::Read, read, "Read the metrics of the engine.").answering(ANSWER_FIELDS)],
    existence_check: None,
    synopsis: "Show what lies in the mount's storage, as metrics.",
    description: "The engine's part of the metrics. The plugin adds its own counters, and writes the form that Prometheus \
        reads.",
};

const ANSWER_FIELDS: &[Field] = &[Field::new(
    "families",
    FieldType::Slice,
    "The metrics: for each `name`, `type`, `help` and `samples`, which have `labels` and `value`.",
)];

#[derive(Serialize)]
struct Answer {
    families: Vec<Family>,
}

fn read(context: &Context<'_>, _: &FieldData) -> Outcome {
    let families: Result<_, Error> = metrics::families(context);
    Response::json(&Answer { families: families? }).map(Some)
}

#[cfg(test)]
mod tests;
