"""The webhook that refuses what could not work, when it is written."""

from __future__ import annotations

from typing import Final

from xds.install.injector import API_VERSION, service
from xds.install.objects import NAMESPACE_NAME, TAG, Json, of_cluster
from xds.install.values import Values
from xds.model.injection import REVISION
from xds.model.revision import DEFAULT_REVISION, of_revision

PLURAL: Final = "validatingwebhookconfigurations"
PATH: Final = "/validate"
_GROUPS: Final = (
    "extensions.istio.io",
    "networking.istio.io",
    "networking.plait.dev",
    "security.istio.io",
    "telemetry.istio.io",
)
_DOMAIN: Final = "validation.istio.io"
_WRITTEN: Final = ["CREATE", "UPDATE"]
_AUTHORED: Final[Json] = {
    "apiGroups": list(_GROUPS),
    "apiVersions": ["*"],
    "operations": _WRITTEN,
    "resources": ["*"],
}


def name(values: Values) -> str:
    """What the configuration of a revision is called."""
    return f"{of_revision('plait-validator', values.revision)}-{values.namespace}"


def default_name(values: Values) -> str:
    """What that of the revision ``default`` is called, which is that of the tag ``default`` too."""
    return f"plait-validator-{values.namespace}"


def validator(values: Values) -> Json:
    """The ValidatingWebhookConfiguration of this revision.

    Objects that name a revision go to that one, the others to ``default``. When nobody answers they are let in:
    translation refuses what is bad too, and the status says so.
    """
    unnamed = [unlabelled(values)] if values.revision == DEFAULT_REVISION else []
    body = {"webhooks": [mesh_config(values), labelled(values, values.revision), *unnamed]}
    return of_cluster(API_VERSION, "ValidatingWebhookConfiguration", name(values), values, body)


def tagged_default(values: Values) -> Json:
    """The one that sends to this revision what names none."""
    body = {"webhooks": [labelled(values, DEFAULT_REVISION), unlabelled(values)]}
    made = of_cluster(API_VERSION, "ValidatingWebhookConfiguration", default_name(values), values, body)
    made["metadata"]["labels"][TAG] = DEFAULT_REVISION
    return made


def mesh_config(values: Values) -> Json:
    """The webhook for the mesh-wide settings of this revision."""
    own = {"key": NAMESPACE_NAME, "operator": "In", "values": [values.namespace]}
    named = f"object.metadata.name == '{values.mesh_config_map}'"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": _WRITTEN, "resources": ["configmaps"]}
    return {
        **_webhook(f"mesh.{_DOMAIN}", rule, values),
        "namespaceSelector": {"matchExpressions": [own]},
        "matchConditions": [{"name": "mesh-config", "expression": named}],
    }


def labelled(values: Values, word: str) -> Json:
    """The webhook for objects that name that revision."""
    named = {"key": REVISION, "operator": "In", "values": [word]}
    return {**_webhook(f"rev.{_DOMAIN}", _AUTHORED, values), "objectSelector": {"matchExpressions": [named]}}


def unlabelled(values: Values) -> Json:
    """The webhook for objects that name none."""
    unnamed = {"key": REVISION, "operator": "DoesNotExist"}
    return {**_webhook(_DOMAIN, _AUTHORED, values), "objectSelector": {"matchExpressions": [unnamed]}}


def _webhook(domain: str, rule: Json, values: Values) -> Json:
    return {
        "name": domain,
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": service(values, PATH)},
        "failurePolicy": "Ignore",
        "matchPolicy": "Equivalent",
        "namespaceSelector": {},
        "objectSelector": {},
        "rules": [rule],
        "sideEffects": "None",
        "timeoutSeconds": 5,
    }
