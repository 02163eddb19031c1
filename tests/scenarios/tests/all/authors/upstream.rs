//! What the engines of the templates ask: a service that knows how often a visitor was there.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
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

    /// The paths of all GETs so far, and of each other request its method, path and body.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(mut stream: &TcpStream, token: &str, asked: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let lines: Vec<String> =
        reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let length = lines.iter().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or_default()];
    reader.read_exact(&mut body)?;
    let (method, path) = lines.first().and_then(|line| line.split_once(' ')).unwrap_or_default();
    let path = path.trim_end_matches(" HTTP/1.1");
    let request =
        if method == "GET" { path.to_owned() } else { format!("{method} {path} {}", String::from_utf8_lossy(&body)) };
    asked.lock().unwrap().push(request);
    let is_ours = lines.iter().any(|line| line.eq_ignore_ascii_case(&format!("authorization: Bearer {token}")));
    let (status, body) = match path.strip_prefix("/visitors/") {
        _ if !is_ours => (401, ""),
        Some("nobody") | None => (404, ""),
        Some(_) => (200, r#"{"visits": 3}"#),
    };
    let length = body.len();
    write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}
