//! Path help, as `vault path-help` shows it.

use harness::Stage;
use serde_json::Value;

scenarios! { all:
    the_roots_help_names_every_path,
    every_path_has_help,
    help_describes_parameters,
    help_says_which_path_an_alias_stands_for_and_what_a_policy_must_not_allow,
    an_unknown_path_has_no_help,
}

/// A path for each row of the table, with a text that its route must name.
const PATHS: [(&str, &str); 26] = [
    ("config", "config"),
    ("configs", "configs"),
    ("role", "role"),
    ("roles", "roles"),
    ("org/token", "org/token"),
    ("org/tokens", "org/tokens"),
    ("config/abc", "config/"),
    ("config/abc/check", "check"),
    ("config/abc/rotate-root", "rotate-root"),
    ("config/abc/sync-roles", "sync-roles"),
    ("sync-roles", "sync-roles"),
    ("roles/abc", "roles/"),
    ("roles/abc/reader", "roles/"),
    ("creds/abc/reader", "creds/"),
    ("report", "report"),
    ("report/abc", "report/"),
    ("tokens/abc", "tokens/"),
    ("tokens/abc/def", "tokens/"),
    ("static-roles/abc", "static-roles/"),
    ("static-roles/abc/app", "static-roles/"),
    ("static-creds/abc/app", "static-creds/"),
    ("rotate-role/abc/app", "rotate-role/"),
    ("tidy", "tidy"),
    ("info", "info"),
    ("config/abc/", "config/"),
    ("roles/", "roles"),
];

fn text(stage: &Stage, path: &str) -> String {
    stage.help(path).expect(200).text("help").to_owned()
}

fn the_roots_help_names_every_path(stage: &Stage) {
    let help = text(stage, "");
    assert!(help.starts_with("## DESCRIPTION"), "{help}");
    assert!(help.contains("## PATHS"), "{help}");
    for (_, route) in PATHS {
        assert!(help.contains(route), "no `{route}` in {help}");
    }
}

fn every_path_has_help(stage: &Stage) {
    for (path, route) in PATHS {
        let help = text(stage, path);
        let matching = help.lines().find(|line| line.starts_with("Matching Route:")).unwrap();
        assert!(matching.contains(route), "{path}: {matching}");
        assert!(!help.contains("<no synopsis>") && !help.contains("<no description>"), "{path}: {help}");
    }
}

fn help_describes_parameters(stage: &Stage) {
    let help = text(stage, "config/abc");
    for name in ["org", "astra_token", "url", "logical_name", "caller_mode", "request_timeout"] {
        assert!(help.contains(&format!("    {name} (")), "no `{name}` in {help}");
    }
    assert!(help.contains("(duration (sec))"), "{help}");
}

/// What each path of the Go plugin is an alias of, as "Policies" in docs/operations.md says.
const ALIASES: [(&str, &str); 4] = [
    ("config", "config/<organization>"),
    ("role", "roles/<organization>/<role>"),
    ("sync-roles", "config/<organization>/sync-roles"),
    ("org/token", "creds/<organization>/<role>"),
];

fn help_says_which_path_an_alias_stands_for_and_what_a_policy_must_not_allow(stage: &Stage) {
    for (path, of) in ALIASES {
        // A text is broken into lines.
        let help = text(stage, path).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(help.contains(&format!("path is an alias of `{of}`")), "{path}: {help}");
        assert!(help.contains("must not allow this path"), "{path}: {help}");
    }
}

fn an_unknown_path_has_no_help(stage: &Stage) {
    stage.help("nothing/here").expect(404);
    assert_eq!(stage.help("nothing/here").data, Value::Null);
}
