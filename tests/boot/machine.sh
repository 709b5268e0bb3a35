#!/usr/bin/env bash
# machine.sh DISK CGROUP: boots a disk in namespaces of its own (processes, mounts, network, cgroups) with its own systemd as
# process 1. Waits for a line on standard input before that, so that whoever started it can lay the network cable. It ends as
# systemd does: by SIGHUP where that rebooted, by SIGINT where it halted.
set -euo pipefail
DISK=$1 CGROUP=$2
mkdir -p "$CGROUP"
echo $$ >"$CGROUP/cgroup.procs"

start() {
    set -euo pipefail
    local root node
    root=$(dirname "$1")/root
    mkdir -p "$root"
    mount --make-rprivate /
    mount -o loop "$1" "$root"
    cd "$root"
    mount -t proc proc proc
    mount --bind -o ro proc/sys proc/sys # this machine's kernel is not the guest's to set
    mount -t sysfs -o ro sysfs sys
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    mount -t tmpfs -o mode=755 dev dev
    for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
        mknod -m 666 "dev/${node%%:*}" c "$(cut -d: -f2 <<<"$node")" "${node##*:}"
    done
    mkdir dev/net dev/pts dev/shm
    mknod -m 666 dev/net/tun c 10 200
    mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
    mount -t tmpfs shm dev/shm
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    mount -t tmpfs -o mode=755 run run
    hostname box
    ip link set lo up
    read -r _
    mkdir -p mnt/old
    pivot_root . mnt/old
    cd /
    umount -l /mnt/old
    exec setpriv --bounding-set -sys_time,-sys_module env -i container=boot PATH=/usr/sbin:/usr/bin:/sbin:/bin /sbin/init </dev/null
}
export -f start
# shellcheck disable=SC2016  # for the other shell
exec unshare --kill-child --fork --pid --mount --uts --ipc --cgroup --net -- bash -c 'start "$1"' machine "$DISK"
