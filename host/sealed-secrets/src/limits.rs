//! Limits of a declaration and of a request's surrogates.

/// Secret characters that a value must have, whatever an engine declares: 16 of `0` to `9` and `a` to `f` are 64 bits,
/// too many to guess by comparing surrogates. A surrogate is found by its first characters, so they must be there.
pub const SECRET_CHARACTERS_MIN: usize = 16;

/// Classes of one declaration. An engine has a few kinds of secrets; each class costs a request a comparison.
pub const CLASSES_MAX: usize = 32;

/// Entries of each list of a class: fields, calls, paths.
pub const LIST_ENTRIES_MAX: usize = 64;

/// Fields of all classes of a declaration together. The Astra engine has about 20; the rules of all fields are compared with
/// each entry and request.
pub const FIELDS_MAX: usize = 256;

/// Names of owners and of objects with a base URL, of all fields of a declaration together. The Astra engine has about 30;
/// a request is searched for each of them.
pub const NAMES_MAX: usize = 1_024;

/// Paths of all fields of a declaration together. The Astra engine has about 15; a request is compared with each of them.
pub const PATHS_MAX: usize = 256;

/// Bytes of the words for all exits of all sources of a declaration: what the host holds to compare two declarations, and
/// what an operator may have to read. Each source of a class has each exit of the class, so that the number of words grows
/// as a product. The Astra engine has a few KiB.
pub const EXITS_BYTES_MAX: usize = 256 * 1024;

/// Bytes of each text of a declaration: names, prefixes, paths, keys. The host keeps declarations for each module.
pub const TEXT_BYTES_MAX: usize = 1_024;

/// Keys of one place in JSON. Deeper data are for nobody to declare.
pub const PLACE_DEPTH_MAX: usize = 16;

/// Nested objects and lists of JSON that is read: the recursion limit of serde_json, by which engines read.
pub const JSON_DEPTH_MAX: usize = 127;

/// Surrogates of one request: a request that reads 10,000 records of two secrets, as many as it may, has 20,000.
pub const SURROGATES_MAX: usize = 50_000;

/// Uses of one value in one request, each a class with an owner and a destination. A token that all configs of a mount
/// share has as many as there are configs, of which the Astra engine has at most 2,000. Each use is compared when the value
/// is sent, kept or shown.
pub const USES_MAX: usize = 2_048;

/// Bytes that the sealing of one request holds: values with their surrogates and uses, base URLs and names. The largest
/// legitimate request, 10,000 records of two secrets, holds some 14 MiB.
pub const SESSION_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Bytes of one secret value. The largest credentials, private keys with their chains, have some kilobytes.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;

/// Values of one JSON text that a search keeps: secrets, values of another type in their places, and what is beside them.
/// An entry or request has a few. Each takes some 200 bytes, and a secret is compared with all uses of its value.
pub const FOUND_MAX: usize = 10_000;

/// Bytes of a text beside a secret that names its owner or its base URL, or of a name in a request. A longer text names
/// nothing. Browsers and proxies commonly limit a URL to about as much.
pub const BESIDE_BYTES_MAX: usize = 2_048;

/// Entries whose base URLs and second names a request remembers, some 200 bytes each. A request is about one object, but may
/// look through all of them for one with a second name: the Astra engine has at most 2,000 configs.
pub const BASE_URLS_MAX: usize = 2_048;

/// Bytes of an answer that the host reads as a whole because the answer holds a secret. Such answers have some hundred
/// bytes.
pub const SEALED_ANSWER_BYTES_MAX: usize = 1024 * 1024;
