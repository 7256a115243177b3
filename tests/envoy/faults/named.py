"""Whom an answer of ``plait`` names: as the object of a finding, or as what decides; not merely anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tests.envoy.faults.fault import Fault


def places(told: Any, since: datetime) -> Iterator[tuple[str, str]]:
    """Each object that is named (``Service shop/api``) with its place: a finding's code, or where ``explain`` has it.

    ``decided`` ends the way of a call at its caller's proxy; ``to`` is why a destination of its route gets nothing;
    ``answer`` refuses it at the workload, ``mtls`` is whose mutual TLS does; ``lately`` is whose
    fault it is first that calls failed, ``since`` that moment. All else is the name of a step.
    """
    if isinstance(told, list):
        yield from ((each["object"], each["code"]) for each in told)
        return
    told = told.get("now") or told  # of a request by its id: what would become of it now
    failed = [each for each in told.get("lately", ()) if datetime.fromisoformat(each["last"]) >= since]
    yield from ((by["object"], "lately") for each in failed for by in each["by"][:1])
    path = told.get("path")
    if path is not None:
        yield from ((each["object"], "decided") for each in path["decidedBy"])
        yield from ((each["object"], step["step"]) for step in path["steps"] for each in step["by"])
        yield from ((each["object"], "to") for leg in path["destinations"] if leg["fault"] for each in leg["guilty"])
    for answer in told.get("answers", ()):
        if answer["verdict"] != "denied":
            continue
        if answer["decidedBy"] is not None:
            yield answer["decidedBy"]["object"], "answer"
        if answer["stage"] == "mTLS":
            yield from ((each["object"], "mtls") for each in answer["mtls"]["decidedBy"])


def names(told: Any, fault: Fault, since: datetime) -> bool:
    """Whether the answer (of ``-o json``) names the guilty object of a fault of that moment where it must stand."""
    return (fault.guilty, fault.said) in places(told, since.replace(microsecond=0))


def tells(text: str, fault: Fault) -> bool:
    """Whether the answer for people names it too; of findings, in one line with the code."""
    return any(
        fault.guilty in line and (fault.asked[0] != "analyze" or fault.said in line) for line in text.splitlines()
    )
