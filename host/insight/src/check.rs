//! The check of organizations, for monitoring.

use serde::{Deserialize, Serialize};

use crate::client::{Client, ClientError};
use crate::text::one_line;

/// Result of the check of one organization.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Checkup {
    /// The organization.
    pub org_id: String,
    /// True if the admin token is valid and no item is `no`.
    pub healthy: bool,
    /// One item for each check that was made.
    pub items: Vec<Item>,
    /// Warnings of the server.
    pub warnings: Vec<String>,
}

/// Result of one single check.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Item {
    /// Name of the item.
    pub name: String,
    /// `yes`, `no` or `unknown`.
    pub ok: String,
    /// Reason, and the next step.
    pub message: String,
}

/// Verdict about all organizations, from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Every item is `yes`.
    Ok,
    /// No item is `no`, and some are `unknown`.
    Warning,
    /// Some item is `no`, or an admin token is not known to be valid.
    Critical,
}

impl Verdict {
    /// The exit code of monitoring plugins for this verdict.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
        }
    }

    /// The word of monitoring plugins for this verdict.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
        }
    }
}

impl Checkup {
    /// The verdict about this organization.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let is_any = |ok: &str| self.items.iter().any(|item| item.ok == ok);
        match (self.healthy, is_any("no"), self.items.iter().all(|item| item.ok == "yes")) {
            (true, false, true) => Verdict::Ok,
            (true, false, false) => Verdict::Warning,
            _ => Verdict::Critical,
        }
    }

    /// Lines for people: the verdict, then each item, first those that need attention.
    #[must_use]
    pub fn text(&self) -> String {
        let mut items: Vec<&Item> = self.items.iter().collect();
        let rank = |item: &&Item| match item.ok.as_str() {
            "no" => 0,
            "yes" => 2,
            _ => 1,
        };
        items.sort_by_key(rank);
        let width = items.iter().map(|item| item.name.chars().count()).max().unwrap_or_default();
        let line = |item: &Item| {
            let (ok, name, message) = (one_line(&item.ok), one_line(&item.name), one_line(&item.message));
            format!("  {ok:7}  {name:width$}  {message}\n")
        };
        let warnings = self.warnings.iter().map(|warning| format!("  warning  {}\n", one_line(warning)));
        let lines: String = items.into_iter().map(line).chain(warnings).collect();
        format!("{} {}\n{lines}", self.verdict().word(), one_line(&self.org_id))
    }
}

/// Checks an organization. A `deep` check also creates a token and deletes it.
///
/// # Errors
/// Says which request failed, and why.
pub async fn check(client: &Client, mount: &str, org_id: &str, deep: bool) -> Result<Checkup, ClientError> {
    let path = format!("{}/config/{org_id}/check", mount.trim_matches('/'));
    let mut query = vec![("format".to_owned(), "flat".to_owned())];
    if deep {
        query.push(("deep".to_owned(), "true".to_owned()));
    }
    let answer = client.read(&path, &query).await?;
    let bad = |reason: String| ClientError::BadAnswer { path: path.clone(), reason };
    let checkup = Checkup::deserialize(&answer.data).map_err(|error| bad(error.to_string()))?;
    if checkup.items.is_empty() {
        return Err(bad("it has no `items`: the mount's module is older than this command".to_owned()));
    }
    Ok(Checkup { org_id: org_id.to_owned(), warnings: answer.warnings, ..checkup })
}

/// The organizations of a mount.
///
/// # Errors
/// Says which request failed, and why.
pub async fn organizations(client: &Client, mount: &str) -> Result<Vec<String>, ClientError> {
    client.list(&format!("{}/configs", mount.trim_matches('/'))).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkup(healthy: bool, oks: &[&str]) -> Checkup {
        let item =
            |ok: &&str| Item { name: format!("is_{ok}"), ok: (*ok).to_owned(), message: "Why.\u{1b}".to_owned() };
        Checkup {
            org_id: "o".to_owned(),
            healthy,
            items: oks.iter().map(item).collect(),
            warnings: vec!["w".to_owned()],
        }
    }

    #[test]
    fn a_verdict_is_the_worst_of_its_items() {
        let rows: [(bool, &[&str], Verdict, u8); 5] = [
            (true, &["yes", "yes"], Verdict::Ok, 0),
            (true, &["yes", "unknown"], Verdict::Warning, 1),
            (false, &["yes", "no"], Verdict::Critical, 2),
            (false, &["unknown"], Verdict::Critical, 2),
            (true, &["a new word"], Verdict::Warning, 1),
        ];
        for (healthy, oks, verdict, code) in rows {
            let found = checkup(healthy, oks).verdict();
            assert_eq!((found, found.exit_code()), (verdict, code), "{oks:?}");
        }
    }

    #[test]
    fn items_that_need_attention_come_first() {
        let text = checkup(false, &["yes", "unknown", "no"]).text();
        let expected = "CRITICAL o\n  no       is_no       Why.\\u{1b}\n  unknown  is_unknown  Why.\\u{1b}\n  yes      is_yes      Why.\\u{1b}\n  warning  w\n";
        assert_eq!(text, expected);
    }
}
