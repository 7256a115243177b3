"""A Prometheus that scrapes the sidecars: what it tells of a mesh's traffic, as long as it remembers."""
