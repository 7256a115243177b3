# shellcheck shell=bash disable=SC2154 # settings.sh assigns them
# Makes the node's credentials, new with every node: a CA, certificates, the key of service account tokens, and random
# tokens of the components, each with its kubeconfig. Files are for root only.

make_credentials() (
  umask 077
  rm -rf "$state/credentials"
  mkdir -p "$state/credentials"
  cd "$state/credentials" || exit
  openssl ecparam -name prime256v1 -genkey -noout -out ca.key
  openssl req -x509 -new -key ca.key -subj /CN=plait-node-ca -days 365 -out ca.crt
  local names="DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
  names+=",DNS:kubernetes.default.svc.cluster.local,DNS:localhost,IP:127.0.0.1,IP:10.96.0.1,IP:$node_address"
  certificate api-server /CN=kube-apiserver "subjectAltName=$names"
  certificate kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client extendedKeyUsage=clientAuth
  openssl ecparam -name prime256v1 -genkey -noout -out service-accounts.key
  openssl ec -in service-accounts.key -pubout -out service-accounts.pub 2>/dev/null
  : >tokens.csv
  account admin plait-node-admin '"system:masters"'
  account controllers system:kube-controller-manager '"system:masters"'
  account scheduler system:kube-scheduler
  account proxy system:kube-proxy
  account kubelet "system:node:$node" '"system:nodes"'
)

# certificate NAME SUBJECT EXTENSION: NAME.key and NAME.crt, signed by the CA.
certificate() {
  openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
  openssl req -new -key "$1.key" -subj "$2" |
    openssl x509 -req -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -out "$1.crt" -extfile <(echo "$3") 2>/dev/null
}

# account NAME USER [GROUPS]: a line of tokens.csv and NAME.kubeconfig.
account() {
  local token
  token=$(openssl rand -hex 16)
  echo "$token,$2,$1,${3-}" >>tokens.csv
  write_kubeconfig "https://$node_address:$api_port" "$token" >"$1.kubeconfig"
}

# write_kubeconfig URL TOKEN: the kubeconfig, with the CA in it.
write_kubeconfig() {
  cat <<KUBECONFIG
apiVersion: v1
kind: Config
clusters: [{name: $node, cluster: {server: "$1", certificate-authority-data: $(base64 -w0 "$state/credentials/ca.crt")}}]
users: [{name: user, user: {token: $2}}]
contexts: [{name: $node, context: {cluster: $node, user: user}}]
current-context: $node
KUBECONFIG
}
