//! `sync-roles` and `config/:org/sync-roles`: imports the roles that Astra
//! lists, for all organizations or for one. What is to be done is planned in
//! `role::import`; here it is asked for, done and told.

mod report;

use std::collections::{BTreeMap, BTreeSet};

use secrets_framework::passed_over::PassedOver;
use secrets_framework::{
    Context, Error, Field, FieldData, FieldType, Operation, OperationSpec, Outcome, Path, Segment,
};

use crate::astra_role::{self, Room};
use crate::client::AstraClient;
use crate::config::{self, OrgConfig};
use crate::events;
use crate::limits::{IMPORTED_ROLES_MAX, SYNC_ALL_BUDGET};
use crate::lock::Lock;
use crate::names::{AstraRoleId, OrgId, RoleName, shown};
use crate::path_config::fields::ORG;
use crate::path_config::target;
use crate::role::{self, Plan, Role, Skipped, Upstream, Wishes};

use report::Report;

/// `sync-roles`.
pub(crate) const SYNC_ROLES: Path = Path {
    pattern: &[Segment::Literal("sync-roles")],
    list: false,
    fields: &[TTL, MAX_TTL, PRUNE, DRY_RUN],
    operations: &[OperationSpec::new(Operation::Update, sync_all, "Import the roles of all organizations from Astra.")
        .answering(ANSWER_FIELDS)],
    existence_check: None,
    synopsis: "Import Astra's roles for all configured organizations.",
    description: "Each role that Astra lists becomes a role here, under Astra's name in lower case, each run of other \
        characters than ASCII letters and digits as `_`; a name without such characters is made from the role's ID. Of two that would get one name the second is skipped. A role that \
        was written by hand is never changed. An organization whose roles cannot be had is told in `failed`, and the \
        others are imported all the same. This path is an alias of `config/<organization>/sync-roles` for all \
        organizations: a policy for one of them must not allow this path.",
};

/// `config/:org/sync-roles`.
pub(crate) const CONFIG_ORG_SYNC_ROLES: Path = Path {
    pattern: &[Segment::Literal("config"), Segment::Capture("org"), Segment::Literal("sync-roles")],
    list: false,
    fields: &[ORG, TTL, MAX_TTL, PRUNE, DRY_RUN],
    operations: &[OperationSpec::new(Operation::Update, sync_one, "Import the roles of one organization from Astra.")
        .answering(ANSWER_FIELDS)],
    existence_check: None,
    synopsis: "Import Astra's roles for one organization.",
    description: "As `sync-roles`, for the organization in the path.",
};

const TTL: Field = Field::new(
    "ttl",
    FieldType::SignedDurationSecond,
    "Time to live of leases of new roles; 0 or left out = the mount's default. Cut to `max_ttl`, with a warning.",
);

const MAX_TTL: Field = Field::new(
    "max_ttl",
    FieldType::SignedDurationSecond,
    "The longest life of leases of new roles; 0 or left out = the mount's maximum.",
);

const PRUNE: Field = Field::new(
    "prune",
    FieldType::Bool,
    "Remove roles that were imported and whose Astra role has gone. Tokens made for them stay alive.",
)
.or("false");

const DRY_RUN: Field =
    Field::new("dry_run", FieldType::Bool, "Answer what would be done, and change nothing.").or("false");

/// What it answers.
const ANSWER_FIELDS: &[Field] = &[
    Field::new("created", FieldType::CommaStringSlice, "New roles; of several organizations, as `roles` lists them."),
    Field::new("updated", FieldType::CommaStringSlice, "Imported roles whose Astra role has another ID now."),
    Field::new("unchanged", FieldType::CommaStringSlice, "Roles that are as Astra has them."),
    Field::new("removed", FieldType::CommaStringSlice, "Imported roles whose Astra role has gone; with `prune` only."),
    Field::new("skipped", FieldType::CommaStringSlice, "Astra roles that were passed over, each with the reason."),
    Field::new("failed", FieldType::Map, "By organization, why its roles could not be imported."),
    Field::new("dry_run", FieldType::Bool, "Was nothing changed?"),
];

/// What the caller asks for.
struct Order {
    wishes: Wishes,
    dry_run: bool,
    warnings: Vec<String>,
    room: Room,
}

fn sync_one(context: &Context<'_>, data: &FieldData) -> Outcome {
    let order = Order::parse(data)?;
    let target = target::in_path(context, data)?;
    let Some(config) = target.config else {
        return Err(Error::mistake(format!(
            "`org` is {}: no such organization is configured, write `config` for it first",
            shown(target.org_id.as_str())
        )));
    };
    let mut report = Report::new(order.dry_run, order.warnings.clone());
    let plan = sync(context, &config, &order)?;
    report.add(&config.org_id, plan);
    report.warn_of_roles_without_ttl(context);
    report.answer()
}

fn sync_all(context: &Context<'_>, data: &FieldData) -> Outcome {
    let order = Order::parse(data)?;
    let mut report = Report::new(order.dry_run, order.warnings.clone());
    let storage = context.storage();
    let begin_until = context.now() + SYNC_ALL_BUDGET;
    let mut first_failure = None;
    for org_id in config::org_ids(storage)? {
        if context.now() >= begin_until {
            report.fail(&org_id, format!("no time was left: write `config/{org_id}/sync-roles`"));
            continue;
        }
        match sync_by_id(context, &org_id, &order) {
            Ok(Some(plan)) => report.add(&org_id, plan),
            Ok(None) => {}
            // On a node that cannot write, the server must see its own error,
            // to forward the request; and storage that fails, fails for all.
            Err(error @ Error::Plain(_)) => return Err(error),
            Err(error) => {
                report.fail(&org_id, error.to_string());
                first_failure.get_or_insert(error);
            }
        }
    }
    match first_failure {
        Some(error) if !report.has_success() => Err(error),
        _ => {
            report.warn_of_roles_without_ttl(context);
            report.answer()
        }
    }
}

/// As [`sync`]; none where the config was deleted since the list was made.
fn sync_by_id(context: &Context<'_>, org_id: &OrgId, order: &Order) -> Result<Option<Plan>, Error> {
    match config::load_own(context, org_id)?? {
        Some(config) => sync(context, &config, order).map(Some),
        None => Ok(None),
    }
}

/// Imports the roles of one organization.
fn sync(context: &Context<'_>, config: &OrgConfig, order: &Order) -> Result<Plan, Error> {
    let org_id = &config.org_id;
    let client = AstraClient::new(context.host, config);
    let listed = client.list_roles().map_err(|error| client.failure(&error))?;
    if listed.len() > IMPORTED_ROLES_MAX {
        return Err(Error::mistake(format!(
            "Astra lists {} roles of organization `{org_id}`, more than the {IMPORTED_ROLES_MAX} that can be imported: \
             write the roles that are needed by hand",
            listed.len()
        )));
    }
    let upstream: Vec<Upstream> = listed
        .iter()
        .map(|role| Upstream { name: role.name.clone(), id: AstraRoleId::stored(role.id.as_str()) })
        .collect();
    // A list without even Astra's built-in roles is some fault of Astra's; it
    // must not empty the mount.
    let prune = order.wishes.prune && !upstream.is_empty();

    let _turn = Lock::Roles(org_id).acquire(context)?;
    let (stored, unreadable) = stored_roles(context, org_id, &upstream, prune)?;
    let allows = |id: &AstraRoleId| config.forbidden_role_id(std::slice::from_ref(id)).is_none();
    let passed_over = upstream.iter().filter(|role| imports_as(role, &unreadable)).cloned().collect();
    let mut plan = role::plan(org_id, upstream, &stored, Wishes { prune, ..order.wishes }, allows);
    pass_over(&mut plan, passed_over, &unreadable);
    if !order.dry_run {
        apply(context, org_id, &plan)?;
        astra_role::note(context, org_id, &listed, &order.room);
    }
    Ok(plan)
}

/// Does the Astra role get one of these names here?
fn imports_as(upstream: &Upstream, names: &BTreeSet<RoleName>) -> bool {
    RoleName::parse(&role::imported_name(upstream)).is_ok_and(|name| names.contains(&name))
}

/// Skips the Astra roles whose role here cannot be read: the plan takes such a role for one that is not there.
fn pass_over(plan: &mut Plan, passed_over: Vec<Upstream>, unreadable: &BTreeSet<RoleName>) {
    plan.created.retain(|role| !unreadable.contains(&role.name));
    plan.skipped.retain(|skipped| !passed_over.contains(&skipped.upstream));
    let reason = "the stored role of this name cannot be read: delete the role, and import again";
    let skipped = passed_over.into_iter().map(|upstream| Skipped { upstream, reason: reason.to_owned() });
    plan.skipped.extend(skipped);
}

/// The roles that the plan is about: those of the names that Astra's roles
/// get; and to prune, all. Also the names of those that cannot be read.
fn stored_roles(
    context: &Context<'_>,
    org_id: &OrgId,
    upstream: &[Upstream],
    all: bool,
) -> Result<(BTreeMap<RoleName, Role>, BTreeSet<RoleName>), Error> {
    let mut names: BTreeSet<RoleName> =
        upstream.iter().filter_map(|role| RoleName::parse(&role::imported_name(role)).ok()).collect();
    if all {
        names.extend(role::role_names(context.storage(), org_id)?);
    }
    let (mut roles, mut unreadable, mut passed_over) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
    for name in names {
        match role::load_own(context, org_id, &name)? {
            Ok(Some(role)) => drop(roles.insert(name, role)),
            Ok(None) => {}
            Err(error) => {
                passed_over.push(PassedOver { key: role::key(org_id, &name), reason: error.to_string() });
                unreadable.insert(name);
            }
        }
    }
    events::ROLE_PASSED_OVER.log_once(context, &passed_over);
    Ok((roles, unreadable))
}

/// Each write by itself: a sync that is cut short is finished by the next.
fn apply(context: &Context<'_>, org_id: &OrgId, plan: &Plan) -> Result<(), Error> {
    let storage = context.storage();
    for role in plan.created.iter().chain(&plan.updated) {
        storage.put(role.to_entry()?)?;
    }
    for name in &plan.removed {
        storage.delete(&role::key(org_id, name))?;
    }
    Ok(())
}

impl Order {
    fn parse(data: &FieldData) -> Result<Self, Error> {
        let seconds = |name| role::parse_ttl(name, data.seconds(name).unwrap_or_default());
        let (mut ttl, max_ttl) = (seconds("ttl")?, seconds("max_ttl")?);
        let warnings = role::clamp(&mut ttl, max_ttl).into_iter().collect();
        let prune = data.bool("prune").unwrap_or(false);
        Ok(Self {
            wishes: Wishes { ttl, max_ttl, prune },
            dry_run: data.bool("dry_run").unwrap_or(false),
            warnings,
            room: Room::new(),
        })
    }
}

#[cfg(test)]
mod tests;
