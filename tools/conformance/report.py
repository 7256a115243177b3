"""The suite's reports, and the page that is made of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tools.conformance.claims import CLAIMS

_OUTCOME: Final = re.compile(r"^\s*--- (PASS|FAIL|SKIP): TestConformance/([A-Za-z0-9]+) ", re.MULTILINE)
_WORDS: Final = {"PASS": "passed", "FAIL": "failed", "SKIP": "skipped"}
_NOT_YET: Final = "not looked into yet"
_HEAD: Final = """\
# Gateway API conformance

*Written by `make conformance`; [mesh.yaml](mesh.yaml) and [gateway.yaml](gateway.yaml) are the suite's own reports,
[reasons.yaml](reasons.yaml) says why a test fails or a feature is not claimed.*

The official suite `sigs.k8s.io/gateway-api/conformance` {version}, {channel} channel, on a real one-node Kubernetes;
in every check 12 consecutive answers must be right, so that none is right by chance. Two runs: for the mesh the pods of
the suite have sidecars, for gateways they have none.
"""


def outcomes(log: str) -> dict[str, str]:
    """What became of each test, by its short name: passed, failed; those that were left out are not among them."""
    return {
        name: _WORDS[word] for word, name in sorted(_OUTCOME.findall(log), key=lambda found: found[1]) if word != "SKIP"
    }


def counted(found: Mapping[str, str]) -> str:
    """How many tests came to what."""
    return ", ".join(f"{count} {word}" for word, count in sorted(Counter(found.values()).items())) or "no test ran"


def keep(folder: Path, name: str, made: Path, found: Mapping[str, str]) -> None:
    """Keep a run in ``folder``: the suite's report, and what became of every test, those in no profile included."""
    folder.mkdir(parents=True, exist_ok=True)
    if made.exists():
        (folder / f"{name}.yaml").write_text(made.read_text())
    (folder / f"{name}.tests.yaml").write_text(yaml.safe_dump(dict(found)))


def write_page(folder: Path) -> None:
    """Write README.md from what is kept in ``folder``."""
    kept = {claim.name: _read(folder / f"{claim.name}.yaml") for claim in CLAIMS}
    first = next((each for each in kept.values() if each), {})
    head = _HEAD.format(version=first.get("gatewayAPIVersion", ""), channel=first.get("gatewayAPIChannel", ""))
    reasons = {str(test): str(why) for test, why in _read(folder / "reasons.yaml").items()}
    parts = [head, *_profiles(kept)]
    parts += _unclaimed(kept, reasons)
    for claim in CLAIMS:
        parts += _tests(claim.name, _read(folder / f"{claim.name}.tests.yaml"), reasons)
    (folder / "README.md").write_text("\n".join(parts).rstrip() + "\n")


def _profiles(kept: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield "| profile | core | extended |"
    yield "|---|---|---|"
    for found in kept.values():
        for profile in found.get("profiles") or ():
            extended = profile.get("extended") or {}
            yield f"| {profile['name']} | {_result(profile['core'])} | {_result(extended)} |"
    yield ""


def _unclaimed(kept: Mapping[str, Mapping[str, Any]], reasons: Mapping[str, str]) -> Iterator[str]:
    profiles = [profile for found in kept.values() for profile in found.get("profiles") or ()]
    words = {each for profile in profiles for each in (profile.get("extended") or {}).get("unsupportedFeatures") or ()}
    if words:
        yield "| feature that is not claimed | why |"
        yield "|---|---|"
        yield from (f"| {word} | {reasons.get(word, _NOT_YET)} |" for word in sorted(words))
        yield ""


def _result(part: Mapping[str, Any]) -> str:
    counts = part.get("statistics") or {}
    if not counts:
        return "none"
    return f"{part['result']}: {counts['Passed']} of {sum(counts.values())}"


def _tests(name: str, found: Mapping[str, str], reasons: Mapping[str, str]) -> Iterator[str]:
    if not found:
        return
    yield f"## {name}: {counted(found)}\n"
    failed = [test for test, outcome in found.items() if outcome == "failed"]
    if failed:
        yield "| test that fails | why |"
        yield "|---|---|"
        yield from (f"| {test} | {reasons.get(test, _NOT_YET)} |" for test in failed)
        yield ""
    yield f"Passed: {', '.join(test for test, outcome in found.items() if outcome == 'passed') or 'none'}\n"


def _read(path: Path) -> dict[str, Any]:
    return (yaml.safe_load(path.read_text()) or {}) if path.exists() else {}
