//! What is to be done on the connection for one call, decided before the first byte is written:
//! the bytes of the answer, damaged or not, and how the connection goes on.

use serde_json::{Map, Value};

use crate::answer::{Answer, JSON, html};
use crate::clock::Timestamp;
use crate::fault::{Action, Damage, FaultBody, ResetAt, RetryAfter};
use crate::limits::FAULT_BODY_BYTES_MAX;
use crate::switches::ErrorShape;

/// What happens on the connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Script {
    /// Write these bytes and go on.
    Send(Vec<u8>),
    /// Write these bytes and close.
    SendThenClose(Vec<u8>),
    /// Write these bytes and reset.
    SendThenReset(Vec<u8>),
    Reset,
    Hang,
    HalfClose,
}

/// The script for a call, and the answer that it sends, if it sends one.
pub(crate) fn script(
    real: Option<Answer>,
    decisive: Option<&Action>,
    now: Timestamp,
    head_only: bool,
) -> (Script, Option<Answer>) {
    let real = real.unwrap_or_else(|| Answer::empty(500));
    let wire = |answer: &Answer| wire(answer, answer.body.len(), now, head_only);
    match decisive {
        Some(Action::Reset { at: ResetAt::BeforeAnswer, .. }) => (Script::Reset, None),
        Some(Action::Reset { at: ResetAt::DuringAnswer, .. }) => {
            let mut bytes = wire(&real);
            bytes.truncate(bytes.len() - real.body.len().div_ceil(2));
            (Script::SendThenReset(bytes), Some(real))
        }
        Some(Action::Hang { .. }) => (Script::Hang, None),
        Some(Action::HalfClose { .. }) => (Script::HalfClose, None),
        Some(Action::Status { status, body, retry_after, .. }) => {
            let answer = status_answer(*status, body, retry_after.as_ref(), now);
            (Script::Send(wire(&answer)), Some(answer))
        }
        Some(Action::Redirect { status, location }) => {
            let answer = Answer::empty(*status).header("location", location);
            (Script::Send(wire(&answer)), Some(answer))
        }
        Some(Action::Damage { damage }) => {
            let (script, answer) = damaged(real, damage, now);
            (script, Some(answer))
        }
        // Rate limits have become a status, the rest decides nothing.
        _ => (Script::Send(wire(&real)), Some(real)),
    }
}

/// Whether a client that takes what it gets knows what the call has done.
pub(crate) fn tells(decisive: Option<&Action>) -> bool {
    match decisive {
        None => true,
        Some(Action::Damage { damage }) => {
            matches!(damage, Damage::ContentType(_) | Damage::ExtraFields)
        }
        Some(_) => false,
    }
}

fn status_answer(status: u16, body: &FaultBody, retry_after: Option<&RetryAfter>, now: Timestamp) -> Answer {
    let answer = match body {
        FaultBody::Errors => Answer::error(status, ErrorShape::Errors, 340_099, FAULT),
        FaultBody::Text => Answer::error(status, ErrorShape::Text, 340_099, FAULT),
        FaultBody::Html => Answer::new(status, Some("text/html"), html(status)),
        FaultBody::Empty => Answer::empty(status),
        FaultBody::Raw(text) => Answer::new(status, Some("text/plain"), text.clone()),
    };
    let value = match retry_after {
        None => return answer,
        Some(RetryAfter::Seconds(seconds)) => seconds.to_string(),
        Some(RetryAfter::Date(seconds)) => now.plus(std::time::Duration::from_secs(*seconds)).http_date(),
        Some(RetryAfter::Raw(text)) => text.clone(),
    };
    answer.header("retry-after", value)
}

fn damaged(mut answer: Answer, damage: &Damage, now: Timestamp) -> (Script, Answer) {
    let length = answer.body.len();
    match damage {
        Damage::ContentLengthTooLong => {
            let bytes = wire(&answer, length + MISSING_BYTES, now, false);
            return (Script::SendThenClose(bytes), answer);
        }
        Damage::ContentLengthTooShort => {
            let bytes = wire(&answer, length / 2, now, false);
            return (Script::Send(bytes), answer);
        }
        Damage::NotHttp => return (Script::SendThenClose(NOT_HTTP.to_vec()), answer),
        Damage::CutJson => answer.body = answer.body.slice(..length / 2),
        Damage::ContentType(content_type) => answer.content_type = Some(content_type.clone()),
        Damage::Body(text) => {
            answer.body = text.clone().into();
            answer.content_type = Some(JSON.to_owned());
        }
        Damage::NotText => answer.body = b"{\"clientId\":\"\xff\xfe\"}".as_slice().into(),
        Damage::VeryLarge(bytes) => answer.body = large_body(*bytes).into(),
        Damage::Missing(names) => patch(&mut answer, |object| {
            names.iter().for_each(|name| drop(object.remove(name)));
        }),
        Damage::EmptyStrings(names) => patch(&mut answer, |object| {
            for name in names.iter().filter(|name| object.contains_key(*name)).collect::<Vec<_>>() {
                object.insert(name.clone(), Value::from(""));
            }
        }),
        Damage::Fields(fields) => patch(&mut answer, |object| {
            object.extend(fields.iter().map(|(name, value)| (name.clone(), value.clone())));
        }),
        Damage::ExtraFields => patch(&mut answer, |object| {
            object.insert("futureField".into(), serde_json::json!({"nested": [1, 2, 3]}));
        }),
    }
    let bytes = wire(&answer, answer.body.len(), now, false);
    (Script::Send(bytes), answer)
}

/// Changes the answer's object, and each object of the list it holds.
fn patch(answer: &mut Answer, change: impl Fn(&mut Map<String, Value>)) {
    let Ok(mut value) = serde_json::from_slice::<Value>(&answer.body) else { return };
    let items = match &mut value {
        Value::Array(items) => Some(items),
        other => other.get_mut("clients").and_then(Value::as_array_mut),
    };
    for object in items.into_iter().flatten().filter_map(Value::as_object_mut) {
        change(object);
    }
    if let Some(object) = value.as_object_mut() {
        change(object);
    }
    answer.body = value.to_string().into();
}

fn large_body(bytes: usize) -> Vec<u8> {
    let (head, tail) = (br#"{"clientId":""#, br#""}"#);
    let filling = bytes.min(FAULT_BODY_BYTES_MAX).saturating_sub(head.len() + tail.len());
    [head.as_slice(), &vec![b'a'; filling], tail].concat()
}

/// The answer's bytes. Headers as seen live behind the front (CAULDRON, TS-log).
fn wire(answer: &Answer, content_length: usize, now: Timestamp, head_only: bool) -> Vec<u8> {
    let mut head = format!(
        "HTTP/1.1 {} {}\r\ndate: {}\r\nserver: istio-envoy\r\n",
        answer.status,
        reason(answer.status),
        now.http_date()
    );
    if let Some(content_type) = &answer.content_type {
        head.push_str(&format!("content-type: {content_type}\r\n"));
    }
    // A 204 has neither body nor length (RFC 9110 8.6).
    if answer.status != 204 {
        head.push_str(&format!("content-length: {content_length}\r\n"));
    }
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    if !head_only && answer.status != 204 {
        bytes.extend_from_slice(&answer.body);
    }
    bytes
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}

/// How many bytes a length that is too long promises in vain.
const MISSING_BYTES: usize = 64;
const NOT_HTTP: &[u8] = b"SSH-2.0-OpenSSH_9.6\r\n";
const FAULT: &str = "simulated fault";
