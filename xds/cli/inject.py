"""``plait inject``: manifests in, the same manifests with sidecars out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from xds.cli.failure import Failure
from xds.cli.lazy import typer_app
from xds.cli.options import grouped
from xds.cli.output import Output, print_document, print_next
from xds.cli.where import ROOT_NAMESPACE

if TYPE_CHECKING:
    from xds.model.problem import Problem
    from xds.webhooks.inject import InjectionSettings

app = typer_app()

_TEMPLATE: Final = ("spec", "template")
# Where the pods of each kind stand.
_PODS: Final = {
    "Pod": (),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    **dict.fromkeys(
        ("DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController", "StatefulSet"), _TEMPLATE
    ),
}


@dataclass(frozen=True, slots=True)
class Sidecars:
    """What the sidecars are like."""

    revision: Annotated[str, typer.Option("--revision", help="The control plane's revision.")] = "default"
    xds: Annotated[
        str,
        typer.Option(
            "--xds", metavar="ADDR", help="host:port of its TLS port. Default: istiod.istio-system.svc:15012."
        ),
    ] = ""
    proxy_image: Annotated[str, typer.Option("--proxy-image", help="Image of stock Envoy.")] = ""
    init_image: Annotated[str, typer.Option("--init-image", help="Image of what sets the rules.")] = ""
    cni: Annotated[bool, typer.Option("--cni", help="An agent on each node sets the rules.")] = False
    native: Annotated[
        bool, typer.Option("--native/--no-native", help="As init containers that stay (Kubernetes 1.29).")
    ] = False

    def settings(self) -> InjectionSettings:
        """The settings of the injector."""
        from xds.model.revision import service_host
        from xds.model.well_known import XDS_PORT
        from xds.webhooks.inject import InjectionSettings

        usual = InjectionSettings()
        return InjectionSettings(
            revision=self.revision,
            xds_address=self.xds or f"{service_host(ROOT_NAMESPACE, self.revision)}:{XDS_PORT}",
            proxy_image=self.proxy_image or usual.proxy_image,
            init_image=self.init_image or usual.init_image,
            cni=self.cni,
            native_sidecars=self.native,
        )


def command(
    file: Annotated[str, typer.Option("-f", "--file", metavar="FILE", help="Manifests in YAML or JSON; - is stdin.")],
    sidecars: Sidecars,
    output: Annotated[Output, typer.Option("-o", "--output", help="yaml or json.")] = Output.YAML,
) -> None:
    """Print manifests with the sidecars that their pods would be given: plait inject -f web.yaml | kubectl apply -f -.

    Comments are lost. Everything that is no workload is printed as it is. What cannot be injected is said, and nothing
    is printed.
    """
    from xds.model.problem import Severity

    settings = sidecars.settings()
    found: list[Problem] = []
    documents = [injected(each, settings, found) for each in _documents(file)]
    for problem in found:
        if problem.severity is not Severity.INFO:
            print(f"{problem.severity.value}: {problem}", file=sys.stderr)
    if any(problem.severity is Severity.ERROR for problem in found):
        raise typer.Exit(1)
    if output is Output.YAML:
        for document in documents:
            print_next(document, Output.YAML)
    elif len(documents) == 1:
        print_document(documents[0], Output.JSON)
    else:
        print_document({"apiVersion": "v1", "kind": "List", "items": documents}, Output.JSON)


def injected(document: Any, settings: InjectionSettings, found: list[Problem]) -> Any:
    """The object with its pods injected; of a list, each. Findings go to ``found``."""
    if not isinstance(document, dict):
        return document
    kind, items = document.get("kind"), document.get("items")
    if isinstance(kind, str) and kind.endswith("List") and isinstance(items, list):
        return {**document, "items": [injected(each, settings, found) for each in items]}
    path = _PODS.get(kind) if isinstance(kind, str) else None
    return document if path is None else _workload(document, path, settings, found)


def _workload(
    document: dict[str, Any], path: tuple[str, ...], settings: InjectionSettings, found: list[Problem]
) -> dict[str, Any]:
    from xds.webhooks.inject import inject
    from xds.webhooks.inject.plain import mapping, text
    from xds.webhooks.inject.subject import Workload

    pod = document
    for step in path:
        pod = mapping(pod.get(step))
    metadata = mapping(document.get("metadata"))
    namespace = text(metadata.get("namespace")) or "default"
    workload = Workload(text(document.get("kind")), text(metadata.get("name"))) if path else None
    outcome = inject(pod, namespace, settings, workload)
    found.extend(outcome.problems)
    if outcome.pod is not None:
        return _replaced(document, path, outcome.pod)
    if not outcome.problems:
        name = text(metadata.get("name"))
        print(f"{document['kind']} {namespace}/{name} stays as it is: {outcome.reason}", file=sys.stderr)
    return document


def _replaced(value: dict[str, Any], path: tuple[str, ...], pod: dict[str, Any]) -> dict[str, Any]:
    if not path:
        return pod
    return {**value, path[0]: _replaced(value[path[0]], path[1:], pod)}


def _documents(file: str) -> Iterator[Any]:
    """The documents in a file or on stdin, without empty ones."""
    from xds.decoders.shape.yaml_values import YamlFault, read_values

    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
        values, _ = read_values(text)
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"cannot read {file}: {error}") from None
    except YamlFault as fault:
        raise Failure(f"{file}:{fault.line + 1}: {fault.message}") from None
    return (each for each in values if each is not None)


app.command()(grouped(command))
