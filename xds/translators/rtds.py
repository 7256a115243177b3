"""Runtime: the switches of one proxy."""

from __future__ import annotations

from xds.api.envoy.service.runtime.v3.rtds_pb2 import Runtime
from xds.view.specs.observed import RuntimeSpec


def runtime(spec: RuntimeSpec) -> Runtime:
    """The layer of Envoy's runtime that ``spec`` means."""
    message = Runtime(name=spec.name)
    message.layer.update(dict(spec.numbers))
    message.layer.update({key: {"numerator": share, "denominator": "MILLION"} for key, share in spec.shares})
    return message
