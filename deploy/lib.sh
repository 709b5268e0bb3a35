# shellcheck shell=bash
# What deploy/run, deploy/test and deploy/packages.sh share: the machine's preconditions, each one clear line.
# Bash, because a fresh machine has no Python yet; all that can wait for Python is in the .py files beside this.
set -euo pipefail
umask 022 # what is installed here is read by the unprivileged user that the servers run as
export DEBIAN_FRONTEND=noninteractive PATH="$PATH:/usr/sbin:/sbin"

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
export COMMAND=${COMMAND:-deploy}
SYSTEM_PYTHON=/usr/bin/python3 # the one that rlm_python3 links; a pyenv or conda in PATH is not
RELEASE_YEAR=2026              # a clock before the year of this release is wrong, and rights would be sold on it
INSTALL_MB_MIN=2000            # packages 650 MB with the browser of the tests, .venv 470 MB, and the copy that replaces it
# shellcheck disable=SC2034  # the scripts that source this use them
RUN_PACKAGES=(freeradius freeradius-utils freeradius-python3 python3 python3-venv openssl ca-certificates)
# shellcheck disable=SC2034
TEST_PACKAGES=(caddy eapoltest hostapd wpasupplicant iproute2 nftables shellcheck wireguard-tools wireguard-go)

say() { printf '%s: %s\n' "$COMMAND" "$*"; }

fail() {
    printf '%s: %s\n' "$COMMAND" "$*" >&2
    exit 1
}

# detect_suite OS-RELEASE-FILE: prints the suite name of a supported system, or fails.
detect_suite() {
    local file=$1 found
    [[ -r $file ]] || fail "no $file: this needs Debian 12, Debian 13 or Ubuntu 24.04"
    # shellcheck disable=SC1090,SC2153  # the file defines these
    found=$(unset ID VERSION_ID PRETTY_NAME && . "$file" && printf '%s|%s|%s' "${ID:-}" "${VERSION_ID:-}" "${PRETTY_NAME:-}")
    case $found in
    'debian|12|'*) echo bookworm ;;
    'debian|13|'*) echo trixie ;;
    'ubuntu|24.04|'*) echo noble ;;
    *) fail "${found##*|} is not supported: this needs Debian 12, Debian 13 or Ubuntu 24.04" ;;
    esac
}

# check_clock YEAR
check_clock() {
    local year=$1
    ((year >= RELEASE_YEAR)) || fail "the clock says $year, before this release ($RELEASE_YEAR): set it (timedatectl set-ntp true) and run again"
}

# check_space FOLDER MEGABYTES: fails when the file system of FOLDER (or of its nearest parent) has less.
check_space() {
    local folder=$1 free_mb
    while [[ ! -e $folder ]]; do folder=$(dirname "$folder"); done
    free_mb=$(df -Pm "$folder" | awk 'NR == 2 { print $4 }')
    ((free_mb >= $2)) || fail "only $free_mb MB free on the disk of $folder: $2 MB are needed"
}

# freeradius_supported VERSION: 3.2.5 .. 3.2.8 and from 3.2.11. Earlier ones abort on a second Python instance; 3.2.9 and
# 3.2.10 lose every value that a hook returns. The self-test at start decides finally.
freeradius_supported() {
    [[ $1 =~ ^3\.2\.([0-9]+) ]] || return 1
    local patch=${BASH_REMATCH[1]}
    ((patch >= 5 && patch != 9 && patch != 10))
}

check_freeradius() {
    command -v freeradius >/dev/null || return 0
    local version
    version=$(freeradius -v | sed -n '1s/.*Version \([0-9][0-9.]*\).*/\1/p')
    freeradius_supported "$version" ||
        fail "FreeRADIUS ${version:-of unknown version} is installed; this needs 3.2.5 to 3.2.8, or 3.2.11 and later$(upgrade_hint)"
}

upgrade_hint() {
    [[ ${SUITE:-} != bookworm ]] || printf ' (bookworm-backports has one: apt-get install -t bookworm-backports freeradius freeradius-utils freeradius-python3)'
}

# missing_packages NAME...: prints those that are not installed and configured.
missing_packages() {
    local name
    for name in "$@"; do
        [[ $(dpkg-query -W -f='${db:Status-Abbrev}' "$name" 2>/dev/null) == ?i\ * ]] || echo "$name"
    done
}

as_root() {
    if ((EUID == 0)); then
        "$@"
        return
    fi
    check_sudo
    sudo "--preserve-env=$(kept_environment)" -- "$@"
}

check_sudo() {
    command -v sudo >/dev/null || fail "root is needed: run this as root, or install sudo"
    sudo -n true 2>/dev/null || [[ -t 0 ]] || fail "root is needed, and sudo would ask for a password: run this as root"
}

# The operator's proxies, certificates and package indexes hold for what runs as root too.
kept_environment() {
    compgen -e | grep -E '^(PIP_|NPM_CONFIG_|npm_config_|SSL_CERT_|WIFIBILLING_|MPESA_|COMMAND$|NODE_EXTRA_CA_CERTS$|(http|https|no|HTTP|HTTPS|NO)_(proxy|PROXY)$)' |
        paste -sd, -
}

# While packages are installed this file keeps freeradius from starting; left behind by a kill, it is to be taken away.
POLICY=/usr/sbin/policy-rc.d
POLICY_MARK='wifibilling: freeradius is installed, not started'
policy_is_ours() { [[ -e $POLICY ]] && grep -q "$POLICY_MARK" "$POLICY"; }

# need_packages NAME...: installs what is missing; costs 50 ms when nothing is.
need_packages() {
    local -a missing
    mapfile -t missing < <(missing_packages "$@")
    ((${#missing[@]})) || policy_is_ours || return 0
    check_space /var/cache/apt "$INSTALL_MB_MIN"
    as_root "$ROOT/deploy/packages.sh" "$SUITE" "${missing[@]}"
}

# our_python MODULE ARGUMENT...: the system's Python, for what comes before .venv. -P keeps the caller's folder out of the
# import path, -B keeps root's byte code out of the clone.
our_python() {
    PYTHONPATH=$ROOT "$SYSTEM_PYTHON" -P -B -m "$@"
}
