//! The 16 built-in roles, named as the API sends them (SDK), with the permissions that matter to
//! a token's maker (DOC-src, CLI fixtures). Their IDs are random in each organization, since no
//! two samples agree on them.

/// The names of the built-in roles, in the order the API is asked for them.
pub fn builtin_role_names() -> impl Iterator<Item = &'static str> {
    BUILTIN_ROLES.iter().map(|role| role.name)
}

/// Actions in one of five bundles; bundles add up.
pub(crate) struct BuiltinRole {
    pub(crate) name: &'static str,
    bundles: &'static [&'static [&'static str]],
}

impl BuiltinRole {
    pub(crate) fn actions(&self) -> Vec<String> {
        let mut actions: Vec<String> =
            self.bundles.iter().copied().flatten().map(|action| (*action).to_owned()).collect();
        actions.sort();
        actions.dedup();
        actions
    }
}

/// Resources of every built-in role: all of the organization, now and later (DOC-rbac). They are
/// stored with `__ORG_ID__` in place of the organization (CLI fixtures, DOC-src).
pub(crate) const BUILTIN_RESOURCES: [&str; 6] = [
    "drn:astra:org:__ORG_ID__",
    "drn:astra:org:__ORG_ID__:db:*",
    "drn:astra:org:__ORG_ID__:db:*:keyspace:*",
    "drn:astra:org:__ORG_ID__:db:*:keyspace:*:table:*",
    "drn:astra:org:__ORG_ID__:stream:*",
    "drn:astra:org:__ORG_ID__:role:*",
];

const READ: &[&str] = &[
    "db-all-keyspace-describe",
    "db-cql",
    "db-graphql",
    "db-keyspace-describe",
    "db-rest",
    "db-table-describe",
    "db-table-select",
    "org-db-view",
];
const WRITE: &[&str] = &["db-data-import", "db-keyspace-modify", "db-table-modify"];
const SCHEMA: &[&str] = &[
    "db-all-keyspace-create",
    "db-keyspace-alter",
    "db-keyspace-authorize",
    "db-keyspace-create",
    "db-keyspace-drop",
    "db-keyspace-grant",
    "db-table-alter",
    "db-table-authorize",
    "db-table-create",
    "db-table-drop",
    "db-table-grant",
];
const MANAGE_DATABASES: &[&str] = &[
    "accesslist-read",
    "accesslist-write",
    "db-manage-privateendpoint",
    "db-manage-region",
    "db-manage-thirdpartymetrics",
    "org-db-addpeering",
    "org-db-create",
    "org-db-expand",
    "org-db-managemigratorproxy",
    "org-db-passwordreset",
    "org-db-suspend",
    "org-db-terminate",
    "org-token-read",
    "org-token-write",
];
const MANAGE_ORGANIZATION: &[&str] = &[
    "org-audits-read",
    "org-billing-read",
    "org-billing-write",
    "org-cmk-read",
    "org-cmk-write",
    "org-external-auth-read",
    "org-external-auth-write",
    "org-integrations-read",
    "org-integrations-write",
    "org-notification-write",
    "org-read",
    "org-role-delete",
    "org-role-read",
    "org-role-write",
    "org-stream-manage",
    "org-user-read",
    "org-user-write",
    "org-write",
];
const BILLING: &[&str] = &["org-billing-read", "org-billing-write"];
const ORG_READ: &[&str] = &["org-read"];
const VIEW: &[&str] = &["org-db-view"];

pub(crate) const BUILTIN_ROLES: [BuiltinRole; 16] = [
    BuiltinRole {
        name: "Organization Administrator",
        bundles: &[READ, WRITE, SCHEMA, MANAGE_DATABASES, MANAGE_ORGANIZATION],
    },
    BuiltinRole { name: "Database Administrator", bundles: &[READ, WRITE, SCHEMA, MANAGE_DATABASES] },
    BuiltinRole { name: "Billing Admin", bundles: &[BILLING] },
    BuiltinRole { name: "UI View Only", bundles: &[VIEW] },
    BuiltinRole { name: "Admin User", bundles: &[READ, WRITE, SCHEMA, ORG_READ] },
    BuiltinRole { name: "Admin Svc Acct", bundles: &[READ, WRITE, SCHEMA] },
    BuiltinRole { name: "API Admin User", bundles: &[READ, WRITE, SCHEMA] },
    BuiltinRole { name: "API Admin Svc Acct", bundles: &[READ, WRITE, SCHEMA] },
    BuiltinRole { name: "R/W User", bundles: &[READ, WRITE] },
    BuiltinRole { name: "R/W Svc Acct", bundles: &[READ, WRITE] },
    BuiltinRole { name: "API R/W User", bundles: &[READ, WRITE] },
    BuiltinRole { name: "API R/W Svc Acct", bundles: &[READ, WRITE] },
    BuiltinRole { name: "RO User", bundles: &[READ] },
    BuiltinRole { name: "RO Svc Acct", bundles: &[READ] },
    BuiltinRole { name: "API RO User", bundles: &[READ] },
    BuiltinRole { name: "API RO Svc Acct", bundles: &[READ] },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_roles_manage_tokens_and_only_one_manages_roles() {
        let with = |action: &str| -> Vec<&str> {
            BUILTIN_ROLES
                .iter()
                .filter(|role| role.actions().iter().any(|held| held == action))
                .map(|role| role.name)
                .collect()
        };
        let both = ["Organization Administrator", "Database Administrator"];
        assert_eq!(with("org-token-read"), both);
        assert_eq!(with("org-token-write"), both);
        for action in ["org-role-read", "org-role-write", "org-role-delete"] {
            assert_eq!(with(action), ["Organization Administrator"], "{action}");
        }
        assert_eq!(with("org-read"), ["Organization Administrator", "Admin User"]);
    }
}
