"""``plait explain`` names who is guilty: of TLS that never comes about, of tokens, of services that select nobody."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner

from tests.envoy.manifests import (
    HTTP,
    PUBLIC_KEY,
    Manifest,
    destination_rule,
    documents,
    namespace,
    pod,
    security,
    service,
    subsets,
    to,
    virtual_service,
)
from xds.cli.plait import app

Explain = Callable[..., Any]

BARE: Final = {"sidecar.istio.io/inject": "false"}


@pytest.fixture
def explain(tmp_path: Path) -> Explain:
    """What is told of a call of ``shop/client`` to ``web``, which has a sidecar, or to ``old``, which has none."""
    world = [namespace("shop"), pod("client"), pod("web-v1", account="web"), pod("old", annotations=BARE)]

    def told(host: str, *objects: Manifest, more: tuple[str, ...] = ()) -> Any:
        services = [each for each in (service("web", HTTP), service("old")) if each["metadata"]["name"] not in {
            one["metadata"]["name"] for one in objects if one["kind"] == "Service"}]  # fmt: skip
        (tmp_path / "mesh.yaml").write_text(documents(*world, *services, *objects))
        command = ["explain", "shop/client", f"http://{host}/", *more, "-f", str(tmp_path), "-o", "json"]
        found = CliRunner().invoke(app(), command)
        assert found.exit_code in (0, 1), found.output
        return json.loads(found.stdout)

    return told


def mutual(host: str, **tls: Any) -> Manifest:
    return destination_rule(host, trafficPolicy={"tls": {"mode": "ISTIO_MUTUAL", **tls}})


def blamed_for_tls(told: Any) -> list[str]:
    (answer,) = told["answers"]
    assert (told["verdict"], answer["stage"], answer["status"]) == ("denied", "mTLS", 503)
    return [each["object"] for each in answer["mtls"]["decidedBy"]]


def test_mutual_tls_to_a_pod_without_a_sidecar(explain: Explain) -> None:
    told = explain("old", mutual("old"))
    assert blamed_for_tls(told) == ["DestinationRule shop/old"]
    assert "the pod has no sidecar that takes it" in told["answers"][0]["because"]
    assert explain("old")["verdict"] == "allowed", "automatic mutual TLS leaves it out"


def test_mutual_tls_to_a_port_that_takes_plaintext_only(explain: Explain) -> None:
    off = security("PeerAuthentication", "off", mtls={"mode": "DISABLE"})
    told = explain("web", mutual("web"), off)
    assert blamed_for_tls(told) == ["PeerAuthentication shop/off", "DestinationRule shop/web"]
    assert explain("web", off)["verdict"] == "allowed"


def test_a_name_that_the_server_does_not_prove(explain: Explain) -> None:
    right, wrong = (f"spiffe://cluster.local/ns/shop/sa/{name}" for name in ("web", "wed"))
    assert explain("web", mutual("web", subjectAltNames=[right, wrong]))["verdict"] == "allowed"
    told = explain("web", mutual("web", subjectAltNames=[wrong]))
    assert blamed_for_tls(told) == ["DestinationRule shop/web"]
    assert told["answers"][0]["because"] == f"the server proves {right}, and the caller takes only {wrong}"


def test_who_refuses_a_token(explain: Explain) -> None:
    parts = ({"alg": "ES256", "kid": "a"}, {"iss": "https://other.test", "sub": "ann", "exp": 4_000_000_000})
    texts = (urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    token = ("--jwt", ".".join((*texts, "c2ln")))
    rule = {"issuer": "https://issuer.test", "jwks": json.dumps({"keys": [PUBLIC_KEY]})}
    one, other = (security("RequestAuthentication", name, jwtRules=[rule]) for name in ("users", "more"))
    (answer,) = explain("web", one, more=token)["answers"]
    assert (answer["verdict"], answer["decidedBy"]["object"]) == ("denied", "RequestAuthentication shop/users")
    (answer,) = explain("web", one, other, more=token)["answers"]
    assert answer["decidedBy"] is None
    assert answer["because"].endswith("by RequestAuthentication shop/more, RequestAuthentication shop/users")


def test_a_service_without_pods_before_its_subsets(explain: Explain) -> None:
    routed = virtual_service("web", {"route": [to("web", "v1")]})
    rule = destination_rule("web", subsets=subsets("v1"))
    told = explain("web", service("web", HTTP, selector={"app": "wed"}), rule, routed)
    assert [each["object"] for each in told["path"]["decidedBy"]] == ["Service shop/web"]
    assert told["path"]["because"] == "no pod is behind Service shop/web: none has app=wed and the port"


def test_the_first_line_names_whose_mutual_tls_refuses(tmp_path: Path) -> None:
    strict = security("PeerAuthentication", "strict", mtls={"mode": "STRICT"})
    off = destination_rule("web", trafficPolicy={"tls": {"mode": "DISABLE"}})
    world = (namespace("shop"), pod("client"), pod("web-v1"), service("web", HTTP), strict, off)
    (tmp_path / "mesh.yaml").write_text(documents(*world))
    found = CliRunner().invoke(app(), ["explain", "shop/client", "http://web/", "-f", str(tmp_path)])
    first = found.stdout.splitlines()[0]
    assert first.startswith("DENIED: port 8080 takes mutual TLS only (STRICT), and the caller speaks plaintext [")
    assert "[PeerAuthentication shop/strict, DestinationRule shop/web]  " in first


def test_a_note_tells_what_the_caller_does_not_see(explain: Explain) -> None:
    hidden = service("web", HTTP, clusterIP="10.96.0.9")
    hidden["metadata"]["annotations"] = {"networking.istio.io/exportTo": "~"}
    told = explain("web", hidden)
    assert any("sees nothing: Service shop/web (exportTo ~) is not exported" in note for note in told["notes"])
