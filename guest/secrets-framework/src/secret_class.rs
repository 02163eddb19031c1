//! Which values of an engine are secret, where they come from, and where they may go: what the interface
//! `secrets-engine:secrets/declaration` declares to the host, which documents each item. The host gives the engine a
//! surrogate for each such value, so that the engine never holds it.

/// The keys from the outermost object inwards; `*` is every element of a list.
pub type At = &'static [&'static str];

/// Secret values of one kind.
#[derive(Debug)]
pub struct SecretClass {
    /// Its name, for operators and log lines.
    pub name: &'static str,
    /// Which part of a value is secret.
    pub shape: SecretShape,
    /// Values in the data of requests.
    pub request_fields: &'static [RequestField],
    /// Values in storage.
    pub stored_fields: &'static [StoredField],
    /// Fields that keep what the engine could not read.
    pub unreadable_fields: &'static [UnreadableField],
    /// Values in answers of the API.
    pub answered_fields: &'static [AnsweredField],
    /// The calls that may have a value as their bearer token.
    pub bearer_of: &'static [ApiCall],
    /// Where a client gets the values.
    pub shown_fields: &'static [ShownField],
    /// The names of the classes whose stored fields may receive a value.
    pub becomes: &'static [&'static str],
}

/// Which part of a value is secret.
#[derive(Clone, Copy, Debug)]
pub struct SecretShape {
    /// What stands before the secret part; `{}` is any text without the character after it.
    pub public: &'static str,
    /// The characters of a surrogate.
    pub alphabet: Alphabet,
    /// A value that ends in one of these is no secret.
    pub plain_endings: &'static [&'static str],
    /// The number of secret characters that a value must have, at least 16.
    pub secret_characters_min: u32,
}

/// The characters of the secret part of a surrogate.
#[derive(Clone, Copy, Debug)]
pub enum Alphabet {
    /// `0` to `9` and `a` to `f`.
    LowerHex,
    /// Letters and digits.
    LettersAndDigits,
}

/// The API to which requests may carry a value.
#[derive(Debug)]
pub enum Destination {
    /// None: the value is never sent.
    Nowhere,
    /// The base URL under a key of the same object.
    Sibling {
        /// The key.
        key: &'static str,
        /// The base URL if the key is missing or empty.
        otherwise: Option<&'static str>,
    },
    /// The origin under a key of the same object, else in storage.
    SiblingOrigin {
        /// The key.
        key: &'static str,
        /// Where storage has a URL with the origin.
        stored: Option<StoredUrl>,
    },
    /// The base URL in a field of the request, else in storage.
    Requested {
        /// The field; none = no field holds it.
        field: Option<&'static str>,
        /// Where storage has the base URL.
        stored: Option<StoredUrl>,
        /// The base URL if neither has one.
        otherwise: Option<&'static str>,
    },
}

/// An entry of storage that holds a base URL.
#[derive(Debug)]
pub struct StoredUrl {
    /// The prefix of its key; the rest is a name.
    pub prefix: &'static str,
    /// Fields, named path segments, or keys beside the value, that have the name; the first that is present counts.
    pub named_by: &'static [&'static str],
    /// The key of the entry that holds a second name of the same object.
    pub second_name: Option<&'static str>,
    /// The key of the base URL.
    pub key: &'static str,
}

/// A field of the data of requests.
#[derive(Debug)]
pub struct RequestField {
    /// Paths: `{name}` and `+` are one segment, a `*` at the end is any rest.
    pub paths: &'static [&'static str],
    /// The field.
    pub at: At,
    /// Where the value may be sent.
    pub destination: Destination,
    /// Fields of the request, or named segments of its path, that name the owner; empty = the value has no owner.
    pub owner: &'static [&'static str],
}

/// A field of storage entries.
#[derive(Debug)]
pub struct StoredField {
    /// The prefix of the keys; it ends in `/`.
    pub prefix: &'static str,
    /// The field.
    pub at: At,
    /// Where the value may be sent.
    pub destination: Destination,
    /// Where the owner is named; none = the values have no owner.
    pub owner: Option<StoredOwner>,
}

/// Where an entry names the owner of its values.
#[derive(Clone, Copy, Debug)]
pub enum StoredOwner {
    /// The rest of the entry's key.
    Key,
    /// A key beside the value.
    Sibling(&'static str),
}

/// A field in which the engine keeps what it could not read.
#[derive(Debug)]
pub struct UnreadableField {
    /// The prefix of the keys; it ends in `/`.
    pub prefix: &'static str,
    /// The field.
    pub at: At,
}

/// A call of an API.
#[derive(Clone, Copy, Debug)]
pub struct ApiCall {
    /// The method.
    pub method: &'static str,
    /// The path below the base URL; `+` is one segment.
    pub path: &'static str,
}

/// A field of the API's answer to a call.
#[derive(Debug)]
pub struct AnsweredField {
    /// The call.
    pub call: ApiCall,
    /// The field.
    pub at: At,
}

/// A field of the response to a client.
#[derive(Debug)]
pub struct ShownField {
    /// Paths, as of a [`RequestField`].
    pub paths: &'static [&'static str],
    /// The field.
    pub at: At,
    /// As of a [`RequestField`]: only a value of this owner is shown; empty = of any owner.
    pub owner: &'static [&'static str],
}
