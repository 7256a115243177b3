"""Who proxies are and what proves it: certificates in memory, the mesh's CA while it runs, who is let in."""
