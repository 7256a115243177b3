"""The CA's state in a Secret of a real API server."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from kubernetes import client

from ca.errors import Conflict
from ca.secret_store import SecretStore
from ca.state import Phase
from ca.store import open_or_create
from tests.kube.api_server import ApiServer


def test_what_was_saved_comes_back_and_of_two_writers_one_looks_again(api_server: ApiServer, namespace: str) -> None:
    api = client.CoreV1Api(api_server.client())
    store, other = (SecretStore(api, namespace, "plait-ca") for _ in range(2))
    assert (store.load(), store.version()) == (None, None)
    made = open_or_create(store, datetime.now(UTC))
    assert open_or_create(other, datetime.now(UTC)) == made
    saved = store.save(replace(made, more_roots=made.roots, phase=Phase.STABLE))
    assert saved.version == other.version() != made.version
    with pytest.raises(Conflict):
        other.save(made)


def test_labels_and_type_of_the_secret_stay(api_server: ApiServer, namespace: str) -> None:
    api = client.CoreV1Api(api_server.client())
    store = SecretStore(api, namespace, "plait-ca")
    made = open_or_create(store, datetime.now(UTC))
    api_server.kubectl("label", "secret", "plait-ca", "team=security", "-n", namespace)
    with pytest.raises(Conflict):
        store.save(made)
    store.save(replace(made, version=store.version()))
    kept: Any = api.read_namespaced_secret("plait-ca", namespace)
    assert kept.metadata.labels == {"app.kubernetes.io/part-of": "plait", "team": "security"}


def test_an_api_server_that_is_away_is_an_oserror_without_any_key(own_api_server: ApiServer) -> None:
    store = SecretStore(client.CoreV1Api(own_api_server.client()), "default", "plait-ca")
    made = open_or_create(store, datetime.now(UTC))
    own_api_server.stop()
    with pytest.raises(OSError, match="the API server answers") as caught:
        store.save(made)
    assert "PRIVATE" not in str(caught.value)
