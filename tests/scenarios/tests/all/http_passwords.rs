//! The second engine, `http-passwords`, under a real server, beside Astra: the host knows neither.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use harness::modules::{ModuleFile, ModulesDir};
use harness::openbao::{MountSettings, OpenBaoDriver, Server, ServerKind};
use harness::password_service::{PasswordService, ServicePlay};
use harness::{Driver as _, Outcome, Stage, StageOptions, Verb, arguments, start_astra};
use serde_json::{Value, json};

use crate::modules::{ask, server};

const TOKEN: &str = "service-admin-0123456789abcdef";
/// Characters that JSON escapes are among those of the policy.
const POLICY: &str = r#"length = 24
rule "charset" { charset = "abcdefghijklmnopqrstuvwxyz" }
rule "charset" { charset = "\"\\{}%/" min-chars = 4 }"#;

/// A mount of the engine with a service of its own, configured and with the role `reader`.
struct Passwords {
    service: PasswordService,
    mount: OpenBaoDriver,
    settings: MountSettings,
    /// Its modules are read while the mount is there.
    _folder: ModulesDir,
}

impl Passwords {
    fn ready() -> Self {
        Self::of(server(), &ModuleFile::http_passwords(), Vec::new())
    }

    /// A mount of this module, registered with more arguments.
    fn of(server: Arc<Server>, module: &ModuleFile, more: Vec<String>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let service = PasswordService::start(TOKEN);
        let folder = ModulesDir::new();
        folder.drop_in(module);
        let name = format!("passwords-{}", NEXT.fetch_add(1, Ordering::SeqCst));
        let own = [
            folder.argument(),
            module.pin(),
            format!("--allow-egress=http-passwords={}", service.url()),
            "--log-level=debug".to_owned(),
        ];
        let settings = MountSettings {
            plugin: name.clone(),
            mount_point: format!("{name}/"),
            arguments: [own.to_vec(), more].concat(),
            options: json!({ "module": "http-passwords" }),
            ..MountSettings::default()
        };
        server.client().must("PUT", "sys/policies/password/strong", &json!({ "policy": POLICY }));
        let mount = OpenBaoDriver::mount(server, &settings);
        let passwords = Self { service, mount, settings, _folder: folder };
        passwords
            .must("config", json!({ "url": passwords.service.url(), "token": TOKEN, "password_policy": "strong" }));
        passwords.must("roles/reader", json!({}));
        passwords
    }

    fn read(&self, path: &str) -> Outcome {
        ask(&self.mount, Verb::Read, path, Value::Null)
    }

    fn write(&self, path: &str, data: Value) -> Outcome {
        ask(&self.mount, Verb::Write, path, data)
    }

    #[track_caller]
    fn must(&self, path: &str, data: Value) -> Outcome {
        let done = self.write(path, data);
        assert!(done.status < 300, "{done:#?}");
        done
    }

    /// A user, its password and its lease.
    #[track_caller]
    fn make(&self) -> (String, String, String) {
        let made = self.read("creds/reader").expect(200);
        (made.text("username").to_owned(), made.text("password").to_owned(), made.lease_id())
    }

    /// Neither the token nor a password is in a log.
    #[track_caller]
    fn assert_logs_hold_none_of(&self, secrets: &[&str]) {
        let logs = self.mount.logs();
        assert!(secrets.iter().all(|secret| !logs.contains(secret)), "a log holds a secret");
    }
}

#[test]
fn a_password_lives_as_long_as_its_lease_beside_astra() {
    let server = Arc::new(Server::start(ServerKind::Dev));
    let options = StageOptions::default();
    let astra = start_astra(&options);
    let more = arguments(&options, Some(astra.url().to_owned()));
    let more = more.into_iter().filter(|argument| argument.starts_with("--allow-egress")).collect();
    let passwords = Passwords::of(Arc::clone(&server), &ModuleFile::http_passwords(), more);
    let settings = MountSettings { mount_point: "astra/".to_owned(), options: json!({}), ..passwords.settings.clone() };
    let stage = Stage::with_driver(Arc::new(OpenBaoDriver::mount_registered(Arc::clone(&server), &settings)), astra);
    stage.ready();
    assert_eq!(server.plugin_pids().len(), 1, "one process for both engines");

    let config = passwords.read("config").expect(200);
    assert_eq!(
        (config.text("url"), config.text("username_template")),
        (passwords.service.url(), "v-{{role}}-{{random}}")
    );
    assert!(!config.data.to_string().contains(TOKEN), "{config:#?}");
    let (username, password, lease) = passwords.make();
    assert!(username.starts_with("v-reader-") && password.len() == 24, "{username} {password}");
    assert!(passwords.service.accepts(&username, &password), "{password}");
    let token = stage.mint(&stage.alpha, "reader").expect(200);
    assert!(stage.works(token.text("token")));

    passwords.mount.renew(&lease, Some(Duration::from_secs(60))).expect(200);
    passwords.mount.revoke(&lease).expect(204);
    assert!(passwords.service.users().is_empty());
    let lines: Vec<String> = passwords.service.requests().into_iter().map(|request| request.line).collect();
    assert_eq!(lines, ["POST /users".to_owned(), format!("DELETE /users/{username}")]);
    assert!(stage.works(token.text("token")), "one engine ended what the other one made");
    passwords.assert_logs_hold_none_of(&[TOKEN, &password]);
    stage.finish();
}

#[test]
fn a_user_that_the_service_has_lost_counts_as_deleted() {
    let passwords = Passwords::ready();
    let (_, _, lease) = passwords.make();
    passwords.service.play(ServicePlay::Refuse(500));
    let refused = passwords.mount.revoke(&lease);
    assert!(refused.status >= 400 && refused.messages().contains("with status 500"), "{refused:#?}");
    assert_eq!(passwords.mount.leases().len(), 1);
    passwords.service.play(ServicePlay::Well);
    passwords.service.lose_users();
    passwords.mount.revoke(&lease).expect(204);
    assert!(passwords.mount.leases().is_empty());
}

#[test]
fn what_a_failing_service_made_is_deleted_by_rollback() {
    // Longer than the service takes to refuse, so that rollback sees only what is left.
    let more = vec!["--wal-min-age=2s".to_owned()];
    let passwords = Passwords::of(server(), &ModuleFile::http_passwords(), more);
    let failures = [
        (ServicePlay::ActAndAnswer(500), 502, "with status 500"),
        (ServicePlay::Refuse(403), 502, "another `token`"),
        (ServicePlay::ActAndHang, 504, "did not answer in time"),
    ];
    for (play, status, words) in failures {
        if status == 504 {
            passwords.must("config", json!({ "request_timeout": 1 }));
        }
        passwords.service.play(play);
        passwords.read("creds/reader").expect_error(status, &[words, passwords.service.url()]);
    }
    assert!(passwords.mount.leases().is_empty());
    passwords.must("config", json!({ "request_timeout": 10 }));
    passwords.service.play(ServicePlay::Well);
    let made = passwords.service.requests().into_iter().filter(|request| request.line == "POST /users");
    let made: Vec<String> = made.map(|request| username_in(&request.body)).collect();
    let deleted = || {
        let lines = passwords.service.requests().into_iter().map(|request| request.line);
        lines.filter_map(|line| line.strip_prefix("DELETE /users/").map(str::to_owned)).collect::<BTreeSet<_>>()
    };
    let left = [made[0].clone(), made[2].clone()];
    assert!(
        passwords
            .mount
            .settle(&|| passwords.service.users().is_empty() && left.iter().all(|name| deleted().contains(name)))
    );
    assert!(!deleted().contains(&made[1]), "nothing was to undo where the service refused");
}

fn username_in(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap();
    body["username"].as_str().unwrap().to_owned()
}

#[test]
fn a_disable_ends_all_leases() {
    let passwords = Passwords::ready();
    for _ in 0..3 {
        passwords.make();
    }
    assert_eq!(passwords.service.users().len(), 3);
    passwords.mount.disable().expect(204);
    assert!(passwords.service.users().is_empty());
}

#[test]
fn a_mistake_in_a_config_is_a_400_and_changes_nothing() {
    let passwords = Passwords::ready();
    let before = passwords.read("config").expect(200).data;
    let rows = [
        (json!({ "username_template": "{{random}}-{{team}}" }), ["`username_template`", "`team`"]),
        (json!({ "create_path": "/users?admin=1" }), ["`create_path`", "no query"]),
        (json!({ "create_body": "{\"u\": {{username}}, \"p\": \"{{password}}\"}" }), ["`create_body`", "JSON"]),
        (json!({ "delete_path": "/users" }), ["`delete_path`", "{{username}}"]),
        (json!({ "password_policy": "none-such" }), ["`password_policy`", "`none-such`"]),
        (
            json!({ "url": "https://users.example.com", "token": TOKEN }),
            ["https://users.example.com", "--allow-egress"],
        ),
        (json!({ "url": passwords.service.url(), "token": "short" }), ["`token`", "fewer than 16"]),
        (json!({ "ttl": "2h", "max_ttl": "1h" }), ["`ttl`", "`max_ttl`"]),
        (json!({ "request_timeout": "46s" }), ["`request_timeout`", "45"]),
    ];
    for (data, words) in rows {
        passwords.write("config", data).expect_error(400, &words);
    }
    assert_eq!(passwords.read("config").expect(200).data, before);
    assert!(passwords.service.requests().is_empty());
}

#[test]
fn a_config_moves_to_another_url_only_with_its_token() {
    let elsewhere = PasswordService::start("another-admin-0123456789abcdef");
    let more = vec![format!("--allow-egress=http-passwords={}", elsewhere.url())];
    let passwords = Passwords::of(server(), &ModuleFile::http_passwords(), more);
    let (_, _, lease) = passwords.make();
    let moved = json!({ "url": elsewhere.url() });
    passwords.write("config", moved).expect_error(400, &["`url`", elsewhere.url(), "send `token`, too"]);
    passwords.make();
    assert!(elsewhere.requests().is_empty());

    let moved = json!({ "url": elsewhere.url(), "token": "another-admin-0123456789abcdef" });
    let warned = passwords.must("config", moved).messages();
    assert!(warned.contains(passwords.service.url()), "{warned}");
    let (_, _, moved_lease) = passwords.make();
    assert_eq!((elsewhere.users().len(), passwords.service.users().len()), (1, 2));
    // A user is deleted where it was made, by the token of that place.
    let refused = passwords.mount.revoke(&lease);
    assert!(refused.messages().contains(passwords.service.url()), "{refused:#?}");
    let old_token_left = elsewhere.requests().iter().any(|request| request.head.contains(TOKEN));
    assert!(!old_token_left, "{:#?}", elsewhere.requests());
    passwords.mount.revoke(&moved_lease).expect(204);
    assert!(elsewhere.users().is_empty());
    passwords.must("config", json!({ "url": passwords.service.url(), "token": TOKEN }));
    passwords.mount.revoke_prefix("creds/reader").expect(204);
    assert!(passwords.service.users().is_empty());
}

#[test]
fn a_module_that_sends_the_token_in_another_header_gets_nothing() {
    let thief = ModuleFile::http_passwords().with("authorization", "x-stolentoken");
    let passwords = Passwords::of(server(), &thief, Vec::new());
    passwords.read("creds/reader").expect_error(500, &["request ID"]);
    let told = "a value of the class `admin-token` is in a header of a request";
    server().wait_for_line(told, |line| line.contains(told));
    assert!(passwords.service.requests().is_empty());
    let status = passwords.read("module").expect(200).data;
    let sealed = status["sealed_secrets"].to_string();
    assert!(sealed.contains("`token` below `config/`"), "{sealed}");
}
