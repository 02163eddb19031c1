//! `report` and `report/:org`: the owner of each token, its reach, and its use.

use std::collections::BTreeSet;

use harness::{Outcome, Stage};
use serde_json::{Value, json};

scenarios! { all:
    a_report_names_owner_reach_and_use_of_each_token,
    filters_of_a_query_take_what_they_name,
    a_bad_filter_is_refused_with_its_field,
    pages_of_a_report_are_all_tokens_once,
    a_token_that_ended_is_in_no_report,
}

/// Alpha with a token of team payments that was read again and one of team web; beta with one token.
fn crowd(stage: &Stage) {
    for org in [&stage.alpha, &stage.beta] {
        stage.configure(org);
        stage.make_role(org, "reader", json!({ "ttl": "1h" }));
        stage.write(&format!("config/{}/sync-roles", org.id), json!({})).expect(200);
    }
    let named = json!({ "org_id": stage.alpha.id, "role_name": "reader", "logical_name": "billing" });
    let mut body = named.clone();
    body["metadata"] = json!({ "team": "payments", "env": "prod" });
    stage.write("org/token", body).expect(200);
    stage.read("org/token", named).expect(200);
    for (org, team) in [(&stage.alpha, "web"), (&stage.beta, "payments")] {
        stage.write(&format!("creds/{}/reader", org.id), json!({ "metadata": { "team": team } })).expect(200);
    }
}

fn report(stage: &Stage, query: Value) -> Outcome {
    stage.read("report", query).expect(200)
}

fn tokens(outcome: &Outcome) -> &Vec<Value> {
    outcome.data["tokens"].as_array().unwrap()
}

fn a_report_names_owner_reach_and_use_of_each_token(stage: &Stage) {
    crowd(stage);
    let all = report(stage, Value::Null);
    assert!(all.lease.is_none() && all.warnings.is_empty(), "{all:#?}");
    assert_eq!((tokens(&all).len(), &all.data["next"]), (3, &Value::Null));
    let billing = tokens(&all).iter().find(|token| token["logical_name"] == "billing").unwrap();
    assert_eq!(
        (&billing["owner"], &billing["kind"], &billing["reads"]),
        (&json!("token"), &json!("standard"), &json!(1))
    );
    assert_eq!(billing["astra_roles"], json!(["R/W User"]));
    assert_eq!(billing["metadata"], json!({ "env": "prod", "team": "payments" }));
    assert_eq!(billing["last_use"], billing["last_read"]);
    let role = &all.data["astra_roles"][&stage.alpha.id][stage.astra_role(&stage.alpha, "R/W User")];
    assert!(role["resources"].as_array().is_some_and(|resources| !resources.is_empty()), "{role}");
    let of_beta = stage.read(&format!("report/{}", stage.beta.id), Value::Null).expect(200);
    assert!(tokens(&of_beta).iter().all(|token| token["org_id"] == stage.beta.id.as_str()));
    assert_eq!(tokens(&of_beta).len(), 1);
    stage.read("report/nobody", Value::Null).expect(404);
    let counted = report(stage, json!({ "summary": true })).data;
    assert_eq!(counted["summary"]["by_metadata"], json!({ "env=prod": 1, "team=payments": 2, "team=web": 1 }));
}

fn filters_of_a_query_take_what_they_name(stage: &Stage) {
    crowd(stage);
    let database = "00000000-1111-4222-8333-444444444444";
    // In the form of clients: `metadata.team` is not a declared parameter, but still reaches the engine.
    let rows = [
        (json!({ "metadata.team": "payments" }), 2),
        (json!({ "metadata.team": "payments", "metadata.env": "prod" }), 1),
        (json!({ "owner": "token" }), 3),
        (json!({ "owner": "somebody" }), 0),
        (json!({ "kind": "standard,static" }), 1),
        (json!({ "unused_for": "1h" }), 0),
        (json!({ "expires_within": "2h", "kind": "creds" }), 2),
        (json!({ "expires_within": "1s" }), 0),
        (json!({ "reaches": database }), 3),
        (json!({ "reaches": "r/w user" }), 3),
        (json!({ "reaches": "Organization Administrator" }), 0),
    ];
    for (query, expected) in rows {
        let found = report(stage, query.clone());
        assert_eq!((tokens(&found).len(), found.warnings.len()), (expected, 0), "{query}: {found:#?}");
    }
}

fn a_bad_filter_is_refused_with_its_field(stage: &Stage) {
    stage.ready();
    let rows = [
        (json!({ "kind": "leased" }), "`kind`"),
        (json!({ "limit": 1001 }), "`limit`"),
        (json!({ "unused_for": "long" }), "unused_for"),
        (json!({ "sort": "size" }), "`sort`"),
        (json!({ "after": "nowhere" }), "`after`"),
        (json!({ "reaches": "cluster:x" }), "`reaches`"),
    ];
    for (query, field) in rows {
        stage.read("report", query).expect_error(400, &[field]);
    }
}

/// The client IDs of all pages.
fn all_pages(stage: &Stage, query: &Value) -> Vec<String> {
    let (mut ids, mut after) = (Vec::new(), json!(""));
    loop {
        let mut query = query.clone();
        query["after"] = after;
        let page = report(stage, query);
        ids.extend(tokens(&page).iter().map(|token| token["client_id"].as_str().unwrap().to_owned()));
        after = page.data["next"].clone();
        if after.is_null() {
            return ids;
        }
    }
}

fn pages_of_a_report_are_all_tokens_once(stage: &Stage) {
    crowd(stage);
    let known: BTreeSet<String> = [&stage.alpha, &stage.beta].into_iter().flat_map(|org| stage.records(org)).collect();
    for query in [json!({ "limit": 1 }), json!({ "limit": 2, "sort": "-made" }), json!({ "limit": 3 })] {
        let ids = all_pages(stage, &query);
        assert_eq!((ids.len(), ids.into_iter().collect::<BTreeSet<_>>()), (3, known.clone()), "{query}");
    }
}

fn a_token_that_ended_is_in_no_report(stage: &Stage) {
    stage.ready();
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    assert_eq!(tokens(&report(stage, Value::Null)).len(), 1);
    stage.revoke(&minted.lease_id()).expect(204);
    assert!(tokens(&report(stage, Value::Null)).is_empty());
}
