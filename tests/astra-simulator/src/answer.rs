//! Answers as values: status, content type, body, and what the call changed. Error bodies come in
//! every shape that was ever recorded.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::switches::ErrorShape;

/// An answer before it is written, or damaged, or lost.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Besides `content-type`, `content-length` and `date`.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Bytes,
    /// Whether the call changed anything.
    pub(crate) changed: bool,
    /// The token that only this answer shows.
    pub(crate) made_token: Option<String>,
}

impl Answer {
    pub(crate) fn new(status: u16, content_type: Option<&str>, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content_type: content_type.map(str::to_owned),
            body: body.into(),
            changed: false,
            made_token: None,
        }
    }

    /// JSON with the content type that was seen live (VP, TS-log).
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, Some(JSON), body.to_string())
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self::new(status, None, Bytes::new())
    }

    /// The answer to a path or method nobody serves (CAULDRON, live 2026-09-13).
    pub(crate) fn page_not_found() -> Self {
        Self::new(404, Some("text/plain; charset=utf-8"), "404 page not found")
    }

    pub(crate) fn changed(mut self) -> Self {
        self.changed = true;
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn error(status: u16, shape: ErrorShape, id: u32, message: &str) -> Self {
        match shape {
            ErrorShape::Errors => Self::json(status, &json!({"errors": [{"ID": id, "message": message}]})),
            ErrorShape::Text => Self::json(status, &json!(message)),
            ErrorShape::Object => Self::json(status, &json!({"error": {"message": message}})),
            ErrorShape::Plain => Self::new(status, Some("text/plain"), message.to_owned()),
            ErrorShape::Null => Self::json(status, &Value::Null),
            ErrorShape::Empty => Self::empty(status),
            ErrorShape::DataPlane => Self::json(status, &json!({"description": message, "code": status})),
            ErrorShape::Html => Self::new(status, Some("text/html"), html(status)),
        }
    }
}

/// A page as a proxy between us and Astra sends it.
pub(crate) fn html(status: u16) -> String {
    format!(
        "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1>\
         </center>\r\n<hr><center>CloudFront</center>\r\n</body>\r\n</html>\r\n"
    )
}

pub(crate) const JSON: &str = "application/json; charset=UTF-8";
