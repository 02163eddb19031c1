//! Log lines of guests: cut to size, counted against the request and against the mount's rate, and escaped so that they
//! cannot break the format of the log.
//!
//! Lines go to `tracing` with target `guest` and the fields `mount`, `request_id`, `source` and `fields`
//! (a JSON object of the guest's own fields, if any).

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::limits::Limits;

/// Severity of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// Bytes that the host adds to a line: time, level, names.
const LINE_FRAME_BYTES: usize = 256;

/// One line of a guest.
pub(crate) struct LogLine {
    pub(crate) level: LogLevel,
    pub(crate) message: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl LogLine {
    /// Did the guest's panic hook write the line? Such a line has a field `panic`, or begins with Rust's own text of a
    /// panic, which goes to standard error if there is no hook.
    pub(crate) fn is_panic(&self) -> bool {
        let is_named = || self.fields.iter().any(|(name, _)| name == "panic");
        match self.level {
            LogLevel::Error => self.message.starts_with("panicked at ") || is_named(),
            LogLevel::Warn => self.message.starts_with("thread ") && self.message.contains(" panicked at "),
            _ => false,
        }
    }

    /// Bytes of the line in the log, of which at most `line_bytes_max` are the guest's.
    pub(crate) fn bytes(&self, line_bytes_max: usize) -> usize {
        let fields: usize = self.fields.iter().map(|(name, value)| name.len() + value.len()).sum();
        LINE_FRAME_BYTES + self.message.len().saturating_add(fields).min(line_bytes_max)
    }

    /// All texts that the guest wrote.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        let fields = self.fields.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        std::iter::once(self.message.as_bytes()).chain(fields)
    }

    /// Writes the line with its mount and request ID.
    pub(crate) fn write(&self, mount: &str, request_id: &str, line_bytes_max: usize) {
        let message = printable(&self.message, line_bytes_max);
        let fields = fields_text(&self.fields, line_bytes_max.saturating_sub(message.len()));
        macro_rules! event {
            ($level:ident) => {
                match &fields {
                    Some(fields) => {
                        tracing::event!(target: "guest", tracing::Level::$level, source = "guest", mount, request_id,
                            fields, "{message}");
                    }
                    None => {
                        tracing::event!(target: "guest", tracing::Level::$level, source = "guest", mount, request_id,
                            "{message}");
                    }
                }
            };
        }
        match self.level {
            LogLevel::Trace => event!(TRACE),
            LogLevel::Debug => event!(DEBUG),
            LogLevel::Info => event!(INFO),
            LogLevel::Warn => event!(WARN),
            LogLevel::Error => event!(ERROR),
        }
    }
}

/// The budget of one request for log lines.
#[derive(Default)]
pub(crate) struct LogBudget {
    written: u32,
    dropped: u64,
}

impl LogBudget {
    /// May a line of this size be written? Counts a line that may not.
    pub(crate) fn take(&mut self, bytes: usize, rate: &LogRate, limits: &Limits) -> bool {
        let granted = self.written < limits.log_lines_max && rate.take(bytes);
        if granted {
            self.written += 1;
        } else {
            self.dropped += 1;
        }
        granted
    }

    /// Lines that were not written.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// The rate of one mount: lines in the current second, and bytes that refill with time.
pub(crate) struct LogRate {
    lines_per_second_max: u32,
    bytes_per_second: usize,
    bytes_max: usize,
    state: Mutex<RateState>,
}

struct RateState {
    second: Instant,
    lines: u32,
    refilled: Instant,
    bytes: usize,
}

impl LogRate {
    /// The rate of lines of guests.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self::of(limits.log_lines_per_second_max, limits.log_bytes_per_second, limits.log_burst_bytes)
    }

    /// The rate of the host's own lines about requests.
    pub(crate) fn of_host(limits: &Limits) -> Self {
        let lines_per_second_max = limits.host_log_lines_per_second_max;
        Self::of(lines_per_second_max, limits.host_log_bytes_per_second, limits.host_log_burst_bytes)
    }

    fn of(lines_per_second_max: u32, bytes_per_second: usize, bytes_max: usize) -> Self {
        let now = Instant::now();
        let state = Mutex::new(RateState { second: now, lines: 0, refilled: now, bytes: bytes_max });
        Self { lines_per_second_max, bytes_per_second, bytes_max, state }
    }

    /// May a line of this size be written now?
    pub(crate) fn take(&self, bytes: usize) -> bool {
        self.take_at(Instant::now(), bytes)
    }

    fn take_at(&self, now: Instant, bytes: usize) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(state.second) >= Duration::from_secs(1) {
            (state.second, state.lines) = (now, 0);
        }
        let refill = now.duration_since(state.refilled).as_micros().saturating_mul(self.bytes_per_second as u128);
        let refill = usize::try_from(refill / 1_000_000).unwrap_or(usize::MAX);
        // A time too short for one byte counts for the next line.
        if refill > 0 {
            (state.refilled, state.bytes) = (now, state.bytes.saturating_add(refill).min(self.bytes_max));
        }
        if state.lines >= self.lines_per_second_max || state.bytes < bytes {
            return false;
        }
        (state.lines, state.bytes) = (state.lines + 1, state.bytes - bytes);
        true
    }
}

/// Lines of one kind, which a rate limits. Counts those that were not written.
pub(crate) struct RatedLines {
    rate: Arc<LogRate>,
    dropped: AtomicU64,
}

impl RatedLines {
    pub(crate) fn new(rate: Arc<LogRate>) -> Self {
        Self { rate, dropped: AtomicU64::new(0) }
    }

    /// May a line of this size be written? The answer is the number of those that were dropped since the last one, which the
    /// log should say, too.
    pub(crate) fn take(&self, bytes: usize) -> Option<u64> {
        if !self.rate.take(bytes) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.dropped.swap(0, Ordering::Relaxed))
    }
}

/// The text without control characters, cut at a character boundary.
fn printable(text: &str, bytes_max: usize) -> Cow<'_, str> {
    const CUT: &str = "… (cut)";
    let cut = text.len() > bytes_max;
    let kept = if cut { text.get(..text.floor_char_boundary(bytes_max.saturating_sub(CUT.len()))) } else { Some(text) };
    let kept = kept.unwrap_or_default();
    if !cut && !kept.contains(breaks_a_line) {
        return Cow::Borrowed(kept);
    }
    let mut clean: String = kept.chars().map(|c| if breaks_a_line(c) { ' ' } else { c }).collect();
    if cut {
        clean.push_str(CUT);
    }
    Cow::Owned(clean)
}

/// Control characters, and the separators that some viewers take for the end of a line.
fn breaks_a_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// The fields that fit, as a JSON object.
fn fields_text(fields: &[(String, String)], bytes_max: usize) -> Option<String> {
    let mut object = serde_json::Map::new();
    let mut left = bytes_max;
    for (name, value) in fields {
        let cost = name.len() + value.len();
        if cost > left {
            object.insert("cut".into(), true.into());
            break;
        }
        left -= cost;
        object.insert(printable(name, cost).into_owned(), printable(value, cost).into_owned().into());
    }
    (!object.is_empty()).then(|| serde_json::Value::Object(object).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_breaks_the_log() {
        assert_eq!(printable("a\nb\r\x1b[31mc\u{2028}d", 100), "a b  [31mc d");
        assert_eq!(printable("plain ü", 100), "plain ü");
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let cut = printable("üüüüüüüüüüüüüüüüüüüü", 21);
        assert!(cut.ends_with("(cut)") && cut.len() <= 21, "{cut}");
    }

    #[test]
    fn fields_are_json_and_cut_too() {
        let fields = [("a\n".to_owned(), "1\"".to_owned()), ("b".to_owned(), "x".repeat(100))];
        assert_eq!(fields_text(&fields, 50).as_deref(), Some(r#"{"a ":"1\"","cut":true}"#));
        assert_eq!(fields_text(&[], 50), None);
    }

    #[test]
    fn lines_beyond_the_requests_limit_are_counted() {
        let limits = Limits { log_lines_max: 2, ..Limits::default() };
        let (rate, mut budget) = (LogRate::new(&limits), LogBudget::default());
        assert_eq!([0; 4].map(|_| budget.take(10, &rate, &limits)), [true, true, false, false]);
        assert_eq!(budget.dropped(), 2);
    }

    #[test]
    fn a_mounts_rate_holds_across_its_requests() {
        let limits = Limits { log_lines_per_second_max: 1, ..Limits::default() };
        let rate = LogRate::new(&limits);
        assert!(LogBudget::default().take(10, &rate, &limits));
        let mut other = LogBudget::default();
        assert!(!other.take(10, &rate, &limits));
        assert_eq!(other.dropped(), 1);
    }

    #[test]
    fn the_hosts_lines_have_a_rate_of_their_own_and_the_next_one_tells_how_many_were_dropped() {
        let limits = Limits {
            log_burst_bytes: 0,
            host_log_lines_per_second_max: 10,
            host_log_bytes_per_second: 0,
            host_log_burst_bytes: 100,
            ..Limits::default()
        };
        let lines = RatedLines::new(Arc::new(LogRate::of_host(&limits)));
        assert_eq!([60, 60, 60, 40].map(|bytes| lines.take(bytes)), [Some(0), None, None, Some(2)]);
        let lines_a_second = RatedLines::new(Arc::new(LogRate::of_host(&limits)));
        assert_eq!((0..12).filter(|_| lines_a_second.take(0).is_some()).count(), 10);
    }

    #[test]
    fn bytes_of_a_mount_have_a_burst_and_refill_with_time() {
        let limits = Limits { log_bytes_per_second: 1_000, log_burst_bytes: 3_000, ..Limits::default() };
        let (rate, begin) = (LogRate::new(&limits), Instant::now());
        let taken = |after_ms, bytes| rate.take_at(begin + Duration::from_millis(after_ms), bytes);
        assert_eq!([taken(0, 2_000), taken(0, 1_000), taken(0, 1)], [true, true, false]);
        assert_eq!([taken(500, 501), taken(500, 500), taken(500, 1)], [false, true, false]);
        assert_eq!([taken(60_000, 3_001), taken(60_000, 3_000)], [false, true], "no more than the burst is saved");
    }

    #[test]
    fn a_line_counts_with_its_frame_and_without_what_is_cut() {
        let fields = vec![("name".to_owned(), "v".repeat(96))];
        let line = LogLine { level: LogLevel::Info, message: "m".repeat(100), fields };
        assert_eq!(line.bytes(10_000), LINE_FRAME_BYTES + 200);
        assert_eq!(line.bytes(150), LINE_FRAME_BYTES + 150);
    }

    #[test]
    fn a_panic_is_known_by_its_text_or_field() {
        let line = |level, message: &str| LogLine { level, message: message.into(), fields: vec![] };
        assert!(line(LogLevel::Error, "panicked at src/lib.rs:1:2:\nboom").is_panic());
        assert!(!line(LogLevel::Info, "panicked at src/lib.rs:1:2:\nboom").is_panic());
        assert!(!line(LogLevel::Error, "role not found").is_panic());
        let fields = vec![("panic".to_owned(), "boom".to_owned())];
        assert!(LogLine { level: LogLevel::Error, message: "the engine panicked".into(), fields }.is_panic());
    }
}
