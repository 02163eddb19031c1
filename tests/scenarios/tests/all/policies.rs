//! The policies of the documents, unchanged, under a real server.

use std::fs;

use harness::openbao::{Client, Server};
use harness::{DriverKind, Org, Stage, StageOptions, play, workspace_root};
use serde_json::{Value, json};

use crate::lifecycle::mount_of;

/// The policy of a document whose first line is a comment with this begin.
fn documented(page: &str, title: &str) -> String {
    let page = fs::read_to_string(workspace_root().join(page)).unwrap();
    let blocks = page.split("\n```hcl\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    let policies = blocks.flat_map(|block| block.split("\n\n"));
    let found: Vec<&str> = policies.filter(|policy| policy.starts_with(&format!("# {title}"))).collect();
    let [policy] = found.as_slice() else { panic!("not one policy `{title}`: {found:?}") };
    (*policy).to_owned()
}

/// A mount for the policies: two organizations with the same role names.
struct Place {
    mount: String,
    root: Client,
}

impl Place {
    fn new(stage: &Stage) -> Self {
        stage.ready();
        stage.configure_with(&stage.beta, json!({ "logical_name": "second" }));
        for org in [&stage.alpha, &stage.beta] {
            for role in ["reader", "r_w_user"] {
                stage.make_role(org, role, json!({}));
            }
            let body = json!({ "role_ids": stage.astra_role(org, "R/W User"), "rotation_period": "24h" });
            assert!(stage.write(&format!("static-roles/{}/app", org.id), body).status < 300);
        }
        let stored = json!({ "org_id": stage.beta.id, "role_name": "reader", "logical_name": "stored" });
        stage.write("org/token", stored).expect(200);
        Self { mount: mount_of(stage), root: Server::shared().client() }
    }

    /// A client with these policies, filled in for this mount and an organization.
    fn client(&self, org: &Org, policies: &[String]) -> Client {
        let policy = policies.join("\n").replace("astra/", &format!("{}/", self.mount)).replace("ORG_ID", &org.id);
        let name = format!("{}-{}", self.mount, policy.len());
        self.root.must("PUT", &format!("sys/policies/acl/{name}"), &json!({ "policy": policy }));
        let made = self.root.must("POST", "auth/token/create", &json!({ "policies": [name] }));
        self.root.with_token(made["auth"]["client_token"].as_str().unwrap())
    }

    fn ask(&self, client: &Client, (method, path, body): &Request) -> u16 {
        client.call(method, &format!("{}/{path}", self.mount), body).status
    }

    #[track_caller]
    fn may(&self, client: &Client, requests: &[Request]) {
        for request in requests {
            let status = self.ask(client, request);
            assert!(status < 300, "{request:?}: {status}");
        }
    }

    #[track_caller]
    fn may_not(&self, client: &Client, requests: &[Request]) {
        for request in requests {
            assert_eq!(self.ask(client, request), 403, "{request:?}");
        }
    }
}

type Request = (&'static str, String, Value);

/// Requests to paths that name the organization.
fn by_its_own_paths(stage: &Stage, org: &Org) -> Vec<Request> {
    let id = &org.id;
    let role = json!({ "role_id": stage.astra_role(org, "R/W User") });
    let fixed = json!({ "role_ids": stage.astra_role(org, "R/W User"), "rotation_period": "24h" });
    vec![
        ("GET", format!("config/{id}"), Value::Null),
        ("GET", format!("config/{id}/check"), Value::Null),
        ("POST", format!("config/{id}/sync-roles"), json!({})),
        ("LIST", format!("roles/{id}"), Value::Null),
        ("POST", format!("roles/{id}/new"), role),
        ("GET", format!("roles/{id}/reader"), Value::Null),
        ("DELETE", format!("roles/{id}/new"), Value::Null),
        ("GET", format!("creds/{id}/reader"), Value::Null),
        ("POST", format!("creds/{id}/reader"), json!({})),
        ("LIST", format!("tokens/{id}"), Value::Null),
        ("GET", format!("report/{id}?limit=1"), Value::Null),
        ("LIST", format!("static-roles/{id}"), Value::Null),
        ("POST", format!("static-roles/{id}/new"), fixed),
        ("GET", format!("static-roles/{id}/app"), Value::Null),
        ("GET", format!("static-creds/{id}/app"), Value::Null),
        ("POST", format!("rotate-role/{id}/app"), json!({})),
        ("POST", format!("config/{id}/rotate-root"), json!({})),
    ]
}

/// Requests that reach an organization, or all of them, without its name in the path.
fn by_aliases(stage: &Stage, org: &Org) -> Vec<Request> {
    let (id, url) = (&org.id, stage.astra.url());
    let role = stage.astra_role(org, "R/W User");
    vec![
        ("GET", format!("config?org_id={id}"), Value::Null),
        ("GET", "config?logical_name=second".to_owned(), Value::Null),
        ("POST", "config".to_owned(), json!({ "org_id": id, "url": url })),
        ("LIST", "config".to_owned(), Value::Null),
        ("LIST", "configs".to_owned(), Value::Null),
        ("GET", format!("role?org_id={id}&role_name=reader"), Value::Null),
        ("POST", "role".to_owned(), json!({ "org_id": id, "role_name": "reader", "role_id": role })),
        ("LIST", "roles".to_owned(), Value::Null),
        ("POST", "sync-roles".to_owned(), json!({})),
        ("POST", "org/token".to_owned(), json!({ "org_id": id, "role_name": "reader" })),
        ("GET", format!("org/token?org_id={id}&role_name=reader&logical_name=stored"), Value::Null),
        ("LIST", "org/tokens".to_owned(), Value::Null),
        ("POST", "tidy".to_owned(), json!({ "org_id": id })),
        ("GET", "tidy".to_owned(), Value::Null),
        ("GET", "info".to_owned(), Value::Null),
        ("GET", "report".to_owned(), Value::Null),
        ("GET", "metrics".to_owned(), Value::Null),
        ("GET", "module".to_owned(), Value::Null),
        ("POST", "module/reload".to_owned(), json!({})),
    ]
}

const WIDE: &str = "path \"astra/*\" { capabilities = [\"create\", \"read\", \"update\", \"delete\", \"list\"] }";

#[test]
fn the_allow_list_of_the_documents_holds_a_team_to_its_organization() {
    play(DriverKind::OpenBao, StageOptions::default(), |stage| {
        let place = Place::new(stage);
        let team = place.client(&stage.alpha, &[documented("docs/operations.md", "Allow-list")]);
        place.may(&team, &by_its_own_paths(stage, &stage.alpha));
        let record = stage.records(&stage.alpha).into_iter().next().unwrap();
        place.may(&team, &[("GET", format!("tokens/{}/{record}", stage.alpha.id), Value::Null)]);

        let beta = (stage.records(&stage.beta), stage.read(&format!("config/{}", stage.beta.id), Value::Null));
        place.may_not(&team, &by_its_own_paths(stage, &stage.beta));
        place.may_not(&team, &by_aliases(stage, &stage.beta));
        place.may_not(&team, &by_aliases(stage, &stage.alpha));
        let config = format!("config/{}", stage.alpha.id);
        place.may_not(
            &team,
            &[("POST", config.clone(), json!({ "description": "x" })), ("DELETE", config, Value::Null)],
        );
        assert_eq!((stage.records(&stage.beta), stage.read(&format!("config/{}", stage.beta.id), Value::Null)), beta);
    });
}

#[test]
fn the_deny_block_of_the_documents_shuts_every_alias() {
    play(DriverKind::OpenBao, StageOptions::default(), |stage| {
        let place = Place::new(stage);
        // The wide grant alone reaches all of them.
        let wide = place.client(&stage.beta, &[WIDE.to_owned()]);
        for request in by_aliases(stage, &stage.beta) {
            // Without a folder of modules there is nothing to reload: that is the plugin's own answer.
            assert!(![403, 404].contains(&place.ask(&wide, &request)), "{request:?}");
        }
        // A denial of the organization's paths by `+` does not apply below them.
        let plus = "path \"astra/+/ORG_ID/*\" { capabilities = [\"deny\"] }".to_owned();
        let plus = place.client(&stage.beta, &[WIDE.to_owned(), plus]);
        place.may(&plus, &[("GET", format!("creds/{}/reader", stage.beta.id), Value::Null)]);

        let before = stage.records(&stage.beta);
        let shut = documented("docs/operations.md", "Deny block");
        let shut = place.client(&stage.beta, &[WIDE.to_owned(), shut]);
        place.may(&shut, &by_its_own_paths(stage, &stage.alpha));
        place.may_not(&shut, &by_its_own_paths(stage, &stage.beta));
        place.may_not(&shut, &by_aliases(stage, &stage.beta));
        assert_eq!(stage.records(&stage.beta), before);
    });
}

#[test]
fn the_policies_of_the_readme_do_what_they_say() {
    play(DriverKind::OpenBao, StageOptions::default(), |stage| {
        let place = Place::new(stage);
        let (alpha, beta) = (&stage.alpha.id, &stage.beta.id);
        let readme = |title| documented("README.md", title);
        let get = |path: String| ("GET", path, Value::Null);

        let application = place.client(&stage.alpha, &[readme("An application")]);
        place.may(&application, &[get(format!("creds/{alpha}/r_w_user"))]);
        place.may_not(&application, &[get(format!("creds/{alpha}/reader")), get(format!("creds/{beta}/r_w_user"))]);
        place.may_not(&application, &by_aliases(stage, &stage.alpha));

        let administrator = place.client(&stage.alpha, &[readme("A role administrator")]);
        let role = json!({ "role_id": stage.astra_role(&stage.alpha, "R/W User") });
        let list = |path: &str| ("LIST", format!("{path}/{alpha}"), Value::Null);
        place.may(&administrator, &[list("roles"), list("tokens"), ("POST", format!("roles/{alpha}/new"), role)]);
        place.may_not(&administrator, &[get(format!("config/{alpha}")), get(format!("creds/{alpha}/reader"))]);
        place.may_not(&administrator, &by_aliases(stage, &stage.alpha));

        let shut = place.client(&stage.beta, &[WIDE.to_owned(), readme("Beside a wider grant")]);
        let open = ["configs", "roles", "info", "metrics"];
        let aliases = by_aliases(stage, &stage.beta).into_iter();
        let aliases: Vec<Request> = aliases.filter(|(_, path, _)| !open.contains(&path.as_str())).collect();
        place.may_not(&shut, &aliases);
        place.may(&shut, &[get(format!("creds/{alpha}/reader"))]);
    });
}
