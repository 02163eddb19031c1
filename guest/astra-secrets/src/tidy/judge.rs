//! What may be touched: the rules, as plain questions of one record or one
//! listed token. They change nothing and ask nobody.

use std::time::Duration;

use crate::client::ListedToken;
use crate::limits::LEASE_END_MARGIN;
use crate::record::Record;
use crate::time_text;

/// Is a listed token old enough that its making has come to an end? Where the
/// list does not say how old it is, it counts as new.
pub(super) fn is_settled(token: &ListedToken, now: Duration, age_min: Duration) -> bool {
    token.generated_on.is_some_and(|made| made + age_min <= now)
}

/// The same of a record: a list that lags does not show its token yet.
pub(super) fn is_record_settled(record: &Record, now: Duration, age_min: Duration) -> bool {
    record.made_at().is_some_and(|made| made + age_min <= now)
}

/// Has the lease of a record ended for certain, or Astra itself ended its token?
pub(super) fn is_over(record: &Record, now: Duration) -> bool {
    let lease_end = record.lease_end.map(Duration::from_secs);
    let expires_at = record.expires_at.as_deref().and_then(time_text::parse);
    [lease_end, expires_at].into_iter().flatten().any(|end| has_passed(end, now))
}

/// Has this end passed, and what may still be under way then, too?
pub(super) fn has_passed(end: Duration, now: Duration) -> bool {
    end + LEASE_END_MARGIN <= now
}

/// Was the token replaced by a rotation, and does it live on for those who have not noticed?
pub(super) fn is_in_grace(record: &Record, now: Duration) -> bool {
    record.kind.is_replaceable() && record.lease_end.is_some_and(|end| end > now.as_secs())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    const AGE: Duration = Duration::from_secs(600);
    const NOW: Duration = Duration::from_secs(1_767_225_600);

    fn listed(generated_on: serde_json::Value) -> ListedToken {
        serde_json::from_value(json!({ "clientId": "c", "generatedOn": generated_on })).unwrap()
    }

    #[test]
    fn a_token_of_unknown_age_counts_as_new() {
        assert!(is_settled(&listed(json!("2025-12-31T23:50:00.000Z")), NOW, AGE));
        for new in [
            json!("2025-12-31T23:50:01Z"),
            json!("2027-01-01T00:00:00Z"),
            json!(""),
            json!("soon"),
            json!(null),
            json!(7),
        ] {
            assert!(!is_settled(&listed(new.clone()), NOW, AGE), "{new}");
        }
    }
}
