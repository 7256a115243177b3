"""What goes into a bug report: each part by itself, so that one that cannot be had costs no other."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from xds import __version__
from xds.cli.bug_report.archive import Archive
from xds.cli.cluster import Cluster
from xds.cli.connected import Proxy, connected
from xds.cli.control_plane import ControlPlane, Pages, control_plane
from xds.cli.failure import Failure
from xds.cli.sidecars import Envoy, envoys
from xds.cli.target import Candidate
from xds.cli.where import Where, found
from xds.model.api_path import collection, item
from xds.model.injection import PROXY

_PAGES: Final = (
    "syncz", "problems", "registryz", "audit", "refusals", "failures", "workloads", "ca", "sources", "history",
    "telemetry/graph", "telemetry/services",
)  # fmt: skip
_OF_ENVOY: Final = {
    "config_dump.json": "/config_dump?include_eds",
    "clusters.json": "/clusters?format=json",
    "server_info.json": "/server_info",
    "listeners.json": "/listeners?format=json",
    "certs.json": "/certs",
    "memory.json": "/memory",
    "stats.txt": "/stats?usedonly",
}
_IN_SYNC: Final = frozenset({"SYNCED", "NOT SENT"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """Of how many proxies all configuration is taken, and how many last lines of each log."""

    proxies: int
    lines: int


def collect(archive: Archive, where: Where, wanted: Wanted) -> None:
    """Put all that can be had into ``archive``. Errors: none, but OSError of the file itself."""
    part = _Parts(archive)
    archive.json("versions.json", _versions())
    to = part("control plane", control_plane, where)
    proxies: Sequence[Proxy] = []
    if to is not None:
        for number, replica in enumerate(to.replicas):
            _control_plane(part, archive, f"control-plane-{number}", replica)
        proxies = part("proxies", connected, to) or []
    place = None if where.http else part("mesh", found, where)
    own = (part("envoys", envoys, where) or {}) if place is not None else {}
    chosen = sorted(proxies, key=lambda one: (_in_sync(one), one["proxy"]))[: wanted.proxies]
    for one in chosen:
        _sent(part, archive, to, one)
    for candidate, envoy in _first(own, chosen, wanted.proxies):
        _envoy(part, archive, candidate, envoy)
    if isinstance(place, Cluster):
        _logs(part, archive, place, where, wanted, [(one["namespace"], one["name"]) for one in chosen])


class _Parts:
    """Makes parts, and notes in the archive which cannot be had."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def __call__(self, name: str, make: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return make(*arguments)
        except (Failure, ValueError, KeyError, OSError) as error:
            self._archive.missing.append(f"{name}: {error}")
            return None


def _versions() -> Mapping[str, str]:
    return {"plait": __version__, "python": sys.version, "platform": platform.platform()}


def _in_sync(proxy: Proxy) -> bool:
    return all(one["state"] in _IN_SYNC for one in proxy["types"].values())


def _control_plane(part: _Parts, archive: Archive, folder: str, replica: Pages) -> None:
    archive.text(f"{folder}/name.txt", f"{replica.name}\n")
    for name in _PAGES:
        path = f"{folder}/{name.replace('/', '-')}.json"
        answer = part(path, replica.get, f"/debug/{name}")
        if answer is not None and answer[0] == 200:
            document = part(path, json.loads, answer[1])
            archive.json(path, document)
        elif answer is not None:
            archive.missing.append(f"{path}: answered with {answer[0]}")
    for name in ("metrics", "readyz"):
        answer = part(f"{folder}/{name}.txt", replica.get, f"/{name}")
        if answer is not None:
            archive.text(f"{folder}/{name}.txt", answer[1].decode(errors="replace"))


def _sent(part: _Parts, archive: Archive, to: ControlPlane | None, proxy: Proxy) -> None:
    if to is None:
        return
    name = f"proxies/{proxy['namespace'] or '_'}/{proxy['name']}/sent.json"
    replica = to.one(proxy.get("replica", to.name))
    answer = part(name, partial(replica.ask, "/debug/config_dump", proxy=proxy["proxy"]))
    if answer is not None:
        archive.json(name, answer)


def _first(own: Mapping[Candidate, Envoy], chosen: Iterable[Proxy], most: int) -> Sequence[tuple[Candidate, Envoy]]:
    """The Envoys of the chosen proxies; then, while there is room, of others: those that are not connected at all."""
    wanted = {(one["namespace"], one["name"]) for one in chosen}
    order = sorted(own, key=lambda each: ((each.namespace, each.name) not in wanted, each))
    return [(each, own[each]) for each in order[:most]]


def _envoy(part: _Parts, archive: Archive, candidate: Candidate, envoy: Envoy) -> None:
    folder = f"proxies/{candidate.namespace or '_'}/{candidate.name}/envoy"
    for name, page in _OF_ENVOY.items():
        answer = part(f"{folder}/{name}", envoy.get, page)
        if answer is None:
            return  # nor will the other pages answer
        text = answer[1].decode(errors="replace")
        if answer[0] != 200:
            archive.missing.append(f"{folder}/{name}: answered with {answer[0]}")
        elif name.endswith(".json"):
            document = part(f"{folder}/{name}", json.loads, text)
            archive.json(f"{folder}/{name}", document)
        else:
            archive.text(f"{folder}/{name}", text)


def _logs(
    part: _Parts,
    archive: Archive,
    cluster: Cluster,
    where: Where,
    wanted: Wanted,
    proxies: Iterable[tuple[str, str]],
) -> None:
    pods = part("pods of the control plane", cluster.pods, where.root_namespace) or ()
    names = [
        (pod.metadata.namespace, pod.metadata.name, each.name)
        for pod in pods
        for each in (*pod.spec.init_containers, *pod.spec.containers)
    ]
    for namespace, pod, container in (*names, *((*each, PROXY) for each in proxies)):
        path = f"{item(collection('', 'v1', 'pods', namespace), pod)}/log"
        query = {"container": container, "tailLines": str(wanted.lines)}
        file = f"logs/{namespace}/{pod}/{container}"
        texts = {f"{file}.log": part(f"{file}.log", cluster.get, path, query)}
        texts[f"{file}.previous.log"] = _of_the_one_before(cluster, path, query)
        for name, text in texts.items():
            if text:
                archive.text(name, text.decode(errors="replace"))


def _of_the_one_before(cluster: Cluster, path: str, query: Mapping[str, str]) -> bytes:
    """The log of the container that has ended; most have had none."""
    try:
        return cluster.get(path, {**query, "previous": "true"})
    except Failure:
        return b""
