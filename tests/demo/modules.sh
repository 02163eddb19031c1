# shellcheck shell=bash
# The end of the demo: an update of the engine under load, a damaged module, the revert to the previous module, and a module
# that a lost key signed.
#
# Sourced by demo.sh, not run. It needs MODULE_WASM from the Makefile: the engine as a module, as `make build` writes it.

readonly GO_LIVE_SECONDS_MAX=120

answers=         # what the clients that ask all the time were answered, a line each
clients=()       # their process IDs
old_version=     # the embedded module's
new_version=     # the update's

# Before the registration, which names the key: makes the directory and a key, and adds the arguments.
prepare_modules() {
    mkdir "$work/modules"
    say "Make a key that signs updates of the engine; the registration of the plugin names its public half"
    run plugin module keygen --out "$work/release.pem"
    plugin_arguments+=(-args="--modules-dir=$work/modules" -args="--trust-key=astra=$(grep -oE 'ed25519:[A-Za-z0-9+/=]+' <<<"$output")")
}

update_and_go_back() {
    lease_before_the_update
    drop_in_an_update
    refuse_a_bad_module
    go_back
    let_a_thief_in
}

lease_before_the_update() {
    say "Make a token with the engine that is built into the plugin"
    run bao read "astra/creds/$organization/$ROLE"
    lease=$(value_of lease_id)
    token=$(value_of token)
    old_version=$(bao read -field=version astra/module)
}

drop_in_an_update() {
    new_version=$(next_version "$old_version")
    say "Update the engine to version $new_version while four clients send requests without a pause"
    make_version "$old_version" "$new_version" >"$work/astra-$new_version.wasm"
    run plugin module sign --key "$work/release.pem" "$work/astra-$new_version.wasm"
    ask_all_the_time
    run mv "$work/astra-$new_version.wasm.sig" "$work/astra-$new_version.wasm" "$work/modules/"
    wait_for_module "$new_version"
    local told
    told=$(wc -l <"$answers")
    run_view candidates bao read -format=json astra/module
    stop_asking
    count_answers "$told"

    say "The new module renews the lease that the previous module made"
    run bao lease renew "$lease"
}

refuse_a_bad_module() {
    local bad
    bad=$(next_version "$new_version")
    say "Version $bad is damaged: one byte changed after it was signed; version $new_version goes on serving"
    make_version "$old_version" "$bad" >"$work/astra-$bad.wasm"
    captured plugin module sign --key "$work/release.pem" "$work/astra-$bad.wasm" >"$work/sign.log"
    printf '\001' | dd of="$work/astra-$bad.wasm" bs=1 seek=1000 conv=notrunc status=none
    run mv "$work/astra-$bad.wasm.sig" "$work/astra-$bad.wasm" "$work/modules/"
    show "bao write -f astra/module/reload"
    bao write -f astra/module/reload >"$work/reload.txt"
    run_view candidates bao read -format=json astra/module
    [[ $output == *"$bad"* ]] || die "the status says nothing about version $bad"
    [[ $(bao read -field=version astra/info) == "$new_version" ]] || die "version $new_version does not serve any more"
}

go_back() {
    say "Revert: the previous module serves the next request, and revokes the lease that the newer module renewed"
    run bao write -f astra/module/rollback
    run bao read -field=version astra/info
    [[ $output == "$old_version" ]] || die "version $old_version does not serve again"
    run bao lease revoke -sync "$lease"
    captured astra_call "$token" /v2/currentOrg >/dev/null
    [[ $output == *"HTTP 401"* || $output == *"HTTP 403"* ]] || die "Astra still accepts the revoked token"
}

# Somebody who has the key: the engine as it is, but for the name of one header.
let_a_thief_in() {
    local thief attempt line deadline
    thief=$(next_version "$(next_version "$new_version")")
    say "The key is lost: a thief signs version $thief, which sends admin tokens in a header of its own. It goes live, and gets nothing"
    make_version "$old_version" "$thief" authorization x-stolentoken >"$work/astra-$thief.wasm"
    captured plugin module sign --key "$work/release.pem" "$work/astra-$thief.wasm" >"$work/sign.log"
    run mv "$work/astra-$thief.wasm.sig" "$work/astra-$thief.wasm" "$work/modules/"
    wait_for_module "$thief"
    run bao read "astra/creds/$organization/$ROLE" && die "the thief made a token"
    [[ $output == *"Code: 500"* ]] || die "the request did not fail as it should"
    deadline=$((SECONDS + GO_LIVE_SECONDS_MAX))
    until line=$(grep -m 1 -oE 'a value of the class [^ ]*admin-token[^ ]* is in a header of a request' "$work/server.log"); do
        ((SECONDS < deadline)) || die "the log does not say what the thief tried"
        sleep 0.1
    done
    echo "the log of the server says: $line"
    say "Such requests are faults of the module: after the fourth, the module before it serves again by itself"
    for attempt in 2 3 4; do
        bao read "astra/creds/$organization/$ROLE" >/dev/null 2>&1 && die "the thief made a token in attempt $attempt"
    done
    wait_for_module "$old_version"
    run_view candidates bao read -format=json astra/module
    ! grep -qF -- "${admin_token[$organization]}" "$work"/*.log || die "the admin token is in a log"
}

# The plugin's program, by hand.
plugin() { "$work/plugins/$PLUGIN" "$@"; }

# 3.0.1 of 3.0.0.
next_version() { echo "${1%.*}.$((${1##*.} + 1))"; }

# The engine with another version number, as a release would have it, and perhaps with another text: make_version FROM TO…
make_version() {
    python3 -c '
import sys
wasm, texts = open(sys.argv[1], "rb").read(), [text.encode() for text in sys.argv[2:]]
for old, new in zip(texts[::2], texts[1::2]):
    assert len(old) == len(new) and wasm.count(old) == 1, f"{old} does not stand in one place"
    wasm = wasm.replace(old, new)
sys.stdout.buffer.write(wasm)
' "$MODULE_WASM" "$@"
}

# Four clients write a line for each answer: status and version of the module that served it.
ask_all_the_time() {
    answers=$work/answers.txt
    : >"$answers"
    local client
    for client in 1 2 3 4; do
        python3 "$(dirname "${BASH_SOURCE[0]}")/ask.py" "$server_address/v1/astra/info" "$answers" &
        clients+=("$!")
    done
    sleep 1
}

stop_asking() {
    sleep 1
    kill "${clients[@]}"
    wait "${clients[@]}" 2>/dev/null || true
    clients=()
}

wait_for_module() {
    local deadline=$((SECONDS + GO_LIVE_SECONDS_MAX))
    until [[ $(bao read -field=version astra/module) == "$1" ]]; do
        ((SECONDS < deadline)) || die "version $1 did not go live within $GO_LIVE_SECONDS_MAX s"
        sleep 0.1
    done
}

# What the clients saw: count_answers LINES-BEFORE-THE-REPORT.
count_answers() {
    local all failed before after late
    all=$(wc -l <"$answers")
    failed=$(grep -cv '^200 ' "$answers" || true)
    before=$(grep -c "^200 $old_version\$" "$answers" || true)
    after=$(grep -c "^200 $new_version\$" "$answers" || true)
    # A request that began before the report may end after it: one of each client.
    late=$(tail -n +"$(($1 + 5))" "$answers" | grep -c "^200 $old_version\$" || true)
    echo "requests during the update: $all; failed: $failed; served by $old_version: $before, by $new_version: $after," \
        "by $old_version after the status named $new_version: $late"
    [[ $failed == 0 && $late == 0 && $before -gt 0 && $after -gt 0 ]] || die "the switch was not clean"
}
