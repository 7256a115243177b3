# shellcheck shell=bash disable=SC2034 # the scripts that read this use them
# What the scripts beside this file share. The node is one set of namespaces (network, mount, process, host name, ipc,
# cgroup): nothing of it touches the machine's network, mounts or /run, and killing its first process ends all of it.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/plait
state=${NODE_DIR:-$cache/node}        # credentials, configuration, logs, what is stored
images=${IMAGES_DIR:-$cache/images}   # archives that `up` imports
machine_settings=$cache/machine-settings.saved # as they were before the first node
programs=$cache/kubernetes-v1.36.3    # what tools/kubernetes built
in_memory=${TMPFS-1}                  # containers and etcd in memory, gone with the node; empty: on disk, much slower

node=plait-node
node_address=172.31.7.2
api_port=7443
etcd_port=33790
pods=10.244.0.0/24
services=10.96.0.0/16
if [ -n "${DUAL_STACK-}" ]; then # pods, Services and the node have IPv6 addresses, too
  node_address_v6=fd00:172::2
  pods_v6=fd00:244::/64
  services_v6=fd00:96::/112
fi
dns_address=10.96.0.10
kubeconfig=$state/credentials/admin.kubeconfig      # for commands inside of the node
containerd=/run/containerd/containerd.sock

PATH=$PATH:/usr/sbin:/sbin

# first_process: the process id of the first process of the node, from whatever clone; status 1 when no node runs.
first_process() {
  local process
  process=$(cat "$state/first-process" 2>/dev/null) || return 1
  grep -qaF "kind-cluster/node/first-process" "/proc/$process/cmdline" 2>/dev/null || return 1
  echo "$process"
}

# inside COMMAND...: runs it in the node, in the same folder.
inside() {
  local process
  process=$(first_process) || { echo "no node runs: kind-cluster/node/up starts one" >&2; return 1; }
  nsenter -t "$process" -m -n -p -u -i -C --wdns="$PWD" -- env KUBECONFIG="$kubeconfig" PATH="$programs:$PATH" "$@"
}
