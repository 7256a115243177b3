"""What proxies were sent of one service, in short: its routes, and the objects behind it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from xds.admin.status import KnownObject, SentResource
from xds.model.refs import ObjectRef

Json = dict[str, Any]

_OF_PODS: Final = frozenset({"Pod", "EndpointSlice", "Node", "WorkloadEntry"})
_PATHS: Final = {"prefix": "{}*", "path": "{}", "path_separated_prefix": "{} and below"}
_TESTS: Final = {"exact": "= {}", "prefix": "begins with {}", "suffix": "ends with {}", "contains": "contains {}"}


def known(found: KnownObject) -> Json:
    """An object, where it was read, and its generation."""
    origin = str(found.origin) if found.origin else ""
    return {"object": str(found.ref), "origin": origin, "generation": found.generation}


def of_host(sent: Iterable[SentResource], host: str) -> Sequence[SentResource]:
    """The clusters, endpoints and virtual hosts of a host."""
    return [each for each in sent if _host(each) == host]


def _host(resource: SentResource) -> str:
    if resource.type in {"cds", "eds"}:
        return resource.name.rpartition("|")[2]
    if resource.type == "vhds":
        return resource.name.partition("/")[2].rpartition(":")[0]
    return ""


def objects_behind(sent: Iterable[SentResource], service: ObjectRef) -> list[Json]:
    """The objects that a service's resources were made from, other than itself and its pods, and for which types."""
    found: dict[ObjectRef, tuple[KnownObject, set[str]]] = {}
    for resource in sent:
        for each in resource.provenance:
            if each.ref.kind not in _OF_PODS and each.ref != service:
                found.setdefault(each.ref, (each, set()))[1].add(resource.type)
    return [{**known(each), "types": sorted(types)} for _, (each, types) in sorted(found.items())]


def routes_of(sent: Iterable[SentResource]) -> list[Json]:
    """The routes of a service's virtual hosts, in Envoy's order: what each matches, and where that goes."""
    found: list[Json] = []
    for resource in sent:
        if resource.type == "vhds":
            by = [known(each) for each in resource.provenance if each.ref.kind not in {"Service", *_OF_PODS}]
            found += [_route(resource.name, route, by) for route in resource.plain().get("routes", ())]
    return found


def _route(table: str, route: Mapping[str, Any], by: Sequence[Json]) -> Json:
    action = route.get("route", {})
    retries = action.get("retry_policy", {})
    number = retries.get("num_retries")
    timeout = action.get("timeout", "")
    return {
        "table": table.partition("/")[2],
        "name": route.get("name", ""),
        "matches": ", ".join(_matches(route.get("match", {}))),
        "to": list(_to(route)),
        "timeout": "" if timeout == "0s" else timeout,
        "retries": f"{number} on {retries.get('retry_on', '')}" if number else "",
        "by": list(by),
    }


def _matches(match: Mapping[str, Any]) -> Iterator[str]:
    for field, spelled in _PATHS.items():
        if field in match:
            yield spelled.format(match[field])
    if "safe_regex" in match:
        yield f"path like {match['safe_regex'].get('regex', '')}"
    for kind in ("headers", "query_parameters"):
        for each in match.get(kind, ()):
            unless = "not " if each.get("invert_match") else ""
            yield f"{unless}{each.get('name', '')} {_test(each)}".strip()


def _test(each: Mapping[str, Any]) -> str:
    text = each.get("string_match", {})
    for field, spelled in _TESTS.items():
        if field in text:
            return spelled.format(text[field])
    return f"like {text['safe_regex'].get('regex', '')}" if "safe_regex" in text else "is there"


def _to(route: Mapping[str, Any]) -> Iterator[str]:
    action = route.get("route", {})
    weighted = action.get("weighted_clusters", {}).get("clusters", ())
    total = sum(each.get("weight", 0) for each in weighted) or 1
    for each in weighted:
        yield f"{100 * each.get('weight', 0) / total:g}% {_cluster(each.get('name', ''))}"
    if "cluster" in action:
        yield _cluster(action["cluster"])
    if "redirect" in route:
        yield "redirect"
    if "direct_response" in route:
        yield f"answer {route['direct_response'].get('status', '')}"


def _cluster(name: str) -> str:
    """``outbound|80|v2|web.shop.svc.cluster.local`` as people say it."""
    parts = name.split("|")
    if len(parts) != 4:
        return name
    return f"{parts[3]}:{parts[1]}" + (f" subset {parts[2]}" if parts[2] else "")
