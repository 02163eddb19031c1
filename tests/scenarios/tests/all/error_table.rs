//! Every error of the engine that is not about one field stands in the table of docs/operations.md, so that whoever
//! reads one at night finds what to do. The errors are those that the source makes with a status of their own.

use std::fs;

use harness::workspace_root;
use regex::Regex;

use crate::tidy::text_files;

/// A part of a sentence that has no fewer words tells it from others.
const WORDS_MIN: usize = 3;

/// So many words of a part are looked for.
const WORDS_SHOWN: usize = 5;

/// Errors whose sentences are made elsewhere: `client/sentence.rs` has a test of its own, and `read_only.rs` joins two
/// parts that the table has.
const ELSEWHERE: [&str; 2] = ["client/sentence.rs", "read_only.rs"];

#[test]
fn every_conflict_and_failure_of_the_engine_is_in_the_table_of_errors() {
    let table = plain(&table_of_errors());
    let source = workspace_root().join("guest/astra-secrets/src");
    let is_test = Regex::new(r"tests?(\.rs|/)|testing|test_mount|round_trips").unwrap();
    let made = Regex::new(r"Error::(?:coded|conflict)\(").unwrap();
    let (mut seen, mut missing) = (0, Vec::new());
    for file in text_files(&["rs"]) {
        let Ok(name) = file.strip_prefix(&source).map(|name| name.display().to_string()) else { continue };
        if is_test.is_match(&name) || ELSEWHERE.contains(&name.as_str()) {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        for found in made.find_iter(&text) {
            seen += 1;
            let sentence = sentence_at(&text, found.end());
            if !parts(&sentence).iter().any(|part| table.contains(part)) {
                missing.push(format!("{name}: {sentence}"));
            }
        }
    }
    assert!(seen > 15, "{seen} errors were found: does the source make them in another way now?");
    assert!(missing.is_empty(), "docs/operations.md, section Errors, lacks\n{}", missing.join("\n"));
}

fn table_of_errors() -> String {
    let page = fs::read_to_string(workspace_root().join("docs/operations.md")).unwrap();
    page.split_once("\n## Errors\n").unwrap().1.to_owned()
}

/// The literal of an error: in its call, or in the last one before it, where the sentence has a variable of its own.
fn sentence_at(text: &str, at: usize) -> String {
    let literal = Regex::new(r#""((?:[^"\\]|\\[\s\S])*)""#).unwrap();
    let is_its_own = |start: usize| !text[at..start].contains(')');
    let after = literal.captures_at(text, at).filter(|found| is_its_own(found.get(0).unwrap().start()));
    let found = after.or_else(|| literal.captures_iter(&text[..at]).last()).unwrap();
    Regex::new(r"\\\n\s*").unwrap().replace_all(&found[1], "").into_owned()
}

/// What a sentence says in every case.
fn parts(sentence: &str) -> Vec<String> {
    let values = Regex::new(r"\{[^}]*\}").unwrap();
    let parts =
        values.split(sentence).map(|part| plain(part).trim_matches([',', ':', ';', '.', ' ', ')', '(']).to_owned());
    let long = parts.filter(|part| part.split(' ').count() >= WORDS_MIN);
    long.map(|part| part.split(' ').take(WORDS_SHOWN).collect::<Vec<_>>().join(" ")).collect()
}

/// Without marks of code and with single spaces.
fn plain(text: &str) -> String {
    text.replace('`', "").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_sentence_of_an_error_is_found_wherever_it_stands() {
    let source = r#"let sentence = format!("gone `{}` for ever"); Error::coded(503, sentence) Error::conflict("not a field: \
        stop")"#;
    let at = |text: &str| source.find(text).unwrap() + text.len();
    assert_eq!(sentence_at(source, at("Error::coded(")), "gone `{}` for ever");
    assert_eq!(sentence_at(source, at("Error::conflict(")), "not a field: stop");
    assert_eq!(parts("role `{}` of a `{x}` is gone, and more: `{y}`"), ["is gone, and more"]);
}
