"""The kinds of the Gateway API (group gateway.networking.k8s.io), standard channel."""
