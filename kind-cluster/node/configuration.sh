# shellcheck shell=bash disable=SC2154 # settings.sh assigns them
# Writes the configuration files of the node's components.

write_configuration() (
  mkdir -p "$state/configuration/cni"
  cd "$state/configuration" || exit
  containerd_configuration >containerd.toml
  network_configuration >cni/10-bridge.conflist
  kubelet_configuration >kubelet.yaml
  proxy_configuration >proxy.yaml
  printf 'search svc.cluster.local cluster.local\nnameserver %s\n' "$dns_address" >resolv.conf
)

containerd_configuration() {
  cat <<TOML
version = 2
root = "$state/containerd"
state = "/run/containerd"
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.internal.v1.tracing",
  "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "$containerd"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "plait.test/pause:1"
  restrict_oom_score_adj = true # a machine may give no CAP_SYS_RESOURCE: a negative oom_score_adj is refused there
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$state/configuration/cni"
TOML
}

network_configuration() {
  local ranges="[{\"subnet\": \"$pods\"}]" routes='{"dst": "0.0.0.0/0"}'
  if [ -n "${pods_v6-}" ]; then
    ranges+=", [{\"subnet\": \"$pods_v6\"}]"
    routes+=', {"dst": "::/0"}'
  fi
  cat <<JSON
{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true, "promiscMode": false,
   "ipam": {"type": "host-local", "dataDir": "/run/cni", "ranges": [$ranges], "routes": [$routes]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
JSON
}

# Limits of disk space are as good as off, and images are never collected: nobody could pull them again.
kubelet_configuration() {
  cat <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false # kubelets from 1.35 on refuse v1 unless told
cgroupDriver: cgroupfs # containerd 1.6 does not tell it
cgroupRoot: /
cgroupsPerQOS: true
enforceNodeAllocatable: [pods]
containerRuntimeEndpoint: unix://$containerd
failSwapOn: false
address: 0.0.0.0
readOnlyPort: 0
healthzPort: 10248
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: $state/credentials/ca.crt}}
authorization: {mode: AlwaysAllow}
clusterDNS: [$dns_address]
clusterDomain: cluster.local
resolvConf: $state/configuration/resolv.conf
podLogsDir: /var/log/pods
evictionHard: {memory.available: 100Mi, nodefs.available: 1Mi, imagefs.available: 1Mi, nodefs.inodesFree: "1"}
imageGCHighThresholdPercent: 100
imageMinimumGCAge: 8760h
serializeImagePulls: false
registerNode: true
nodeStatusUpdateFrequency: 10s
syncFrequency: 10s
maxPods: 110
hairpinMode: hairpin-veth
protectKernelDefaults: false
localStorageCapacityIsolation: false
YAML
}

proxy_configuration() {
  cat <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $state/credentials/proxy.kubeconfig}
mode: iptables
clusterCIDR: $pods${pods_v6:+,$pods_v6}
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s} # not writable in a namespace
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
iptables: {minSyncPeriod: 0s}
YAML
}
