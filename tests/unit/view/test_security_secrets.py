"""Secrets that rules name: sent to whom they are for, whatever else comes and goes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.objects import applied, written
from xds.decoders.build import Builder
from xds.model.identity import Identity
from xds.model.labels import labels
from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef
from xds.pipeline import Pipeline
from xds.slices import at_once
from xds.wire.resource import ResourceSet
from xds.wire.type_urls import SECRET

PROXY = Proxy("p", namespace="shop", name="web-1", labels=labels({"app": "web"}), identity=Identity.ADS)
SERVICES = """
{apiVersion: v1, kind: Pod, metadata: {name: web-1, namespace: shop, labels: {app: web}},
 spec: {containers: [{name: app, image: app}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: one, namespace: far},
 spec: {clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: two, namespace: far},
 spec: {clusterIP: 10.96.0.2, ports: [{name: http, port: 80}]}}
---
"""
RULE = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: %(host)s, namespace: %(namespace)s}
spec:
  host: %(host)s.far.svc.cluster.local
  workloadSelector: {matchLabels: {app: web}}
  trafficPolicy: {tls: {mode: MUTUAL, credentialName: %(credential)s}}
---
"""
HELD = """
apiVersion: v1
kind: Secret
metadata: {name: %(name)s, namespace: %(namespace)s}
stringData: %(data)s
---
"""
PAIR = '{tls.crt: "-----BEGIN A", tls.key: "-----BEGIN B"}'
WHOLE = '{tls.crt: "-----BEGIN A", tls.key: "-----BEGIN B", ca.crt: "-----BEGIN C"}'
AUTHORITIES = '{ca.crt: "-----BEGIN D"}'


def rule(host: str, namespace: str = "shop", credential: str = "cred") -> str:
    return RULE % {"host": host, "namespace": namespace, "credential": credential}


def held(name: str = "cred", namespace: str = "shop", data: str = WHOLE) -> str:
    return HELD % {"name": name, "namespace": namespace, "data": data}


def sent(served: ResourceSet) -> dict[str, bytes]:
    return {name: table[name].body for table in served.of(SECRET) for name in table}


def of(text: str, proxy: Proxy = PROXY) -> dict[str, bytes]:
    return sent(at_once(Pipeline(applied(Builder(), written(SERVICES + text)).snapshot).connect(proxy)))


BOTH = {"kubernetes://cred", "kubernetes://cred-cacert"}


def test_who_is_selected_has_certificate_and_authorities() -> None:
    assert set(of(rule("one") + held())) == BOTH


@pytest.mark.parametrize(
    "proxy",
    [
        replace(PROXY, identity=Identity.NONE),
        replace(PROXY, identity=Identity.SOCKET),
        replace(PROXY, labels=labels({"app": "db"})),
        replace(PROXY, labels=labels({})),
        replace(PROXY, name="db-1"),
        replace(PROXY, service_account="db"),
        replace(PROXY, namespace="far"),
        replace(PROXY, namespace="other"),
    ],
    ids=[
        "unproven",
        "socket",
        "other labels",
        "no labels",
        "labels of no pod of its own",
        "another's pod",
        "the service's namespace",
        "another namespace",
    ],
)
def test_nobody_else_has_a_byte(proxy: Proxy) -> None:
    assert of(rule("one") + held(), proxy) == {}


@pytest.mark.parametrize("namespace", ["far", "istio-system"])
def test_a_rule_of_another_namespace_gives_no_secret_of_either(namespace: str) -> None:
    text = rule("one", namespace) + held() + held(namespace=namespace)
    assert of(text) == {}


def test_a_secret_that_two_rules_name_stays_while_one_of_them_does() -> None:
    builder = Builder()
    pipeline = Pipeline(applied(builder, written(SERVICES + rule("one") + rule("two") + held())).snapshot)
    assert set(sent(at_once(pipeline.connect(PROXY)))) == BOTH
    for gone in ("one", "two"):
        ref = ObjectRef("networking.istio.io", "DestinationRule", "shop", gone)
        (left,) = at_once(pipeline.advance(applied(builder, (), [ref]))).values()
        assert set(sent(left)) == (BOTH if gone == "one" else set())


def test_a_changed_secret_is_the_same_for_all_rules_that_name_it() -> None:
    builder = Builder()
    pipeline = Pipeline(applied(builder, written(SERVICES + rule("one") + rule("two") + held())).snapshot)
    at_once(pipeline.connect(PROXY))
    change = applied(builder, written(held(data=WHOLE.replace("BEGIN C", "BEGIN D"))))
    (served,) = at_once(pipeline.advance(change)).values()
    assert b"BEGIN D" in sent(served)["kubernetes://cred-cacert"]


def test_authorities_may_stand_in_a_secret_beside_it_which_wins() -> None:
    beside = held("cred-cacert", data=AUTHORITIES)
    assert b"BEGIN D" in of(rule("one") + held() + beside)["kubernetes://cred-cacert"]
    alone = of(rule("one") + beside)
    assert set(alone) == {"kubernetes://cred-cacert"}


def test_a_certificate_never_takes_the_name_of_authorities() -> None:
    secrets = held() + held("cred-cacert", data=PAIR)
    text = SERVICES + rule("one") + rule("two", credential="cred-cacert") + secrets
    builder = Builder()
    served = at_once(Pipeline(applied(builder, written(text)).snapshot).connect(PROXY))
    assert [problem.code for problem in builder.problems] == ["tls.credential-name"]
    assert b"BEGIN C" in sent(served)["kubernetes://cred-cacert"]
