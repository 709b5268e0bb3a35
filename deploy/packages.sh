#!/usr/bin/env bash
# packages.sh SUITE NAME...: installs distribution packages, as root. Called by deploy/run and deploy/test for what is missing.
# The distribution's services are neither started nor left enabled: freeradius would take our ports, caddy would serve its own
# page (deploy/install enables it with ours), and the tests start caddy, hostapd and wpa_supplicant themselves.
# shellcheck source=deploy/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

APT_LOCK_WAIT_S=120 # unattended-upgrades holds the lock that long on a slow line
LIST_TRIES=24       # apt-get update does not wait for its own lock: 24 x 5 s, the same two minutes
LIST_PAUSE_S=5
BACKPORTS=bookworm-backports
SOURCES_DIR=/etc/apt/sources.list.d
APT_OPTIONS=(-y --no-install-recommends -o "DPkg::Lock::Timeout=$APT_LOCK_WAIT_S" -o Dpkg::Use-Pty=0 -o Acquire::Retries=2
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold) # a question would wait for ever

# Denies the start of these alone; whatever policy was there keeps its say for the rest.
hold_service() {
    [[ ! -e $POLICY ]] || mv "$POLICY" "$POLICY.before-wifibilling"
    cat >"$POLICY" <<EOF
#!/bin/sh
# $POLICY_MARK
for word; do
    case \$word in freeradius* | caddy* | hostapd* | wpa_supplicant* | wpasupplicant*) exit 101 ;; esac
done
[ -x $POLICY.before-wifibilling ] || exit 0
exec $POLICY.before-wifibilling "\$@"
EOF
    chmod 755 "$POLICY"
}

release_service() {
    policy_is_ours || return 0
    local service
    for service in "${NEW_SERVICES[@]}"; do disable_service "$service"; done
    rm -f "$POLICY"
    [[ ! -e $POLICY.before-wifibilling ]] || mv "$POLICY.before-wifibilling" "$POLICY"
}

# Installed by us means not wanted as a service: it would start at the next boot.
disable_service() {
    [[ -e /lib/systemd/system/$1.service || -e /etc/init.d/$1 ]] || return 0
    if command -v systemctl >/dev/null; then
        systemctl disable "$1.service" >/dev/null 2>&1 || true
    else
        update-rc.d "$1" disable >/dev/null 2>&1 || true
    fi
}

# A failing third-party source must not stop us; whether our packages are there is asked afterwards.
refresh_lists() {
    local try output
    for ((try = 1; try <= LIST_TRIES; try++)); do
        output=$(LC_ALL=C apt-get update 2>&1) || true
        printf '%s\n' "$output" >>"$LOG"
        grep -q 'Could not get lock' <<<"$output" || return 0
        sleep "$LIST_PAUSE_S"
    done
    fail "another program has held apt's package lists for $((LIST_TRIES * LIST_PAUSE_S)) s: run this again when it is done"
}

# The backports of the mirror that this machine already uses for Debian itself.
add_backports() {
    local key=/usr/share/keyrings/debian-archive-keyring.gpg option='' mirror
    [[ -n $(apt_suites) ]] || refresh_lists # a new machine has none, and apt then names no source
    ! apt_suites | grep -q "^$BACKPORTS " || return 0
    mirror=$(apt_suites | awk '$1 == "bookworm" && $2 !~ /^cdrom:/ { print $2; exit }')
    [[ -n $mirror ]] || fail "apt reaches no source for Debian bookworm (is the network up?): FreeRADIUS 3.2.5 or later comes from its backports"
    [[ ! -e $key ]] || option="[signed-by=$key] "
    BACKPORTS_FILE=$SOURCES_DIR/wifibilling-backports.list
    printf '# FreeRADIUS >= 3.2.5 for wifibilling; nothing else is taken from here unless asked for.\ndeb %s%s %s main\n' \
        "$option" "$mirror" "$BACKPORTS" >"$BACKPORTS_FILE"
    say "added Debian's own $BACKPORTS to apt ($BACKPORTS_FILE)"
}

apt_suites() {
    # shellcheck disable=SC2016  # apt's placeholders, not the shell's
    apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null
}

plan() { LC_ALL=C apt-get -s "${APT_OPTIONS[@]}" "${TARGET[@]}" install "$@" 2>&1; }

first_error() { sed -n -e 's/^E: //p' -e 's/^W: \(Failed to fetch\)/\1/p' "$LOG" | head -n 1; }

# install_group NAME...: with the array TARGET as further apt options.
install_group() {
    (($#)) || return 0
    local outcome
    if ! outcome=$(plan "$@") || ! planned_freeradius "$outcome"; then
        say "refreshing the package lists"
        refresh_lists
        outcome=$(plan "$@") || {
            printf '%s\n' "$outcome" >>"$LOG"
            drop_backports
            fail "cannot install $*: $(sed -n 's/^E: //p' <<<"$outcome" | head -n 1) (is the network up? apt's words: $LOG)"
        }
        planned_freeradius "$outcome" || fail "this system offers FreeRADIUS $(planned_version "$outcome"); 3.2.5 to 3.2.8, or 3.2.11 and later, is needed"
    fi
    say "installing $*"
    install_now "$@" || { # the lists may be older than the mirror
        refresh_lists
        : >"$LOG"
        install_now "$@" || fail "could not install $*: $(first_error) (apt's words: $LOG)"
    }
}

install_now() { apt-get "${APT_OPTIONS[@]}" "${TARGET[@]}" install "$@" >>"$LOG" 2>&1 </dev/null; }

planned_version() { sed -n 's/^Inst freeradius \(\[[^]]*\] \)\{0,1\}(\([^ ]*\) .*/\2/p' <<<"$1"; }

planned_freeradius() {
    local version
    version=$(planned_version "$1")
    [[ -z $version ]] || freeradius_supported "$version"
}

drop_backports() { [[ -z ${BACKPORTS_FILE:-} ]] || rm -f "$BACKPORTS_FILE"; }

main() {
    SUITE=$1
    shift
    ((EUID == 0)) || fail "packages.sh runs as root"
    LOG=$(mktemp /tmp/wifibilling-packages.XXXXXX.log)
    trap release_service EXIT
    # What an operator installed and enabled stays as it is.
    local service
    NEW_SERVICES=()
    for service in freeradius caddy hostapd wpasupplicant; do
        [[ " $* " != *" $service "* ]] || NEW_SERVICES+=("${service/wpas/wpa_s}")
    done
    if policy_is_ours; then # an earlier install was killed: freeradius was new then
        NEW_SERVICES+=(freeradius)
    else
        hold_service
    fi
    [[ -z $(dpkg --audit 2>/dev/null) ]] || dpkg --configure -a >>"$LOG" 2>&1 || fail "dpkg --configure -a failed: $(tail -n 1 "$LOG")"

    local name
    local -a radius=() others=()
    for name in "$@"; do
        if [[ $name == freeradius* && $SUITE == bookworm ]]; then radius+=("$name"); else others+=("$name"); fi
    done
    TARGET=()
    if ((${#radius[@]})); then
        add_backports
        TARGET=(-t "$BACKPORTS")
    fi
    install_group "${radius[@]}"
    TARGET=()
    install_group "${others[@]}"
    rm -f "$LOG"
}

[[ ${BASH_SOURCE[0]} != "$0" ]] || main "$@"
