//! The text of a server's configuration file.

use std::path::Path;

/// What every server has. The audit file is relative to the server's own
/// folder: nodes of one cluster must agree on it, letter by letter.
pub(super) fn common(folder: &Path) -> String {
    format!(
        r#"
plugin_directory = "{plugins}"
audit "file" "to-file" {{
  options {{
    file_path = "audit.log"
  }}
}}
"#,
        plugins = folder.join("plugins").display()
    )
}

/// Raft storage in the server's folder, alone or as a node of a cluster.
///
/// The times are shorter than for a network between the nodes, so that a new
/// leader is there in seconds, and long enough for a machine that is busy with
/// other tests; a joining node has its vote as soon as it is up to date.
pub(super) fn raft(folder: &Path, port: u16, cluster_port: u16) -> String {
    format!(
        r#"
raw_storage_endpoint = true
api_addr = "http://127.0.0.1:{port}"
cluster_addr = "http://127.0.0.1:{cluster_port}"
listener "tcp" {{
  address = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster_port}"
  tls_disable = true
}}
storage "raft" {{
  path = "{folder}/raft"
  node_id = "node-{port}"
  performance_multiplier = 2
  autopilot_reconcile_interval = "1s"
  autopilot_update_interval = "500ms"
}}
"#,
        folder = folder.display()
    )
}
