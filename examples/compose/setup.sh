#!/usr/bin/env bash
# Registers the plugin, enables it, and configures the first organization of the simulator. Needs `bao`, with:
#
#   export BAO_ADDR=http://127.0.0.1:8200 BAO_TOKEN=dev-only-token
#   docker compose exec astra cat /tmp/astra.json >astra.json
set -euo pipefail

plugin=vault-plugin-secrets-datastax-astra
demo=${DEMO:-demo}     # the unpacked archive
state=${STATE:-astra.json}
astra=${ASTRA:-http://127.0.0.1:8300}

first() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["organizations"][0][sys.argv[2]])' "$state" "$1"; }

bao plugin register -sha256="$(sha256sum "$demo/$plugin" | cut -d' ' -f1)" -args="--allow-egress=astra=$astra" secret "$plugin"
bao secrets enable -path=astra "$plugin"
org=$(first id)
printf %s "$(first token)" | bao write "astra/config/$org" astra_token=- url="$astra"
bao write -f "astra/config/$org/sync-roles"
bao read "astra/creds/$org/r_w_user"
