"""The webhook that refuses what could not work, when it is written."""

from __future__ import annotations

from typing import Final

from xds.install.injector import API_VERSION, service
from xds.install.objects import REVISION, Json, of_cluster
from xds.install.values import DEFAULT_REVISION, Values

PLURAL: Final = "validatingwebhookconfigurations"
PATH: Final = "/validate"
_GROUPS: Final = ("extensions.istio.io", "networking.istio.io", "security.istio.io", "telemetry.istio.io")
_DOMAIN: Final = "validation.istio.io"


def name(values: Values) -> str:
    """What the configuration is called."""
    return f"plait-validator{values.suffix}-{values.namespace}"


def validator(values: Values) -> Json:
    """The ValidatingWebhookConfiguration of this revision.

    Objects that name a revision go to that one, the others to ``default``. When nobody answers they are let in:
    translation refuses what is bad too, and the status says so.
    """
    unnamed = [unlabelled(values)] if values.revision == DEFAULT_REVISION else []
    body = {"webhooks": [labelled(values), *unnamed]}
    return of_cluster(API_VERSION, "ValidatingWebhookConfiguration", name(values), values, body)


def labelled(values: Values) -> Json:
    """The webhook for objects that name this revision."""
    return _webhook(f"rev.{_DOMAIN}", {"key": REVISION, "operator": "In", "values": [values.revision]}, values)


def unlabelled(values: Values) -> Json:
    """The webhook for objects that name none."""
    return _webhook(_DOMAIN, {"key": REVISION, "operator": "DoesNotExist"}, values)


def _webhook(domain: str, which: Json, values: Values) -> Json:
    rule = {
        "apiGroups": list(_GROUPS),
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["*"],
    }
    return {
        "name": domain,
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": service(values, PATH)},
        "failurePolicy": "Ignore",
        "matchPolicy": "Equivalent",
        "namespaceSelector": {},
        "objectSelector": {"matchExpressions": [which]},
        "rules": [rule],
        "sideEffects": "None",
        "timeoutSeconds": 5,
    }
