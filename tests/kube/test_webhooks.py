"""The webhooks as a real API server and kubectl meet them."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest

from ca.authority import Authority
from ca.issuer import self_signed
from tests.kube.api_server import ApiServer
from tests.kube.conftest import new_api_server
from tests.kube.waiting import eventually
from tests.kube.webhooks import GROUP, Served, crd, webhook
from tests.objects import applied as built
from tests.objects import made
from xds.admin.exposition import render
from xds.controllers.webhook_bundle import WebhookBundle
from xds.decoders.build import Builder
from xds.judging.last_good import LastGood
from xds.judging.proving import Proving
from xds.judging.trial import Trial
from xds.model.proxy import Proxy
from xds.pipeline import Pipeline
from xds.slices import at_once
from xds.webhooks.inject import InjectionSettings
from xds.webhooks.mutating import mutating
from xds.webhooks.review import Answer, Review
from xds.webhooks.validate import Tried

INJECT = mutating(lambda: InjectionSettings(network="n0"))


def mutate(review: Review) -> Answer:
    """What the control plane does; and a bug for who asks for one."""
    labels = (review.request.object or {})["metadata"]["labels"]
    if "bug" in labels:
        raise ValueError("a word of the pod")
    return INJECT(review)


def rule(*resources: str, group: str = GROUP) -> dict[str, Any]:
    return {"apiGroups": [group], "apiVersions": ["*"], "operations": ["*"], "resources": list(resources)}


def routed(name: str, kind: str = "VirtualService", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata, "spec": {"hosts": ["db"], **spec}}


def patch(name: str, timeout: str) -> dict[str, Any]:
    """An EnvoyFilter that gives a cluster of callers a time limit."""
    match = {"context": "SIDECAR_OUTBOUND", "cluster": {"service": "db.shop.svc.cluster.local"}}
    change = {"operation": "MERGE", "value": {"connect_timeout": timeout}}
    spec = {"configPatches": [{"applyTo": "CLUSTER", "match": match, "patch": change}]}
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": f"{GROUP}/v1alpha3", "kind": "EnvoyFilter", "metadata": metadata, "spec": spec}


def pod(name: str, **labels: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop", "labels": {"app": "x", **labels}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"serviceAccountName": "default", "containers": [{"name": "app", "image": "none"}]},
    }


DB: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "db", "namespace": "shop"},
    "spec": {"clusterIP": "10.96.0.2", "ports": [{"name": "http", "port": 80}]},
}
BAD: dict[str, Any] = {"http": [{"retries": {"attempts": -1}, "route": [{"destination": {"hots": "x"}}]}]}


def applied(api: ApiServer, plain: dict[str, Any], *flags: str) -> str:
    """What kubectl says on standard error."""
    command = ("create", "-f", "-") if len(json.dumps(plain)) > 200_000 else ("apply", "-f", "-")
    return api.kubectl(*command, *flags, stdin=json.dumps(plain), check=False).stderr


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    server = new_api_server(tmp_path_factory)
    try:
        server.apply(
            crd("VirtualService", "virtualservices"),
            crd("ServiceEntry", "serviceentries"),
            crd("ProxyConfig", "proxyconfigs"),
            crd("EnvoyFilter", "envoyfilters", "v1alpha3"),
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}},
        )
        old = routed("old", **BAD)
        old["metadata"]["finalizers"] = ["example.com/wait"]
        eventually(lambda: not applied(server, old))
        yield server
    finally:
        server.close()


@pytest.fixture(scope="module")
def served(api: ApiServer) -> Iterator[Served]:
    with Served(mutate) as served:
        api.apply(
            webhook(
                "Validating",
                f"{served.url}/validate",
                rule("virtualservices", "virtualservices/*", "proxyconfigs", "envoyfilters"),
            ),
            webhook("Mutating", f"{served.url}/inject/cluster/a--slash--b/X/y", rule("pods", group="")),
        )
        followed(api, served, "default")
        yield served


def followed(api: ApiServer, served: Served, revision: str) -> WebhookBundle:
    """The bundle in the configurations of that revision, kept up to date, once the API server has heard of it."""
    bundle = WebhookBundle(api.client(), revision, lambda: served.roots.pem)
    served.spawn(bundle.run())
    eventually(lambda: bundle.published)
    return bundle


@pytest.fixture(autouse=True)
def _ready(api: ApiServer, served: Served) -> None:
    # The API server reads configurations from a cache of its own.
    eventually(lambda: "denied" in applied(api, routed("probe", **BAD), "--dry-run=server"))


def test_what_is_wrong_with_an_object_is_told_by_kubectl(api: ApiServer) -> None:
    told = applied(api, routed("bad", **BAD))
    assert "VirtualService shop/bad spec.http[0].retries.attempts: must be a whole number of at least 0, is -1" in told
    assert "destination.hots: is no field of Destination; did you mean 'host'? [field.unknown]" in told
    assert "NotFound" in api.kubectl("get", "virtualservice", "-n", "shop", "bad", check=False).stderr


def test_what_envoy_would_refuse_is_refused(api: ApiServer, served: Served) -> None:
    builder = Builder()
    built(builder, [made(DB)])
    pipeline = Pipeline(builder.snapshot)
    at_once(pipeline.connect(Proxy("p", namespace="shop", name="client", vhds=True)))
    served.trial = partial(Trial(pipeline, Proving(None, LastGood(None))).from_thread, served.loop)
    try:
        assert not applied(api, patch("fine", "1s"))
        told = applied(api, patch("bad", "-1s"))
    finally:
        served.trial = lambda ref, rows, before: Tried()
    assert "EnvoyFilter shop/bad: must be something that Envoy takes" in told
    assert "connect_timeout" in told
    assert "[envoy.refused]" in told
    assert "NotFound" in api.kubectl("get", "envoyfilter", "-n", "shop", "bad", check=False).stderr


def test_what_a_decoder_refuses_is_refused(api: ApiServer) -> None:
    told = applied(api, routed("timed", http=[{"retries": {"retryOn": "resett"}, "route": [{"destination": {}}]}]))
    assert "denied the request" in told


def test_what_is_wrong_between_objects_only_warns(api: ApiServer, served: Served) -> None:
    route = [{"route": [{"destination": {"host": "nobody"}}]}]
    told = applied(api, routed("lonely", http=route))
    assert "Warning: VirtualService shop/lonely spec.http[0].route[0].destination.host: no service is named" in told
    assert "[destination.host-unknown]" in told
    builder = Builder()
    spec = {"ports": [{"port": 80}]}
    for name in ("nobody", "db"):
        metadata = {"name": name, "namespace": "shop"}
        plain = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
        served.snapshot = built(builder, [made(plain)]).snapshot
    assert applied(api, routed("lonely", http=[*route, *route])).count("Warning:") == 1  # is never reached
    assert applied(api, routed("lonely", http=route)) == ""


def test_a_kind_that_is_not_read_warns(api: ApiServer) -> None:
    told = applied(api, routed("s", "ProxyConfig"))
    assert "ProxyConfig of networking.istio.io/v1 is not read yet and has no effect" in told


def test_what_was_bad_before_can_be_labelled_and_deleted(api: ApiServer) -> None:
    old = ("virtualservice", "old", "-n", "shop")
    api.kubectl("label", *old, "a=b")
    api.kubectl("patch", *old, "--subresource=status", "--type=merge", "-p", '{"status": {"seen": true}}')
    told = api.kubectl("patch", *old, "--type=merge", "-p", '{"spec": {"hosts": ["other"]}}', check=False).stderr
    assert "[field.unknown]" in told
    api.kubectl("delete", *old, "--wait=false")
    api.kubectl("patch", *old, "--type=merge", "-p", '{"metadata": {"finalizers": []}}')
    assert "NotFound" in api.kubectl("get", *old, check=False).stderr


def test_a_pod_gets_its_sidecar(api: ApiServer) -> None:
    metadata = {"generateName": "web-", "namespace": "shop", "labels": {"app": "x"}}
    told = api.kubectl("create", "-f", "-", "-o", "json", stdin=json.dumps({**pod(""), "metadata": metadata}))
    spec = json.loads(told.stdout)["spec"]
    assert [each["name"] for each in spec["containers"]] == ["app", "istio-proxy"]
    assert '"a/b"' in told.stdout.replace("\\", "")  # the cluster that the webhook's path names
    assert "n0" in told.stdout
    assert told.stderr == "Warning: /X/y in the path of the injection webhook is not read and has no effect\n"


def test_a_pod_that_asks_for_its_sidecar_wrongly_is_refused(api: ApiServer) -> None:
    plain = pod("wrong")
    plain["metadata"]["annotations"] = {"sidecar.istio.io/proxyCPU": "much"}
    told = applied(api, plain)
    assert "denied the request: Pod shop/wrong metadata.annotations" in told


def test_a_bug_of_who_injects_denies_the_pod_and_tells_nothing_of_it(api: ApiServer) -> None:
    told = applied(api, pod("web", bug="yes"))
    assert "Plait has failed to add the sidecar for a bug of its own (ValueError)" in told
    assert "a word of the pod" not in told


def large(size: int, **route: Any) -> list[dict[str, Any]]:
    each = {"match": [{"uri": {"prefix": f"/{'x' * 900}"}}], "route": [{"destination": {"host": "db"}}]}
    return [{**each, **route} for _ in range(size // 1000)]


def test_large_objects_are_answered(api: ApiServer) -> None:
    assert "entity too large" in applied(api, routed("huge", http=large(3_300_000)))
    told = applied(api, routed("huge", http=large(2_900_000, timeout="soon")))
    assert "spec.http[0].timeout: must be a duration" in told
    assert "ResourceExhausted" in applied(api, routed("huge", http=large(2_500_000)))  # of the store, not of ours
    assert "denied" not in applied(api, routed("huge", http=large(1_200_000)))
    worse = routed("huge", http=large(2_900_000, timeout="soon"))
    # Whose review holds both.
    told = api.kubectl("replace", "-f", "-", stdin=json.dumps(worse), check=False).stderr
    assert "spec.http[0].timeout: must be a duration" in told


def test_when_it_is_down_ignore_lets_through(api: ApiServer) -> None:
    bad = routed("down", "ServiceEntry", ports="none")
    with Served(mutate) as other:
        api.apply(webhook("Validating", f"{other.url}/validate", rule("serviceentries"), "Ignore", rev="other"))
        followed(api, other, "other")
        eventually(lambda: "field.type" in applied(api, bad))
    assert "denied" not in applied(api, bad)
    assert api.kubectl("get", "serviceentry", "-n", "shop", "down", "-o", "name").stdout


def test_the_root_is_replaced_while_it_is_called(api: ApiServer, served: Served) -> None:
    before = served.authority.roots
    new = Authority(self_signed(datetime.now(UTC)), "cluster.local", before)
    bundle = followed(api, served, "default")
    served.roots = new.roots
    served.call(bundle.changed)
    eventually(lambda: bundle.published == new.roots.pem)
    shown = certificate(served.url)
    served.authority = new
    eventually(lambda: certificate(served.url) != shown)
    eventually(lambda: "[field.unknown]" in applied(api, routed("bad", **BAD)))
    served.roots = new.roots - before
    served.call(bundle.changed)
    eventually(lambda: bundle.published == served.roots.pem)
    eventually(lambda: "[field.unknown]" in applied(api, routed("bad", **BAD)))


def certificate(url: str) -> str:
    where = urlsplit(url)
    return ssl.get_server_certificate((str(where.hostname), int(where.port or 0)))


def test_a_bundle_that_somebody_else_has_written_is_put_right(api: ApiServer, served: Served) -> None:
    bundle = followed(api, served, "default")
    name = ("validatingwebhookconfiguration", "plait-validating-default")
    before = api.kubectl("get", *name, "-o", "json").stdout
    api.kubectl("patch", *name, "--type=json", "-p", '[{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]')
    served.call(bundle.changed)
    wanted = json.loads(before)["webhooks"]
    eventually(lambda: json.loads(api.kubectl("get", *name, "-o", "json").stdout)["webhooks"] == wanted)


def test_what_the_webhooks_answer_is_counted(api: ApiServer, served: Served) -> None:
    before = counted(served)
    assert "[field.unknown]" in applied(api, routed("counted-bad", **BAD))
    assert applied(api, routed("counted", http=[{"route": [{"destination": {"host": "db"}}]}])).count("denied") == 0
    plain = pod("counted-out")
    plain["metadata"]["annotations"] = {"sidecar.istio.io/inject": "false"}
    assert "denied" not in applied(api, pod("counted-in"))
    assert "denied" not in applied(api, plain)
    assert "denied" in applied(api, pod("counted-bug", bug="yes"))
    after = counted(served)
    of = f'group="{GROUP}",version="v1",resource="virtualservices"'
    assert {name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name, 0)} == {
        f'galley_validation_failed{{{of},reason="invalid_resource"}}': 1,
        f"galley_validation_passed{{{of}}}": 1,
        "sidecar_injection_requests_total": 3,
        "sidecar_injection_success_total": 1,
        "sidecar_injection_skip_total": 1,
        "sidecar_injection_failure_total": 1,
    }


def counted(served: Served) -> dict[str, float]:
    """What the webhooks have counted, times aside."""
    lines = [line for line in render(served.counted.metrics()).splitlines() if not line.startswith("#")]
    found = {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}
    return {name: count for name, count in found.items() if "seconds" not in name}
