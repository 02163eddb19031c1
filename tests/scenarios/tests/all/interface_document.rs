//! `docs/interface.md`: the interface between host and engine, written from the comments of the WIT in `wit/`.
//!
//! `UPDATE_GEN=1` writes the page anew.

mod page;
mod types;

use std::fs;

use harness::workspace_root;
use wit_parser::Resolve;

#[test]
fn the_page_of_the_interface_says_what_the_wit_says() {
    let file = workspace_root().join("docs/interface.md");
    let expected = page::of(&parsed());
    if std::env::var_os("UPDATE_GEN").is_some() {
        fs::write(&file, expected).unwrap();
        return;
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    let differs = kept.lines().zip(expected.lines()).position(|(kept, expected)| kept != expected);
    assert!(
        kept == expected,
        "docs/interface.md is not what `wit/` says, from line {} on: run `UPDATE_GEN=1 cargo test -p scenarios \
         --no-default-features -- interface_document::`, and read the diff",
        differs.map_or_else(|| kept.lines().count().min(expected.lines().count()), |line| line + 1)
    );
}

fn parsed() -> Resolve {
    let mut resolve = Resolve::default();
    resolve.push_dir(workspace_root().join("wit")).unwrap();
    resolve
}

/// Each function, type, field and case of our packages has a comment, and so a text on the page.
#[test]
fn everything_in_the_interface_is_explained() {
    let resolve = parsed();
    let page = page::of(&resolve);
    let unexplained: Vec<&str> = page.lines().filter(|line| line.contains(page::UNEXPLAINED)).collect();
    assert!(unexplained.is_empty(), "say in `wit/` what these are for: {unexplained:#?}");
    for interface in page::interfaces(&resolve) {
        for name in interface.functions.keys().chain(interface.types.keys()) {
            assert!(page.contains(name.split('.').next_back().unwrap()), "`{name}` is not on the page");
        }
    }
}

/// A link leads to a heading of the page.
#[test]
fn the_links_between_types_lead_to_their_headings() {
    let page = page::of(&parsed());
    let headings: Vec<String> = page
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| types::anchor(line.trim_matches(['#', ' '])))
        .collect();
    let mut links = 0;
    for (at, _) in page.match_indices("](#") {
        let target = page[at + 3..].split(')').next().unwrap();
        links += 1;
        assert_eq!(headings.iter().filter(|heading| *heading == target).count(), 1, "`#{target}`");
    }
    assert!(links > 50, "only {links} links were found");
}
