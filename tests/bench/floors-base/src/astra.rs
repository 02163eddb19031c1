//! Calls to Astra by a plain HTTP client with kept-alive connections. No retries, no time limits, no TLS.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use plugin_protocol::Error;
use serde_json::{Value, json};

use crate::text;

/// The calls of one mount.
pub struct Astra {
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Default for Astra {
    fn default() -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http() }
    }
}

impl Astra {
    /// Makes a token for the organization of this config.
    ///
    /// # Errors
    /// When Astra does not make a token.
    pub async fn make(&self, config: &Value, role: &Value) -> Result<Value, Error> {
        let body = json!({ "roles": [text(role, "role_id")] }).to_string();
        let (status, answer) = self.call(Method::POST, config, "", body).await?;
        if !status.is_success() {
            return Err(failed(status));
        }
        serde_json::from_slice(&answer).map_err(failed)
    }

    /// Deletes a token.
    ///
    /// # Errors
    /// When Astra does not delete the token.
    pub async fn delete(&self, config: &Value, client_id: &str) -> Result<(), Error> {
        let (status, _) = self.call(Method::DELETE, config, &format!("/{client_id}"), String::new()).await?;
        if status.is_success() { Ok(()) } else { Err(failed(status)) }
    }

    async fn call(
        &self,
        method: Method,
        config: &Value,
        below: &str,
        body: String,
    ) -> Result<(StatusCode, Bytes), Error> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}/v2/clientIdSecrets{below}", text(config, "url")))
            .header("authorization", format!("Bearer {}", text(config, "astra_token")))
            .header("content-type", "application/json")
            .body(Full::from(body))
            .map_err(failed)?;
        let response = self.client.request(request).await.map_err(failed)?;
        let status = response.status();
        Ok((status, response.into_body().collect().await.map_err(failed)?.to_bytes()))
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Coded { code: 502, message: format!("Astra: {error}") }
}
