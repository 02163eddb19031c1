//! 10,000 tokens of three organizations on a real server: the report, its command, and the metrics, also for clients
//! that may see one organization only.

use std::collections::BTreeSet;

use harness::openbao::Server;
use harness::{DriverKind, Stage, StageOptions, play};
use serde_json::{Value, json};

use crate::lifecycle::mount_of;
use crate::report_command::Place;

const MANY: usize = 10_000;
/// More tokens than the driver makes to find out the mount's path.
const MADE_BY_DRIVER: usize = 5;
/// Rollbacks that may end between two reads of the metrics. The server begins them a minute apart.
const ROLLBACKS_MEANWHILE_MAX: usize = 3;
/// An organization beside those that Astra has: nobody is asked about it.
const GAMMA: &str = "0c0c0c0c-3333-4333-8333-0c0c0c0c0c0c";
const TEAMS: [&str; 5] = ["payments", "web", "data", "search", "ops"];

/// The client IDs by organization.
struct Crowd {
    orgs: [(String, BTreeSet<String>); 3],
}

impl Crowd {
    /// Writes the tokens into the storage of the mount as if they had been minted: real mints would take minutes.
    fn new(stage: &Stage) -> Self {
        for org in [&stage.alpha, &stage.beta] {
            stage.configure(org);
        }
        stage.make_role(&stage.alpha, "reader", json!({ "max_tokens": 4000 }));
        let role_id = stage.astra_role(&stage.alpha, "R/W User");
        let mut orgs = [&stage.alpha.id, &stage.beta.id, GAMMA].map(|id| (id.to_owned(), BTreeSet::new()));
        let mut entries = Vec::with_capacity(2 * MANY);
        for number in 0..MANY {
            let (org, ids) = &mut orgs[number % 3];
            let client_id = format!("Seeded{number:018}");
            let record = json!({
                "clientId": client_id, "orgId": org, "roleName": "reader", "roles": [role_id], "kind": "creds",
                "metadata": { "team": TEAMS[number % TEAMS.len()] }, "origin": stage.astra.url(),
                "createdBy": { "displayName": format!("oidc-user{}", number % 50) },
                "made": 1_700_000_000 + number, "leaseEnd": 4_000_000_000_u64, "generatedOn": "", "logicalName": "",
            });
            // The record first: an index entry without one is a left-over that a look-up removes.
            entries.push((format!("token/{client_id}"), record));
            entries.push((format!("client-index/{org}/{client_id}"), json!({ "id": client_id })));
            ids.insert(client_id);
        }
        Server::shared().put_entries(&mount_of(stage), &entries);
        Self { orgs }
    }

    /// The number of tokens of each organization that has metrics.
    fn is_counted_by(&self, metrics: &str) -> bool {
        self.orgs[..2].iter().all(|(org, ids)| {
            let begin = format!("astra_tokens{{organization=\"{org}\"}} ");
            let count: usize = metrics.lines().find_map(|line| line.strip_prefix(&begin)).unwrap().parse().unwrap();
            (ids.len()..ids.len() + MADE_BY_DRIVER).contains(&count)
        })
    }
}

fn ids(report: &Value) -> BTreeSet<String> {
    let tokens = report["tokens"].as_array().unwrap();
    let ids: BTreeSet<String> = tokens.iter().map(|token| token["client_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), tokens.len(), "each once");
    ids
}

#[test]
fn ten_thousand_tokens_of_three_organizations_are_reported_and_counted() {
    play(DriverKind::OpenBao, StageOptions::default(), |stage| {
        let crowd = Crowd::new(stage);
        // A mount that began without tokens has a whole index, and need not wait for rollback to make one.
        stage.read(&format!("tokens/{}/unknown", stage.alpha.id), Value::Null).expect(404);
        let place = Place::of(stage);
        a_page_has_its_limit_and_a_summary_counts_all(stage, &crowd);
        a_policy_for_one_organization_shows_that_one_alone(&place, &crowd);
        the_command_reads_all_pages_in_every_form(&place, &crowd);
        metrics_count_by_organization(stage, &place, &crowd);
    });
}

fn a_page_has_its_limit_and_a_summary_counts_all(stage: &Stage, crowd: &Crowd) {
    let first = stage.read("report", Value::Null).expect(200).data;
    assert_eq!((ids(&first).len(), first["next"].is_string()), (1_000, true));
    let (mut counted, mut after) = (0, json!(""));
    while !after.is_null() {
        let part = stage.read("report", json!({ "summary": true, "after": after })).expect(200).data;
        counted += part["summary"]["tokens"].as_u64().unwrap();
        after = part["next"].clone();
    }
    assert!((MANY..MANY + MADE_BY_DRIVER).contains(&usize::try_from(counted).unwrap()), "{counted}");
    let of_team = stage.read(&format!("report/{}", crowd.orgs[1].0), json!({ "metadata.team": "web" })).expect(200);
    assert!(ids(&of_team.data).is_subset(&crowd.orgs[1].1));
}

fn a_policy_for_one_organization_shows_that_one_alone(place: &Place, crowd: &Crowd) {
    let [(own, own_ids), (other, _), _] = &crowd.orgs;
    let token = place.token_for(&format!("report/{own}"));
    let allowed = place.run(&token, &["report", own, "--format=json"]);
    assert!(allowed.status.success(), "{}", String::from_utf8_lossy(&allowed.stderr));
    let seen = ids(&serde_json::from_slice(&allowed.stdout).unwrap());
    assert!(own_ids.is_subset(&seen) && seen.len() < own_ids.len() + MADE_BY_DRIVER, "{}", seen.len());
    for arguments in [&["report"][..], &["report", other]] {
        assert_eq!(place.run(&token, arguments).status.code(), Some(1), "{arguments:?}");
    }
    let client = place.root.with_token(&token);
    for (path, status) in [("metrics", 403), ("report", 403), (&*format!("report/{other}"), 403)] {
        assert_eq!(client.call("GET", &format!("{}/{path}", place.mount), &Value::Null).status, status, "{path}");
    }
}

fn the_command_reads_all_pages_in_every_form(place: &Place, crowd: &Crowd) {
    let all: Value = serde_json::from_str(&place.print(&["report", "--format=json"])).unwrap();
    let known: BTreeSet<String> = crowd.orgs.iter().flat_map(|(_, ids)| ids.iter().cloned()).collect();
    assert!(known.is_subset(&ids(&all)), "all of them, beside what the driver made");
    // The other forms with a third of them, because the pages are read in the same way.
    let [.., (org, org_ids)] = &crowd.orgs;
    let table = place.print(&["report", org]);
    assert!(table.ends_with(&format!("{} tokens\n", org_ids.len())), "{}", table.lines().last().unwrap_or_default());
    assert_eq!(place.print(&["report", org, "--format=csv"]).lines().count(), org_ids.len() + 1);
    let file = place.home.path().join("report.html");
    place.print(&["report", org, "--format=html", "--output", file.to_str().unwrap()]);
    let page = std::fs::read_to_string(file).unwrap();
    assert!(org_ids.iter().all(|id| page.contains(id)));
}

fn metrics_count_by_organization(stage: &Stage, place: &Place, crowd: &Crowd) {
    let client = place.root.with_token(&place.token_for("metrics"));
    let read = || client.text(&format!("{}/metrics?format=prometheus", place.mount));
    let mut text = read();
    // The server's rollback counts large organizations, and keeps the numbers for ten minutes. A rollback that came while
    // the tokens were being written kept too few; without these numbers, the tokens are counted by this read.
    for _ in 0..ROLLBACKS_MEANWHILE_MAX {
        if crowd.is_counted_by(&text) {
            break;
        }
        Server::shared().put_entry(&place.mount, "state/index", &json!({ "complete": true }));
        text = read();
    }
    assert!(crowd.is_counted_by(&text), "{text}");
    assert!(!text.contains(GAMMA), "an organization without config has no metrics");
    let status = client.call("GET", &format!("{}/report", place.mount), &Value::Null).status;
    assert_eq!(status, 403, "a policy for the metrics shows no tokens");
    stage.read("metrics", Value::Null).expect(200);
}
