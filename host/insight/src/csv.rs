//! The report as CSV (RFC 4180), in which no cell can become a formula of a spreadsheet.

use crate::report::{Report, Token};
use crate::text::printable;

type Column = (&'static str, fn(&Report, &Token) -> String);

const COLUMNS: [Column; 18] = [
    ("org_id", |_, token| token.org_id.clone()),
    ("organization", |report, token| report.organization(&token.org_id).to_owned()),
    ("client_id", |_, token| token.client_id.clone()),
    ("kind", |_, token| token.kind.clone()),
    ("role", |_, token| token.role.clone()),
    ("astra_roles", |_, token| token.astra_roles.join("; ")),
    ("resources", resources),
    ("logical_name", |_, token| token.logical_name.clone()),
    ("metadata", |_, token| token.metadata_text()),
    ("owner", |_, token| token.owner.clone()),
    ("made", |_, token| time(&token.made)),
    ("last_read", |_, token| time(&token.last_read)),
    ("reads", |_, token| token.reads.to_string()),
    ("last_renewed", |_, token| time(&token.last_renewed)),
    ("renewals", |_, token| token.renewals.to_string()),
    ("last_use", |_, token| time(&token.last_use)),
    ("expires", |_, token| time(&token.expires)),
    ("expires_at", |_, token| time(&token.expires_at)),
];

/// The report as CSV, with a header line.
#[must_use]
pub fn csv(report: &Report) -> String {
    let names: Vec<String> = COLUMNS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut text = names.join(",") + "\r\n";
    for token in &report.tokens {
        let cells: Vec<String> = COLUMNS.iter().map(|(_, of)| cell(&of(report, token))).collect();
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
    text
}

/// The resources that the Astra roles of a token reach, each once.
fn resources(report: &Report, token: &Token) -> String {
    let Some(known) = report.astra_roles.get(&token.org_id) else { return String::new() };
    let roles = token.role_ids.iter().filter_map(|id| known.get(id));
    let mut resources: Vec<&str> = roles.flat_map(|role| &role.resources).map(String::as_str).collect();
    resources.sort_unstable();
    resources.dedup();
    resources.join("; ")
}

fn time(time: &Option<String>) -> String {
    time.clone().unwrap_or_default()
}

/// One cell. A spreadsheet reads a cell that begins with one of these characters as a formula; an apostrophe before it
/// marks text.
fn cell(text: &str) -> String {
    let is_formula =
        text.trim_start().starts_with(['=', '+', '-', '@', '|', '%']) || text.starts_with(['\t', '\r', '\n']);
    let guard = if is_formula { "'" } else { "" };
    format!("\"{guard}{}\"", printable(text).replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::hostile;

    #[test]
    fn no_cell_is_a_formula_and_quotes_and_line_breaks_stay_in_their_cell() {
        let text = csv(&hostile());
        let expected = "\"o-1\",\"prod <b>\",\"</script><script>alert(1)</script>\",\"creds\",\"'=cmd|' /C calc'!A0\",\
            \"<img src=x onerror=alert(2)>\",\"drn:\"\"'\",\"a\"\"b,c\nd\",\"<!--<script>=\u{2028}]]>\\u{1b}[2J, @x=+1\",\"'-2+3\",\
            \"2026-01-01T00:00:00Z\",\"\",\"2\",\"\",\"0\",\"\",\"2026-02-01T00:00:00Z\",\"\"\r\n";
        assert!(text.starts_with("org_id,organization,client_id,kind,"), "{text}");
        assert!(text.contains(expected), "{text}");
        assert_eq!(text.matches("\r\n").count(), 3);
    }

    #[test]
    fn each_beginning_of_a_formula_is_guarded() {
        for text in ["=1", "+1", "-1", "@x", "|x", "%x", "\t=1", "\r=1", " =1", "\n=1"] {
            assert!(cell(text).starts_with("\"'"), "{text:?}");
        }
        assert_eq!(cell("1=1"), "\"1=1\"");
    }
}
