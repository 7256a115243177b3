"""What the decoders of all routes share: the rows of a route, by name and by each parent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from xds.decoders.gateway_api.references import parents
from xds.decoders.row import Authored, Row
from xds.kinds.gateway_api.references import ParentReference
from xds.model.gateway_api import ApiRoute, Rule
from xds.model.policy import Policies
from xds.model.snapshot import Input, Table
from xds.translators.direct_responses.policy import DirectResponse
from xds.translators.missing_clusters.policy import MissingCluster

FAILING = Policies((DirectResponse(500),))
MISSING = Policies((MissingCluster(500),))
UNMATCHED = Policies((DirectResponse(404),))


def route_rows(
    authored: Authored, refs: Iterable[ParentReference], hostnames: Sequence[str], rules: Iterable[Rule]
) -> Iterator[Row]:
    """The rows of a route. One for a Service of another namespace makes its own see that Service differently."""
    named, made = parents(refs), tuple(rules)
    ref = authored.ref
    yield Row(
        Input(Table.API_ROUTE, ref),
        ApiRoute(
            ref=ref,
            parents=named,
            hostnames=tuple(dict.fromkeys(host.lower() for host in hostnames)),
            rules=made,
            created=authored.created,
            failing=FAILING,
            missing=MISSING,
            unmatched=UNMATCHED,
        ),
    )
    for target in dict.fromkeys(parent.target(ref.namespace) for parent in named):
        yield Row(Input(Table.PARENT, target), ref)
    for target in dict.fromkeys(each.to.ref for rule in made for each in rule.backends):
        yield Row(Input(Table.LEADING_ROUTE, target), ref)
    if any(parent.is_service and parent.target(ref.namespace).namespace != ref.namespace for parent in named):
        yield Row(Input(Table.HOME, ref.namespace), ref)
