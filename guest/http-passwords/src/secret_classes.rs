//! The token that the service wants: the host keeps it, and the engine gets a surrogate for it.

use secrets_framework::{Alphabet, ApiCall, Destination, RequestField, SecretClass, SecretShape, StoredField};

use crate::config::PREFIX;

/// The value goes only to the `url` with which it came, as the bearer of the calls below. Where in the service these calls
/// lead is in the config, so there is one for each number of segments.
pub(crate) const ADMIN_TOKEN: SecretClass = SecretClass {
    name: "admin-token",
    shape: SecretShape {
        public: "",
        alphabet: Alphabet::LettersAndDigits,
        plain_endings: &[],
        secret_characters_min: 16,
    },
    request_fields: &[RequestField {
        paths: &["config"],
        at: &["token"],
        destination: Destination::Requested { field: Some("url"), stored: None, otherwise: None },
        owner: &[],
    }],
    stored_fields: &[StoredField {
        prefix: PREFIX,
        at: &["token"],
        destination: Destination::Sibling { key: "url", otherwise: None },
        owner: None,
    }],
    unreadable_fields: &[],
    answered_fields: &[],
    bearer_of: &[
        call("POST", "/+"),
        call("POST", "/+/+"),
        call("POST", "/+/+/+"),
        call("POST", "/+/+/+/+"),
        call("POST", "/+/+/+/+/+"),
        call("POST", "/+/+/+/+/+/+"),
        call("POST", "/+/+/+/+/+/+/+"),
        call("POST", "/+/+/+/+/+/+/+/+"),
        call("DELETE", "/+"),
        call("DELETE", "/+/+"),
        call("DELETE", "/+/+/+"),
        call("DELETE", "/+/+/+/+"),
        call("DELETE", "/+/+/+/+/+"),
        call("DELETE", "/+/+/+/+/+/+"),
        call("DELETE", "/+/+/+/+/+/+/+"),
        call("DELETE", "/+/+/+/+/+/+/+/+"),
    ],
    shown_fields: &[],
    becomes: &[],
};

const fn call(method: &'static str, path: &'static str) -> ApiCall {
    ApiCall { method, path }
}
