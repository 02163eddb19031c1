//! The rows of a config's fields in the path table, with their help.

use secrets_framework::{Field, FieldType};

use crate::duration_form::DurationForm;
use crate::page::{AFTER, LIMIT};
use crate::schedule::fields::{ROTATION_PERIOD, ROTATION_SCHEDULE, ROTATION_WINDOW};

/// The organization in a body or query.
pub(crate) const ORG_ID: Field = Field::new(
    "org_id",
    FieldType::String,
    "ID of the organization in Astra, a UUID. Its logical name may stand here instead.",
)
.required();

/// The organization in a path.
pub(crate) const ORG: Field = Field::new(
    "org",
    FieldType::String,
    "ID of the organization in Astra, a UUID. Its logical name may not stand here: policies name paths, so a thing has one path only.",
)
.required();

const ASTRA_TOKEN: Field = Field::new(
    "astra_token",
    FieldType::String,
    "Token of the organization, `AstraCS:<client id>:<rest>`, that may list roles and make and delete tokens (Organization Administrator, Database Administrator, or a custom role that may). A rotation replaces it by one that nobody ever sees, and deletes it. Required when the config is created. It is never shown again.",
);

const URL: Field = Field::new(
    "url",
    FieldType::String,
    "URL of Astra's DevOps API; empty or left out = `https://api.astra.datastax.com`. Its origin must be among those that the plugin's registration allows (`--allow-egress`). A change must come with `astra_token`: a stored token is sent nowhere else.",
);

const LOGICAL_NAME: Field = Field::new(
    "logical_name",
    FieldType::String,
    "Another name of the organization, unique in the mount, that may stand for its ID in a body or query. Empty = none.",
);

const CALLER_MODE: Field = Field::new(
    "caller_mode",
    FieldType::String,
    "`standard`: a token made by `org/token` is kept, and read by whoever asks for it again. `sidecar`: each read or write of `org/token` makes a token, and its secret is not kept.",
)
.or("standard");

const ALLOWED_ROLE_IDS: Field = Field::new(
    "allowed_role_ids",
    FieldType::CommaStringSlice,
    "IDs of the Astra roles that roles of this organization may use; empty = any. Checked when a role is written, and again when a token is made.",
);

const DESCRIPTION: Field = Field::new(
    "description",
    FieldType::String,
    "Template of a token's description in Astra, at most 256 bytes, for roles that have none of their own; empty = `{{mount}} {{role}}`. In double braces: mount, org, role, logical_name, display_name, entity_id, request_id, metadata.<key>. The mark by which the engine finds its tokens is always appended.",
);

const REQUEST_TIMEOUT: Field = Field::new(
    "request_timeout",
    FieldType::SignedDurationSecond,
    "Longest wait for the head of an answer of Astra, at most 30 s; 0 or left out = 10 s. Between two pieces of its body the wait is the same, but at most 10 s. All requests to Astra for one request have 35 s.",
);

const MAX_RETRIES: Field = Field::new(
    "max_retries",
    FieldType::Int64,
    "How often a request to Astra is repeated at the most, 0 to 10; left out = 2.",
);

const ROTATION_GRACE_PERIOD: Field = Field::new(
    "rotation_grace_period",
    FieldType::SignedDurationSecond,
    "How long the old admin token lives on after a rotation, or after another `astra_token` took its place: requests that began with it come to their end. At most the shortest pause of the rotation's schedule; 0 = none; left out = 10 minutes.",
);

const TIDY_PERIOD: Field = Field::new(
    "tidy_period",
    FieldType::SignedDurationSecond,
    "Tidy the organization this often, and not as a dry run: at least 1 minute; 0 or left out = never.",
);

const RECORD_READS: Field = Field::new(
    "record_reads",
    FieldType::Bool,
    "Record each read of a secret in the history of its token. A node that cannot write then forwards such a read.",
)
.or("true");

/// A limit that configs and roles have.
pub(crate) const MAX_TOKENS: Field = Field::new(
    "max_tokens",
    FieldType::Int64,
    "How many leased tokens may be alive at once, at most 4,000; 0 or left out = any number. Beyond, a request for a token is refused. A mint under such a limit reads the records of the organization's tokens.",
);

const VERIFY: Field = Field::new(
    "verify",
    FieldType::Bool,
    "Ask Astra which organization a new token belongs to before it is stored. A definite no is an error; no answer within 5 s is a warning.",
)
.or("true");

const FORCE: Field = Field::new(
    "force",
    FieldType::Bool,
    "Delete the config, or change the origin of its URL, although tokens of the organization are alive. The old token and URL are then kept, hidden, to revoke those tokens, until the last has gone.",
)
.or("false");

/// Fields of `config`: the Go plugin's, how to write, and how to list.
pub(crate) const CONFIG_FIELDS: &[Field] =
    &[ORG_ID, ASTRA_TOKEN, URL, LOGICAL_NAME, CALLER_MODE, VERIFY, FORCE, AFTER.of_lists(), LIMIT.of_lists()];

/// Fields of `config/:org`.
pub(crate) const CONFIG_ORG_FIELDS: &[Field] = &[
    ORG,
    ASTRA_TOKEN,
    URL,
    LOGICAL_NAME,
    CALLER_MODE,
    ALLOWED_ROLE_IDS,
    DESCRIPTION,
    REQUEST_TIMEOUT,
    MAX_RETRIES,
    ROTATION_PERIOD,
    ROTATION_SCHEDULE,
    ROTATION_WINDOW,
    ROTATION_GRACE_PERIOD,
    TIDY_PERIOD,
    RECORD_READS,
    MAX_TOKENS,
    VERIFY,
    FORCE,
];

/// What a read of `config` answers.
pub(crate) const CONFIG_ANSWER: &[Field] = &answer(
    DurationForm::GoText,
    Field::new("astra_token", FieldType::String, "`AstraCS:<client id>:redacted`; the token itself is never shown."),
);

/// What a read of `config/:org` answers.
pub(crate) const CONFIG_ORG_ANSWER: &[Field] = &answer(
    DurationForm::Seconds,
    Field::new(
        "astra_token_client_id",
        FieldType::String,
        "Client ID of the admin token; left out where the token has not the form of an Astra token.",
    ),
);

const fn answer(durations: DurationForm, admin_token: Field) -> [Field; 19] {
    let duration = durations.kind();
    [
        Field::new("org_id", FieldType::String, "ID of the organization."),
        admin_token,
        Field::new("url", FieldType::String, "URL of Astra's DevOps API."),
        Field::new("logical_name", FieldType::String, "The organization's other name; empty = none."),
        Field::new("caller_mode", FieldType::String, "`standard` or `sidecar`."),
        Field::new("allowed_role_ids", FieldType::CommaStringSlice, "Astra roles that roles may use; empty = any."),
        Field::new(
            "description",
            FieldType::String,
            "Template of a token's description in Astra; empty = the default.",
        ),
        Field::new(
            "request_timeout",
            duration,
            "Longest wait for the head of an answer of Astra, and, up to 10 s, between two pieces of its body.",
        ),
        Field::new("max_retries", FieldType::Int64, "How often a request to Astra is repeated at the most."),
        Field::new("rotation_period", duration, "The admin token is rotated this often; 0 = not by a period."),
        Field::new(
            "rotation_schedule",
            FieldType::String,
            "The admin token is rotated at these times; empty = at none.",
        ),
        Field::new("rotation_window", duration, "How long after such a time it may begin; 0 = at any time."),
        Field::new("rotation_grace_period", duration, "How long an old admin token lives on."),
        Field::new("last_rotated", FieldType::String, "When the admin token was rotated last; empty = it was not."),
        Field::new("next_rotation", FieldType::String, "When it is rotated next; empty = never by itself."),
        Field::new("tidy_period", duration, "How often the organization is tidied; 0 = never by itself."),
        Field::new("next_tidy", FieldType::String, "When it is tidied next; empty = never by itself."),
        Field::new("record_reads", FieldType::Bool, "Is each read of a secret recorded?"),
        Field::new("max_tokens", FieldType::Int64, "How many leased tokens may be alive at once; 0 = any number."),
    ]
}
