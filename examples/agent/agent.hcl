# An agent of OpenBao or Vault that keeps /run/astra/token up to date: `bao agent -config=agent.hcl`.
#
# The agent renews the lease of the token, and replaces the file when the lease ends.

vault {
  address = "https://openbao.example.com:8200"
}

auto_auth {
  method "approle" {
    config = {
      role_id_file_path                   = "/etc/astra-agent/role-id"
      secret_id_file_path                 = "/etc/astra-agent/secret-id"
      remove_secret_id_file_after_reading = false
    }
  }
}

template_config {
  exit_on_retry_failure = true
}

template {
  destination          = "/run/astra/token"
  perms                = "0400"
  error_on_missing_key = true
  contents             = "{{ with secret \"astra/creds/ORG_ID/ROLE\" }}{{ .Data.token }}{{ end }}"
}
