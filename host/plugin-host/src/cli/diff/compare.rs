//! Compares the paths of two modules: sentences about removed, new and changed things, and whether clients may fail.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::surface::{Field, Operation, Surface};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    /// `path`, `operation`, `field` or `answer`.
    pub(super) what: &'static str,
    /// May a client that worked before fail, or miss something?
    pub(super) breaking: bool,
    /// A sentence for people.
    pub(super) text: String,
}

/// All changes that clients can see, by path.
pub(super) fn changes(old: &Surface, new: &Surface) -> Vec<Change> {
    let mut changes = Vec::new();
    for key in old.paths.keys().chain(new.paths.keys()).collect::<BTreeSet<_>>() {
        match (old.paths.get(key), new.paths.get(key)) {
            (Some(old), None) => {
                change(&mut changes, "path", Effect::Breaks, format!("path `{}` is gone", old.template))
            }
            (None, Some(new)) => {
                let operations: Vec<&str> = new.operations.keys().copied().collect();
                let text = format!("path `{}` is new: {}", new.template, operations.join(", "));
                change(&mut changes, "path", Effect::Extends, text);
            }
            (Some(old), Some(new)) => operations(&mut changes, &new.template, &old.operations, &new.operations),
            (None, None) => {}
        }
    }
    changes
}

fn operations(
    changes: &mut Vec<Change>,
    path: &str,
    old: &BTreeMap<&'static str, Operation>,
    new: &BTreeMap<&'static str, Operation>,
) {
    for word in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let place = format!("{word} `{path}`");
        match (old.get(word), new.get(word)) {
            (Some(_), None) => change(changes, "operation", Effect::Breaks, format!("{place} is gone")),
            (None, Some(_)) => change(changes, "operation", Effect::Extends, format!("{place} is new")),
            (Some(old), Some(new)) => {
                fields(changes, &place, &old.fields, &new.fields);
                answers(changes, &place, &old.answers, &new.answers);
            }
            (None, None) => {}
        }
    }
}

fn fields(changes: &mut Vec<Change>, place: &str, old: &BTreeMap<String, Field>, new: &BTreeMap<String, Field>) {
    for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let mut say = |effect, text: String| change(changes, "field", effect, format!("{place}: {text}"));
        match (old.get(name), new.get(name)) {
            (Some(_), None) => say(Effect::Breaks, format!("field `{name}` is gone")),
            (None, Some(new)) if new.required => say(Effect::Breaks, format!("field `{name}` is new and required")),
            (None, Some(_)) => say(Effect::Extends, format!("field `{name}` is new")),
            (Some(old), Some(new)) => {
                if old.kind != new.kind {
                    say(Effect::Breaks, format!("field `{name}` was {}, is {}", old.kind, new.kind));
                }
                if old.required != new.required {
                    let (effect, now) = match new.required {
                        true => (Effect::Breaks, "required now"),
                        false => (Effect::Extends, "not required any more"),
                    };
                    say(effect, format!("field `{name}` is {now}"));
                }
                if old.default != new.default {
                    let shown = |field: &Field| field.default.as_ref().map_or("none".to_owned(), ToString::to_string);
                    say(Effect::Breaks, format!("the default of `{name}` was {}, is {}", shown(old), shown(new)));
                }
            }
            (None, None) => {}
        }
    }
}

fn answers(changes: &mut Vec<Change>, place: &str, old: &BTreeMap<String, Field>, new: &BTreeMap<String, Field>) {
    for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let mut say = |effect, text: String| change(changes, "answer", effect, format!("{place}: {text}"));
        match (old.get(name), new.get(name)) {
            (Some(_), None) => say(Effect::Breaks, format!("the answer has no `{name}` any more")),
            (None, Some(_)) => say(Effect::Extends, format!("the answer has `{name}`, too")),
            (Some(old), Some(new)) if old.kind != new.kind => {
                say(Effect::Breaks, format!("`{name}` of the answer was {}, is {}", old.kind, new.kind));
            }
            _ => {}
        }
    }
}

/// May a client that worked before fail, or miss something?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    Breaks,
    Extends,
}

fn change(changes: &mut Vec<Change>, what: &'static str, effect: Effect, text: String) {
    changes.push(Change { what, breaking: effect == Effect::Breaks, text });
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn surface(paths: Value) -> Surface {
        Surface::of(&json!({ "paths": paths }))
    }

    fn write(properties: Value, required: Value, answer: Value) -> Value {
        let schema =
            |properties| json!({"application/json": {"schema": {"properties": properties, "required": required}}});
        json!({"post": {
            "requestBody": {"content": schema(properties)},
            "responses": {"200": {"content": schema(answer)}},
        }})
    }

    #[test]
    fn every_kind_of_change_has_its_sentence() {
        let old = surface(json!({
            "/gone": {"get": {}},
            "/less/{a}": {"get": {}, "delete": {}},
            "/form": write(
                json!({"a": {"type": "string"}, "b": {"type": "string"}, "c": {"type": "integer", "default": 1}, "d": {"type": "string"}}),
                json!(["d"]),
                json!({"x": {"type": "string"}, "y": {"type": "string"}}),
            ),
        }));
        let new = surface(json!({
            "/new": {"get": {}, "post": {}},
            "/less/{b}": {"get": {}, "patch": {}},
            "/form": write(
                json!({"b": {"type": "boolean"}, "c": {"type": "integer", "default": 2}, "d": {"type": "string"},
                       "e": {"type": "string"}, "f": {"type": "string"}}),
                json!(["e"]),
                json!({"y": {"type": "integer"}, "z": {"type": "string"}}),
            ),
        }));
        let texts: Vec<String> = changes(&old, &new)
            .into_iter()
            .map(|change| format!("{} {}: {}", if change.breaking { "!" } else { " " }, change.what, change.text))
            .collect();
        assert_eq!(
            texts,
            [
                "! field: write `form`: field `a` is gone",
                "! field: write `form`: field `b` was string, is boolean",
                "! field: write `form`: the default of `c` was 1, is 2",
                "  field: write `form`: field `d` is not required any more",
                "! field: write `form`: field `e` is new and required",
                "  field: write `form`: field `f` is new",
                "! answer: write `form`: the answer has no `x` any more",
                "! answer: write `form`: `y` of the answer was string, is integer",
                "  answer: write `form`: the answer has `z`, too",
                "! path: path `gone` is gone",
                "! operation: delete `less/{b}` is gone",
                "  operation: patch `less/{b}` is new",
                "  path: path `new` is new: read, write",
            ]
        );
        assert!(changes(&old, &old).is_empty());
    }
}
