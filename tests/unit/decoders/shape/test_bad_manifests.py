"""What is said about broken manifests: for each file in bad/, the lines of the text beside it, in full."""

from __future__ import annotations

from pathlib import Path

import pytest

from xds.sources.files import load

BAD = Path(__file__).parent / "bad"
CASES = sorted(path for path in BAD.iterdir() if path.suffix != ".txt")


def told(path: Path) -> str:
    """Findings with their severity, then the objects that are read all the same."""
    loaded = load(path)
    lines = [f"{problem.severity.value}: {problem}".replace(f"{path.parent}/", "") for problem in loaded.problems]
    lines += [f"good: {found.ref} at line {found.origin.line}" for found in loaded.objects]
    return "".join(line + "\n" for line in lines)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name)
def test_says_what_is_wrong_and_where(path: Path) -> None:
    assert told(path) == path.with_suffix(path.suffix + ".txt").read_text()


def test_the_form_of_a_message() -> None:
    (problem,) = load(BAD / "negative-attempts.yaml").problems
    assert str(problem).endswith(
        "negative-attempts.yaml:10: VirtualService shop/reviews spec.http[0].retries.attempts: "
        "must be a whole number of at least 0, is -1 [field.integer]"
    )
