//! `report` and `check` of the plugin's binary with a real server, in the environment of the server's own command line.

use std::path::Path;
use std::process::{Command, Output};

use astra_simulator::{Effect, FaultRule};
use harness::openbao::{Client, Server};
use harness::{DriverKind, Stage, StageOptions, play, plugin_binary};
use serde_json::{Value, json};

use crate::faults::status;
use crate::lifecycle::mount_of;

/// A mount with two organizations, each with a token.
pub(crate) struct Place {
    pub(crate) mount: String,
    pub(crate) root: Client,
    pub(crate) home: tempfile::TempDir,
}

impl Place {
    fn new(stage: &Stage) -> Self {
        stage.ready();
        stage.configure(&stage.beta);
        stage.make_role(&stage.beta, "reader", json!({}));
        for (org, team) in [(&stage.alpha, "=payments"), (&stage.beta, "</script>")] {
            stage.write(&format!("creds/{}/reader", org.id), json!({ "metadata": { "team": team } })).expect(200);
        }
        Self::of(stage)
    }

    /// The mount of a stage.
    pub(crate) fn of(stage: &Stage) -> Self {
        Self { mount: mount_of(stage), root: Server::shared().client(), home: tempfile::tempdir().unwrap() }
    }

    /// Runs a command with a token.
    pub(crate) fn run(&self, token: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(plugin_binary());
        command.env_clear().env("VAULT_ADDR", Server::shared().address()).env("HOME", self.home.path());
        if !token.is_empty() {
            command.env("BAO_TOKEN", token);
        }
        command.args(arguments).args(["--mount", &self.mount]).output().unwrap()
    }

    /// The output of a command with the root token.
    #[track_caller]
    pub(crate) fn print(&self, arguments: &[&str]) -> String {
        let output = self.run(&Server::shared().root_token(), arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && stderr.is_empty(), "{arguments:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// A token that may read one path.
    pub(crate) fn token_for(&self, path: &str) -> String {
        let name = format!("{}-report", self.mount);
        let policy = format!("path \"{}/{path}\" {{ capabilities = [\"read\"] }}", self.mount);
        self.root.must("PUT", &format!("sys/policies/acl/{name}"), &json!({ "policy": policy }));
        let made = self.root.must("POST", "auth/token/create", &json!({ "policies": [name] }));
        made["auth"]["client_token"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_report_is_printed_in_every_form() {
    play(DriverKind::OpenBao, StageOptions::default(), |stage| {
        let place = Place::new(stage);
        let report: Value = serde_json::from_str(&place.print(&["report", "--format=json"])).unwrap();
        let tokens = report["tokens"].as_array().unwrap();
        // The third token was made to find out the mount's path.
        assert_eq!((tokens.len(), tokens.iter().all(|token| token["kind"] == "creds")), (3, true));
        let of_team: Value =
            serde_json::from_str(&place.print(&["report", "--metadata=team==payments", "--format=json"])).unwrap();
        assert_eq!(of_team["tokens"].as_array().unwrap().len(), 1);
        let table = place.print(&["report", &stage.beta.id]);
        assert!(table.starts_with("ORGANIZATION") && table.ends_with("1 tokens\n"), "{table}");
        assert!(place.print(&["report", "--format=csv"]).contains("\"team==payments\""));
        assert!(place.print(&["report", "--summary"]).contains("team=</script>"));
        let file = place.home.path().join("report.html");
        assert_eq!(place.print(&["report", "--format=html", "--output", file.to_str().unwrap()]), "");
        assert_is_page(&file);
    });
}

fn assert_is_page(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let page = std::fs::read_to_string(file).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("Content-Security-Policy"));
    assert_eq!(page.matches("</script>").count(), 2, "metadata ends no element");
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_policy_for_one_organization_is_enough_for_its_report() {
    play(DriverKind::OpenBao, StageOptions::default(), |stage| {
        let place = Place::new(stage);
        let token = place.token_for(&format!("report/{}", stage.beta.id));
        let allowed = place.run(&token, &["report", &stage.beta.id, "--format=json"]);
        assert!(allowed.status.success(), "{}", String::from_utf8_lossy(&allowed.stderr));
        for arguments in [&["report"][..], &["report", &stage.alpha.id]] {
            let denied = place.run(&token, arguments);
            let stderr = String::from_utf8_lossy(&denied.stderr);
            assert_eq!(denied.status.code(), Some(1));
            assert!(stderr.contains("`read` on") && !stderr.contains(&token), "{stderr}");
        }
        // Without a token in the environment, the file of a login is used.
        std::fs::write(place.home.path().join(".vault-token"), &token).unwrap();
        assert!(place.run("", &["report", &stage.beta.id]).status.success());
        std::fs::remove_file(place.home.path().join(".vault-token")).unwrap();
        let nobody = place.run("", &["report"]);
        assert_eq!(nobody.status.code(), Some(64));
        assert!(String::from_utf8_lossy(&nobody.stderr).contains("VAULT_TOKEN"));
    });
}

#[test]
fn a_check_has_the_exit_codes_of_monitoring() {
    play(DriverKind::OpenBao, StageOptions::default(), |stage| {
        let place = Place::new(stage);
        let root = Server::shared().root_token();
        let code = |token: &str, arguments: &[&str]| place.run(token, arguments).status.code();
        for arguments in [&["check", &stage.alpha.id][..], &["check", &stage.alpha.id, "--deep"]] {
            let healthy = place.run(&root, arguments);
            let text = String::from_utf8_lossy(&healthy.stdout);
            assert!(text.starts_with(&format!("OK {}\n", stage.alpha.id)), "{text}");
            assert_eq!(text.contains("may_manage_tokens"), arguments.len() > 2, "{text}");
            assert_eq!(healthy.status.code(), Some(0));
        }
        stage.astra.fault(FaultRule::new(status(503, Effect::NotDone)).path("/v2/organizations/roles"));
        assert_eq!(code(&root, &["check", &stage.alpha.id]), Some(1), "Astra does not list its roles");
        stage.astra.clear_faults();
        let client_id = stage.admin_client_id(&stage.beta);
        assert!(stage.astra.change(&astra_simulator::OutsideChange::RevokeToken { client_id }));
        assert_eq!(code(&root, &["check", &stage.beta.id]), Some(2));
        // Without organizations, the command checks the whole mount, and the worst result counts.
        let all = place.run(&root, &["check", "--format=json"]);
        let checked: Value = serde_json::from_slice(&all.stdout).unwrap();
        assert_eq!((all.status.code(), checked["organizations"].as_array().unwrap().len()), (Some(2), 2));
        assert_eq!(checked["verdict"], "CRITICAL");
        assert_eq!(code(&root, &["check", "nobody"]), Some(3));
        assert_eq!(code(&place.token_for("info"), &["check", &stage.alpha.id]), Some(3));
        assert_eq!(code(&root, &["check", "--address=http://127.0.0.1:1"]), Some(3));
    });
}
