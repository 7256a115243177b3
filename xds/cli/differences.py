"""What ``plait diff`` tells: the configurations of all proxies of two meshes, compared."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

from xds.cli.in_force import Known
from xds.cli.manifests import Addresses, Manifests, together
from xds.cli.open_connections import OpenConnections
from xds.cli.output import stdout
from xds.local.pods import PodSpec
from xds.local.workloads import pod_specs
from xds.model.identity import Identity
from xds.model.labels import labels
from xds.model.problem import Problem, Severity
from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef
from xds.model.security import has_sidecar
from xds.pipeline import Pipeline
from xds.planner.effect import Effect, changes, counted_as
from xds.planner.fields import FieldChange
from xds.planner.plan import Planned, plan
from xds.settings import Settings
from xds.slices import at_once
from xds.wire.resource import ResourceSet

Json = dict[str, Any]

_FIRST_ADDRESS: Final = ip_address("10.0.0.1")
_MOST_NAMES: Final = 5
_LONGEST_VALUE: Final = 100
_MOST_FIELDS: Final = 20
_SIGNS: Final = {"added": "+", "changed": "~", "removed": "-"}
_STYLES: Final = {"added": "green", "changed": "yellow", "removed": "red"}


@dataclass(frozen=True, slots=True)
class Compared:
    """The differences: to the proxies of both meshes, which proxies come and go, which objects are other.

    ``problems`` are the errors that only the second mesh has.
    """

    groups: tuple[Planned[str], ...]
    new: tuple[str, ...]
    gone: tuple[str, ...]
    objects: frozenset[ObjectRef]
    problems: tuple[Problem, ...]


def compared(before: Known, after: Known, settings: Settings) -> Compared:
    """The differences between two meshes, each with all of its workloads running."""
    addresses = _addresses(before, after)
    old = together(before.objects, before.problems, settings, addresses)
    new = together(after.objects, after.problems, settings, addresses)
    old_sets, new_sets = _sets(old, addresses), _sets(new, addresses)
    known = {each.ref: each.struct for each in old.objects}
    now = {each.ref: each.struct for each in new.objects}
    other = {ref for ref in known.keys() | now.keys() if known.get(ref) != now.get(ref)}
    was_wrong = {(each.at, each.code) for each in old.problems}
    wrong = [each for each in new.problems if each.severity is Severity.ERROR]
    return Compared(
        plan(old_sets, new_sets),
        tuple(sorted(new_sets.keys() - old_sets.keys())),
        tuple(sorted(old_sets.keys() - new_sets.keys())),
        frozenset(other),
        tuple(dict.fromkeys(each for each in wrong if (each.at, each.code) not in was_wrong)),
    )


def _addresses(before: Known, after: Known) -> Addresses:
    """An address for every pod of both, the same in both; those of pods that run are theirs."""
    keys = sorted({(each.namespace, each.name) for known in (before, after) for each in pod_specs(known.objects)})
    made_up = {key: (str(_FIRST_ADDRESS + number),) for number, key in enumerate(keys)}
    running = {key: own for key, own in (*before.addresses.items(), *after.addresses.items()) if own}
    return {**made_up, **running}


def _sets(mesh: Manifests, addresses: Addresses) -> dict[str, ResourceSet]:
    pipeline = Pipeline(mesh.snapshot)
    return {str(pod.key): at_once(pipeline.connect(proxy_of(pod, addresses))) for pod in with_envoy(mesh)}


def with_envoy(mesh: Manifests) -> tuple[PodSpec, ...]:
    """The pods that have an Envoy."""
    return tuple(pod for pod in mesh.pods if pod.inject or pod.router or has_sidecar(labels(pod.labels)))


def proxy_of(pod: PodSpec, addresses: Addresses) -> Proxy:
    """The Envoy of a pod."""
    own = addresses[pod.namespace, pod.name]
    kind = "router" if pod.router else "sidecar"
    return Proxy(
        id=f"{kind}~{own[0]}~{pod.name}.{pod.namespace}~{pod.namespace}.svc",
        kind=kind,
        namespace=pod.namespace,
        name=pod.name,
        labels=labels(pod.labels),
        addresses=tuple(own),
        service_account=pod.service_account or "default",
        identity=Identity.ADS,
    )


# -- as a document


def cut(found: Compared) -> tuple[str, ...]:
    """The proxies at which connections are cut."""
    groups = (each for each in found.groups if any(one.way.drains for one in each.effects))
    return tuple(sorted({name for each in groups for name in each.proxies}))


def document(found: Compared, connections: OpenConnections) -> Json:
    """All that is other, as JSON types; of secrets only that they are.

    ``connections`` of a listener that drains are those that are open on it now: no more than these are cut.
    """
    groups = [_group(each, found.objects, connections) for each in found.groups]
    counts = [one["connections"] for each in groups for one in each["resources"] if one["connections"] is not None]
    return {
        "groups": groups,
        "new_proxies": list(found.new),
        "gone_proxies": list(found.gone),
        "problems": [str(each) for each in found.problems],
        "proxies": len({name for each in found.groups for name in each.proxies}),
        "proxies_cut": len(cut(found)),
        "connections_cut": sum(counts) if counts else None,
    }


def _group(group: Planned[str], objects: frozenset[ObjectRef], connections: OpenConnections) -> Json:
    known = [connections[name] for name in group.proxies if name in connections]
    resources = [{**_resource(each, objects), "connections": _open_on(each, known)} for each in group.effects]
    return {"proxies": list(group.proxies), "resources": resources}


def _open_on(effect: Effect, known: Sequence[Mapping[str, int]]) -> int | None:
    if not effect.way.drains or effect.before is None or not known:
        return None
    name = counted_as(effect.before)
    return sum(each.get(name, 0) for each in known)


def _resource(effect: Effect, objects: frozenset[ObjectRef]) -> Json:
    change = "added" if effect.before is None else "removed" if effect.after is None else "changed"
    return {
        "change": change,
        "type": effect.type,
        "name": effect.name,
        "effect": effect.way.value,
        "drains": effect.way.drains,
        "said": effect.said(objects),
        "chains": list(effect.chains),
        "objects": [str(ref) for ref in effect.authors_among(objects)],
        "fields": [_field(each) for each in changes(effect.before, effect.after)],
    }


def _field(change: FieldChange) -> Json:
    return {"path": change.path, "before": change.before, "after": change.after}


# -- for people


def print_differences(told: Json) -> None:
    """Each group of proxies, and what is other for it, field by field; then what that costs."""
    from rich.text import Text

    console = stdout()
    for problem in told["problems"]:
        console.print(Text("error: ", "bold red").append(problem, "default"), soft_wrap=True)
    for group in told["groups"]:
        console.print(Text(_names(group["proxies"]), "bold"), soft_wrap=True)
        for each in group["resources"]:
            sign = Text(f"  {_SIGNS[each['change']]} {each['type']} {each['name']}", _STYLES[each["change"]])
            objects = ", ".join(each["objects"][:_MOST_NAMES])
            console.print(sign.append(f"  ({objects})" if objects else "", "dim"), soft_wrap=True)
            for line in _lines(each["fields"]):
                console.print(f"      {line}", soft_wrap=True)
            if each["drains"]:
                said = each["said"] + _open(each["connections"])
                console.print(Text(f"    ! {said}", "bold red"), soft_wrap=True)
    for word, names in (("new", told["new_proxies"]), ("gone", told["gone_proxies"])):
        if names:
            console.print(f"{word}: {_names(names)}", soft_wrap=True)
    console.print(_summary(told), soft_wrap=True)


def _open(connections: int | None) -> str:
    return "" if connections is None else f"; {_counted(connections, 'connection')} open now"


def _lines(fields: Sequence[Json]) -> Iterable[str]:
    for field in fields[:_MOST_FIELDS]:
        yield f"{field['path']}: {_value(field['before'])} -> {_value(field['after'])}"
    if len(fields) > _MOST_FIELDS:
        yield f"... and {len(fields) - _MOST_FIELDS} more fields"


def _value(value: Any) -> str:
    if value is None:
        return "(none)"
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping | list) else str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMES])
    return f"{shown} and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else shown


def _summary(told: Json) -> str:
    if not told["groups"]:
        return "nothing is other for any proxy that stays"
    resources = {(each["type"], each["name"]) for group in told["groups"] for each in group["resources"]}
    text = f"{_counted(len(resources), 'resource')} of {_counted(told['proxies'], 'proxy', 'proxies')} would be other"
    if not told["proxies_cut"]:
        return f"{text}; no connection would be cut"
    where = _counted(told["proxies_cut"], "proxy", "proxies")
    if told["connections_cut"] is None:
        return f"{text}; connections would be cut at {where}"
    return f"{text}; connections would be cut at {where}, {told['connections_cut']} at most"


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or f'{one}s'}"
