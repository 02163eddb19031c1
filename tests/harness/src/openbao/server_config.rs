//! The text of a server's configuration file.

use std::path::Path;

use super::Product;
use super::audit::AUDIT_FILE;

/// The part of every server.
pub(super) fn common(product: Product, folder: &Path) -> String {
    let plugins = format!("plugin_directory = \"{}\"\n", folder.join("plugins").display());
    if !product.audits_by_configuration() {
        // Vault with raft storage needs this line or the right to lock memory.
        return format!("{plugins}disable_mlock = true\n");
    }
    format!(
        r#"{plugins}
audit "file" "to-file" {{
  options {{
    file_path = "{AUDIT_FILE}"
  }}
}}
"#
    )
}

/// Raft storage in the server's folder, alone or as a node of a cluster.
///
/// The times are shorter than for a network between the nodes, so that a new leader is elected in seconds, and long
/// enough for a machine that is busy with other tests. A joining node gets its vote as soon as it is up to date.
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
