"""PeerAuthentications: modes by scope and port, and what cannot be one."""

from __future__ import annotations

from typing import Any

from tests.objects import applied, made
from xds.decoders.build import Builder
from xds.model.labels import labels
from xds.model.refs import ObjectRef
from xds.model.security import Attachment, MtlsMode, PeerAuthentication
from xds.model.snapshot import Snapshot, Table

REF = ObjectRef("security.istio.io", "PeerAuthentication", "shop", "a")
WEB = {"matchLabels": {"app": "web"}}


def decoded(spec: dict[str, Any] | None) -> tuple[Snapshot, list[str]]:
    """The snapshot of one object, and the findings."""
    plain: dict[str, Any] = {"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication"}
    plain["metadata"] = {"name": "a", "namespace": "shop", "creationTimestamp": "2026-01-02T03:04:05Z"}
    builder = Builder()
    object_ = made(plain if spec is None else {**plain, "spec": spec})
    change = applied(builder, [object_])
    return change.snapshot, [str(problem) for problem in builder.problems]


def policy(spec: dict[str, Any] | None) -> PeerAuthentication:
    snapshot, problems = decoded(spec)
    assert not problems
    found = snapshot.rows(Table.POLICY, REF)[0]
    assert isinstance(found, PeerAuthentication)
    return found


def test_a_namespaces_mode() -> None:
    assert policy({"mtls": {"mode": "STRICT"}}) == PeerAuthentication(REF, mode=MtlsMode.STRICT)


def test_a_workloads_mode_and_those_of_its_ports() -> None:
    ports = {"9090": {"mode": "DISABLE"}, "8080": {"mode": "PERMISSIVE"}, "80": {}}
    found = policy({"selector": WEB, "mtls": {"mode": "STRICT"}, "portLevelMtls": ports})
    assert found.selector == labels({"app": "web"})
    assert found.port_modes == ((80, MtlsMode.UNSET), (8080, MtlsMode.PERMISSIVE), (9090, MtlsMode.DISABLE))


def test_what_is_not_said_is_unset() -> None:
    unset = PeerAuthentication(REF)
    specs: tuple[dict[str, Any] | None, ...] = (None, {}, {"mtls": {}}, {"mtls": {"mode": "UNSET"}})
    assert [policy(spec) for spec in specs] == [unset] * 4


def test_whom_it_is_for_is_told_apart_from_what_it_says() -> None:
    snapshot, _ = decoded({"selector": WEB})
    found = snapshot.rows(Table.PEER_AUTHENTICATION, "shop")
    assert found == (Attachment("2026-01-02T03:04:05+00:00", REF, labels({"app": "web"})),)
    assert not snapshot.rows(Table.ATTACHMENT, "shop")


def test_ports_without_labels_are_an_error() -> None:
    message = "needs a selector with labels: ports are those of certain pods"
    selectors: tuple[dict[str, Any], ...] = ({}, {"selector": {}}, {"selector": {"matchLabels": {}}})
    for selector in selectors:
        snapshot, problems = decoded({**selector, "portLevelMtls": {"80": {"mode": "STRICT"}}})
        assert problems == [f"PeerAuthentication shop/a spec.portLevelMtls: {message} [peer-authentication.selector]"]
        assert not snapshot.rows(Table.POLICY, REF)


def test_ports_that_are_none_are_an_error() -> None:
    bad = ("0", "65536", "http", "-1", "²", "8080.5", "9" * 5000, "")
    for port in bad:
        _, problems = decoded({"selector": WEB, "portLevelMtls": {port: {"mode": "STRICT"}}})
        assert len(problems) == 1, port
        assert "must be a port number of the pods, 1 to 65535" in problems[0]
