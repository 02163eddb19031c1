//! A value is shown, and kept, as its owner's only.

use super::*;

const ORG: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

/// Organizations are named by keys, by a field of records, and by paths or fields of requests.
fn session() -> Session {
    let mut declaration = declaration();
    let by = || texts(&["org", "org_id"]);
    for class in &mut declaration.classes {
        class.request_fields.iter_mut().for_each(|field| field.owner = by());
        class.shown_fields.iter_mut().for_each(|field| {
            field.paths.push("org/token".into());
            field.owner = by();
        });
        for field in &mut class.stored_fields {
            let is_record = field.prefix == "token/";
            field.owner = Some(if is_record { StoredOwner::Sibling("orgId".into()) } else { StoredOwner::Key });
        }
    }
    declaration.check().unwrap();
    Session::new(Arc::new(Rules::new([&declaration])))
}

fn begin(session: &mut Session, path: &str, data: &str) {
    session.seal_request(path, &mut data.to_owned()).unwrap();
}

fn shows(session: &mut Session, path: &str, token: &str) -> Result<(), String> {
    let mut data = format!("{{\"token\":\"{token}\"}}");
    session.open_response(path, &mut data).map_err(|violation| violation.to_string())
}

fn record(org: &str, token: &str) -> String {
    format!("{{\"orgId\":\"{org}\",\"token\":\"{token}\",\"origin\":\"{BASE}\"}}")
}

/// A token that the API makes for the config of an organization.
fn made(session: &mut Session, org: &str) -> String {
    let admin = text_of(&read(session, &format!("config/{org}"), &config(TOKEN, BASE)), "astra_token");
    let url = format!("{BASE}/v2/tokens").parse().unwrap();
    let opened = session.open_authorization("POST", &url, format!("Bearer {admin}").as_bytes()).unwrap();
    let call = session.answered_call("POST", &url, opened.as_ref()).unwrap();
    let mut body = format!("{{\"token\":\"{OTHER}\",\"secret\":\"{SECRET}\"}}").into_bytes();
    session.seal_answer(&call, &mut body).unwrap();
    text_of(std::str::from_utf8(&body).unwrap(), "token")
}

const NOT_THE_OWNER: &str =
    "is in the field `token` of the response, whose request does not name the owner of the value";

#[test]
fn a_kept_token_is_shown_to_who_asks_for_its_owner() {
    for (path, data, is_shown) in [
        (format!("creds/{ORG}/r"), "{}".to_owned(), true),
        (format!("creds/{}/r", ORG.to_uppercase()), "{}".to_owned(), true),
        ("creds/another/r".to_owned(), "{}".to_owned(), false),
        ("creds/another/r".to_owned(), format!("{{\"org\":\"{ORG}\",\"org_id\":\"{ORG}\"}}"), false),
        ("org/token".to_owned(), format!("{{\"org_id\":\"{ORG}\"}}"), true),
        ("org/token".to_owned(), "{\"org_id\":\"another\"}".to_owned(), false),
        ("org/token".to_owned(), "{}".to_owned(), false),
    ] {
        let mut session = session();
        begin(&mut session, &path, &data);
        let token = text_of(&read(&mut session, "token/1", &record(ORG, OTHER)), "token");
        let shown = shows(&mut session, &path, &token);
        assert_eq!(shown.is_ok(), is_shown, "{path} {data}: {shown:?}");
        assert!(shown.err().is_none_or(|text| text.contains(NOT_THE_OWNER)));
    }
}

#[test]
fn a_made_token_is_of_the_owner_whose_token_made_it() {
    let path = format!("creds/{ORG}/r");
    let mut session = session();
    begin(&mut session, &path, "{}");
    let token = made(&mut session, ORG);
    write(&mut session, "token/1", &record(ORG, &token)).unwrap();
    assert!(shows(&mut session, &path, &token).is_ok());
    let foreign = write(&mut session, "token/1", &record("another", &token)).unwrap_err();
    assert!(foreign.contains("where the value may not be kept"), "{foreign}");

    let mut session = super::owners::session();
    begin(&mut session, &path, "{}");
    let foreign = made(&mut session, "another");
    assert!(shows(&mut session, &path, &foreign).unwrap_err().contains(NOT_THE_OWNER));
}

#[test]
fn an_admin_token_stays_its_owners() {
    let mut session = session();
    let token = text_of(&read(&mut session, &format!("config/{ORG}"), &config(TOKEN, BASE)), "astra_token");
    let retired = format!("{{\"configs\":[{}]}}", config(&token, BASE));
    write(&mut session, &format!("config/{ORG}"), &config(&token, BASE)).unwrap();
    write(&mut session, &format!("retired/{ORG}"), &retired).unwrap();
    write(&mut session, "config/another", &config(&token, BASE)).unwrap_err();
    write(&mut session, "retired/another", &retired).unwrap_err();

    // One that comes with a request is of the owner that the request names.
    let mut session = super::owners::session();
    let mut data = format!("{{\"org_id\":\"{ORG}\",\"astra_token\":\"{TOKEN}\",\"url\":\"{BASE}\"}}");
    session.seal_request("config", &mut data).unwrap();
    let token = text_of(&data, "astra_token");
    write(&mut session, &format!("config/{ORG}"), &config(&token, BASE)).unwrap();
    write(&mut session, "config/another", &config(&token, BASE)).unwrap_err();
}

#[test]
fn a_second_name_is_its_objects_unless_two_have_it() {
    let named = |name: &str| format!("{{\"astra_token\":\"{TOKEN}\",\"logical_name\":\"{name}\",\"url\":\"{BASE}\"}}");
    let mut session = session();
    begin(&mut session, "org/token", "{\"org_id\":\"prod\"}");
    read(&mut session, &format!("config/{ORG}"), &named("prod"));
    let token = text_of(&read(&mut session, "token/1", &record(ORG, OTHER)), "token");
    assert!(shows(&mut session, "org/token", &token).is_ok());
    read(&mut session, "config/another", &named("prod"));
    assert!(shows(&mut session, "org/token", &token).is_err());
}

#[test]
fn a_record_that_names_no_owner_is_shown_to_nobody() {
    for record in [format!("{{\"token\":\"{OTHER}\"}}"), format!("{{\"orgId\":7,\"token\":\"{OTHER}\"}}")] {
        let path = format!("creds/{ORG}/r");
        let mut session = session();
        begin(&mut session, &path, "{}");
        let token = text_of(&read(&mut session, "token/1", &record), "token");
        assert!(shows(&mut session, &path, &token).is_err(), "{record}");
        write(&mut session, "token/1", &record.replace(OTHER, &token)).unwrap();
        assert!(write(&mut session, "token/2", &super::owners::record(ORG, &token)).is_err(), "{record}");
    }
}

#[test]
fn an_organization_that_is_named_by_its_id_has_no_other_name() {
    // A module wrote the ID of one organization as the logical name of another one.
    let falsified = format!("{{\"astra_token\":\"{TOKEN}\",\"logical_name\":\"{ORG}\",\"url\":\"{BASE}\"}}");
    let path = format!("creds/{ORG}/r");
    let mut session = session();
    begin(&mut session, &path, "{}");
    read(&mut session, "config/another", &falsified);
    let kept = text_of(&read(&mut session, "token/1", &record("another", OTHER)), "token");
    assert!(shows(&mut session, &path, &kept).unwrap_err().contains(NOT_THE_OWNER));
    let made = made(&mut session, "another");
    assert!(shows(&mut session, &path, &made).unwrap_err().contains(NOT_THE_OWNER));

    // Nor is the owner of a record the second name of an organization that is asked for.
    let mut session = super::owners::session();
    begin(&mut session, &path, "{}");
    read(&mut session, &format!("config/{ORG}"), "{\"logical_name\":\"another\"}");
    let kept = text_of(&read(&mut session, "token/1", &record("another", OTHER)), "token");
    assert!(shows(&mut session, &path, &kept).unwrap_err().contains(NOT_THE_OWNER));

    // Nor is the key of an entry the second name of another object.
    let mut session = super::owners::session();
    let token = text_of(&read(&mut session, "config/another", &falsified), "astra_token");
    write(&mut session, &format!("config/{ORG}"), &config(&token, BASE)).unwrap_err();
    let mut session = super::owners::session();
    let mut data = format!("{{\"astra_token\":\"{OTHER}\",\"url\":\"{BASE}\"}}");
    session.seal_request(&format!("config/{ORG}"), &mut data).unwrap();
    read(&mut session, "config/another", &falsified);
    let token = text_of(&data, "astra_token");
    write(&mut session, "config/another", &config(&token, BASE)).unwrap_err();
    write(&mut session, &format!("config/{ORG}"), &config(&token, BASE)).unwrap();
}

#[test]
fn a_logical_name_that_an_entry_gets_in_a_request_names_nobody_in_it() {
    let mut session = session();
    begin(&mut session, "org/token", "{\"org_id\":\"prod\"}");
    let entry = "{\"logical_name\":\"prod\"}";
    write(&mut session, &format!("config/{ORG}"), entry).unwrap();
    read(&mut session, &format!("config/{ORG}"), entry);
    let token = text_of(&read(&mut session, "token/1", &record(ORG, OTHER)), "token");
    assert!(shows(&mut session, "org/token", &token).unwrap_err().contains(NOT_THE_OWNER));
}
