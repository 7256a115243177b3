"""What a carrier's decoder asks the features: the policies in its struct, without knowing which there are."""

from __future__ import annotations

from functools import cache
from typing import Any

from xds.model.policy import Policies
from xds.model.refs import FieldRef
from xds.translators.feature import Decode, Reading
from xds.translators.registry import features


def decode_policies(carrier: str, struct: object, at: FieldRef, reading: Reading) -> Policies:
    """The policies that features read from ``struct``, which stands at ``at``; findings go to ``reading``.

    Shape: ``carrier`` is one of the names in feature.py, ``struct`` the message of xds.kinds that belongs to it.
    """
    decoded = (decode(struct, at, reading) for decode in _decoders(carrier))
    return Policies(policy for policy in decoded if policy is not None)


@cache
def _decoders(carrier: str) -> tuple[Decode[Any], ...]:
    return tuple(feature.decode[carrier] for feature in features() if carrier in feature.decode)
