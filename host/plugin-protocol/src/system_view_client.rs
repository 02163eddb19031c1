//! The client of the server's `pb.SystemView` service, for one mount.
//!
//! A call that the server does not implement is `Unsupported`, not a failure.

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use envelope::{Entity, ReplicationState, SystemView, SystemViewError};
use tokio::time::timeout;
use tonic::{Response, Status};

use crate::connection::Connection;
use crate::limits::SERVER_CALL_TIMEOUT;
use crate::translate;
use crate::wire::pb;
use crate::wire::pb::system_view_client::SystemViewClient as Stub;

/// Asks the server for its view of the mount.
pub(crate) struct SystemViewClient {
    stub: Stub<Connection>,
}

impl SystemViewClient {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { stub: Stub::with_origin(connection, Connection::origin()) }
    }
}

#[async_trait]
impl SystemView for SystemViewClient {
    async fn default_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        translate::ttl_from_pb(ask(self.stub.clone().default_lease_ttl(pb::Empty {})).await?.ttl)
    }

    async fn max_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        translate::ttl_from_pb(ask(self.stub.clone().max_lease_ttl(pb::Empty {})).await?.ttl)
    }

    async fn tainted(&self) -> Result<bool, SystemViewError> {
        Ok(ask(self.stub.clone().tainted(pb::Empty {})).await?.tainted)
    }

    async fn local_mount(&self) -> Result<bool, SystemViewError> {
        Ok(ask(self.stub.clone().local_mount(pb::Empty {})).await?.local)
    }

    async fn replication_state(&self) -> Result<ReplicationState, SystemViewError> {
        let reply = ask(self.stub.clone().replication_state(pb::Empty {})).await?;
        Ok(translate::replication_state_from_pb(reply.state))
    }

    async fn server_version(&self) -> Result<String, SystemViewError> {
        let reply = ask(self.stub.clone().plugin_env(pb::Empty {})).await?;
        translate::system_view_outcome(reply.err)?;
        translate::server_version_from_pb(reply.plugin_environment)
    }

    async fn entity_info(&self, entity_id: &str) -> Result<Option<Entity>, SystemViewError> {
        let args = pb::EntityInfoArgs { entity_id: entity_id.to_owned() };
        let reply = ask(self.stub.clone().entity_info(args)).await?;
        translate::system_view_outcome(reply.err)?;
        Ok(reply.entity.map(translate::entity_from_pb))
    }

    async fn generate_password(&self, policy_name: &str) -> Result<String, SystemViewError> {
        let args = pb::GeneratePasswordFromPolicyRequest { policy_name: policy_name.to_owned() };
        Ok(ask(self.stub.clone().generate_password_from_policy(args)).await?.password)
    }
}

async fn ask<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, SystemViewError> {
    match timeout(SERVER_CALL_TIMEOUT, call).await {
        Ok(Ok(reply)) => Ok(reply.into_inner()),
        Ok(Err(status)) if status.code() == tonic::Code::Unimplemented => Err(SystemViewError::Unsupported),
        Ok(Err(status)) => Err(SystemViewError::Failed(translate::status_text("system view call failed", &status))),
        Err(_) => {
            let seconds = SERVER_CALL_TIMEOUT.as_secs();
            Err(SystemViewError::Failed(format!("the server's system view did not answer within {seconds} s")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_system_view_call_waits_longer_than_its_deadline() {
        let begin = tokio::time::Instant::now();
        let outcome = ask(std::future::pending::<Result<Response<()>, Status>>()).await;
        assert_eq!(outcome, Err(SystemViewError::Failed("the server's system view did not answer within 30 s".into())));
        assert_eq!(begin.elapsed(), SERVER_CALL_TIMEOUT);
    }

    #[tokio::test]
    async fn a_call_that_the_server_does_not_implement_is_unsupported() {
        let refused = |status: Status| async move { ask::<()>(async { Err(status) }).await };
        assert_eq!(refused(Status::unimplemented("x")).await, Err(SystemViewError::Unsupported));
        let failed = refused(Status::unknown("missing system view implementation")).await;
        let text = "system view call failed: missing system view implementation";
        assert_eq!(failed, Err(SystemViewError::Failed(text.into())));
    }
}
