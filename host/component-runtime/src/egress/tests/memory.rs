//! The memory of a request and its answer is on the account of the sender.

use super::*;
use crate::memory_account::{MemoryLimit, ProcessMemory};

async fn post(mount: &MountEgress, url: &str, account: &Account) -> Result<Response<WasiBody>, Error> {
    let request = Request::builder().method(Method::POST).uri(url).body(body("12345")).unwrap();
    let (alive, surrogates) = (&alive(), &Surrogates::default());
    let sender = Sender { egress: mount, access: Access::Full, mount: "test/", alive, surrogates, account };
    send(&sender, request, RequestOptions::default(), Instant::now() + Duration::from_secs(60)).await
}

#[tokio::test]
async fn nothing_is_sent_of_a_request_for_whose_body_or_answer_there_is_no_memory() {
    let server = Server::start(keep_alive).await;
    let mount = server.mount(&EgressLimits::default());
    let process = ProcessMemory::new(0);
    for room in [4, 100_000] {
        let account = process.mount().account(room);
        let error = post(&mount, &server.url(), &account).await.unwrap_err();
        assert!(matches!(error, Error::ConnectionLimitReached), "{error:?}");
        assert_eq!(account.refused(), Some(MemoryLimit::Request(room)));
        assert_eq!(process.held(), 0);
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn an_answer_holds_its_window_until_it_is_dropped_and_its_head_until_the_request_ends() {
    const WINDOW: usize = 64 * 1024;
    let server = Server::start(keep_alive).await;
    let mount = server.mount(&EgressLimits::default());
    let process = ProcessMemory::new(0);
    let account = process.mount().account(usize::MAX);
    let answer = post(&mount, &server.url(), &account).await.unwrap();
    assert!((WINDOW..WINDOW + 1_024).contains(&process.held()), "{}", process.held());
    drop(answer);
    assert!((1..1_024).contains(&process.held()), "{}", process.held());
    drop(account);
    assert_eq!(process.held(), 0);
}
