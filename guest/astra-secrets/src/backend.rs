//! The engine as one table: paths, secret kinds, special storage, rollback.

use secrets_framework::{Backend, SpecialPaths, StorageVersions};

use crate::lease::ASTRA_TOKEN;
use crate::path_check::CONFIG_ORG_CHECK;
use crate::path_config::{CONFIG, CONFIG_ORG, CONFIGS};
use crate::path_creds::CREDS;
use crate::path_info::INFO;
use crate::path_metrics::METRICS;
use crate::path_org_token::{ORG_TOKEN, ORG_TOKENS};
use crate::path_report::{REPORT, REPORT_ORG};
use crate::path_role::{ROLE, ROLES, ROLES_ORG, ROLES_ORG_ROLE};
use crate::path_rotate_role::ROTATE_ROLE;
use crate::path_rotate_root::CONFIG_ORG_ROTATE_ROOT;
use crate::path_static_creds::STATIC_CREDS;
use crate::path_static_roles::{STATIC_ROLES_ORG, STATIC_ROLES_ORG_NAME};
use crate::path_sync_roles::{CONFIG_ORG_SYNC_ROLES, SYNC_ROLES};
use crate::path_tidy::TIDY;
use crate::path_tokens::{TOKENS_ORG, TOKENS_ORG_CLIENT};
use crate::periodic::periodic;
use crate::rollback;
use crate::secret_classes::SECRET_CLASSES;
use crate::storage::key::{CONFIG_PREFIX, RETIRED_PREFIX, STATIC_ROLE_PREFIX, TOKEN_PREFIX};
use crate::version::{NAME, VERSION};

/// The Astra secrets engine.
pub static BACKEND: Backend = Backend {
    name: NAME,
    version: VERSION,
    help: "The Astra secrets engine makes tokens for DataStax Astra and leases them: when a lease ends or is revoked, \
        Astra deletes its token. Write `config` for each organization first, then roles by hand or by `sync-roles`, \
        then read `creds/<organization>/<role>`.",
    special_paths: SpecialPaths {
        root: &[],
        unauthenticated: &[],
        // A write-ahead entry must be where the node that can write is: not local.
        local_storage: &[],
        seal_wrap_storage: &[
            CONFIG_PREFIX,
            RETIRED_PREFIX,
            TOKEN_PREFIX,
            STATIC_ROLE_PREFIX,
            secrets_framework::wal::PREFIX,
        ],
    },
    // 0 is what the Go plugin wrote.
    storage_versions: StorageVersions { written: 1, readable_from: 0 },
    paths: &[
        CONFIG,
        CONFIGS,
        CONFIG_ORG,
        CONFIG_ORG_ROTATE_ROOT,
        CONFIG_ORG_CHECK,
        CONFIG_ORG_SYNC_ROLES,
        SYNC_ROLES,
        ROLE,
        ROLES,
        ROLES_ORG,
        ROLES_ORG_ROLE,
        ORG_TOKEN,
        ORG_TOKENS,
        CREDS,
        TOKENS_ORG,
        TOKENS_ORG_CLIENT,
        STATIC_ROLES_ORG,
        STATIC_ROLES_ORG_NAME,
        STATIC_CREDS,
        ROTATE_ROLE,
        TIDY,
        REPORT,
        REPORT_ORG,
        METRICS,
        INFO,
    ],
    secrets: &[ASTRA_TOKEN],
    secret_classes: SECRET_CLASSES,
    rollback: Some(rollback::undo),
    periodic: Some(periodic),
};

#[cfg(test)]
mod tests;
