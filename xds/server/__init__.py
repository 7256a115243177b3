"""xDS to the proxies: knows resources, knows nothing of the mesh."""
