//! Which values are secret, where they come from, and where they may go: the host gives the engine surrogates for them.
//!
//! `token` is `AstraCS:<client ID>:<SHA-256 of the secret>`, so token and secret are classes of their own. Of the classes
//! of tokens, an admin token never becomes another one, and is shown to nobody; a made token may become a kept token or an
//! admin token; a given token, which a static role takes over, may become a kept token; a kept token is shown, and sent
//! only to find out whether it is dead.

use secrets_framework::{
    Alphabet, AnsweredField, ApiCall, Destination, RequestField, SecretClass, SecretShape, ShownField, StoredField,
    StoredOwner, StoredUrl, UnreadableField,
};

use crate::storage::key::{CONFIG_PREFIX, RETIRED_PREFIX, TOKEN_PREFIX};

/// All classes.
pub(crate) const SECRET_CLASSES: &[SecretClass] =
    &[ADMIN_TOKEN, MADE_TOKEN, MADE_SECRET, GIVEN_TOKEN, KEPT_TOKEN, KEPT_SECRET];

const ASTRA: &str = "https://api.astra.datastax.com";

/// `AstraCS:<client ID>:` is public, 64 hexadecimal digits follow.
const TOKEN_SHAPE: SecretShape = SecretShape {
    public: "AstraCS:{}:",
    alphabet: Alphabet::LowerHex,
    plain_endings: &[":redacted"],
    secret_characters_min: 16,
};

const SECRET_SHAPE: SecretShape =
    SecretShape { public: "", alphabet: Alphabet::LettersAndDigits, plain_endings: &[], secret_characters_min: 16 };

const MINT: ApiCall = ApiCall { method: "POST", path: "/v2/clientIdSecrets" };
const CURRENT_ORG: ApiCall = ApiCall { method: "GET", path: "/v2/currentOrg" };

/// The `url` beside a stored token.
const URL_BESIDE: Destination = Destination::Sibling { key: "url", otherwise: Some(ASTRA) };

/// The `url` of the config of an organization.
const fn url_of_config(named_by: &'static [&'static str]) -> StoredUrl {
    StoredUrl { prefix: CONFIG_PREFIX, named_by, second_name: Some("logical_name"), key: "url" }
}

const ADMIN_TOKEN: SecretClass = SecretClass {
    name: "admin-token",
    shape: TOKEN_SHAPE,
    request_fields: &[RequestField {
        paths: &["config", "config/{org}"],
        at: &["astra_token"],
        destination: Destination::Requested {
            field: Some("url"),
            stored: Some(url_of_config(&["org", "org_id", "logical_name"])),
            otherwise: Some(ASTRA),
        },
        owner: &["org", "org_id", "logical_name"],
    }],
    stored_fields: &[
        StoredField {
            prefix: CONFIG_PREFIX,
            at: &["astra_token"],
            destination: URL_BESIDE,
            owner: Some(StoredOwner::Key),
        },
        StoredField {
            prefix: RETIRED_PREFIX,
            at: &["configs", "*", "astra_token"],
            destination: URL_BESIDE,
            owner: Some(StoredOwner::Key),
        },
    ],
    unreadable_fields: &[UnreadableField { prefix: RETIRED_PREFIX, at: &["damaged"] }],
    answered_fields: &[],
    bearer_of: &[
        ApiCall { method: "GET", path: "/v2/clientIdSecrets" },
        MINT,
        ApiCall { method: "DELETE", path: "/v2/clientIdSecrets/+" },
        CURRENT_ORG,
        ApiCall { method: "GET", path: "/v2/organizations/roles" },
    ],
    shown_fields: &[],
    becomes: &[],
};

/// What Astra answers to a mint.
const MADE_TOKEN: SecretClass = SecretClass {
    name: "made-token",
    shape: TOKEN_SHAPE,
    request_fields: &[],
    stored_fields: &[],
    unreadable_fields: &[],
    answered_fields: &[AnsweredField { call: MINT, at: &["token"] }],
    // The proof that a new token works.
    bearer_of: &[CURRENT_ORG],
    shown_fields: &[ShownField { paths: SHOWN_ON, at: &["token"], owner: ASKED_FOR }],
    becomes: &["admin-token", "kept-token"],
};

const MADE_SECRET: SecretClass = SecretClass {
    name: "made-secret",
    shape: SECRET_SHAPE,
    request_fields: &[],
    stored_fields: &[],
    unreadable_fields: &[],
    answered_fields: &[AnsweredField { call: MINT, at: &["secret"] }],
    bearer_of: &[],
    shown_fields: &[ShownField { paths: SHOWN_ON, at: &["secret"], owner: ASKED_FOR }],
    becomes: &["kept-secret"],
};

/// What a static role takes over.
const GIVEN_TOKEN: SecretClass = SecretClass {
    name: "given-token",
    shape: TOKEN_SHAPE,
    request_fields: &[RequestField {
        paths: &["static-roles/{org}/{name}"],
        at: &["token"],
        destination: Destination::Requested { field: None, stored: Some(url_of_config(&["org"])), otherwise: None },
        owner: &["org"],
    }],
    stored_fields: &[],
    unreadable_fields: &[],
    answered_fields: &[],
    bearer_of: &[CURRENT_ORG],
    shown_fields: &[],
    becomes: &["kept-token"],
};

const KEPT_TOKEN: SecretClass = SecretClass {
    name: "kept-token",
    shape: TOKEN_SHAPE,
    request_fields: &[],
    // The Go plugin's records name no origin. They get that of the config.
    stored_fields: &[StoredField {
        prefix: TOKEN_PREFIX,
        at: &["token"],
        destination: Destination::SiblingOrigin { key: "origin", stored: Some(url_of_config(&["orgId"])) },
        owner: OF_RECORD,
    }],
    unreadable_fields: &[],
    answered_fields: &[],
    bearer_of: &[CURRENT_ORG],
    shown_fields: &[ShownField { paths: SHOWN_ON, at: &["token"], owner: ASKED_FOR }],
    becomes: &[],
};

const KEPT_SECRET: SecretClass = SecretClass {
    name: "kept-secret",
    shape: SECRET_SHAPE,
    request_fields: &[],
    stored_fields: &[StoredField {
        prefix: TOKEN_PREFIX,
        at: &["secret"],
        destination: Destination::Nowhere,
        owner: OF_RECORD,
    }],
    unreadable_fields: &[],
    answered_fields: &[],
    bearer_of: &[],
    shown_fields: &[ShownField { paths: SHOWN_ON, at: &["secret"], owner: ASKED_FOR }],
    becomes: &[],
};

/// The organization of a record.
const OF_RECORD: Option<StoredOwner> = Some(StoredOwner::Sibling("orgId"));

/// Who asks for one organization's token gets no other one's. In a body, the logical name may stand for the ID.
const ASKED_FOR: &[&str] = &["org", "org_id"];

/// The paths that answer a token and its secret.
const SHOWN_ON: &[&str] = &["creds/{org}/{role}", "org/token", "static-creds/{org}/{name}"];
