"""``plait tag``: names for revisions of the control plane: set, list, remove."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from xds.cli.failure import Failure
from xds.cli.installation import Into, selector_of, shown
from xds.cli.lazy import show_help, typer_app
from xds.cli.options import grouped
from xds.cli.output import Output, OutputOption, print_table
from xds.install.objects import TAG
from xds.model.injection import REVISION

if TYPE_CHECKING:
    from xds.cli.installation import Installation
    from xds.install.objects import Json
    from xds.install.values import Values

_API_VERSION: Final = "admissionregistration.k8s.io/v1"
_KIND: Final = "MutatingWebhookConfiguration"
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")
_COLUMNS: Final = {"TAG": "tag", "REVISION": "revision", "NAMESPACES": "namespaces"}

NamespaceOption = Annotated[
    str, typer.Option("-n", "--namespace", metavar="NS", help="Where the control plane is. Default: istio-system.")
]


def set_(
    tag: Annotated[str, typer.Argument(metavar="TAG", help="`default`: who names no revision.")],
    into: Into,
    revision: Annotated[str, typer.Option("--revision", metavar="REV", help="The revision that it means from now on.")],
    namespace: NamespaceOption = "istio-system",
) -> None:
    """Have a tag mean a revision: new pods of namespaces with istio.io/rev=TAG get its sidecar."""
    if not _NAME.fullmatch(tag):
        raise Failure(f"a tag is a DNS label of at most 40 characters, not {tag!r}")
    cluster = into.open()
    _refuse_revisions_name(cluster, tag, revision, namespace)
    source = _injector(cluster, revision, namespace)
    for each in _wanted(tag, _values(revision, namespace, source)):
        typer.echo(f"{shown([each])[0]} {cluster.apply(_with_bundle(each, source))}")
    if tag == revision:
        for each in _tagged(cluster, tag, namespace):
            cluster.delete(each)


def list_(into: Into, namespace: NamespaceOption = "istio-system", output: OutputOption = Output.TABLE) -> None:
    """The tags, the revision of each, and the namespaces that use it."""
    from xds.install.in_use import tags, users

    cluster = into.open()
    found = tags(cluster.list(_API_VERSION, _KIND, selector_of(namespace)))
    namespaces = cluster.list("v1", "Namespace")
    rows = [
        {"tag": tag, "revision": revision, "namespaces": list(users([tag], namespaces))}
        for tag, revision in found.items()
    ]
    print_table(_COLUMNS, rows, output)


def remove(
    tag: Annotated[str, typer.Argument(metavar="TAG")],
    into: Into,
    namespace: NamespaceOption = "istio-system",
    force: Annotated[bool, typer.Option("--force", help="Even if namespaces use it.")] = False,
) -> None:
    """Remove a tag: pods of namespaces that use it get no sidecar from then on."""
    from xds.install.in_use import users

    cluster = into.open()
    found = _tagged(cluster, tag, namespace)
    if not found:
        raise Failure(f"there is no tag {tag}; `plait tag list` shows them")
    used = users([tag], cluster.list("v1", "Namespace"))
    if used and not force:
        raise Failure(f"tag {tag} is used by namespaces {', '.join(used)}; --force removes it all the same")
    for each in found:
        cluster.delete(each)
        typer.echo(f"{shown([each])[0]} deleted")


def _wanted(tag: str, values: Values) -> Sequence[Json]:
    """The objects of the tag; of the revision itself where its own name is to mean it again."""
    from xds.install.injector import injector
    from xds.install.tags import tag_objects
    from xds.install.validator import validator

    return (
        (injector(values), validator(values)) if tag == values.revision else tag_objects(tag, values.revision, values)
    )


def _tagged(cluster: Installation, tag: str, namespace: str) -> list[Json]:
    from xds.install.manifests import KINDS

    selector = selector_of(namespace, **{TAG: tag})
    return [each for api_version, kind in reversed(KINDS) for each in cluster.list(api_version, kind, selector)]


def _refuse_revisions_name(cluster: Installation, tag: str, revision: str, namespace: str) -> None:
    """Errors: Failure where the tag is the name of another revision than ``default``."""
    if tag not in ("default", revision) and _deployed(cluster, tag, namespace):
        raise Failure(f"{tag} is a revision: a tag needs a name of its own")


def _deployed(cluster: Installation, revision: str, namespace: str) -> bool:
    return bool(cluster.list("apps/v1", "Deployment", selector_of(namespace, **{REVISION: revision}), namespace))


def _injector(cluster: Installation, revision: str, namespace: str) -> Json:
    """The webhook of that revision's own name, whoever has it now. Errors: Failure."""
    from xds.install.injector import name
    from xds.install.values import Values

    named = name(Values(revision=revision, namespace=namespace))
    found = cluster.get(_API_VERSION, _KIND, named) if _deployed(cluster, revision, namespace) else None
    if found is None:
        raise Failure(f"revision {revision} is not installed in namespace {namespace}")
    return found


def _values(revision: str, namespace: str, source: Json) -> Values:
    from xds.install.values import read

    policy = source["webhooks"][0].get("failurePolicy", "Fail")
    return read({"revision": revision, "namespace": namespace, "injectionFailurePolicy": policy})


def _with_bundle(wanted: Json, source: Json) -> Json:
    """A configuration of webhooks with the CA bundle of the revision's own, so that they can be called at once."""
    bundle = source["webhooks"][0]["clientConfig"].get("caBundle")
    if not bundle or "webhooks" not in wanted:
        return wanted
    webhooks = [{**each, "clientConfig": {**each["clientConfig"], "caBundle": bundle}} for each in wanted["webhooks"]]
    return {**wanted, "webhooks": webhooks}


def _app() -> typer.Typer:
    group = typer_app(help="Names for revisions of the control plane.")
    group.callback(invoke_without_command=True)(show_help)
    for name, command in (("set", set_), ("list", list_), ("remove", remove)):
        group.command(name)(grouped(command))
    return group


app = _app()
