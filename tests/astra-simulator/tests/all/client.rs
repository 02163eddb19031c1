//! What the tests share: a client with one token, and one that speaks bare TCP.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use astra_simulator::{Settings, Simulator};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

pub(crate) const TOKENS: &str = "/v2/clientIdSecrets";
pub(crate) const ROLES: &str = "/v2/organizations/roles";
pub(crate) const CURRENT_ORG: &str = "/v2/currentOrg";

/// Whether a text is what it should be.
pub(crate) type TextCheck = fn(&str) -> bool;

/// A client with a token and a connection pool of its own.
#[derive(Clone)]
pub(crate) struct Api {
    client: reqwest::Client,
    url: String,
    token: Option<String>,
}

/// Status and body of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) content_type: String,
    pub(crate) retry_after: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// The `ID` of the first error in an error object.
    pub(crate) fn error_id(&self) -> u64 {
        self.json()["errors"][0]["ID"].as_u64().unwrap()
    }
}

pub(crate) fn start() -> Simulator {
    Simulator::start(Settings::default()).unwrap()
}

impl Api {
    /// With the bootstrap token of the organization at this place.
    pub(crate) fn of(simulator: &Simulator, index: usize) -> Self {
        Self::with(simulator, Some(&simulator.organization(index).bootstrap.token))
    }

    pub(crate) fn with(simulator: &Simulator, token: Option<&str>) -> Self {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap();
        Self { client, url: simulator.url().to_owned(), token: token.map(str::to_owned) }
    }

    pub(crate) fn token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Reply, reqwest::Error> {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let header =
            |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap_or_default().to_owned());
        Ok(Reply {
            status: response.status(),
            content_type: header("content-type").unwrap_or_default(),
            retry_after: header("retry-after"),
            location: header("location"),
            text: String::from_utf8_lossy(&response.bytes().await?).into_owned(),
        })
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, path, Some(body)).await.unwrap()
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, None).await.unwrap()
    }

    /// Makes a token and expects that it worked.
    pub(crate) async fn mint(&self, role: &str, description: &str) -> Value {
        let body = json!({"roles": [role], "description": description});
        let reply = self.post(TOKENS, body).await;
        assert!(reply.status.is_success(), "{reply:?}");
        reply.json()
    }

    pub(crate) async fn revoke(&self, client_id: &str) -> Reply {
        self.delete(&format!("{TOKENS}/{client_id}")).await
    }

    /// The client IDs in the list.
    pub(crate) async fn listed(&self) -> Vec<String> {
        let list = self.get(TOKENS).await.json();
        let clients = list["clients"].as_array().unwrap();
        clients.iter().map(|client| client["clientId"].as_str().unwrap().to_owned()).collect()
    }
}

/// A role every organization has and the bootstrap token covers.
pub(crate) fn reader(simulator: &Simulator, index: usize) -> String {
    simulator.role_id(&simulator.organization(index).id, "RO User").unwrap()
}

pub(crate) fn connect(simulator: &Simulator) -> TcpStream {
    let address = simulator.url().trim_start_matches("http://").to_owned();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// The bytes of a GET of `/v2/currentOrg`.
pub(crate) fn current_org_request(token: &str) -> Vec<u8> {
    format!("GET {CURRENT_ORG} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n").into_bytes()
}

/// Sends bytes and reads until the other side ends, one way or the other.
pub(crate) fn exchange(stream: &mut TcpStream, bytes: &[u8]) -> (String, std::io::Result<()>) {
    stream.write_all(bytes).unwrap();
    let mut read = Vec::new();
    let mut chunk = [0; 4096];
    let end = loop {
        match stream.read(&mut chunk) {
            Ok(0) => break Ok(()),
            Ok(count) => read.extend_from_slice(&chunk[..count]),
            Err(error) => break Err(error),
        }
    };
    (String::from_utf8_lossy(&read).into_owned(), end)
}

/// Waits until the server has noticed what a client did.
pub(crate) async fn eventually(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap();
}
