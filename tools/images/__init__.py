"""The images of the cluster tests, made without Docker: ``python -m tools.images``."""
