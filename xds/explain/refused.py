"""The finding about an object of which something was made that Envoy refuses."""

from __future__ import annotations

from typing import Final

from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef, ObjectRef
from xds.wire.type_urls import CLUSTER, EXTENSION, LISTENER, ROUTE, VIRTUAL_HOST

_WORDS: Final = {
    CLUSTER: "cluster",
    EXTENSION: "filter configuration",
    LISTENER: "listener",
    ROUTE: "route table",
    VIRTUAL_HOST: "virtual host",
}


def refused(ref: ObjectRef, type_url: str, name: str, reason: str) -> Problem:
    """The finding about ``ref``, which has a part in the resource of that type and name."""
    what = f"{_WORDS.get(type_url, type_url.rpartition('.')[2])} {name}"
    message = f"must be something that Envoy takes: nobody is sent the {what} that it makes, {reason}"
    return Problem(FieldRef(ref), "envoy.refused", message)


def untried(ref: ObjectRef) -> Problem:
    """The finding about ``ref``, of which it is not known what Envoy says of what is made of it."""
    message = "may make something that Envoy refuses: there was no time to find out, its status will tell"
    return Problem(FieldRef(ref), "envoy.untried", message, Severity.WARNING)
