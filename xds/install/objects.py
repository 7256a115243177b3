"""What all objects of an installation have in common: the head, and the labels that say whose they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from xds import __version__
from xds.install.values import Values
from xds.model.injection import REVISION
from xds.model.revision import ISTIOD
from xds.model.well_known import PART_OF, PRODUCT

Json = dict[str, Any]

INSTANCE: Final = "app.kubernetes.io/instance"
TAG: Final = "istio.io/tag"
APP: Final = "app"
NAMESPACE_NAME: Final = "kubernetes.io/metadata.name"


def labels(values: Values, **more: str) -> dict[str, str]:
    """The labels of an object of this installation: by them it is found again when the revision is removed."""
    return {
        PART_OF: PRODUCT,
        INSTANCE: values.namespace,
        "app.kubernetes.io/name": PRODUCT,
        "app.kubernetes.io/version": __version__,
        REVISION: values.revision,
        **more,
    }


def pod_labels(values: Values) -> dict[str, str]:
    """The labels of the control plane's pods, and what selects them."""
    return {APP: ISTIOD, REVISION: values.revision}


def in_namespace(api_version: str, kind: str, name: str, values: Values, body: Mapping[str, Any]) -> Json:
    """An object of that kind in the control plane's namespace, with our labels."""
    metadata = {"name": name, "namespace": values.namespace, "labels": labels(values)}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}


def of_cluster(api_version: str, kind: str, name: str, values: Values, body: Mapping[str, Any]) -> Json:
    """An object of that kind in no namespace, with our labels."""
    metadata = {"name": name, "labels": labels(values)}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}
