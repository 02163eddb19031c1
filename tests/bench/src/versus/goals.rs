//! What is compared, and the least ratio of requests per second that is wanted.

use harness::openbao::ServerKind;

/// One kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    ReadConfig,
    ReadRole,
    ListRoles,
    /// With a logical name, by `org/token`.
    MintNamed,
    Creds,
    Renew,
    Revoke,
}

impl Action {
    /// In the order of one round: leases are made before they are renewed, and renewed before they are revoked.
    pub(super) const ALL: [Self; 7] =
        [Self::ReadConfig, Self::ReadRole, Self::ListRoles, Self::MintNamed, Self::Creds, Self::Renew, Self::Revoke];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ReadConfig => "read config",
            Self::ReadRole => "read role",
            Self::ListRoles => "list roles",
            Self::MintNamed => "mint, named",
            Self::Creds => "creds",
            Self::Renew => "renew",
            Self::Revoke => "revoke",
        }
    }

    pub(super) fn is_read(self) -> bool {
        matches!(self, Self::ReadConfig | Self::ReadRole)
    }
}

/// What this plugin is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Other {
    /// The plugin of the commit with which the work on speed began.
    Base,
    /// One storage read for each request, on the protocol crate of that commit.
    OneRead,
    /// The storage calls of the Go plugin, on the protocol crate of that commit. Calls Astra by a plain HTTP client.
    GoCalls,
    /// A plugin that somebody has, used by the Go plugin's paths.
    Theirs,
}

impl Other {
    pub(super) const ALL: [Self; 4] = [Self::Base, Self::OneRead, Self::GoCalls, Self::Theirs];

    /// The environment variable with the path of its program.
    pub(super) fn variable(self) -> &'static str {
        match self {
            Self::Base => "BASE_PLUGIN",
            Self::OneRead => "FLOOR_ONE_READ",
            Self::GoCalls => "FLOOR_GO_CALLS",
            Self::Theirs => "OTHER_PLUGIN",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Base => "the plugin of the base commit",
            Self::OneRead => "a floor plugin that makes one storage read",
            Self::GoCalls => "a floor plugin that makes the storage calls of the Go plugin, and its call to Astra",
            Self::Theirs => "OTHER_PLUGIN",
        }
    }

    pub(super) fn can(self, action: Action) -> bool {
        self != Self::OneRead || action.is_read()
    }

    /// The least ratio of this plugin's requests per second to the other's; none where none is set.
    pub(super) fn wanted(self, kind: ServerKind, action: Action, clients: usize) -> Option<f64> {
        match (self, kind, action, clients) {
            (Self::Base, ServerKind::Dev, Action::ReadConfig | Action::ReadRole, _) => Some(1.15),
            (Self::Base, ServerKind::Dev, Action::MintNamed | Action::Creds, 1) => Some(1.6),
            (Self::Base, ServerKind::Dev, Action::MintNamed | Action::Creds, 16) => Some(1.8),
            (Self::Base, ServerKind::Dev, Action::Renew, _) => Some(2.0),
            (Self::Base, ServerKind::Dev, Action::Revoke, _) => Some(1.8),
            (Self::Base, ServerKind::Raft, Action::MintNamed | Action::Creds | Action::Revoke, _) => Some(1.2),
            (Self::Base, ServerKind::Raft, Action::Renew, _) => Some(1.3),
            (Self::OneRead, ServerKind::Dev, _, 1 | 4) => Some(0.85),
            (Self::OneRead, ServerKind::Dev, _, _) => Some(0.75),
            _ => None,
        }
    }

    /// The largest wanted ratio of the plugins' processor time for the same number of requests.
    pub(super) fn wanted_time(self, kind: ServerKind, action: Action, clients: usize) -> Option<f64> {
        (self == Self::Base && kind == ServerKind::Dev && action.is_read() && clients == 16).then_some(0.7)
    }
}
