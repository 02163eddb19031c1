# shellcheck shell=bash
# Shared by demo.sh and dev.sh: a server, an Astra, the plugin enabled and configured, and nothing left behind.
#
# Sourced, not run. It needs PLUGIN_BIN, SIMULATOR_BIN and BAO_BIN, a `bao` or a `vault`, from the Makefile. With
# ASTRA_TOKEN and ASTRA_ORG_ID set, the real Astra takes the simulator's place; that token is never an argument of a
# program and never printed.

readonly PLUGIN=vault-plugin-secrets-datastax-astra
readonly START_SECONDS_MAX=60
readonly STOP_SECONDS_MAX=5
readonly START_ATTEMPTS=3
readonly COMMAND_WIDTH=110 # characters of a command on one line

work=            # everything that is made lies in here
processes=()     # process groups of what was started
current=         # the command being run, for the message of a failure
steps=0          # how many steps of the demo have begun
interrupted=     # set by Ctrl-C and the like, which are no failures
mounted=         # set once the engine is enabled: there may be leases
organizations=() # Astra's organization IDs
product=         # OpenBao or Vault
command_name=    # of its command line
variable=        # how its environment variables begin
plugin_arguments=() # of the plugin's registration, each as `-args=…`
declare -A admin_token=()

# ---------------------------------------------------------------------------------------------------------- start, stop

prepare() {
    local program
    for program in curl python3 setsid; do
        command -v "$program" >/dev/null || die "\`$program\` is needed and not on the PATH"
    done
    [[ -x ${BAO_BIN:-} && -f ${PLUGIN_BIN:-} ]] || die "start it by \`make demo\` or \`make dev\`"
    work=$(mktemp -d --suffix=.astra-demo)
    trap 'clean_up $?' EXIT
    trap 'interrupted=1; exit 130' INT
    trap 'interrupted=1; exit 143' TERM HUP
    mkdir "$work/plugins" "$work/home" "$work/tmp"
    # What the plugin's commands compile goes with the demo, too.
    export XDG_CACHE_HOME="$work/cache"
    detect_product
    echo "DEMO=$work   # all files of the demo; the end of the demo removes them"
    install -m 0755 "$PLUGIN_BIN" "$work/plugins/$PLUGIN"
    forget_surroundings
}

# Which server the binary is, by the line that its command `version` prints, and how its own command and variables are named.
detect_product() {
    product=$("$BAO_BIN" version | cut -d' ' -f1)
    case $product in
        OpenBao) command_name=bao variable=BAO ;;
        Vault) command_name=vault variable=VAULT ;;
        *) die "\`$BAO_BIN\` is neither OpenBao nor Vault" ;;
    esac
}

# What the caller's own server needs must not reach ours, and Astra's token must reach no program's environment.
forget_surroundings() {
    local name bao=$BAO_BIN
    for name in "${!BAO_@}" "${!VAULT_@}"; do unset "$name"; done
    BAO_BIN=$bao
    if [[ -v ASTRA_TOKEN ]]; then export -n ASTRA_TOKEN; fi
    export NO_PROXY="127.0.0.1${NO_PROXY:+,$NO_PROXY}"
}

# Starts a program in a process group of its own, its output in FILE: start FILE PROGRAM ARGUMENT…
start() {
    local output=$1
    shift
    local launcher=(setsid)
    # If this shell is killed outright, the kernel still ends what it started.
    if setpriv --pdeathsig TERM true 2>/dev/null; then launcher+=(setpriv --pdeathsig TERM); fi
    HOME="$work/home" TMPDIR="$work/tmp" "${launcher[@]}" "$@" >"$output" 2>&1 </dev/null &
    started=$!
    processes+=("$started")
}

# Waits until a command succeeds: wait_for PID WHAT COMMAND…; false when the process ends first.
wait_for() {
    local pid=$1 what=$2 deadline=$((SECONDS + START_SECONDS_MAX))
    shift 2
    until "$@" >/dev/null 2>&1; do
        kill -0 "$pid" 2>/dev/null || return 1
        ((SECONDS < deadline)) || die "$what did not come up within $START_SECONDS_MAX s"
        sleep 0.05
    done
}

clean_up() {
    local code=$1
    trap - EXIT
    # Nothing may cut this short, nor a reader of our output that has gone.
    trap '' INT TERM HUP PIPE
    set +e
    if ((code != 0)) && [[ -z $interrupted ]]; then explain_failure; fi
    if [[ -n $mounted ]]; then
        # A token must not outlive us in Astra, however we end.
        timeout 60 "$BAO_BIN" lease revoke -sync -prefix astra/ >/dev/null 2>&1 ||
            echo "some leases could not be revoked: look for tokens marked \`vault-mark:\` in Astra" >&2
    fi
    stop_all
    [[ -z $work ]] || rm -rf "$work"
    exit "$code"
}

stop_all() {
    local group deadline
    for group in "${processes[@]}"; do kill -TERM -- "-$group" 2>/dev/null; done
    deadline=$((SECONDS + STOP_SECONDS_MAX))
    for group in "${processes[@]}"; do
        while kill -0 -- "-$group" 2>/dev/null && ((SECONDS < deadline)); do sleep 0.05; done
        kill -KILL -- "-$group" 2>/dev/null
    done
    wait 2>/dev/null
}

explain_failure() {
    local log
    {
        echo
        echo "FAILED${current:+ at: $current}"
        for log in "$work"/*.log; do
            [[ -s $log && $log != */audit.log ]] || continue
            echo "--- last lines of ${log##*/}:"
            tail -n 20 "$log" | shorten
        done
    } >&2
}

die() {
    current=
    echo "error: $*" >&2
    exit 1
}

# --------------------------------------------------------------------------------------------------- showing and telling

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
    readonly BOLD=$'\e[1m' DIM=$'\e[2m' PLAIN=$'\e[0m'
else
    readonly BOLD='' DIM='' PLAIN=''
fi

# Begins the next step of the demo, which fits on one screen: say TITLE.
say() { printf '\n%s── %d ── %s%s\n' "$DIM" "$((++steps))" "$*" "$PLAIN"; }

# Shows a command as an operator would type it, on several lines where it is long.
show() {
    local line='' word words
    current=${*/#bao /$command_name }
    read -ra words <<<"$(abbreviated "$current")"
    printf '%s$ ' "$BOLD"
    for word in "${words[@]}"; do
        if ((${#line} + ${#word} > COMMAND_WIDTH)); then
            printf '%s \\\n' "$line"
            line='   '
        fi
        line+="${line:+ }$word"
    done
    printf '%s%s\n' "$line" "$PLAIN"
}

# Shows a command, runs it, shows its output; keeps the whole output in $output.
run() {
    show "$(quoted "$@")"
    captured "$@"
}

captured() {
    local code=0
    output=$("$@" 2>&1) || code=$?
    if [[ -n $output ]]; then abbreviated "$output" | shorten | view table; fi
    return "$code"
}

# As `run`, with a view of show.py instead of all that the command answers: run_view VIEW COMMAND…
run_view() {
    local view=$1
    shift
    show "$(quoted "$@") | python3 show.py $view"
    output=$("$@")
    abbreviated "$output" | shorten | view "$view"
}

view() { python3 "$(dirname "${BASH_SOURCE[0]}")/show.py" "$1"; }

# Writes the long names that many lines contain as the variables that `prepare` and `bring_up_astra` announce.
abbreviated() {
    local text=$1
    text=${text//"$work"/'$DEMO'}
    if [[ -n ${organizations[0]:-} ]]; then text=${text//"${organizations[0]}"/'$ORG'}; fi
    if [[ -n ${organizations[1]:-} ]]; then text=${text//"${organizations[1]}"/'$ORG2'}; fi
    printf '%s\n' "$text"
}

# The words of a command with quotes where a shell needs them, the admin tokens as a variable.
quoted() {
    local word line=
    for word in "$@"; do
        if [[ $word =~ ^[A-Za-z0-9_./:=@%+,-]+$ ]]; then line+="$word "; else line+="'$word' "; fi
    done
    printf '%s' "${line% }"
}

# The simulator's secrets are nobody's; the real Astra's must not stay on a screen or in a scroll-back.
shorten() {
    if [[ -n ${ASTRA_TOKEN:-} ]]; then
        sed -E -e 's/(AstraCS:[A-Za-z]{4})[A-Za-z0-9]*:[0-9a-f]+/\1…/g' -e 's/^(secret +.{4}).*/\1…/'
    else
        cat
    fi
}

# One value of a table that `bao` printed: value_of KEY, from $output.
value_of() { awk -v key="$1" '$1 == key { print $2; exit }' <<<"$output"; }

bao() { "$BAO_BIN" "$@"; }

# --------------------------------------------------------------------------------------------------------------- Astra

# Starts the simulator, or takes the real Astra; fills in $astra, organizations and admin_token.
bring_up_astra() {
    if [[ -n ${ASTRA_TOKEN:-} ]]; then
        [[ -n ${ASTRA_ORG_ID:-} ]] || die "ASTRA_TOKEN is set, so ASTRA_ORG_ID must be, too"
        astra=https://api.astra.datastax.com
        organizations=("$ASTRA_ORG_ID")
        admin_token[$ASTRA_ORG_ID]=$ASTRA_TOKEN
        echo "Astra is the real one: $astra"
    else
        start_simulator
        echo "Astra is a simulator at $astra with two organizations"
    fi
    echo "ORG=${organizations[0]}"
    if ((${#organizations[@]} > 1)); then echo "ORG2=${organizations[1]}"; fi
}

# Its tokens go through a file that only we can read, not through its output, which is shown when something fails.
start_simulator() {
    [[ -x ${SIMULATOR_BIN:-} ]] || die "start it by \`make demo\` or \`make dev\`"
    local state=$work/simulator.json id token
    start "$work/simulator.log" "$SIMULATOR_BIN" --organizations 2 --state "$state"
    wait_for "$started" "the simulator" grep -q '^READY ' "$work/simulator.log" || {
        current="astra-simulator"
        exit 1
    }
    astra=$(sed -n 's/^READY //p' "$work/simulator.log")
    while read -r id token; do
        organizations+=("$id")
        admin_token[$id]=$token
    done < <(python3 -c '
import json, sys
for organization in json.load(open(sys.argv[1]))["organizations"]:
    print(organization["id"], organization["token"])
' "$state")
}

# One call to Astra's own API: astra_call TOKEN PATH. The token goes through a pipe, not into the process list.
astra_call() {
    curl --silent --show-error --max-time 30 --write-out '\nHTTP %{http_code}\n' \
        --header @<(printf 'Authorization: Bearer %s' "$1") "$astra$2"
}

# The same, shown: the token is named as a variable would be.
run_astra_call() {
    show "curl -H \"Authorization: Bearer \$TOKEN\" $astra$2"
    captured astra_call "$1" "$2"
}

# The mark that this mount puts on its tokens, read off a token in Astra's list: mark_of ORGANIZATION CLIENT-ID.
mark_of() {
    astra_tokens "$1" | python3 -c '
import json, re, sys
for client in json.load(sys.stdin)["clients"]:
    mark = re.search(r"vault-mark:[^:]+:(?=[0-9a-f]{32}$)", client.get("description") or "")
    if client["clientId"] == sys.argv[1] and mark:
        print(mark[0])
' "$2"
}

# How many tokens in all organizations bear a mark: tokens_marked MARK.
tokens_marked() {
    local organization count sum=0
    for organization in "${organizations[@]}"; do
        count=$(astra_tokens "$organization" | python3 -c '
import json, sys
print(sum(sys.argv[1] in (client.get("description") or "") for client in json.load(sys.stdin)["clients"]))
' "$1")
        sum=$((sum + count))
    done
    echo "$sum"
}

# Astra's own list of an organization's tokens, as JSON.
astra_tokens() {
    curl --silent --show-error --fail --max-time 30 \
        --header @<(printf 'Authorization: Bearer %s' "${admin_token[$1]}") "$astra/v2/clientIdSecrets"
}

# -------------------------------------------------------------------------------------------------------------- server

# A dev server on free loopback ports, with the plugin's folder and an audit device.
start_server() {
    local attempt port
    echo "plugin_directory = \"$work/plugins\"" >"$work/server.hcl"
    # Vault ignores a device in the file, and OpenBao enables none by its API.
    if [[ $product != Vault ]]; then
        cat >>"$work/server.hcl" <<HCL

audit "file" "demo" {
  options {
    file_path = "$work/audit.log"
  }
}
HCL
    fi
    server_token=$(python3 -c 'import secrets; print(secrets.token_hex(16))')
    for ((attempt = 1; attempt <= START_ATTEMPTS; attempt++)); do
        port=$(free_ports)
        server_address=http://127.0.0.1:$port
        export "${variable}_ADDR=$server_address" "${variable}_TOKEN=$server_token"
        export "${variable}_DEV_ROOT_TOKEN_ID=$server_token"
        start "$work/server.log" "$BAO_BIN" server -dev -dev-no-store-token \
            -dev-listen-address="127.0.0.1:$port" -config="$work/server.hcl"
        server_pid=$started
        if wait_for "$server_pid" "$product" bao token lookup; then
            echo "$("$BAO_BIN" version | cut -d' ' -f1,2) is a dev server at $server_address"
            if [[ $product == Vault ]]; then
                bao audit enable -path=demo file file_path="$work/audit.log" >/dev/null
            fi
            return
        fi
        # Most likely somebody took the port meanwhile.
    done
    current="$command_name server -dev"
    exit 1
}

# The first of two neighbouring free loopback ports: the server takes the second for its cluster.
free_ports() {
    python3 - <<'PYTHON'
import socket

while True:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        port = first.getsockname()[1]
        try:
            second.bind(("127.0.0.1", port + 1))
        except (OSError, OverflowError):
            continue
        print(port)
        break
PYTHON
}

register_and_enable() {
    local sum arguments=("${plugin_arguments[@]}")
    sum=$(sha256sum "$work/plugins/$PLUGIN" | cut -d' ' -f1)
    # By default the plugin reaches Astra's own hosts only; the simulator is not one of them.
    if [[ -z ${ASTRA_TOKEN:-} ]]; then arguments+=(-args="--allow-egress=astra=$astra"); fi
    say "Register the plugin with its SHA-256, and enable it"
    run bao plugin register -sha256="$sum" "${arguments[@]}" secret "$PLUGIN"
    run bao secrets enable -path=astra "$PLUGIN"
    mounted=1
}

# Writes the config of an organization: write_config ORGANIZATION LOGICAL-NAME.
write_config() {
    local url=$astra shown
    # Empty means Astra's production host.
    if [[ -n ${ASTRA_TOKEN:-} ]]; then url=; fi
    show "bao write astra/config org_id=$1 astra_token=- url=\"$url\" logical_name=$2 <ADMIN_TOKEN_FILE"
    captured bao write astra/config org_id="$1" astra_token=- url="$url" logical_name="$2" \
        < <(printf %s "${admin_token[$1]}")
}
