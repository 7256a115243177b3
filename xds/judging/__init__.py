"""What is sent instead of what Envoy would refuse: who judges, what is held back, whose objects are to blame."""
