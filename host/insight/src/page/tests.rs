#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::report::tests::hostile;

/// The text between two texts of the page.
fn between<'a>(page: &'a str, begin: &str, end: &str) -> &'a str {
    page.split_once(begin).unwrap().1.split_once(end).unwrap().0
}

fn made(report: &Report) -> String {
    page(&About { mount: "astra".to_owned(), ..About::default() }, report).unwrap()
}

#[test]
fn hostile_texts_stay_data() {
    let page = made(&hostile());
    // Our own two scripts and the block of data: the hostile texts begin and end no element.
    assert_eq!((page.matches("<script").count(), page.matches("</script").count()), (2, 2));
    assert_eq!((page.matches("<!--").count(), page.matches("<img").count()), (0, 0));
    let data: Value = serde_json::from_str(between(&page, "id=\"data\">", "</script>")).unwrap();
    assert_eq!(data["report"]["tokens"][0]["client_id"], "</script><script>alert(1)</script>");
    assert!(!page.contains('\u{2028}'));
}

#[test]
fn the_policy_allows_the_pages_own_script_and_style_only() {
    let page = made(&Report::default());
    let policy = between(&page, "Content-Security-Policy\" content=\"", "\"");
    let script = between(&page, "<script>", "</script>");
    assert_eq!(script, SCRIPT);
    let expected = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; base-uri 'none'; form-action 'none'",
        digest(script),
        digest(between(&page, "<style>", "</style>"))
    );
    assert_eq!(policy, expected);
    assert!(!policy.contains("unsafe"));
}

#[test]
fn nothing_is_loaded_from_elsewhere_and_no_text_becomes_html() {
    for outside in ["http://", "https://", "//cdn", "@import", "url("] {
        let page = made(&Report::default()).replace("http://www.w3.org/2000/svg", "");
        assert!(!page.contains(outside), "{outside}");
    }
    for maker in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
        "DOMParser",
        "srcdoc",
        " style=",
        " onclick",
    ] {
        assert!(!SCRIPT.contains(maker) && !SKELETON.contains(maker), "{maker}");
    }
}

proptest! {
    #[test]
    fn any_text_comes_back_from_the_page(texts in proptest::collection::vec(any::<String>(), 3)) {
        let json = serde_json::to_string(&texts).unwrap();
        let escaped = in_html(&json);
        prop_assert!(!escaped.contains(['<', '>', '&']));
        prop_assert_eq!(serde_json::from_str::<Vec<String>>(&escaped).unwrap(), texts);
    }
}
