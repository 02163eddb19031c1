//! What the engines of the templates ask: a service that knows how often a visitor was there.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// The service, which answers as long as the test runs.
pub(super) struct Upstream {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    /// Starts a service on loopback that wants this bearer token.
    pub(super) fn start(token: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::default();
        let shared = Arc::clone(&asked);
        // Ends with the process of the test.
        thread::spawn(move || listener.incoming().flatten().for_each(|stream| drop(answer(&stream, token, &shared))));
        Self { url, asked }
    }

    /// The paths of all requests so far.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(mut stream: &TcpStream, token: &str, asked: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let lines: Vec<String> =
        BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let path = lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    asked.lock().unwrap().push(path.to_owned());
    let is_ours = lines.iter().any(|line| line.eq_ignore_ascii_case(&format!("authorization: Bearer {token}")));
    let (status, body) = match path.strip_prefix("/visitors/") {
        _ if !is_ours => (401, ""),
        Some("nobody") | None => (404, ""),
        Some(_) => (200, r#"{"visits": 3}"#),
    };
    let length = body.len();
    write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}
