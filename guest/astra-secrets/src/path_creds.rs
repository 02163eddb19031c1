//! `creds/:org/:role`: a leased token of a role. Each role has its own path,
//! so that a policy can allow one, and a client that can only GET can use it.
//! Nothing secret of the token is kept.

use std::collections::BTreeMap;

use secrets_framework::{Context, Field, FieldData, FieldType, Operation, OperationSpec, Outcome, Path, Segment};

use crate::astra_token::CREDS_ANSWER;
use crate::config::unknown_org;
use crate::mint::{MintStart, Order, mint};
use crate::names::{OrgId, RoleName, is_name};
use crate::path_config::target;
use crate::path_org_token::unknown_role;
use crate::record::TokenKind;
use crate::role;

/// `creds/:org/:role`.
pub(crate) const CREDS: Path = Path {
    pattern: &[Segment::Literal("creds"), Segment::Capture("org"), Segment::Capture("role")],
    list: false,
    fields: &[
        Field::new("org", FieldType::String, "ID of the organization.").required(),
        Field::new("role", FieldType::String, "Name of the role, in lower case.").required(),
        Field::new(
            "metadata",
            FieldType::KvPairs,
            "What to note about the token, as `key=value` pairs; only on a write.",
        ),
        Field::new(
            "ttl",
            FieldType::DurationSecond,
            "Time to live of the lease, at most the role's maximum; 0 = the role's own. Only on a write.",
        ),
    ],
    operations: &[
        OperationSpec::new(Operation::Read, read, "Make a token of the role.").answering(CREDS_ANSWER),
        OperationSpec::new(Operation::Update, write, "Make a token of the role, with metadata or a time to live.")
            .answering(CREDS_ANSWER),
    ],
    existence_check: None,
    synopsis: "Make a leased Astra token of a role.",
    description: "Each read or write makes another token in Astra and leases it: when the lease ends or is revoked, \
        Astra deletes the token. The token and its secret are shown this once and kept nowhere.",
};

fn read(context: &Context<'_>, data: &FieldData) -> Outcome {
    let ignored = data.is_set("ttl") || data.is_set("metadata");
    let made = make(context, data, BTreeMap::new(), None)?;
    Ok(made.map(|response| match ignored {
        true => response.warn("`ttl` and `metadata` are taken on a write only, and were ignored"),
        false => response,
    }))
}

fn write(context: &Context<'_>, data: &FieldData) -> Outcome {
    let metadata = data.pairs("metadata").cloned().unwrap_or_default();
    make(context, data, metadata, data.duration("ttl"))
}

fn make(
    context: &Context<'_>,
    data: &FieldData,
    metadata: BTreeMap<String, String>,
    ttl: Option<std::time::Duration>,
) -> Outcome {
    let name = RoleName::in_path(data.text("role").unwrap_or_default())?;
    let org_id = OrgId::stored(data.text("org").unwrap_or_default());
    // An odd old name may be no key, of a lock neither.
    let start = is_name(org_id.as_str()).then(|| MintStart::of(context, &org_id)).transpose()?;
    let Some((config, role)) = role::load_with_config(context, &org_id, &name)? else {
        // A logical name in the path gets its own error.
        target::in_path(context, data)?;
        return Err(unknown_org("org", org_id.as_str()));
    };
    let Some(role) = role else { return Err(unknown_role("role", &config, name.as_str())) };
    let order = Order { config: &config, role: &role, kind: TokenKind::Creds, logical_name: None, metadata, ttl };
    mint(context, &order, start).map(Some)
}

#[cfg(test)]
mod tests;
