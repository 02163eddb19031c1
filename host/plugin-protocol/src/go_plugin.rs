//! go-plugin's small services: controller, stdio, health, and the answer to
//! whether one process serves all mounts.

use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};

use crate::broker::silence;
use crate::exit::{Exit, ExitReason};
use crate::wire::health::health_check_response::ServingStatus;
use crate::wire::health::health_server::Health;
use crate::wire::health::{HealthCheckRequest, HealthCheckResponse};
use crate::wire::multiplexing::plugin_multiplexing_server::PluginMultiplexing;
use crate::wire::multiplexing::{MultiplexingSupportRequest, MultiplexingSupportResponse};
use crate::wire::plugin::grpc_controller_server::GrpcController;
use crate::wire::plugin::grpc_stdio_server::GrpcStdio;
use crate::wire::plugin::{Empty, StdioData};

/// The name that servers ask the health service for.
const HEALTH_SERVICE: &str = "plugin";

/// Serves all these services.
#[derive(Clone)]
pub(crate) struct GoPlugin {
    exit: Exit,
}

impl GoPlugin {
    pub(crate) fn new(exit: Exit) -> Self {
        Self { exit }
    }
}

#[tonic::async_trait]
impl GrpcController for GoPlugin {
    /// The answer goes out while the process ends: the transport finishes calls under way.
    async fn shutdown(&self, _request: Request<Empty>) -> Result<Response<Empty>, Status> {
        self.exit.request(ExitReason::Shutdown);
        Ok(Response::new(Empty {}))
    }
}

#[tonic::async_trait]
impl GrpcStdio for GoPlugin {
    /// Sends nothing and does not end: servers discard the stream.
    async fn stream_stdio(&self, _request: Request<()>) -> Result<Response<BoxStream<StdioData>>, Status> {
        Ok(Response::new(silence(self.exit.clone())))
    }
}

#[tonic::async_trait]
impl Health for GoPlugin {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        // The standard lets the empty name stand for the whole process.
        match request.get_ref().service.as_str() {
            "" | HEALTH_SERVICE => Ok(Response::new(HealthCheckResponse { status: ServingStatus::Serving.into() })),
            _ => Err(Status::not_found("unknown service")),
        }
    }
}

#[tonic::async_trait]
impl PluginMultiplexing for GoPlugin {
    async fn multiplexing_support(
        &self,
        _request: Request<MultiplexingSupportRequest>,
    ) -> Result<Response<MultiplexingSupportResponse>, Status> {
        Ok(Response::new(MultiplexingSupportResponse { supported: true }))
    }
}
