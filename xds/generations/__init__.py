"""The incremental core between snapshot and streams: layers of resources, and generations of them, published whole."""
