#!/usr/bin/env bash
# The main job, as an operator does it: `make demo` builds what is needed and starts this.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/modules.sh"

readonly ROLE=${ASTRA_ROLE:-r_w_user}

main() {
    prepare
    bring_up_astra
    start_openbao
    prepare_modules
    register_and_enable
    configure
    make_and_use
    renew_and_revoke
    show_audit
    update_and_go_back
    count_what_is_left
}

configure() {
    local names=(prod staging) index
    say "Tell it about the organizations. The admin token is never shown again."
    for index in "${!organizations[@]}"; do
        write_config "${organizations[$index]}" "${names[$index]}"
    done
    run bao list astra/configs

    say "Import Astra's roles, so that nobody has to copy their IDs."
    run bao write astra/sync-roles ttl=1h max_ttl=24h
    run bao list astra/roles
}

make_and_use() {
    organization=${organizations[0]}
    say "Make a token: for a role, known by a logical name, with metadata that says whose it is."
    run bao write astra/org/token org_id="$organization" role_name="$ROLE" logical_name=billing-service \
        metadata=team=payments
    lease=$(value_of lease_id)
    client_id=$(value_of clientId)
    token=$(value_of token)
    [[ -n $lease && -n $client_id && -n $token ]] || die "the answer has no lease, client ID or token"

    say "Astra takes it, and its own list shows the mark of this mount."
    run_astra_call "$token" /v2/currentOrg
    [[ $output == *"HTTP 200"* ]] || die "Astra does not take the new token"
    mark=$(mark_of "$organization" "$client_id")
    [[ -n $mark ]] || die "Astra's list does not show this mount's mark on the new token"
    echo "tokens in Astra with the mark $mark…: $(tokens_marked "$mark")"

    say "Read it again: the same token, not a second one."
    run bao read astra/org/token org_id="$organization" role_name="$ROLE" logical_name=billing-service
    [[ $(value_of clientId) == "$client_id" ]] || die "the read gave another token"

    say "Who has which token, and until when? No secret is shown."
    run bao read "astra/tokens/$organization/$client_id"
}

renew_and_revoke() {
    say "It is a lease like any other: look, renew, revoke."
    run bao lease lookup "$lease"
    run bao lease renew "$lease"
    run bao lease revoke -sync "$lease"

    say "Astra refuses it now."
    run_astra_call "$token" /v2/currentOrg
    [[ $output == *"HTTP 401"* || $output == *"HTTP 403"* ]] || die "Astra still takes the revoked token"
}

show_audit() {
    say "What the audit device recorded of the making: who, what, and every secret as an HMAC only."
    show "grep '\"path\":\"astra/org/token\"' audit.log | head -n 2"
    local lines
    lines=$(grep '"path":"astra/org/token"' "$work/audit.log")
    head -n 2 <<<"$lines"
    local secret
    for secret in "$token" "${admin_token[@]}"; do
        ! grep -qF -- "$secret" "$work"/*.log || die "a token is in the server's logs or in the audit log"
    done
    echo "neither this token nor an admin token is in the audit log or in the server's log"
}

count_what_is_left() {
    local left
    left=$(tokens_marked "$mark")
    say "Astra's own lists, of all organizations, by this mount's mark:"
    echo "tokens left in Astra: $left"
    [[ $left == 0 ]] || die "there should be none"
}

main
