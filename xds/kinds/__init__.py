"""What users write: one frozen msgspec struct per kind, with Istio's and Kubernetes' own field names."""
