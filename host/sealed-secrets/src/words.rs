//! A declaration in the words of operators: what is sealed, where it comes from, and where it may go.

use std::collections::BTreeSet;

use crate::declaration::{At, Class, Declaration, ShownField};

impl Declaration {
    /// One line for each class.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.classes.iter().map(line).collect()
    }
}

fn line(class: &Class) -> String {
    let requests = class
        .request_fields
        .iter()
        .flat_map(|field| field.paths.iter().map(|path| format!("`{}` of requests to `{path}`", dotted(&field.at))));
    let stored = class.stored_fields.iter().map(|field| format!("`{}` below `{}`", dotted(&field.at), field.prefix));
    let answered = class
        .answered_fields
        .iter()
        .map(|field| format!("`{}` of the answer to `{} {}`", dotted(&field.at), field.call.method, field.call.path));
    let sent = class.bearer_of.iter().map(|call| format!("`{} {}`", call.method, call.path));
    let shown: BTreeSet<String> = class.shown_fields.iter().flat_map(shown_on).collect();
    let becomes = class.becomes.iter().map(|name| format!("`{name}`"));
    let mut line = format!("{}: from {}", class.name, listed(requests.chain(stored).chain(answered)));
    for (word, list) in
        [("sent with", listed(sent)), ("shown on", listed(shown.into_iter())), ("becomes", listed(becomes))]
    {
        line.push_str(&format!("; {word} {list}"));
    }
    line
}

/// A place as people write it. No two places are written alike: a key that another key or a dot could be taken for makes the
/// place a JSON list.
pub(crate) fn dotted(at: &At) -> String {
    let is_plain = |key: &String| {
        key == "*" || !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if at.iter().all(is_plain) { at.join(".") } else { serde_json::Value::from(at.as_slice()).to_string() }
}

/// Paths, each with the word that the value is shown to who asks for its owner only.
fn shown_on(field: &ShownField) -> Vec<String> {
    let whose = if field.owner.is_empty() { "" } else { " (its owner's)" };
    field.paths.iter().map(|path| format!("`{path}`{whose}")).collect()
}

fn listed(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { "nothing".to_owned() } else { items.join(", ") }
}
