"""The mesh's certificate authority; knows nothing of xDS."""
