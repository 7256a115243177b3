"""The kubelet's probes of the application, led to Envoy, which asks the application: see ``xds.bootstrap.probes``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from xds.bootstrap.probes import PROBE_PORT, AppProbes, GrpcProbe, HttpProbe, Probe, TcpProbe
from xds.model.interception import Interception
from xds.model.refs import FieldRef
from xds.webhooks.inject.plain import Json, mapping, mappings, number, port_number, text
from xds.webhooks.inject.subject import Subject, truth
from xds.webhooks.inject.variables import variable

REWRITE: Final = "sidecar.istio.io/rewriteAppHTTPProbers"
GRPC_PORTS: Final = range(15400, 15443)
_PROBES: Final = {"livenessProbe": "livez", "readinessProbe": "readyz", "startupProbe": "startupz"}
_HOOKS: Final = {"preStop": "prestopz", "postStart": "poststartz"}
_SECOND: Final = timedelta(seconds=1)
_PERIOD_S: Final = 10


@dataclass(frozen=True, slots=True)
class _Question:
    """A probe or hook: where it stands in the manifest, and the path at which Envoy answers it."""

    plain: Json
    path: str
    timeout: timedelta
    at: FieldRef


@dataclass(slots=True)
class _Rewriting:
    """What has been rewritten."""

    subject: Subject
    capture: Interception
    made: list[Probe] = field(default_factory=list)
    grpc: dict[tuple[int, timedelta], int] = field(default_factory=dict)

    def http(self, question: _Question, container: Json) -> None:
        """Lead an ``httpGet`` to Envoy."""
        action = mapping(question.plain.get("httpGet"))
        port = self._port(action.get("port"), container, question.at / "httpGet.port")
        # With a host of its own it does not go to this pod.
        if not port or text(action.get("host")):
            return
        headers = {
            text(each.get("name")).lower(): text(each.get("value")) for each in mappings(action.get("httpHeaders"))
        }
        target = text(action.get("path")) or "/"
        self.made.append(
            HttpProbe(
                path=question.path,
                port=port,
                target=target if target.startswith("/") else f"/{target}",
                https=text(action.get("scheme")).upper() == "HTTPS",
                host=headers.get("host", ""),
                timeout=question.timeout,
            )
        )
        action.update({"path": question.path, "port": PROBE_PORT, "scheme": "HTTP"})

    def tcp(self, question: _Question, container: Json) -> None:
        """Make a ``tcpSocket`` a question to Envoy whether the port accepts."""
        action = mapping(question.plain.get("tcpSocket"))
        port = self._port(action.get("port"), container, question.at / "tcpSocket.port")
        if not port or text(action.get("host")):
            return
        period = timedelta(seconds=max(1, number(question.plain.get("periodSeconds"), _PERIOD_S)))
        self.made.append(TcpProbe(question.path, port, period, question.timeout))
        del question.plain["tcpSocket"]
        question.plain["httpGet"] = {"path": question.path, "port": PROBE_PORT, "scheme": "HTTP"}

    def remote_call(self, question: _Question) -> None:
        """Lead a ``grpc`` probe to a port of Envoy's for its port and timeout."""
        action = mapping(question.plain.get("grpc"))
        port = port_number(action.get("port"))
        if not port or not self.capture.captures(port):
            return
        key = (port, question.timeout)
        if key not in self.grpc:
            if len(self.grpc) == len(GRPC_PORTS):
                message = f"is one of more than {len(GRPC_PORTS)} gRPC probes, and will be refused where mTLS is STRICT"
                self.subject.warn(question.at, "probe.too-many", message)
                return
            self.grpc[key] = GRPC_PORTS[len(self.grpc)]
            self.made.append(GrpcProbe(self.grpc[key], port, question.timeout))
        action["port"] = self.grpc[key]

    def _port(self, stated: object, container: Json, at: FieldRef) -> int:
        """The port's number if its connections come in by Envoy; else 0."""
        port = port_number(stated)
        if isinstance(stated, str):
            found = [each for each in mappings(container.get("ports")) if each.get("name") == stated]
            port = port_number(found[0].get("containerPort")) if found else int(stated) if stated.isdecimal() else 0
            if not port:
                self.subject.warn(at, "probe.port", f"{stated!r} is no port of the container; the probe stays as it is")
        return port if port and self.capture.captures(port) else 0


def rewrite(subject: Subject, capture: Interception | None) -> AppProbes | None:
    """What Envoy must answer in the application's stead; the pod's probes are changed in place.

    None when there is nothing: no rewriting is wanted, nothing is captured, or no probe comes in by Envoy.
    """
    stated = subject.annotations.get(REWRITE)
    if capture is None or (stated is not None and truth(stated) is False):
        return None
    rewriting = _Rewriting(subject, capture)
    # Init containers start before a proxy that is none, which could not answer for them.
    first = subject.init_containers if subject.native else []
    for container in (*first, *subject.containers):
        for question in _questions(container, subject.where(container)):
            _answer(rewriting, question, container)
    address = variable("INSTANCE_IP")
    host = f"[{address}]" if subject.settings.ipv6_first else address
    return AppProbes(tuple(rewriting.made), address, host) if rewriting.made else None


def _answer(rewriting: _Rewriting, question: _Question, container: Json) -> None:
    if mapping(question.plain.get("httpGet")):
        rewriting.http(question, container)
    elif "/app-health/" not in question.path:
        return
    elif mapping(question.plain.get("tcpSocket")):
        rewriting.tcp(question, container)
    elif mapping(question.plain.get("grpc")):
        rewriting.remote_call(question)


def _questions(container: Json, at: FieldRef) -> Iterator[_Question]:
    name = text(container.get("name"))
    for key, word in _PROBES.items():
        plain = mapping(container.get(key))
        timeout = max(1, number(plain.get("timeoutSeconds"), 1)) * _SECOND
        yield _Question(plain, f"/app-health/{name}/{word}", timeout, at / key)
    for key, word in _HOOKS.items():
        hook = mapping(mapping(container.get("lifecycle")).get(key))
        yield _Question(hook, f"/app-lifecycle/{name}/{word}", timedelta(0), at / "lifecycle" / key)
