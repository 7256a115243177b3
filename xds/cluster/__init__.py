"""A control plane in its cluster: what that is to it, and what it does there while it serves."""
