"""One API server a test process, a namespace a test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.kube.api_server import ApiServer, binaries

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A running API server, shared: tests keep to their namespace. One that is stopped in a test is that test's own."""
    server = new_api_server(tmp_path_factory)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def own_api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A running API server that nobody else uses."""
    server = new_api_server(tmp_path_factory)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def other_api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """The running API server of another cluster, which nobody else uses."""
    server = new_api_server(tmp_path_factory)
    try:
        yield server
    finally:
        server.close()


def new_api_server(tmp_path_factory: pytest.TempPathFactory) -> ApiServer:
    assets = binaries()
    if assets is None:
        pytest.skip("no kube-apiserver here: `make kubernetes` builds it, or KUBEBUILDER_ASSETS names its folder")
    server = ApiServer(tmp_path_factory.mktemp("kube"), assets)
    server.start()
    return server


@pytest.fixture
def namespace(api_server: ApiServer) -> str:
    """The name of a new namespace."""
    name = f"test-{next(_NUMBERS)}"
    api_server.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name
