#!/usr/bin/env bash
# The demo's set-up left running until Ctrl-C: `make dev` builds what is needed and starts this.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

main() {
    prepare
    bring_up_astra
    start_openbao
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

    alias bao='"$BAO_BIN"'
    export BAO_ADDR=$BAO_ADDR
    export BAO_TOKEN=$BAO_TOKEN

and then, for example:

    bao path-help astra
    bao list astra/roles/$organization
    bao read astra/creds/$organization/r_w_user
    bao write astra/org/token org_id=$organization role_name=r_w_user logical_name=billing-service
    bao list astra/tokens/$organization
    bao lease revoke -prefix -sync astra/creds

The server's log: $work/openbao.log
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
