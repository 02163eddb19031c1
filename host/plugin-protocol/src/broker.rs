//! The broker: the server sends the address at which it listens for each mount, and ends the stream when it goes away.
//!
//! A message and the setup that needs the message come in any order. The plugin sends nothing, as it never listens for
//! the server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream;
use thiserror::Error as ThisError;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, Streaming};

use crate::exit::{Exit, ExitReason};
use crate::limits::{BROKER_MESSAGES_MAX, BROKER_WAIT, ORPHAN_GRACE};
use crate::task;
use crate::wire::plugin::ConnInfo;
use crate::wire::plugin::grpc_broker_server::GrpcBroker;

/// Why a mount's services were not found.
#[derive(Debug, PartialEq, Eq, ThisError)]
pub(crate) enum BrokerError {
    #[error("the server sent no address for broker id {id} within {} s", BROKER_WAIT.as_secs())]
    TimedOut { id: u32 },
    #[error("broker id {id} listens on network `{network}`; only `unix` is supported")]
    Network { id: u32, network: String },
}

/// The server's messages that no setup has used. Clones share them.
#[derive(Clone)]
pub(crate) struct Broker {
    shared: Arc<Shared>,
    exit: Exit,
}

struct Shared {
    messages: Mutex<HashMap<u32, ConnInfo>>,
    arrived: Notify,
    opened: watch::Sender<bool>,
}

impl Broker {
    pub(crate) fn new(exit: Exit) -> Self {
        let shared = Shared { messages: Mutex::default(), arrived: Notify::new(), opened: watch::Sender::new(false) };
        Self { shared: Arc::new(shared), exit }
    }

    /// Waits until the server has opened the stream.
    pub(crate) async fn opened(&self) {
        // An error would mean that the sender has gone, which `self` holds.
        drop(self.shared.opened.subscribe().wait_for(|opened| *opened).await);
    }

    pub(crate) fn set_opened(&self) {
        self.shared.opened.send_replace(true);
    }

    /// The socket of the services with this ID. A message is used once.
    pub(crate) async fn socket(&self, id: u32) -> Result<String, BrokerError> {
        let message = timeout(BROKER_WAIT, self.message(id)).await.map_err(|_| BrokerError::TimedOut { id })?;
        match message.network.as_str() {
            "unix" => Ok(message.address),
            _ => Err(BrokerError::Network { id, network: message.network }),
        }
    }

    async fn message(&self, id: u32) -> ConnInfo {
        loop {
            let arrived = self.shared.arrived.notified();
            let mut arrived = std::pin::pin!(arrived);
            // Before the map is read, so that no message is missed in between.
            arrived.as_mut().enable();
            if let Some(message) = self.messages().remove(&id) {
                return message;
            }
            arrived.await;
        }
    }

    fn keep(&self, message: ConnInfo) {
        let mut messages = self.messages();
        if messages.len() >= BROKER_MESSAGES_MAX {
            tracing::warn!(
                id = message.service_id,
                limit = BROKER_MESSAGES_MAX,
                "dropped a broker message: too many wait for their setup"
            );
            return;
        }
        messages.insert(message.service_id, message);
        drop(messages);
        self.shared.arrived.notify_waiters();
    }

    fn messages(&self) -> std::sync::MutexGuard<'_, HashMap<u32, ConnInfo>> {
        self.shared.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads until the server ends the stream or goes away.
    async fn read(self, mut incoming: Streaming<ConnInfo>) {
        while let Ok(Some(message)) = incoming.message().await {
            self.keep(message);
        }
        tokio::time::sleep(ORPHAN_GRACE).await;
        self.exit.request(ExitReason::ServerGone);
    }
}

#[tonic::async_trait]
impl GrpcBroker for Broker {
    async fn start_stream(
        &self,
        request: Request<Streaming<ConnInfo>>,
    ) -> Result<Response<BoxStream<ConnInfo>>, Status> {
        self.set_opened();
        task::spawn(self.clone().read(request.into_inner()));
        Ok(Response::new(silence(self.exit.clone())))
    }
}

/// A stream without items that ends when the process does.
pub(crate) fn silence<T: Send + 'static>(exit: Exit) -> BoxStream<T> {
    Box::pin(stream::unfold(exit, |exit| async move {
        exit.requested().await;
        None
    }))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn message(id: u32, address: &str) -> ConnInfo {
        ConnInfo { service_id: id, network: "unix".into(), address: address.into(), knock: None }
    }

    #[tokio::test(start_paused = true)]
    async fn message_and_waiter_come_in_any_order() {
        let broker = Broker::new(Exit::new());
        broker.keep(message(1, "/first"));
        assert_eq!(broker.socket(1).await.unwrap(), "/first");

        let waiting = task::spawn({
            let broker = broker.clone();
            async move { broker.socket(2).await }
        });
        tokio::task::yield_now().await;
        broker.keep(message(3, "/other"));
        broker.keep(message(2, "/second"));
        assert_eq!(waiting.await.unwrap().unwrap(), "/second");
        assert_eq!(broker.socket(3).await.unwrap(), "/other");
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_is_used_once_and_awaited_for_five_seconds() {
        let broker = Broker::new(Exit::new());
        broker.keep(message(1, "/first"));
        broker.socket(1).await.unwrap();
        let begin = tokio::time::Instant::now();
        assert_eq!(broker.socket(1).await, Err(BrokerError::TimedOut { id: 1 }));
        assert_eq!(begin.elapsed().as_secs(), 5);
    }

    #[tokio::test]
    async fn other_networks_and_floods_are_refused() {
        let broker = Broker::new(Exit::new());
        broker.keep(ConnInfo { network: "tcp".into(), ..message(1, "127.0.0.1:1") });
        assert_eq!(broker.socket(1).await, Err(BrokerError::Network { id: 1, network: "tcp".into() }));
        for id in 0..u32::try_from(BROKER_MESSAGES_MAX).unwrap() + 10 {
            broker.keep(message(id, "/x"));
        }
        assert_eq!(broker.messages().len(), BROKER_MESSAGES_MAX);
    }
}
