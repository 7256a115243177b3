"""Envoy's bootstraps: its way to the control plane, what it presents there, what it counts, how it answers probes."""
