//! What happened: every request with its answer, and what no client of ours should have sent.
//! Tokens are replaced by their client IDs, secrets are left out.

use std::collections::VecDeque;

use serde::Serialize;
use serde_json::Value;

use crate::call::CallKind;
use crate::limits::{RECORDED_BODY_BYTES_MAX, RECORDS_MAX, VIOLATIONS_MAX};
use crate::token::client_id_and_rest;

/// One request to `/v2` or to an unknown path, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RequestRecord {
    /// Counted from 1 since the start or the last reset.
    pub number: u64,
    /// By the simulator's clock, RFC 3339 with milliseconds.
    pub time: String,
    /// Which connection it came on, counted from 1.
    pub connection: u64,
    /// The method.
    pub method: String,
    /// The path without the query, as sent.
    pub path: String,
    /// The query, as sent.
    pub query: Option<String>,
    /// The call, if the path has one.
    pub call: Option<CallKind>,
    /// Names in lower case; the value of `authorization` holds a client ID in place of a token.
    pub headers: Vec<(String, String)>,
    /// The body, tokens replaced, cut after a bound.
    pub body: String,
    /// Client ID of the token, if it has the form of one.
    pub client_id: Option<String>,
    /// The organization that token belongs to, if it is known.
    pub organization: Option<String>,
    /// Indices of the fault rules that were applied, counted from 0.
    pub faults: Vec<usize>,
    /// Whether it changed anything.
    pub changed: bool,
    /// The answer of the call or of the fault in its place; `None` when there is none at all.
    pub answer: Option<AnswerRecord>,
    /// False when the call's own answer was lost, replaced, or damaged beyond use.
    pub told: bool,
}

/// An answer as recorded.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AnswerRecord {
    /// The status.
    pub status: u16,
    /// The body with secrets replaced, cut after a bound.
    pub body: String,
    /// Its length in bytes, before the cut.
    pub body_bytes: usize,
}

/// Something that no client of ours should send. Any violation fails a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Number of the request.
    pub request: u64,
    /// What is wrong with it.
    pub problem: String,
}

/// The requests and violations since the last reset.
#[derive(Debug, Default)]
pub(crate) struct Records {
    requests: VecDeque<RequestRecord>,
    violations: Vec<Violation>,
    total: u64,
}

impl Records {
    /// Takes a request in and returns its number.
    pub(crate) fn open(&mut self, mut record: RequestRecord) -> u64 {
        self.total += 1;
        record.number = self.total;
        if self.requests.len() == RECORDS_MAX {
            self.requests.pop_front();
        }
        self.requests.push_back(record);
        self.total
    }

    /// Notes that a request's answer did not reach the client after all.
    pub(crate) fn untold(&mut self, number: u64) {
        if let Some(record) = self.find(number) {
            record.told = false;
        }
    }

    fn find(&mut self, number: u64) -> Option<&mut RequestRecord> {
        let first = self.requests.front()?.number;
        let index = usize::try_from(number.checked_sub(first)?).ok()?;
        self.requests.get_mut(index)
    }

    pub(crate) fn violation(&mut self, request: u64, problem: impl Into<String>) {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(Violation { request, problem: problem.into() });
        }
    }

    pub(crate) fn requests(&self) -> Vec<RequestRecord> {
        self.requests.iter().cloned().collect()
    }

    pub(crate) fn violations(&self) -> Vec<Violation> {
        self.violations.clone()
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }
}

/// A text without tokens: `AstraCS:<client ID>:redacted` in place of each. Cut after a bound.
pub(crate) fn without_tokens(text: &str) -> String {
    let text = cut(text);
    if !text.contains("AstraCS:") {
        return text.to_owned();
    }
    let mut clean = String::with_capacity(text.len());
    for (index, piece) in text.split("AstraCS:").enumerate() {
        if index == 0 {
            clean.push_str(piece);
            continue;
        }
        let end = piece.find(['"', ' ', '\'', '&']).unwrap_or(piece.len());
        let (token, rest) = piece.split_at(end);
        let whole = format!("AstraCS:{token}");
        let client_id = client_id_and_rest(&whole).map_or("malformed", |(client_id, _)| client_id);
        clean.push_str(&format!("AstraCS:{client_id}:redacted{rest}"));
    }
    clean
}

/// The body of a token POST's answer without the token and the secret it shows.
pub(crate) fn without_secrets(body: &[u8]) -> String {
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else {
        return "redacted".to_owned();
    };
    if let Some(secret) = value.get_mut("secret") {
        *secret = Value::from("redacted");
    }
    without_tokens(&value.to_string())
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(RECORDED_BODY_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> RequestRecord {
        RequestRecord {
            number: 0,
            time: String::new(),
            connection: 1,
            method: "GET".into(),
            path: "/v2/currentOrg".into(),
            query: None,
            call: None,
            headers: Vec::new(),
            body: String::new(),
            client_id: None,
            organization: None,
            faults: Vec::new(),
            changed: false,
            answer: None,
            told: true,
        }
    }

    #[test]
    fn the_oldest_requests_give_way() {
        let mut records = Records::default();
        for _ in 0..RECORDS_MAX + 2 {
            records.open(record());
        }
        records.untold(1);
        records.untold(records.total());
        let kept = records.requests();
        assert_eq!(kept.len(), RECORDS_MAX);
        assert_eq!(kept.first().map(|one| (one.number, one.told)), Some((3, true)));
        assert_eq!(kept.last().map(|one| one.told), Some(false));
    }

    #[test]
    fn the_first_violations_are_kept() {
        let mut records = Records::default();
        for number in 0..2_000 {
            records.violation(number, "x");
        }
        assert_eq!(records.violations().len(), VIOLATIONS_MAX);
        assert_eq!(records.violations().first().map(|one| one.request), Some(0));
    }

    #[test]
    fn tokens_and_secrets_are_left_out() {
        let id = "abcdefghijklmnopqrstuvwx";
        let token = format!("AstraCS:{id}:{}", "a".repeat(64));
        let body = format!(r#"{{"secret":"s3cr3t","token":"{token}","n":["{token}"]}}"#);
        let clean = without_secrets(body.as_bytes());
        assert!(clean.contains(&format!("AstraCS:{id}:redacted")), "{clean}");
        assert!(!clean.contains("s3cr3t") && !clean.contains("aaaa"), "{clean}");
        assert_eq!(without_tokens("Bearer AstraCS:x"), "Bearer AstraCS:malformed:redacted");
    }

    #[test]
    fn long_bodies_are_cut() {
        let long = "é".repeat(RECORDED_BODY_BYTES_MAX);
        assert_eq!(without_tokens(&long).len(), RECORDED_BODY_BYTES_MAX);
    }
}
