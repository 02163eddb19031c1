//! The Go plugin's token paths: `org/token`, `org/tokens`.

use harness::{Stage, Verb};
use serde_json::{Value, json};

scenarios! { all:
    a_token_is_made_and_read_again,
    the_answer_has_every_field,
    the_same_three_again_is_a_409,
    without_a_logical_name_each_write_makes_another,
    a_token_is_read_by_its_client_id,
    racing_writers_of_one_name_make_one_token,
    sidecar_mode_makes_a_new_one_each_time,
    mistakes_are_400_and_make_nothing,
    a_token_that_was_never_made_is_a_404,
    the_list_names_client_ids_and_nothing_secret,
    names_are_folded_to_lower_case,
    metadata_is_kept,
    a_revoked_name_can_be_made_again,
    a_token_in_another_organization_is_not_found,
    organizations_never_mix,
    making_reading_and_ending_are_logged,
}

fn three(stage: &Stage, name: &str) -> Value {
    json!({ "org_id": stage.alpha.id, "role_name": "reader", "logical_name": name })
}

fn a_token_is_made_and_read_again(stage: &Stage) {
    stage.ready();
    let made = stage.write("org/token", three(stage, "app")).expect(200);
    assert!(stage.works(made.text("token")));
    let read = stage.read("org/token", three(stage, "app")).expect(200);
    for name in ["clientId", "secret", "token", "orgId", "roleName", "logicalName", "generatedOn"] {
        assert_eq!(read.text(name), made.text(name), "{name}");
        assert!(!made.text(name).is_empty(), "{name}");
    }
    assert!(read.lease.is_none(), "a read makes no second lease: {:?}", read.lease);
    stage.assert_consistent(&stage.alpha, 1);
    stage.revoke(&made.lease_id()).expect(204);
    assert!(!stage.works(made.text("token")));
    stage.read("org/token", three(stage, "app")).expect(404);
    stage.assert_consistent(&stage.alpha, 0);
}

fn the_answer_has_every_field(stage: &Stage) {
    stage.ready();
    let made = stage.write("org/token", three(stage, "app")).expect(200);
    let astra = stage.astra_token(made.text("clientId"));
    assert_eq!(made.text("orgId"), stage.alpha.id);
    assert_eq!(made.text("roleName"), "reader");
    assert_eq!(made.text("logicalName"), "app");
    assert!(made.text("token").starts_with(&format!("AstraCS:{}:", made.text("clientId"))));
    assert_eq!(made.text("secret").len(), 128);
    assert_eq!(astra.roles, [stage.astra_role(&stage.alpha, "R/W User")]);
    let lease = made.lease.clone().unwrap();
    assert!(lease.renewable && lease.id.contains("org/token/"), "{lease:?}");
    // In Astra the token expires a little after the latest end of the lease.
    assert!(astra.expires.is_some(), "{astra:?}");
    assert!(!made.text("expiresAt").is_empty(), "what Astra reports is passed on");
}

fn the_same_three_again_is_a_409(stage: &Stage) {
    stage.ready();
    stage.write("org/token", three(stage, "app")).expect(200);
    let again = stage.write("org/token", three(stage, "app")).expect(409);
    assert!(!again.errors.is_empty(), "{again:#?}");
    stage.assert_consistent(&stage.alpha, 1);
}

fn without_a_logical_name_each_write_makes_another(stage: &Stage) {
    stage.ready();
    let body = json!({ "org_id": stage.alpha.id, "role_name": "reader" });
    let first = stage.write("org/token", body.clone()).expect(200);
    let second = stage.write("org/token", body).expect(200);
    assert_ne!(first.text("clientId"), second.text("clientId"));
    stage.assert_consistent(&stage.alpha, 2);
    let query = json!({ "org_id": stage.alpha.id, "client_id": first.text("clientId") });
    assert_eq!(stage.read("org/token", query).expect(200).text("token"), first.text("token"));
}

fn a_token_is_read_by_its_client_id(stage: &Stage) {
    stage.ready();
    let made = stage.write("org/token", three(stage, "app")).expect(200);
    let query = json!({ "org_id": stage.alpha.id, "client_id": made.text("clientId") });
    let read = stage.read("org/token", query).expect(200);
    assert_eq!(read.text("token"), made.text("token"));
    assert_eq!(read.text("logicalName"), "app");
    // Client IDs keep their case everywhere.
    let other_case = json!({ "org_id": stage.alpha.id, "client_id": made.text("clientId").to_lowercase() });
    stage.read("org/token", other_case).expect(404);
}

fn racing_writers_of_one_name_make_one_token(stage: &Stage) {
    const WRITERS: usize = 3;
    stage.ready();
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let writers: Vec<_> =
            (0..WRITERS).map(|_| scope.spawn(|| stage.write("org/token", three(stage, "app")))).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    let mut statuses: Vec<u16> = outcomes.iter().map(|outcome| outcome.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409], "{outcomes:#?}");
    stage.assert_consistent(&stage.alpha, 1);
}

fn sidecar_mode_makes_a_new_one_each_time(stage: &Stage) {
    stage.configure_with(&stage.alpha, json!({ "caller_mode": "sidecar" }));
    stage.make_role(&stage.alpha, "reader", json!({}));
    let written = stage.write("org/token", three(stage, "app")).expect(200);
    let again = stage.write("org/token", three(stage, "app")).expect(200);
    let read = stage.read("org/token", three(stage, "app")).expect(200);
    let mut client_ids = [written.text("clientId"), again.text("clientId"), read.text("clientId")];
    client_ids.sort_unstable();
    assert!(client_ids[0] != client_ids[1] && client_ids[1] != client_ids[2], "{client_ids:?}");
    assert!(read.lease.is_some(), "what a read makes is leased, too");
    stage.assert_consistent(&stage.alpha, 3);
}

fn mistakes_are_400_and_make_nothing(stage: &Stage) {
    stage.ready();
    let rows = [
        (json!({ "role_name": "reader", "logical_name": "a" }), "org_id"),
        (json!({ "org_id": stage.alpha.id, "logical_name": "a" }), "role_name"),
        (json!({ "org_id": "nobody", "role_name": "reader" }), "nobody"),
        (json!({ "org_id": stage.alpha.id, "role_name": "nothing" }), "nothing"),
        (json!({ "org_id": stage.alpha.id, "role_name": "reader", "logical_name": "a\nb" }), "logical_name"),
        (json!({ "org_id": stage.alpha.id, "role_name": "reader", "logical_name": "x".repeat(257) }), "logical_name"),
        (json!({ "org_id": stage.alpha.id, "role_name": "reader", "metadata": "no pair" }), "metadata"),
    ];
    for (body, named) in rows {
        stage.write("org/token", body).expect_error(400, &[named]);
    }
    assert!(stage.live(&stage.alpha).is_empty());
    assert!(stage.driver.leases().is_empty());
}

fn a_token_that_was_never_made_is_a_404(stage: &Stage) {
    stage.ready();
    stage.read("org/token", three(stage, "none")).expect(404);
    stage.read("org/token", json!({ "org_id": stage.alpha.id, "client_id": "n".repeat(24) })).expect(404);
    stage.read("org/token", json!({ "org_id": "nobody", "client_id": "n".repeat(24) })).expect_error(400, &["nobody"]);
}

fn the_list_names_client_ids_and_nothing_secret(stage: &Stage) {
    stage.ready();
    let made = stage.write("org/token", three(stage, "app")).expect(200);
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let mut expected = [made.text("clientId").to_owned(), minted.text("clientId").to_owned()];
    expected.sort();
    let listed = stage.list("org/tokens").expect(200);
    assert_eq!(listed.keys(), expected);
    let info = &listed.data["key_info"][made.text("clientId")];
    assert!(info.to_string().contains("app"), "{info}");
}

fn names_are_folded_to_lower_case(stage: &Stage) {
    stage.ready();
    let made =
        stage.write("org/token", json!({ "org_id": stage.alpha.id, "role_name": "READER", "logical_name": "App" }));
    let made = made.expect(200);
    assert_eq!((made.text("roleName"), made.text("logicalName")), ("reader", "app"));
    stage.write("org/token", three(stage, "aPP")).expect(409);
    stage.read("org/token", three(stage, "APP")).expect(200);
}

fn metadata_is_kept(stage: &Stage) {
    stage.ready();
    let mut body = three(stage, "app");
    body["metadata"] = json!({ "team": "data", "ticket": "42" });
    let made = stage.write("org/token", body).expect(200);
    assert_eq!(made.data["metadata"], json!({ "team": "data", "ticket": "42" }));
    assert_eq!(stage.read("org/token", three(stage, "app")).data["metadata"], made.data["metadata"]);
    // Pairs may also be text, as the CLI sends them.
    let mut body = three(stage, "other");
    body["metadata"] = json!(["team=data"]);
    let made = stage.write("org/token", body).expect(200);
    assert_eq!(made.data["metadata"], json!({ "team": "data" }));
}

fn a_revoked_name_can_be_made_again(stage: &Stage) {
    stage.ready();
    let first = stage.write("org/token", three(stage, "app")).expect(200);
    stage.revoke(&first.lease_id()).expect(204);
    let second = stage.write("org/token", three(stage, "app")).expect(200);
    assert_ne!(first.text("clientId"), second.text("clientId"));
    stage.assert_consistent(&stage.alpha, 1);
}

fn a_token_in_another_organization_is_not_found(stage: &Stage) {
    stage.ready();
    stage.configure(&stage.beta);
    stage.make_role(&stage.beta, "reader", json!({}));
    let made = stage.write("org/token", three(stage, "app")).expect(200);
    let query = json!({ "org_id": stage.beta.id, "client_id": made.text("clientId") });
    stage.read("org/token", query).expect(404);
    stage.read(&format!("tokens/{}/{}", stage.beta.id, made.text("clientId")), Value::Null).expect(404);
    stage.list(&format!("tokens/{}", stage.beta.id)).expect(404);
}

fn making_reading_and_ending_are_logged(stage: &Stage) {
    stage.ready();
    let made = stage.write("org/token", three(stage, "app")).expect(200);
    let lines = |word: &str| {
        let logs = stage.driver.logs();
        logs.lines().filter(|line| line.contains(made.text("clientId")) && line.contains(word)).count()
    };
    // The server writes a plugin's line a moment after the answer.
    let logged = |word: &str, more_than: usize| stage.driver.settle(&|| lines(word) > more_than);
    assert!(logged("made", 0));
    let before = lines("read");
    stage.read("org/token", three(stage, "app")).expect(200);
    assert!(logged("read", before), "a read of a secret is logged");
    let before = lines("revoked");
    stage.revoke(&made.lease_id()).expect(204);
    assert!(logged("revoked", before));
}

fn organizations_never_mix(stage: &Stage) {
    stage.ready();
    stage.configure(&stage.beta);
    stage.make_role(&stage.beta, "reader", json!({}));
    for org in [&stage.alpha, &stage.beta, &stage.alpha, &stage.beta] {
        stage.ask(Verb::Write, &format!("creds/{}/reader", org.id), json!({})).expect(200);
    }
    assert_eq!((stage.live(&stage.alpha).len(), stage.live(&stage.beta).len()), (2, 2));
    let minted = stage.astra.tokens_marked(&stage.beta.id, "vault-mark:");
    let admin = stage.beta.token.split(':').nth(1).map(str::to_owned);
    assert!(minted.iter().all(|token| token.made_by == admin), "{minted:#?}");
}
