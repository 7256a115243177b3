"""A pod, and the same pod with its proxy. Pure: plain JSON types in and out, so that no field is lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from xds.bootstrap.envoy import ControlPlane
from xds.bootstrap.probes import GrpcProbe
from xds.model.injection import PROXY, Candidate, decide
from xds.model.interception import ANNOTATION as AGENT_ANNOTATION
from xds.model.interception import MODE, Interception, interception
from xds.model.problem import Problem, Problems
from xds.webhooks.inject import credentials, draining, marks, probes, proxy, redirect, refusals, stated
from xds.webhooks.inject.marks import Added
from xds.webhooks.inject.override import laid_over
from xds.webhooks.inject.plain import Json, mapping, mappings, text, texts
from xds.webhooks.inject.proxy_config import ANNOTATION as PROXY_CONFIG
from xds.webhooks.inject.proxy_config import overlaid
from xds.webhooks.inject.settings import InjectionSettings
from xds.webhooks.inject.subject import Subject, Workload, reference, workload_of

_LOW_PORTS: Final = "net.ipv4.ip_unprivileged_port_start"


@dataclass(frozen=True, slots=True)
class Injected:
    """The outcome for one pod.

    ``pod`` is the new one, None when it stays as it is: because of ``reason``, or of an error among ``problems``. With
    an error the pod must not run: it would be without the proxy that it asks for.
    """

    pod: Json | None
    reason: str
    problems: tuple[Problem, ...] = ()


def inject(
    pod: Mapping[str, Any],
    namespace: str,
    settings: InjectionSettings,
    workload: Workload | None = None,
) -> Injected:
    """The pod with its proxy, if it is to have one; ``pod`` itself is not changed.

    Whether its namespace asks for that, and whom, the webhook's selectors have seen. ``workload`` is what the pod will
    be one of, where it has no owner yet. Never raises for what is in ``pod``.
    """
    metadata, spec = mapping(pod.get("metadata")), mapping(pod.get("spec"))
    known = texts(metadata.get("annotations"))
    labels = texts(metadata.get("labels"))
    candidate = Candidate(namespace, None, labels, known, host_network=spec.get("hostNetwork") is True)
    decision = decide(candidate)
    if not decision.inject:
        return Injected(None, decision.reason)
    if mapping(spec.get("os")).get("name") == "windows":
        return Injected(None, "it runs on Windows")
    at, found = reference(pod, namespace), Problems()
    if refusals.too_large(pod, at, found):
        return Injected(None, decision.reason, found.freeze())
    new = deepcopy(dict(pod))
    config_at = (at / "metadata.annotations").key(PROXY_CONFIG)
    subject = Subject(
        pod=new,
        namespace=namespace,
        workload=workload or workload_of(new),
        settings=settings,
        proxy_config=overlaid(settings.proxy_config, known.get(PROXY_CONFIG, ""), config_at, found),
        gateway="gateway" in refusals.templates(labels, known),
        at=at,
        found=found,
    )
    refusals.look_at(subject)
    if not found.errors:
        _fill(subject)
    return Injected(None if found.errors else new, decision.reason, found.freeze())


def _fill(subject: Subject) -> None:
    """Change the pod in place."""
    stated.warn_of_unread(subject)
    capture = None if subject.gateway else _capture(subject)
    app = probes.rewrite(subject, capture)
    if not subject.gateway:
        draining.serve_on(subject)
    if capture is not None and app is not None:
        own = tuple(probe.own_port for probe in app.probes if isinstance(probe, GrpcProbe))
        capture = replace(capture, excluded_inbound_ports=(*capture.excluded_inbound_ports, *own))
    plane = credentials.control_plane(subject.settings, subject.proxy_config.discovery_address)
    volumes = [credentials.volume(plane), *stated.volumes(subject)]
    before = _before(subject, capture)
    added = Added(
        [*(text(each.get("name")) for each in before), *([PROXY] if subject.native else [])],
        [] if subject.native else [PROXY],
        [text(each.get("name")) for each in volumes],
    )
    _mark(subject, plane, capture, added)
    _place(subject, before, laid_over(proxy.container(subject, plane, app), _override(subject)))
    subject.spec["volumes"] = [*mappings(subject.spec.get("volumes")), *volumes]
    if subject.gateway:
        _open_low_ports(subject)


def _open_low_ports(subject: Subject) -> None:
    """Let a gateway listen on 80 and 443 without rights. The setting is of its network alone, and a safe one."""
    context = subject.spec["securityContext"] = mapping(subject.spec.get("securityContext"))
    known = mappings(context.get("sysctls"))
    if all(each.get("name") != _LOW_PORTS for each in known):
        context["sysctls"] = [*known, {"name": _LOW_PORTS, "value": "0"}]


def _capture(subject: Subject) -> Interception | None:
    known = {MODE: subject.proxy_config.interception_mode, **subject.annotations}
    return interception(known, subject.at / "metadata.annotations", subject.found)


def _before(subject: Subject, capture: Interception | None) -> list[Json]:
    """What runs before the proxy."""
    if capture is None:
        return []
    settings = subject.settings
    return [redirect.validation_container(settings) if settings.cni else redirect.init_container(capture, settings)]


def _override(subject: Subject) -> Json:
    """The user's container that changes the proxy; empty without one."""
    for kind in ("containers", "initContainers"):
        for each in mappings(subject.spec.get(kind)):
            if each.get("name") == PROXY:
                return each
    return {}


def _mark(subject: Subject, plane: ControlPlane, capture: Interception | None, added: Added) -> None:
    """Labels and annotations; before the proxy, which tells the control plane its labels."""
    made = {**marks.new_annotations(subject, added), **credentials.sds_annotations(plane)}
    if capture is not None and subject.settings.cni:
        made[AGENT_ANNOTATION] = json.dumps(_stated(capture), separators=(",", ":"))
    metadata = mapping(subject.pod.setdefault("metadata", {}))
    metadata["labels"] = {**mapping(metadata.get("labels")), **marks.new_labels(subject)}
    metadata["annotations"] = {**mapping(metadata.get("annotations")), **made}


def _stated(capture: Interception) -> dict[str, Any]:
    usual = asdict(Interception())
    return {key: value for key, value in asdict(capture).items() if value != usual[key]}


def _place(subject: Subject, before: list[Json], container: Json) -> None:
    """Put the containers where they belong: the native proxy before all, else last, or first if the others wait."""
    spec, own, init = subject.spec, subject.containers, subject.init_containers
    if subject.native:
        spec["initContainers"] = [*before, container, *init]
        spec["containers"] = own
        return
    if before or init:
        spec["initContainers"] = [*init, *before]
    spec["containers"] = [container, *own] if proxy.holds(subject) else [*own, container]
