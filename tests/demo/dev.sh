#!/usr/bin/env bash
# The demo's set-up left running until Ctrl-C: `make dev` builds what is needed and starts this.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

main() {
    prepare
    bring_up_astra
    start_server
    register_and_enable
    configure
    tell_how_to_use
    stay
}

configure() {
    local names=(prod staging) index
    for index in "${!organizations[@]}"; do
        write_config "${organizations[$index]}" "${names[$index]}"
    done
    run bao write -f astra/sync-roles
}

tell_how_to_use() {
    local organization=${organizations[0]}
    cat <<TEXT

It runs. Paste this in another terminal:

    alias $command_name='"$BAO_BIN"'
    export ${variable}_ADDR=$server_address
    export ${variable}_TOKEN=$server_token

and then, for example:

    $command_name path-help astra
    $command_name list astra/roles/$organization
    $command_name read astra/creds/$organization/r_w_user
    $command_name write astra/org/token org_id=$organization role_name=r_w_user logical_name=billing-service
    $command_name list astra/tokens/$organization
    $command_name lease revoke -prefix -sync astra/creds

The server's log: $work/server.log
The audit log:    $work/audit.log

Ctrl-C stops it, revokes every token it made and removes everything.
TEXT
}

# Until Ctrl-C, which is the way to end it and no failure.
stay() {
    trap 'interrupted=1; echo; exit 0' INT TERM HUP
    wait -n "${processes[@]}" || true
    die "the server or the simulator ended by itself"
}

main
