"""``plait tag``: names for revisions of the control plane: set, list, remove."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from xds.cli.failure import Failure
from xds.cli.installation import Into, selector_of, shown
from xds.cli.lazy import show_help, typer_app
from xds.cli.options import grouped
from xds.cli.output import Output, OutputOption, print_table

if TYPE_CHECKING:
    from xds.cli.installation import Installation
    from xds.install.objects import Json

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
    from xds.install.tags import tag_objects

    if not _NAME.fullmatch(tag):
        raise Failure(f"a tag is a DNS label of at most 40 characters, not {tag!r}")
    cluster = into.open()
    source = _injector(cluster, revision, namespace)
    if tag != "default" and cluster.list(_API_VERSION, _KIND, selector_of(namespace, **{"istio.io/rev": tag})):
        raise Failure(f"{tag} is a revision: a tag needs a name of its own")
    values = _values(revision, namespace, source)
    *access, webhook = tag_objects(tag, revision, values)
    for each in (*access, _with_bundle(webhook, source)):
        typer.echo(f"{shown([each])[0]} {cluster.apply(each)}")


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
    from xds.install.manifests import KINDS

    cluster = into.open()
    selector = selector_of(namespace, **{"istio.io/tag": tag})
    found = [each for api_version, kind in reversed(KINDS) for each in cluster.list(api_version, kind, selector)]
    if not found:
        raise Failure(f"there is no tag {tag}; `plait tag list` shows them")
    used = users([tag], cluster.list("v1", "Namespace"))
    if used and not force:
        raise Failure(f"tag {tag} is used by namespaces {', '.join(used)}; --force removes it all the same")
    for each in found:
        cluster.delete(each)
        typer.echo(f"{shown([each])[0]} deleted")


def _injector(cluster: Installation, revision: str, namespace: str) -> Json:
    """A webhook of that revision, its own where it has it still. Errors: Failure."""
    found = cluster.list(_API_VERSION, _KIND, selector_of(namespace, **{"istio.io/rev": revision}))
    if not found:
        raise Failure(f"revision {revision} is not installed in namespace {namespace}")
    return min(found, key=lambda each: "istio.io/tag" in each["metadata"]["labels"])


def _values(revision: str, namespace: str, source: Json) -> Any:
    from xds.install.values import read

    policy = source["webhooks"][0].get("failurePolicy", "Fail")
    return read({"revision": revision, "namespace": namespace, "injectionFailurePolicy": policy})


def _with_bundle(webhook: Json, source: Json) -> Json:
    """The webhook with the CA bundle of the revision's own, so that it can be called at once."""
    bundle = source["webhooks"][0]["clientConfig"].get("caBundle")
    if not bundle:
        return webhook
    webhooks = [{**each, "clientConfig": {**each["clientConfig"], "caBundle": bundle}} for each in webhook["webhooks"]]
    return {**webhook, "webhooks": webhooks}


def _app() -> typer.Typer:
    group = typer_app(help="Names for revisions of the control plane.")
    group.callback(invoke_without_command=True)(show_help)
    for name, command in (("set", set_), ("list", list_), ("remove", remove)):
        group.command(name)(grouped(command))
    return group


app = _app()
