//! Which call of the DevOps API a method and a path name. A path without a call, and a known
//! path with another method, are both 404 before the token is looked at (CAULDRON, live).

use serde::{Deserialize, Serialize};

use crate::switches::TokensDelete;

/// The calls the simulator models, as keys for switches and records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each name is the call it stands for")]
pub enum CallKind {
    TokenCreate,
    TokenList,
    TokenDelete,
    RoleList,
    RoleCreate,
    RoleRead,
    RoleUpdate,
    RoleDelete,
    CurrentOrg,
    UserList,
    DatabaseList,
    AccessLists,
    AclRead,
    AclWrite,
    AclDelete,
    DataCommand,
}

/// Where the Data API of a database begins (SDK); its clients send the token in a header of its own.
pub(crate) const DATA_API: &str = "/api/json/v1/";

/// A call with what its path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    /// `tokens` tells `/v2/tokens`, where `orgId` counts, from `/v2/clientIdSecrets`.
    TokenCreate {
        tokens: bool,
    },
    TokenList,
    TokenDelete {
        client_id: String,
    },
    RoleList,
    RoleCreate,
    RoleRead {
        role: String,
    },
    RoleUpdate {
        role: String,
    },
    RoleDelete {
        role: String,
    },
    CurrentOrg,
    UserList,
    DatabaseList,
    AccessLists,
    AclRead {
        organization: String,
    },
    /// `replace` tells PUT from POST and PATCH, which add.
    AclWrite {
        organization: String,
        replace: bool,
    },
    AclDelete {
        organization: String,
    },
    /// A command of the Data API, which each database has beside the DevOps API.
    DataCommand {
        keyspace: String,
    },
}

impl Call {
    /// The call, or none: then the answer is 404.
    pub(crate) fn route(method: &str, path: &str, query: Option<&str>, tokens_delete: TokensDelete) -> Option<Self> {
        if let Some(keyspace) = path.strip_prefix(DATA_API) {
            let is_command = method == "POST" && !keyspace.is_empty() && !keyspace.contains('/');
            return is_command.then(|| Self::DataCommand { keyspace: percent_decode(keyspace) });
        }
        let rest = path.strip_prefix("/v2/")?;
        let segments: Vec<String> = rest.split('/').map(percent_decode).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let call = match (method, segments.as_slice()) {
            ("POST", ["clientIdSecrets"]) => Self::TokenCreate { tokens: false },
            ("POST", ["tokens"]) => Self::TokenCreate { tokens: true },
            ("GET", ["clientIdSecrets" | "tokens"]) => Self::TokenList,
            ("DELETE", ["clientIdSecrets", id]) if !id.is_empty() => Self::TokenDelete { client_id: (*id).into() },
            ("DELETE", ["tokens", id]) if tokens_delete == TokensDelete::Path => {
                Self::TokenDelete { client_id: (*id).into() }
            }
            ("DELETE", ["tokens"]) if tokens_delete == TokensDelete::Query => {
                Self::TokenDelete { client_id: query_value(query, "clientId")? }
            }
            ("GET", ["currentOrg"]) => Self::CurrentOrg,
            ("GET", ["databases"]) => Self::DatabaseList,
            ("GET", ["access-lists"]) => Self::AccessLists,
            (_, ["organizations", rest @ ..]) => return Self::route_organizations(method, rest),
            _ => return None,
        };
        Some(call)
    }

    fn route_organizations(method: &str, rest: &[&str]) -> Option<Self> {
        let call = match (method, rest) {
            ("GET", ["users"]) => Self::UserList,
            ("GET", ["roles"]) => Self::RoleList,
            ("POST", ["roles"]) => Self::RoleCreate,
            ("GET", ["roles", role]) => Self::RoleRead { role: (*role).into() },
            ("PUT", ["roles", role]) => Self::RoleUpdate { role: (*role).into() },
            ("DELETE", ["roles", role]) => Self::RoleDelete { role: (*role).into() },
            ("GET", [id, "devops-acl"]) => Self::AclRead { organization: (*id).into() },
            ("DELETE", [id, "devops-acl"]) => Self::AclDelete { organization: (*id).into() },
            ("POST" | "PUT" | "PATCH", [id, "devops-acl"]) => {
                Self::AclWrite { organization: (*id).into(), replace: method == "PUT" }
            }
            _ => return None,
        };
        Some(call)
    }

    pub(crate) fn kind(&self) -> CallKind {
        match self {
            Self::TokenCreate { .. } => CallKind::TokenCreate,
            Self::TokenList => CallKind::TokenList,
            Self::TokenDelete { .. } => CallKind::TokenDelete,
            Self::RoleList => CallKind::RoleList,
            Self::RoleCreate => CallKind::RoleCreate,
            Self::RoleRead { .. } => CallKind::RoleRead,
            Self::RoleUpdate { .. } => CallKind::RoleUpdate,
            Self::RoleDelete { .. } => CallKind::RoleDelete,
            Self::CurrentOrg => CallKind::CurrentOrg,
            Self::UserList => CallKind::UserList,
            Self::DatabaseList => CallKind::DatabaseList,
            Self::AccessLists => CallKind::AccessLists,
            Self::AclRead { .. } => CallKind::AclRead,
            Self::AclWrite { .. } => CallKind::AclWrite,
            Self::AclDelete { .. } => CallKind::AclDelete,
            Self::DataCommand { .. } => CallKind::DataCommand,
        }
    }
}

/// The first value of a query parameter, decoded.
pub(crate) fn query_value(query: Option<&str>, name: &str) -> Option<String> {
    query?
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| percent_decode(value))
}

/// Decodes `%41`; a `%` without two hex digits stays as it is.
pub(crate) fn percent_decode(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let rest = bytes.hex_ahead();
        match (byte, rest) {
            (b'%', Some(value)) => {
                decoded.push(value);
                bytes.nth(1);
            }
            _ => decoded.push(byte),
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The value of the two hex digits that come next, if they do.
trait HexAhead {
    fn hex_ahead(&self) -> Option<u8>;
}

impl HexAhead for std::str::Bytes<'_> {
    fn hex_ahead(&self) -> Option<u8> {
        let mut ahead = self.clone();
        let high = char::from(ahead.next()?).to_digit(16)?;
        let low = char::from(ahead.next()?).to_digit(16)?;
        u8::try_from(high * 16 + low).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(method: &str, path: &str) -> Option<Call> {
        Call::route(method, path, None, TokensDelete::Path)
    }

    #[test]
    fn known_paths_with_other_methods_have_no_call() {
        assert_eq!(route("GET", "/v2/currentOrg"), Some(Call::CurrentOrg));
        for (method, path) in [
            ("POST", "/v2/currentOrg"),
            ("PUT", "/v2/clientIdSecrets"),
            ("DELETE", "/v2/clientIdSecrets"),
            ("DELETE", "/v2/clientIdSecrets/"),
            ("GET", "/v1/currentOrg"),
            ("GET", "/v2/currentOrg/"),
            ("GET", "/"),
        ] {
            assert_eq!(route(method, path), None, "{method} {path}");
        }
    }

    #[test]
    fn segments_are_decoded_once_and_keep_their_case() {
        let call = route("DELETE", "/v2/clientIdSecrets/aB%43%2e%25x%4");
        assert_eq!(call, Some(Call::TokenDelete { client_id: "aBC.%x%4".into() }));
    }

    #[test]
    fn a_command_of_the_data_api_names_a_keyspace() {
        let command = Some(Call::DataCommand { keyspace: "default_keyspace".into() });
        assert_eq!(route("POST", "/api/json/v1/default_keyspace"), command);
        for (method, path) in [
            ("GET", "/api/json/v1/default_keyspace"),
            ("POST", "/api/json/v1/"),
            ("POST", "/api/json/v1/default_keyspace/notes"),
        ] {
            assert_eq!(route(method, path), None, "{method} {path}");
        }
    }

    #[test]
    fn the_form_of_the_tokens_delete_is_a_switch() {
        let by_query = Some("a=b&clientId=xY");
        let path = "/v2/tokens";
        let delete = |form| Call::route("DELETE", path, by_query, form);
        let expected = Some(Call::TokenDelete { client_id: "xY".into() });
        assert_eq!(delete(TokensDelete::Query), expected);
        assert_eq!(delete(TokensDelete::Path), None);
        assert_eq!(delete(TokensDelete::Absent), None);
    }
}
