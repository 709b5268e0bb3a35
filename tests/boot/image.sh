#!/usr/bin/env bash
# image.sh FOLDER SUITE: makes FOLDER/disk.ext4, a disk of Debian (bookworm, trixie) with systemd, this commit in /opt/wifibilling,
# and beside it two successors (good, bad), ready for deploy/update without a network. As root; the part that all commits share
# stays in FOLDER/SUITE.ext4. Packages come from the mirror that this machine uses.
set -euo pipefail
REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
FOLDER=$1
SUITE=$2
PACKAGES=(freeradius freeradius-utils freeradius-python3 python3 python3-venv openssl ca-certificates
    caddy nftables wireguard-tools wireguard-go iproute2 systemd-timesyncd)
DISK_GB=8

if [[ ${IMAGE_MOUNTS:-} != own ]]; then # mounts of our own: nothing stays, however this ends
    exec env IMAGE_MOUNTS=own unshare --mount "$0" "$@"
fi
mkdir -p "$FOLDER/mnt"
MNT=$FOLDER/mnt

inside() { chroot "$MNT" env -u PIP_FIND_LINKS HOME=/root LANG=C.UTF-8 "$@"; }

with_disk() { # with_disk FILE COMMAND...: with the file mounted, and what a chroot needs
    mount -o loop "$1" "$MNT"
    "${@:2}"
    umount -R "$MNT"
}

for_chroot() {
    mount -t proc proc "$MNT/proc"
    mount --bind /dev "$MNT/dev"
    cp -L /etc/resolv.conf "$MNT/etc/resolv.conf"
    cp -L /etc/ssl/certs/ca-certificates.crt "$MNT/etc/ssl/certs/ca-certificates.crt"
    printf '127.0.0.1 localhost\n::1 localhost\n' >"$MNT/etc/hosts"
}

make_base() {
    local mirror
    # shellcheck disable=SC2016  # apt's placeholder, not the shell's
    mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
        awk '$1 == "bookworm" || $1 == "trixie" { print $2; exit }')
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,git,procps,kmod,ca-certificates "$SUITE" "$MNT" "$mirror"
    for_chroot
    git clone -q --no-local --depth 1 "file://$REPO" "$MNT/opt/wifibilling"
    inside apt-get update -q
    inside /opt/wifibilling/deploy/packages.sh "$SUITE" "${PACKAGES[@]}"
    inside apt-get clean
}

commit() { git -C "$CLONE" -c user.name=boot -c user.email=boot@localhost commit -q --allow-empty -am "$1"; }

successor() { # successor NAME: the commit that the clone is at becomes origin/NAME, with a folder of its own
    local hash
    hash=$(git -C "$CLONE" rev-parse HEAD)
    git -C "$MNT/srv/wifibilling.git" fetch -q "$CLONE" "HEAD:$1"
    git -C "$CLONE" reset -q --hard site
    inside git -C /opt/wifibilling fetch -q
    inside git -C /opt/wifibilling worktree add -q --detach "/opt/wifibilling-${hash:0:12}" "$hash"
    build "/opt/wifibilling-${hash:0:12}"
}

build() { inside env PYTHONPATH="$1" python3 -P -B -c 'from deploy import install; install.ensure("run")'; }

make_site() {
    for_chroot
    CLONE=$MNT/opt/wifibilling
    rm -rf "$CLONE"
    git clone -q --bare --no-local "file://$REPO" "$MNT/srv/wifibilling.git"
    git -C "$MNT/srv/wifibilling.git" branch -f site "$(git -C "$REPO" rev-parse HEAD)"
    inside git clone -q --branch site /srv/wifibilling.git /opt/wifibilling
    git config --global --get-all safe.directory | grep -qxF "$CLONE" || export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
    build /opt/wifibilling
    git -C "$CLONE" checkout -q --detach
    commit "a version that serves"
    successor good
    git -C "$CLONE" checkout -q --detach
    printf 'raise SystemExit("broken on purpose")\n' >"$CLONE/billing/portal/__main__.py"
    commit "a version whose portal does not start"
    successor bad
    git -C "$CLONE" checkout -q site
}

if [[ ! -e $FOLDER/$SUITE.ext4 ]]; then
    rm -f "$FOLDER/$SUITE.new"
    truncate -s "${DISK_GB}G" "$FOLDER/$SUITE.new"
    mkfs.ext4 -q "$FOLDER/$SUITE.new"
    with_disk "$FOLDER/$SUITE.new" make_base
    mv "$FOLDER/$SUITE.new" "$FOLDER/$SUITE.ext4"
fi
rm -f "$FOLDER/disk.ext4" "$FOLDER/disk.new"
cp --sparse=always "$FOLDER/$SUITE.ext4" "$FOLDER/disk.new"
with_disk "$FOLDER/disk.new" make_site
mv "$FOLDER/disk.new" "$FOLDER/disk.ext4"
