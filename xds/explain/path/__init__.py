"""The whole way of a call: what its caller's proxy does with it, read from the specs that the proxy itself is sent."""
