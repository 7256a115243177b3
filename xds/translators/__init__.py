"""How Envoy says it: pure functions from specs to messages. Files are xDS types, folders are features."""
