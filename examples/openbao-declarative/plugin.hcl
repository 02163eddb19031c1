# A part of the configuration of an OpenBao server from 2.5 on: the server downloads the plugin from a registry at its start, checks
# its SHA-256, and registers it. The sum stands in the release, in the file that ends in `.sha256`.

plugin_directory         = "/var/lib/openbao/plugins"
plugin_auto_download     = true
plugin_auto_register     = true
plugin_download_behavior = "fail"

plugin "secret" "vault-plugin-secrets-datastax-astra" {
  image       = "registry.example.com/vault-plugin-secrets-datastax-astra"
  version     = "v3.0.0"
  binary_name = "vault-plugin-secrets-datastax-astra"
  sha256sum   = "PLUGIN_SHA256"
  # One item for each argument of the registration, for example:
  # args      = ["--log-level=debug"]
}
