"""Sidecar injection: a pod in plain JSON types goes in, the pod with its proxy comes out. Pure."""

from xds.webhooks.inject.inject import Injected, inject
from xds.webhooks.inject.patch import json_patch
from xds.webhooks.inject.settings import InjectionSettings

__all__ = ["Injected", "InjectionSettings", "inject", "json_patch"]
