"""The local mesh as pytest fixtures."""
