"""The machine image: Debian with podman inside, Python for podman-compose, an SSH server, and a small first process."""

from __future__ import annotations

from ephemeral_castle.spi.world import Recipe

CONTAINERS_CONF = """\
[containers]
default_ulimits=["nofile=1024:1024","nproc=4096:4096"]
log_driver="k8s-file"
[engine]
runtime="runc"
cgroup_manager="cgroupfs"
events_logger="file"
[network]
network_backend="netavark"
"""

STORAGE_CONF = """\
[storage]
driver="overlay"
runroot="/run/containers/storage"
graphroot="/var/lib/containers/storage"
[storage.options]
additionalimagestores=["/opt/images"]
"""

# The first process reaps orphans (a shell does) and ends at once when the machine is stopped.
INIT = """\
#!/bin/sh
mkdir -p /run/castle /run/sshd
trap 'exit 0' TERM INT
while :; do sleep 3600 & wait $!; done
"""

SSHD = """\
#!/bin/sh
# castle-sshd: reads the public key that may enter from standard input, starts sshd, prints the host key
set -e
umask 077
mkdir -p /run/castle/ssh /run/sshd /root/.ssh
cat > /run/castle/ssh/authorized_keys
[ -f /var/lib/containers/ssh_host_ed25519_key ] ||
  ssh-keygen -q -t ed25519 -N '' -C castle -f /var/lib/containers/ssh_host_ed25519_key
pgrep -x sshd >/dev/null || /usr/sbin/sshd -o HostKey=/var/lib/containers/ssh_host_ed25519_key \\
  -o AuthorizedKeysFile=/run/castle/ssh/authorized_keys -o PasswordAuthentication=no -o StrictModes=no \\
  -o PidFile=/run/sshd.pid -o UsePAM=no -o UseDNS=no -o MaxSessions=64 -o MaxStartups=64
cat /var/lib/containers/ssh_host_ed25519_key.pub
"""

MACHINE = Recipe(
    name="machine",
    packages=(
        "podman",
        "netavark",
        "aardvark-dns",
        "runc",
        "catatonit",  # `init: true` of a Compose service
        "python3-minimal",  # these three run podman-compose, which the driver `compose` hands over
        "python3-yaml",
        "python3-dotenv",
        "openssh-server",
        "iproute2",
        "iptables",
        "nftables",
        "procps",
        "ca-certificates",
    ),
    files={
        "/etc/containers/containers.conf": CONTAINERS_CONF,
        "/etc/containers/storage.conf": STORAGE_CONF,
        "/usr/local/sbin/machine-init": INIT,
        "/usr/local/sbin/castle-sshd": SSHD,
    },
    commands=("rm -f /etc/ssh/ssh_host_*",),
)
