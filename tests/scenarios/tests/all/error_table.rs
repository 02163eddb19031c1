//! Every error that is not about one field is in the table of docs/operations.md, so that an operator finds the next
//! step. The test finds the errors to which the source gives a status of its own, and the client mistakes whose
//! sentence does not begin with the name of a field.

use std::fs;

use harness::workspace_root;
use regex::Regex;

use crate::tidy::text_files;

/// Fewest words of a part of a sentence that identifies the sentence.
const WORDS_MIN: usize = 3;

/// Words of a part that the test searches for.
const WORDS_SHOWN: usize = 5;

/// A folder of source whose errors reach clients.
struct Source {
    folder: &'static str,
    /// A regular expression for code that makes an error with a sentence of its own.
    made: &'static str,
    /// Files whose sentences other files make; each has a test of its own.
    elsewhere: &'static [&'static str],
    /// Minimum number of errors that must be found.
    count_min: usize,
}

/// `client/sentence.rs` has a test of its own, `read_only.rs` joins two parts that are in the table, and `lock.rs` has
/// one sentence for all locks. Errors of rollback go to the log only. In the host, `error.rs` and `controller.rs` have
/// tests of their own, and the rejections of the `module` paths are in the table of reasons.
const SOURCES: [Source; 5] = [
    Source {
        folder: "guest/astra-secrets/src",
        made: r"Error::(?:coded|conflict)\(",
        elsewhere: &["client/sentence.rs", "read_only.rs", "lock.rs"],
        count_min: 15,
    },
    Source {
        folder: "guest/astra-secrets/src",
        made: r"Error::(?:mistake|BadRequest)\(",
        elsewhere: &["client/sentence.rs"],
        count_min: 50,
    },
    Source {
        folder: "guest/secrets-framework/src",
        made: r"Error::(?:coded|BadRequest|Plain)\(",
        elsewhere: &["rollback.rs"],
        count_min: 4,
    },
    Source {
        folder: "host/component-runtime/src",
        made: r"Error::(?:Internal|User|Plain)\(\s*(?:format!\(\s*)?\x22",
        elsewhere: &["error.rs"],
        count_min: 0,
    },
    Source {
        folder: "host/plugin-protocol/src",
        made: r"Error::(?:Internal|User|Plain)\(\s*(?:format!\(\s*)?\x22",
        elsewhere: &["translate/error.rs"],
        count_min: 2,
    },
];

#[test]
fn every_failure_and_every_mistake_that_is_not_about_one_field_is_in_the_table_of_errors() {
    let table = plain(&table_of_errors());
    let mut missing = Vec::new();
    for source in SOURCES {
        let sentences = sentences(&source);
        let (count, folder) = (sentences.len(), source.folder);
        assert!(count >= source.count_min, "{folder}: {count} errors: does the source make them in another way now?");
        for (file, sentence) in sentences {
            let is_told = parts(&sentence).iter().any(|part| table.contains(part));
            if !is_told && !is_about_a_field(&sentence) {
                missing.push(format!("{folder}/{file}: {sentence}"));
            }
        }
    }
    assert!(missing.is_empty(), "docs/operations.md, section Errors, lacks\n{}", missing.join("\n"));
}

/// The text of a 503 tells a client whether to repeat the request.
#[test]
fn every_503_of_the_engine_names_a_next_step() {
    let source = Source { made: r"Error::coded\(\s*503,", ..SOURCES[0] };
    let sentences = sentences(&source);
    assert!(sentences.len() >= 3, "{sentences:?}");
    for (file, sentence) in sentences {
        let has_step = ["again", "later", "end some"].iter().any(|step| sentence.contains(step));
        assert!(has_step, "{file}: {sentence}");
    }
}

/// Each file below the folder, without tests, with the sentences of its errors.
fn sentences(source: &Source) -> Vec<(String, String)> {
    let folder = workspace_root().join(source.folder);
    let is_test = Regex::new(r"tests?(\.rs|/)|testing|test_mount|round_trips").unwrap();
    let made = Regex::new(source.made).unwrap();
    // `Error::BadRequest(reason)) =>` matches an error.
    let is_pattern = Regex::new(r"^\w+\)+ (?:=>|=|if)").unwrap();
    let mut found = Vec::new();
    for file in text_files(&["rs"]) {
        let Ok(name) = file.strip_prefix(&folder).map(|name| name.display().to_string()) else { continue };
        if is_test.is_match(&name) || source.elsewhere.contains(&name.as_str()) {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let text = text.split_once("#[cfg(test)]\nmod tests {").map_or(text.as_str(), |(product, _)| product);
        let all = made.find_iter(text).filter(|found| !is_pattern.is_match(&text[found.end()..]));
        found.extend(all.map(|made| (name.clone(), sentence_at(text, made.end() - closing_quote(made.as_str())))));
    }
    found
}

/// A pattern that ends in the quote of a literal must leave the literal for the search.
fn closing_quote(made: &str) -> usize {
    usize::from(made.ends_with('"'))
}

/// Does the sentence begin with a field, or with a missing field?
fn is_about_a_field(sentence: &str) -> bool {
    sentence.starts_with('`') || sentence.starts_with("missing `")
}

fn table_of_errors() -> String {
    let page = fs::read_to_string(workspace_root().join("docs/operations.md")).unwrap();
    page.split_once("\n## Errors\n").unwrap().1.to_owned()
}

/// The literal of an error: in its call, or the last one before it if the sentence has a variable of its own.
fn sentence_at(text: &str, at: usize) -> String {
    let literal = Regex::new(r#""((?:[^"\\]|\\[\s\S])*)""#).unwrap();
    let is_its_own = |start: usize| !text[at..start].contains(')');
    let after = literal.captures_at(text, at).filter(|found| is_its_own(found.get(0).unwrap().start()));
    let found = after.or_else(|| literal.captures_iter(&text[..at]).last()).unwrap();
    Regex::new(r"\\\n\s*").unwrap().replace_all(&found[1], "").into_owned()
}

/// The fixed parts of a sentence.
fn parts(sentence: &str) -> Vec<String> {
    let values = Regex::new(r"\{[^}]*\}").unwrap();
    let parts =
        values.split(sentence).map(|part| plain(part).trim_matches([',', ':', ';', '.', ' ', ')', '(']).to_owned());
    let long = parts.filter(|part| part.split(' ').count() >= WORDS_MIN);
    long.map(|part| part.split(' ').take(WORDS_SHOWN).collect::<Vec<_>>().join(" ")).collect()
}

/// The text without marks of code, with single spaces.
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
