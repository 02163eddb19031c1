//! The server's HTTP API.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;

use crate::limits::{FAILOVER_DEADLINE, POLL_INTERVAL, REQUEST_DEADLINE, SERVER_RESPONSE_BYTES_MAX};
use crate::outcome::unwrapped;
use crate::{HttpClient, LeaseInfo, Outcome};

/// One answer of the server.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body as JSON; null if it is not JSON.
    pub body: Value,
}

/// A client with a token.
#[derive(Clone)]
pub struct Client {
    http: HttpClient,
    address: String,
    token: String,
}

impl Client {
    /// A client of the server at an address, such as `http://127.0.0.1:8200`.
    pub fn new(address: &str, token: &str) -> Self {
        Self { http: HttpClient::new(SERVER_RESPONSE_BYTES_MAX), address: address.to_owned(), token: token.to_owned() }
    }

    /// A client of the same server with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// One request to `/v1/<path>` with further headers; the text of the failure if there is no answer.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn try_call(
        &self,
        method: &str,
        path: &str,
        body: &Value,
        headers: &[(&str, &str)],
        deadline: Duration,
    ) -> Result<Reply, String> {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.exchange(method, path, body, headers, deadline)
    }

    /// A POST to `/v1/<path>` with this text as its body, which need not be JSON.
    ///
    /// # Panics
    /// When the server does not answer.
    #[track_caller]
    pub fn post_text(&self, path: &str, body: &str) -> Reply {
        match self.exchange("POST", path, body.as_bytes().to_vec(), &[], REQUEST_DEADLINE) {
            Ok(reply) => reply,
            Err(failure) => panic!("POST {path}: {failure}"),
        }
    }

    /// A GET of `/v1/<path>` whose answer is text that the server passes on unchanged.
    ///
    /// # Panics
    /// When the server does not answer with 200 and text.
    #[track_caller]
    pub fn text(&self, path: &str) -> String {
        let token = HeaderValue::from_str(&self.token).unwrap_or_else(|_| panic!("not a token"));
        let headers = HeaderMap::from_iter([(HeaderName::from_static("x-vault-token"), token)]);
        let url = format!("{}/v1/{path}", self.address);
        let answer = match self.http.send(Method::GET, &url, headers, Vec::new(), REQUEST_DEADLINE) {
            Ok(answer) => answer,
            Err(failure) => panic!("GET {path}: {failure:?}"),
        };
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, 200, "GET {path}: {text}");
        text
    }

    fn exchange(
        &self,
        method: &str,
        path: &str,
        body: Vec<u8>,
        headers: &[(&str, &str)],
        deadline: Duration,
    ) -> Result<Reply, String> {
        let mut all = HeaderMap::new();
        for (name, value) in [("x-vault-token", self.token.as_str())].iter().chain(headers) {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string())?;
            all.insert(name, HeaderValue::from_str(value).map_err(|error| error.to_string())?);
        }
        let method = Method::from_bytes(method.as_bytes()).map_err(|error| error.to_string())?;
        let url = format!("{}/v1/{path}", self.address);
        let answer = self.http.send(method, &url, all, body, deadline).map_err(|failure| format!("{failure:?}"))?;
        let body = serde_json::from_slice(&answer.body).unwrap_or_default();
        Ok(Reply { status: answer.status, headers: answer.headers, body })
    }

    /// One request to `/v1/<path>`.
    ///
    /// # Panics
    /// When the server does not answer.
    #[track_caller]
    pub fn call(&self, method: &str, path: &str, body: &Value) -> Reply {
        self.call_with(method, path, body, &[])
    }

    /// One request to `/v1/<path>` with further headers. A cluster may change its leader at any time on a busy machine:
    /// a request that reached no active node is sent again, as clients do.
    ///
    /// # Panics
    /// When the server does not answer, or no node becomes active in time.
    #[track_caller]
    pub fn call_with(&self, method: &str, path: &str, body: &Value, headers: &[(&str, &str)]) -> Reply {
        let deadline = Instant::now() + FAILOVER_DEADLINE;
        loop {
            match self.try_call(method, path, body, headers, REQUEST_DEADLINE) {
                Ok(reply) if !reply.met_no_active_node() => return reply,
                Ok(reply) => assert!(Instant::now() < deadline, "{method} {path}: {} {}", reply.status, reply.body),
                Err(failure) => panic!("{method} {path}: {failure}"),
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// One request that must succeed.
    ///
    /// # Panics
    /// When the request fails.
    #[track_caller]
    pub fn must(&self, method: &str, path: &str, body: &Value) -> Value {
        let reply = self.call(method, path, body);
        assert!(reply.status < 300, "{method} {path}: {} {}", reply.status, reply.body);
        reply.body
    }
}

/// Texts of a node that is not active and knows no active node. Such a node has done nothing.
const NO_ACTIVE_NODE: [&str; 2] = ["local node not active but active cluster node not found", "is in standby mode"];

impl Reply {
    /// Did the node know no active node?
    pub fn met_no_active_node(&self) -> bool {
        let errors = self.outcome().errors;
        self.status >= 500 && errors.iter().any(|error| NO_ACTIVE_NODE.iter().any(|text| error.contains(text)))
    }

    /// The reply as an outcome of a scenario.
    pub fn outcome(&self) -> Outcome {
        let texts = |name: &str| -> Vec<String> {
            let list = self.body.get(name).and_then(Value::as_array).into_iter().flatten();
            list.filter_map(Value::as_str).map(unwrapped).collect()
        };
        Outcome {
            status: self.status,
            data: self.body.get("data").cloned().unwrap_or_default(),
            warnings: texts("warnings"),
            errors: texts("errors"),
            lease: self.lease(),
        }
    }

    fn lease(&self) -> Option<LeaseInfo> {
        let id = self.body.get("lease_id")?.as_str().filter(|id| !id.is_empty())?;
        Some(LeaseInfo {
            id: id.to_owned(),
            duration: self.body.get("lease_duration")?.as_u64()?,
            renewable: self.body.get("renewable")?.as_bool()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_node_without_an_active_one_is_asked_again() {
        let reply =
            |status, error: &str| Reply { status, headers: HeaderMap::new(), body: json!({ "errors": [error] }) };
        assert!(reply(500, "local node not active but active cluster node not found").met_no_active_node());
        for (status, error) in
            [(500, "internal error"), (503, "Vault is sealed"), (503, "too many requests"), (404, "")]
        {
            assert!(!reply(status, error).met_no_active_node(), "{status} {error}");
        }
    }
}
