//! Requests to the server: reads and lists below a mount.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use reqwest::header::{HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, StatusCode, redirect};
use serde_json::Value;
use thiserror::Error;

use crate::limits::{ANSWER_BYTES_MAX, CONNECT_TIMEOUT, REDIRECTS_MAX, REQUEST_TIMEOUT};
use crate::settings::Settings;
use crate::text::printable;

/// A request that got no usable answer.
#[derive(Debug, Error)]
pub enum ClientError {
    /// No client can be built from the settings.
    #[error("no connection can be made with these settings: {0}")]
    Settings(String),
    /// The request could not be sent, or got no answer.
    #[error("the server at {address} cannot be asked for `{path}`: {reason}")]
    NotSent {
        /// Address of the server.
        address: String,
        /// Path of the request.
        path: String,
        /// Chain of causes.
        reason: String,
    },
    /// The server answered 404.
    #[error("`{0}` is not there: is the mount's path right (`--mount`), and the organization's ID?")]
    NotFound(String),
    /// The server answered 403.
    #[error("the server refuses `{path}` (HTTP 403): the token needs a policy with `{capability}` on `{path}`{detail}")]
    Denied {
        /// Path of the request.
        path: String,
        /// The missing capability.
        capability: &'static str,
        /// Text of the server.
        detail: String,
    },
    /// The server answered with another error.
    #[error("the server answers `{path}` with HTTP {status}{detail}")]
    Refused {
        /// Path of the request.
        path: String,
        /// HTTP status.
        status: u16,
        /// Text of the server.
        detail: String,
    },
    /// The answer does not have the form of the engine's answers.
    #[error("the answer to `{path}` cannot be read: {reason}")]
    BadAnswer {
        /// Path of the request.
        path: String,
        /// The mistake in the answer.
        reason: String,
    },
}

/// An answer of the engine.
#[derive(Debug)]
pub struct Answer {
    /// Data of the answer.
    pub data: Value,
    /// Warnings of the answer.
    pub warnings: Vec<String>,
}

/// A connection to one server.
pub struct Client {
    http: reqwest::Client,
    settings: Settings,
}

/// Characters that have a meaning in a path or in a query.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'<')
    .add(b'=')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}');

impl Client {
    /// A client with these settings.
    ///
    /// # Errors
    /// When the TLS settings cannot be used.
    pub fn new(settings: Settings) -> Result<Self, ClientError> {
        let fault = |error: reqwest::Error| ClientError::Settings(reason_of(&error));
        let mut headers = HeaderMap::new();
        let mut header = |name: &'static str, value: &str| {
            let mut value = HeaderValue::from_str(value).map_err(|_| {
                let reason = format!("the value of the header `{name}` has a character that no header may have");
                ClientError::Settings(reason)
            })?;
            value.set_sensitive(name == TOKEN);
            headers.insert(name, value);
            Ok::<_, ClientError>(())
        };
        header(TOKEN, settings.token.expose())?;
        // Agents refuse requests without this header.
        header("x-vault-request", "true")?;
        if let Some(namespace) = &settings.namespace {
            header("x-vault-namespace", namespace)?;
        }
        let mut builder = reqwest::Client::builder()
            .default_headers(headers)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            // The client follows redirects itself, because the token must not go to another scheme.
            .redirect(redirect::Policy::none())
            .tls_danger_accept_invalid_certs(settings.skip_verify);
        if !settings.authorities.is_empty() {
            builder = builder.tls_certs_only(settings.authorities.iter().cloned());
        }
        if let Some(identity) = settings.identity.clone() {
            builder = builder.identity(identity);
        }
        Ok(Self { http: builder.build().map_err(fault)?, settings })
    }

    /// The address of the server.
    #[must_use]
    pub fn address(&self) -> &str {
        self.settings.address()
    }

    /// Reads a path with a query.
    ///
    /// # Errors
    /// Names the path, and why there is no answer.
    pub async fn read(&self, path: &str, query: &[(String, String)]) -> Result<Answer, ClientError> {
        self.ask(path, query, "read").await
    }

    /// The keys below a path.
    ///
    /// # Errors
    /// As [`Self::read`]. An empty list is not an error.
    pub async fn list(&self, path: &str) -> Result<Vec<String>, ClientError> {
        let query = [("list".to_owned(), "true".to_owned())];
        let answer = match self.ask(path, &query, "list").await {
            Err(ClientError::NotFound(_)) => return Ok(Vec::new()),
            answer => answer?,
        };
        let keys = answer.data.get("keys").and_then(Value::as_array).into_iter().flatten();
        Ok(keys.filter_map(Value::as_str).map(str::to_owned).collect())
    }

    async fn ask(
        &self,
        path: &str,
        query: &[(String, String)],
        capability: &'static str,
    ) -> Result<Answer, ClientError> {
        let not_sent = |reason: String| ClientError::NotSent {
            address: self.settings.address.clone(),
            path: path.to_owned(),
            reason,
        };
        let mut url = address_of(&self.settings.address, path, query);
        for _ in 0..=REDIRECTS_MAX {
            let sent = self.http.request(Method::GET, &url).send().await;
            let response = sent.map_err(|error| not_sent(reason_of(&error)))?;
            if response.status() != StatusCode::TEMPORARY_REDIRECT {
                let status = response.status();
                let body = body_of(response).await.map_err(not_sent)?;
                return answer_of(path, capability, status, &body);
            }
            let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
            let location = location.ok_or_else(|| not_sent("it redirects without saying where to".to_owned()))?;
            if url.starts_with("https://") && !location.starts_with("https://") {
                return Err(not_sent(
                    "it redirects from `https` to another scheme, where the token does not go".to_owned(),
                ));
            }
            url = location.to_owned();
        }
        Err(not_sent("it redirects again and again".to_owned()))
    }
}

const TOKEN: &str = "x-vault-token";

fn address_of(address: &str, path: &str, query: &[(String, String)]) -> String {
    let escaped = |text: &str| utf8_percent_encode(text, ESCAPED).to_string();
    let query: Vec<String> =
        query.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{address}/v1/{}{mark}{}", escaped(path), query.join("&"))
}

async fn body_of(mut response: reqwest::Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| reason_of(&error))? {
        if body.len() + piece.len() > ANSWER_BYTES_MAX {
            return Err(format!("its answer has more than {} MiB", ANSWER_BYTES_MAX >> 20));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn answer_of(path: &str, capability: &'static str, status: StatusCode, body: &[u8]) -> Result<Answer, ClientError> {
    let parsed: Option<Value> = serde_json::from_slice(body).ok();
    let texts = |name: &str| -> Vec<String> {
        let texts = parsed.as_ref().and_then(|body| body.get(name)?.as_array()).into_iter().flatten();
        texts.filter_map(Value::as_str).map(|text| printable(text.trim())).collect()
    };
    if status.is_success() {
        let data = parsed.as_ref().and_then(|body| body.get("data")).filter(|data| data.is_object()).cloned();
        let reason = || "it is no JSON object with `data`: is this the address of a server?".to_owned();
        let data = data.ok_or_else(|| ClientError::BadAnswer { path: path.to_owned(), reason: reason() })?;
        return Ok(Answer { data, warnings: texts("warnings") });
    }
    let errors = texts("errors");
    let detail = if errors.is_empty() { String::new() } else { format!(": {}", errors.join("; ")) };
    let path = path.to_owned();
    Err(match status.as_u16() {
        404 if errors.is_empty() => ClientError::NotFound(path),
        403 => ClientError::Denied { path, capability, detail },
        status => ClientError::Refused { path, status, detail },
    })
}

/// The chain of causes without the address, which the query makes long.
fn reason_of(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(error) = cause {
        causes.push(printable(&error.to_string()));
        cause = error.source();
    }
    match causes.is_empty() {
        true if error.is_timeout() => "it does not answer in time".to_owned(),
        true => "the request failed".to_owned(),
        false => causes.join(": "),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn characters_with_a_meaning_in_an_address_are_escaped() {
        let query = [("metadata.a&b".to_owned(), "1=2 #é".to_owned())];
        let url = address_of("http://x:1", "astra/report/o%1?", &query);
        assert_eq!(url, "http://x:1/v1/astra/report/o%251%3F?metadata.a%26b=1%3D2%20%23%C3%A9");
    }

    #[test]
    fn each_status_has_an_error_text_of_its_own() {
        let said = |status: u16, body: &str| {
            answer_of("astra/report", "read", StatusCode::from_u16(status).unwrap(), body.as_bytes())
                .unwrap_err()
                .to_string()
        };
        assert!(said(404, r#"{"errors":[]}"#).contains("`--mount`"));
        let denied = said(403, r#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#);
        assert!(denied.contains("`read` on `astra/report`") && denied.contains("permission denied"), "{denied}");
        assert!(said(400, r#"{"errors":["`kind` is `x`"]}"#).contains("HTTP 400: `kind` is `x`"));
        assert!(said(502, "<html>").ends_with("HTTP 502"));
        assert!(said(200, "hello").contains("address of a server"));
        assert!(said(503, r#"{"errors":["a\u001b[2J"]}"#).contains("a\\u{1b}[2J"));
        let answer = answer_of("x", "read", StatusCode::OK, br#"{"data":{"a":1},"warnings":["w"]}"#).unwrap();
        assert_eq!((answer.data["a"].as_u64(), answer.warnings), (Some(1), vec!["w".to_owned()]));
    }
}
