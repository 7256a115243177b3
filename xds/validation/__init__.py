"""Envoy's own validation rules: what a message must be before any Envoy looks at it. Pure."""

from xds.validation.check import Violation, violations

__all__ = ["Violation", "violations"]
