"""What the control plane counts of itself, for Prometheus."""
