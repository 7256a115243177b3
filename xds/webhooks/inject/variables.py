"""Values that are known on the node only, in arguments of a container: the kubelet puts them in.

``$(NAME)`` in arguments stands for a variable of the container's environment, and ``$$`` for ``$``. What users wrote
is escaped, so that no label can have a variable in it; what is to be replaced is marked with characters that are not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from xds.webhooks.inject.plain import Json

FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "POD_NAME": "metadata.name",
        "POD_NAMESPACE": "metadata.namespace",
        "INSTANCE_IP": "status.podIP",
        "INSTANCE_IPS": "status.podIPs",
        "SERVICE_ACCOUNT": "spec.serviceAccountName",
        "NODE_NAME": "spec.nodeName",
        "HOST_IP": "status.hostIP",
    }
)
"""The variables of the proxy's container and the fields of its pod that they hold."""

# Private use: text that has them by itself can only have a variable of this list put in.
_OPEN: Final = "\ue0d0"
_CLOSE: Final = "\ue0d1"
_MARKED: Final = re.compile(f"{_OPEN}({'|'.join(FIELDS)}){_CLOSE}")


def variable(name: str) -> str:
    """What stands for a variable until ``argument``."""
    return f"{_OPEN}{name}{_CLOSE}"


def environment() -> list[Json]:
    """The variables, as a container's ``env``."""
    return [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in FIELDS.items()]


def escaped(text: str) -> str:
    """``text`` as an argument that the kubelet passes on as it is."""
    return text.replace("$", "$$")


def argument(document: Any) -> str:
    """``document`` as JSON in one argument, its variables for the kubelet to replace."""
    return value(json.dumps(document, ensure_ascii=False, separators=(",", ":")))


def value(text: str) -> str:
    """``text`` as an argument or a variable's value, its variables for the kubelet to replace."""
    return _MARKED.sub(r"$(\1)", escaped(text))
