"""The benchmark: simulated sidecars against the real control plane, beside a bare broadcast of the same bytes."""
