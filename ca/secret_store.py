"""A CA's state in a Kubernetes Secret; its resourceVersion keeps two writers apart."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any, Final, Protocol

from kubernetes.client import ApiException

from ca.state import CaState, decode, encode
from ca.store import conflict

_ABSENT: Final = 404
_CONFLICT: Final = 409


class SecretApi(Protocol):
    """What is needed of ``kubernetes.client.CoreV1Api``; what comes back has ``data`` and ``metadata``."""

    def read_namespaced_secret(self, name: str, namespace: str) -> Any:
        """The Secret."""

    def create_namespaced_secret(self, namespace: str, body: Any) -> Any:
        """The Secret, made."""

    def replace_namespaced_secret(self, name: str, namespace: str, body: Any) -> Any:
        """The Secret, replaced if it still has the resourceVersion in ``body``."""


class SecretStore:
    """Keeps the state in the Secret ``namespace/name``; keys are encrypted there when there is a passphrase.

    Errors: ApiException for what the API server refuses otherwise.
    """

    def __init__(self, api: SecretApi, namespace: str, name: str, passphrase: bytes | None = None) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._passphrase = passphrase

    def load(self) -> CaState | None:
        """What is stored; a Secret with a plugged-in CA under istio's names counts. Errors: Unusable."""
        secret = self._read()
        if secret is None:
            return None
        files = {name: base64.b64decode(content) for name, content in (secret.data or {}).items()}
        version = secret.metadata.resource_version
        return decode(files, f"Secret {self._namespace}/{self._name}", self._passphrase, version)

    def save(self, state: CaState) -> CaState:
        """Store ``state``. Errors: Conflict."""
        metadata = {"name": self._name, "namespace": self._namespace}
        if state.version is not None:
            metadata["resourceVersion"] = state.version
        files = encode(state, self._passphrase)
        data = {name: base64.b64encode(content).decode() for name, content in files.items()}
        body = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": data}
        try:
            if state.version is None:
                saved = self._api.create_namespaced_secret(self._namespace, body)
            else:
                saved = self._api.replace_namespaced_secret(self._name, self._namespace, body)
        except ApiException as error:
            if error.status in {_ABSENT, _CONFLICT}:
                raise conflict() from None
            raise
        return replace(state, version=saved.metadata.resource_version)

    def version(self) -> str | None:
        """Its resourceVersion."""
        secret = self._read()
        return None if secret is None else str(secret.metadata.resource_version)

    def _read(self) -> Any:
        try:
            return self._api.read_namespaced_secret(self._name, self._namespace)
        except ApiException as error:
            if error.status == _ABSENT:
                return None
            raise
