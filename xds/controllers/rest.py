"""Calls of the API server with plain JSON: for kinds that the `kubernetes` package has no classes for, or odd ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from kubernetes.client.exceptions import ApiException

from xds.controllers.rounds import TIMEOUT_S
from xds.model.shallow import read

ABSENT: Final = 404
CONFLICT: Final = 409
_TOO_MANY: Final = 429
_BROKEN: Final = 500

_MERGE_PATCH: Final = "application/merge-patch+json"
_APPLY_PATCH: Final = "application/apply-patch+yaml"

Json = dict[str, Any]


class Rest:
    """Calls over a ``kubernetes.client.ApiClient``, its address and credentials. May be used in several threads.

    Errors of each call: ApiException for what the API server refuses, urllib3's HTTPError where it does not answer.
    """

    def __init__(self, api_client: Any, timeout_s: float = TIMEOUT_S) -> None:
        self._client = api_client
        self._timeout_s = timeout_s

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        """What is at ``path``."""
        return self._call("GET", path, None, query or {})

    def create(self, path: str, body: Json, manager: str = "") -> Json:
        """The new object, in the collection at ``path``; 409 where there is one of that name."""
        return self._call("POST", path, body, {"fieldManager": manager} if manager else {})

    def replace(self, path: str, body: Json) -> Json:
        """The object at ``path``, replaced; 409 where it no longer has the resourceVersion in ``body``."""
        return self._call("PUT", path, body, {})

    def merge(self, path: str, body: Json) -> Json:
        """The object at ``path``, with ``body`` merged into it; 409 as for ``replace``."""
        return self._call("PATCH", path, body, {})

    def apply(self, path: str, body: Json, manager: str) -> Json:
        """The object at ``path``, made or changed to have what is in ``body``; 409 where another manager has set it."""
        return self._call("PATCH", path, body, {"fieldManager": manager}, _APPLY_PATCH)

    def delete(self, path: str, resource_version: str) -> Json:
        """What became of the object at ``path``; 409 where it no longer has that resourceVersion."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions"}
        return self._call("DELETE", path, {**options, "preconditions": {"resourceVersion": resource_version}}, {})

    def _call(
        self, method: str, path: str, body: Json | None, query: Mapping[str, str], patch: str = _MERGE_PATCH
    ) -> Json:
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = patch if method == "PATCH" else "application/json"
        client = self._client
        made = client.param_serialize(
            method=method,
            resource_path=path,
            query_params=sorted(query.items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        answer = client.call_api(*made, _request_timeout=self._timeout_s)
        text = answer.read()
        if not 200 <= answer.status < 300:
            raise ApiException(http_resp=answer)
        found: Json = read(json.loads, text)
        return found


def is_of_server(error: ApiException) -> bool:
    """Whether the API server itself is in trouble, and would refuse all else too."""
    return not error.status or error.status == _TOO_MANY or error.status >= _BROKEN
