"""The webhook that gives pods their sidecar: which pods are sent to which revision of the control plane.

A pod is decided by its namespace's or its own label. ``istio.io/rev`` names a revision or a tag; without any,
``istio-injection=enabled`` on the namespace or ``sidecar.istio.io/inject=true`` on the pod mean the default one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from xds.install.objects import APP, NAMESPACE_NAME, TAG, Json, labels
from xds.install.values import DEFAULT_NAMESPACE, Values
from xds.model.injection import INJECT, NAMESPACE_INJECTION, REVISION, SYSTEM_NAMESPACES
from xds.model.revision import DEFAULT_REVISION, ISTIOD, of_revision

GROUP: Final = "admissionregistration.k8s.io"
API_VERSION: Final = f"{GROUP}/v1"
PLURAL: Final = "mutatingwebhookconfigurations"
PATH: Final = "/inject"
_DOMAIN: Final = "sidecar-injector.istio.io"


def name(values: Values, tag: str = "") -> str:
    """What the configuration of a revision, or of that tag, is called.

    The revision ``default`` and the tag ``default`` are one object: whoever has it takes the namespaces that name none.
    """
    elsewhere = "" if values.namespace == DEFAULT_NAMESPACE else f"-{values.namespace}"
    return of_revision("istio-sidecar-injector", tag or values.revision) + elsewhere


def injector(values: Values) -> Json:
    """The MutatingWebhookConfiguration of this revision; the control plane writes its CA bundle into it."""
    return _configuration(values, "")


def tagged(tag: str, values: Values) -> Json:
    """The one of a tag: what names the tag is sent to this revision."""
    return _configuration(values, tag)


def by_revision(word: str, values: Values) -> list[Json]:
    """The webhooks for who names that revision or tag."""
    unnamed = [_none(REVISION), _none(NAMESPACE_INJECTION)]
    return [
        _webhook(f"rev.namespace.{_DOMAIN}", [_one_of(REVISION, word), _none(NAMESPACE_INJECTION)], _OPTED_IN, values),
        _webhook(f"rev.object.{_DOMAIN}", unnamed, [*_OPTED_IN, _one_of(REVISION, word)], values),
    ]


def by_injection_label(values: Values) -> list[Json]:
    """The webhooks for who names no revision."""
    unnamed = [_none(REVISION), _none(NAMESPACE_INJECTION)]
    return [
        _webhook(f"namespace.{_DOMAIN}", [_one_of(NAMESPACE_INJECTION, "enabled")], _OPTED_IN, values),
        _webhook(f"object.{_DOMAIN}", unnamed, [_one_of(INJECT, "true"), _none(REVISION)], values),
    ]


def _configuration(values: Values, tag: str) -> Json:
    word = tag or values.revision
    more = by_injection_label(values) if word == DEFAULT_REVISION else []
    metadata = {"name": name(values, tag), "labels": labels(values, **({TAG: tag} if tag else {}))}
    return {
        "apiVersion": API_VERSION,
        "kind": "MutatingWebhookConfiguration",
        "metadata": metadata,
        "webhooks": [*by_revision(word, values), *more],
    }


def _webhook(domain: str, namespaces: Sequence[Json], pods: Sequence[Json], values: Values) -> Json:
    exempt = {"key": NAMESPACE_NAME, "operator": "NotIn", "values": [*SYSTEM_NAMESPACES, values.namespace]}
    own = {"key": APP, "operator": "NotIn", "values": [ISTIOD]}
    return {
        "name": domain,
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": service(values, PATH)},
        "failurePolicy": values.injection_failure_policy,
        # A pod in the node's network can have no sidecar: no need to ask, so it starts when nobody answers.
        "matchConditions": [{"name": "pod-network", "expression": _POD_NETWORK}],
        "matchPolicy": "Equivalent",
        "namespaceSelector": {"matchExpressions": [*namespaces, exempt]},
        "objectSelector": {"matchExpressions": [*pods, own]},
        "reinvocationPolicy": "Never",
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        "sideEffects": "None",
        "timeoutSeconds": 10,
    }


def service(values: Values, path: str) -> Json:
    """Where webhooks are reached."""
    return {"name": values.service, "namespace": values.namespace, "path": path, "port": 443}


def _one_of(key: str, value: str) -> Json:
    return {"key": key, "operator": "In", "values": [value]}


def _none(key: str) -> Json:
    return {"key": key, "operator": "DoesNotExist"}


_OPTED_IN: Final[tuple[Json, ...]] = ({"key": INJECT, "operator": "NotIn", "values": ["false"]},)
_POD_NETWORK: Final = "!(has(object.spec.hostNetwork) && object.spec.hostNetwork)"
