"""Who sees what: pure functions from a snapshot and a proxy to the specs of what that proxy is sent."""
