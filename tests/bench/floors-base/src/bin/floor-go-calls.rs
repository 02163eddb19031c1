//! Makes, for each operation, the storage calls and the call to Astra that the Go plugin makes, and nothing else: no
//! write-ahead entry, no mark, no index, no history, no check of what comes in.
//!
//! | operation | storage calls, one after the other |
//! | --- | --- |
//! | read a config or a role | the entry |
//! | list roles | the list, and each role for `key_info` |
//! | make a token, with a name or without | role, config; then, after Astra made the token, its record is written |
//! | renew | the role |
//! | revoke | config; then, after Astra deleted the token, its record is deleted |

use std::process::ExitCode;
use std::time::Duration;

use async_trait::async_trait;
use floors_base::astra::Astra;
use floors_base::{Floor, answer, config_key, failed, role_key, run, settings_key, stored, text};
use plugin_protocol::{
    Error, Lease, Operation, Request, Response, Secret, StorageClient, StorageEntry, StorageView as _,
};
use serde_json::{Map, Value, json};

const TTL: Duration = Duration::from_secs(3600);
const MAX_TTL: Duration = Duration::from_secs(24 * 3600);

fn main() -> ExitCode {
    run::<GoCalls>("floor-go-calls")
}

struct GoCalls {
    storage: StorageClient,
    astra: Astra,
}

#[async_trait]
impl Floor for GoCalls {
    fn new(storage: StorageClient) -> Self {
        Self { storage, astra: Astra::default() }
    }

    async fn answer(&self, request: Request) -> Result<Option<Response>, Error> {
        let path = request.path.split('/').collect::<Vec<_>>();
        match (request.operation, &path[..]) {
            (Operation::Renew, _) => self.renew(&lease_of(&request)?).await,
            (Operation::Revoke, _) => self.revoke(&lease_of(&request)?).await,
            (Operation::List, ["roles", org] | ["roles", org, ""]) => self.list_roles(org).await,
            (Operation::Read, ["creds", org, role]) => self.mint(org, role, "").await,
            (Operation::Update, ["org", "token"]) => {
                let body = object(&request.data)?;
                self.mint(text(&body, "org_id"), text(&body, "role_name"), text(&body, "logical_name")).await
            }
            (Operation::Read, _) => {
                let key = settings_key(&request.path).ok_or(Error::UnsupportedPath)?;
                let mut settings = stored(&self.storage, &key).await?;
                settings.as_object_mut().and_then(|settings| settings.remove("astra_token"));
                Ok(Some(answer(&settings)))
            }
            _ => Err(Error::UnsupportedOperation),
        }
    }
}

impl GoCalls {
    async fn list_roles(&self, org: &str) -> Result<Option<Response>, Error> {
        let (mut keys, mut key_info) = (Vec::new(), Map::new());
        for key in self.storage.list("role/").await.map_err(failed)? {
            if let Some((_, name)) = key.split_once(':').filter(|(of, _)| *of == org) {
                key_info.insert(name.to_owned(), stored(&self.storage, &role_key(org, name)).await?);
                keys.push(name.to_owned());
            }
        }
        Ok(Some(answer(&json!({ "keys": keys, "key_info": key_info }))))
    }

    async fn mint(&self, org: &str, role_name: &str, name: &str) -> Result<Option<Response>, Error> {
        let role = stored(&self.storage, &role_key(org, role_name)).await?;
        let config = stored(&self.storage, &config_key(org)).await?;
        let mut token = self.astra.make(&config, &role).await?;
        let client_id = text(&token, "clientId").to_owned();
        let id = if name.is_empty() { client_id.clone() } else { format!("{org}:{role_name}:{name}") };
        let about = [("orgId", org), ("roleName", role_name), ("logicalName", name)];
        about.into_iter().for_each(|(field, value)| token[field] = value.into());
        let (key, value) = (format!("token/{id}"), token.to_string().into_bytes());
        self.storage.put(StorageEntry { key, value, seal_wrap: false }).await.map_err(failed)?;

        token.as_object_mut().and_then(|token| token.remove("secret"));
        let internal_data = json!({ "secret_type": "astra_token", "clientId": client_id, "orgId": org, "roleName": role_name, "tokenId": id });
        let secret = Secret { ttl: TTL, max_ttl: MAX_TTL, renewable: true, internal_data: internal_data.to_string() };
        Ok(Some(Response { secret: Some(secret), ..answer(&token) }))
    }

    async fn renew(&self, lease: &Lease) -> Result<Option<Response>, Error> {
        let held = object(&lease.internal_data)?;
        stored(&self.storage, &role_key(text(&held, "orgId"), text(&held, "roleName"))).await?;
        let internal_data = lease.internal_data.clone();
        let secret = Secret { ttl: TTL, max_ttl: MAX_TTL, renewable: true, internal_data };
        Ok(Some(Response { secret: Some(secret), ..Response::default() }))
    }

    async fn revoke(&self, lease: &Lease) -> Result<Option<Response>, Error> {
        let held = object(&lease.internal_data)?;
        let config = stored(&self.storage, &config_key(text(&held, "orgId"))).await?;
        self.astra.delete(&config, text(&held, "clientId")).await?;
        self.storage.delete(&format!("token/{}", text(&held, "tokenId"))).await.map_err(failed)?;
        Ok(None)
    }
}

fn lease_of(request: &Request) -> Result<Lease, Error> {
    request.lease.clone().ok_or(Error::InvalidRequest)
}

fn object(json: &str) -> Result<Value, Error> {
    serde_json::from_str(json).map_err(|error| Error::BadRequest(error.to_string()))
}
