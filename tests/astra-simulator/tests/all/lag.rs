//! Effects that trail behind: counted in calls, and in the simulator's time.

use std::time::Duration;

use astra_simulator::{Lag, Simulator};

use crate::client::{Api, CURRENT_ORG, reader, start};

struct Set {
    astra: Simulator,
    api: Api,
    minted: Api,
    client_id: String,
}

/// A token made while effects trail behind.
async fn minted(lag: Lag) -> Set {
    let astra = start();
    astra.set_lag(lag);
    let api = Api::of(&astra, 0);
    let made = api.mint(&reader(&astra, 0), "").await;
    let minted = api.token(made["token"].as_str().unwrap());
    let client_id = made["clientId"].as_str().unwrap().to_owned();
    Set { astra, api, minted, client_id }
}

#[tokio::test]
async fn a_new_token_is_refused_for_some_calls() {
    let set = minted(Lag { new_token_refused_calls: 2, ..Lag::default() }).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(set.minted.get(CURRENT_ORG).await.status.as_u16());
    }
    assert_eq!(seen, [401, 401, 200, 200]);
    assert_eq!(set.astra.counts(&set.astra.organization(0).id).live, 2);
}

#[tokio::test]
async fn a_new_token_is_refused_for_some_time() {
    let set = minted(Lag { new_token_refused_ms: 60_000, ..Lag::default() }).await;
    assert_eq!(set.minted.get(CURRENT_ORG).await.status, 401);
    set.astra.advance(Duration::from_secs(61));
    assert_eq!(set.minted.get(CURRENT_ORG).await.status, 200);
}

#[tokio::test]
async fn a_deleted_token_is_accepted_for_some_calls() {
    let set = minted(Lag { deleted_token_accepted_calls: 2, ..Lag::default() }).await;
    assert_eq!(set.api.revoke(&set.client_id).await.status, 204);
    // A repeated delete is as good as the first, while it trails behind.
    assert_eq!(set.api.revoke(&set.client_id).await.status, 204);
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(set.minted.get(CURRENT_ORG).await.status.as_u16());
    }
    assert_eq!(seen, [200, 200, 401, 401]);
    assert_eq!(set.api.revoke(&set.client_id).await.status, 404);
}

#[tokio::test]
async fn a_deleted_token_is_accepted_for_some_time() {
    let set = minted(Lag { deleted_token_accepted_ms: 60_000, ..Lag::default() }).await;
    assert_eq!(set.api.revoke(&set.client_id).await.status, 204);
    assert_eq!(set.minted.get(CURRENT_ORG).await.status, 200);
    set.astra.advance(Duration::from_secs(61));
    assert_eq!(set.minted.get(CURRENT_ORG).await.status, 401);
}

#[tokio::test]
async fn a_list_misses_the_new_and_shows_the_deleted_for_some_lists() {
    let lag = Lag { new_token_unlisted_lists: 2, deleted_token_listed_lists: 1, ..Lag::default() };
    let set = minted(lag).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(set.api.listed().await.contains(&set.client_id));
    }
    assert_eq!(seen, [false, false, true]);
    assert_eq!(set.api.revoke(&set.client_id).await.status, 204);
    let mut seen = Vec::new();
    for _ in 0..2 {
        seen.push(set.api.listed().await.contains(&set.client_id));
    }
    assert_eq!(seen, [true, false]);
}

#[tokio::test]
async fn a_list_misses_the_new_and_shows_the_deleted_for_some_time() {
    let lag = Lag { new_token_unlisted_ms: 60_000, deleted_token_listed_ms: 60_000, ..Lag::default() };
    let set = minted(lag).await;
    assert!(!set.api.listed().await.contains(&set.client_id));
    set.astra.advance(Duration::from_secs(61));
    assert!(set.api.listed().await.contains(&set.client_id));
    assert_eq!(set.api.revoke(&set.client_id).await.status, 204);
    assert!(set.api.listed().await.contains(&set.client_id));
    set.astra.advance(Duration::from_secs(61));
    assert!(!set.api.listed().await.contains(&set.client_id));
}
