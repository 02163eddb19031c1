# Configs, roles and static roles of the mount as code, for Terraform and OpenTofu.
#
# Durations are numbers of seconds, and URLs have no slash at the end: reads answer in this form, so the next plan is empty.

terraform {
  required_providers {
    vault = {
      source  = "hashicorp/vault"
      version = ">= 4.0"
    }
  }
}

variable "org" {
  description = "The ID of the organization in Astra."
  type        = string
}

variable "astra_role" {
  description = "The ID of the role in Astra that the tokens get."
  type        = string
}

variable "astra_token" {
  description = "The admin token of the organization. Do not manage it here if the mount rotates it."
  type        = string
  sensitive   = true
}

resource "vault_generic_endpoint" "config" {
  path                 = "astra/config/${var.org}"
  ignore_absent_fields = true # a read answers no admin token
  data_json = jsonencode({
    astra_token     = var.astra_token
    logical_name    = "prod"
    request_timeout = 30
  })
}

resource "vault_generic_endpoint" "reader" {
  depends_on           = [vault_generic_endpoint.config]
  path                 = "astra/roles/${var.org}/reader"
  ignore_absent_fields = true
  data_json = jsonencode({
    role_ids = [var.astra_role]
    ttl      = 3600
    max_ttl  = 86400
  })
}

resource "vault_generic_endpoint" "billing" {
  depends_on           = [vault_generic_endpoint.config]
  path                 = "astra/static-roles/${var.org}/billing"
  ignore_absent_fields = true
  data_json = jsonencode({
    role_ids        = [var.astra_role]
    rotation_period = 2592000
    grace_period    = 3600
  })
}

# A token for a resource of this configuration. It stands in the state: prefer a client that reads its token by itself.
data "vault_generic_secret" "token" {
  depends_on = [vault_generic_endpoint.billing]
  path       = "astra/static-creds/${var.org}/billing"
}

output "astra_token" {
  value     = data.vault_generic_secret.token.data["token"]
  sensitive = true
}
