//! Starting and stopping, in a thread and as a process.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use astra_simulator::{Settings, Simulator};
use serde_json::Value;

use crate::client::{connect, current_org_request, exchange, start};

#[test]
fn a_dropped_simulator_frees_its_port_and_ends_its_connections() {
    let astra = start();
    let address = astra.url().trim_start_matches("http://").to_owned();
    let mut idle = connect(&astra);
    let request = current_org_request(&astra.organization(0).bootstrap.token);
    drop(astra);
    assert!(TcpStream::connect(&address).is_err());
    let mut rest = Vec::new();
    // Either an end or a reset: nobody answers.
    let _reset = std::io::Write::write_all(&mut idle, &request);
    let _reset = idle.read_to_end(&mut rest);
    assert!(rest.is_empty());
}

#[test]
fn only_loopback_is_listened_on() {
    let settings = Settings { listen: "0.0.0.0:0".parse().unwrap(), ..Settings::default() };
    let refused = Simulator::start(settings).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn the_process_says_where_it_is_and_ends_with_its_standard_input() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_astra-simulator"))
        .args(["--organizations", "3", "--seed", "7", "--exit-with-stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = lines.next().unwrap().unwrap();
    let url = ready.strip_prefix("READY ").unwrap();
    let state: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(state["url"], url);
    let organizations = state["organizations"].as_array().unwrap();
    assert_eq!(organizations.len(), 3);

    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let request = current_org_request(organizations[2]["token"].as_str().unwrap());
    let closing = String::from_utf8(request).unwrap().replace("HTTP/1.1", "HTTP/1.0");
    let (answer, _) = exchange(&mut stream, closing.as_bytes());
    assert!(answer.contains(organizations[2]["id"].as_str().unwrap()), "{answer}");

    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn the_state_goes_to_a_file_of_its_owner() {
    use std::os::unix::fs::PermissionsExt;

    let path = std::env::temp_dir().join(format!("astra-simulator-{}.json", std::process::id()));
    let mut child = Command::new(env!("CARGO_BIN_EXE_astra-simulator"))
        .args(["--exit-with-stdin", "--state"])
        .arg(&path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("READY http://127.0.0.1:"));
    let state: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(state["organizations"].as_array().unwrap().len(), 2);
    assert_eq!(mode & 0o777, 0o600);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    // No second line: the tokens are in the file only.
    assert!(lines.next().is_none());
}
