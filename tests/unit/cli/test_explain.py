"""``plait explain``: who and what is meant, the verdict with file and line, the exit status."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner, Result

from xds.cli.plait import app

KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
JWKS = json.dumps({"keys": [jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True)]})
POLICY = """\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: read, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  rules:
  - from: [{source: {principals: [cluster.local/ns/shop/sa/client]}}]
    to: [{operation: {methods: [GET], paths: ["/read*"]}}]
  - from: [{source: {requestPrincipals: [issuer.example/ann]}}]
  - to: [{operation: {ports: ["9000"]}}]
    from: [{source: {namespaces: [shop]}}]
"""


def workload(name: str, namespace: str, *ports: str) -> str:
    declared = ", ".join(
        f"{{name: {port.partition(':')[0]}, containerPort: {port.partition(':')[2]}}}" for port in ports
    )
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{serviceAccountName: {name}, containers: [{{name: app, image: plait/echo, ports: [{declared}]}}]}}
---
"""


def manifest(kind: str, name: str, spec: str, group: str = "security.istio.io/v1") -> str:
    return f"apiVersion: {group}\nkind: {kind}\nmetadata: {{name: {name}, namespace: shop}}\nspec: {spec}\n---\n"


MESH = (
    "".join(
        f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{istio-injection: {injection}}}}}\n---\n"
        for name, injection in (("shop", "enabled"), ("plain", "disabled"))
    )
    + workload("client", "shop")
    + workload("outsider", "plain")
    + workload("web", "shop", "http:8080", "tcp:9000")
    + workload("lone", "shop", "http:8080")
    + manifest(
        "Service",
        "web",
        "{selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}, {name: tcp, port: 9000}]}",
        "v1",
    )
    + manifest("Service", "empty", "{selector: {app: nobody}, ports: [{name: http, port: 80}]}", "v1")
    + manifest("RequestAuthentication", "tokens", f"{{jwtRules: [{{issuer: issuer.example, jwks: {JWKS!r}}}]}}")
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mesh.yaml").write_text(MESH)
    (tmp_path / "policy.yaml").write_text(POLICY)
    return tmp_path


def explain(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app(), ["explain", *arguments, "-f", str(folder)])


def told(folder: Path, *arguments: str) -> Any:
    return json.loads(explain(folder, *arguments, "-o", "json").stdout)


def token(key: Any = KEY, **claims: Any) -> str:
    whole = {"iss": "issuer.example", "sub": "ann", "exp": int(time.time()) + 600, **claims}
    return jwt.encode(whole, key, algorithm="ES256")


def test_what_is_allowed_says_by_which_line(folder: Path) -> None:
    found = explain(folder, "shop/client", "web:80", "GET", "/read/1")
    assert found.exit_code == 0, found.output
    first, *lines = found.stdout.splitlines()
    assert first == f"ALLOWED: rules[0] of AuthorizationPolicy shop/read allows it  {folder}/policy.yaml:7"
    text = "\n".join(lines)
    assert "proven as cluster.local/ns/shop/sa/client" in text
    assert "Service shop/web port 80" in text
    assert "port 8080 (HTTP)" in text
    assert "PERMISSIVE, the caller speaks mutual TLS" in text


def test_what_is_denied_says_what_each_rule_misses(folder: Path) -> None:
    found = explain(folder, "shop/client", "web:80", "POST", "/read/1")
    assert found.exit_code == 1
    assert found.stdout.startswith("DENIED: the only ALLOW policy does not match (403)")
    assert "rules[0]: operation.methods is 'POST', must be 'GET'" in found.stdout
    assert "rules[1]: request.auth.principal is absent, as no valid token comes with it" in found.stdout


@pytest.mark.parametrize(
    "source", ["shop/client", "client", "deploy/client", "client.shop", "sa:shop/client", "deploy/client.shop"]
)
def test_the_ways_to_name_who_calls(folder: Path, source: str) -> None:
    assert explain(folder, source, "web.shop:80", "GET", "/read", "-n", "shop").exit_code == 0


@pytest.mark.parametrize(
    "destination", ["web:80", "web.shop:80", "web.shop.svc.cluster.local:80", "shop/web:8080", "deploy/web:80"]
)
def test_the_ways_to_name_what_is_called(folder: Path, destination: str) -> None:
    found = told(folder, "client", destination, "GET", "/read", "-n", "shop")
    assert (found["verdict"], found["destination"]["service"]) == ("allowed", "Service shop/web")
    assert found["answers"][0]["port"] == 8080


def test_names_of_other_namespaces_are_not_short(folder: Path) -> None:
    found = explain(folder, "plain/outsider", "web:80")
    assert found.exit_code == 2
    assert "no service that plain sees" in found.stderr


@pytest.mark.parametrize("source", ["plain/outsider", "shop/client", "192.0.2.1"])
def test_plaintext_proves_nothing(folder: Path, source: str) -> None:
    found = told(folder, source, "web.shop:80", "GET", "/read", "--plaintext")
    assert (found["verdict"], found["answers"][0]["status"]) == ("denied", 403)
    assert not found["answers"][0]["mtls"]["spoken"]


def test_strict_names_the_peer_authentication(folder: Path) -> None:
    (folder / "strict.yaml").write_text(manifest("PeerAuthentication", "default", "{mtls: {mode: STRICT}}"))
    found = told(folder, "plain/outsider", "web.shop:80")
    (answer,) = found["answers"]
    assert (found["verdict"], answer["stage"], answer["status"]) == ("denied", "mTLS", 0)
    decided = answer["mtls"]["decidedBy"][0]
    assert decided["object"] == "PeerAuthentication shop/default"
    assert decided["at"].endswith("strict.yaml:1")


def test_a_destination_rule_that_turns_tls_off(folder: Path) -> None:
    spec = "{host: web, trafficPolicy: {tls: {mode: DISABLE}}}"
    (folder / "rule.yaml").write_text(manifest("DestinationRule", "web", spec, "networking.istio.io/v1"))
    found = told(folder, "shop/client", "web:80", "GET", "/read")
    assert found["verdict"] == "denied"
    assert found["answers"][0]["mtls"]["decidedBy"][0]["object"] == "DestinationRule shop/web"


def test_connections_are_judged_without_requests(folder: Path) -> None:
    found = told(folder, "shop/client", "web:9000")
    assert (found["verdict"], found["answers"][0]["request"]) == ("allowed", None)
    assert told(folder, "plain/outsider", "web.shop:9000")["verdict"] == "denied"


@pytest.mark.parametrize(
    ("made", "verdict", "status"),
    [
        (token(), "allowed", 200),
        (token(sub="bob"), "denied", 403),
        (token(exp=int(time.time()) - 600), "denied", 401),
        (token(OTHER), "denied", 401),
        (token(iss="stranger.example"), "denied", 401),
        ("nonsense", "denied", 401),
    ],
    ids=["good", "another", "expired", "forged", "stranger", "broken"],
)
def test_tokens(folder: Path, made: str, verdict: str, status: int) -> None:
    (folder / "token").write_text(made + "\n")
    for given in (("--jwt", made), ("--jwt", f"@{folder}/token"), ("-H", f"Authorization: Bearer {made}")):
        found = told(folder, "plain/outsider", "web.shop:80", *given)
        assert (found["verdict"], found["answers"][0]["status"]) == (verdict, status)
        assert made not in json.dumps(found)


def test_a_token_whose_keys_are_elsewhere_is_taken_at_its_word(folder: Path) -> None:
    spec = "{jwtRules: [{issuer: far.example, jwksUri: 'https://far.example/keys'}]}"
    (folder / "far.yaml").write_text(manifest("RequestAuthentication", "far", spec))
    found = told(folder, "plain/outsider", "web.shop:80", "--jwt", token(iss="far.example"))
    assert found["answers"][0]["request"]["token"]["iss"] == "far.example"
    assert any("far.example are fetched" in note for note in found["notes"])


def test_headers_hosts_and_addresses(folder: Path) -> None:
    (folder / "policy.yaml").write_text(
        manifest(
            "AuthorizationPolicy",
            "p",
            """
  rules:
  - to: [{operation: {hosts: [shop.example]}}]
    from: [{source: {ipBlocks: [192.0.2.0/24]}}]
    when: [{key: "request.headers[x-user]", values: [ann]}]""",
        )
    )
    given = ("plain/outsider", "web.shop:80", "-H", "Host: shop.example", "-H", "X-User: ann")
    assert told(folder, *given, "--ip", "192.0.2.7")["verdict"] == "allowed"
    found = told(folder, *given)
    assert found["verdict"] == "denied"
    assert any("--ip" in note for note in found["notes"])


def test_what_has_no_sidecar_lets_all_in(folder: Path) -> None:
    found = told(folder, "shop/client", "plain/outsider:8080")
    assert (found["verdict"], found["answers"][0]["stage"]) == ("allowed", "no sidecar")


def test_a_pod_without_a_service_is_called_in_plaintext(folder: Path) -> None:
    found = told(folder, "shop/client", "shop/lone:8080")
    assert (found["destination"]["service"], found["answers"][0]["mtls"]["spoken"]) == ("", False)


def test_policies_with_faults_are_told(folder: Path) -> None:
    (folder / "bad.yaml").write_text(manifest("AuthorizationPolicy", "bad", "{rules: [{from: [{source: {}}]}]}"))
    assert any(
        "AuthorizationPolicy shop/bad is not in force" in note for note in told(folder, "client", "web:80")["notes"]
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nobody", "web:80"), "nobody"),
        (("shop/client", "nowhere"), "no service that shop sees"),
        (("shop/client", "web"), "say which port, as in web:80"),
        (("shop/client", "web:81"), "has no port 81; it has 80, 9000"),
        (("shop/client", "web:x"), "'x' is no port"),
        (("shop/client", "shop/lone"), "say which port"),
        (("shop/client", "shop/web"), "say which port"),
        (("shop/client", "web:80", "GET", "read"), "a path begins with /"),
        (("shop/client", "web:80", "/read"), "is no method; METHOD comes before PATH"),
        (("shop/client", "web:80", "-H", "x"), "must be NAME:VALUE"),
        (("shop/client", "web:80", "--ip", "x"), "must be an IP address"),
        (("shop/client", "web:80", "--jwt", "@/nonexistent"), "cannot be read"),
    ],
    ids=str,
)
def test_what_cannot_be_answered(folder: Path, arguments: tuple[str, ...], says: str) -> None:
    found = explain(folder, *arguments)
    assert found.exit_code == 2, found.output
    assert says in found.stderr


def test_no_such_folder(tmp_path: Path) -> None:
    found = explain(tmp_path / "nowhere", "a", "b")
    assert found.exit_code == 2
    assert "there is no such file" in found.stderr
