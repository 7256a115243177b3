"""One HTTP route as users write it, and what the features read from it."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from xds.kinds.http_route import HTTPRoute, HTTPRouteDestination
from xds.kinds.quantities import decode_hook
from xds.model.policy import Policies, Policy
from xds.model.problem import Problems, Severity
from xds.model.refs import FieldRef, ObjectRef
from xds.translators.decode_policies import decode_policies
from xds.translators.feature import HTTP_ROUTE, HTTP_ROUTE_DESTINATION, Reading

P = TypeVar("P", bound=Policy)
AT = FieldRef(ObjectRef("networking.istio.io", "VirtualService", "shop", "b"))
FORWARDING: dict[str, Any] = {"route": [{"destination": {"host": "b"}}]}


class Read:
    """The policies in a route, and the findings as ``field: code``, a ``?`` after a warning's code."""

    def __init__(self, plain: dict[str, Any], *, of_destination: bool = False) -> None:
        self._found = Problems()
        reading = Reading("shop", "cluster.local", self._found)
        if of_destination:
            share = msgspec.convert(plain, HTTPRouteDestination, dec_hook=decode_hook)
            self.policies: Policies = decode_policies(HTTP_ROUTE_DESTINATION, share, AT, reading)
        else:
            route = msgspec.convert(plain, HTTPRoute, dec_hook=decode_hook)
            self.policies = decode_policies(HTTP_ROUTE, route, AT, reading)

    def only(self, kind: type[P]) -> P:
        """The policy of that type; AssertionError when there is none."""
        found = self.policies.get(kind)
        assert found is not None
        return found

    @property
    def findings(self) -> list[str]:
        """What was found, in its order."""
        mark = {Severity.ERROR: "", Severity.WARNING: "?", Severity.INFO: "i"}
        return [f"{problem.at.dotted}: {problem.code}{mark[problem.severity]}" for problem in self._found]


def forwarding(**fields: Any) -> Read:
    """A route to b with these fields (JSON names), read."""
    return Read({**FORWARDING, **fields})
