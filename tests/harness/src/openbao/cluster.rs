//! Three servers on one raft storage, of which one is active. Requests may go to any of them: a standby forwards what
//! it cannot do to the active one.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Server;
use super::server::{ServerKind, comes_true};
use crate::limits::{FAILOVER_DEADLINE, HEALTH_DEADLINE};

/// The smallest cluster that survives the loss of a node.
const NODES: usize = 3;

/// A running cluster. Its nodes end with this value.
pub struct Cluster {
    nodes: Vec<Arc<Server>>,
}

impl Cluster {
    /// Starts the nodes one after another and waits until all of them serve.
    ///
    /// # Panics
    /// When a node does not serve in time. The text has the end of its log.
    pub fn start() -> Self {
        let first = Arc::new(Server::start(ServerKind::Raft));
        let mut nodes = vec![Arc::clone(&first)];
        let at_once = json!({ "server_stabilization_time": "1s" });
        first.client().must("POST", "sys/storage/raft/autopilot/configuration", &at_once);
        nodes.extend((1..NODES).map(|_| Arc::new(Server::start_joining(&first))));
        let cluster = Self { nodes };
        cluster.wait_for_voters();
        cluster
    }

    /// All nodes, including dead ones.
    pub fn nodes(&self) -> &[Arc<Server>] {
        &self.nodes
    }

    /// The node that says that it is active. Waits for one.
    ///
    /// # Panics
    /// When no node becomes active in time.
    pub fn leader(&self) -> Arc<Server> {
        let mut found = None;
        let is_found = comes_true(FAILOVER_DEADLINE, || {
            found = self.nodes.iter().find(|node| node.is_active()).map(Arc::clone);
            found.is_some()
        });
        found.filter(|_| is_found).unwrap_or_else(|| panic!("no node became active in {FAILOVER_DEADLINE:?}"))
    }

    /// The living nodes beside the active one, once all of them serve. A node that is too busy to answer in time counts
    /// as a standby, too.
    ///
    /// # Panics
    /// When a node does not serve in time.
    pub fn standbys(&self) -> Vec<Arc<Server>> {
        let leader = self.leader();
        let others = self.nodes.iter().filter(|node| !Arc::ptr_eq(node, &leader) && node.runs());
        let standbys: Vec<_> = others.map(Arc::clone).collect();
        for node in &standbys {
            node.wait_at_most(FAILOVER_DEADLINE, "a standby to serve", || node.serves());
        }
        standbys
    }

    /// Waits until all nodes vote. A node joins without a vote, and the cluster survives its leader only with the votes
    /// of the others.
    fn wait_for_voters(&self) {
        self.nodes[0].wait_at_most(FAILOVER_DEADLINE, "all nodes to vote", || {
            let client = self.nodes[0].client();
            let path = "sys/storage/raft/configuration";
            let Ok(reply) = client.try_call("GET", path, &Value::Null, &[], HEALTH_DEADLINE) else { return false };
            let servers = reply.body["data"]["config"]["servers"].as_array().cloned().unwrap_or_default();
            servers.iter().filter(|server| server["voter"] == true).count() == NODES
        });
    }
}
