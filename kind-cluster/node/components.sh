# shellcheck shell=bash disable=SC2154 # settings.sh assigns them
# Starts the node's components.

# in_cgroups COMMAND...: becomes the command, in the node's cgroups. For a subshell.
in_cgroups() {
  local group
  while read -r group; do
    echo "$BASHPID" >"$group/cgroup.procs"
  done <"$state/cgroups"
  exec "$@"
}

# component NAME COMMAND...: starts it in the node, with its log in $state/log/NAME.log.
component() {
  local name=$1
  shift
  in_cgroups setsid nsenter -t "$(first_process)" -m -n -p -u -i -C -- env -i HOME="$HOME" PATH="$PATH" "$@" \
    >"$state/log/$name.log" 2>&1 </dev/null 9>&- &
}

start_etcd() {
  local peer=http://127.0.0.1:$((etcd_port + 1)) client=http://127.0.0.1:$etcd_port
  component etcd etcd --data-dir "$state/etcd" --listen-client-urls "$client" --advertise-client-urls "$client" \
    --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "default=$peer" --unsafe-no-fsync
}

start_containerd() {
  component containerd containerd -c "$state/configuration/containerd.toml"
}

start_api_server() {
  local keys=$state/credentials
  component kube-apiserver "$programs/kube-apiserver" --etcd-servers="http://127.0.0.1:$etcd_port" \
    --secure-port="$api_port" --bind-address=0.0.0.0 --advertise-address="$node_address" \
    --tls-cert-file="$keys/api-server.crt" --tls-private-key-file="$keys/api-server.key" \
    --client-ca-file="$keys/ca.crt" --token-auth-file="$keys/tokens.csv" --authorization-mode=Node,RBAC \
    --service-account-issuer=https://kubernetes.default.svc.cluster.local \
    --service-account-key-file="$keys/service-accounts.pub" \
    --service-account-signing-key-file="$keys/service-accounts.key" --service-cluster-ip-range="$services${services_v6:+,$services_v6}" \
    --kubelet-client-certificate="$keys/kubelet-client.crt" --kubelet-client-key="$keys/kubelet-client.key" \
    --kubelet-preferred-address-types=InternalIP --allow-privileged=true --enable-admission-plugins=NodeRestriction
}

# The rest. One binary each; what a controller may do is not what is tested here, so they share one account.
start_controllers() {
  local keys=$state/credentials config
  config=$keys/controllers.kubeconfig
  component kube-controller-manager "$programs/kube-controller-manager" --kubeconfig="$config" \
    --authentication-kubeconfig="$config" --authorization-kubeconfig="$config" --use-service-account-credentials=false \
    --kube-api-qps=500 --kube-api-burst=1000 --service-account-private-key-file="$keys/service-accounts.key" \
    --root-ca-file="$keys/ca.crt" --cluster-signing-cert-file="$keys/ca.crt" --cluster-signing-key-file="$keys/ca.key" \
    --leader-elect=false --bind-address=127.0.0.1
  config=$keys/scheduler.kubeconfig
  component kube-scheduler "$programs/kube-scheduler" --kubeconfig="$config" --authentication-kubeconfig="$config" \
    --authorization-kubeconfig="$config" --leader-elect=false --bind-address=127.0.0.1
}

start_kubelet() {
  component kubelet "$programs/kubelet" --config="$state/configuration/kubelet.yaml" \
    --kubeconfig="$state/credentials/kubelet.kubeconfig" --hostname-override="$node" --node-ip="$node_address${node_address_v6:+,$node_address_v6}" \
    --root-dir="$state/kubelet" --cert-dir="$state/kubelet/pki" --v=2
  component kube-proxy "$programs/kube-proxy" --config="$state/configuration/proxy.yaml" --hostname-override="$node"
}
