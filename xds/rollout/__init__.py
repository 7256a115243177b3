"""Changes of configuration that go to one proxy, then to a few, then to all, and back where they do harm."""
