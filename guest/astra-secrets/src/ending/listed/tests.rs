//! What is kept of a list, and for which tokens it counts.

#![expect(clippy::unwrap_used, reason = "tests")]

use secrets_framework::Lease;
use secrets_framework::testing::TestHost;
use serde_json::json;

use super::*;
use crate::testing::{Fault, LATER, Leased, Mount, ORG_A, On};

const ELSEWHERE: &str = "https://astra.example.org";

/// Leases of tokens that are older than the age of a write-ahead entry and have gone from Astra.
fn gone(mount: &Mount, count: usize) -> Vec<Lease> {
    let leases: Vec<Lease> = (0..count).map(|_| mount.lease(Leased::of(mount.creds()).secret)).collect();
    for client_id in mount.recorded() {
        mount.astra.delete_outside(&client_id);
    }
    mount.host.clock.advance(LATER);
    mount.host.http.clear();
    leases
}

fn lists(mount: &Mount) -> usize {
    let requests = mount.host.http.requests();
    let is_list =
        |path: &str, method| path == "/v2/clientIdSecrets" && method == secrets_framework::host::HttpMethod::Get;
    requests.iter().filter(|sent| is_list(&sent.path_and_query, sent.method)).count()
}

fn kept(host: &TestHost) -> Vec<String> {
    host.storage.keys().into_iter().filter(|key| key.starts_with(LISTED_TOKENS_PREFIX)).collect()
}

#[test]
fn a_hundred_revocations_of_gone_tokens_within_a_minute_read_the_list_at_most_ten_times() {
    let mount = Mount::new();
    for lease in gone(&mount, 100) {
        mount.revoke(lease).done();
        mount.host.clock.advance(Duration::from_millis(600));
    }
    assert!((1..=10).contains(&lists(&mount)), "{}", lists(&mount));
    mount.assert_settled(0);
}

#[test]
fn a_hundred_revocations_at_once_read_the_list_at_most_ten_times() {
    let mount = Mount::new();
    let leases = gone(&mount, 100);
    std::thread::scope(|scope| {
        for lease in leases {
            let mount = &mount;
            scope.spawn(move || mount.revoke(lease).done());
        }
    });
    assert!((1..=10).contains(&lists(&mount)), "{}", lists(&mount));
    mount.assert_settled(0);
}

#[test]
fn a_kept_list_counts_for_a_minute_and_no_longer() {
    let mount = Mount::new();
    let mut leases = gone(&mount, 4).into_iter();
    let mut revoke_after = |seconds: u64| {
        mount.host.clock.advance(Duration::from_secs(seconds));
        mount.revoke(leases.next().unwrap()).done();
        lists(&mount)
    };
    assert_eq!([revoke_after(0), revoke_after(60), revoke_after(1)], [1, 1, 2]);
    // A clock that goes back: the kept list is of a time to come.
    mount.host.clock.set(mount_time(&mount) - Duration::from_secs(2));
    mount.revoke(leases.next().unwrap()).done();
    assert_eq!(lists(&mount), 3);
}

fn mount_time(mount: &Mount) -> Duration {
    secrets_framework::host::Clock::now(&*mount.host.clock)
}

#[test]
fn young_tokens_that_astra_itself_does_not_know_need_few_lists_too() {
    let mount = Mount::new();
    let leases: Vec<Lease> = (0..100).map(|_| mount.lease(Leased::of(mount.creds()).secret)).collect();
    for client_id in mount.recorded() {
        mount.astra.delete_outside(&client_id);
    }
    mount.host.http.clear();
    for lease in leases {
        mount.revoke(lease).done();
        mount.host.clock.advance(Duration::from_millis(600));
    }
    assert!((1..=10).contains(&lists(&mount)), "{}", lists(&mount));
    mount.assert_settled(0);
}

#[test]
fn a_token_that_was_made_after_the_list_is_not_taken_for_gone() {
    let mount = Mount::new();
    let old = gone_one(&mount);
    mount.revoke(old).done();
    assert_eq!((lists(&mount), kept(&mount.host).len()), (1, 1));
    let younger = mount.lease(Leased::of(mount.creds()).secret);
    mount.host.clock.advance(Duration::from_secs(10));
    // Its deletion fails with an answer that comes from elsewhere than Astra.
    mount.astra.fail(On::Delete, Fault::Status(404, "404 page not found"));
    mount.revoke(younger).failed();
    mount.assert_settled(1);
}

#[test]
fn a_young_token_that_a_trailing_list_hid_is_not_taken_for_gone() {
    let mount = Mount::new();
    mount.astra.set_lag(1);
    let young = mount.lease(Leased::of(mount.creds()).secret);
    mount.astra.set_lag(0);
    mount.host.clock.advance(Duration::from_secs(10));
    let old = gone_one(&mount);
    mount.revoke(old).done();
    assert_eq!(kept(&mount.host).len(), 1, "the list that hid the young token is kept");
    mount.astra.fail_times(On::Delete, 3, Fault::Status(500, ""));
    mount.revoke(young).failed();
    mount.assert_settled(1);
}

/// The lease of one more token, which is old and gone, while the others of the mount are young and live.
fn gone_one(mount: &Mount) -> Lease {
    let made = Leased::of(mount.creds());
    let client_id = made.client_id();
    mount.astra.delete_outside(&client_id);
    make_old(mount, &client_id);
    mount.host.http.clear();
    mount.lease(made.secret)
}

/// The record says that this token was made long ago.
fn make_old(mount: &Mount, client_id: &str) {
    let key = mount
        .host
        .storage
        .keys()
        .into_iter()
        .find(|key| key.starts_with("token/") && mount.host.storage.json(key)["clientId"] == json!(client_id));
    let key = key.unwrap();
    let mut record = mount.host.storage.json(&key);
    record["made"] = json!(1);
    mount.host.storage.seed(&key, record.to_string());
}

#[test]
fn a_list_that_does_not_show_the_token_that_asked_is_not_kept() {
    let mount = Mount::new();
    let mut leases = gone(&mount, 2).into_iter();
    mount.astra.hide("AdminOfA", 1);
    mount.revoke(leases.next().unwrap()).done();
    assert!(kept(&mount.host).is_empty());
    mount.revoke(leases.next().unwrap()).done();
    assert_eq!((lists(&mount), kept(&mount.host).len()), (2, 1));
}

#[test]
fn a_list_of_another_origin_says_nothing() {
    let mount = Mount::new();
    let mut leases = gone(&mount, 2).into_iter();
    // The same organization elsewhere, where it has a token that is as old.
    mount.astra.add_org("AstraCS:Moved:canary", ORG_A, ELSEWHERE);
    mount.configure(ORG_A, "AstraCS:Moved:canary", json!({ "url": ELSEWHERE, "force": true }));
    let made = Leased::of(mount.creds());
    let client_id = made.client_id();
    let lease = mount.lease(made.secret);
    make_old(&mount, &client_id);
    mount.revoke(leases.next().unwrap()).done();
    assert_eq!(kept(&mount.host).len(), 1, "the list of the first origin is kept");
    mount.astra.fail(On::Delete, Fault::Status(404, "404 page not found"));
    mount.revoke(lease).failed();
    assert!(mount.astra.is_live(&client_id) && mount.recorded().contains(&client_id));
}

fn value(host: &TestHost, key: &str) -> Vec<u8> {
    use secrets_framework::host::StorageView as _;
    host.storage.get(key).unwrap().unwrap().value
}

#[test]
fn what_cannot_be_kept_or_read_costs_another_list_and_nothing_else() {
    let mount = Mount::new();
    let mut leases = gone(&mount, 3).into_iter();
    let failed = secrets_framework::host::StorageError::Failed("disk full".to_owned());
    mount.host.storage.fail_prefix(secrets_framework::testing::StorageCall::Put, LISTED_TOKENS_PREFIX, failed);
    mount.revoke(leases.next().unwrap()).done();
    mount.host.storage.clear_faults();
    assert!(kept(&mount.host).is_empty());
    mount.revoke(leases.next().unwrap()).done();
    let key = kept(&mount.host).remove(0);
    mount.host.storage.seed(&key, "damaged");
    mount.revoke(leases.next().unwrap()).done();
    assert_eq!(lists(&mount), 3);
    mount.assert_settled(0);
}

#[test]
fn nothing_is_kept_of_an_organization_that_has_gone() {
    let mount = Mount::new();
    mount.revoke(gone(&mount, 1).remove(0)).done();
    assert_eq!(kept(&mount.host).len(), 1);
    mount.send(secrets_framework::Operation::Delete, &format!("config/{ORG_A}"), json!({})).0.unwrap();
    assert!(kept(&mount.host).is_empty());
}

#[test]
fn what_is_kept_has_no_client_id_and_stays_below_the_servers_limit() {
    let mount = Mount::new();
    mount.revoke(gone(&mount, 1).remove(0)).done();
    let text = String::from_utf8_lossy(&value(&mount.host, &kept(&mount.host)[0])).into_owned();
    assert!(!text.contains("Admin"), "{text}");
    let many: Vec<u64> = (0..200_000_u64).map(|number| hash(&number.to_string())).collect();
    let ten_times: Vec<u64> = many.iter().copied().cycle().take(1_000_000).collect();
    assert_eq!(Filter::of(&ten_times).bits.len(), LISTED_TOKENS_FILTER_BYTES_MAX);
}

#[test]
fn no_listed_token_looks_unlisted_and_few_unlisted_ones_look_listed() {
    for count in [0, 1, 20, 10_000] {
        let listed: Vec<u64> = (0..count).map(|number| hash(&format!("Client{number}"))).collect();
        let filter = Filter::of(&listed);
        assert!(listed.iter().all(|hash| filter.may_hold(*hash)));
        let look_listed = (0..10_000).filter(|number| filter.may_hold(hash(&format!("Other{number}")))).count();
        assert!(look_listed < 30, "{look_listed} of 10,000 beside {count}");
    }
}

#[test]
fn a_filter_of_an_earlier_build_is_understood_or_passed_over() {
    // Written by format 1: a change of hash or layout needs another format.
    assert_eq!(hash("ClientA"), 0x8b52_5adf_ca55_d78e);
    assert!(Listed::decode(b"{\"format\":2,\"asked_at\":1,\"hashes\":1}\n\xff").is_none());
    assert!(Listed::decode(b"{\"format\":1,\"asked_at\":1,\"hashes\":1}\n").is_none());
    assert!(Listed::decode(b"{\"format\":1,\"asked_at\":1,\"hashes\":1}\n\xff").is_some());
}
