"""Objects of an installation in a cluster: applied, found by their labels, deleted, waited for."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from xds.cli.failure import Failure, Unreachable, in_short
from xds.cli.where import usual_kubeconfig
from xds.install.objects import Json
from xds.install.progress import available, why_not
from xds.model.well_known import PART_OF, PRODUCT

_TIMEOUT_S: Final = 30.0
_PAUSE_S: Final = 0.5
_GONE_S: Final = 60.0
_ABSENT: Final = 404


@dataclass(frozen=True, slots=True)
class Into:
    """Which cluster is written to."""

    kubeconfig: Annotated[
        str, typer.Option("--kubeconfig", metavar="FILE", help="The cluster's. Default: kubectl's; in a pod, its own.")
    ] = ""
    context: Annotated[str, typer.Option("--context", metavar="NAME", help="Which context of the kubeconfig.")] = ""

    @property
    def file(self) -> str:
        """The kubeconfig, or empty for the cluster around this pod."""
        return self.kubeconfig or usual_kubeconfig()

    def open(self) -> Installation:
        """The cluster. Errors: Failure."""
        return Installation(connected(self.file, self.context))


class Installation:
    """A cluster that is written to. Errors of every method: Failure, and Unreachable where nobody answers."""

    def __init__(self, api: Any) -> None:
        self._api = api
        self._host: str = api.configuration.host
        self._dynamic = self._asked("", lambda: _dynamic_client(api))

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> Json | None:
        """One object, None when there is none."""
        resource = self._resource(api_version, kind)
        found: Json | None = self._asked(
            f"{kind} {name}",
            lambda: self._dynamic.get(
                resource, name=name, namespace=namespace or None, _request_timeout=_TIMEOUT_S, serialize=False
            ),
            or_none=True,
        )
        return found

    def list(self, api_version: str, kind: str, selector: str = "", namespace: str = "") -> list[Json]:
        """All objects of a kind with these labels, of one namespace or of all."""
        resource = self._resource(api_version, kind)
        found = self._asked(
            f"all of {kind}",
            lambda: self._dynamic.get(
                resource,
                namespace=namespace or None,
                label_selector=selector or None,
                _request_timeout=_TIMEOUT_S,
                serialize=False,
            ),
        )
        items = (found or {}).get("items") or ()
        return [{**each, "apiVersion": api_version, "kind": kind} for each in items]

    def apply(self, wanted: Json, *, dry_run: bool = False) -> str:
        """Server-side apply; answers ``created``, ``changed`` or ``unchanged``. What others have set stays."""
        before = self.get(*_key(wanted))
        after = self._asked(_shown(wanted), lambda: self._apply(wanted, dry_run=dry_run))
        if before is None:
            return "created"
        return "unchanged" if _content(before) == _content(after) else "changed"

    def delete(self, wanted: Json) -> None:
        """Delete it, its dependents after it; nothing when it is gone already."""
        api_version, kind, name, namespace = _key(wanted)
        resource = self._resource(api_version, kind)
        self._asked(
            _shown(wanted),
            lambda: self._dynamic.delete(
                resource,
                name=name,
                namespace=namespace or None,
                body={"propagationPolicy": "Background"},
                _request_timeout=_TIMEOUT_S,
                serialize=False,
            ),
            or_none=True,
        )

    def wait(self, deployment: Json, timeout_s: float) -> None:
        """Return when all its pods serve. Errors: Failure, which says what is in their way."""
        deadline = time.monotonic() + timeout_s
        key = _key(deployment)
        selector = ",".join(f"{key}={value}" for key, value in deployment["spec"]["selector"]["matchLabels"].items())
        while (found := self.get(*key)) is None or not available(found):
            if time.monotonic() > deadline:
                pods = self.list("v1", "Pod", selector, key[3])
                told = why_not(found, pods) if found is not None else "it is gone"
                raise Failure(f"{_shown(deployment)} is not available after {timeout_s:g} s: {told}")
            time.sleep(_PAUSE_S)

    def forget_conditions(self, revision: str) -> int:
        """Take what a revision that is gone has said of objects away from them; answers from how many."""
        from xds.controllers.forgotten import forget_conditions

        forgotten: int = self._asked("conditions of objects", lambda: forget_conditions(self._api, revision))
        return forgotten

    def until_gone(self, api_version: str, kind: str, selector: str, namespace: str) -> None:
        """Return when none of these is left, or after a while: one that hangs is not to hold all up."""
        deadline = time.monotonic() + _GONE_S
        while self.list(api_version, kind, selector, namespace) and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)

    def _apply(self, wanted: Json, *, dry_run: bool) -> Any:
        return self._dynamic.server_side_apply(
            self._resource(wanted["apiVersion"], wanted["kind"]),
            body=wanted,
            field_manager=PRODUCT,
            force_conflicts=True,
            dry_run="All" if dry_run else None,
            _request_timeout=_TIMEOUT_S,
            serialize=False,
        )

    def _resource(self, api_version: str, kind: str) -> Any:
        return self._asked(kind, lambda: self._dynamic.resources.get(api_version=api_version, kind=kind))

    def _asked(self, about: str, call: Callable[[], Any], *, or_none: bool = False) -> Any:
        """What the API server answers as JSON types; with ``or_none`` None when there is no such object."""
        from kubernetes.client.exceptions import ApiException
        from kubernetes.dynamic.exceptions import DynamicApiError, ResourceNotFoundError
        from urllib3.exceptions import HTTPError

        try:
            answer = call()
        except (DynamicApiError, ApiException) as error:
            if or_none and error.status == _ABSENT:
                return None
            raise Failure(f"{about}: {said(error)} ({error.status})") from None
        except ResourceNotFoundError:
            raise Failure(f"{about}: the API server at {self._host} has no such kind") from None
        except HTTPError as error:
            raise Unreachable(f"the API server at {self._host} does not answer: {in_short(error)}") from None
        return json.loads(answer.data) if hasattr(answer, "data") else answer


def connected(kubeconfig: str, context: str) -> Any:
    """An ``ApiClient`` for that kubeconfig, or (empty) for the cluster around this pod. Errors: Failure."""
    from xds.sources.kube_config import NoCluster, connect

    try:
        return connect(Path(kubeconfig) if kubeconfig else None, context=context)
    except NoCluster as error:
        raise Failure(f"{error}; say which cluster with --kubeconfig and --context") from None


def said(error: Any) -> str:
    """The API server's own words in an ApiException, or a DynamicApiError."""
    try:
        return str(json.loads(error.body)["message"])
    except (ValueError, KeyError, TypeError):
        return str(error.reason)


def selector_of(namespace: str, **labels: str) -> str:
    """What selects our objects of the installation in ``namespace``."""
    from xds.install.objects import INSTANCE

    return ",".join(f"{key}={value}" for key, value in {PART_OF: PRODUCT, INSTANCE: namespace, **labels}.items())


def shown(objects: Iterable[Json]) -> list[str]:
    """The objects by kind and name, for messages."""
    return [_shown(each) for each in objects]


def _dynamic_client(api: Any) -> Any:
    from kubernetes.dynamic import DynamicClient

    # What the package learns of the cluster it would keep in a file that anybody could have put there before.
    with tempfile.TemporaryDirectory() as folder:
        client: Any = DynamicClient
        return client(api, cache_file=str(Path(folder) / "discovery.json"))


def _key(wanted: Mapping[str, Any]) -> tuple[str, str, str, str]:
    metadata = wanted["metadata"]
    return wanted["apiVersion"], wanted["kind"], metadata["name"], metadata.get("namespace", "")


def _shown(wanted: Mapping[str, Any]) -> str:
    _, kind, name, namespace = _key(wanted)
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def _content(stored: Json) -> Json:
    """An object without the notes of who set what when."""
    noise = ("managedFields", "resourceVersion", "generation")
    return {**stored, "metadata": {key: value for key, value in stored["metadata"].items() if key not in noise}}
