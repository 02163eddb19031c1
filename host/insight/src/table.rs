//! The report and its summary for a terminal.

use crate::limits::CELL_CHARS_MAX;
use crate::report::{Report, Token};
use crate::summary::{Band, Summary};
use crate::text::one_line;

type Column = (&'static str, fn(&Report, &Token) -> String);

const COLUMNS: [Column; 10] = [
    ("ORGANIZATION", |report, token| report.organization(&token.org_id).to_owned()),
    ("ROLE", |_, token| token.role.clone()),
    ("KIND", |_, token| token.kind.clone()),
    ("CLIENT ID", |_, token| token.client_id.clone()),
    ("OWNER", |_, token| token.owner.clone()),
    ("METADATA", |_, token| token.metadata_text()),
    ("ASTRA ROLES", |_, token| token.astra_roles.join(", ")),
    ("MADE", |_, token| minute(token.made.as_deref())),
    ("LAST USE", |_, token| minute(token.last_use.as_deref())),
    ("ENDS", |_, token| minute(Some(token.end()).filter(|end| !end.is_empty()))),
];

/// The report as a table.
#[must_use]
pub fn table(report: &Report) -> String {
    let names: Vec<String> = COLUMNS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let row = |token: &Token| -> Vec<String> { COLUMNS.iter().map(|(_, of)| cell(&of(report, token))).collect() };
    let rows: Vec<Vec<String>> = [names].into_iter().chain(report.tokens.iter().map(row)).collect();
    format!("{}\n{} tokens\n", aligned(&rows), report.tokens.len())
}

/// The summary as tables, one below the other.
#[must_use]
pub fn summary_table(summary: &Summary) -> String {
    let counts = [
        ("ORGANIZATION", &summary.by_organization),
        ("ROLE", &summary.by_role),
        ("KIND", &summary.by_kind),
        ("OWNER", &summary.by_owner),
        ("METADATA", &summary.by_metadata),
    ];
    let bands = [("AGE", &summary.by_age), ("LAST USE", &summary.by_last_use), ("ENDS IN", &summary.by_expiry)];
    let mut text = String::new();
    for (name, counts) in counts {
        let mut counts: Vec<(&String, &u64)> = counts.iter().collect();
        counts.sort_by(|one, other| other.1.cmp(one.1).then(one.0.cmp(other.0)));
        let rows = counts.into_iter().map(|(name, tokens)| (cell(name), *tokens)).collect();
        text.push_str(&counted(name, rows));
    }
    for (name, bands) in bands {
        text.push_str(&counted(name, bands.iter().map(|band| (words(band), band.tokens)).collect()));
    }
    format!("{text}{} tokens\n", summary.tokens)
}

fn words(band: &Band) -> String {
    match band.up_to.as_str() {
        "more" | "none" => band.up_to.clone(),
        up_to => format!("up to {}", cell(up_to)),
    }
}

fn counted(name: &str, counts: Vec<(String, u64)>) -> String {
    if counts.is_empty() {
        return String::new();
    }
    let head = vec![name.to_owned(), "TOKENS".to_owned()];
    let rows = counts
        .into_iter()
        .map(|(name, tokens)| vec![if name.is_empty() { "-".to_owned() } else { name }, tokens.to_string()]);
    aligned(&[head].into_iter().chain(rows).collect::<Vec<_>>()) + "\n"
}

/// Lines whose cells begin in the same columns.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// A text as one cell: on one line, cut where it is long.
fn cell(text: &str) -> String {
    let text = one_line(text);
    if text.is_empty() {
        return "-".to_owned();
    }
    match text.chars().count() > CELL_CHARS_MAX {
        true => text.chars().take(CELL_CHARS_MAX - 1).chain(['…']).collect(),
        false => text,
    }
}

/// A time to the minute, as `2026-01-01 00:00`.
fn minute(time: Option<&str>) -> String {
    time.map(|time| time.chars().take(16).collect::<String>().replace('T', " ")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;
    use crate::report::tests::hostile;

    #[test]
    fn a_table_has_a_line_for_each_token_and_nothing_that_moves_a_cursor() {
        let text = table(&hostile());
        assert_eq!(text.lines().count(), 5, "{text}");
        assert!(!text.contains('\u{1b}') && text.ends_with("2 tokens\n"), "{text}");
        assert!(text.lines().nth(1).unwrap().contains("2026-01-01 00:00  -         2026-02-01 00:00"), "{text}");
        let long = cell(&"x".repeat(CELL_CHARS_MAX + 1));
        assert_eq!((long.chars().count(), long.chars().last()), (CELL_CHARS_MAX, Some('…')));
    }

    #[test]
    fn a_summary_shows_the_most_first() {
        let summary: Summary = serde_json::from_value(json!({
            "tokens": 3, "by_owner": { "a": 1, "b": 2, "": 0 },
            "by_age": [{ "up_to": "1d", "tokens": 3 }, { "up_to": "none", "tokens": 0 }],
        }))
        .unwrap();
        let expected =
            "OWNER  TOKENS\nb      2\na      1\n-      0\n\nAGE       TOKENS\nup to 1d  3\nnone      0\n\n3 tokens\n";
        assert_eq!(summary_table(&summary), expected);
    }
}
