"""The pytest plugin that offers the local mesh as fixtures."""
