"""The agent on each node that makes pods' traffic go through their sidecars, so that no pod needs NET_ADMIN for it."""
