//! What an engine declares: the types of the interface `secrets-engine:secrets/declaration`, which documents each item.

use serde::{Deserialize, Serialize};

/// The keys from the outermost object inwards; `*` is every element of a list.
pub type At = Vec<String>;

/// The classes of an engine's secret values. Empty = the engine holds no secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declaration {
    /// The classes.
    pub classes: Vec<Class>,
}

/// Secret values of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// Its name, for operators and log lines.
    pub name: String,
    /// Which part of a value is secret.
    pub shape: Shape,
    /// Values in requests.
    pub request_fields: Vec<RequestField>,
    /// Values in storage.
    pub stored_fields: Vec<StoredField>,
    /// Fields that keep what the engine could not read.
    pub unreadable_fields: Vec<UnreadableField>,
    /// Values in answers of the API.
    pub answered_fields: Vec<AnsweredField>,
    /// Calls that may have a value as their bearer token.
    pub bearer_of: Vec<Call>,
    /// Where a client gets the values.
    pub shown_fields: Vec<ShownField>,
    /// Names of classes whose stored fields may receive a value.
    pub becomes: Vec<String>,
}

/// Which part of a value is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// What stands before the secret part; `{}` is any text without the character after it.
    pub public: String,
    /// The characters of a surrogate.
    pub alphabet: Alphabet,
    /// A value that ends in one of these is no secret.
    pub plain_endings: Vec<String>,
    /// Secret characters that a value must have.
    pub secret_characters_min: u32,
}

/// The characters of the secret part of a surrogate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Alphabet {
    /// `0` to `9` and `a` to `f`.
    LowerHex,
    /// Letters and digits.
    LettersAndDigits,
}

/// The API to which requests may carry a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Destination {
    /// None.
    Nowhere,
    /// The base URL under a key of the same object.
    Sibling {
        /// The key.
        key: String,
        /// The base URL if the key is missing or empty.
        otherwise: Option<String>,
    },
    /// The origin under a key of the same object, else in storage.
    SiblingOrigin {
        /// The key.
        key: String,
        /// Where storage has a URL with the origin.
        stored: Option<StoredUrl>,
    },
    /// The base URL in a field of the request, else in storage.
    Requested {
        /// The field; none = no field holds it.
        field: Option<String>,
        /// Where storage has the base URL.
        stored: Option<StoredUrl>,
        /// The base URL if neither has one.
        otherwise: Option<String>,
    },
}

/// An entry of storage that holds a base URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredUrl {
    /// The prefix of its key; the rest is a name.
    pub prefix: String,
    /// Fields, named path segments, or keys beside the value, that have the name.
    pub named_by: Vec<String>,
    /// The key of the entry that holds a second name.
    pub second_name: Option<String>,
    /// The key of the base URL.
    pub key: String,
}

/// A field of the data of requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestField {
    /// Paths of requests.
    pub paths: Vec<String>,
    /// The field.
    pub at: At,
    /// Where the value may be sent.
    pub destination: Destination,
    /// Fields of the request, or named segments of its path, that name the owner; the first that is there counts.
    pub owner: Vec<String>,
}

/// A field of storage entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredField {
    /// The prefix of the keys.
    pub prefix: String,
    /// The field.
    pub at: At,
    /// Where the value may be sent.
    pub destination: Destination,
    /// Where the owner is named; none = the values have no owner.
    pub owner: Option<StoredOwner>,
}

/// Where an entry names the owner of its values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredOwner {
    /// The rest of the entry's key.
    Key,
    /// A key beside the value.
    Sibling(String),
}

/// A field in which the engine keeps what it could not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadableField {
    /// The prefix of the keys.
    pub prefix: String,
    /// The field.
    pub at: At,
}

/// A call of an API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The method.
    pub method: String,
    /// The path below the base URL; `+` is one segment.
    pub path: String,
}

/// A field of the API's answer to a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnsweredField {
    /// The call.
    pub call: Call,
    /// The field.
    pub at: At,
}

/// A field of the response to a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownField {
    /// Paths of requests.
    pub paths: Vec<String>,
    /// The field.
    pub at: At,
    /// As of a [`RequestField`]: only a value of this owner is shown. Empty = of any owner.
    pub owner: Vec<String>,
}
