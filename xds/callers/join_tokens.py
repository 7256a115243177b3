"""Tokens for the pods of a local mesh: of the shape of Kubernetes' own, signed with a key that only we have."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timedelta
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from xds.callers.tokens import TokenKeys
from xds.model.identity import AUDIENCE

ISSUER: Final = "https://plait.local"
LIFETIME: Final = timedelta(hours=1)
_ALGORITHM: Final = "ES256"


class JoinTokens:
    """An issuer of tokens; its key is made with it, is written nowhere, and is gone with it."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._id = uuid.uuid4().hex

    @property
    def keys(self) -> TokenKeys:
        """What its tokens are verified with."""
        public = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return TokenKeys.of(ISSUER, {"keys": [{**public, "kid": self._id, "alg": _ALGORITHM, "use": "sig"}]})

    def issue(
        self, namespace: str, service_account: str, pod: str, *, now: datetime, lifetime: timedelta = LIFETIME
    ) -> str:
        """A token for the pod, valid from ``now`` on for ``lifetime``; whole seconds."""
        begins = int(now.timestamp())
        account = {"name": service_account, "uid": _uid("serviceaccount", namespace, service_account)}
        bound = {"name": pod, "uid": _uid("pod", namespace, pod)}
        payload = {
            "iss": ISSUER,
            "aud": [AUDIENCE],
            "sub": f"system:serviceaccount:{namespace}:{service_account}",
            "iat": begins,
            "nbf": begins,
            "exp": begins + max(1, int(lifetime.total_seconds())),
            "jti": str(uuid.uuid4()),
            "kubernetes.io": {"namespace": namespace, "serviceaccount": account, "pod": bound},
        }
        return jwt.encode(payload, self._key, _ALGORITHM, headers={"kid": self._id})


def _uid(*parts: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([ISSUER, *parts])))
