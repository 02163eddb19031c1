//! Converts a component's declarations of its secrets and of its paths.

use sealed_secrets::{
    Alphabet, AnsweredField, Call, Class, Declaration, Destination, PathPattern, RequestField, Shape, ShownField,
    StoredField, StoredOwner, StoredUrl, UnreadableField,
};

use super::generated::exports::secrets_engine::secrets::declaration as wit;
use crate::InvokeError;
use crate::limits::{CHECKED_PATH_BYTES_MAX, CHECKED_PATHS_MAX};

/// The declaration of secrets of a component, checked.
///
/// # Errors
/// `Contract`.
pub(crate) fn check_declaration(classes: Vec<wit::Class>) -> Result<Declaration, InvokeError> {
    let declaration = Declaration { classes: classes.into_iter().map(class).collect() };
    declaration.check().map_err(|error| InvokeError::Contract(error.to_string()))?;
    Ok(declaration)
}

/// The paths for which a component checks existence.
///
/// # Errors
/// `Contract`.
pub(crate) fn check_paths(paths: &[String]) -> Result<Vec<PathPattern>, InvokeError> {
    if paths.len() > CHECKED_PATHS_MAX {
        return Err(InvokeError::Contract(format!(
            "`checked-paths` has {} paths; at most {CHECKED_PATHS_MAX} are allowed",
            paths.len()
        )));
    }
    if let Some(long) = paths.iter().find(|path| path.len() > CHECKED_PATH_BYTES_MAX) {
        return Err(InvokeError::Contract(format!(
            "a path of `checked-paths` has {} bytes; at most {CHECKED_PATH_BYTES_MAX} are allowed",
            long.len()
        )));
    }
    Ok(paths.iter().map(|path| PathPattern::new(path)).collect())
}

fn class(class: wit::Class) -> Class {
    let request_field = |field: wit::RequestField| RequestField {
        paths: field.paths,
        at: field.at,
        destination: destination(field.destination),
        owner: field.owner,
    };
    let stored_field = |field: wit::StoredField| StoredField {
        prefix: field.prefix,
        at: field.at,
        destination: destination(field.destination),
        owner: field.owner.map(stored_owner),
    };
    let unreadable_field = |field: wit::UnreadableField| UnreadableField { prefix: field.prefix, at: field.at };
    let answered_field = |field: wit::AnsweredField| AnsweredField { call: call(field.call), at: field.at };
    let shown_field = |field: wit::ShownField| ShownField { paths: field.paths, at: field.at, owner: field.owner };
    Class {
        name: class.name,
        shape: Shape {
            public: class.shape.public,
            alphabet: match class.shape.alphabet {
                wit::Alphabet::LowerHex => Alphabet::LowerHex,
                wit::Alphabet::LettersAndDigits => Alphabet::LettersAndDigits,
            },
            plain_endings: class.shape.plain_endings,
            secret_characters_min: class.shape.secret_characters_min,
        },
        request_fields: class.request_fields.into_iter().map(request_field).collect(),
        stored_fields: class.stored_fields.into_iter().map(stored_field).collect(),
        unreadable_fields: class.unreadable_fields.into_iter().map(unreadable_field).collect(),
        answered_fields: class.answered_fields.into_iter().map(answered_field).collect(),
        bearer_of: class.bearer_of.into_iter().map(call).collect(),
        shown_fields: class.shown_fields.into_iter().map(shown_field).collect(),
        becomes: class.becomes,
    }
}

fn stored_owner(owner: wit::StoredOwner) -> StoredOwner {
    match owner {
        wit::StoredOwner::Key => StoredOwner::Key,
        wit::StoredOwner::Sibling(key) => StoredOwner::Sibling(key),
    }
}

fn call(call: wit::Call) -> Call {
    Call { method: call.method, path: call.path }
}

fn destination(destination: wit::Destination) -> Destination {
    match destination {
        wit::Destination::None => Destination::Nowhere,
        wit::Destination::Sibling(wit::Sibling { key, otherwise }) => Destination::Sibling { key, otherwise },
        wit::Destination::SiblingOrigin(wit::SiblingOrigin { key, stored }) => {
            Destination::SiblingOrigin { key, stored: stored.map(stored_url) }
        }
        wit::Destination::Requested(wit::Requested { field, stored, otherwise }) => {
            Destination::Requested { field, stored: stored.map(stored_url), otherwise }
        }
    }
}

fn stored_url(stored: wit::StoredUrl) -> StoredUrl {
    let wit::StoredUrl { prefix, named_by, second_name, key } = stored;
    StoredUrl { prefix, named_by, second_name, key }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checked_paths_are_bounded() {
        let paths = |count: usize, bytes: usize| check_paths(&vec!["x".repeat(bytes); count]);
        assert_eq!(paths(CHECKED_PATHS_MAX, 1).map(|paths| paths.len()), Ok(CHECKED_PATHS_MAX));
        assert_eq!(paths(1, CHECKED_PATH_BYTES_MAX).map(|paths| paths.len()), Ok(1));
        for (count, bytes, expected) in [
            (CHECKED_PATHS_MAX + 1, 1, "`checked-paths` has 1001 paths; at most 1000 are allowed"),
            (1, CHECKED_PATH_BYTES_MAX + 1, "a path of `checked-paths` has 1025 bytes; at most 1024 are allowed"),
        ] {
            assert_eq!(paths(count, bytes), Err(InvokeError::Contract(expected.to_owned())));
        }
    }
}
