//! The templates of the config and of roles: which names each may have, and how values are escaped for their place.

use secrets_framework::Error;
use secrets_framework::escape::path_segment;
use secrets_framework::template::{Piece, pieces};
use serde_json::{Number, Value};

use crate::limits::{NUMBER_CHARACTERS_SHOWN, PATH_SEGMENTS_MAX, TEMPLATE_BYTES_MAX};

/// A kind of template: the field that has it, the names that it may have, and those of them that it must have.
pub(crate) struct Kind {
    pub(crate) field: &'static str,
    may: &'static [&'static str],
    must: &'static [&'static str],
}

pub(crate) const USERNAME: Kind =
    Kind { field: "username_template", may: &["role", "display_name", "random"], must: &["random"] };
pub(crate) const CREATE_PATH: Kind = Kind { field: "create_path", may: &["username", "role"], must: &[] };
pub(crate) const CREATE_BODY: Kind = Kind {
    field: "create_body",
    may: &["username", "password", "role", "display_name"],
    must: &["username", "password"],
};
pub(crate) const DELETE_PATH: Kind = Kind { field: "delete_path", may: &["username", "role"], must: &["username"] };

/// Names and what they stand for.
pub(crate) type Values<'a> = &'a [(&'a str, &'a str)];

impl Kind {
    /// Checks the names of a template.
    fn check(&self, template: &str) -> Result<(), Error> {
        let Self { field, may, must } = self;
        if template.len() > TEMPLATE_BYTES_MAX {
            return Err(Error::mistake(format!("`{field}` is longer than {TEMPLATE_BYTES_MAX} bytes: write less")));
        }
        let mut used = Vec::new();
        for piece in pieces(template) {
            match piece {
                Piece::Text(_) => {}
                Piece::Name(name) if may.contains(&name) => used.push(name),
                Piece::Name(name) => {
                    let known = may.join("`, `");
                    return Err(Error::mistake(format!("`{field}` has the unknown name `{name}`: use `{known}`")));
                }
                Piece::Open(_) => {
                    return Err(Error::mistake(format!("`{field}` has a `{{{{` that no `}}}}` closes: close it")));
                }
            }
        }
        match must.iter().find(|name| !used.contains(*name)) {
            Some(name) => Err(Error::mistake(format!("`{field}` lacks `{{{{{name}}}}}`: add it"))),
            None => Ok(()),
        }
    }

    fn mistake(&self, reason: &str) -> Error {
        Error::mistake(format!("`{}` {reason}", self.field))
    }
}

/// Checks a template for names of users.
pub(crate) fn check_username(template: &str) -> Result<(), Error> {
    USERNAME.check(template)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    if pieces(template).any(|piece| matches!(piece, Piece::Text(text) if !text.chars().all(is_plain))) {
        return Err(USERNAME.mistake("may have letters, digits and `-_.@` beside its names"));
    }
    Ok(())
}

/// Checks a template for a path below the config's `url`.
pub(crate) fn check_path(kind: &Kind, template: &str) -> Result<(), Error> {
    kind.check(template)?;
    let Some(path) = template.strip_prefix('/') else { return Err(kind.mistake("must begin with `/`")) };
    let segments: Vec<&str> = path.split('/').collect();
    if segments.len() > PATH_SEGMENTS_MAX {
        return Err(kind.mistake(&format!("has more than {PATH_SEGMENTS_MAX} segments")));
    }
    if segments.iter().any(|segment| matches!(*segment, "" | "." | "..")) {
        return Err(kind.mistake("must have no empty segment, no `.` and no `..`"));
    }
    // The host sends the token with no other call, and with no query.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/".contains(c);
    if pieces(template).any(|piece| matches!(piece, Piece::Text(text) if !text.chars().all(is_plain))) {
        return Err(kind.mistake("may have letters, digits and `-._~:` in its segments, and no query"));
    }
    Ok(())
}

/// Checks a template for the JSON body that makes a user.
pub(crate) fn check_body(template: &str) -> Result<(), Error> {
    CREATE_BODY.check(template)?;
    match serde_json::from_str(template) {
        Ok(Value::Object(_)) => {}
        _ => return Err(CREATE_BODY.mistake("must be a JSON object, with its names inside of texts")),
    }
    let changed = numbers(template).into_iter().find_map(|number| {
        let sent =
            serde_json::from_str::<Number>(number).map_or_else(|_| "another one".to_owned(), |sent| sent.to_string());
        (sent != number).then_some((number, sent))
    });
    changed.map_or(Ok(()), |(number, sent)| {
        let shown: String = number.chars().take(NUMBER_CHARACTERS_SHOWN).collect();
        Err(CREATE_BODY.mistake(&format!(
            "has the number `{shown}`, which would be sent as `{sent}`: write a number that stays as it is, or a text"
        )))
    })
}

/// The numbers of a JSON text, as they are written.
fn numbers(json: &str) -> Vec<&str> {
    let (mut rest, mut numbers) = (json, Vec::new());
    // `true`, `false` and `null` have none of these characters.
    while let Some(at) = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) {
        rest = rest.get(at..).unwrap_or_default();
        rest = match rest.strip_prefix('"') {
            Some(text) => after_text(text),
            None => {
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c))).unwrap_or(rest.len());
                let (number, after) = rest.split_at(end);
                numbers.push(number);
                after
            }
        };
    }
    numbers
}

/// What follows a JSON text of which the first quote is gone.
fn after_text(text: &str) -> &str {
    let mut is_escaped = false;
    let end = text.find(|c| {
        let is_end = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_end
    });
    end.and_then(|end| text.get(end + 1..)).unwrap_or_default()
}

/// A template with the values in the place of its names.
pub(crate) fn fill(template: &str, values: Values<'_>) -> String {
    fill_with(template, values, str::to_owned)
}

/// A path with the values in the place of its names: each value stays within its segment.
pub(crate) fn fill_path(template: &str, values: Values<'_>) -> String {
    fill_with(template, values, path_segment)
}

/// A JSON body with the values in the place of the names within its texts. None if the template is no JSON.
pub(crate) fn fill_body(template: &str, values: Values<'_>) -> Option<Vec<u8>> {
    let mut body = serde_json::from_str(template).ok()?;
    fill_json(&mut body, values);
    serde_json::to_vec(&body).ok()
}

fn fill_json(json: &mut Value, values: Values<'_>) {
    match json {
        Value::String(text) => *text = fill(text, values),
        Value::Array(items) => items.iter_mut().for_each(|item| fill_json(item, values)),
        Value::Object(fields) => {
            let filled = std::mem::take(fields).into_iter().map(|(key, mut value)| {
                fill_json(&mut value, values);
                (fill(&key, values), value)
            });
            *fields = filled.collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn fill_with(template: &str, values: Values<'_>, escape: impl Fn(&str) -> String) -> String {
    let value = |name: &str| values.iter().find(|(known, _)| *known == name).map(|(_, value)| escape(value));
    pieces(template).fold(String::new(), |filled, piece| match piece {
        Piece::Text(text) | Piece::Open(text) => filled + text,
        Piece::Name(name) => filled + &value(name).unwrap_or_default(),
    })
}
