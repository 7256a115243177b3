"""The Gateway API's conformance suite, run against Plait in a real cluster, and its reports."""
