"""``plait uninstall``: a revision of the control plane out of a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final

import typer

from xds.cli.failure import Failure
from xds.cli.installation import Into, selector_of
from xds.cli.lazy import typer_app
from xds.cli.options import grouped

if TYPE_CHECKING:
    from xds.cli.installation import Installation
    from xds.install.objects import Json

_WEBHOOKS: Final = ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration")
_SHOWN: Final = 10


def command(
    into: Into,
    revision: Annotated[str, typer.Option("--revision", metavar="REV", help="Which one.")] = "default",
    namespace: Annotated[str, typer.Option("-n", "--namespace", metavar="NS", help="Where it is.")] = "istio-system",
    purge: Annotated[
        bool,
        typer.Option("--purge", help="Also the CA, the roots in all namespaces, and the definitions with all objects."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Even if namespaces still use it.")] = False,
) -> None:
    """Remove a revision of the control plane: what carries its labels, and what it says in objects' status.

    The namespace, the CA and the definitions of Istio's kinds stay, so an installation after this goes on where this
    one ended.
    """
    cluster = into.open()
    _refuse_where_used(cluster, revision, namespace, force=force)
    if purge:
        _refuse_where_shared(cluster, revision, namespace)
    found = [*_of_revision(cluster, revision, namespace), *(_of_all(cluster, namespace) if purge else ())]
    for each in found:
        cluster.delete(each)
        typer.echo(f"{_name(each)} deleted")
    if found:
        _forget(cluster, revision, namespace)
    else:
        typer.echo(f"nothing of revision {revision} is in namespace {namespace}")


def _forget(cluster: Installation, revision: str, namespace: str) -> None:
    """Take its conditions away once it can write them no more."""
    from xds.model.injection import REVISION

    cluster.until_gone("v1", "Pod", f"app=istiod,{REVISION}={revision}", namespace)
    if forgotten := cluster.forget_conditions(revision):
        typer.echo(f"conditions of {forgotten} objects removed")


def _refuse_where_used(cluster: Installation, revision: str, namespace: str, *, force: bool) -> None:
    from xds.install.in_use import users, words_of

    injectors = cluster.list(*_WEBHOOKS, selector_of(namespace))
    used = users(words_of(revision, injectors), cluster.list("v1", "Namespace"))
    if used and not force:
        more = f" and {len(used) - _SHOWN} more" if len(used) > _SHOWN else ""
        raise Failure(
            f"revision {revision} injects namespaces {', '.join(used[:_SHOWN])}{more}: label them for another "
            "revision, or remove it all the same with --force"
        )


def _refuse_where_shared(cluster: Installation, revision: str, namespace: str) -> None:
    from xds.model.injection import REVISION

    deployments = cluster.list("apps/v1", "Deployment", selector_of(namespace), namespace)
    others = {each["metadata"]["labels"].get(REVISION, "") for each in deployments} - {revision}
    if others:
        raise Failure(f"--purge removes what all revisions need, and {', '.join(sorted(others))} is still there")


def _of_revision(cluster: Installation, revision: str, namespace: str) -> Iterator[Json]:
    """Its objects, those first that would hold up others while it is going: webhooks."""
    from xds.install.manifests import KINDS
    from xds.install.values import Values
    from xds.model.injection import REVISION

    for api_version, kind in reversed(KINDS):
        yield from cluster.list(api_version, kind, selector_of(namespace, **{REVISION: revision}))
    lease = cluster.get("coordination.k8s.io/v1", "Lease", Values(revision=revision).lease, namespace)
    if lease is not None:
        yield lease


def _of_all(cluster: Installation, namespace: str) -> Iterator[Json]:
    """What no revision owns: the CA, the mesh's roots in all namespaces, our definitions."""
    from xds.model.well_known import CA_SECRET, PART_OF, PRODUCT, ROOTS_CONFIG_MAP

    secret = cluster.get("v1", "Secret", CA_SECRET, namespace)
    if secret is not None:
        yield secret
    for each in cluster.list("v1", "Namespace"):
        roots = cluster.get("v1", "ConfigMap", ROOTS_CONFIG_MAP, each["metadata"]["name"])
        if roots is not None:
            yield roots
    yield from cluster.list("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{PART_OF}={PRODUCT}")


def _name(each: Json) -> str:
    from xds.cli.installation import shown

    return shown([each])[0]


app = typer_app()
app.command()(grouped(command))
