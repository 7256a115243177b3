"""``plait up``: pods as processes in network namespaces, real Envoys beside them, on one Linux machine."""
