"""What a control plane in a cluster must survive: objects, webhook calls and deletions that nobody would plan."""

from __future__ import annotations

import base64
import json
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.load import Load
from tests.cluster.plait import installed, plait, refused
from tests.cluster.pods import READY, apply, deployment, echo, pod, service

Json = dict[str, Any]

ROOT: Final = "istio-system"
OURS: Final = "kiosk"
CLIENT: Final = "deployment/client"
CONTROL_PLANE: Final = "deployment/plait"
HTTP_MANAGER: Final = "envoy.filters.network.http_connection_manager"
FILTERS: Final = "type.googleapis.com/envoy.extensions.filters.http."
VALIDATOR: Final = "plait-validator-istio-system"


@pytest.fixture(scope="module")
def mesh(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with one control plane that nobody asks before objects are written, a caller and a server."""
    with installed(cluster):
        cluster.kubectl("delete", "validatingwebhookconfiguration", VALIDATOR)
        _namespace(cluster, OURS)
        apply(cluster, OURS, deployment(pod("client", echo("echo"))), *_served("kiosk"), route({"x-seen": "first"}))
        for name in ("client", "kiosk"):
            cluster.rolled_out(name, OURS)
        cluster.until("the route is in force", lambda: seen(cluster) == "first")
        yield cluster
        cluster.kubectl("delete", "namespace", OURS, "--wait=false")


def _namespace(cluster: Cluster, name: str) -> None:
    cluster.apply(json.dumps(named("v1", "Namespace", name, labels={"istio-injection": "enabled"})))
    cluster.until("its account", partial(cluster.get, "serviceaccount", "default", name))


def _served(name: str) -> tuple[Json, Json]:
    """A server and its Service."""
    return deployment(pod(name, echo("echo", readinessProbe=READY))), service(name, 8080)


def named(api_version: str, kind: str, name: str, spec: Json | None = None, **metadata: Any) -> Json:
    """An object."""
    found: Json = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **metadata}}
    return found if spec is None else {**found, "spec": spec}


def route(headers: Json, *before: Json, name: str = "kiosk") -> Json:
    """A VirtualService that adds headers to what is asked of ``name``; ``before`` are routes of its own."""
    last = {"route": [{"destination": {"host": name}}], "headers": {"request": {"set": headers}}}
    spec = {"hosts": [name], "http": [*before, last]}
    return named("networking.istio.io/v1", "VirtualService", name, spec)


def seen(mesh: Cluster, path: str = "") -> str:
    """The header that the route adds, as the server has got it; empty without."""
    headers = mesh.fetch(f"http://kiosk/{path}", CLIENT, OURS)["headers"]
    return str(headers.get("x-seen", ""))


def load(mesh: Cluster) -> Load:
    return Load(mesh, CLIENT, OURS, "kiosk")


def put(mesh: Cluster, wanted: Json) -> bool:
    """Whether that is there now. What is sent is all that is kept: no notes of who owns which field, as of an apply."""
    verb = (
        "replace" if "NotFound" not in mesh.kubectl("-n", OURS, "get", "vs", "kiosk", check=False).stderr else "create"
    )
    return not mesh.kubectl("-n", OURS, verb, "-f", "-", stdin=json.dumps(wanted), check=False).returncode


def log_lines(mesh: Cluster) -> list[Json]:
    """What the control plane has logged so far."""
    text = mesh.kubectl("-n", ROOT, "logs", CONTROL_PLANE).stdout
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def restarts(mesh: Cluster) -> list[tuple[str, int]]:
    """The pods of the control plane, and how often each was started again."""
    found = json.loads(mesh.kubectl("-n", ROOT, "get", "pods", "-l", "app=istiod", "-o", "json").stdout)["items"]
    started = [(each, each["status"].get("containerStatuses") or [{"restartCount": 0}]) for each in found]
    return [(each["metadata"]["name"], containers[0]["restartCount"]) for each, containers in started]


def only_one(mesh: Cluster) -> list[tuple[str, int]] | None:
    """The control plane's pod, when those of before are gone."""
    found = restarts(mesh)
    return found if len(found) == 1 else None


def accepted(mesh: Cluster) -> Json:
    """The condition of the route that says whether it is."""
    found = mesh.get("virtualservice", "kiosk", OURS).get("status", {}).get("conditions", [])
    return next((each for each in found if each["type"] == "Accepted"), {})


def events(mesh: Cluster) -> dict[str, str]:
    """The messages of the Events on the route, by their type."""
    options = ("--field-selector", "involvedObject.name=kiosk,involvedObject.kind=VirtualService", "-o", "json")
    found = json.loads(mesh.kubectl("-n", OURS, "get", "events", *options).stdout)["items"]
    return {each["type"]: each["message"] for each in found}


def test_what_is_wrong_in_meaning_leaves_the_last_that_was_right(mesh: Cluster) -> None:
    bad = {"match": [{"uri": {"regex": "("}}], "route": [{"destination": {"host": "kiosk"}}]}
    field = "spec.http[0].match[0].uri.regex"
    with load(mesh) as served:
        apply(mesh, OURS, route({"x-seen": "second"}, bad))
        mesh.until("it is refused", lambda: accepted(mesh).get("status") == "False")
        assert field in accepted(mesh)["message"]
        mesh.until("an Event says so", lambda: field in events(mesh).get("Warning", ""))
        assert f"VirtualService {OURS}/kiosk {field}" in refused(mesh, "analyze")
        assert seen(mesh) == "first"
        apply(mesh, OURS, route({"x-seen": "third"}))
        mesh.until("it is accepted", lambda: accepted(mesh).get("status") == "True")
        mesh.until("an Event says so", lambda: "accepted again" in events(mesh).get("Normal", ""))
        mesh.until("it is in force", lambda: seen(mesh) == "third")
    assert not served.outcome.bad, served.outcome


def http_filter(kind: str, **fields: Any) -> Json:
    """A patch that puts an HTTP filter of that kind before what serves the pods of ``kiosk``."""
    at = {"context": "SIDECAR_INBOUND", "listener": {"filterChain": {"filter": {"name": HTTP_MANAGER}}}}
    value = {"name": "ours", "typed_config": {"@type": f"{FILTERS}{kind}", **fields}}
    return {"applyTo": "HTTP_FILTER", "match": at, "patch": {"operation": "INSERT_FIRST", "value": value}}


def envoy_filter(name: str, patch: Json) -> Json:
    spec = {"workloadSelector": {"labels": {"app": "kiosk"}}, "configPatches": [patch]}
    return named("networking.istio.io/v1alpha3", "EnvoyFilter", name, spec)


def template(path: str) -> Json:
    """A filter with a template of paths; one that is none ends an Envoy 1.40."""
    matcher = {"@type": "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"}
    name = "envoy.path.match.uri_template.uri_template_matcher"
    config = {"name": name, "typed_config": {**matcher, "path_template": path}}
    policy = {"permissions": [{"uri_template": config}], "principals": [{"any": True}]}
    return http_filter("rbac.v3.RBAC", rules={"action": "DENY", "policies": {"p": policy}})


def told_of(mesh: Cluster, name: str) -> str:
    """What the condition of the EnvoyFilter says where it is not accepted."""
    found = mesh.get("envoyfilter", name, OURS).get("status", {}).get("conditions", [])
    return next((each["message"] for each in found if each["type"] == "Accepted" and each["status"] == "False"), "")


def test_what_an_envoy_refuses_or_ends_at_reaches_nobody(mesh: Cluster) -> None:
    before, lines = restarts(mesh), len(log_lines(mesh))
    with load(mesh) as served:
        script = http_filter("lua.v3.Lua", default_source_code={"inline_string": "("})
        apply(mesh, OURS, envoy_filter("refused", script), envoy_filter("deadly", template("/{")))
        mesh.until("one is refused", lambda: "script load error" in told_of(mesh, "refused"), within_s=45)
        mesh.until("so is the other", lambda: "Envoy crashes" in told_of(mesh, "deadly"), within_s=45)
        mesh.kubectl("-n", OURS, "delete", "envoyfilter", "refused", "deadly")
        if mesh.node:
            _while_the_prover_is_away(mesh)
    assert not served.outcome.bad, served.outcome
    said = {each["event"] for each in log_lines(mesh)[lines:]}
    assert "resource quarantined" in said
    assert "resources rejected" not in said, "no proxy was sent any of it"
    assert restarts(mesh) == before


def _while_the_prover_is_away(mesh: Cluster) -> None:
    _to_the_prover(mesh, "STOP")
    try:
        apply(mesh, OURS, route({"x-seen": "unproven"}))
        mesh.until("a change goes out unproven", lambda: seen(mesh) == "unproven", within_s=45)
    finally:
        _to_the_prover(mesh, "KILL")
    mesh.until("there is another", lambda: _is_judged(mesh), within_s=45)
    apply(mesh, OURS, envoy_filter("again", template("/{{")))
    mesh.until("another judges again", lambda: "Envoy crashes" in told_of(mesh, "again"), within_s=60)
    mesh.kubectl("-n", OURS, "delete", "envoyfilter", "again")
    apply(mesh, OURS, route({"x-seen": "third"}))
    mesh.until("it is in force", lambda: seen(mesh) == "third")


def _is_judged(mesh: Cluster) -> bool:
    """Whether the control plane has a prover that it can ask."""
    return "\nplait_prover_up 1\n" in _metrics(mesh)


def _metrics(mesh: Cluster) -> str:
    """What the control plane counts of itself."""
    script = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:15014/metrics').read().decode())"
    return mesh.exec(CONTROL_PLANE, ROOT, ["python3", "-c", script], "discovery")


def _to_the_prover(mesh: Cluster, signal: str) -> None:
    """Send a signal to the Envoy in the container, which may have ended a moment ago."""
    pattern = "^envoy --config-path /prover/envoy.json"
    mesh.on_node("sh", "-c", f"until pkill -{signal} -f '{pattern}'; do sleep 0.1; done")


_CALLS: Final = """
import http.client, json, ssl
context = ssl._create_unverified_context()
review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
bodies = [
    b"", b"nonsense", b"{}", b"[]", b"null", b"\\xff" * 4096, b"[" * 200_000, b'{"request": ' * 50_000,
    json.dumps(review).encode(), json.dumps({**review, "request": 7}).encode(),
    json.dumps({**review, "request": {"uid": 7, "object": []}}).encode(), b" " * 9_000_000,
]
found = []
for path in ("/inject", "/inject/a/b/c", "/validate"):
    for method, body in [("GET", b""), ("PUT", b"{}"), *(("POST", each) for each in bodies)]:
        connection = http.client.HTTPSConnection("localhost", 15017, context=context, timeout=20)
        connection.request(method, path, body, {"content-type": "application/json"})
        found.append([method, path, body[:20].decode("latin1"), connection.getresponse().status])
        connection.close()
print(json.dumps(found))
"""


def test_webhooks_refuse_garbage(mesh: Cluster) -> None:
    before, lines = restarts(mesh), len(log_lines(mesh))
    answers = json.loads(mesh.exec(CONTROL_PLANE, ROOT, ["python3", "-c", _CALLS]))
    assert not [each for each in answers if not 400 <= each[3] < 500]
    assert restarts(mesh) == before
    assert len(log_lines(mesh)) - lines < 2 * len(answers)
    assert '\ngalley_validation_http_error{status="400"} ' in _metrics(mesh)
    mesh.kubectl("-n", OURS, "rollout", "restart", "deployment/kiosk")
    mesh.rolled_out("kiosk", OURS)
    containers = mesh.get("pods", namespace=OURS)["items"][0]["spec"]
    assert "istio-proxy" in json.dumps(containers)


def test_objects_as_large_as_can_be(mesh: Cluster) -> None:
    """The API server takes no request of more than 3 MiB, and etcd no object of more than 1.5 MiB."""
    destination = {"destination": {"host": "kiosk"}}

    def many(number: int) -> Json:
        routes = [
            {"match": [{"uri": {"prefix": f"/{each:05}/{'x' * 100}"}}], "route": [destination]}
            for each in range(number)
        ]
        return route({"x-seen": f"after {number}"}, *routes)

    with load(mesh) as served:
        assert not put(mesh, many(16_000))
        mesh.until("it is written", lambda: put(mesh, many(5_000)))
        mesh.until("it is in force", lambda: seen(mesh) == "after 5000", within_s=45)
        mesh.until("the small one is written", lambda: put(mesh, route({"x-seen": "small"})))
        mesh.until("it is in force", lambda: seen(mesh) == "small", within_s=45)
    assert not served.outcome.bad, served.outcome


def test_a_namespace_that_goes_takes_nobody_with_it(mesh: Cluster) -> None:
    lines = len(log_lines(mesh))
    policies = [_of_a_host(f"route-{number}") for number in range(30)]
    with load(mesh) as served:
        _namespace(mesh, "doomed")
        apply(mesh, "doomed", *_served("kiosk"), *_served("other"), *policies)
        mesh.rolled_out("kiosk", "doomed")
        mesh.kubectl("delete", "namespace", "doomed", "--wait=false")
        late = [_of_a_host(f"late-{number}") for number in range(30)]
        written = json.dumps({"apiVersion": "v1", "kind": "List", "items": late})
        mesh.kubectl("-n", "doomed", "create", "-f", "-", stdin=written, check=False)  # while it is on its way out
        gone = partial(mesh.kubectl, "get", "namespace", "doomed", check=False)
        mesh.until("it is gone", lambda: "NotFound" in gone().stderr, within_s=90)
        apply(mesh, OURS, route({"x-seen": "fourth"}))
        mesh.until("others go on", lambda: seen(mesh) == "fourth")
    assert not served.outcome.bad, served.outcome
    told = log_lines(mesh)[lines:]
    assert len(told) < 150, Counter(each["event"] for each in told)  # 60 objects, whose Service goes before them
    said = [each for each in told if each["event"] != "problem found"]
    failures = [each for each in said if each["level"] == "error" or "not written" in each["event"]]
    assert not failures
    assert "doomed" not in plait(mesh, "analyze", "--output-threshold", "warning")


def _of_a_host(name: str) -> Json:
    spec = {"hosts": [f"{name}.example.com"], "http": [{"route": [{"destination": {"host": "kiosk"}}]}]}
    return named("networking.istio.io/v1", "VirtualService", name, spec)


def test_a_kind_that_goes_and_comes_back(mesh: Cluster) -> None:
    with load(mesh) as served:
        mesh.kubectl("delete", "crd", "virtualservices.networking.istio.io")
        mesh.until("nothing adds the header", lambda: not seen(mesh))
        plait(mesh, "crds", "apply")
        mesh.until("it can be written", partial(put, mesh, route({"x-seen": "again"})))
        mesh.until("it is in force", lambda: seen(mesh) == "again", within_s=45)
        mesh.until("its status too", lambda: accepted(mesh).get("status") == "True", within_s=45)
    assert not served.outcome.bad, served.outcome


def test_a_ca_that_is_lost_or_spoilt_goes_on_and_says_so(mesh: Cluster) -> None:
    secret = mesh.get("secret", "plait-ca", ROOT)
    kept = {each: secret[each] for each in ("apiVersion", "kind", "type", "data")}
    kept["metadata"] = {"name": "plait-ca", "namespace": ROOT, "labels": secret["metadata"]["labels"]}
    with load(mesh) as served:
        try:
            mesh.kubectl("-n", ROOT, "delete", "secret", "plait-ca")
            mesh.until("it says so", lambda: "put it back" in refused(mesh, "ca", "status"))
            mesh.kubectl("-n", OURS, "rollout", "restart", "deployment/kiosk")
            mesh.rolled_out("kiosk", OURS)
            spoilt = base64.b64encode(b"spoilt").decode()
            mesh.apply(json.dumps({**kept, "data": dict.fromkeys(kept["data"], spoilt)}), ROOT)
            mesh.until("it says so", lambda: "plait-ca" in refused(mesh, "ca", "status"))
        finally:
            mesh.apply(json.dumps(kept), ROOT)
        mesh.until("all is well", lambda: "warning" not in plait(mesh, "ca", "status"))
        mesh.kubectl("-n", OURS, "rollout", "restart", "deployment/kiosk")
        mesh.rolled_out("kiosk", OURS)
    assert not served.outcome.bad, served.outcome


def test_a_control_plane_that_may_not_read_a_kind_takes_no_place_of_one_that_has(mesh: Cluster) -> None:
    """A watch that runs is not ended by the API server when its rule goes; one that starts cannot begin."""
    role = mesh.get("clusterrole", "plait-istio-system")
    rules = [each for each in role["rules"] if "virtualservices" not in each["resources"]]
    assert len(rules) < len(role["rules"])
    old = restarts(mesh)[0][0]
    with load(mesh) as served:
        try:
            _put_rules(mesh, rules)
            mesh.kubectl("-n", ROOT, "rollout", "restart", CONTROL_PLANE)
            new = mesh.until("a new one starts", lambda: next((pod for pod, _ in restarts(mesh) if pod != old), ""))
            said = partial(mesh.kubectl, "-n", ROOT, "logs", new, check=False)
            mesh.until("it says what it may not", lambda: "virtualservices" in said().stdout)
            assert seen(mesh) == "again"
        finally:
            _put_rules(mesh, role["rules"])
        mesh.rolled_out("plait", ROOT)
        apply(mesh, OURS, route({"x-seen": "last"}))
        mesh.until("the new one serves", lambda: seen(mesh) == "last")
    assert not served.outcome.bad, served.outcome


def _put_rules(mesh: Cluster, rules: list[Json]) -> None:
    patch = json.dumps([{"op": "replace", "path": "/rules", "value": rules}])
    mesh.kubectl("patch", "clusterrole", "plait-istio-system", "--type=json", "-p", patch)


def test_a_control_plane_that_starts_while_the_api_server_is_away_waits_for_it(mesh: Cluster) -> None:
    if not mesh.node:
        pytest.skip("the API server of a cluster that was given cannot be stopped from here")
    before = mesh.until("those of before are gone", partial(only_one, mesh), within_s=60)
    with load(mesh) as served:
        mesh.on_node("pkill", "-STOP", "kube-apiserver")
        try:
            mesh.on_node("pkill", "-KILL", "-f", "bin/plait serve")
            time.sleep(30)  # that long it is away; one that ended would be started again later and later
        finally:
            mesh.on_node("pkill", "-CONT", "kube-apiserver")
        mesh.until("it answers", lambda: mesh.get("namespaces"))
        mesh.rolled_out("plait", ROOT)
        mesh.until("a change is written", partial(put, mesh, route({"x-seen": "afterwards"})))
        mesh.until("it is in force", lambda: seen(mesh) == "afterwards")
    assert not served.outcome.bad, served.outcome
    assert [count for _, count in restarts(mesh)] == [count + 1 for _, count in before]
