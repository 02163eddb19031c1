//! What requests share: locks and transactions are given back however a request ends, and mounts stay apart.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use component_runtime::{InvokeError, Limits};

use crate::support::{MemoryStorage, answer, limits, load, mount, on_each_scheduler, runtime};

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
fn a_lock_that_is_not_had_is_told_after_a_bounded_wait() {
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
