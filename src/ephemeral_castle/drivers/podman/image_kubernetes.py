"""The machine image for Kubernetes: Debian with containerd, and a first process that keeps services running.

What whoever makes a cluster on such a machine may rely on:

- FOLDERS lie on the machine's one volume, so a reboot keeps them and a wipe takes them along.
- An executable `/etc/castle/boot` is run at every start of the machine, before any service.
- An executable `/etc/castle/services/NAME` is a service: it is started at boot, or when NAME is written as a line into
  `/run/castle/start`, and again whenever it ends. What it says goes to `/var/log/castle/NAME.log`.
- The settings of the kernel that a kubelet writes (KERNEL) are files of the machine's own with the values it wants: the
  computer's stay as they are.

Sources: kubelet's setupKernelTunables (pkg/kubelet/cm, 1.36), cgroups(7), mount_namespaces(7).
"""

from __future__ import annotations

from ephemeral_castle.drivers.podman.image import SSHD
from ephemeral_castle.spi.world import Recipe

BASE = "/var/lib/containers/castle-kubernetes"
FOLDERS = (
    "/etc/castle",
    "/etc/cni/net.d",
    "/etc/containerd",
    "/etc/kubernetes",
    "/var/lib/castle",
    "/var/lib/containerd",
    "/var/lib/etcd",
    "/var/lib/kubelet",
    "/var/log/pods",
)
KERNEL = {
    "kernel/keys/root_maxbytes": 25000000,
    "kernel/keys/root_maxkeys": 1000000,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
}

# The kubelet tries for 3 s to end each control group of a pod that a hard stop left, and containerd never frees an
# address of one: both go first. A shell that waits reaps orphans, as a first process must.
INIT = f"""\
#!/bin/sh
mount --make-rshared /
umask 022
mkdir -p /run/castle/kernel /run/castle/served /run/sshd /var/log/castle
mkdir -p -m 700 {BASE}
for folder in {" ".join(FOLDERS)}; do
  mkdir -p "{BASE}$folder" "$folder"
  mount --bind "{BASE}$folder" "$folder"
done
[ -s {BASE}/machine-id ] || tr -d - < /proc/sys/kernel/random/uuid > {BASE}/machine-id
cp {BASE}/machine-id /etc/machine-id
while read -r entry value; do
  file=/run/castle/kernel/$(echo "$entry" | tr / .)
  echo "$value" > "$file"
  mount --bind "$file" "/proc/sys/$entry"
done << 'KERNEL'
{chr(10).join(f"{entry} {value}" for entry, value in KERNEL.items())}
KERNEL
find /sys/fs/cgroup -depth -type d -path '*/kubepods*' -exec rmdir {{}} + 2>/dev/null
rm -rf /var/lib/cni/*
[ ! -x /etc/castle/boot ] || /etc/castle/boot >> /var/log/castle/boot.log 2>&1
serve() {{
  while :; do
    "/etc/castle/services/$1" >> "/var/log/castle/$1.log" 2>&1
    sleep 0.3
  done
}}
# Opened for both, the pipe never ends and no writer waits.
mkfifo -m 600 /run/castle/start
exec 3<> /run/castle/start
while read -r name; do
  [ ! -e "/run/castle/served/$name" ] || continue
  : > "/run/castle/served/$name"
  serve "$name" 3<&- &
done <&3 &
ls /etc/castle/services 2>/dev/null >&3
exec 3<&-
trap 'exit 0' TERM INT
while :; do
  sleep 60 & wait $!
  find /var/log/castle -name '*.log' -size +16M -exec truncate -s 0 {{}} +
done
"""

KUBERNETES = Recipe(
    name="machine-kubernetes",
    packages=(
        "containerd",
        "runc",
        "containernetworking-plugins",
        "conntrack",
        "ethtool",
        "iptables",  # what the plugin `portmap` calls
        "nftables",
        "socat",
        "kmod",
        "mount",
        "util-linux",
        "openssh-server",
        "iproute2",
        "procps",
        "ca-certificates",
    ),
    files={"/usr/local/sbin/machine-init": INIT, "/usr/local/sbin/castle-sshd": SSHD},
    commands=("rm -f /etc/ssh/ssh_host_*", "rm -rf /etc/containerd /etc/cni/net.d/*"),
)
