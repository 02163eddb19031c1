//! The description of a token in Astra: what the operator's template says, and
//! the mark of its mint. The mark is how a token is found again whose making
//! was not answered, so it is always whole and always last.

use std::collections::BTreeMap;

use secrets_framework::Request;
use secrets_framework::template::{Piece, pieces};
use thiserror::Error;

use crate::limits::ASTRA_DESCRIPTION_BYTES_MAX;
use crate::who::Who;

/// What a token is described by where neither its role nor its config says: Astra's portal then shows which mount and
/// which role a token serves.
const TEMPLATE_DEFAULT: &str = "{{mount}} {{role}}";

/// Why a template is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum TemplateError {
    /// `{{` without `}}`.
    #[error("`{{{{` is not closed by `}}}}`")]
    NotClosed,
    /// A name that is none of ours.
    #[error("`{name}` is not a name: use {NAMES}")]
    Unknown {
        /// The name in the template.
        name: String,
    },
}

/// What a template may name.
pub(crate) struct Facts<'a> {
    pub(crate) request: &'a Request,
    pub(crate) created_by: &'a Who,
    pub(crate) org: &'a str,
    pub(crate) role: &'a str,
    pub(crate) logical_name: &'a str,
    pub(crate) metadata: &'a BTreeMap<String, String>,
}

/// The words that a template may use, for messages and help.
const NAMES: &str =
    "`mount`, `org`, `role`, `logical_name`, `display_name`, `entity_id`, `request_id` or `metadata.<key>`";

/// Checks a template before it is stored.
pub(crate) fn check_template(template: &str) -> Result<(), TemplateError> {
    for piece in pieces(template) {
        match piece {
            Piece::Text(_) => {}
            Piece::Open(_) => return Err(TemplateError::NotClosed),
            Piece::Name(name) if is_known(name) => {}
            Piece::Name(name) => return Err(TemplateError::Unknown { name: name.to_owned() }),
        }
    }
    Ok(())
}

/// The whole description: the first of the templates that is not empty, else [`TEMPLATE_DEFAULT`], filled in, cut where
/// it is too long, and then the mark.
pub(crate) fn describe(templates: &[&str], facts: &Facts<'_>, mark: &str) -> String {
    let template = templates.iter().find(|template| !template.is_empty()).unwrap_or(&TEMPLATE_DEFAULT);
    let mut text = String::new();
    for piece in pieces(template) {
        match piece {
            Piece::Text(part) | Piece::Open(part) => text.push_str(part),
            Piece::Name(name) => text.push_str(value(name, facts)),
        }
    }
    // Metadata is the client's: a line end in it is no line end in Astra's list.
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text = cut(text.trim(), ASTRA_DESCRIPTION_BYTES_MAX.saturating_sub(mark.len() + 1)).trim_end();
    if text.is_empty() { mark.to_owned() } else { format!("{text} {mark}") }
}

fn value<'a>(name: &str, facts: &Facts<'a>) -> &'a str {
    match name {
        "mount" => &facts.request.mount_point,
        "org" => facts.org,
        "role" => facts.role,
        "logical_name" => facts.logical_name,
        "display_name" => &facts.created_by.display_name,
        "entity_id" => &facts.created_by.entity_id,
        "request_id" => &facts.request.id,
        _ => {
            let key = name.strip_prefix("metadata.");
            key.and_then(|key| facts.metadata.get(key)).map_or("", String::as_str)
        }
    }
}

fn is_known(name: &str) -> bool {
    const PLAIN: [&str; 7] = ["mount", "org", "role", "logical_name", "display_name", "entity_id", "request_id"];
    PLAIN.contains(&name) || name.strip_prefix("metadata.").is_some_and(|key| !key.is_empty())
}

/// The start of `text`, at most `bytes_max` long, whole characters only.
fn cut(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrets_framework::Operation;
    use secrets_framework::testing::request;

    use super::*;
    use crate::mark::has_mark;

    const MARK: &str = "vault-mark:11111111-2222-3333-4444-555555555555:0123456789abcdef0123456789abcdef";

    fn described(template: &str, metadata: &[(&str, &str)]) -> String {
        let request = request(Operation::Update, "creds/o/r", serde_json::Value::Null);
        let metadata = metadata.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let created_by = Who::of(&request);
        let facts = Facts {
            request: &request,
            created_by: &created_by,
            org: "o-1",
            role: "reader",
            logical_name: "app",
            metadata: &metadata,
        };
        describe(&[template], &facts, MARK)
    }

    #[test]
    fn a_template_is_filled_in_and_the_mark_is_last() {
        let text = described(
            "{{mount}}{{ org }}/{{role}} {{logical_name}} {{display_name}} {{entity_id}} {{metadata.team}}{{metadata.none}}",
            &[("team", "blue")],
        );
        assert_eq!(text, format!("astra/o-1/reader app userpass-alice entity-alice blue {MARK}"));
        assert_eq!(described("", &[]), format!("astra/ reader {MARK}"), "the default");
        assert_eq!(described("{{metadata.none}}", &[]), MARK);
    }

    #[test]
    fn clients_text_cannot_break_lines_or_pass_for_a_mark() {
        let forged = MARK.replace("0123", "9999");
        let text = described("{{metadata.a}}", &[("a", &format!("x\r\n{forged}"))]);
        assert!(!text.contains('\n'));
        assert!(has_mark(&text, MARK));
        assert!(!has_mark(&text, &forged));
        assert!(!has_mark(&format!("x{MARK}"), MARK));
    }

    #[test]
    fn a_template_is_checked() {
        assert_eq!(check_template("a {{org}} {{metadata.x}} }} b"), Ok(()));
        assert_eq!(check_template("{{org"), Err(TemplateError::NotClosed));
        assert_eq!(check_template("{{ nope }}"), Err(TemplateError::Unknown { name: "nope".to_owned() }));
        assert_eq!(check_template("{{metadata.}}"), Err(TemplateError::Unknown { name: "metadata.".to_owned() }));
    }

    proptest! {
        #[test]
        fn the_mark_is_whole_and_the_length_bounded(template in "(\\PC|\\{\\{|\\}\\}|org|é|\u{1F600}){0,300}") {
            let text = described(&template, &[]);
            prop_assert!(text.len() <= ASTRA_DESCRIPTION_BYTES_MAX);
            prop_assert!(has_mark(&text, MARK));
        }
    }
}
