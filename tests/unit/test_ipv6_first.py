"""Which family pods have first: as the API server's own Service says, and nobody else."""

from __future__ import annotations

import yaml

from tests.objects import applied, written
from xds.cluster.injection import injection_settings
from xds.decoders.build import Builder
from xds.settings import Settings
from xds.sources.store import ObjectStore

API_SERVER = """
apiVersion: v1
kind: Service
metadata: {name: kubernetes, namespace: default}
spec: {clusterIP: %s, ports: [{name: https, port: 443}]}
"""
CLAIM = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "ServiceEntry",
    "metadata": {"name": "claim", "namespace": "tenant"},
    "spec": {
        "hosts": ["kubernetes.default.svc.cluster.local"],
        "addresses": ["fd00::1"],
        "resolution": "STATIC",
        "endpoints": [{"address": "10.9.9.9"}],
        "ports": [{"number": 443, "name": "https", "protocol": "TLS"}],
    },
}


def ipv6_first(*documents: str) -> bool:
    builder = Builder()
    applied(builder, written("---\n".join(documents)))
    return injection_settings(Settings(), builder.snapshot, ObjectStore(())).ipv6_first


def test_the_api_server_says_it() -> None:
    assert not ipv6_first(API_SERVER % "10.96.0.1")
    assert ipv6_first(API_SERVER % '"fd00:96::1"')


def test_who_claims_its_name_does_not() -> None:
    assert not ipv6_first(API_SERVER % "10.96.0.1", yaml.safe_dump(CLAIM))
    assert not ipv6_first(yaml.safe_dump(CLAIM))
