//! A server's view of a mount, with answers that a test chooses.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use envelope::Entity;
use tonic::{Request, Response, Status};

use crate::translate;
use crate::wire::pb::system_view_server::SystemView;
use crate::wire::{logical, pb};

/// The answers. What is not here, the server does not implement.
#[derive(Clone, Debug)]
pub struct MemorySystemView {
    /// False = the server implements none of the questions.
    pub implemented: bool,
    /// 32 days, as on both servers.
    pub default_lease_ttl: Duration,
    /// 32 days, as on both servers.
    pub max_lease_ttl: Duration,
    /// Is the mount being removed? Clones share the answer, which a test may change.
    pub tainted: Arc<AtomicBool>,
    /// Is it local to this cluster?
    pub local_mount: bool,
    /// The server's bits.
    pub replication_state: i32,
    /// The server's version.
    pub version: String,
    /// Entities by id.
    pub entities: BTreeMap<String, Entity>,
    /// Passwords by policy.
    pub passwords: BTreeMap<String, String>,
}

impl Default for MemorySystemView {
    fn default() -> Self {
        const MONTH: Duration = Duration::from_secs(2_764_800);
        Self {
            implemented: true,
            default_lease_ttl: MONTH,
            max_lease_ttl: MONTH,
            tainted: Arc::default(),
            local_mount: false,
            replication_state: 0,
            version: "2.7.2".to_owned(),
            entities: BTreeMap::new(),
            passwords: BTreeMap::new(),
        }
    }
}

/// Serves the answers.
pub(super) struct SystemViewService(pub(super) MemorySystemView);

impl SystemViewService {
    fn answer<T>(&self, answer: impl FnOnce(&MemorySystemView) -> T) -> Result<Response<T>, Status> {
        match self.0.implemented {
            true => Ok(Response::new(answer(&self.0))),
            false => Err(Status::unimplemented("unknown method")),
        }
    }
}

#[tonic::async_trait]
impl SystemView for SystemViewService {
    async fn default_lease_ttl(&self, _request: Request<pb::Empty>) -> Result<Response<pb::TtlReply>, Status> {
        self.answer(|view| pb::TtlReply { ttl: translate::nanos_from_duration(view.default_lease_ttl) })
    }

    async fn max_lease_ttl(&self, _request: Request<pb::Empty>) -> Result<Response<pb::TtlReply>, Status> {
        self.answer(|view| pb::TtlReply { ttl: translate::nanos_from_duration(view.max_lease_ttl) })
    }

    async fn tainted(&self, _request: Request<pb::Empty>) -> Result<Response<pb::TaintedReply>, Status> {
        self.answer(|view| pb::TaintedReply { tainted: view.tainted.load(Ordering::SeqCst) })
    }

    async fn local_mount(&self, _request: Request<pb::Empty>) -> Result<Response<pb::LocalMountReply>, Status> {
        self.answer(|view| pb::LocalMountReply { local: view.local_mount })
    }

    async fn replication_state(
        &self,
        _request: Request<pb::Empty>,
    ) -> Result<Response<pb::ReplicationStateReply>, Status> {
        self.answer(|view| pb::ReplicationStateReply { state: view.replication_state })
    }

    async fn plugin_env(&self, _request: Request<pb::Empty>) -> Result<Response<pb::PluginEnvReply>, Status> {
        self.answer(|view| {
            let environment = logical::PluginEnvironment { vault_version: view.version.clone(), ..Default::default() };
            pb::PluginEnvReply { plugin_environment: Some(environment), err: String::new() }
        })
    }

    async fn entity_info(&self, request: Request<pb::EntityInfoArgs>) -> Result<Response<pb::EntityInfoReply>, Status> {
        self.answer(|view| {
            let entity = view.entities.get(&request.get_ref().entity_id).map(|entity| logical::Entity {
                id: entity.id.clone(),
                name: entity.name.clone(),
                metadata: entity.metadata.clone(),
                ..Default::default()
            });
            pb::EntityInfoReply { entity, err: String::new() }
        })
    }

    async fn generate_password_from_policy(
        &self,
        request: Request<pb::GeneratePasswordFromPolicyRequest>,
    ) -> Result<Response<pb::GeneratePasswordFromPolicyReply>, Status> {
        let password = self.0.passwords.get(&request.get_ref().policy_name).cloned();
        let password = password.ok_or_else(|| Status::unknown("no such password policy"))?;
        self.answer(|_| pb::GeneratePasswordFromPolicyReply { password })
    }
}
