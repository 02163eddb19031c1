//! Writes the page of an invented report to stdout: `sample_page [TOKENS]`. The browser test reads the page, and the
//! picture in the documents shows it. The output is the same in each run.

use std::io::Write as _;
use std::time::Duration;

use insight::{About, Report, page};
use serde_json::{Value, json};

/// 2026-11-28T12:00:00Z.
const NOW: u64 = 1_795_867_200;
const DAY: u64 = 24 * 3600;

const ORGANIZATIONS: [(&str, &str); 3] = [
    ("6f1d3a52-0b7e-4c1f-9a57-3f1f0f6f7b11", "production"),
    ("b8c4e1d0-5a3b-4f7c-8d2e-7a6b5c4d3e22", "staging"),
    ("0d9e8f7a-6b5c-4d3e-9f1a-2b3c4d5e6f33", "analytics"),
];
const ROLES: [(&str, &str); 7] = [
    ("R/W User", "db:*:keyspace:*:table:*"),
    ("R/O User", "db:*:keyspace:*"),
    ("Orders writer", "db:5e1f0c9a-1111-4222-8333-0a1b2c3d4e5f:keyspace:orders"),
    ("Ledger reader", "db:5e1f0c9a-1111-4222-8333-0a1b2c3d4e5f:keyspace:ledger"),
    ("Events ingest", "stream:*"),
    ("Database Administrator", "db:*"),
    ("API Admin User", "db:*"),
];
const OWNERS: [&str; 19] = [
    "payments-api",
    "checkout",
    "ledger-batch",
    "fraud-scoring",
    "web-frontend",
    "mobile-gateway",
    "recommendations",
    "search",
    "ci-deploy",
    "data-platform",
    "reporting",
    "alice@example.com",
    "bob@example.com",
    "inventory",
    "shipping",
    "billing",
    "crm-sync",
    "notifications",
    "experiments",
];
const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ";
const TEAMS: [&str; 6] = ["payments", "web", "data", "platform", "growth", "logistics"];

/// Pseudo-random numbers that are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default().checked_rem(end).unwrap_or_default()
    }

    /// Small numbers more often than large ones.
    fn mostly_small(&mut self, end: usize) -> usize {
        let (one, other) = (self.below(end), self.below(end));
        one.min(other).min(self.below(end))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tokens = std::env::args().nth(1).map_or(Ok(10_000), |tokens| tokens.parse())?;
    let mut numbers = Numbers(20);
    let rows: Vec<Value> = (0..tokens).map(|_| token(&mut numbers)).collect();
    let organizations: serde_json::Map<String, Value> = ORGANIZATIONS
        .iter()
        .map(|(id, name)| ((*id).to_owned(), json!({ "logical_name": name, "record_reads": true })))
        .collect();
    let roles: serde_json::Map<String, Value> =
        ORGANIZATIONS.iter().map(|(id, _)| ((*id).to_owned(), roles_of(id))).collect();
    let report: Report =
        serde_json::from_value(json!({ "tokens": rows, "organizations": organizations, "astra_roles": roles }))?;
    let about = About {
        mount: "astra".to_owned(),
        address: "https://bao.example.com:8200".to_owned(),
        generated: time(NOW),
        ..About::default()
    };
    std::io::stdout().lock().write_all(page(&about, &report)?.as_bytes())?;
    Ok(())
}

fn roles_of(org_id: &str) -> Value {
    let role = |(at, (name, reaches)): (usize, &(&str, &str))| {
        let resources = [format!("drn:astra:org:{org_id}"), format!("drn:astra:org:{org_id}:{reaches}")];
        (role_id(at), json!({ "id": role_id(at), "name": name, "resources": resources, "seen_at": time(NOW - DAY) }))
    };
    ROLES.iter().enumerate().map(role).collect::<serde_json::Map<_, _>>().into()
}

fn role_id(at: usize) -> String {
    format!("00000000-0000-4000-8000-00000000000{at}")
}

fn token(numbers: &mut Numbers) -> Value {
    let (org_id, _) = ORGANIZATIONS[numbers.mostly_small(ORGANIZATIONS.len())];
    let owner = OWNERS[numbers.mostly_small(OWNERS.len())];
    let role = numbers.mostly_small(ROLES.len());
    let kind = ["creds", "creds", "creds", "standard", "static", "sidecar"][numbers.below(6)];
    let age = (numbers.mostly_small(400) as u64) * DAY + numbers.below(80_000) as u64;
    let last = numbers.mostly_small(usize::try_from(age).unwrap_or(1).max(1)) as u64;
    let is_read = kind == "standard" || kind == "static";
    let lease = numbers.below(60) as u64 * DAY / 2 + 1800;
    let team = TEAMS[numbers.mostly_small(TEAMS.len())];
    let environment = ["prod", "test"][numbers.below(2)];
    let metadata = if numbers.below(12) == 0 { json!({}) } else { json!({ "team": team, "env": environment }) };
    let (name, _) = ROLES[role];
    let client: String = (0..24).map(|_| char::from(LETTERS[numbers.below(LETTERS.len())])).collect();
    json!({
        "org_id": org_id, "client_id": client, "kind": kind, "role": name.to_lowercase().replace([' ', '/'], "_"),
        "role_ids": [role_id(role)], "astra_roles": [name], "logical_name": if kind == "standard" { owner } else { "" },
        "metadata": metadata, "owner": owner, "created_by": { "display_name": format!("approle-{owner}"), "entity_name": owner },
        "made": time(NOW - age),
        "last_read": is_read.then(|| time(NOW - last)), "reads": if is_read { numbers.below(90) } else { 0 },
        "last_renewed": (!is_read).then(|| time(NOW - last)), "renewals": if is_read { 0 } else { numbers.below(40) },
        "last_use": time(NOW - last), "expires": (kind != "static").then(|| time(NOW + lease)),
    })
}

fn time(seconds: u64) -> String {
    insight::rfc3339(Duration::from_secs(seconds))
}
