"""``plait proxy-config route``: virtual hosts, domains, matches and the VirtualService behind each route."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer

from xds.cli.proxy_config.dump import Entry, Json, ProxyConfig
from xds.cli.proxy_config.names import authored
from xds.cli.proxy_config.source import From, read
from xds.cli.proxy_config.view import Line, View, show

_COLUMNS: Final = {
    "NAME": "name",
    "VHOST NAME": "host",
    "DOMAINS": "domains",
    "MATCH": "match",
    "DESTINATION": "destination",
    "VIRTUAL SERVICE": "service",
}
_DOMAINS_SHOWN: Final = 2
_NO_TLS: Final = "NONE"


@dataclass(frozen=True, slots=True)
class RouteFilter:
    """Which route configurations; empty takes all."""

    name: Annotated[str, typer.Option("--name", help="Only the route configuration of this name.")] = ""


def command(proxy: From, wanted: RouteFilter) -> None:
    """The routes of a proxy."""
    show(routes(read(proxy), wanted), proxy.output)


def routes(config: ProxyConfig, wanted: RouteFilter) -> View:
    """The table of routes, in the order in which Envoy tries them."""
    chosen = [entry for entry in config.routes if wanted.name in {"", entry.name}]
    chosen.sort(key=lambda entry: (int(entry.name) if entry.name.isdecimal() else 1 << 20, entry.name))
    return View(_COLUMNS, tuple(line for entry in chosen for line in _lines(entry)))


def _lines(entry: Entry) -> Iterator[Line]:
    for host in entry.resource.get("virtual_hosts", ()):
        cells = {"name": entry.name, "host": host.get("name", ""), "domains": _domains(host.get("domains", ()))}
        shown: set[tuple[str, ...]] = set()
        if host.get("require_tls", _NO_TLS) != _NO_TLS:
            redirected = {"match": "plain HTTP", "destination": "redirect https", "service": []}
            yield Line({**cells, **redirected}, entry.resource)
        for route in host.get("routes", ()):
            services = authored(route, "VirtualService", ()) or authored(host, "VirtualService", ())
            more = {"match": _match(route.get("match", {})), "destination": _destination(route), "service": services}
            # A retry or a header apart they look alike: once is enough.
            key = (str(more["match"]), str(more["destination"]), *services)
            if key not in shown:
                shown.add(key)
                yield Line({**cells, **more}, entry.resource)
        if not shown:
            yield Line({**cells, "match": "", "destination": "404", "service": []}, entry.resource)


def _domains(domains: Sequence[str]) -> str:
    shown = ", ".join(sorted(domains, key=lambda domain: (domain[:1].isdigit(), len(domain), domain))[:_DOMAINS_SHOWN])
    rest = len(domains) - _DOMAINS_SHOWN
    return f"{shown} + {rest} more..." if rest > 0 else shown


def _match(match: Json) -> str:
    """``/path`` exact, ``/path*`` prefix, ``regex /.../``; then methods, headers and query parameters."""
    if "path" in match:
        path = str(match["path"])
    elif "safe_regex" in match:
        path = f"regex {match['safe_regex'].get('regex', '')}"
    elif "path_separated_prefix" in match:
        path = f"{match['path_separated_prefix']}[/*]"
    else:
        path = f"{match.get('prefix', '/')}*"
    headers = [_header(header) for header in match.get("headers", ())]
    queries = [f"?{query.get('name', '')}" for query in match.get("query_parameters", ())]
    return " ".join([path, *headers, *queries])


def _header(header: Json) -> str:
    name = str(header.get("name", "")).removeprefix(":")
    matcher: Mapping[str, Any] = header.get("string_match", {})
    value = next((str(matcher[key]) for key in ("exact", "prefix", "suffix", "contains") if key in matcher), "")
    if "safe_regex" in matcher:
        value = matcher["safe_regex"].get("regex", "")
    sign = "!" if header.get("invert_match") else ""
    return f"{sign}{name}={value}" if value else f"{sign}{name}"


def _destination(route: Json) -> str:
    if "redirect" in route:
        redirect = route["redirect"]
        return f"redirect {redirect.get('host_redirect', '')}{redirect.get('path_redirect', '')}".strip()
    if "direct_response" in route:
        return f"status {route['direct_response'].get('status', '')}"
    action = route.get("route", {})
    weighted = action.get("weighted_clusters", {}).get("clusters", ())
    if weighted:
        return ", ".join(f"{cluster.get('name', '')} {cluster.get('weight', 0)}" for cluster in weighted)
    return str(action.get("cluster") or action.get("cluster_header") or "")
