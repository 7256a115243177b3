"""Injected faults: what is broken in a healthy mesh, what a client sees then, and what names the guilty object."""
