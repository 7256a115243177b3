"""Shares as Envoy takes them."""

from __future__ import annotations

from xds.api.envoy.type.v3.percent_pb2 import FractionalPercent
from xds.model.quantity import Percent


def fractional_percent(share: Percent) -> FractionalPercent:
    """``share`` in parts of a hundred where it is whole, else in parts of a million."""
    whole, rest = divmod(share.parts_per_million, 10_000)
    if rest == 0:
        return FractionalPercent(numerator=whole, denominator=FractionalPercent.HUNDRED)
    return FractionalPercent(numerator=share.parts_per_million, denominator=FractionalPercent.MILLION)
