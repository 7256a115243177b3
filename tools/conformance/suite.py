"""The suite's program: what it is told, and one run of it in a cluster."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xds import __version__

_WAITS_S: Final[Mapping[str, int]] = {
    "MaxTimeToConsistency": 30,
    # Fewer can be chance where two pods answer.
    "RequiredConsecutiveSuccesses": 12,
}
# A condition that does not come costs 60 to 180 s each: while one looks for what is missing that is too long.
_SHORT_WAITS_S: Final[Mapping[str, int]] = {
    "MaxTimeToConsistency": 12,
    "RequiredConsecutiveSuccesses": 12,
    "NamespacesMustBeReady": 120,
    "GWCMustBeAccepted": 15,
    "GatewayMustHaveAddress": 30,
    "GatewayMustHaveCondition": 30,
    "GatewayListenersMustHaveConditions": 20,
    "GatewayStatusMustHaveListeners": 12,
    "HTTPRouteMustHaveCondition": 12,
    "HTTPRouteMustNotHaveParents": 12,
    "RouteMustHaveParents": 12,
    "TLSRouteMustHaveCondition": 12,
    "LatestObservedGenerationSet": 12,
    "DefaultTestTimeout": 20,
}
_URL: Final = "https://plait.dev"


@dataclass(frozen=True, slots=True)
class Claim:
    """What is put to the test under one name: the profiles, and the features that Plait says it has.

    ``labels`` are put on the namespaces of the suite; ``gateway_class`` is empty where no gateway is tested.
    """

    name: str
    profiles: tuple[str, ...]
    features: tuple[str, ...]
    gateway_class: str = ""
    labels: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """How a run differs from the whole one: only ``tests`` (no report can be made of that), waiting less, and so on."""

    tests: tuple[str, ...] = ()
    quick: bool = False
    keep: bool = False


def arguments(claim: Claim, report: Path, choice: Choice) -> list[str]:
    """The suite's arguments for ``claim``; it writes its report to ``report``."""
    waits = _SHORT_WAITS_S if choice.quick else _WAITS_S
    chosen = f"/^({'|'.join(choice.tests)})$" if choice.tests else ""
    told = {
        "test.run": f"^TestConformance${chosen}",
        "test.v": "true",
        "test.timeout": "60m",
        "test.parallel": "8",
        "gateway-class": claim.gateway_class,
        "conformance-profiles": ",".join(claim.profiles),
        "supported-features": ",".join(claim.features),
        "timeout-config-overrides": ";".join(f"{name}:{seconds}" for name, seconds in waits.items()),
        "report-output": str(report),
        "organization": "plait",
        "project": "plait",
        "url": _URL,
        "version": f"v{__version__}",
        "contact": _URL,
        "cleanup-base-resources": "false" if choice.keep else "true",
        **({"namespace-labels": claim.labels} if claim.labels else {}),
    }
    return [f"-{name}={value}" for name, value in told.items()]


def run(program: Path, node: Sequence[str], told: Sequence[str], log: Path) -> bool:
    """Run the suite by ``node``, what runs a command in the cluster; whether all passed. ``log`` is what it said."""
    with log.open("w") as written:
        done = subprocess.run([*node, str(program), *told], stdout=written, stderr=subprocess.STDOUT, check=False)
    return done.returncode == 0
