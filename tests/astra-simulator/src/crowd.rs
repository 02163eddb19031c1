//! Many tokens that stand in an organization's list and nowhere else: nobody can use, delete or count them. Their part of
//! the list is written once, so that a list of a million of them costs a copy.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::clock::Timestamp;

/// The entries, ready for the list.
#[derive(Debug, Clone)]
pub(crate) struct Crowd(Arc<str>);

impl Crowd {
    /// So many, made now; `number` tells crowds of one organization apart.
    pub(crate) fn new(number: u8, count: usize, description: &str, now: Timestamp) -> Self {
        let description = serde_json::Value::from(description).to_string();
        let generated_on = now.with_milliseconds();
        let mut entries = String::new();
        for index in 0..count {
            let comma = if index == 0 { "" } else { "," };
            let client_id = client_id(number, index);
            // A text takes any number of bytes.
            let _written = write!(
                entries,
                r#"{comma}{{"clientId":"{client_id}","roles":[],"generatedOn":"{generated_on}","description":{description},"tokenExpiry":null}}"#
            );
        }
        Self(entries.into())
    }

    pub(crate) fn entries(&self) -> &str {
        &self.0
    }
}

/// 24 letters, as all client IDs, told from others at sight.
fn client_id(number: u8, index: usize) -> String {
    let letter = |c: char| c.to_digit(10).and_then(|digit| char::from_digit(digit + 10, 20)).unwrap_or(c);
    format!("Crowd{number}{index:018}").chars().map(letter).collect()
}
