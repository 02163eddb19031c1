//! The fields that the config and the roles have in common.

use std::time::Duration;

use secrets_framework::{Error, Field, FieldData, FieldType};

pub(crate) const CREATE_BODY: Field = Field::new(
    "create_body",
    FieldType::String,
    "JSON body of the POST that makes a user: an object with `{{username}}` and `{{password}}`, and perhaps `{{role}}` and \
        `{{display_name}}`, within its texts.",
);
pub(crate) const TTL: Field = Field::new(
    "ttl",
    FieldType::DurationSecond,
    "Time to live of leases; 0 = the config's, and in the config the mount's default.",
);
pub(crate) const MAX_TTL: Field = Field::new(
    "max_ttl",
    FieldType::DurationSecond,
    "Longest time to live of leases, with all renewals; 0 = the config's, and in the config the mount's.",
);

/// The sent text of a field; an empty one counts, too.
pub(crate) fn sent<'a>(data: &'a FieldData, name: &str) -> Option<&'a str> {
    data.text(name).filter(|_| data.is_set(name))
}

/// Takes over the times to live that were sent.
pub(crate) fn apply_ttls(data: &FieldData, ttl: &mut u64, max_ttl: &mut u64) -> Result<(), Error> {
    let seconds = |name| data.duration(name).as_ref().map(Duration::as_secs);
    *ttl = seconds("ttl").unwrap_or(*ttl);
    *max_ttl = seconds("max_ttl").unwrap_or(*max_ttl);
    if *max_ttl != 0 && *ttl > *max_ttl {
        let text = format!("`ttl` is {ttl} s and `max_ttl` is {max_ttl} s: write a `ttl` of at most `max_ttl`");
        return Err(Error::mistake(text));
    }
    Ok(())
}
