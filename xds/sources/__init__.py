"""Where objects come from: Kubernetes, files, memory."""
