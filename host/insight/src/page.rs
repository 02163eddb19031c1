//! The report as one self-contained HTML page.
//!
//! The page is the same for every report: all texts of a server are in one block of JSON, which the page's script shows
//! as text. The content policy allows this script and this style by their digests, and nothing else: no other script
//! runs, and the page neither loads nor sends anything.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::report::Report;

/// Facts about the report, which the page shows above it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct About {
    /// Path of the mount.
    pub mount: String,
    /// Address of the server.
    pub address: String,
    /// Time of the report, RFC 3339.
    pub generated: String,
    /// Filters of the request.
    pub filters: Vec<(String, String)>,
    /// Warnings of the server.
    pub warnings: Vec<String>,
}

#[derive(Serialize)]
struct Data<'a> {
    about: &'a About,
    report: &'a Report,
}

const SKELETON: &str = include_str!("page/report.html");
const STYLE: &str = include_str!("page/report.css");
const SCRIPT: &str = concat!(
    "'use strict';(() => {\n",
    include_str!("page/data.js"),
    include_str!("page/filters.js"),
    include_str!("page/picture.js"),
    include_str!("page/bars.js"),
    include_str!("page/tokens.js"),
    include_str!("page/main.js"),
    "})();\n",
);

/// Builds the page.
///
/// # Errors
/// Only when memory for a text is missing.
pub fn page(about: &About, report: &Report) -> Result<String, serde_json::Error> {
    let data = in_html(&serde_json::to_string(&Data { about, report })?);
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; base-uri 'none'; form-action 'none'",
        digest(SCRIPT),
        digest(STYLE)
    );
    let parts = [("{{policy}}", policy.as_str()), ("{{style}}", STYLE), ("{{data}}", &data), ("{{script}}", SCRIPT)];
    let (mut page, mut rest) = (String::with_capacity(data.len() + 128 * 1024), SKELETON);
    // The parts are inserted in the order of the skeleton, so that an inserted text is not searched for the names of
    // later parts.
    for (name, part) in parts {
        let Some((before, after)) = rest.split_once(name) else { continue };
        page.push_str(before);
        page.push_str(part);
        rest = after;
    }
    page.push_str(rest);
    Ok(page)
}

/// JSON whose texts can neither end an element nor begin a comment.
fn in_html(json: &str) -> String {
    let mut text = String::with_capacity(json.len() + json.len() / 16);
    for c in json.chars() {
        match c {
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            '\u{2028}' => text.push_str("\\u2028"),
            '\u{2029}' => text.push_str("\\u2029"),
            c => text.push(c),
        }
    }
    text
}

fn digest(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

#[cfg(test)]
mod tests;
