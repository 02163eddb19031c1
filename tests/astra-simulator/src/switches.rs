//! One switch for each answer of the real service that is unknown or recorded in two forms. The
//! defaults are what the sources make most likely. Source keys in brackets are those of the
//! facts page that this simulator follows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::call::CallKind;

/// Every choice the simulator leaves open. The engine must pass under all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Status when the caller's address is not on the access list: 403 or 401 (unknown).
    pub access_list_status: u16,
    /// Status for an unknown, revoked or expired token: 401, 403 or 404 (SWARM#30 saw 401).
    pub dead_token_status: u16,
    /// Answer when the token lacks a permission.
    pub permission_missing: PermissionMissing,
    /// Who may list the roles (TF#101, TF#152: more than may read one role).
    pub role_list: RoleListAllowed,
    /// Answer when a token is to get more than its maker has (AWS docs; the status is unknown).
    pub escalation: Escalation,
    /// Answer to a role ID that does not exist (TF#40, SPEC25).
    pub unknown_role: UnknownRole,
    /// Status of a successful token POST: 200 (SPEC26), or another 2xx that a client must take.
    pub create_status: u16,
    /// Fields of a token POST's answer.
    pub create_fields: CreateFields,
    /// Answer to a `tokenExpiry` that is not in the future (unknown).
    pub expiry_past: ExpiryPast,
    /// Answer to a `tokenExpiry` beyond the organization's maximum (unknown).
    pub expiry_beyond_maximum: ExpiryBeyondMaximum,
    /// Longest `description` (unknown).
    pub description: DescriptionLimit,
    /// Most live tokens of an organization; one more is a 400 (unknown).
    pub tokens_max: Option<usize>,
    /// Most roles of one token; one more is a 400 (unknown).
    pub roles_per_token_max: Option<usize>,
    /// Whether an expired token stays in the list (unknown).
    pub expired_listed: bool,
    /// Whether an empty `description` and a missing `tokenExpiry` are shown as `""` and `null`
    /// or left out (SDK, CLI fixtures, DOC-src show both).
    pub absent_fields: AbsentFields,
    /// Whether the list comes shuffled; no source promises an order.
    pub list_shuffled: bool,
    /// Status of a successful token DELETE: 204 (VP) or 200 (SPEC26).
    pub delete_status: u16,
    /// Status of a DELETE of an unknown or already deleted token: 404, 204, 400 or 500 (unknown).
    pub delete_unknown_status: u16,
    /// Whether a token may delete itself (unknown); if not, 403.
    pub delete_self: bool,
    /// Form of `DELETE /v2/tokens` (the published one is impossible).
    pub tokens_delete: TokensDelete,
    /// Letter case of a role's field names (SPEC26 against DOC-src).
    pub role_fields: RoleFields,
    /// Whether a role's policy is an object or a string that holds JSON (SPEC26, DOC-src).
    pub role_policy: RolePolicy,
    /// Whether tokens stay listed when their last role has been deleted (unknown).
    pub roleless_listed: bool,
    /// Shape of error bodies for each call; calls not named here use their recorded shape.
    pub error_shapes: BTreeMap<CallKind, ErrorShape>,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            access_list_status: 403,
            dead_token_status: 401,
            permission_missing: PermissionMissing::Forbidden,
            role_list: RoleListAllowed::AnyToken,
            escalation: Escalation::Refused { status: 403 },
            unknown_role: UnknownRole::NotFound,
            create_status: 200,
            create_fields: CreateFields::All,
            expiry_past: ExpiryPast::Refused,
            expiry_beyond_maximum: ExpiryBeyondMaximum::Refused,
            description: DescriptionLimit::None,
            tokens_max: None,
            roles_per_token_max: None,
            expired_listed: true,
            absent_fields: AbsentFields::Shown,
            list_shuffled: true,
            delete_status: 204,
            delete_unknown_status: 404,
            delete_self: true,
            tokens_delete: TokensDelete::Path,
            role_fields: RoleFields::Lower,
            role_policy: RolePolicy::Object,
            roleless_listed: true,
            error_shapes: BTreeMap::new(),
        }
    }
}

/// Answer when a live token lacks the permission for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PermissionMissing {
    /// 403 with an error object (SPEC26).
    Forbidden,
    /// 401 with the body `null` (TF#426).
    UnauthorizedNull,
}

/// Who may list the roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleListAllowed {
    /// Any live token.
    AnyToken,
    /// Tokens with `org-read` or `org-role-read`.
    OrgRead,
    /// Tokens with `org-role-read` only.
    RoleRead,
}

/// Answer when a new token would have more permissions than its maker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Escalation {
    /// Refused with this status.
    Refused {
        /// 403 by default.
        status: u16,
    },
    /// Made all the same.
    Allowed,
}

/// Answer to an unknown role ID in a token POST.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownRole {
    /// 404 (SPEC25 lists it).
    NotFound,
    /// 400.
    BadRequest,
    /// 200, and the token has no access (TF#40, seen in 2021).
    AcceptedWithoutAccess,
}

/// Fields of the answer to a token POST.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CreateFields {
    /// All of the table "Response body of a POST".
    All,
    /// Without `tokenExpiry` and `description`, as before the newer spec (DOC-src).
    Old,
    /// Without `generatedOn`, as the spec has it (SPEC26).
    Spec,
}

/// Answer to a `tokenExpiry` in the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpiryPast {
    /// 400.
    Refused,
    /// 200, and the token is expired from the start.
    AcceptedExpired,
    /// 200, as if the field had been left out.
    Ignored,
}

/// Answer to a `tokenExpiry` beyond the organization's maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpiryBeyondMaximum {
    /// 400.
    Refused,
    /// 200 with the maximum instead.
    Clamped,
    /// 200 as asked.
    Accepted,
}

/// What happens to a long `description`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DescriptionLimit {
    /// No limit.
    None,
    /// 400 above so many bytes.
    Refused {
        /// Longest that is taken.
        bytes_max: usize,
    },
    /// Cut after so many bytes, and the token is made.
    Cut {
        /// What is kept.
        bytes_max: usize,
    },
}

/// How an empty `description` and a missing `tokenExpiry` are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AbsentFields {
    /// As `""` and `null`.
    Shown,
    /// Left out.
    LeftOut,
}

/// Form of `DELETE /v2/tokens`; the spec's path parameter has no place in its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokensDelete {
    /// `DELETE /v2/tokens/{clientId}`.
    Path,
    /// `DELETE /v2/tokens?clientId=…`.
    Query,
    /// Neither: 404.
    Absent,
}

/// Letter case of a role's field names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleFields {
    /// `id`, `name`, `policy`, `last_update_datetime` (SPEC26).
    Lower,
    /// `ID`, `Name`, `Policy`, `OrgID`, `LastUpdateDateTime` (DOC-src, SDK, CLI).
    Upper,
}

/// Form of a role's policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RolePolicy {
    /// A JSON object (SPEC26).
    Object,
    /// A string that holds JSON (DOC-src).
    Text,
}

/// Shape of an error's body (section 6 of the facts).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorShape {
    /// `{"errors":[{"ID":340002,"message":"…"}]}` (SPEC26, CAULDRON).
    Errors,
    /// A bare JSON string (DOC-src, TF#28).
    Text,
    /// An object where a string was expected (TF#199).
    Object,
    /// `text/plain` (SPEC25).
    Plain,
    /// The JSON value `null` (TF#426).
    Null,
    /// Nothing at all.
    Empty,
    /// `{"description":"…","code":401}`, as the data plane does (TF#46).
    DataPlane,
    /// A page of HTML, as a proxy in between would send.
    Html,
}

/// How far an effect trails behind its answer. All zero: at once. Calls are counted per token,
/// milliseconds by the simulator's clock; the effect is late until both have passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lag {
    /// A new token is refused as unknown for so many of its own calls.
    pub new_token_refused_calls: u32,
    /// A new token is refused as unknown for so long.
    pub new_token_refused_ms: u64,
    /// A deleted token is still accepted for so many of its own calls.
    pub deleted_token_accepted_calls: u32,
    /// A deleted token is still accepted for so long.
    pub deleted_token_accepted_ms: u64,
    /// A new token is missing from so many lists.
    pub new_token_unlisted_lists: u32,
    /// A new token is missing from lists for so long.
    pub new_token_unlisted_ms: u64,
    /// A deleted token still shows in so many lists.
    pub deleted_token_listed_lists: u32,
    /// A deleted token still shows in lists for so long.
    pub deleted_token_listed_ms: u64,
}
