//! Fault rules: which calls they pick, and what happens to those. Plain data, so that the control
//! interface takes the same rules as the library; nothing here touches a connection.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::change::OutsideChange;

/// One rule: the calls it picks and what happens to them. Rules are tried in the order they were
/// added; delays and outside changes add up, of the others the first one decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultRule {
    /// The calls that the rule picks.
    #[serde(default)]
    pub when: When,
    /// What happens to them.
    pub then: Action,
}

impl FaultRule {
    /// A rule for every call, to be narrowed with the methods below.
    pub fn new(then: Action) -> Self {
        Self { when: When::default(), then }
    }

    /// Only this method.
    pub fn method(mut self, method: &str) -> Self {
        self.when.method = Some(method.into());
        self
    }

    /// Only this path; `*` stands for any run of characters.
    pub fn path(mut self, path: &str) -> Self {
        self.when.path = Some(path.into());
        self
    }

    /// Only calls whose token belongs to this organization (by ID).
    pub fn organization(mut self, id: &str) -> Self {
        self.when.organization = Some(id.into());
        self
    }

    /// Only calls with the token of this client ID.
    pub fn client_id(mut self, client_id: &str) -> Self {
        self.when.client_id = Some(client_id.into());
        self
    }

    /// Only these of the calls picked so far, counted from 1.
    pub fn calls(mut self, calls: &[u64]) -> Self {
        self.when.calls = Some(calls.to_vec());
        self
    }

    /// Only the first `count` of the calls picked so far.
    pub fn first(self, count: u64) -> Self {
        self.calls(&(1..=count).collect::<Vec<_>>())
    }

    /// Only with this chance, from 0 to 1, by the simulator's seed.
    pub fn chance(mut self, chance: f64) -> Self {
        self.when.chance = Some(chance);
        self
    }
}

/// Which calls a rule picks; what is `None` picks all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct When {
    /// The HTTP method.
    pub method: Option<String>,
    /// The path without query; `*` stands for any run of characters.
    pub path: Option<String>,
    /// Organization ID of the calling token.
    pub organization: Option<String>,
    /// Client ID of the calling token.
    pub client_id: Option<String>,
    /// Which of the calls that match the above, counted from 1.
    pub calls: Option<Vec<u64>>,
    /// Chance from 0 to 1 that a call that matches all of the above is picked.
    pub chance: Option<f64>,
}

/// What happens to a picked call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Answer this status instead of the real answer.
    Status {
        /// For example 429, 500, 502, 503, 504.
        status: u16,
        /// The body.
        #[serde(default)]
        body: FaultBody,
        /// The `Retry-After` header.
        #[serde(default)]
        retry_after: Option<RetryAfter>,
        /// Whether the call takes effect all the same.
        #[serde(default)]
        effect: Effect,
    },
    /// 429 unless a bucket that fills at `per_second` up to `burst` holds a token.
    RateLimit {
        /// Calls that become possible each second of the simulator's clock.
        per_second: f64,
        /// Most calls at once.
        burst: f64,
        /// Sent with the 429.
        #[serde(default)]
        retry_after: Option<RetryAfter>,
    },
    /// Answer a redirect; a bearer token must not follow it to another host.
    Redirect {
        /// 301, 302, 307 or 308.
        status: u16,
        /// Value of the `Location` header.
        location: String,
    },
    /// Reset the connection (RST).
    Reset {
        /// Before the first byte of the answer or in the middle of it.
        #[serde(default)]
        at: ResetAt,
        /// Whether the call takes effect all the same.
        #[serde(default)]
        effect: Effect,
    },
    /// Take the request and never answer.
    Hang {
        /// Whether the call takes effect all the same.
        #[serde(default)]
        effect: Effect,
    },
    /// Close our half of the connection without an answer, and go on reading.
    HalfClose {
        /// Whether the call takes effect all the same.
        #[serde(default)]
        effect: Effect,
    },
    /// Wait before the first byte of the answer: from, to (drawn by the seed). The call has taken
    /// effect before the wait.
    Delay {
        /// Shortest wait in milliseconds.
        from_ms: u64,
        /// Longest wait in milliseconds.
        to_ms: u64,
    },
    /// Send the answer one byte at a time with a wait after each.
    Drip {
        /// Wait after each byte in milliseconds.
        interval_ms: u64,
    },
    /// Answer well, and close the connection after so long without having said so.
    CloseIdle {
        /// Wait after the answer in milliseconds.
        after_ms: u64,
    },
    /// Damage the real answer; the call takes effect.
    Damage {
        /// The kind of the damage.
        damage: Damage,
    },
    /// Change something behind the client's back before the call is looked at.
    Outside {
        /// The change that happens.
        change: OutsideChange,
    },
}

/// Whether a call that gets no proper answer has taken effect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing has changed.
    #[default]
    NotDone,
    /// Done but not told: the token is made or deleted, and the answer is lost.
    Done,
}

/// When the connection is reset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetAt {
    /// Before the first byte of the answer.
    #[default]
    BeforeAnswer,
    /// After the head and half of the body.
    DuringAnswer,
}

/// Body of a status fault.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultBody {
    /// An error object.
    #[default]
    Errors,
    /// A bare JSON string.
    Text,
    /// A page of HTML, as a proxy sends it.
    Html,
    /// Nothing.
    Empty,
    /// These very bytes, as `text/plain`.
    Raw(String),
}

/// Forms of a `Retry-After` header (RFC 9110 10.2.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// So many seconds.
    Seconds(u64),
    /// An HTTP date so many seconds after the simulator's now.
    Date(u64),
    /// This very text: garbage, or a number too large for any type.
    Raw(String),
}

/// Ways to damage a good answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    /// The body is cut in half, and the `Content-Length` agrees.
    CutJson,
    /// `Content-Length` names more bytes than are sent; then the connection is closed.
    ContentLengthTooLong,
    /// `Content-Length` names fewer bytes than are sent.
    ContentLengthTooShort,
    /// The body is right, its content type is this.
    ContentType(String),
    /// The body is this very text: `[]`, `null`, HTML, nothing.
    Body(String),
    /// The body is not UTF-8.
    NotText,
    /// These fields are missing.
    Missing(Vec<String>),
    /// These fields are empty strings.
    EmptyStrings(Vec<String>),
    /// These fields hold other values.
    Fields(BTreeMap<String, serde_json::Value>),
    /// Fields nobody knows are added.
    ExtraFields,
    /// The body is so many bytes of JSON.
    VeryLarge(usize),
    /// What comes back is not HTTP.
    NotHttp,
}
