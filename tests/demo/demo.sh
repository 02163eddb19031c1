#!/usr/bin/env bash
# The main job, as an operator does it: `make demo` builds what is needed and starts this.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/modules.sh"
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/passwords.sh"

readonly ROLE=${ASTRA_ROLE:-r_w_user}

main() {
    prepare
    bring_up_astra
    start_server
    prepare_modules
    prepare_passwords
    register_and_enable
    configure
    make_and_use
    renew_and_revoke
    share_by_name
    show_audit
    lease_a_password
    update_and_go_back
    count_what_is_left
}

configure() {
    local names=(prod staging) index
    say "Configure two organizations; no request shows an admin token again"
    for index in "${!organizations[@]}"; do
        write_config "${organizations[$index]}" "${names[$index]}"
    done
    run bao list astra/configs

    say "Import the roles of both organizations from Astra, so that nobody has to copy their IDs"
    run bao write astra/sync-roles ttl=1h max_ttl=24h

    say "List the imported roles"
    run bao list astra/roles
}

make_and_use() {
    organization=${organizations[0]}
    say "Make a token of a role, with metadata that names the team"
    run bao write "astra/creds/$organization/$ROLE" metadata=team=payments
    lease=$(value_of lease_id)
    client_id=$(value_of clientId)
    token=$(value_of token)
    [[ -n $lease && -n $client_id && -n $token ]] || die "the answer has no lease, client ID or token"

    say "Astra accepts the token, and lists it with the mark of this mount in its description"
    run_astra_call "$token" /v2/currentOrg
    [[ $output == *"HTTP 200"* ]] || die "Astra does not accept the new token"
    mark=$(mark_of "$organization" "$client_id")
    [[ -n $mark ]] || die "Astra's list does not show this mount's mark on the new token"
    echo "tokens in Astra with the mark of this mount ($mark…): $(tokens_marked "$mark")"

    say "Ask who has the token, and who made it; the answer holds no secret"
    run bao read "astra/tokens/$organization/$client_id"
    run_view history bao read -format=json "astra/tokens/$organization/$client_id"
}

renew_and_revoke() {
    say "Look the lease up, renew it, revoke it"
    run bao lease lookup "$lease"
    run bao lease renew "$lease"
    run bao lease revoke -sync "$lease"

    say "Astra refuses the revoked token"
    run_astra_call "$token" /v2/currentOrg
    [[ $output == *"HTTP 401"* || $output == *"HTTP 403"* ]] || die "Astra still accepts the revoked token"
}

share_by_name() {
    local named=(org_id="$organization" role_name="$ROLE" logical_name=billing-service) shared shared_lease
    say "Share one token under a logical name, by the path of the Go plugin"
    run bao write astra/org/token "${named[@]}"
    shared=$(value_of clientId)
    shared_lease=$(value_of lease_id)

    say "Read the logical name again: the answer is the same token, not a second one"
    run bao read astra/org/token "${named[@]}"
    [[ -n $shared && $(value_of clientId) == "$shared" ]] || die "the read gave another token"
    run bao lease revoke -sync "$shared_lease"
}

show_audit() {
    say "The audit log says who made the token; every secret in it is an HMAC"
    show "grep '\"path\":\"astra/creds/' audit.log | head -n 2 | python3 show.py audit"
    grep '"path":"astra/creds/' "$work/audit.log" >"$work/audit-of-the-token.txt"
    head -n 2 "$work/audit-of-the-token.txt" | view audit
    local secret
    for secret in "$token" "${admin_token[@]}"; do
        ! grep -qF -- "$secret" "$work"/*.log || die "a token is in the server's logs or in the audit log"
    done
    echo "neither the token nor an admin token is in the audit log or in the log of the server"
}

count_what_is_left() {
    local left
    left=$(tokens_marked "$mark")
    say "Count the tokens that carry the mark of this mount, in Astra's lists of all organizations"
    echo "tokens left in Astra: $left"
    [[ $left == 0 ]] || die "the demo left tokens in Astra"
}

main
