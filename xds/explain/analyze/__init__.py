"""What is wrong with a whole configuration: what no object shows by itself. One file a family of messages."""

from __future__ import annotations

from collections.abc import Iterable

from xds.explain.analyze import destination_rules, services, virtual_services
from xds.model.problem import Problem, Severity
from xds.model.snapshot import Snapshot
from xds.view.graph import Call, Graph, Read, call

_WORST_FIRST = (Severity.ERROR, Severity.WARNING, Severity.INFO)


def findings(read: Read) -> tuple[Problem, ...]:
    """Everything that is wrong between the objects of a mesh; a check is made again only when what it read changed."""
    families = (virtual_services.findings, destination_rules.findings, services.findings)
    return tuple(problem for family in families for problem in read.get(family))


FINDINGS: Call = call(findings)


def analyze(snapshot: Snapshot, decoded: Iterable[Problem]) -> tuple[Problem, ...]:
    """``decoded`` (what decoders and sources found) and what is wrong between the objects, worst first, by object."""
    return ordered((*decoded, *Graph(snapshot).get(FINDINGS)))


def ordered(found: Iterable[Problem]) -> tuple[Problem, ...]:
    """The findings, each once, worst first, by object and field."""
    order = {severity: rank for rank, severity in enumerate(_WORST_FIRST)}
    return tuple(sorted(dict.fromkeys(found), key=lambda p: (order[p.severity], p.at.object, p.at.dotted, p.code)))
