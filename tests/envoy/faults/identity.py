"""Faults of identity: mutual TLS that one side does not speak, certificates, tokens, policies."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from typing import Any

from tests.envoy.faults.clients import OUTSIDE, grpc, http
from tests.envoy.faults.configured import API, PAY
from tests.envoy.faults.fault import Fault
from tests.envoy.manifests import PUBLIC_KEY, Manifest, destination_rule, security


def faults() -> tuple[Fault, ...]:
    """The faults, each for a healthy mesh, where only ``pay`` is STRICT."""
    return (*_mutual_tls(), *_policies(), *_tokens())


def _for(app: str, kind: str, name: str, **spec: Any) -> Manifest:
    return security(kind, name, selector={"matchLabels": {"app": app}}, **spec)


def _tls(host: str, **tls: Any) -> list[Manifest]:
    return [destination_rule(host, trafficPolicy={"tls": tls})]


def _mutual_tls() -> Iterator[Fault]:
    yield Fault(
        "plaintext against STRICT",
        http("http://web.shop/", OUTSIDE),
        symptom="0 .*",
        asked=("explain", "outside/browser", "http://web.shop/"),
        guilty="PeerAuthentication shop/web",
        said="mtls",
        breaks=[_for("web", "PeerAuthentication", "web", mtls={"mode": "STRICT"})],
    )
    yield Fault(
        "tls DISABLE against STRICT",
        grpc(),
        symptom="UNAVAILABLE .*",
        asked=PAY,
        guilty="DestinationRule shop/pay",
        said="mtls",
        breaks=_tls("pay", mode="DISABLE"),
    )
    yield Fault(
        "tls ISTIO_MUTUAL against a pod without a sidecar",
        http("http://old/"),
        symptom="503",
        asked=("explain", "shop/web", "http://old/"),
        guilty="DestinationRule shop/old",
        said="mtls",
        breaks=_tls("old", mode="ISTIO_MUTUAL"),
    )
    yield Fault(
        "tls SIMPLE against a server that speaks plaintext",
        http("http://old/"),
        symptom="503",
        asked=("explain", "shop/web", "http://old/"),
        guilty="DestinationRule shop/old",
        said="lately",
        breaks=_tls("old", mode="SIMPLE", insecureSkipVerify=True),
    )
    yield Fault(
        "a name that the server does not prove",
        grpc(),
        symptom="UNAVAILABLE .*",
        asked=PAY,
        guilty="DestinationRule shop/pay",
        said="mtls",
        breaks=_tls("pay", mode="ISTIO_MUTUAL", subjectAltNames=["spiffe://cluster.local/ns/shop/sa/payments"]),
    )


def _policies() -> Iterator[Fault]:
    yield Fault(
        "a DENY that takes too much",
        http("http://api/admin"),
        symptom="403",
        asked=("explain", "shop/web", "http://api/admin"),
        guilty="AuthorizationPolicy shop/no-admin",
        said="answer",
        breaks=[
            _for("api", "AuthorizationPolicy", "no-admin", action="DENY",
                 rules=[{"to": [{"operation": {"paths": ["/admin*"]}}]}])
        ],
    )  # fmt: skip
    yield Fault(
        "an ALLOW that misses the caller",
        http(),
        symptom="403",
        asked=API,
        guilty="AuthorizationPolicy shop/api",
        said="answer",
        breaks=[
            _for("api", "AuthorizationPolicy", "api", action="ALLOW",
                 rules=[{"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/wed"]}}]}])
        ],
    )  # fmt: skip
    yield Fault(
        "a policy that allows nothing",
        grpc(),
        symptom="PERMISSION_DENIED .*",
        asked=PAY,
        guilty="AuthorizationPolicy shop/nothing",
        said="answer",
        breaks=[security("AuthorizationPolicy", "nothing")],
    )


def _tokens() -> Iterator[Fault]:
    rule = {"issuer": "https://issuer.test", "jwks": json.dumps({"keys": [PUBLIC_KEY]})}
    yield Fault(
        "a token of an issuer that nobody knows",
        http(headers={"authorization": f"Bearer {_token()}"}),
        symptom="401",
        asked=(*API, "--jwt", _token()),
        guilty="RequestAuthentication shop/users",
        said="answer",
        breaks=[_for("api", "RequestAuthentication", "users", jwtRules=[rule])],
    )


def _token() -> str:
    parts = ({"alg": "ES256", "kid": "a"}, {"iss": "https://other.test", "sub": "ann", "exp": 4_000_000_000})
    texts = [urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join((*texts, "c2ln"))
