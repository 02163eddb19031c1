# shellcheck shell=bash
# The second engine of the demo, in the same process as Astra: leased passwords for an HTTP service.
#
# Sourced by demo.sh, not run. It needs PASSWORDS_WASM from the Makefile: the engine as a module, as `make component` writes it.

users= # base URL of the service

# Before the registration, which names the origin of the service and who signs the engine: starts the service, signs the engine.
prepare_passwords() {
    local key=${plugin_arguments[-1]##*=astra=} version
    start "$work/users.log" python3 -u "$(dirname "${BASH_SOURCE[0]}")/users.py" "$work/users.token"
    wait_for "$started" "the service with users" grep -q '^READY ' "$work/users.log" || {
        current="users.py"
        exit 1
    }
    users=$(sed -n 's/^READY //p' "$work/users.log")
    version=$(plugin module inspect --format=json "$PASSWORDS_WASM" | python3 -c 'import json, sys; print(json.load(sys.stdin)["version"])')
    cp "$PASSWORDS_WASM" "$work/http-passwords-$version.wasm"
    say "Sign a second engine, which leases passwords for an HTTP service, with the same key"
    run plugin module sign --key "$work/release.pem" "$work/http-passwords-$version.wasm"
    mv "$work/http-passwords-$version.wasm.sig" "$work/http-passwords-$version.wasm" "$work/modules/"
    plugin_arguments+=(-args="--trust-key=http-passwords=$key" -args="--allow-egress=http-passwords=$users")
}

lease_a_password() {
    local username password password_lease
    say "Mount the second engine beside Astra; it makes users of a service at $users"
    bao write sys/policies/password/service policy=- >"$work/policy.txt" <<'POLICY'
length = 20
rule "charset" { charset = "abcdefghijklmnopqrstuvwxyz0123456789" }
rule "charset" { charset = "-_.!" min-chars = 1 }
POLICY
    run bao secrets enable -path=users -options=module=http-passwords "$PLUGIN"
    show "bao write users/config url=$users token=- password_policy=service <SERVICE_TOKEN_FILE"
    captured bao write users/config url="$users" token=- password_policy=service <"$work/users.token"
    run bao write users/roles/reader ttl=1h
    run bao read users/creds/reader
    password_lease=$(value_of lease_id)
    username=$(value_of username)
    password=$(value_of password)
    log_in "$username" "$password"
    [[ $output == *"HTTP 200"* ]] || die "the service does not accept the new user"
    run bao lease revoke -sync "$password_lease"
    log_in "$username" "$password"
    [[ $output == *"HTTP 401"* ]] || die "the service still accepts the revoked user"
    ! grep -qF -e "$password" -e "$(cat "$work/users.token")" "$work"/*.log || die "a password or the token is in a log"
}

# One call to the service itself: log_in USERNAME PASSWORD. The password goes through a pipe, not into the process list.
log_in() {
    show "curl -u $1:\$PASSWORD $users/login"
    captured curl --silent --show-error --max-time 30 --write-out 'HTTP %{http_code}\n' \
        --config <(printf 'user = "%s:%s"\n' "$1" "$2") "$users/login"
}
