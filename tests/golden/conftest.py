"""``pytest tests/golden --golden=write`` rewrites what follows ``then:``; without it the cases are checked."""

from __future__ import annotations

from typing import cast

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--golden", choices=("check", "write"), default="check", help="check golden cases, or rewrite them"
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> str:
    """``check`` or ``write``."""
    return cast("str", request.config.getoption("--golden"))
