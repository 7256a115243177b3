"""Plait: a control plane that turns Kubernetes Services and mesh policy into Envoy resources."""

__version__ = "0.1.0"
