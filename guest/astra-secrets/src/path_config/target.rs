//! Which organization a request is about. A body or query may say the logical
//! name for the ID; a path may not, for policies name paths.

use secrets_framework::{Context, Error, FieldData};

use crate::config::{self, OrgConfig};
use crate::names::OrgId;
use crate::storage::key::is_key;

/// The organization of a request.
#[derive(Debug)]
pub(crate) struct Target {
    /// Its ID; unchecked where it is not configured.
    pub(crate) org_id: OrgId,
    /// Its settings, where it is configured.
    pub(crate) config: Option<OrgConfig>,
    /// Why its stored settings cannot be read; only for a request that may replace or delete such settings.
    pub(super) damage: Option<Error>,
}

impl Target {
    fn found(config: OrgConfig) -> Self {
        Self { org_id: config.org_id.clone(), config: Some(config), damage: None }
    }

    fn unknown(text: &str) -> Self {
        Self { org_id: OrgId::stored(text), config: None, damage: None }
    }
}

/// The same for a request that may replace or delete settings that cannot be read: `text`, by which it names its
/// organization, is then an ID.
pub(super) fn even_damaged(context: &Context<'_>, text: &str, found: Result<Target, Error>) -> Result<Target, Error> {
    let Err(error) = found else { return found };
    let target = Target::unknown(text);
    if !is_key(&config::key(&target.org_id)) {
        return Err(error);
    }
    match config::load_own(context, &target.org_id)? {
        Err(damage) => Ok(Target { damage: Some(damage), ..target }),
        Ok(_) => Err(error),
    }
}

/// What a request without an organization is told.
pub(crate) fn missing_org_id() -> Error {
    Error::mistake("missing `org_id`: give the ID of the organization")
}

/// The organization that `org_id` names, by ID or logical name.
pub(crate) fn in_body(context: &Context<'_>, data: &FieldData) -> Result<Target, Error> {
    match data.text("org_id").unwrap_or_default() {
        "" => Err(missing_org_id()),
        text => Ok(config::find(context, text)?.map_or_else(|| Target::unknown(text), Target::found)),
    }
}

/// The organization that `org_id` or, without it, `logical_name` names.
pub(super) fn named(context: &Context<'_>, data: &FieldData) -> Result<Target, Error> {
    match (data.text("org_id").unwrap_or_default(), data.text("logical_name").unwrap_or_default()) {
        ("", "") => Err(Error::mistake("missing `org_id`: give the ID of the organization, or its `logical_name`")),
        ("", name) => {
            Ok(config::find_by_logical_name(context, name)?.map_or_else(|| Target::unknown(name), Target::found))
        }
        _ => in_body(context, data),
    }
}

/// The organization that the path names, by its ID only.
pub(crate) fn in_path(context: &Context<'_>, data: &FieldData) -> Result<Target, Error> {
    let text = data.text("org").unwrap_or_default();
    if let Some(config) = config::load(context, &OrgId::stored(text))? {
        return Ok(Target::found(config));
    }
    match config::find_by_logical_name(context, text)? {
        None => Ok(Target::unknown(text)),
        Some(config) => Err(Error::mistake(format!(
            "`org` is the logical name `{text}`: in a path, use the organization's ID, `{}`",
            config.org_id
        ))),
    }
}
