//! Guests that make the host hold memory. The account of their request counts all of it, and request, mount and process
//! each have a limit.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use component_runtime::{InvokeError, Limits, MemoryLimit};
use envelope::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::{
    MemoryStorage, TestRuntime, answer, limits, load, mount, on_each_scheduler, request, runtime, runtime_that_holds,
};

const MIB: usize = 1024 * 1024;

/// Enough time for requests that reach another limit, and a short wait for a late refusal. Filling memory puts no mount in
/// debt: on a busy machine, requests of mounts in debt hardly run.
fn patient() -> Limits {
    let second = Duration::from_secs(1);
    let processor_time = second * 30;
    Limits { processor_time, processor_burst_per_mount: processor_time, permit_wait: second / 5, ..limits() }
}

/// A limit of 8 MiB for a request.
fn small() -> Limits {
    Limits { request_memory_bytes_max: 8 * MIB, ..patient() }
}

fn of_request(mib: usize) -> InvokeError {
    InvokeError::Limit { limit: format!("{mib} MiB of memory, with what the host holds for the request") }
}

/// A storage with 1,000 entries of 20 KiB.
fn full_storage() -> Arc<MemoryStorage> {
    let storage = MemoryStorage::default();
    let entries = (0..1_000).map(|number| (format!("many/{number}"), vec![b'x'; 20 * 1024]));
    storage.entries.lock().unwrap().extend(entries);
    Arc::new(storage)
}

/// Asserts that no memory is held after the tasks of the request are gone.
async fn nothing_is_left(runtime: &TestRuntime) {
    let empty = async {
        while runtime.memory_held() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), empty).await.is_ok(), "{} are left", runtime.memory_held());
}

/// Answers each request with a head of some KiB, or does not answer.
async fn upstream(head: Option<&'static [u8]>) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut streams = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            streams.spawn(async move {
                let mut buffer = [0; 64 * 1024];
                while stream.read(&mut buffer).await.is_ok_and(|bytes| bytes > 0) {
                    if let Some(head) = head {
                        let _ = stream.write_all(head).await;
                    }
                }
            });
        }
    });
    (origin, serving)
}

#[test]
fn all_memory_that_the_host_holds_for_a_guest_is_on_its_requests_account() {
    on_each_scheduler(|| async {
        let runtime = runtime(small(), &[]);
        let (module, mount) = (load(&runtime, "hoard").await, mount(&runtime, "m", &full_storage()));
        for kind in ["fields", "copies", "paths", "entries", "answer"] {
            assert_eq!(answer(&module, &mount, &format!("x/{kind}")).await, Err(of_request(8)), "{kind}");
            nothing_is_left(&runtime).await;
        }
        // The request is as large as the limit before the guest has it.
        let large = envelope::Request { data: format!("{{\"a\":\"{}\"}}", "x".repeat(8 * MIB)), ..request("x/y") };
        assert_eq!(module.handle_request(&mount, large).await.err(), Some(of_request(8)));
        nothing_is_left(&runtime).await;
        assert_eq!(answer(&module, &mount, "x/y").await.unwrap(), "\"nothing\"");
    });
}

#[test]
fn an_entry_that_waits_to_be_written_is_on_the_account() {
    on_each_scheduler(|| async {
        for kind in ["write", "write_in_transaction"] {
            let limits = Limits { storage_calls_per_second_and_core: 1, storage_calls_burst: 1, ..patient() };
            let (runtime, storage) = (runtime(limits, &[]), Arc::default());
            let (module, mount) = (load(&runtime, "hoard").await, mount(&runtime, "m", &storage));
            let mut asking = JoinSet::new();
            asking.spawn({
                let mount = Arc::clone(&mount);
                async move { answer(&module, &mount, &format!("x/{kind}")).await }
            });
            // The value in the guest's memory, and twice in the host's.
            while mount.memory_held() < 3 * 8 * MIB {
                assert!(asking.try_join_next().is_none(), "{kind}: it was written without a wait on the account");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert!(!storage.entries.lock().unwrap().contains_key("large"), "{kind}");
            asking.shutdown().await;
            nothing_is_left(&runtime).await;
        }
    });
}

#[test]
fn a_list_that_is_kept_for_further_pages_is_on_the_account() {
    on_each_scheduler(|| async {
        let runtime = runtime(Limits { request_memory_bytes_max: 2 * MIB, ..patient() }, &[]);
        let storage = MemoryStorage::default();
        storage.is_without_pages.store(true, std::sync::atomic::Ordering::SeqCst);
        let name = |number| format!("many/{number}{}", "x".repeat(4_000));
        storage.entries.lock().unwrap().extend((0..1_000).map(|number| (name(number), vec![])));
        let module = load(&runtime, "hoard").await;
        let told = answer(&module, &mount(&runtime, "m", &Arc::new(storage)), "x/lists").await;
        assert_eq!(told, Err(of_request(2)));
        nothing_is_left(&runtime).await;
    });
}

#[test]
fn nine_hundred_bodies_whose_answers_are_never_taken_end_at_the_limit_of_their_request() {
    on_each_scheduler(|| async {
        let (origin, _serving) = upstream(None).await;
        let runtime = runtime(patient(), &[&origin]);
        let (module, mount) = (load(&runtime, "hoard").await, mount(&runtime, "m", &Arc::default()));
        let mut asking = JoinSet::new();
        asking.spawn({
            let (mount, path) = (Arc::clone(&mount), format!("x/bodies/{origin}"));
            async move { answer(&module, &mount, &path).await }
        });
        let mut most = 0;
        let told = loop {
            most = most.max(mount.memory_held());
            if let Some(told) = asking.try_join_next() {
                break told.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        assert_eq!(told, Err(of_request(192)));
        assert!((100 * MIB..=192 * MIB).contains(&most), "{most}");
        nothing_is_left(&runtime).await;
    });
}

#[test]
fn the_heads_of_answers_that_a_guest_keeps_are_on_the_account() {
    static HEAD: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let head =
        HEAD.get_or_init(|| format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-long: {}\r\n\r\n", "x".repeat(30_000)));
    on_each_scheduler(|| async {
        let (origin, _serving) = upstream(Some(head.as_bytes())).await;
        let runtime = runtime(Limits { request_memory_bytes_max: 4 * MIB, ..patient() }, &[&origin]);
        let (module, mount) = (load(&runtime, "hoard").await, mount(&runtime, "m", &Arc::default()));
        let told = answer(&module, &mount, &format!("x/answers/{origin}")).await;
        assert_eq!(told, Err(of_request(4)));
        nothing_is_left(&runtime).await;
    });
}

#[test]
fn an_answer_that_waits_until_it_may_go_out_is_held() {
    on_each_scheduler(|| async {
        let limits = Limits { large_message_bytes_per_second: 4 * MIB, large_message_burst_bytes: 1, ..patient() };
        let runtime = runtime(limits, &[]);
        let (module, mount) = (load(&runtime, "hoard").await, mount(&runtime, "m", &Arc::default()));
        let mut asking = JoinSet::new();
        for _ in 0..2 {
            let (module, mount) = (Arc::clone(&module), Arc::clone(&mount));
            asking.spawn(async move { module.handle_request(&mount, request("x/answer")).await });
        }
        let bytes = "{'text':''}".len() + 4 * MIB;
        // The text, and the value that is made from it to be sent.
        let waits = async {
            while runtime.memory_held() != 2 * bytes {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waits).await.unwrap();
        assert!(asking.join_all().await.iter().all(Result::is_ok));
        assert_eq!(runtime.memory_held(), 0);
    });
}

#[test]
fn a_large_request_of_a_mount_that_sent_too_many_waits_and_others_of_the_mount_do_not() {
    on_each_scheduler(|| async {
        // What is used does not refill within this test.
        let limits = Limits { large_message_bytes_per_second: 1, large_message_burst_bytes: 1, ..patient() };
        let runtime = runtime(limits, &[]);
        let (module, mount) = (load(&runtime, "good").await, mount(&runtime, "m", &Arc::default()));
        let (long, timeout) = ("x".repeat(64 * 1024), Some(Duration::from_millis(100)));
        let large = Request { data: format!("{{\"text\":\"{long}\"}}"), timeout, ..request("") };
        let of_headers = Request { headers: [("x-long".to_owned(), vec![long])].into(), timeout, ..request("") };
        assert!(module.handle_request(&mount, large.clone()).await.is_ok());
        for second in [large, of_headers] {
            let second = module.handle_request(&mount, second).await;
            assert_eq!(second, Err(InvokeError::Busy("large requests and answers of this mount")));
        }
        assert_eq!(runtime.memory_held(), 0);
        assert!(module.handle_request(&mount, request("")).await.is_ok(), "a small one");
    });
}

#[test]
fn an_answer_is_large_by_all_that_it_has() {
    on_each_scheduler(|| async {
        let limits = Limits { large_message_bytes_per_second: 1, large_message_burst_bytes: 1, ..patient() };
        let runtime = runtime(limits, &[]);
        let (module, mount) = (load(&runtime, "hoard").await, mount(&runtime, "m", &Arc::default()));
        let ask = || Request { timeout: Some(Duration::from_secs(1)), ..request("x/warnings") };
        assert!(module.handle_request(&mount, ask()).await.is_ok());
        let second = module.handle_request(&mount, ask()).await;
        assert_eq!(second, Err(InvokeError::Busy("large requests and answers of this mount")));
        assert_eq!(runtime.memory_held(), 0);
    });
}

/// A request that holds 50 MiB until the test ends it; the error if it is refused.
async fn holding(runtime: &TestRuntime, name: &str) -> Result<JoinSet<()>, InvokeError> {
    let (module, mount) = (load(runtime, "hold_memory").await, mount(runtime, name, &Arc::default()));
    let held_before = runtime.memory_held();
    let mut asking = JoinSet::new();
    let (sender, mut refused) = tokio::sync::oneshot::channel();
    asking.spawn(async move { drop(sender.send(answer(&module, &mount, "").await)) });
    let wait = async {
        loop {
            match refused.try_recv() {
                Ok(told) => return Err(told.unwrap_err()),
                Err(_) if runtime.memory_held() > held_before + 50 * MIB => return Ok(()),
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.unwrap()?;
    Ok(asking)
}

#[test]
fn a_mount_that_holds_all_it_may_is_refused_and_another_mount_is_served() {
    on_each_scheduler(|| async {
        // 64 MiB for each mount, less than its two requests need.
        let runtime = runtime_that_holds(128 * MIB, patient());
        let first = holding(&runtime, "m").await.unwrap();
        let second = holding(&runtime, "m").await;
        assert_eq!(second.err(), Some(InvokeError::Memory(MemoryLimit::Mount(64 * MIB))));
        let neighbour = mount(&runtime, "n", &Arc::default());
        assert_eq!(answer(&*load(&runtime, "good").await, &neighbour, "").await.unwrap(), "Ok(Ok(Some([49])))");
        drop(first);
        nothing_is_left(&runtime).await;
        drop(holding(&runtime, "m").await.unwrap());
    });
}

#[test]
fn the_process_has_a_ceiling_above_those_of_its_mounts() {
    on_each_scheduler(|| async {
        let runtime = runtime_that_holds(128 * MIB, patient());
        assert_eq!(runtime.memory_limit(), 128 * MIB);
        let _held = [holding(&runtime, "a").await.unwrap(), holding(&runtime, "b").await.unwrap()];
        let third = holding(&runtime, "c").await;
        assert_eq!(third.err(), Some(InvokeError::Memory(MemoryLimit::Process(128 * MIB))));
    });
}
