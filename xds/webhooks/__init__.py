"""HTTPS to the API server: injection and validation."""
