"""Tokens of service accounts, as an API server gives them (TokenRequest)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from xds.cli.failure import Failure, Unreachable, in_short
from xds.cli.installation import said


def requested_token(api: Any, account: tuple[str, str], lifetime: timedelta, audiences: Sequence[str] = ()) -> str:
    """A token of ``account`` (namespace and name) that ends, for the API server itself where no audience is named.

    ``api`` is a kubernetes.client.ApiClient. Errors: Failure.
    """
    import urllib3
    from kubernetes import client

    namespace, name = account
    spec = client.V1TokenRequestSpec(audiences=list(audiences), expiration_seconds=int(lifetime.total_seconds()))
    wanted = client.AuthenticationV1TokenRequest(spec=spec)
    server = api.configuration.host
    try:
        answer = client.CoreV1Api(api).create_namespaced_service_account_token(name, namespace, wanted)
    except client.ApiException as error:
        raise Failure(f"{server}: no token for service account {namespace}/{name}: {said(error)}") from None
    except urllib3.exceptions.HTTPError as error:
        raise Unreachable(f"the API server {server} does not answer: {in_short(error)}") from None
    if answer.status is None:
        raise Failure(f"{server}: the answer has no token for service account {namespace}/{name}")
    return str(answer.status.token)
