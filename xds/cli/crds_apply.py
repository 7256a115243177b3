"""Custom resource definitions written into a cluster, and waited for."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from xds.cli.failure import Failure, Unreachable, in_short
from xds.cli.installation import connected, said
from xds.kinds.crds.definitions import OURS, Definition
from xds.kinds.crds.installed import joined, why_not

_APPLY: Final = "application/apply-patch+yaml"
_ABSENT: Final = 404
_TIMEOUT_S: Final = 30.0
_PAUSE_S: Final = 0.1

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one definition: created, updated, unchanged or left alone, and why that."""

    name: str
    outcome: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.outcome}" + (f": {self.reason}" if self.reason else "")


class Definitions:
    """The definitions of one cluster. Errors of every method: Failure, and Unreachable where nobody answers."""

    def __init__(self, kubeconfig: str, context: str = "") -> None:
        from kubernetes import client

        api_client = connected(kubeconfig, context)
        self._api: Any = client.ApiextensionsV1Api(api_client)
        self._where = api_client.configuration.host

    def apply(self, ours: Definition, *, force: bool) -> Applied:
        """Write ``ours`` unless what is there had better stay; with ``force`` that too.

        Versions that only the installed one has stay in it.
        """
        name = ours["metadata"]["name"]
        installed = self._read(name)
        if installed is None:
            self._write(ours)
            return Applied(name, "created")
        reason = why_not(installed, ours)
        if reason and not force:
            return Applied(name, "left alone", f"{reason}; --force replaces it")
        before = installed["metadata"]["resourceVersion"]
        after = self._write(joined(installed, ours))["metadata"]["resourceVersion"]
        return Applied(name, "unchanged" if before == after else "updated")

    def wait(self, name: str) -> None:
        """Return when the API server serves the kind. Errors: Failure too when it does not within 30 s."""
        deadline = time.monotonic() + _TIMEOUT_S
        told = "it is gone"
        while time.monotonic() < deadline:
            found = self._read(name) or {}
            conditions = {each["type"]: each for each in found.get("status", {}).get("conditions") or ()}
            if conditions.get("Established", {}).get("status") == "True":
                return
            told = (conditions.get("NamesAccepted") or {}).get("message") or told
            time.sleep(_PAUSE_S)
        raise Failure(f"{name} is not served after {_TIMEOUT_S:g} s: {told}")

    def _read(self, name: str) -> Json | None:
        return self._answer(name, lambda: self._api.read_custom_resource_definition(**_plain(name)))

    def _write(self, definition: Definition) -> Json:
        name = definition["metadata"]["name"]
        found = self._answer(
            name,
            lambda: self._api.patch_custom_resource_definition(
                **_plain(name),
                body=definition,
                field_manager=OURS,
                force=True,
                _content_type=_APPLY,
            ),
        )
        if found is None:
            raise Failure(f"{name}: {self._where} has no custom resource definitions")
        return found

    def _answer(self, name: str, call: Callable[[], Any]) -> Json | None:
        """The object that the API server answers, None when there is none."""
        import urllib3
        from kubernetes.client.exceptions import ApiException

        try:
            found: Json = json.loads(call().data)
        except ApiException as error:
            if error.status == _ABSENT:
                return None
            raise Failure(f"{name}: {said(error)} ({error.status})") from None
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise Unreachable(f"the API server at {self._where} does not answer: {in_short(error)}") from None
        return found


def _plain(name: str) -> Json:
    """Arguments of a call that answers JSON: the package's own classes drop what they do not know."""
    return {"name": name, "_preload_content": False, "_request_timeout": _TIMEOUT_S}
