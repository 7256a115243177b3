"""``--golden=write`` (``make golden``): rewrite what follows ``then:`` in the cases instead of comparing."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--golden", choices=("compare", "write"), default="compare", help="compare with, or write, goldens"
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> str:
    """What to do with the goldens: compare, or write."""
    return str(request.config.getoption("--golden"))
