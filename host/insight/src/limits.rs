//! Limits of requests and answers.

use std::time::Duration;

/// Time of one request to the server, from connect to the last byte. The server's own deadline is 90 s.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(100);

/// Time of a connect to the server, TLS included.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of one answer: 32 MiB. A page of the report has at most 8 MiB, and the server may encode it longer.
pub(crate) const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Redirections of one request. A standby redirects to the active node, which answers.
pub(crate) const REDIRECTS_MAX: usize = 3;

/// Tokens of one report. Each takes some 1 KiB of memory, and a browser cannot show more.
pub(crate) const TOKENS_MAX: usize = 500_000;

/// Tokens that one request asks for: the engine's largest page.
pub(crate) const PAGE: usize = 1_000;

/// Bytes of a file with a token or with certificates; all public authorities take some 220 KiB.
pub(crate) const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Characters of one cell of a table for a terminal; a longer text is cut.
pub(crate) const CELL_CHARS_MAX: usize = 48;
