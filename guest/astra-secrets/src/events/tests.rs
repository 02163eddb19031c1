use std::collections::BTreeSet;

use secrets_framework::testing::TestHost;

use super::*;

/// Lines of the framework and of the component around the engine.
const OF_FRAMEWORK: [(&str, &str, &[&str]); 3] = [
    (
        "error",
        "a write-ahead entry cannot be undone and is kept: what the entry stands for may live on",
        &["key", "reason"],
    ),
    ("error", "the engine panicked", &["panic", "place"]),
    ("warn", "an existence check failed, so the write counts as an update", &["path", "error"]),
];

#[test]
fn the_operations_page_lists_every_line_with_its_fields() {
    let page = include_str!("../../../../docs/operations.md");
    let section = page.split_once("### Lines of the engine in the log\n").map_or("", |(_, rest)| rest);
    let section = section.split("\n#").next().unwrap_or_default();
    let listed: BTreeSet<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
    let own = ALL.iter().map(|event| (level(event.level), event.message, event.fields));
    let rows: BTreeSet<String> = own
        .chain(OF_FRAMEWORK)
        .map(|(level, message, fields)| {
            let fields: Vec<String> = fields.iter().map(|field| format!("`{field}`")).collect();
            format!("| `{message}` | {level} | {} |", fields.join(", "))
        })
        .collect();
    let missing: Vec<&String> = rows.iter().filter(|row| !listed.contains(row.as_str())).collect();
    assert!(
        missing.is_empty(),
        "the page lacks:\n{}",
        missing.iter().map(|row| format!("{row}\n")).collect::<String>()
    );
    let foreign: Vec<&&str> = listed.iter().filter(|row| !rows.contains(**row)).collect();
    assert!(foreign.is_empty(), "the page has lines that are none: {foreign:?}");
}

#[test]
fn a_line_has_no_empty_fields() {
    let host = TestHost::new();
    TOKEN_REVOKED.log_on(&host, &[("org", "o"), ("role", ""), ("client_id", "c")]);
    let lines = host.log.lines();
    let fields: Vec<(&str, &str)> =
        lines.iter().flat_map(|line| &line.fields).map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(fields, [("org", "o"), ("client_id", "c")]);
}

#[test]
fn two_events_have_not_the_same_words() {
    let messages: BTreeSet<&str> = ALL.iter().map(|event| event.message).collect();
    assert_eq!(messages.len(), ALL.len());
}

fn level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    }
}
