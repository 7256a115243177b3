"""Encoded things: deterministic bytes, content hashes, resources and the sets they travel in."""
