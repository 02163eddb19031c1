//! An operator must accept exactly what a module asks for in addition to the previous one.

use harness::Verb;
use harness::openbao::{MountSettings, OpenBaoDriver};
use serde_json::{Value, json};

use super::{Toys, ask, full, good, server, toy};

#[test]
fn more_capabilities_must_be_accepted_exactly() {
    let (wants, later) = (toy("wants_http", 31), toy("wants_http", 32));
    let toys = Toys::pinned(server(), &[&wants, &later]);
    toys.folder.drop_in(&wants);
    toys.wait_for_refusal(31, &["outbound-http"]);
    toys.assert_serves(30);

    let with = |accepted: &[&str]| json!({ "version": full(31), "accept_capabilities": accepted });
    let less: &[&str] = &[];
    for wrong in [less, &["clock"], &["outbound-http", "random"], &["everything"]] {
        let answer = toys.write("module/use", with(wrong));
        assert_eq!(answer.status, 400, "{wrong:?}: {answer:#?}");
        toys.assert_serves(30);
    }
    toys.must("module/use", with(&["outbound-http"]));
    toys.assert_serves(31);

    // Accepted requests need no second acceptance, neither after a start nor for an update.
    toys.restart();
    toys.assert_serves(31);
    toys.folder.drop_in(&later);
    toys.follow();
    toys.wait_for(32);
}

#[test]
fn a_path_without_a_token_must_be_accepted() {
    let opens = toy("opens_a_path", 31);
    let toys = Toys::pinned(server(), &[&opens, &good(32)]);
    toys.folder.drop_in(&opens);
    toys.wait_for_refusal(31, &["unauthenticated:version"]);
    toys.assert_serves(30);
    let nobody = toys.server.client().with_token("");
    let path = format!("{}/version", toys.name);
    assert_eq!(nobody.call("GET", &path, &Value::Null).status, 403);
    // A start accepts nothing.
    toys.restart();
    toys.assert_serves(30);
    assert_eq!(nobody.call("GET", &path, &Value::Null).status, 403);
    // The server learns of such paths only when it loads the mount.
    let accepted = ["unauthenticated:version"];
    let yes = toys.write("module/use", json!({ "version": full(31), "accept_capabilities": accepted }));
    assert_eq!((yes.status, yes.data["live"].clone()), (200, json!(false)), "{yes:#?}");
    toys.assert_serves(30);
    toys.restart();
    toys.assert_serves(31);
    assert_eq!(nobody.call("GET", &path, &Value::Null).status, 200);
}

#[test]
fn the_paths_without_a_token_of_a_mounts_first_module_must_be_accepted() {
    let opens = toy("opens_a_path", 31);
    let toys = Toys::pinned(server(), &[&opens]);
    toys.folder.drop_in(&opens);
    toys.wait_for_refusal(31, &["unauthenticated:version"]);
    let settings = MountSettings {
        mount_point: format!("{}-first/", toys.name),
        options: json!({ "module": "toy", "module_version": full(31) }),
        ..toys.settings.clone()
    };
    let first = OpenBaoDriver::mount_registered(server(), &settings);
    let nobody = toys.server.client().with_token("");
    let opened = || nobody.call("GET", &format!("{}version", settings.mount_point), &Value::Null).status;
    let word = "unauthenticated:version";
    let refused = ask(&first, Verb::Read, "version", Value::Null);
    refused.expect_error(503, &["first module of its engine", &format!("accept_capabilities={word}")]);
    assert_eq!(opened(), 403);
    let accepted = |words: &[&str]| json!({ "version": full(31), "accept_capabilities": words });
    ask(&first, Verb::Write, "module/use", accepted(&[])).expect_error(400, &[word]);
    ask(&first, Verb::Write, "module/use", accepted(&[word, "random"])).expect_error(400, &[word]);
    let yes = ask(&first, Verb::Write, "module/use", accepted(&[word]));
    assert_eq!((yes.status, yes.data["live"].clone()), (200, json!(false)), "{yes:#?}");
    assert_eq!(opened(), 403, "the server is told of such paths at a load only");
    toys.restart();
    assert_eq!(ask(&first, Verb::Read, "version", Value::Null).expect(200).text("version"), full(31));
    assert_eq!(opened(), 200);
}

/// The server learns only at a load which storage the seal wraps.
#[test]
fn other_special_paths_take_a_plugin_reload() {
    let wraps = toy("wraps_more", 31);
    let toys = Toys::pinned(server(), &[&wraps]);
    toys.folder.drop_in(&wraps);
    toys.wait_for_refusal(31, &["plugin reload"]);
    toys.assert_serves(30);
    toys.restart();
    toys.wait_for(31);
}
