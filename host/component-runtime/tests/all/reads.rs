//! Reads of several entries in one call: they are like as many single reads, but faster, and have the same limits. And
//! pages of a list from a server that lists whole folders only.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use component_runtime::Limits;
use tokio::time::sleep;

use crate::support::{MemoryStorage, answer, limits, load, mount, on_each_scheduler, runtime};

/// The guest's report of one call for these keys, and the storage.
async fn read(limits: Limits, stored: &[(&str, &str)], keys: &[&str]) -> (String, Arc<MemoryStorage>) {
    let runtime = runtime(limits, &[]);
    let storage = Arc::new(MemoryStorage::default());
    let stored = stored.iter().map(|&(key, value)| (key.to_owned(), value.as_bytes().to_vec()));
    storage.entries.lock().unwrap().extend(stored);
    let module = load(&runtime, "good").await;
    let told = answer(&module, &mount(&runtime, "m", &storage), &format!("many/{}", keys.join(","))).await.unwrap();
    (told, storage)
}

const STORED: [(&str, &str); 3] = [("a", "1"), ("b/bb", "22"), ("cc/ccc/cccc", "333")];

#[test]
fn entries_come_in_the_order_of_their_keys_however_long_each_takes() {
    on_each_scheduler(|| async {
        let keys = ["cc/ccc/cccc", "a", "none", "b/bb", "a"];
        let (told, storage) = read(limits(), &STORED, &keys).await;
        assert_eq!(told, r#"Ok([Some("333"), Some("1"), None, Some("22"), Some("1")])"#);
        assert_eq!(storage.read_at_once.load(Ordering::SeqCst), keys.len());
    });
}

#[test]
fn reads_beyond_some_take_turns() {
    on_each_scheduler(|| async {
        let keys: Vec<_> = (0..600).map(|number| format!("{:0>width$}", number, width = 1 + number % 7)).collect();
        let stored: Vec<_> = keys.iter().map(|key| (key.as_str(), key.as_str())).collect();
        let asked: Vec<_> = keys.iter().map(String::as_str).collect();
        let (told, storage) = read(limits(), &stored, &asked).await;
        let values: Vec<_> = keys.iter().map(Some).collect();
        assert_eq!(told, format!("Ok({values:?})"));
        assert_eq!(storage.read_at_once.load(Ordering::SeqCst), 32);
    });
}

#[test]
fn the_budget_of_a_mount_admits_some_at_once() {
    on_each_scheduler(|| async {
        // What is used does not refill within this test.
        let limits = Limits { storage_calls_burst: 64, storage_calls_per_second_and_core: 1, ..limits() };
        let runtime = runtime(limits, &[]);
        let storage = Arc::new(MemoryStorage::default());
        let (module, mount) = (load(&runtime, "good").await, mount(&runtime, "m", &storage));
        let path = format!("many/{}", ["a"; 600].join(","));
        let asked = answer(&module, &mount, &path);
        let admitted = async {
            let reads = || storage.reads.load(Ordering::SeqCst);
            while reads() < 128 {
                sleep(Duration::from_millis(1)).await;
            }
            sleep(Duration::from_millis(50)).await;
            assert_eq!(reads(), 128, "64 that the burst covers, and as many before the debt was seen");
        };
        tokio::select! {
            answer = asked => panic!("{answer:?} came before the debt was paid"),
            () = admitted => {}
        }
    });
}

#[test]
fn each_key_is_a_call_and_none_is_sent_beyond_the_limit() {
    on_each_scheduler(|| async {
        let limits = Limits { storage_calls_max: 3, ..limits() };
        let (told, _) = read(limits.clone(), &STORED, &["a", "a", "a"]).await;
        assert_eq!(told, r#"Ok([Some("1"), Some("1"), Some("1")])"#);
        let (told, storage) = read(limits, &STORED, &["a", "a", "a", "a"]).await;
        assert_eq!(told, r#"Err(Error::Limit("limit of 3 storage calls reached"))"#);
        assert_eq!(storage.reads.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn the_bytes_of_all_are_counted_as_they_come() {
    on_each_scheduler(|| async {
        let limits = Limits { storage_bytes_max: 5, ..limits() };
        let (told, _) = read(limits.clone(), &STORED, &["cc/ccc/cccc", "b/bb"]).await;
        assert_eq!(told, r#"Ok([Some("333"), Some("22")])"#);
        // The second entry exceeds the limit, and a read that has not begun by then never begins.
        let (told, storage) = read(limits, &STORED, &["cc/ccc/cccc"; 100]).await;
        assert_eq!(told, r#"Err(Error::Limit("limit of 5 bytes read from and written to storage reached"))"#);
        assert!(storage.reads.load(Ordering::SeqCst) < 40);
    });
}

#[test]
fn the_error_of_one_is_the_answer() {
    on_each_scheduler(|| async {
        let (told, _) = read(limits(), &STORED, &["a", "broken", "b/bb"]).await;
        assert_eq!(told, r#"Err(Error::Failed("a broken disk"))"#);
    });
}

#[test]
fn each_key_stays_below_the_mount() {
    on_each_scheduler(|| async {
        for (key, text) in [
            ("../other/secret", "a storage key has no leading `/` and no segment `..`"),
            ("/a", "a storage key has no leading `/` and no segment `..`"),
            ("b/", "a storage key is not empty and does not end in `/`"),
            ("", "a storage key is not empty and does not end in `/`"),
        ] {
            let (told, _) = read(limits(), &STORED, &["a", key]).await;
            assert_eq!(told, format!("Err(Error::Failed({text:?}))"), "{key}");
        }
    });
}

#[test]
fn a_server_without_pages_sends_a_folder_once_until_a_write_or_a_lock() {
    on_each_scheduler(|| async {
        let rows = [
            ("fnn", r#"["x", "y", "z"]"#, 1),
            // Later pages come from one list; a first page comes from the server.
            ("fnf", r#"["x", "y", "x"]"#, 2),
            // The guest's own writes are visible, and after a lock those of others.
            ("fwn", r#"["x", "y"]"#, 2),
            ("wfdn", r#"["w", "x"]"#, 2),
            ("fln", r#"["x", "y"]"#, 2),
        ];
        for (steps, expected, lists) in rows {
            let runtime = runtime(limits(), &[]);
            let storage = Arc::new(MemoryStorage::default());
            storage.is_without_pages.store(true, Ordering::SeqCst);
            let stored = ["a/x", "a/y", "a/z"].map(|key| (key.to_owned(), Vec::new()));
            storage.entries.lock().unwrap().extend(stored);
            let module = load(&runtime, "good").await;
            let told = answer(&module, &mount(&runtime, "m", &storage), &format!("pages/{steps}")).await.unwrap();
            assert_eq!((told.as_str(), storage.lists.load(Ordering::SeqCst)), (expected, lists), "{steps}");
        }
    });
}
