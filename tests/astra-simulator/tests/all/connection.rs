//! Faults of the connection, on the wire, and the counters of connections.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use astra_simulator::{Action, Effect, FaultRule, ResetAt, Settings, Simulator};

use crate::client::{Api, CURRENT_ORG, connect, current_org_request, eventually, exchange, start};

const NOT_DONE: Effect = Effect::NotDone;

fn request(simulator: &Simulator) -> Vec<u8> {
    current_org_request(&simulator.organization(0).bootstrap.token)
}

#[test]
fn a_reset_before_the_answer_is_an_rst_without_a_byte() {
    let astra = start();
    let reset = Action::Reset { at: ResetAt::BeforeAnswer, effect: NOT_DONE };
    astra.fault(FaultRule::new(reset));
    let (read, end) = exchange(&mut connect(&astra), &request(&astra));
    assert_eq!(read, "");
    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_reset_during_the_answer_comes_after_half_of_it() {
    let astra = start();
    let reset = Action::Reset { at: ResetAt::DuringAnswer, effect: Effect::Done };
    astra.fault(FaultRule::new(reset));
    let (read, end) = exchange(&mut connect(&astra), &request(&astra));
    assert!(read.starts_with("HTTP/1.1 200 OK\r\n"), "{read}");
    let (head, body) = read.split_once("\r\n\r\n").unwrap();
    let (_, length) = head.split_once("content-length: ").unwrap();
    assert_eq!(length.parse::<usize>().unwrap() / 2, body.len());
    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_half_closed_connection_ends_without_an_answer() {
    let astra = start();
    astra.fault(FaultRule::new(Action::HalfClose { effect: NOT_DONE }));
    let mut stream = connect(&astra);
    let (read, end) = exchange(&mut stream, &request(&astra));
    assert_eq!((read.as_str(), end.is_ok()), ("", true));
    // The other half is still read: writing works.
    let (_, again) = exchange(&mut stream, b"more");
    assert!(again.is_ok());
    assert_eq!(astra.connections().open, 1);
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let astra = start();
    astra.fault(FaultRule::new(Action::CloseIdle { after_ms: 20 }).first(1));
    let (read, end) = exchange(&mut connect(&astra), &request(&astra));
    assert!(read.starts_with("HTTP/1.1 200 OK\r\n") && !read.contains("connection: close"));
    assert!(end.is_ok());
    assert!(astra.requests()[0].told);
}

#[test]
fn the_listener_is_turned_off_and_on_at_the_same_port() {
    let astra = start();
    let mut open = connect(&astra);
    let closing = String::from_utf8(request(&astra)).unwrap();
    let closing = closing.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    // A round trip, so that the connection is known to be accepted.
    wait_for(|| astra.connections().open == 1);
    astra.listener_off();
    let address = astra.url().trim_start_matches("http://").to_owned();
    let refused = std::net::TcpStream::connect(&address).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let (read, _) = exchange(&mut open, closing.as_bytes());
    assert!(read.starts_with("HTTP/1.1 200 OK\r\n"));
    astra.listener_on();
    let (read, _) = exchange(&mut connect(&astra), closing.as_bytes());
    assert!(read.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn all_connections_can_be_dropped() {
    let astra = start();
    let mut idle = connect(&astra);
    wait_for(|| astra.connections().open == 1);
    astra.drop_connections();
    let (read, _) = exchange(&mut idle, b"");
    assert_eq!(read, "");
    assert_eq!(astra.connections().open, 1, "the client has not closed yet");
    drop(idle);
    wait_for(|| astra.connections().open == 0);
}

#[test]
fn a_connect_can_be_held_back() {
    let settings = Settings { connect_delay_ms: (40, 50), ..Settings::default() };
    let astra = Simulator::start(settings).unwrap();
    let closing = b"GET / HTTP/1.0\r\nhost: x\r\n\r\n";
    let before = Instant::now();
    exchange(&mut connect(&astra), closing).1.unwrap();
    assert!(before.elapsed() >= Duration::from_millis(40));
    astra.set_connect_delay_ms(0, 0);
    exchange(&mut connect(&astra), closing).1.unwrap();
    assert_eq!(astra.request_count(), 2);
}

#[test]
fn bad_framing_is_refused_and_held_against_the_client() {
    let astra = start();
    let (read, _) = exchange(&mut connect(&astra), b"GET / HTTP/3\r\n\r\n");
    assert!(read.starts_with("HTTP/1.1 400 "), "{read}");
    assert!(astra.violations()[0].problem.starts_with("bad framing"));
}

#[tokio::test]
async fn connections_are_kept_alive_and_counted() {
    let astra = start();
    let api = Api::of(&astra, 0);
    for _ in 0..5 {
        assert_eq!(api.get(CURRENT_ORG).await.status, 200);
    }
    let counts = astra.connections();
    assert_eq!((counts.accepted, counts.open, counts.open_max), (1, 1, 1));

    // Five at once, each held back, need five connections.
    astra.fault(FaultRule::new(Action::Delay { from_ms: 100, to_ms: 100 }));
    let all = (0..5).map(|_| {
        let api = api.clone();
        tokio::spawn(async move { api.get(CURRENT_ORG).await.status })
    });
    for one in all.collect::<Vec<_>>() {
        assert_eq!(one.await.unwrap(), 200);
    }
    assert_eq!((astra.connections().accepted, astra.connections().open_max), (5, 5));
    let connections: Vec<u64> = astra.requests().iter().map(|one| one.connection).collect();
    assert_eq!(connections.iter().max(), Some(&5));
    drop(api);
    eventually(|| astra.connections().open == 0).await;
    astra.reset();
    assert_eq!((astra.connections().accepted, astra.connections().open_max), (0, 0));
}

#[test]
fn connections_are_bounded() {
    let astra = start();
    let bound = astra_simulator::limits::CONNECTIONS_MAX;
    let held: Vec<_> = (0..bound).map(|_| connect(&astra)).collect();
    wait_for(|| astra.connections().open == bound);
    let (read, _) = exchange(&mut connect(&astra), b"");
    assert_eq!(read, "");
    assert_eq!(astra.connections().open_max, bound);
    drop(held);
}

fn wait_for(condition: impl Fn() -> bool) {
    let before = Instant::now();
    while !condition() {
        assert!(before.elapsed() < Duration::from_secs(20), "it did not happen");
        std::thread::yield_now();
    }
}
