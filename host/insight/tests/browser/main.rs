//! The page in a real browser without a window: what a person can see and do, and what hostile texts cannot do.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types, reason = "tests")]

mod browser;

use std::path::PathBuf;

use browser::Browser;
use insight::{About, Report, page};
use serde_json::{Value, json};

/// Opens a page from a file.
fn opened(report: Value, warnings: &[&str]) -> (Browser, tempfile::TempDir) {
    let report: Report = serde_json::from_value(report).unwrap();
    let about = About {
        mount: "astra".to_owned(),
        address: "https://server.example".to_owned(),
        generated: "2026-06-01T00:00:00Z".to_owned(),
        filters: vec![("owner".to_owned(), "</title><b>".to_owned())],
        warnings: warnings.iter().map(|warning| (*warning).to_owned()).collect(),
    };
    let folder = tempfile::tempdir().unwrap();
    let file: PathBuf = folder.path().join("report.html");
    std::fs::write(&file, page(&about, &report).unwrap()).unwrap();
    let mut browser = Browser::start();
    browser.open(&format!("file://{}", file.display()));
    (browser, folder)
}

/// This number of tokens, of ten owners.
fn tokens(count: usize) -> Value {
    let token = |number: usize| {
        json!({
            "org_id": format!("o-{}", number % 3), "client_id": format!("C{number:05}"), "kind": "creds", "role": "reader",
            "role_ids": ["r"], "astra_roles": ["Reader"], "metadata": { "team": format!("t{}", number % 7) },
            "owner": format!("owner-{}", number % 10), "created_by": {},
            "made": format!("2026-0{}-01T00:00:00Z", 1 + number % 5), "last_use": format!("2026-05-{:02}T00:00:00Z", 1 + number % 28),
            "expires": format!("2026-06-{:02}T00:00:00Z", 2 + number % 28),
        })
    };
    let organizations = json!({ "o-1": { "logical_name": "production", "record_reads": true } });
    json!({ "tokens": (0..count).map(token).collect::<Vec<_>>(), "organizations": organizations, "astra_roles": {} })
}

#[test]
fn ten_thousand_tokens_are_filtered_sorted_and_read_in_pages() {
    let (mut browser, _folder) = opened(tokens(10_000), &[]);
    assert_eq!(browser.text("#count"), "10,000 tokens");
    assert_eq!(browser.number("document.querySelectorAll('#rows tr').length"), 100);
    assert_eq!(browser.text("#page"), "1 to 100 of 10,000");
    // A node of the graph, a band of a chart and a search word together.
    browser.click(".node[aria-label^='Owner owner-3:']");
    assert_eq!(
        (browser.text("#count").as_str(), browser.text("#chips").as_str()),
        ("1,000 of 10,000 tokens", "Owner: owner-3")
    );
    browser.click("#bars-age .bar:nth-child(5)");
    let aged = browser.text("#count");
    assert_ne!(aged, "1,000 of 10,000 tokens");
    browser.click(".chip");
    browser.click(".chip");
    assert_eq!(browser.text("#count"), "10,000 tokens");
    browser.type_into("#search", "c00042");
    browser.comes_true("document.querySelector('#count').textContent === '1 of 10,000 tokens'");
    browser.click("#rows .open");
    assert_eq!(browser.text("#details-title"), "C00042");
    browser.run("document.querySelector('dialog').close()");
    browser.type_into("#search", "");
    browser.comes_true("document.querySelector('#count').textContent === '10,000 tokens'");
    // By client ID, then in reverse.
    browser.click("#heads th:first-child button");
    assert_eq!(browser.text("#rows .open"), "C00000");
    browser.click("#heads th:first-child button");
    assert_eq!(browser.text("#rows .open"), "C09999");
    assert_eq!(browser.text("#heads th[aria-sort='descending']"), "Client ID");
    browser.click("#next");
    assert_eq!(browser.text("#page"), "101 to 200 of 10,000");
    assert_eq!(browser.faults(), Vec::<String>::new());
}

#[test]
fn a_keyboard_reaches_every_name_of_the_picture() {
    let (mut browser, _folder) = opened(tokens(30), &[]);
    browser.run("document.querySelector(\".node[aria-label^='Organization production']\").focus()");
    browser.run("document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true }))");
    assert_eq!(browser.text("#count"), "10 of 30 tokens");
    let focused = browser
        .run("document.activeElement.getAttribute('aria-label') + document.activeElement.getAttribute('aria-pressed')");
    assert_eq!(focused, "Organization production: 10 tokenstrue");
}

#[test]
fn hostile_texts_are_shown_as_text_and_run_nothing() {
    let attack = "</script><script>window.pwned=1</script><img src=x onerror=\"window.pwned=2\"><!--";
    let report = json!({
        "tokens": [{
            "org_id": "__proto__", "client_id": attack, "kind": attack, "role": attack, "role_ids": [attack], "astra_roles": [attack],
            "logical_name": attack, "metadata": { attack: attack, "__proto__": "x" }, "owner": attack, "created_by": { "entity_name": attack },
            "made": attack, "last_use": "2026-05-01T00:00:00Z", "expires": attack,
        }],
        "organizations": { "__proto__": { "logical_name": attack, "record_reads": true } },
        "astra_roles": { "__proto__": { attack: { "id": attack, "name": attack, "resources": [attack, "javascript:alert(1)"] } } },
    });
    let (mut browser, _folder) = opened(report, &[attack]);
    assert_eq!(browser.text("#count"), "1 token");
    assert!(browser.text("#rows").contains("<img src=x"));
    assert!(browser.text("#warnings").contains(attack) && browser.text("#about").contains("</title><b>"));
    browser.click("#rows .open");
    assert!(browser.text("#facts").contains("javascript:alert(1)"));
    for selector in ["img", "b", "iframe", "a[href^='javascript']", "script:not(#data):not(:last-of-type)"] {
        assert_eq!(browser.number(&format!("document.querySelectorAll({selector:?}).length")), 0, "{selector}");
    }
    assert_eq!(browser.run("String(window.pwned)"), "undefined");
    // If a text did become an element, the content policy of the page would not run it.
    browser.run("(() => { const s = document.createElement('script'); s.textContent = 'window.pwned=3'; document.body.append(s); return ''; })()");
    assert_eq!(browser.run("String(window.pwned)"), "undefined");
    assert!(
        browser.faults().iter().any(|fault| fault.contains("Content Security Policy")),
        "the browser says that it refused"
    );
}

#[test]
fn the_look_is_the_systems_until_somebody_chooses_one() {
    let (mut browser, _folder) = opened(tokens(3), &[]);
    let background = "getComputedStyle(document.body).backgroundColor";
    let light = browser.run(background);
    browser.prefer("dark");
    let dark = browser.run(background);
    assert_ne!(light, dark);
    browser.click("#look");
    assert_eq!((browser.text("#look").as_str(), browser.run(background)), ("Look: light", light.clone()));
    browser.click("#look");
    assert_eq!((browser.text("#look").as_str(), browser.run(background)), ("Look: dark", dark));
}

#[test]
fn an_exported_table_has_no_formulas() {
    let mut report = tokens(2);
    report["tokens"][0]["owner"] = json!("=1+1");
    let (mut browser, _folder) = opened(report, &[]);
    // The saved table, read beside the file.
    browser.run(
        "window.saved = []; const make = URL.createObjectURL; \
         URL.createObjectURL = (blob) => { blob.text().then((text) => window.saved.push(text)); return make(blob); }; ''",
    );
    browser.click("#export-csv");
    browser.comes_true("window.saved.length === 1");
    let csv = browser.run("window.saved[0]");
    assert!(csv.contains("\"'=1+1\"") && csv.lines().count() == 3, "{csv}");
}
