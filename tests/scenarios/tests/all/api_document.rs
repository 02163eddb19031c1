//! `docs/api.md`: the page of all paths, written from the path table and from exchanges with a mount.
//!
//! The tables come from the mount's own OpenAPI documents and help texts; the samples are recorded here. Times and
//! random values are replaced, so every driver must give the same bytes. `UPDATE_GEN=1` writes the page anew.

mod exchanges;
mod modules;
mod page;
mod stable;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use harness::{DriverKind, Stage, Verb, workspace_root};

use exchanges::Exchange;
use page::PathPage;

/// Separates the engine's part of the page from the host's.
const HOST_PART: &str = "## Paths of the host\n";

scenarios! { all:
    the_page_of_all_paths_says_what_the_engine_answers,
}

fn the_page_of_all_paths_says_what_the_engine_answers(stage: &Stage) {
    let exchanges = exchanges::of_the_engine(stage);
    let document = stage.help("").expect(200).data["openapi"].clone();
    let mut pages = page::of_document(stage, &document);
    // Only a real plugin has the host's paths, which are in a part of their own.
    pages.retain(|page| !["module", "metrics"].contains(&page.path.split('/').next().unwrap_or_default()));
    assert_every_operation_has_a_sample(&pages, &exchanges);
    let text = format!("{}{}", page::HEAD, page::render(&pages, &exchanges));
    check_or_write(
        stage.driver.kind() == DriverKind::Native,
        &text,
        |kept| kept.split(HOST_PART).next(),
        |kept| {
            let host_part = kept.split_once(HOST_PART).map_or("", |(_, rest)| rest);
            format!("{text}{HOST_PART}{host_part}")
        },
    );
}

/// The plugin itself answers these paths, so only a real server has them.
#[test]
fn the_page_of_the_hosts_paths_says_what_the_plugin_answers() {
    modules::with_directory(|stage, exchanges| {
        let pages = modules::pages(stage);
        assert_every_operation_has_a_sample(&pages, &exchanges);
        let text = format!("{}{}", modules::HEAD, page::render(&pages, &exchanges));
        check_or_write(
            true,
            &text,
            |kept| kept.split_once(HOST_PART).map(|(_, rest)| rest),
            |kept| {
                let engine_part = kept.split(HOST_PART).next().unwrap_or_default();
                format!("{engine_part}{HOST_PART}{text}")
            },
        );
    });
}

/// Compares a part of the page with the expected text. With `UPDATE_GEN`, one driver writes the page and nothing is
/// compared.
#[track_caller]
fn check_or_write(writes: bool, expected: &str, part: impl Fn(&str) -> Option<&str>, whole: impl Fn(&str) -> String) {
    /// Two tests write one file.
    static PAGE: Mutex<()> = Mutex::new(());
    // The failure of one test is no failure of the next.
    let _guard = PAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let file: PathBuf = workspace_root().join("docs/api.md");
    let kept = fs::read_to_string(&file).unwrap_or_default();
    if std::env::var_os("UPDATE_GEN").is_some() {
        if writes {
            fs::write(&file, whole(&kept)).unwrap();
        }
        return;
    }
    let kept = part(&kept).unwrap_or_default();
    if kept != expected {
        let first = kept.lines().zip(expected.lines()).position(|(kept, expected)| kept != expected);
        let line = first.unwrap_or_else(|| kept.lines().count().min(expected.lines().count()));
        let of = |text: &str| text.lines().nth(line).unwrap_or("(nothing)").to_owned();
        panic!(
            "docs/api.md is stale: run `make bless`\nline {} of the part\n  has:      {}\n  expected: {}",
            line + 1,
            of(kept),
            of(expected)
        );
    }
}

#[track_caller]
fn assert_every_operation_has_a_sample(pages: &[PathPage], exchanges: &[Exchange]) {
    let shown: BTreeSet<(&str, &str)> = exchanges
        .iter()
        .filter(|exchange| exchange.is_success())
        .map(|exchange| (exchange.path, exchange.method()))
        .collect();
    for page in pages {
        for operation in &page.operations {
            let wanted = (page.path.as_str(), operation.method);
            assert!(shown.contains(&wanted), "docs/api.md has no sample of {wanted:?}: record one in `api_document`");
        }
    }
}

/// The HTTP method of an operation.
fn method_of(verb: Verb) -> &'static str {
    match verb {
        Verb::Read | Verb::Help => "GET",
        Verb::Write => "POST",
        Verb::List => "LIST",
        Verb::Delete => "DELETE",
        Verb::Patch => "PATCH",
    }
}
