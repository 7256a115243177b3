"""A CA's state in a Kubernetes Secret; its resourceVersion keeps two writers apart."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any, Final, Protocol

from kubernetes.client import ApiException
from urllib3.exceptions import HTTPError

from ca.state import CaState, decode, encode
from ca.store import conflict

_ABSENT: Final = 404
_CONFLICT: Final = 409


_TIMEOUT_S: Final = 5.0
_LABELS: Final = {"app.kubernetes.io/part-of": "plait"}


class SecretApi(Protocol):
    """What is needed of ``kubernetes.client.CoreV1Api``; what comes back has ``data`` and ``metadata``."""

    def read_namespaced_secret(self, name: str, namespace: str, *, _request_timeout: float) -> Any:
        """The Secret."""

    def create_namespaced_secret(self, namespace: str, body: Any, *, _request_timeout: float) -> Any:
        """The Secret, made."""

    def replace_namespaced_secret(self, name: str, namespace: str, body: Any, *, _request_timeout: float) -> Any:
        """The Secret, replaced if it still has the resourceVersion in ``body``."""


class SecretStore:
    """Keeps the state in the Secret ``namespace/name``; keys are encrypted there when there is a passphrase.

    Errors: OSError when the API server does not answer, or refuses.
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
        data = {name: base64.b64encode(content).decode() for name, content in encode(state, self._passphrase).items()}
        try:
            saved = self._create(data) if state.version is None else self._replace(data, state.version)
        except ApiException as error:
            if error.status in {_ABSENT, _CONFLICT}:
                raise conflict() from None
            raise self._out_of_reach(error) from None
        except HTTPError as error:
            raise self._out_of_reach(error) from None
        return replace(state, version=saved.metadata.resource_version)

    def _create(self, data: dict[str, str]) -> Any:
        metadata = {"name": self._name, "namespace": self._namespace, "labels": _LABELS}
        body = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": data}
        return self._api.create_namespaced_secret(self._namespace, body, _request_timeout=_TIMEOUT_S)

    def _replace(self, data: dict[str, str], version: str) -> Any:
        """The Secret with that content; its labels and its type, which may be another's, stay. Errors: Conflict."""
        body = self._read()
        if body is None or body.metadata.resource_version != version:
            raise conflict()
        body.data = data
        return self._api.replace_namespaced_secret(self._name, self._namespace, body, _request_timeout=_TIMEOUT_S)

    def version(self) -> str | None:
        """Its resourceVersion."""
        secret = self._read()
        return None if secret is None else str(secret.metadata.resource_version)

    def _read(self) -> Any:
        try:
            return self._api.read_namespaced_secret(self._name, self._namespace, _request_timeout=_TIMEOUT_S)
        except ApiException as error:
            if error.status == _ABSENT:
                return None
            raise self._out_of_reach(error) from None
        except HTTPError as error:
            raise self._out_of_reach(error) from None

    def _out_of_reach(self, error: ApiException | HTTPError) -> OSError:
        """The error, without what was sent: that has the keys."""
        why = f"{error.status} {error.reason}" if isinstance(error, ApiException) else type(error).__name__
        return OSError(f"Secret {self._namespace}/{self._name}: the API server answers {why}")
