"""``plait describe``: what holds for a pod or a service, as ``istioctl experimental describe`` has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xds.cli.analyze import print_findings
from xds.cli.failure import Failure
from xds.cli.lazy import show_help, typer_app
from xds.cli.options import grouped
from xds.cli.output import Output, OutputOption, print_document
from xds.cli.place import Place, manifests_at
from xds.cli.target import Candidate, NamespaceOption, choose
from xds.explain.listed import Listed, listed

if TYPE_CHECKING:
    from xds.cli.manifests import Manifests
    from xds.explain.holding import OfService, OfWorkload
    from xds.model.service import Service
    from xds.model.snapshot import Snapshot
    from xds.model.workload import Workload

app = typer_app(
    help="What holds for a pod or a service: who selects it, and which objects decide what becomes of calls."
)
app.callback(invoke_without_command=True)(show_help)

Told = Mapping[str, Any]


def pod(
    name: Annotated[str, typer.Argument(metavar="POD", help="pod, pod.namespace, pod/namespace or deploy/NAME.")],
    place: Place,
    namespace: NamespaceOption = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """The services that select a pod, what its sidecar takes, which policies hold for it, and what is wrong there."""
    from xds.explain.holding import of_workload
    from xds.model.snapshot import Table
    from xds.view.graph import Graph, call

    known = manifests_at(place)
    candidates = {Candidate(each.namespace, each.name, each.workload, each.workload_kind): each for each in known.pods}
    spec = candidates[choose(name, namespace, candidates)]
    rows: tuple[Workload, ...] = known.snapshot.rows(Table.WORKLOAD, (spec.namespace, spec.name))
    if not rows:
        raise Failure(f"{name}: it has no address yet, so nothing is known of it")
    found: OfWorkload = Graph(known.snapshot).get(call(of_workload, rows[0]))
    proxy = "gateway" if spec.router else "sidecar" if spec.inject or found.pod.proxied else "none"
    services = [_service(each, found.subsets(each)) for each in found.services]
    told = {
        "pod": spec.name,
        "namespace": spec.namespace,
        "workload": spec.workload,
        "service_account": spec.service_account,
        "proxy": proxy,
        "mtls": found.mtls.mode.value,
        "mtls_ports": {str(port): mode.value for port, mode in found.mtls.ports},
        "attached": [str(each) for each in found.attached],
        "services": services,
    }
    objects = (name for each in services for name in _objects(each))
    named = {str(found.pod.ref), *map(str, found.attached), *objects}
    _print({**told, "findings": _findings(known, named)}, _pod_lines(told), output)


def service(
    name: Annotated[str, typer.Argument(metavar="SERVICE", help="service, service.namespace, or its whole host.")],
    place: Place,
    namespace: NamespaceOption = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """The pods that a service selects, the routes that lead to it, the rule of its callers, and what is wrong there."""
    from xds.explain.holding import of_service, pods_of
    from xds.view.graph import Graph, call

    known = manifests_at(place)
    graph, meant = Graph(known.snapshot), _meant(known.snapshot, name, namespace)
    of: OfService = graph.get(call(of_service, meant))
    pods: tuple[Workload, ...] = graph.get(call(pods_of, meant))
    subsets = tuple(each.name for each in of.rule.subsets) if of.rule is not None else ()
    told = {**_service(of, subsets), "pods": [each.label for each in pods]}
    lines = [*_service_lines(told), *(f"  Pod: {each}" for each in told["pods"])]
    _print({**told, "findings": _findings(known, set(_objects(told)))}, lines, output)


def _meant(snapshot: Snapshot, name: str, namespace: str) -> Service:
    from xds.model.snapshot import Table

    rows = (snapshot.rows(Table.SERVICE, key) for key in snapshot.keys(Table.SERVICE))
    known: list[Service] = [each for found in rows for each in found if namespace in {"", each.namespace}]
    meant = [each for each in known if name in {each.ref.name, f"{each.ref.name}.{each.namespace}", each.hostname}]
    if not meant:
        raise Failure(f"there is no service {name!r}{f' in namespace {namespace}' if namespace else ''}")
    places = sorted({each.namespace for each in meant})
    if len(places) > 1:
        raise Failure(f"{name!r} is in several namespaces, say which with -n: {', '.join(places)}")
    return meant[0]


def _service(of: OfService, subsets: tuple[str, ...]) -> dict[str, Any]:
    ports = [
        {"port": each.number, "name": each.name, "protocol": each.protocol.value, "target": each.target}
        for each in of.service.ports
    ]
    routes = [{"object": str(each.ref), "hosts": each.hosts, "gateways": each.gateways} for each in of.routes]
    return {
        "service": of.service.hostname,
        "object": str(of.service.ref),
        "ports": ports,
        "rule": str(of.rule.ref) if of.rule is not None else None,
        "subsets": list(subsets),
        "routes": [*routes, *({"object": str(each), "hosts": [], "gateways": []} for each in of.api_routes)],
    }


def _objects(told: Told) -> Iterator[str]:
    """The objects that decide of a service."""
    yield told["object"]
    if told["rule"]:
        yield told["rule"]
    yield from (each["object"] for each in told["routes"])


def _findings(known: Manifests, named: set[str]) -> list[Listed]:
    """What `plait analyze` says of these objects, the worst first."""
    from xds.cli.manifests import found_in

    return [listed(each) for each in found_in(known) if str(each.at.object) in named]


def _pod_lines(told: Told) -> Iterator[str]:
    yield f"Pod: {told['pod']}.{told['namespace']}"
    yield f"  Workload: {told['workload']}, service account {told['service_account']}"
    yield {"gateway": "  Proxy: gateway", "none": "  Proxy: none; it is no part of the mesh"}.get(
        told["proxy"], "  Proxy: sidecar"
    )
    if told["proxy"] == "sidecar":
        ports = "".join(f", {mode} on port {port}" for port, mode in told["mtls_ports"].items())
        yield f"  Mutual TLS: {told['mtls']}{ports}"
    yield from (f"  {each}" for each in told["attached"])
    for each in told["services"]:
        yield from _service_lines(each)
    if not told["services"]:
        yield "No service selects it."


def _service_lines(told: Told) -> Iterator[str]:
    yield f"Service: {told['service']}"
    for each in told["ports"]:
        yield f"  Port: {each['port']} {each['name']} ({each['protocol']}) -> {each['target']}"
    if told["rule"]:
        yield f"  {told['rule']}{', subsets ' + ', '.join(told['subsets']) if told['subsets'] else ''}"
    for each in told["routes"]:
        by = [name for name in each["gateways"] if name != "mesh"]
        through = f", hosts {', '.join(each['hosts'])} at gateways {', '.join(by)}" if by else ""
        yield f"  {each['object']}{through}"


def _print(told: Told, lines: Iterator[str] | list[str], output: Output) -> None:
    if output is not Output.TABLE:
        print_document(told, output)
        return
    for line in lines:
        typer.echo(line)
    if told["findings"]:
        print_findings(told["findings"])


for _command, _name, *_others in ((pod, "pod", "po"), (service, "service", "svc")):
    _readable = grouped(_command)
    app.command(_name)(_readable)
    for _other in _others:
        app.command(_other, hidden=True)(_readable)
