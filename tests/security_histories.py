"""The part of random histories that is about identity: who is believed, who may come in, and whose keys are used."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import strategies as st

# The public key of RFC 7517, appendix A.1.
JWKS = (
    '{"keys":[{"kty":"EC","crv":"P-256","kid":"1","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",'
    '"y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}'
)
KEYS_AT = ("https://one.example/keys", "https://two.example/keys")
ROOT = "istio-system"
ISTIO = {"security.istio.io/tlsMode": "istio"}

owners = st.sampled_from(["a", "b", ROOT])
names = st.sampled_from(["one", "two"])
selectors = st.sampled_from(
    [{}, {"selector": {"matchLabels": {"app": "web"}}}, {"selector": {"matchLabels": {"app": "db", "version": "v1"}}}]
)
ages = st.sampled_from(["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"])
modes = st.sampled_from(["UNSET", "DISABLE", "PERMISSIVE", "STRICT"])


@cache
def pair() -> tuple[bytes, bytes]:
    """A certificate that signs itself, and its key. PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "out.example.com")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    certificate = builder.sign(key, SHA256()).public_bytes(Encoding.PEM)
    return certificate, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _metadata(draw: st.DrawFn) -> dict[str, Any]:
    return {"namespace": draw(owners), "name": draw(names), "creationTimestamp": draw(ages)}


@st.composite
def peer_authentications(draw: st.DrawFn) -> dict[str, Any]:
    spec: dict[str, Any] = {**draw(selectors), "mtls": {"mode": draw(modes)}}
    if "selector" in spec:
        ports = draw(st.sets(st.sampled_from(["70", "8080", "1000", "9999", "15006"]), max_size=2))
        spec["portLevelMtls"] = {port: {"mode": draw(modes)} for port in sorted(ports)}
    kind = {"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication"}
    return {**kind, "metadata": _metadata(draw), "spec": spec}


_tracings = st.sampled_from(
    [
        {},
        {"providers": [{"name": "otlp"}], "randomSamplingPercentage": 5},
        {"providers": [{"name": "nobody"}], "customTags": {"x": {"literal": {"value": "y"}}}},
        {"match": {"mode": "CLIENT"}, "disableSpanReporting": True},
    ]
)
_logs = st.sampled_from(
    [{"providers": [{"name": "envoy"}]}, {"disabled": True}, {"filter": {"expression": "response.code > 1"}}]
)


@st.composite
def telemetries(draw: st.DrawFn) -> dict[str, Any]:
    logging = draw(st.lists(_logs, max_size=1))
    spec = {**draw(selectors), "tracing": [draw(_tracings)], "accessLogging": logging}
    return {"apiVersion": "telemetry.istio.io/v1", "kind": "Telemetry", "metadata": _metadata(draw), "spec": spec}


_rules = st.sampled_from(
    [
        {},
        {"from": [{"source": {"principals": ["cluster.local/ns/b/sa/default"]}}]},
        {"from": [{"source": {"namespaces": ["b"], "notIpBlocks": ["10.0.0.0/8"]}}]},
        {"from": [{"source": {"requestPrincipals": ["*"]}}], "to": [{"operation": {"methods": ["GET"]}}]},
        {"to": [{"operation": {"ports": ["8080"], "paths": ["/a/*"]}}]},
        {"to": [{"operation": {"ports": ["70"]}}], "when": [{"key": "source.ip", "values": ["10.1.0.1"]}]},
    ]
)


@st.composite
def authorization_policies(draw: st.DrawFn) -> dict[str, Any]:
    action = draw(st.sampled_from(["ALLOW", "DENY", "AUDIT", "CUSTOM"]))
    spec: dict[str, Any] = {**draw(selectors), "action": action, "rules": draw(st.lists(_rules, max_size=2))}
    metadata = _metadata(draw)
    if action == "CUSTOM":
        spec["provider"] = {"name": draw(st.sampled_from(["over-http", "over-grpc", "unknown"]))}
    elif draw(st.booleans()):
        metadata["annotations"] = {"istio.io/dry-run": "true"}
    kind = {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy"}
    return {**kind, "metadata": metadata, "spec": spec}


_issuers: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"issuer": "https://inline.example", "jwks": JWKS},
        {"issuer": "https://one.example", "jwksUri": KEYS_AT[0], "presence": "REQUIRED"},
        {"issuer": "https://two.example", "jwksUri": KEYS_AT[1], "fromHeaders": [{"name": "x-token"}]},
    ]
)


@st.composite
def request_authentications(draw: st.DrawFn) -> dict[str, Any]:
    rules = draw(st.lists(_issuers, max_size=2, unique_by=lambda rule: rule["issuer"]))
    kind = {"apiVersion": "security.istio.io/v1", "kind": "RequestAuthentication"}
    return {**kind, "metadata": _metadata(draw), "spec": {**draw(selectors), "jwtRules": rules}}


@st.composite
def key_sets(draw: st.DrawFn) -> dict[str, Any]:
    """What the source of issuers' keys found; World makes the object of it, as no user writes one."""
    uri, text = draw(st.sampled_from(KEYS_AT)), draw(st.sampled_from([JWKS, ""]))
    return {"kind": "KeySet", "uri": uri, "jwks": text, "problem": "" if text else "cannot be reached"}


def _secret(namespace: str, name: str, parts: str) -> dict[str, Any]:
    certificate, key = (base64.b64encode(pem).decode() for pem in pair())
    every = {"c": ("tls.crt", certificate), "k": ("tls.key", key), "a": ("ca.crt", certificate)}
    data = dict(every[part] for part in parts)
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": namespace, "name": name}, "data": data}


credentials = st.sampled_from(["cred", "cred-cacert", "missing"])
secrets = st.builds(_secret, owners, credentials, st.sampled_from(["ck", "cka", "a", "c", ""]))

tls_settings = st.sampled_from(
    [
        {"mode": "DISABLE"},
        {"mode": "SIMPLE", "sni": "out.example.com"},
        {"mode": "SIMPLE", "insecureSkipVerify": True},
        {"mode": "SIMPLE", "credentialName": "cred", "subjectAltNames": ["out.example.com"]},
        {"mode": "MUTUAL", "credentialName": "cred"},
        {"mode": "MUTUAL", "credentialName": "cred-cacert"},
        {"mode": "ISTIO_MUTUAL"},
        {"mode": "ISTIO_MUTUAL", "sni": "other", "subjectAltNames": ["spiffe://cluster.local/ns/b/sa/default"]},
    ]
)

_providers = st.sampled_from(
    [
        [],
        [{"name": "over-http", "envoyExtAuthzHttp": {"service": "web.a.svc.cluster.local", "port": 80}}],
        [{"name": "otlp", "opentelemetry": {"service": "web.a.svc.cluster.local", "port": 80}}],
        [{"name": "otlp", "zipkin": {"service": "db.b.svc.cluster.local", "port": 90}}],
        [
            {"name": "over-grpc", "envoyExtAuthzGrpc": {"service": "db.b.svc.cluster.local", "port": 90}},
            {"name": "over-http", "envoyExtAuthzHttp": {"service": "out.example.com", "port": 80, "failOpen": True}},
        ],
    ]
)
_bounds = st.sampled_from(
    [
        {},
        {"minProtocolVersion": "TLSV1_3"},
        {"cipherSuites": ["ECDHE-ECDSA-AES128-GCM-SHA256"], "ecdhCurves": ["P-256"]},
    ]
)
mesh_settings = st.fixed_dictionaries(
    {},
    optional={
        "trustDomain": st.sampled_from(["cluster.local", "other.example"]),
        "trustDomainAliases": st.sampled_from([[], ["old.example"], ["cluster.local", "old.example"]]),
        "enableAutoMtls": st.booleans(),
        "meshMTLS": _bounds,
        "tlsDefaults": _bounds,
        "extensionProviders": _providers,
    },
)
pod_marks = st.sampled_from(
    [
        ({}, {}),
        (ISTIO, {}),
        (ISTIO, {"traffic.sidecar.istio.io/excludeInboundPorts": "8080,70"}),
    ]
)
policies = st.one_of(
    peer_authentications(), authorization_policies(), request_authentications(), telemetries(), key_sets(), secrets
)
