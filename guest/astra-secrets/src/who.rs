//! Who a request came from, as far as the server told: the server names nobody
//! on a renewal, a revocation or a rollback call.

use secrets_framework::{Context, Request};
use serde::{Deserialize, Serialize};

use crate::events::{self, Event};
use crate::limits::WHO_BYTES_MAX;

/// Who had something done to a token.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Who {
    /// Display name of the client's token.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) display_name: String,
    /// Identity entity.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) entity_id: String,
    /// Name of that entity; only of who had a token made, and as the name was then.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) entity_name: String,
    /// Accessor of the client's token.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) accessor: String,
    /// The request, as the audit log names it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) request_id: String,
    /// Address of the client.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) remote_address: String,
}

impl Who {
    /// Who sent a request.
    pub(crate) fn of(request: &Request) -> Self {
        let identity = &request.identity;
        Self {
            display_name: bounded(&identity.display_name),
            entity_id: bounded(&identity.entity_id),
            entity_name: String::new(),
            accessor: bounded(&identity.token_accessor),
            request_id: bounded(&request.id),
            remote_address: bounded(&identity.remote_address),
        }
    }

    /// Logs what they had done.
    pub(crate) fn log(&self, context: &Context<'_>, event: &Event, fields: &[(&str, &str)]) {
        let by = [
            ("display_name", self.display_name.as_str()),
            ("entity_id", &self.entity_id),
            ("request_id", &context.request.id),
        ];
        event.log(context, &[fields, &by].concat());
    }

    /// Bytes of all its texts.
    pub(crate) fn bytes(&self) -> usize {
        let Self { display_name, entity_id, entity_name, accessor, request_id, remote_address } = self;
        [display_name, entity_id, entity_name, accessor, request_id, remote_address].map(String::len).iter().sum()
    }
}

/// Who has a token made by the request, with the name of the entity. A server that does not tell the name stops no mint.
pub(crate) fn creator(context: &Context<'_>) -> Who {
    let who = Who::of(context.request);
    if who.entity_id.is_empty() {
        return who;
    }
    match context.host.system_view().entity_name(&context.request.identity.entity_id) {
        Ok(name) => Who { entity_name: bounded(&name.unwrap_or_default()), ..who },
        Err(error) => {
            let fields = [("entity_id", who.entity_id.as_str()), ("error", &error.to_string())];
            events::ENTITY_NAME_UNKNOWN.log(context, &fields);
            who
        }
    }
}

fn bounded(text: &str) -> String {
    let end = text.floor_char_boundary(WHO_BYTES_MAX);
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use secrets_framework::Operation;
    use secrets_framework::testing::request;
    use serde_json::Value;

    use super::*;

    #[test]
    fn each_text_is_cut_at_its_limit_and_between_characters() {
        let mut request = request(Operation::Read, "x", Value::Null);
        request.identity.display_name = format!("{}é", "a".repeat(WHO_BYTES_MAX - 1));
        request.identity.entity_id = "e".repeat(WHO_BYTES_MAX + 1);
        let who = Who::of(&request);
        assert_eq!((who.display_name.len(), who.entity_id.len()), (WHO_BYTES_MAX - 1, WHO_BYTES_MAX));
    }
}
