//! Limits of a declaration and of a request's surrogates.

/// Secret characters that a value must have, whatever an engine declares: 16 of `0` to `9` and `a` to `f` are 64 bits,
/// too many to guess by comparing surrogates. A surrogate is found by its first characters, so they must be there.
pub const SECRET_CHARACTERS_MIN: usize = 16;

/// Classes of one declaration. An engine has a few kinds of secrets; each class costs a request a comparison.
pub const CLASSES_MAX: usize = 32;

/// Entries of each list of a class: fields, calls, paths.
pub const LIST_ENTRIES_MAX: usize = 64;

/// Bytes of each text of a declaration: names, prefixes, paths, keys. The host keeps declarations for each module.
pub const TEXT_BYTES_MAX: usize = 1_024;

/// Keys of one place in JSON. Deeper data are for nobody to declare.
pub const PLACE_DEPTH_MAX: usize = 16;

/// Nested objects and lists of JSON that is read: the recursion limit of serde_json, by which engines read.
pub const JSON_DEPTH_MAX: usize = 127;

/// Surrogates of one request, about 300 bytes each: a request that reads 10,000 records of two secrets has 20,000.
pub const SURROGATES_MAX: usize = 100_000;

/// Bytes of one secret value. The largest credentials, private keys with their chains, have some kilobytes.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;

/// Entries whose base URLs and second names a request remembers, some 200 bytes each. A request is about one object, but may
/// look through all of them for one with a second name.
pub const BASE_URLS_MAX: usize = 1_024;

/// Bytes of an answer that the host reads as a whole because the answer holds a secret. Such answers have some hundred
/// bytes.
pub const SEALED_ANSWER_BYTES_MAX: usize = 1024 * 1024;
