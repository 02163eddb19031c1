//! Rules about language: the part of the section "Language" in CONTRIBUTING.md that a test can check.
//!
//! The numbers in this file count the remaining violations. They may only fall: lower a number when you remove a
//! violation.

use std::fs;
use std::path::{Path, PathBuf};

use harness::workspace_root;

use crate::tidy::{is_generated, text_files};

/// Folders, and the number of doc comments without content that each may have.
const EMPTY_COMMENTS_MAX: [(&str, usize); 4] = [("guest", 0), ("host", 0), ("tests", 0), ("wit", 0)];

/// Begins of doc comments that only send the reader to another place.
const REFERENCES: [&str; 3] = ["See there", "See the module's head", "See the text"];

/// A doc comment of one of these words and hardly another one has no noun.
const NOUNLESS: [&str; 9] = ["It", "Which", "What", "Who", "Why", "How", "Where", "Whose", "When"];

/// Words of a doc comment without content, such as `Which calls.`
const NOUNLESS_WORDS_MAX: usize = 2;

/// Words that the glossary has replaced in the documents, in the comments of the WIT and in the demo, each with its
/// replacement. Names of files between backticks do not count: they change with the code.
const BANNED_IN_DOCUMENTS: [(&str, &str); 16] = [
    ("shelf", "loaded modules"),
    ("agenda", "schedule queue"),
    ("obstacle", "incompatibility"),
    ("stands in", "fallback"),
    ("stood in", "fallback"),
    ("stand in for", "fallback"),
    ("ran last", "last active module"),
    ("ran before", "last active module"),
    ("way back", "revert"),
    ("goes back", "reverts"),
    ("going back", "reverting"),
    ("look again", "reconcile"),
    ("let go", "hand back"),
    ("nobody knows", "say what is unknown"),
    ("belongs to nobody", "say what is missing"),
    ("see there", "say it here"),
];

/// Words that the code is losing, each with the number of lines of Rust files that may still contain it.
const BANNED_IN_CODE_MAX: [(&str, &str, usize); 12] = [
    ("shelf", "loaded modules", 2),
    ("agenda", "schedule queue", 0),
    ("obstacle", "incompatibility", 0),
    ("judge", "update check", 15),
    ("let_go", "hand back", 0),
    ("aside", "quarantine", 17),
    ("stands in", "fallback", 12),
    ("stood in", "fallback", 0),
    ("ran last", "last active module", 0),
    ("holder", "in use", 10),
    ("walked", "scan end", 29),
    ("sought", "lookup", 0),
];

/// A number in a document, and the constant that it repeats.
struct Repeated {
    document: &'static str,
    says: &'static str,
    constant: &'static str,
}

const fn repeated(document: &'static str, says: &'static str, constant: &'static str) -> Repeated {
    Repeated { document, says, constant }
}

const OPERATIONS: &str = "docs/operations.md";

const REPEATED: [Repeated; 57] = [
    repeated(OPERATIONS, "192 MiB with what the host holds", "REQUEST_MEMORY_BYTES_MAX: usize = 192 * MIB;"),
    repeated(OPERATIONS, "at least 128 MiB; one mount may hold half", "MEMORY_CEILING_BYTES_MIN: usize = 128 * MIB;"),
    repeated(
        OPERATIONS,
        "10,000 calls a second for each core, after a burst of 20,000",
        "STORAGE_CALLS_PER_SECOND_AND_CORE: u32 = 10_000;",
    ),
    repeated(
        OPERATIONS,
        "10,000 calls a second for each core, after a burst of 20,000",
        "STORAGE_CALLS_BURST: u32 = 20_000;",
    ),
    repeated(
        OPERATIONS,
        "1,000 while several mounts together make more than 5,000",
        "STORAGE_CALLS_PER_SECOND_AND_CORE_OF_BUSY_MOUNT: u32 = 1_000;",
    ),
    repeated(
        OPERATIONS,
        "several mounts together make more than 5,000, after a burst of 2,000",
        "STORAGE_CALLS_BURST_OF_BUSY_MOUNTS: u32 = 2_000;",
    ),
    repeated(
        OPERATIONS,
        "1 MiB a second while several mounts together have more than 8",
        "LARGE_MESSAGE_BYTES_PER_SECOND_OF_BUSY_MOUNT: usize = MIB;",
    ),
    repeated(
        OPERATIONS,
        "1,000 while several mounts together make more than 5,000",
        "STORAGE_CALLS_PER_SECOND_AND_CORE_OF_ALL: u32 = 5_000;",
    ),
    repeated(OPERATIONS, "128 open transactions", "TRANSACTIONS_OPEN_PER_MOUNT_MAX: usize = 128;"),
    repeated(OPERATIONS, "at most 256 series", "COUNTER_SERIES_PER_MOUNT_MAX: usize = 256;"),
    repeated(OPERATIONS, "256 series of the engine's counters, and 1000 of", "ROLE_COUNT_SERIES_MAX: usize = 1_000;"),
    repeated(OPERATIONS, "longer with more than 2000 tokens", "ROLE_COUNT_RECORDS_MAX: usize = 2_000;"),
    repeated(OPERATIONS, "1,000 tokens a page", "REPORT_PAGE_MAX: usize = 1_000;"),
    repeated(OPERATIONS, "one request reads 5,000 records and 8 MiB", "REPORT_CALLS_MAX: usize = 5_000;"),
    repeated(
        OPERATIONS,
        "one request reads 5,000 records and 8 MiB",
        "REPORT_READ_BYTES_MAX: usize = 8 * 1024 * 1024;",
    ),
    repeated(OPERATIONS, "2,000 names in each count", "SUMMARY_NAMES_MAX: usize = 2_000;"),
    repeated(OPERATIONS, "those beyond 200, which have no metrics", "METRICS_ORGANIZATIONS_MAX: usize = 200;"),
    repeated(OPERATIONS, "fewer than 1000 tokens", "TOKENS_KEPT_COUNT_MIN: usize = 1_000;"),
    repeated(OPERATIONS, "requests at once | 1,000. A mount gets 16", "REQUESTS_IN_FLIGHT_MAX: usize = 1_000;"),
    repeated(OPERATIONS, "requests at once | 1,000. A mount gets 16", "REQUESTS_GUARANTEED_PER_MOUNT: usize = 16;"),
    repeated(OPERATIONS, "10,000, and 64 MiB of them", "REQUESTS_WAITING_PER_MOUNT_MAX: usize = 10_000;"),
    repeated(OPERATIONS, "10,000, and 64 MiB of them", "WAITING_BYTES_PER_MOUNT_MAX: usize = 64 * MIB;"),
    repeated(
        OPERATIONS,
        "60 s of processor time and 2 GiB",
        "COMPILE_PROCESSOR_TIME: Duration = Duration::from_secs(60);",
    ),
    repeated(OPERATIONS, "wait 5 s, then 503", "PERMIT_WAIT: Duration = Duration::from_secs(5);"),
    repeated(OPERATIONS, "60 s, 64 MiB of memory", "REQUEST_DEADLINE: Duration = Duration::from_secs(60);"),
    repeated(
        OPERATIONS,
        "50 ms at once, and 60 % of a core",
        "PROCESSOR_BURST_PER_MOUNT: Duration = Duration::from_millis(50);",
    ),
    repeated(OPERATIONS, "50 ms at once, and 60 % of a core", "PROCESSOR_PERCENT_PER_MOUNT: u32 = 60;"),
    repeated(
        OPERATIONS,
        "from 64 KiB on | 8 MiB a second, after a burst of 16 MiB",
        "LARGE_MESSAGE_BYTES: usize = 64 * KIB;",
    ),
    repeated(
        OPERATIONS,
        "from 64 KiB on | 8 MiB a second, after a burst of 16 MiB",
        "LARGE_MESSAGE_BYTES_PER_SECOND: usize = 8 * MIB;",
    ),
    repeated(
        OPERATIONS,
        "from 64 KiB on | 8 MiB a second, after a burst of 16 MiB",
        "LARGE_MESSAGE_BURST_BYTES: usize = 16 * MIB;",
    ),
    repeated(OPERATIONS, "64 KiB a second after a burst of 1 MiB", "LOG_BYTES_PER_SECOND: usize = 64 * KIB;"),
    repeated(OPERATIONS, "64 KiB a second after a burst of 1 MiB", "LOG_BURST_BYTES: usize = MIB;"),
    repeated(OPERATIONS, "at most every 5 s", "LIFETIMES_KEPT: Duration = Duration::from_secs(5);"),
    repeated(OPERATIONS, "waiting for a lock | 10 s", "LOCK_WAIT: Duration = Duration::from_secs(10);"),
    repeated(
        OPERATIONS,
        "64 requests at once, 32 connections to one host",
        "EGRESS_REQUESTS_PER_MOUNT_MAX: usize = 64;",
    ),
    repeated(
        OPERATIONS,
        "64 requests at once, 32 connections to one host",
        "EGRESS_CONNECTIONS_PER_AUTHORITY_MAX: usize = 32;",
    ),
    repeated(OPERATIONS, "35 s, and 12 s more to clean up", "UPSTREAM_BUDGET: Duration = Duration::from_secs(35);"),
    repeated(OPERATIONS, "35 s, and 12 s more to clean up", "SETTLE_BUDGET: Duration = Duration::from_secs(12);"),
    repeated(OPERATIONS, "64 pairs, keys of 128 bytes, values of 512", "METADATA_PAIRS_MAX: usize = 64;"),
    repeated(OPERATIONS, "64 pairs, keys of 128 bytes, values of 512", "METADATA_KEY_BYTES_MAX: usize = 128;"),
    repeated(OPERATIONS, "64 pairs, keys of 128 bytes, values of 512", "METADATA_VALUE_BYTES_MAX: usize = 512;"),
    repeated(OPERATIONS, "4,000; 16 replaced tokens of each", "STATIC_ROLES_MAX: usize = 4_000;"),
    repeated(OPERATIONS, "4,000; 16 replaced tokens of each", "REPLACED_TOKENS_MAX: usize = 16;"),
    repeated(OPERATIONS, "16 KiB; 400 Astra roles", "ASTRA_ROLE_BYTES_MAX: usize = 16 * 1024;"),
    repeated(OPERATIONS, "16 KiB; 400 Astra roles", "ASTRA_ROLES_NOTED_MAX: usize = 400;"),
    repeated(
        OPERATIONS,
        "90 days after Astra listed the role",
        "ASTRA_ROLE_KEPT: Duration = Duration::from_secs(90 * 24 * 3600);",
    ),
    repeated(OPERATIONS, "100 events; 90 days after its end", "HISTORY_EVENTS_MAX: usize = 100;"),
    repeated(
        OPERATIONS,
        "100 events; 90 days after its end",
        "HISTORY_KEPT: Duration = Duration::from_secs(90 * 24 * 3600);",
    ),
    repeated(OPERATIONS, "compares 100,000 records and removes 100 tokens", "TIDY_COMPARED_MAX: usize = 100_000;"),
    repeated(OPERATIONS, "compares 100,000 records and removes 100 tokens", "TIDY_REMOVED_MAX: usize = 100;"),
    repeated(OPERATIONS, "first 1,000 requests and at least ten minutes", "TRIAL_REQUESTS: u32 = 1_000;"),
    repeated(
        OPERATIONS,
        "first 1,000 requests and at least ten minutes",
        "TRIAL_TIME: Duration = Duration::from_secs(600);",
    ),
    repeated(OPERATIONS, "the fourth trap", "TRIAL_FAULTS_MAX: u32 = 3;"),
    repeated(OPERATIONS, "At most 100 modules, 1,000 files", "DIRECTORY_MODULES_MAX: usize = 100;"),
    repeated(OPERATIONS, "At most 100 modules, 1,000 files", "DIRECTORY_ENTRIES_MAX: usize = 1_000;"),
    repeated(OPERATIONS, "At most 100 entries, 1 GiB", "CACHE_ENTRIES_MAX: usize = 100;"),
    repeated(OPERATIONS, "At most 100 entries, 1 GiB", "CACHE_BYTES_MAX: u64 = 1024 * 1024 * 1024;"),
];

#[test]
fn every_doc_comment_says_something() {
    for (folder, known) in EMPTY_COMMENTS_MAX {
        let empty: Vec<String> =
            files_below(folder, &["rs", "wit"]).iter().flat_map(|file| empty_comments(file)).collect();
        assert!(
            empty.len() <= known,
            "`{folder}` has {} doc comments without content, and may have {known}: say what the name does not say, or \
             leave the comment out: {empty:#?}",
            empty.len()
        );
    }
}

/// The doc comments of a file without content, with their places.
fn empty_comments(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let mut found = Vec::new();
    let mut comment = String::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(part) = line.trim_start().strip_prefix("///") {
            comment.push_str(part.trim());
            comment.push(' ');
        } else if !comment.is_empty() {
            if says_nothing(&comment) {
                found.push(format!("{}:{number}: {}", file.display(), comment.trim()));
            }
            comment.clear();
        }
    }
    found
}

fn says_nothing(comment: &str) -> bool {
    let mut words = comment.split_whitespace();
    let first = words.next().unwrap_or_default().trim_end_matches(['.', '?']);
    let is_short = words.count() < NOUNLESS_WORDS_MAX;
    REFERENCES.iter().any(|start| comment.starts_with(start)) || (is_short && NOUNLESS.contains(&first))
}

#[test]
fn comments_without_content_are_recognised() {
    for empty in ["See there.", "It.", "Which.", "Which calls.", "See the module's head. One in a process.", "Why?"] {
        assert!(says_nothing(empty), "{empty}");
    }
    for comment in ["Reads one entry.", "What a client sees of one request.", "Its name.", "See [`Library::load`]."] {
        assert!(!says_nothing(comment), "{comment}");
    }
}

#[test]
fn documents_use_the_words_of_the_glossary() {
    let mut documents = files_below("docs", &["md"]);
    documents.extend(files_below("wit", &["wit"]));
    documents.extend(files_below("tests/demo", &["sh", "py"]));
    documents.extend(
        ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"].map(|name| workspace_root().join(name)),
    );
    // The glossary lists the replaced words, and the API page contains the engine's own texts.
    documents.retain(|file| !["GLOSSARY.md", "api.md"].iter().any(|name| file.ends_with(name)));
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for (number, line) in text.lines().enumerate() {
            let prose = without_code(line).to_lowercase();
            for (word, instead) in BANNED_IN_DOCUMENTS {
                assert!(
                    !stands_in(&prose, word),
                    "{}:{}: `{word}` is gone: docs/GLOSSARY.md has `{instead}`",
                    document.display(),
                    number + 1
                );
            }
        }
    }
}

/// The part of a line that is not between backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join(" ")
}

/// True if the text contains the word, except as a part of a longer word.
fn stands_in(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(start, _)| {
        let before = text[..start].chars().next_back();
        let after = text[start + word.len()..].chars().next();
        ![before, after].into_iter().flatten().any(char::is_alphanumeric)
    })
}

#[test]
fn words_that_the_code_is_losing_do_not_come_back() {
    let files: Vec<String> = ["guest", "host", "tests"]
        .iter()
        .flat_map(|folder| files_below(folder, &["rs"]))
        .filter(|file| !file.ends_with("tidy_language.rs"))
        .map(|file| fs::read_to_string(file).unwrap().to_lowercase())
        .collect();
    for (word, instead, known) in BANNED_IN_CODE_MAX {
        let lines = files.iter().flat_map(|text| text.lines()).filter(|line| stands_in(line, word)).count();
        assert!(
            lines <= known,
            "`{word}` stands in {lines} lines, and may stand in {known}: docs/GLOSSARY.md has `{instead}`"
        );
    }
}

#[test]
fn numbers_in_the_documents_are_those_of_the_limits() {
    let limits: Vec<String> = ["guest", "host"]
        .iter()
        .flat_map(|folder| files_below(folder, &["rs"]))
        .filter(|file| file.ends_with("limits.rs"))
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    for Repeated { document, says, constant } in REPEATED {
        let text = fs::read_to_string(workspace_root().join(document)).unwrap();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(says), "{document} does not say `{says}` any more: correct this test");
        let is_there = limits.iter().any(|limits| limits.contains(constant));
        assert!(is_there, "`{constant}` stands in no limits.rs: {document} says `{says}`, correct both");
    }
}

/// The files that people write below a folder of the repository.
fn files_below(folder: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let root = workspace_root();
    let files: Vec<PathBuf> = text_files(extensions)
        .into_iter()
        .filter(|file| file.starts_with(root.join(folder)) && !is_generated(file) && !is_vendored(file))
        .collect();
    assert!(!files.is_empty(), "`{folder}` has no {extensions:?} files");
    files
}

/// The interfaces of WASI come from elsewhere.
fn is_vendored(file: &Path) -> bool {
    file.components().any(|part| part.as_os_str().to_string_lossy().starts_with("wasi-"))
}
