"""What runs on a machine: sh, with the programs of its image and of Kubernetes.

The machine keeps services (see the driver of its ground): what is written into `/run/castle/start` is started, and
again whenever it ends. `/etc/castle` lies on its volume, `/run/castle` in its memory.

Sources: kubeadm(1) 1.36, containerd's docs/cri/config.md and docs/hosts.md (1.6), nft(8), the CNI plugins' README.
"""

from __future__ import annotations

NODE = "/etc/castle/node"  # the program below, on the machine
SOCKET = "/run/containerd/containerd.sock"
ENCRYPTION = "/etc/kubernetes/pki/encryption.json"  # below the folder that kubeadm mounts into the API server
INIT = "/etc/castle/init.yaml"
JOIN = "/run/castle/join.yaml"
PATCHES = "/etc/castle/patches"
SHARED = ("ca.crt", "ca.key", "sa.pub", "sa.key", "front-proxy-ca.crt", "front-proxy-ca.key",
          "etcd/ca.crt", "etcd/ca.key", "encryption.json")  # fmt: skip

# One line for each thing that a look can tell. It must work on a machine that nobody has configured yet.
LOOK = f"""\
echo "digest $(cat /etc/castle/digest 2>/dev/null)"
echo "member $(cat /etc/castle/member 2>/dev/null)"
[ -S {SOCKET} ] && pgrep -x containerd >/dev/null && echo "containerd up"
[ ! -e /etc/kubernetes/kubelet.conf ] && [ ! -e /etc/kubernetes/admin.conf ] &&
  [ ! -e /etc/kubernetes/bootstrap-kubelet.conf ] && [ ! -e /var/lib/etcd/member ] || echo "begun yes"
exit 0
"""

# Takes a tar archive of files, puts them in place, and brings containerd up.
CONFIGURE = f"""\
set -eu
digest=$1 version=$2 prefetch=$3
tries=0
until [ -p /run/castle/start ]; do # its first process may just be making it
  tries=$((tries + 1))
  [ $tries -lt 250 ] || {{ echo "it keeps no services: it is not made for Kubernetes" >&2; exit 90; }}
  sleep 0.02
done
old=$(cat /etc/containerd/config.toml 2>/dev/null || true)
rm -f /etc/castle/digest
tar -xo -C /
PATH=$(cat /etc/castle/programs)$PATH
for program in kubeadm kubelet; do
  command -v $program >/dev/null || {{ echo "there is no $program on $PATH" >&2; exit 91; }}
done
found=$(kubeadm version -o short)
[ "$found" = "$version" ] || {{ echo "kubeadm there is $found" >&2; exit 91; }}
found=$(kubelet --version)
[ "$found" = "Kubernetes $version" ] || {{ echo "kubelet there is $found" >&2; exit 91; }}
kubeadm config images list --kubernetes-version "$version" > /etc/castle/images
pause=$(grep /pause: /etc/castle/images)
sed -i "s|@PAUSE@|$pause|" /etc/containerd/config.toml

# A kubelet takes all memory of the computer for its own; what the machine may not have is reserved for others.
while read -r key value _; do [ "$key" != MemTotal: ] || total=$value; done < /proc/meminfo
limit=$(cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max)
reserved=0
[ "$limit" = max ] || [ $((limit / 1024)) -ge "$total" ] || reserved=$((total - limit / 1024))
mkdir -p {PATCHES}
echo "{{\\"systemReserved\\": {{\\"memory\\": \\"${{reserved}}Ki\\"}}}}" > {PATCHES}/kubeletconfiguration+merge.json

/etc/castle/boot
[ -z "$old" ] || [ "$old" = "$(cat /etc/containerd/config.toml)" ] || pkill -x containerd || true
printf 'containerd\\nkubelet\\n' > /run/castle/start
tries=0
until [ -S {SOCKET} ] && ctr version >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ $tries -lt 400 ] || {{ tail -n 3 /var/log/castle/containerd.log >&2; exit 92; }}
  sleep 0.05
done
[ "$prefetch" = no ] || setsid /etc/castle/node prefetch "$prefetch" </dev/null >>/var/log/castle/prefetch.log 2>&1 &
echo "$digest" > /etc/castle/digest
"""

# The program on the machine. Its verbs may be repeated; what a try that broke off left is taken away first.
PROGRAM = f"""\
#!/bin/sh
set -eu
umask 077
PATH=$(cat /etc/castle/programs)$PATH

# Whoever is a member has nothing more to do; what is half of one is reset: its keys were never used by anybody else.
clear() {{
  [ ! -e /etc/castle/member ] || exit 0
  [ -e /etc/kubernetes/kubelet.conf ] || [ -e /etc/kubernetes/admin.conf ] ||
    [ -e /etc/kubernetes/bootstrap-kubelet.conf ] || [ -e /var/lib/etcd/member ] || return 0
  : > /run/castle/hold.kubelet
  pkill -x kubelet || true
  kubeadm reset --config /etc/castle/reset.yaml
  find /etc/kubernetes /var/lib/kubelet /var/lib/etcd -mindepth 1 -delete
  rm -f /run/castle/hold.kubelet
}}

# kubeadm makes a token whether one is wanted or not; this one is known to nobody, and ends within a minute.
configuration() {{
  token=$(tr -dc a-z0-9 < /dev/urandom | head -c 22)
  text=$(cat {INIT})
  token=${{token%????????????????}}.${{token#??????}}
  printf '%s' "${{text%%@TOKEN@*}}$token${{text#*@TOKEN@}}" > "$1"
}}

# Asks etcd on this machine: a path and a body, JSON both ways.
etcd() {{
  printf 'POST %s HTTP/1.0\\r\\nHost: etcd\\r\\nContent-Type: application/json\\r\\nContent-Length: %s\\r\\n\\r\\n%s' \\
    "$1" "${{#2}}" "$2" |
    openssl s_client -quiet -verify_return_error -connect 127.0.0.1:2379 -CAfile /etc/kubernetes/pki/etcd/ca.crt \\
      -cert /etc/kubernetes/pki/etcd/healthcheck-client.crt -key /etc/kubernetes/pki/etcd/healthcheck-client.key \\
      2>/dev/null
}}

member() {{
  echo "$1" > /etc/castle/member.new
  mv /etc/castle/member.new /etc/castle/member
}}

case $1 in
init)
  clear
  mkdir -p /etc/kubernetes/pki
  key=$(head -c 32 /dev/urandom | base64 -w 0)
  cat > {ENCRYPTION} << KEY
{{"apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration", "resources": [{{
  "resources": ["secrets"], "providers": [{{"secretbox": {{"keys": [{{"name": "life", "secret": "$key"}}]}}}}]}}]}}
KEY
  configuration /run/castle/init.yaml
  kubeadm init --config /run/castle/init.yaml
  rm -f /run/castle/init.yaml
  member init
  ;;
join)
  clear
  if [ -e /run/castle/pki.tar ]; then
    mkdir -p /etc/kubernetes/pki
    tar -xo -C /etc/kubernetes/pki -f /run/castle/pki.tar
  fi
  kubeadm join --config {JOIN}
  rm -f {JOIN} /run/castle/pki.tar
  member join
  ;;
clear) clear ;;
coredns)
  configuration /run/castle/coredns.yaml
  kubeadm init phase addon coredns --print-manifest --config /run/castle/coredns.yaml
  rm -f /run/castle/coredns.yaml
  ;;
lost) # ADDRESS: the member of etcd that was there is lost with its machine; a majority that waits for it may never come
  members=$(etcd /v3/cluster/member/list '{{}}')
  case $members in *'"members"'*) ;; *) echo "etcd does not answer: $members" >&2; exit 1 ;; esac
  id=$(printf '%s' "$members" | tr '{{' '\\n' | grep "https://$2:2380" | sed 's/.*"ID":"\\([0-9]*\\)".*/\\1/')
  [ -n "$id" ] || exit 0
  said=$(etcd /v3/cluster/member/remove '{{"ID": "'"$id"'"}}')
  case $said in *'"members"'*) ;; *) echo "etcd keeps the lost member: $said" >&2; exit 1 ;; esac
  ;;
prefetch)
  while read -r image; do
    case $2:$image in
      control:*/coredns:*) ;;
      *:*/pause:* | *:*/kube-proxy:* | control:*)
        ctr -n k8s.io images pull --hosts-dir /etc/containerd/certs.d "$image" || true ;;
    esac
  done < /etc/castle/images
  ;;
esac
"""

CONTAINERD = """\
#!/bin/sh
exec containerd --config /etc/containerd/config.toml --log-level warn
"""

# kubeadm finds no system of services here, and leaves the start to whoever sees its files.
KUBELET = """\
#!/bin/sh
PATH=$(cat /etc/castle/programs)$PATH
until [ ! -e /run/castle/hold.kubelet ] && [ -f /var/lib/kubelet/config.yaml ] &&
  [ -f /var/lib/kubelet/kubeadm-flags.env ] &&
  { [ -f /etc/kubernetes/kubelet.conf ] || [ -f /etc/kubernetes/bootstrap-kubelet.conf ]; }; do
  sleep 0.1
done
. /var/lib/kubelet/kubeadm-flags.env
exec kubelet --config=/var/lib/kubelet/config.yaml --kubeconfig=/etc/kubernetes/kubelet.conf \\
  --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf $KUBELET_KUBEADM_ARGS
"""

CONTAINERD_TOML = f"""\
version = 2
oom_score = 0
[grpc]
  address = "{SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "@PAUSE@"
  restrict_oom_score_adj = true
  disable_apparmor = true
  max_concurrent_downloads = 4
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
"""
