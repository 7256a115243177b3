"""The pytest plugin: offers the fixtures where pytest-asyncio is installed, and runs their tests in the mesh's loop.

pytest imports this module in every run, also of projects that use nothing of it: so it imports nothing by itself.
"""

from __future__ import annotations

import importlib

import pytest


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the fixtures."""
    if config.pluginmanager.hasplugin("asyncio"):
        config.pluginmanager.register(importlib.import_module("xds.testing.fixtures"), "plait-fixtures")


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Run tests that take our ``mesh`` in the event loop of their module, in which the mesh lives."""
    if "module_mesh" in getattr(item, "fixturenames", ()):
        item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)
