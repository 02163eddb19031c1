//! Fetches all pages of a report.

use serde::Deserialize;
use serde_json::Value;

use crate::client::{Answer, Client, ClientError};
use crate::limits::{PAGE, TOKENS_MAX};
use crate::report::Report;
use crate::summary::Summary;

/// Selects the tokens of a report.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Path of the mount.
    pub mount: String,
    /// ID of one organization; `None` = all.
    pub org_id: Option<String>,
    /// Names and values of the filters.
    pub filters: Vec<(String, String)>,
}

impl Query {
    fn path(&self) -> String {
        let mount = self.mount.trim_matches('/');
        match &self.org_id {
            Some(org_id) => format!("{mount}/report/{org_id}"),
            None => format!("{mount}/report"),
        }
    }
}

/// Reads all pages. Returns the report and the warnings of the server.
///
/// # Errors
/// Says which request failed, and why.
pub async fn fetch_report(client: &Client, query: &Query) -> Result<(Report, Vec<String>), ClientError> {
    let mut report = Report::default();
    let wanted = [("limit".to_owned(), PAGE.to_string())];
    let warnings = each_page(client, query, &wanted, |path, data| {
        report.add(parsed(path, data)?);
        if report.tokens.len() > TOKENS_MAX {
            let reason = format!("there are more than {TOKENS_MAX} tokens: ask for one organization, or set a filter");
            return Err(ClientError::BadAnswer { path: path.to_owned(), reason });
        }
        Ok(())
    });
    let warnings = warnings.await?;
    Ok((report, warnings))
}

/// Reads the summary and adds up its parts.
///
/// # Errors
/// Says which request failed, and why.
pub async fn fetch_summary(client: &Client, query: &Query) -> Result<(Summary, Vec<String>), ClientError> {
    let mut summary = Summary::default();
    let wanted = [("summary".to_owned(), "true".to_owned())];
    let warnings = each_page(client, query, &wanted, |path, mut data| {
        summary.add(parsed(path, data.get_mut("summary").map(Value::take).unwrap_or_default())?);
        Ok(())
    });
    let warnings = warnings.await?;
    Ok((summary, warnings))
}

/// Sends requests until an answer names no next page.
async fn each_page(
    client: &Client,
    query: &Query,
    more: &[(String, String)],
    mut visit: impl FnMut(&str, Value) -> Result<(), ClientError>,
) -> Result<Vec<String>, ClientError> {
    let path = query.path();
    let (mut all_warnings, mut after) = (Vec::new(), String::new());
    loop {
        let mut parameters = query.filters.clone();
        parameters.extend_from_slice(more);
        if !after.is_empty() {
            parameters.push(("after".to_owned(), after.clone()));
        }
        let Answer { data, warnings } = client.read(&path, &parameters).await?;
        for warning in warnings {
            if !all_warnings.contains(&warning) {
                all_warnings.push(warning);
            }
        }
        let next = data.get("next").and_then(Value::as_str).map(str::to_owned);
        visit(&path, data)?;
        match next {
            None => return Ok(all_warnings),
            Some(next) if next == after => {
                let reason = "the server sends the same page again".to_owned();
                return Err(ClientError::BadAnswer { path, reason });
            }
            Some(next) => after = next,
        }
    }
}

fn parsed<T: for<'de> Deserialize<'de>>(path: &str, data: Value) -> Result<T, ClientError> {
    T::deserialize(data).map_err(|error| ClientError::BadAnswer { path: path.to_owned(), reason: error.to_string() })
}
