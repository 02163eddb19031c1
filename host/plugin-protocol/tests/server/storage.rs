//! Storage, transactions and system view, of both servers.

use super::*;

#[tokio::test]
async fn entries_round_trip() {
    let storage = MemoryStorage::new(StorageKind::OpenBao);
    let (_plugin, mount) = mounted_on(&storage).await;
    for key in ["a", "dir/b", "dir/c"] {
        ask(&mount, Operation::Update, &format!("kv/{key}"), &json!({ "value": key })).await.unwrap();
    }
    let stored = storage.entries();
    assert_eq!(stored["dir/b"].value, b"dir/b");
    assert!(stored["dir/b"].seal_wrap);
    let expected = json!({ "value": "dir/b", "seal_wrap": true });
    assert_eq!(read(&mount, "kv/dir/b").await.unwrap(), Some(expected));
    let list = |path: &'static str| ask(&mount, Operation::List, path, &Value::Null);
    assert_eq!(list("kv/").await.unwrap().unwrap()["keys"], json!(["a", "dir/"]));
    assert_eq!(list("kv/dir/").await.unwrap().unwrap()["keys"], json!(["b", "c"]));
    ask(&mount, Operation::Delete, "kv/a", &Value::Null).await.unwrap();
    ask(&mount, Operation::Delete, "kv/a", &Value::Null).await.unwrap();
    assert!(read(&mount, "kv/a").await.unwrap().is_none());
}

#[tokio::test]
async fn pages_are_the_same_where_the_server_has_none() {
    for (kind, pages) in [(StorageKind::OpenBao, 4), (StorageKind::Vault, 1)] {
        let storage = MemoryStorage::new(kind);
        for key in ["p/a", "p/b", "p/c", "p/d/e"] {
            storage.write(StorageEntry { key: key.to_owned(), value: Vec::new(), seal_wrap: false });
        }
        let (_plugin, mount) = mounted_on(&storage).await;
        let rows =
            [("", 2, json!(["a", "b"])), ("b", 9, json!(["c", "d/"])), ("bb", 1, json!(["c"])), ("d/", 1, json!([]))];
        for (after, limit, expected) in rows {
            let page = json!({ "after": after, "limit": limit });
            let answer = ask(&mount, Operation::Read, "page/p/", &page).await.unwrap().unwrap();
            assert_eq!(answer["keys"], expected, "{kind:?} after {after}");
        }
        let none = ask(&mount, Operation::Read, "page/p/", &json!({ "after": "", "limit": 0 })).await.unwrap();
        assert_eq!(none.unwrap()["keys"], json!([]));
        // Vault is asked once; then it is known.
        assert_eq!(storage.calls("ListPage"), pages, "{kind:?}");
    }
}

#[tokio::test]
async fn a_mount_has_a_limited_number_of_lists_in_progress() {
    for (kind, call) in [(StorageKind::OpenBao, "ListPage"), (StorageKind::Vault, "List")] {
        let storage = MemoryStorage::new(kind);
        let (_plugin, mount) = mounted_on(&storage).await;
        let mount = std::sync::Arc::new(mount);
        storage.hold(&[call]);
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let mount = mount.clone();
            let page = json!({ "after": "", "limit": 1 });
            asking.spawn(async move { ask(&mount, Operation::Read, "page/p/", &page).await.is_ok() });
        }
        storage.until(|storage| storage.calls(call) >= 4).await;
        // A further one would come meanwhile, and another call does.
        assert!(read(&mount, "kv/a").await.unwrap().is_none());
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(storage.calls(call), 4, "{kind:?}");
        storage.hold(&[]);
        assert_eq!(asking.join_all().await, [true; 10]);
        assert_eq!((storage.calls(call), storage.calls_under_way()), (10, 0), "{kind:?}");
    }
}

#[tokio::test]
async fn a_mount_has_a_limited_number_of_reads_in_progress() {
    let storage = MemoryStorage::new(StorageKind::OpenBao);
    let (_plugin, mount) = mounted_on(&storage).await;
    let mount = std::sync::Arc::new(mount);
    storage.hold(&["Get"]);
    let mut asking = tokio::task::JoinSet::new();
    for number in 0..100 {
        let (mount, key) = (mount.clone(), format!("kv/{number}"));
        asking.spawn(async move { read(&mount, &key).await.is_ok() });
    }
    storage.until(|storage| storage.calls("Get") >= 64).await;
    // A further one would come meanwhile, and other calls do.
    assert!(ask(&mount, Operation::List, "kv/", &Value::Null).await.is_ok());
    assert!(ask(&mount, Operation::Update, "kv/a", &json!({ "value": "1" })).await.is_ok());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(storage.calls("Get"), 64);
    storage.hold(&[]);
    assert_eq!(asking.join_all().await, [true; 100]);
    assert_eq!((storage.calls("Get"), storage.calls_under_way()), (100, 0));
}

#[tokio::test]
async fn a_large_entry_is_read_in_the_places_of_lists() {
    let storage = MemoryStorage::new(StorageKind::OpenBao);
    // With its key, the first is as large as a reply to one of many reads may be.
    let sizes = [("small", (1 << 20) - 15), ("large", (1 << 20) - 14), ("largest", 8 << 20)];
    for (key, bytes) in sizes {
        storage.write(StorageEntry { key: key.to_owned(), value: vec![b'x'; bytes], seal_wrap: false });
    }
    let (_plugin, mount) = mounted_on(&storage).await;
    let mount = std::sync::Arc::new(mount);
    for ((key, bytes), calls) in sizes.into_iter().zip([1, 3, 5]) {
        let answer = read(&mount, &format!("kv/{key}")).await.unwrap().unwrap();
        assert_eq!((answer["value"].as_str().unwrap().len(), storage.calls("Get")), (bytes, calls), "{key}");
    }
    storage.hold(&["List"]);
    let mut asking = tokio::task::JoinSet::new();
    let mut start = |operation, path: &'static str| {
        let mount = mount.clone();
        asking.spawn(async move { ask(&mount, operation, path, &Value::Null).await.is_ok() });
    };
    (0..4).for_each(|_| start(Operation::List, "kv/"));
    storage.until(|storage| storage.calls("List") == 4).await;
    // More than there are places for small ones: those that wait for a large one have left theirs.
    (0..70).for_each(|_| start(Operation::Read, "kv/large"));
    storage.until(|storage| storage.calls("Get") == 75 && storage.calls_under_way() == 4).await;
    assert!(read(&mount, "kv/small").await.unwrap().is_some());
    assert_eq!(storage.calls("Get"), 76);
    storage.hold(&[]);
    assert_eq!(asking.join_all().await, [true; 74]);
    assert_eq!((storage.calls("Get"), storage.calls_under_way()), (146, 0));
}

#[tokio::test]
async fn transactions_commit_and_roll_back() {
    let storage = MemoryStorage::new(StorageKind::OpenBao);
    let (_plugin, mount) = mounted_on(&storage).await;
    let answer = read(&mount, "transaction/abandon").await.unwrap().unwrap();
    assert_eq!(answer, json!({ "transactions": true, "inside": ["a", "b"], "outside": false }));
    storage.until(|storage| storage.open_transactions() == 0).await;
    assert!(storage.entries().is_empty());
    read(&mount, "transaction/commit").await.unwrap();
    assert_eq!(storage.entries().keys().collect::<Vec<_>>(), ["a", "b"]);
    let error = backend_error(read(&mount, "transaction/conflict").await);
    assert_eq!(error, Error::Internal("conflict: transaction commit failed".into()));
    assert_eq!(storage.entries()["a"].value, b"of another");
    assert_eq!((storage.open_transactions(), storage.stale_calls(), storage.transactions_begun()), (0, 0, 3));
    assert_eq!(storage.calls("IsTransactional"), 1);
}

#[tokio::test]
async fn writes_wait_within_limits_and_all_of_them_arrive() {
    let storage = MemoryStorage::new(StorageKind::OpenBao);
    let (_plugin, mount) = mounted_on(&storage).await;
    read(&mount, "transaction/many").await.unwrap();
    assert_eq!(storage.entries().len(), 103);
    assert_eq!((storage.calls("Put"), storage.stale_calls(), storage.open_transactions()), (103, 0, 0));
}

#[tokio::test]
async fn nothing_is_committed_after_a_write_failed() {
    let storage = MemoryStorage::new(StorageKind::OpenBao);
    let (_plugin, mount) = mounted_on(&storage).await;
    storage.set_read_only(true);
    let answer = read(&mount, "transaction/careless").await.unwrap().unwrap();
    assert_eq!(answer["written"], Value::Null, "it waits until something must see it");
    assert_eq!(answer["seen"], "cannot write to readonly storage");
    assert_eq!(answer["committed"], "a write of the transaction failed");
    assert!(storage.entries().is_empty());
    assert_eq!((storage.stale_calls(), storage.open_transactions()), (0, 0));
}

#[tokio::test]
async fn servers_without_transactions_are_asked_once() {
    for (kind, asked) in [(StorageKind::Vault, 1), (StorageKind::OpenBaoWithoutTransactions, 1)] {
        let storage = MemoryStorage::new(kind);
        let (_plugin, mount) = mounted_on(&storage).await;
        assert_eq!(storage.calls("IsTransactional"), 0, "not before somebody needs it");
        for _ in 0..2 {
            let answer = read(&mount, "transaction/commit").await.unwrap().unwrap();
            assert_eq!(answer, json!({ "transactions": false }), "{kind:?}");
        }
        assert_eq!((storage.calls("IsTransactional"), storage.calls("BeginTx")), (asked, 0), "{kind:?}");
    }
}

#[tokio::test]
async fn a_request_given_up_leaves_no_transaction_open() {
    let storage = MemoryStorage::new(StorageKind::OpenBao);
    let (plugin, mount) = mounted_on(&storage).await;
    // While it does nothing.
    let mount = std::sync::Arc::new(mount);
    let start = |path: &'static str| {
        let mount = mount.clone();
        tokio::spawn(async move { read(&mount, path).await })
    };
    let hanging = start("transaction/hang");
    plugin.wait_for_log("a transaction hangs").await.unwrap();
    hanging.abort();
    storage.until(|storage| storage.open_transactions() == 0).await;
    // While its beginning, and while a call within it, is under way.
    for held_call in ["BeginTx", "Put"] {
        let (begun, held) = (storage.transactions_begun(), storage.calls(held_call));
        storage.hold(&[held_call]);
        let hanging = start("transaction/commit");
        storage.until(|storage| storage.calls(held_call) > held).await;
        hanging.abort();
        // The plugin has noticed that when it answers what came after. Its end must not overtake the call.
        for _ in 0..5 {
            assert!(read(&mount, "echo").await.unwrap().is_some());
        }
        storage.hold(&[]);
        storage.until(|storage| storage.transactions_begun() > begun && storage.open_transactions() == 0).await;
        storage.until(|storage| storage.calls_under_way() == 0).await;
    }
    assert_eq!((storage.stale_calls(), storage.cancelled_calls()), (0, 0));
}

/// At the server it would run outside any transaction.
#[tokio::test]
async fn a_call_that_waits_for_its_turn_when_the_transaction_ends_is_never_made() {
    let storage = MemoryStorage::new(StorageKind::OpenBao);
    let (_plugin, mount) = mounted_on(&storage).await;
    let mount = std::sync::Arc::new(mount);
    storage.hold(&["Get"]);
    let given_up = tokio::spawn({
        let mount = mount.clone();
        async move { read(&mount, "transaction/two-reads").await }
    });
    storage.until(|storage| storage.calls("Get") > 0).await;
    given_up.abort();
    // The plugin has noticed that, and ended the transaction, when it answers what came after.
    for _ in 0..5 {
        assert!(read(&mount, "echo").await.unwrap().is_some());
    }
    assert_eq!(storage.open_transactions(), 1, "its end does not overtake the read that is under way");
    storage.hold(&[]);
    storage.until(|storage| storage.open_transactions() == 0 && storage.calls_under_way() == 0).await;
    assert_eq!((storage.calls("Get"), storage.calls("Rollback"), storage.stale_calls()), (1, 1, 0));
    // Those whose caller is there are both made.
    let answer = read(&mount, "transaction/two-reads").await.unwrap().unwrap();
    assert_eq!((answer, storage.calls("Get")), (json!({ "first": true, "second": true }), 3));
}

#[tokio::test]
async fn a_read_that_is_given_up_is_cancelled_at_the_server() {
    let storage = MemoryStorage::new(StorageKind::OpenBao);
    let (_plugin, mount) = mounted_on(&storage).await;
    storage.hold(&["Get"]);
    let reading = tokio::spawn(async move { read(&mount, "kv/a").await });
    storage.until(|storage| storage.calls("Get") == 1).await;
    reading.abort();
    storage.until(|storage| storage.cancelled_calls() == 1).await;
}

#[tokio::test]
async fn the_servers_errors_pass_unchanged() {
    let storage = MemoryStorage::new(StorageKind::OpenBao);
    let (_plugin, mount) = mounted_on(&storage).await;
    storage.set_read_only(true);
    let written = ask(&mount, Operation::Update, "kv/a", &json!({ "value": "1" })).await;
    assert_eq!(backend_error(written), Error::Plain("cannot write to readonly storage".into()));
    storage.fail_with(Some("no space left"));
    assert_eq!(backend_error(read(&mount, "kv/a").await), Error::Internal("failed: no space left".into()));
    storage.fail_with(None);
    assert!(read(&mount, "kv/a").await.unwrap().is_none());
}

#[tokio::test]
async fn nonsense_of_the_server_is_an_error() {
    let storage = MemoryStorage::new(StorageKind::OpenBao);
    let (_plugin, mount) = mounted_on(&storage).await;
    ask(&mount, Operation::Update, "kv/a", &json!({ "value": "1" })).await.unwrap();
    storage.set_lying(true);
    let error = backend_error(read(&mount, "kv/a").await);
    assert_eq!(error, Error::Internal("failed: the server answered with another entry than `a`".into()));
    let error = backend_error(read(&mount, "transaction/commit").await);
    assert_eq!(error, Error::Internal("failed: the server began a transaction without an id".into()));
}

#[tokio::test]
async fn a_mount_that_goes_does_not_keep_its_connection() {
    let storage = MemoryStorage::new(StorageKind::OpenBao);
    let (plugin, mount) = mounted_on(&storage).await;
    let mount = std::sync::Arc::new(mount);
    storage.hold(&["Get"]);
    let reading = tokio::spawn({
        let mount = mount.clone();
        async move { read(&mount, "kv/a").await }
    });
    storage.until(|storage| storage.calls("Get") == 1).await;
    mount.cleanup().await.unwrap();
    // The call never ends by itself: the connection is closed under it.
    storage.until(|storage| storage.cancelled_calls() == 1).await;
    let error = backend_error(reading.await.unwrap());
    assert!(matches!(&error, Error::Internal(text) if text.contains("storage call failed")), "{error:?}");
    assert!(plugin.multiplexing_supported().await.unwrap());
}

#[tokio::test]
async fn the_end_of_a_mounts_connection_is_logged_if_nobody_asked_for_it() {
    const ENDED: &str = "the connection to the server's storage ended";
    let plugin = toy().start().await.unwrap();
    let start = async |uuid: &str| {
        let mount = plugin.mount(MountOptions { backend_uuid: uuid.into(), ..MountOptions::default() }).await.unwrap();
        // Once the connection is in use.
        assert!(read(&mount, "kv/a").await.unwrap().is_none());
        mount
    };
    let (unloaded, lost) = (start("unloaded").await, start("lost").await);
    unloaded.cleanup().await.unwrap();
    drop((unloaded, lost));
    let line = plugin.wait_for_log(ENDED).await.unwrap();
    assert!(line.contains(r#""mount":"lost""#) && line.contains(r#""@level":"warn""#), "{line}");
    let log = plugin.log_after_end();
    plugin.shutdown().await.unwrap();
    assert_eq!(log.await.matches(ENDED).count(), 1);
}

#[tokio::test]
async fn the_system_view_answers_or_is_unsupported() {
    let plugin = toy().start().await.unwrap();
    let entity = Entity { id: "e1".into(), name: "alice".into(), metadata: [].into() };
    let system_view = MemorySystemView {
        max_lease_ttl: Duration::from_secs(3600),
        replication_state: 1 << 14,
        entities: [("e1".to_owned(), entity)].into(),
        passwords: [("strong".to_owned(), "secret".to_owned())].into(),
        ..MemorySystemView::default()
    };
    let mount = plugin.mount(MountOptions { system_view, ..MountOptions::default() }).await.unwrap();
    let expected = json!({
        "default_lease_ttl": 2_764_800, "max_lease_ttl": 3600, "tainted": false, "local_mount": false,
        "performance_standby": true, "version": "2.7.2", "entity": "alice", "no_entity": null,
        "password": "secret", "no_password": "system view call failed: no such password policy",
    });
    assert_eq!(read(&mount, "system-view").await.unwrap(), Some(expected));
    let system_view = MemorySystemView { implemented: false, ..MemorySystemView::default() };
    let mount = plugin.mount(MountOptions { system_view, ..MountOptions::default() }).await.unwrap();
    let error = backend_error(read(&mount, "system-view").await);
    assert_eq!(error, Error::Plain("the server does not offer this".into()));
}
