//! Locks and transactions that requests share: each is released however its request ends, and mounts do not affect each
//! other.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use component_runtime::{InvokeError, Limits};

use crate::support::{
    CountingView, MemoryStorage, answer, limits, load, mount, mount_viewed, on_each_scheduler, request, result, runtime,
};

#[test]
fn a_lock_is_released_however_its_request_ends() {
    on_each_scheduler(|| async {
        let runtime = runtime(Limits { request_deadline: Duration::from_secs(2), ..limits() }, &[]);
        let (rogue, good) = (load(&runtime, "lock_and_trap").await, load(&runtime, "good").await);
        let mount = mount(&runtime, "m", &Arc::default());
        for (path, is_expected) in [
            ("x/trap", (|outcome| matches!(outcome, Err(InvokeError::Trap(_)))) as fn(&_) -> bool),
            ("x/sleep", |outcome| matches!(outcome, Err(InvokeError::Deadline(_)))),
            ("x/return", |outcome| outcome.is_ok()),
        ] {
            let outcome = answer(&rogue, &mount, path).await;
            assert!(is_expected(&outcome), "{path}: {outcome:?}");
            assert_eq!(answer(&good, &mount, "lock/the lock").await.unwrap(), "Ok(())", "after {path}");
        }
    });
}

#[test]
fn a_lock_is_released_when_the_client_goes_away() {
    on_each_scheduler(|| async {
        let runtime = runtime(limits(), &[]);
        let (rogue, good) = (load(&runtime, "lock_and_trap").await, load(&runtime, "good").await);
        let mount = mount(&runtime, "m", &Arc::default());
        let mut holding = tokio::task::JoinSet::new();
        holding.spawn({
            let mount = Arc::clone(&mount);
            async move { drop(answer(&rogue, &mount, "x/sleep").await) }
        });
        while answer(&good, &mount, "lock/the lock").await.unwrap() == "Ok(())" {
            tokio::task::yield_now().await;
        }
        holding.shutdown().await;
        assert_eq!(answer(&good, &mount, "lock/the lock").await.unwrap(), "Ok(())");
    });
}

#[test]
fn a_lock_that_stays_held_fails_after_a_bounded_wait() {
    on_each_scheduler(|| async {
        let runtime = runtime(limits(), &[]);
        let module = load(&runtime, "lock_twice").await;
        let told = answer(&module, &mount(&runtime, "m", &Arc::default()), "").await.unwrap();
        assert_eq!(told, "Err(Error::TimedOut)");
    });
}

#[test]
fn mounts_of_one_uuid_share_their_locks_and_others_do_not() {
    on_each_scheduler(|| async {
        let runtime = runtime(limits(), &[]);
        let (rogue, good) = (load(&runtime, "lock_and_trap").await, load(&runtime, "good").await);
        let before = mount(&runtime, "m", &Arc::default());
        let mut holding = tokio::task::JoinSet::new();
        holding.spawn({
            let before = Arc::clone(&before);
            async move { drop(answer(&rogue, &before, "x/sleep").await) }
        });
        let (reloaded, other) = (mount(&runtime, "m", &Arc::default()), mount(&runtime, "n", &Arc::default()));
        while answer(&good, &reloaded, "lock/the lock").await.unwrap() == "Ok(())" {
            tokio::task::yield_now().await;
        }
        assert_eq!(answer(&good, &other, "lock/the lock").await.unwrap(), "Ok(())");
        holding.shutdown().await;
    });
}

#[test]
fn a_transaction_left_open_is_rolled_back() {
    on_each_scheduler(|| async {
        let runtime = runtime(limits(), &[]);
        let module = load(&runtime, "open_transaction").await;
        let storage = Arc::new(MemoryStorage::default());
        let mount = mount(&runtime, "m", &storage);
        assert!(matches!(answer(&module, &mount, "x/trap").await, Err(InvokeError::Trap(_))));
        assert_eq!(answer(&module, &mount, "x/forget").await.unwrap(), "\"left open\"");
        assert_eq!(storage.transactions_open.load(Ordering::SeqCst), 0);
        assert!(storage.entries.lock().unwrap().is_empty());
    });
}

#[test]
fn a_finished_transaction_is_refused() {
    on_each_scheduler(|| async {
        let runtime = runtime(limits(), &[]);
        let storage = Arc::new(MemoryStorage::default());
        let module = load(&runtime, "open_transaction").await;
        let told = answer(&module, &mount(&runtime, "m", &storage), "x/finished").await.unwrap();
        assert_eq!(told, "(Ok(()), Err(Error::Failed(\"the transaction is finished\")))");
        assert!(storage.entries.lock().unwrap().contains_key("left/open"));
    });
}

#[test]
fn a_guest_does_not_reach_other_mounts() {
    on_each_scheduler(|| async {
        let runtime = runtime(limits(), &[]);
        let (own, other) = (Arc::new(MemoryStorage::default()), Arc::new(MemoryStorage::default()));
        other.entries.lock().unwrap().insert("secret".to_owned(), b"canary".to_vec());
        let (own, _other) = (mount(&runtime, "own", &own), mount(&runtime, "other", &other));
        let module = load(&runtime, "read_other_mounts").await;
        let told = answer(&module, &own, "").await.unwrap();
        assert_eq!(told, "(0, 0, Ok(None))");
    });
}

#[test]
fn a_guest_neither_reaches_nor_sees_the_hosts_part_of_its_storage() {
    on_each_scheduler(|| async {
        let runtime = runtime(limits(), &[]);
        let storage = Arc::<MemoryStorage>::default();
        let module = "secrets-engine-host/module";
        for (key, value) in [("a", "1"), (module, "the host's"), ("z", "2")] {
            storage.entries.lock().unwrap().insert(key.into(), value.into());
        }
        let before = storage.entries.lock().unwrap().clone();
        let guest = load(&runtime, "touch_the_hosts_storage").await;
        let told = answer(&guest, &mount(&runtime, "m", &storage), "").await.unwrap();
        let refused = r#"Err(Error::Failed("storage below `secrets-engine-host/` is the host's own"))"#;
        assert_eq!(told, format!(r#"(false, Ok(["a", "z"]), Ok(["a", "z"]), {refused})"#));
        assert_eq!(*storage.entries.lock().unwrap(), before);
    });
}

#[test]
fn a_scratch_mount_reads_what_is_there_and_changes_nothing() {
    on_each_scheduler(|| async {
        let runtime = runtime(limits(), &["https://api.example.com"]);
        let storage = Arc::<MemoryStorage>::default();
        storage.entries.lock().unwrap().insert("good".into(), b"0".into());
        let mount = mount(&runtime, "m", &storage);
        let scratch = runtime.scratch(&mount);
        let good = load(&runtime, "good").await;

        let told = answer(&good, &scratch, "").await.unwrap();
        assert_eq!(told, r#"Err(Error::ReadOnly("cannot write to readonly storage"))"#);
        let told = answer(&good, &scratch, "get/https://api.example.com/").await.unwrap();
        assert_eq!(told, "ErrorCode::HttpRequestDenied");
        let transaction = load(&runtime, "open_transaction").await;
        let told = answer(&transaction, &scratch, "x/return").await.unwrap();
        assert_eq!(told, r#""not written""#);
        assert_eq!(storage.transactions_open.load(Ordering::SeqCst), 0);
        assert_eq!(storage.entries.lock().unwrap().get("good").unwrap(), b"0");
        // The scratch mount does not wait for a lock that the mount holds.
        let mut holding = tokio::task::JoinSet::new();
        let holding_guest = load(&runtime, "lock_and_trap").await;
        let held = Arc::clone(&mount);
        holding.spawn(async move { drop(holding_guest.handle_request(&held, request("x/sleep")).await) });
        while answer(&good, &mount, "lock/the lock").await.unwrap() == "Ok(())" {
            tokio::task::yield_now().await;
        }
        let told = good.handle_request(&scratch, request("lock/the lock")).await.unwrap();
        assert_eq!(result(told.as_ref()), "Ok(())");
        holding.shutdown().await;
    });
}

#[test]
fn calls_of_the_system_view_that_reach_the_server_are_in_the_share_of_their_mount() {
    on_each_scheduler(|| async {
        // Hardly anything refills within this test.
        let limits = Limits { storage_calls_burst: 40, storage_calls_per_second_and_core: 1, ..limits() };
        let runtime = runtime(limits, &[]);
        let module = load(&runtime, "good").await;
        // So many of the burst, of what the share admits before it has a debt, and of what refills meanwhile.
        for (letter, range) in [("t", 41..60), ("l", 41..60), ("r", 41..60), ("v", 41..60), ("p", 11..16)] {
            let view = Arc::<CountingView>::default();
            let mount = mount_viewed(&runtime, letter, &view);
            let path = format!("view/{}", letter.repeat(200));
            let stopped = async {
                while view.asked.load(Ordering::SeqCst) < range.start {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                // Calls that no share held back would come meanwhile.
                tokio::time::sleep(Duration::from_millis(100)).await;
            };
            let is_answered = tokio::select! {
                _ = answer(&module, &mount, &path) => true,
                () = stopped => false,
            };
            let asked = view.asked.load(Ordering::SeqCst);
            assert!(!is_answered && range.contains(&asked), "{letter}: the server was asked {asked} times");
        }
        // An answer that the host keeps is no call.
        for letter in ["d", "m", "e"] {
            let view = Arc::<CountingView>::default();
            let mount = mount_viewed(&runtime, letter, &view);
            let told = answer(&module, &mount, &format!("view/{}", letter.repeat(200))).await.unwrap();
            assert_eq!((told.as_str(), view.asked.load(Ordering::SeqCst)), ("200", 1), "{letter}");
        }
    });
}
