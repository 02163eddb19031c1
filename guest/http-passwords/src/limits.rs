//! Limits of the engine: each with its unit and its reason.

use std::time::Duration;

/// Segments of `create_path` and of `delete_path`. The declaration to the host has a call for each number of segments.
pub(crate) const PATH_SEGMENTS_MAX: usize = 8;

/// Bytes of a template. A body that makes a user has some hundred; the server takes at most 32 MiB in one request.
pub(crate) const TEMPLATE_BYTES_MAX: usize = 4 * 1024;

/// Characters of a number that an error quotes: more than any number has that the engine keeps as it is.
pub(crate) const NUMBER_CHARACTERS_SHOWN: usize = 40;

/// Bytes of the name of a role, which becomes a part of names of users.
pub(crate) const ROLE_NAME_BYTES_MAX: usize = 64;

/// Characters of a display name that a template takes over: the names of users have some room in every service.
pub(crate) const DISPLAY_NAME_CHARACTERS_MAX: usize = 32;

/// Random bytes in the name of a user: 80 bits, so that no two requests make the same name.
pub(crate) const RANDOM_BYTES: usize = 10;

/// The longest `request_timeout`. The host ends a request after 60 s, and the engine has storage calls to make, too.
pub(crate) const REQUEST_TIMEOUT_MAX: Duration = Duration::from_secs(45);
