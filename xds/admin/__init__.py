"""HTTP to people: health, metrics, debug, dashboard."""
