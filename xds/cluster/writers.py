"""Who may write what in a cluster: its API server is asked, with the token of who wants to."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from xds.controllers.rest import Json, Rest
from xds.failure import Failure
from xds.kinds.registry import BY_GROUP_KIND
from xds.model.api_path import root
from xds.model.refs import ObjectRef

_TIMEOUT_S: Final = 5.0
_NOT_TAKEN: Final = frozenset({401, 403})
_WAY: Final = ("host", "ssl_ca_cert", "ca_cert_data", "verify_ssl", "tls_server_name", "proxy", "proxy_headers")
_WHO: Final = f"{root('authentication.k8s.io', 'v1')}/selfsubjectreviews"
_MAY: Final = f"{root('authorization.k8s.io', 'v1')}/selfsubjectaccessreviews"


class TokenWriters:
    """Answers ``dashboard.acting.Writers`` of the cluster of ``api_client``, whose own credentials it leaves aside."""

    def __init__(self, api_client: Any) -> None:
        self._own = api_client.configuration

    async def who(self, token: str) -> str:
        """The name of the token's owner; ``""`` when it is nobody's. Errors: Failure."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        told = await asyncio.to_thread(self._asked, token, _WHO, body)
        return str(told["status"]["userInfo"]["username"]) if told is not None else ""

    async def may_update(self, token: str, ref: ObjectRef) -> bool:
        """Whether the owner may update that object. Errors: Failure."""
        struct = BY_GROUP_KIND.get((ref.group, ref.kind))
        if struct is None:
            return False
        about = {"group": ref.group, "resource": struct.KIND.plural, "namespace": ref.namespace, "name": ref.name}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
        spec = {"resourceAttributes": {"verb": "update", **about}}
        told = await asyncio.to_thread(self._asked, token, _MAY, {**review, "spec": spec})
        return told is not None and bool(told["status"].get("allowed"))

    def _asked(self, token: str, path: str, body: Json) -> Json | None:
        """What the API server answers to the token's owner; None where it does not take the token."""
        configuration = client.Configuration()
        for name in _WAY:
            if hasattr(self._own, name):
                setattr(configuration, name, getattr(self._own, name))
        configuration.cert_file = configuration.key_file = None
        configuration.api_key = {"authorization": f"Bearer {token}"}
        configuration.retries = 0
        with client.ApiClient(configuration) as asking:
            try:
                return Rest(asking, _TIMEOUT_S).create(path, body)
            except ApiException as error:
                if error.status in _NOT_TAKEN:
                    return None
                raise Failure(f"the API server does not answer the token's owner ({error.status})") from None
            except (HTTPError, OSError):
                raise Failure("the API server does not answer: nobody can be let in now") from None
