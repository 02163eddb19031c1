//! The classes of secrets of an engine's table, as the interface `secrets-engine:secrets/declaration` has them.

use secrets_framework as framework;

use crate::bindings::exports::secrets_engine::secrets::declaration as wit;

/// One class.
pub(crate) fn class_into_wit(class: &framework::SecretClass) -> wit::Class {
    let request_field = |field: &framework::RequestField| wit::RequestField {
        paths: texts(field.paths),
        at: texts(field.at),
        destination: destination(&field.destination),
        owner: texts(field.owner),
    };
    let stored_field = |field: &framework::StoredField| wit::StoredField {
        prefix: field.prefix.to_owned(),
        at: texts(field.at),
        destination: destination(&field.destination),
        owner: field.owner.map(stored_owner),
    };
    let unreadable_field = |field: &framework::UnreadableField| wit::UnreadableField {
        prefix: field.prefix.to_owned(),
        at: texts(field.at),
    };
    let answered_field =
        |field: &framework::AnsweredField| wit::AnsweredField { call: call(&field.call), at: texts(field.at) };
    let shown_field = |field: &framework::ShownField| wit::ShownField {
        paths: texts(field.paths),
        at: texts(field.at),
        owner: texts(field.owner),
    };
    wit::Class {
        name: class.name.to_owned(),
        shape: shape(&class.shape),
        request_fields: class.request_fields.iter().map(request_field).collect(),
        stored_fields: class.stored_fields.iter().map(stored_field).collect(),
        unreadable_fields: class.unreadable_fields.iter().map(unreadable_field).collect(),
        answered_fields: class.answered_fields.iter().map(answered_field).collect(),
        bearer_of: class.bearer_of.iter().map(call).collect(),
        shown_fields: class.shown_fields.iter().map(shown_field).collect(),
        becomes: texts(class.becomes),
    }
}

fn shape(shape: &framework::SecretShape) -> wit::Shape {
    wit::Shape {
        public: shape.public.to_owned(),
        alphabet: match shape.alphabet {
            framework::Alphabet::LowerHex => wit::Alphabet::LowerHex,
            framework::Alphabet::LettersAndDigits => wit::Alphabet::LettersAndDigits,
        },
        plain_endings: texts(shape.plain_endings),
        secret_characters_min: shape.secret_characters_min,
    }
}

fn destination(destination: &framework::Destination) -> wit::Destination {
    let owned = |text: &Option<&'static str>| text.map(str::to_owned);
    match destination {
        framework::Destination::Nowhere => wit::Destination::None,
        framework::Destination::Sibling { key, otherwise } => {
            wit::Destination::Sibling(wit::Sibling { key: (*key).to_owned(), otherwise: owned(otherwise) })
        }
        framework::Destination::SiblingOrigin { key, stored } => wit::Destination::SiblingOrigin(wit::SiblingOrigin {
            key: (*key).to_owned(),
            stored: stored.as_ref().map(stored_url),
        }),
        framework::Destination::Requested { field, stored, otherwise } => wit::Destination::Requested(wit::Requested {
            field: owned(field),
            stored: stored.as_ref().map(stored_url),
            otherwise: owned(otherwise),
        }),
    }
}

fn stored_url(stored: &framework::StoredUrl) -> wit::StoredUrl {
    wit::StoredUrl {
        prefix: stored.prefix.to_owned(),
        named_by: texts(stored.named_by),
        second_name: stored.second_name.map(str::to_owned),
        key: stored.key.to_owned(),
    }
}

fn stored_owner(owner: framework::StoredOwner) -> wit::StoredOwner {
    match owner {
        framework::StoredOwner::Key => wit::StoredOwner::Key,
        framework::StoredOwner::Sibling(key) => wit::StoredOwner::Sibling(key.to_owned()),
    }
}

fn call(call: &framework::ApiCall) -> wit::Call {
    wit::Call { method: call.method.to_owned(), path: call.path.to_owned() }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}
