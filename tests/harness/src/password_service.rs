//! An HTTP service with users and passwords, as small as it can be: what the engine `http-passwords` makes leases for.
//!
//! POST `/users` makes a user, and DELETE `/users/:name` deletes one.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::limits::{CONDITION_DEADLINE, UPSTREAM_RESPONSE_BYTES_MAX};

/// What the service does with the POSTs and DELETEs that follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServicePlay {
    /// As it should.
    #[default]
    Well,
    /// Does what it is asked to do, and answers this status.
    ActAndAnswer(u16),
    /// Does nothing, and answers this status.
    Refuse(u16),
    /// Does what it is asked to do, and never answers.
    ActAndHang,
}

/// One request, as the service got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRequest {
    /// Method and path.
    pub line: String,
    /// All of the head.
    pub head: String,
    /// The body.
    pub body: String,
}

/// The service, until dropped.
pub struct PasswordService {
    url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    token: String,
    play: ServicePlay,
    users: BTreeMap<String, String>,
    requests: Vec<ServiceRequest>,
    is_over: bool,
}

impl PasswordService {
    /// Starts a service on loopback that wants this bearer token.
    ///
    /// # Panics
    /// When it cannot listen.
    #[expect(clippy::expect_used, reason = "a test without sockets can do nothing")]
    pub fn start(token: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener on loopback");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let state = Arc::new(Mutex::new(State { token: token.to_owned(), ..State::default() }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if lock(&shared).is_over {
                    return;
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || drop(serve(&stream, &shared)));
            }
        });
        Self { url, state }
    }

    /// Its base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sets what it does from now on.
    pub fn play(&self, play: ServicePlay) {
        lock(&self.state).play = play;
    }

    /// The names of its users.
    pub fn users(&self) -> Vec<String> {
        lock(&self.state).users.keys().cloned().collect()
    }

    /// Forgets all users, as a service restored from an old copy does.
    pub fn lose_users(&self) {
        lock(&self.state).users.clear();
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<ServiceRequest> {
        lock(&self.state).requests.clone()
    }

    /// Does it accept a user with a password?
    pub fn accepts(&self, username: &str, password: &str) -> bool {
        lock(&self.state).users.get(username).is_some_and(|own| own == password)
    }
}

impl Drop for PasswordService {
    fn drop(&mut self) {
        lock(&self.state).is_over = true;
        // Wakes the thread that accepts; if nobody listens, the thread has ended.
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
    }
}

/// Reads one request and answers it.
fn serve(mut stream: &TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(CONDITION_DEADLINE))?;
    let mut reader = BufReader::new(stream.take(UPSTREAM_RESPONSE_BYTES_MAX as u64));
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let mut body = vec![0; header(&head, "content-length").parse().unwrap_or_default()];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8_lossy(&body).into_owned();
    match lock(state).answer(&head, &body) {
        Some(status) => {
            write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        }
        None => {
            // Until the client closes its end.
            reader.read_to_end(&mut Vec::new()).map(drop)
        }
    }
}

impl State {
    /// Does what a request asks for. None = no answer.
    fn answer(&mut self, head: &str, body: &str) -> Option<u16> {
        let line = head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
        self.requests.push(ServiceRequest { line: line.clone(), head: head.to_owned(), body: body.to_owned() });
        let (method, path) = line.split_once(' ').unwrap_or_default();
        if header(head, "authorization") != format!("Bearer {}", self.token) {
            return Some(401);
        }
        if let ServicePlay::Refuse(status) = self.play {
            return Some(status);
        }
        let status = match (method, path.strip_prefix("/users")) {
            ("POST", Some("")) => self.make(body),
            ("DELETE", Some(name)) => {
                let known = self.users.remove(name.trim_start_matches('/'));
                if known.is_some() { 204 } else { 404 }
            }
            _ => 404,
        };
        match self.play {
            ServicePlay::ActAndAnswer(status) => Some(status),
            ServicePlay::ActAndHang => None,
            ServicePlay::Well | ServicePlay::Refuse(_) => Some(status),
        }
    }

    fn make(&mut self, body: &str) -> u16 {
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        let (Some(name), Some(password)) = (body["username"].as_str(), body["password"].as_str()) else { return 400 };
        if self.users.contains_key(name) {
            return 409;
        }
        self.users.insert(name.to_owned(), password.to_owned());
        201
    }
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.into_iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).unwrap_or_default()
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
